"""Stations in the benchmark's own process, whose clock then tells both ends: the station's and the client's."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from benchmarks.traffic import Call, boot, encode
from benchmarks.wire import Socket, connect

ANSWER_TIMEOUT = 10.0  # s


class Station:
    """A booted station. `called` gets the action and the time (perf_counter) of each CALL of the bridge."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._answer: asyncio.Future[None] | None = None
        self._sent = 0
        self.called: Callable[[str, float], None] = lambda action, at: None
        socket.received = self._received

    async def call(self, call: Call) -> None:
        """Sends a CALL and waits for its answer. Raises TimeoutError."""
        self._answer = asyncio.get_running_loop().create_future()
        self.send(call)
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await self._answer

    def send(self, call: Call) -> float:
        """Sends a CALL; returns the time before it was written (perf_counter)."""
        self._sent += 1
        payload = encode(str(self._sent), call)
        began = time.perf_counter()
        self._socket.send(payload)
        return began

    def _received(self, payload: bytes) -> None:
        at = time.perf_counter()
        kind, message_id, *rest = msgspec.json.decode(payload)
        if kind != 2:
            assert kind == 3, payload
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(None)
            return
        action: str = rest[0]
        answer: dict[str, Any] = {"configurationKey": []} if action == "GetConfiguration" else {"status": "Accepted"}
        self._socket.send(msgspec.json.encode((3, message_id, answer)))
        self.called(action, at)


@asynccontextmanager
async def booted(url: str) -> AsyncIterator[Station]:
    """A station that has connected and booted."""
    socket = await connect(url)
    station = Station(socket)
    try:
        for call in boot():
            await station.call(call)
        yield station
    finally:
        socket.close()
        await socket.lost.wait()
