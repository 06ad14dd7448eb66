"""What scripts want of the bridge, in the bridge: their stations, and the services that it offers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from bridge.api import Station
from bridge.errors import CallErrorAnswer
from bridge.scripting.client import ERRORS, WANTS
from bridge.scripting.wire import Reply, Wanted, encode, plain

Service = Callable[..., Awaitable[Any]]


class Desk:
    """Serves one process of scripts. `station` finds a station by its identity, `reply` sends a frame.

    Each wish is a task of its own: a script may wait for its station while the station's own messages are answered.
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        station: Callable[[str], Station | None],
        reply: Callable[[Reply], None],
    ) -> None:
        self._services = services
        self._station = station
        self._reply = reply
        self._running: dict[int, asyncio.Task[None]] = {}

    def want(self, wanted: Wanted, *, full: bool) -> None:
        """Begins to serve; `full`: the process does not read what it is sent."""
        if full or len(self._running) >= WANTS:
            self._reply(Reply(wanted.number, None, "ValueError", [f"{WANTS} such calls wait already"]))
            return
        task = self._running[wanted.number] = asyncio.get_running_loop().create_task(self._serve(wanted))
        task.add_done_callback(lambda _: self._running.pop(wanted.number, None))

    def drop(self, number: int) -> None:
        """The script does not wait any more."""
        task = self._running.get(number)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """The process has ended."""
        for task in list(self._running.values()):
            task.cancel()

    async def _serve(self, wanted: Wanted) -> None:
        try:
            value = await self._service(wanted)(*wanted.arguments)
            reply = Reply(wanted.number, msgspec.msgpack.decode(encode(value)), "", [])
        except Exception as error:  # noqa: BLE001 - it is the script's to handle
            reply = _failed(wanted.number, error)
        self._reply(reply)

    def _service(self, wanted: Wanted) -> Service:
        if not wanted.operation.startswith("station."):
            return self._services[wanted.operation]
        station = self._station(wanted.station)
        if station is None:
            raise KeyError(f"there is no station {wanted.station}")
        operations: dict[str, Service] = {
            "station.read": station.read,
            "station.write": station.write,
            "station.call": station.call,
        }
        return operations[wanted.operation]


def _failed(number: int, error: Exception) -> Reply:
    """An error crosses by its name; one that scripts are not told of as a RuntimeError."""
    name = type(error).__name__
    if isinstance(error, CallErrorAnswer):
        return Reply(number, None, name, plain([error.code, error.description, error.details]))
    if name in ERRORS:
        return Reply(number, None, name, plain(list(error.args)))
    return Reply(number, None, "RuntimeError", [plain(f"{name}: {error}")])
