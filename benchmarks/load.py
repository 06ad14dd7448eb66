"""A process of simulated stations: reads what to do from stdin, a line of JSON each, and answers on stdout.

{"do": "boot"}                    connects and boots every station: {"seconds", "refused"}
{"do": "calls", "sessions": N}    N sessions of every station, each CALL as soon as the one before it was
                                  answered: {"calls", "errors", "seconds", "cpu"}
{"do": "start"}                   a transaction at connector 1 of every station: {"calls", "errors"}
{"do": "repeat", "action": A, "seconds": S}    one action of every station as `calls` does it, so long; MeterValues
                                  are of the transaction that `start` has started
{"do": "trickle", "seconds": S, "rate": R}    R MeterValues a second in all: {"calls", "errors"}
"""

import asyncio
import json
import sys
import time
from collections.abc import Coroutine, Generator, Iterator
from itertools import chain, count
from typing import Any

import msgspec
import uvloop

from benchmarks.processes import allow_many_files
from benchmarks.traffic import Call, boot, encode, meter_values, repeated, session, start
from benchmarks.wire import Socket, connect

CONNECTING = 50  # stations that connect at the same time


class Station:
    """A station that sends its CALLs one after the other, each when the one before it was answered."""

    def __init__(self, socket: Socket, number: int) -> None:
        self._socket = socket
        self._sessions = count(number * 1000)
        self._ids = count(1)
        self._calls: Generator[Call, int, None] | Iterator[Call] = iter(())
        self._done: asyncio.Future[int] | None = None
        self._transaction = 0
        self.sent = 0
        self.errors = 0
        self.registered = False
        socket.received = self._received

    async def play(self, calls: Generator[Call, int, None] | Iterator[Call]) -> int:
        """Sends these CALLs; ends with the answer to the last, and returns its transactionId (0: it has none)."""
        self._calls, self._done = calls, asyncio.get_running_loop().create_future()
        self._send(next(calls))
        return await self._done

    async def charge(self, sessions: int) -> None:
        """Whole charging sessions, on the two connectors in turn."""
        for number in range(sessions):
            await self.play(session(next(self._sessions), number % 2 + 1))

    async def start(self) -> None:
        """A transaction at connector 1 that is never stopped."""
        self._transaction = await self.play(chain([start(next(self._sessions), 1)]))

    async def repeat(self, action: str, seconds: float) -> None:
        """One action over and over."""
        await self.play(repeated(action, self._sessions, self._transaction, seconds))

    def _send(self, call: Call) -> None:
        self.sent += 1
        self._socket.send(encode(str(next(self._ids)), call))

    def _received(self, payload: bytes) -> None:
        kind = payload[1]
        if kind == ord("2"):  # after its boot the bridge asks for the station's configuration
            _, message_id, *_ = msgspec.json.decode(payload)
            self._socket.send(msgspec.json.encode((3, message_id, {"configurationKey": []})))
            return
        self.errors += kind != ord("3")
        self.registered = self.registered or b'"Accepted"' in payload
        transaction = 0
        if b"transactionId" in payload:
            transaction = msgspec.json.decode(payload)[2]["transactionId"]
        self._go_on(transaction)

    def _go_on(self, transaction: int) -> None:
        try:
            calls = self._calls
            self._send(calls.send(transaction) if isinstance(calls, Generator) else next(calls))
        except StopIteration:
            if self._done is not None and not self._done.done():
                self._done.set_result(transaction)


class Load:
    """The stations of this process."""

    def __init__(self, url: str, stations: int) -> None:
        self._url = url
        self._numbers = range(stations)
        self.stations: list[Station] = []

    async def boot(self) -> dict[str, Any]:
        began, limit = time.perf_counter(), asyncio.Semaphore(CONNECTING)

        async def one(number: int) -> None:
            async with limit:
                station = Station(await connect(f"{self._url}BENCH{number:04}"), number)
                self.stations.append(station)
                await station.play(boot())

        await asyncio.gather(*(one(number) for number in self._numbers))
        refused = sum(not station.registered for station in self.stations)
        return {"seconds": time.perf_counter() - began, "refused": refused, **self._counted()}

    async def calls(self, sessions: int) -> dict[str, Any]:
        return await self._together(station.charge(sessions) for station in self.stations)

    async def start(self) -> dict[str, Any]:
        return await self._together(station.start() for station in self.stations)

    async def repeat(self, action: str, seconds: float) -> dict[str, Any]:
        return await self._together(station.repeat(action, seconds) for station in self.stations)

    async def trickle(self, seconds: float, rate: float) -> dict[str, Any]:
        """MeterValues of the stations in turn, evenly over the time, whether they are answered or not."""
        loop, number = asyncio.get_running_loop(), 0
        began = loop.time()
        while number < seconds * rate:
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            station = self.stations[number % len(self.stations)]
            await station.play(chain([meter_values(number % 2 + 1, 0, number, number % 20)]))
            number += 1
        return self._counted()

    async def _together(self, work: Iterator[Coroutine[Any, Any, None]]) -> dict[str, Any]:
        """What all stations do at the same time, and what it took."""
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*work)
        return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, **self._counted()}

    def _counted(self) -> dict[str, Any]:
        """What was sent since the last count, and how much of it was refused."""
        counted = {
            "calls": sum(station.sent for station in self.stations),
            "errors": sum(station.errors for station in self.stations),
        }
        for station in self.stations:
            station.sent = station.errors = 0
        return counted


async def main(url: str, stations: int) -> None:
    load, loop = Load(url, stations), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        done = await getattr(load, request.pop("do"))(**request)
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    allow_many_files()
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
