"""What a script holds of the bridge, in its own process: objects that ask over the pipe."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bridge.api import Token, Value
from bridge.errors import CallErrorAnswer, CallFailed, CallTimeout, StationOffline
from bridge.scripting.wire import WANTED_SIZE, Dropped, Frame, Reply, Wanted, encode

#: what a script may wait for of the bridge at once
WANTS = 256

#: the errors that cross by name, and what else does not: it comes as a RuntimeError that says so
ERRORS: Mapping[str, type[Exception]] = {
    kind.__name__: kind for kind in (KeyError, ValueError, CallFailed, CallErrorAnswer, CallTimeout, StationOffline)
}


class Client:
    """Asks the bridge, on the process's loop. `send` writes a frame."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def want(self, operation: str, *arguments: Any, station: str = "") -> Any:
        """What the bridge answers. Raises what it says, ValueError for what is too large or too much, and what
        msgspec raises of a value that no frame carries.
        """
        if asyncio.get_running_loop() is not self._loop:  # a plain `def` runs one of its own in its thread
            wish = self.want(operation, *arguments, station=station)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(wish, self._loop))
        if len(self._waiting) >= WANTS:
            raise ValueError(f"{operation}: {WANTS} such calls of scripts wait already")
        if len(encode(arguments)) > WANTED_SIZE:
            raise ValueError(f"{operation}: more than {WANTED_SIZE} bytes")
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(Wanted(number, station, operation, list(arguments)))
            return await future
        except asyncio.CancelledError:
            self._send(Dropped(number))
            raise
        finally:
            del self._waiting[number]

    def settle(self, reply: Reply) -> None:
        """The bridge has answered."""
        future = self._waiting.get(reply.number)
        if future is None or future.done():
            return
        if reply.error:
            future.set_exception(ERRORS.get(reply.error, RuntimeError)(*reply.arguments))
        else:
            future.set_result(reply.value)


class RemoteStation:
    """bridge.api.Station over the pipe."""

    __slots__ = ("_client", "area", "id")

    def __init__(self, client: Client, identity: str, area: str) -> None:
        self._client = client
        self.id = identity
        self.area = area

    async def read(self, path: str) -> Value:
        value: Value = await self._client.want("station.read", path, station=self.id)
        return value

    async def write(self, path: str, value: Value) -> None:
        await self._client.want("station.write", path, value, station=self.id)

    async def call(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._client.want("station.call", action, dict(payload), station=self.id)
        return answer


class Tokens:
    """bridge.api.Tokens; `want` asks the bridge, wherever that is."""

    def __init__(self, want: Callable[..., Any]) -> None:
        self._want = want

    async def find(self, id_token: str, id_token_type: str = "") -> Token | None:
        return msgspec.convert(await self._want("tokens.find", id_token, id_token_type), Token | None)


class Access:
    """bridge.api.BridgeAccess."""

    def __init__(self, want: Callable[..., Any]) -> None:
        self.tokens = Tokens(want)
