"""One connection of a station: the `ocpp` package's ChargePoint over a websocket, without what makes it slow."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ocpp.exceptions import OCPPError
from ocpp.v16 import ChargePoint
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bridge.simulator.station import CallError
from bridge.simulator.v16.station import Station16


class Link(ChargePoint):  # type: ignore[misc] # the package has no types
    """Asks and is asked; what is to follow an answer is done once the answer is out."""

    def __init__(self, station: Station16, connection: ClientConnection) -> None:
        timeout = station.settings.call_timeout
        super().__init__(station.settings.id, connection, timeout, logging.getLogger("ocpp.simulator"))
        self.lost = asyncio.Event()
        self._websocket = connection
        self.station = station
        self._calls: set[asyncio.Task[Any]] = set()
        self._afterwards: list[Callable[[], Coroutine[Any, Any, Any]]] = []

    async def ask(self, payload: Any) -> Any:
        """Sends a CALL and waits for the answer; raises CallError."""
        action = type(payload).__name__
        task = asyncio.ensure_future(self.call(payload, suppress=False, skip_schema_validation=True))
        self._calls.add(task)
        try:
            await asyncio.wait((task,))
            if task.cancelled():
                raise CallError(f"{action}: the connection went", again=True)
            return task.result()
        except ConnectionClosed:
            raise CallError(f"{action}: the connection went", again=True) from None
        except TimeoutError:
            raise CallError(f"{action}: no answer in {self._response_timeout:g} s", again=False) from None
        except (OCPPError, TypeError, AttributeError) as error:  # CALLERROR, or an answer with other fields
            raise CallError(f"{action}: {error}", again=False) from None
        finally:
            self._calls.discard(task)
            task.cancel()

    async def close(self) -> None:
        """Hangs up."""
        await self._websocket.close()

    def drop(self) -> None:
        """The connection is gone: whoever waits for an answer waits for the next one."""
        self.lost.set()
        for task in self._calls:
            task.cancel()

    async def _handle_call(self, msg: Any) -> None:
        await super()._handle_call(msg)
        self.station.counters.commands += 1
        self.station.tell("command", str(msg.action))
        afterwards, self._afterwards = self._afterwards, []
        for work in afterwards:
            self.station.start_job(work())

    def then(self, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **named: Any) -> None:
        """To be called by a method that answers a command: what to do afterwards."""
        self._afterwards.append(lambda: work(*arguments, **named))
