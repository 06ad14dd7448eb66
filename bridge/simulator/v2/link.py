"""One connection of a 2.x station: frames with the wire's keys (OCPP-J 2.0.1 §4; 2.1 adds types 5 and 6)."""

import asyncio
import json
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bridge.simulator.station import CallError
from bridge.simulator.v2.commands import RefusedError, answer
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload

CALL, RESULT, ERROR, RESULT_ERROR, SEND = 2, 3, 4, 5, 6


class Link:
    """Asks, one CALL at a time, and is asked; what is to follow an answer is done once the answer is out."""

    def __init__(self, station: Station2, websocket: ClientConnection) -> None:
        self.lost = asyncio.Event()
        self._station = station
        self._websocket = websocket
        self._turn = asyncio.Lock()
        self._asked: tuple[str, asyncio.Future[Payload]] | None = None

    async def start(self) -> None:
        async for frame in self._websocket:
            await self._take(frame)

    async def ask(self, action: str, payload: Payload) -> Payload:
        async with self._turn:
            if self.lost.is_set():
                raise CallError(f"{action}: the connection went", again=True)
            answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._asked = (str(uuid4()), answer)
            timeout = self._station.settings.call_timeout
            try:
                await self._send([CALL, self._asked[0], action, payload])
                async with asyncio.timeout(timeout):
                    return await answer
            except ConnectionClosed:
                raise CallError(f"{action}: the connection went", again=True) from None
            except TimeoutError:
                raise CallError(f"{action}: no answer in {timeout:g} s", again=False) from None
            except CallError as error:
                raise CallError(f"{action}: {error}", again=error.again) from None
            finally:
                self._asked = None

    async def notify(self, action: str, payload: Payload) -> None:
        """A SEND, which nobody answers (2.1)."""
        await self._send([SEND, str(uuid4()), action, payload])

    async def close(self) -> None:
        await self._websocket.close()

    def drop(self) -> None:
        self.lost.set()
        if self._asked is not None:
            self._settle(self._asked[0], CallError("the connection went", again=True))

    async def _send(self, frame: list[Any]) -> None:
        await self._websocket.send(json.dumps(frame, separators=(",", ":")))

    async def _take(self, text: str | bytes) -> None:
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            frame = None
        match frame:
            case [2, str(unique), str(action), dict(payload)]:
                await self._answer(unique, action, payload)
            case [3, str(unique), dict(payload)]:
                self._settle(unique, payload)
            case [3, str(unique), *_]:
                self._settle(unique, CallError("the answer is no object", again=False))
                if self._station.version != "2.0.1":
                    await self._send([RESULT_ERROR, unique, "FormatViolation", "", {}])
            case [4, str(unique), *why]:
                self._settle(unique, CallError(" ".join(part for part in why if isinstance(part, str)), again=False))
            case [2, str(unique), *_]:
                await self._send([ERROR, unique, "FormatViolation", "", {}])
            case [3 | 4 | 5 | 6, *_]:
                self._station.counters.errors += 1
                self._station.tell("error", f"not understood: {str(text)[:100]}")
            case _:
                await self._send([ERROR, "-1", "RpcFrameworkError", "", {}])

    def _settle(self, unique: str, outcome: Payload | CallError) -> None:
        if self._asked is None or self._asked[0] != unique or self._asked[1].done():
            return
        if isinstance(outcome, CallError):
            self._asked[1].set_exception(outcome)
            self._asked[1].exception()  # who asked may be gone, and then nobody else retrieves it
        else:
            self._asked[1].set_result(outcome)

    async def _answer(self, unique: str, action: str, payload: Payload) -> None:
        station = self._station
        try:
            result = answer(station, action, payload)
        except RefusedError as refused:
            await self._send([ERROR, unique, refused.code, str(refused), {}])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            await self._send([ERROR, unique, "FormatViolation", repr(error)[:255], {}])
        else:
            await self._send([RESULT, unique, result])
        station.counters.commands += 1
        station.tell("command", action)
        for work in station.afterwards():
            station.start_job(work)
