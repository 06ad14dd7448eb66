"""What the two servers in Python share: the pipe over which they are told what to do, and the changes.

Every request is a line of JSON with `do`, and is answered by a line, but for `round`.

stations  makes `count` more, with a value for every point or (`values` false) without any; their CPU time in s
memory    resident memory in bytes; from the first time on there is none that is free from the start
prepare   the first `items` points that change are those that will
pace      from now on each of them changes once in `interval` s; a server that is behind by more drops what it lacks
round     one more change of each as soon as the event loop lets it; rounds queue up
stop      ends both when the present round is complete: how many changes there were, the value of the last round
taken     how many writes and calls came from clients
"""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from benchmarks.processes import own_rss

BALLAST = 1 << 20  # bytes of each size

Slice = Callable[[float], Awaitable[None]]


class Site(Protocol):
    """A server with its stations."""

    writes: int
    calls: int

    @property
    def endpoint(self) -> str:
        """Where clients connect to, once it has started."""

    async def start(self) -> None:
        """Opens the endpoint."""

    async def stop(self) -> None:
        """Closes it."""

    async def make(self, number: int, *, values: bool) -> None:
        """Adds a station of 200 points."""

    def slices(self, items: int) -> Sequence[Slice]:
        """What gives each of the points a value, a part of them each."""


class Changes:
    """The values of the points that change: each round gives all of them the next whole number."""

    def __init__(self, slices: Sequence[Slice], items: int) -> None:
        self._slices = slices
        self._items = items
        self._value = 0
        self._rounds = asyncio.Semaphore(0)
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def pace(self, interval: float) -> None:
        self._start(self._by_timer(interval))

    def round(self) -> None:
        self._rounds.release()
        if self._task is None:
            self._start(self._at_once())

    async def stop(self) -> Mapping[str, Any]:
        self._stopping = True
        self._rounds.release()
        if self._task is not None:
            await self._task
        self._task, self._rounds = None, asyncio.Semaphore(0)
        return {"changes": self._value * self._items, "value": self._value}

    def _start(self, work: Any) -> None:
        self._stopping = False
        self._task = asyncio.create_task(work)

    async def _by_timer(self, interval: float) -> None:
        due, step = time.monotonic(), interval / len(self._slices)
        while not self._stopping:
            self._value += 1
            for change in self._slices:
                await change(float(self._value))
                now = time.monotonic()
                due = max(due + step, now - interval)
                await asyncio.sleep(max(due - now, 0))

    async def _at_once(self) -> None:
        while True:
            await self._rounds.acquire()
            if self._stopping:
                return
            self._value += 1
            for change in self._slices:
                await change(float(self._value))
                await asyncio.sleep(0)


async def serve(site: Site) -> None:
    """Starts the server, prints its endpoint, and does what it is told until the pipe ends."""
    await site.start()
    _answer(endpoint=site.endpoint)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    made, changes, ballast = 0, Changes((), 0), list[bytes]()
    while line := await reader.readline():
        request = json.loads(line)
        match request["do"]:
            case "stations":
                began = time.process_time()
                for number in range(made, made + request["count"]):
                    await site.make(number, values=request["values"])
                made += request["count"]
                _answer(cpu=time.process_time() - began, stations=made)
            case "memory":
                gc.collect()
                ballast = ballast or _ballast()
                _answer(bytes=own_rss())
            case "prepare":
                changes = Changes(site.slices(request["items"]), request["items"])
                gc.collect()
                _answer()
            case "pace":
                changes.pace(request["interval"])
                _answer()
            case "round":
                changes.round()
            case "stop":
                _answer(**await changes.stop())
            case "taken":
                _answer(writes=site.writes, calls=site.calls)
    with contextlib.suppress(Exception):  # its clients are gone; nobody waits for a clean end
        await site.stop()


def _ballast() -> list[bytes]:
    """Fills what the start has left free, else the first thousands of points would seem to cost nothing."""
    return [bytes(size) for size in range(16, 1040, 16) for _ in range(BALLAST // size)]


def _answer(**values: Any) -> None:
    print(json.dumps(values), flush=True)
