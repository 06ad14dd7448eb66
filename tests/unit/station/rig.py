"""A bridge without its OPC UA server, and a station made with the `ocpp` package that connects to it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import structlog
import websockets
from ocpp.messages import CallError, validate_payload
from ocpp.v16 import ChargePoint, call
from websockets.asyncio.client import ClientConnection

from bridge.commands.queue import CommandQueue
from bridge.config import Config, needs_plain_port
from bridge.ocpp.server import OcppServer
from bridge.points.events import Event
from bridge.points.rows import Value
from bridge.points.table import load_table
from bridge.points.tree import Group, Quality, Sample, Tree
from bridge.project import Project
from bridge.station.admission import Admission
from bridge.station.certificates import AUTHORITY, Certificates
from bridge.station.context import Context
from bridge.station.credentials import Credentials, installation_key
from bridge.station.known import Known
from bridge.station.last_values import LastValues
from bridge.station.model import bridge_layout, build_models
from bridge.station.profiles.load import load_profiles
from bridge.station.profiles.profile import Profiles
from bridge.station.registry import Stations
from bridge.station.writes import Writes
from bridge.store.store import Store
from tests.unit.scripting.helpers import inline

WAIT = 15.0  # s until a test gives up on something that has to happen
START = 1_800_000_000.0  # when the bridges of the tests begin to run
SUBPROTOCOL = "ocpp1.6"
SILENT = object()  # a station's answer: none

SCRIPT = """\
import asyncio
from bridge.api import *

class Handler(RequestHandler):
"""

TABLE = load_table(Project(Path("/nowhere")).datapoints())
MODELS = build_models(TABLE)


def at(seconds: float = 0.0) -> str:
    """A timestamp, so many seconds after the tests' beginning."""
    return datetime.fromtimestamp(START + seconds, UTC).isoformat().replace("+00:00", "Z")


class Rig:
    """A running bridge. `now` is its clock, `idle` what its monotonic clock shows."""

    def __init__(
        self, store: Path, config: dict[str, Any], scripts: Sequence[Path], profiles: Profiles | None = None
    ) -> None:
        self.now = START
        self.idle = 0.0
        ocpp = {"port": 0, "read_configuration": False, "call_timeout": WAIT, "ping_interval": 0}
        self.config = Config.model_validate({**config, "ocpp": {**ocpp, **config.get("ocpp", {})}})
        self.tree = Tree(bridge_layout(TABLE), self.config.ocpp.max_clock_skew)
        handlers = self.config.handlers
        self.runner = inline(scripts, timeout=handlers.timeout, on_error=handlers.on_error)
        self.store = Store.open(store, flush_interval=0.01)
        self.context = Context(self.tree, self.store, self.runner, self.config.ocpp, lambda: self.now)
        self.context.login_key = installation_key(store.parent)
        self.context.monotonic = lambda: self.idle
        self.stations = Stations(self.context, self.config, MODELS, profiles)
        self.stations.load()
        self.last_values = LastValues(self.tree, self.store)
        self.queue = CommandQueue(
            self.tree,
            self.store,
            TABLE.enumerations["CommandState"].numbers,
            limit=self.config.ocpp.command_queue,
            clock=lambda: self.now,
            done=self.stations.command_done,
        )
        self.queue.restore(self.stations.group)
        self.writes = Writes(self.tree, self.stations, self.queue, lambda: self.now)
        credentials = Credentials(self.store.login, self.context.login_key)
        self.admission = Admission(self.context, self.stations, self.config, credentials)
        self.ocpp = OcppServer(self.config.ocpp, self.stations, self.admission, plain=needs_plain_port(self.config))
        self.certificates = Certificates(
            self.context, self.stations, self.config.pki, store.parent / AUTHORITY, self.queue
        )
        self.events: list[Event] = []
        self.tree.events.append(self._hear)
        self.history: list[tuple[str, Value]] = []
        self._changed = asyncio.Event()
        self._running = False
        self.tree.listeners.append(self._note)

    def _note(self, group: Group, slots: list[int]) -> None:
        self.history += [(f"{group.path}.{group.row(slot).key}", group.sample(slot).value) for slot in slots]
        self._changed.set()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def start(self) -> "Rig":
        await self.runner.start()
        await self.ocpp.start()
        self._running = True
        return self

    async def stop(self) -> None:
        """In the order of the composition root."""
        if not self._running:
            return
        self._running = False
        self.queue.leave()
        await self.ocpp.stop()
        for task in list(self.context.background):
            task.cancel()
        await self.queue.close()
        await self.runner.stop()
        self.stations.stop()
        self.last_values.flush_all()
        await self.store.close()

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until something holds; looks again whenever a point has changed."""
        async with asyncio.timeout(WAIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def tick(self) -> None:
        for _ in self.stations.tick():
            pass
        self.admission.show()
        self.certificates.turn()
        self.writes.resume()

    # Stations

    def known(self, identity: str = "CP1") -> Known:
        known = self.stations.get(identity)
        assert known is not None
        return known

    def url(self, path: str = "CP1") -> str:
        return self.ocpp.url + path

    @asynccontextmanager
    async def socket(self, path: str = "CP1", **options: Any) -> Any:
        """A bare websocket of a station."""
        async with websockets.connect(
            self.url(path), **{"subprotocols": [SUBPROTOCOL], "compression": None, "max_size": None} | options
        ) as socket:
            yield socket

    @asynccontextmanager
    async def station(self, path: str = "CP1", *, boot: bool = True, **options: Any) -> Any:
        """A station that has connected and, by default, booted."""
        async with self.socket(path, **options) as socket:
            station = SimulatedStation(path, socket)
            reading = asyncio.create_task(station.start())
            try:
                if boot:
                    await station.boot()
                yield station
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                    await reading

    # Points, by their paths

    def point(self, path: str) -> tuple[Group, int]:
        found = self.tree.find(path)
        assert found is not None, path
        slot = found[0].slot(found[1])
        assert slot is not None, path
        return found[0], slot

    def sample(self, path: str) -> Sample:
        group, slot = self.point(path)
        return group.sample(slot)

    def value(self, path: str) -> Value:
        return self.sample(path).value

    def quality(self, path: str) -> Quality:
        return self.sample(path).quality

    def values(self, prefix: str, *names: str) -> dict[str, Value]:
        return {name: self.value(f"{prefix}.{name}") for name in names}

    def write(self, path: str, value: Value, user: str = "anna") -> None:
        group, slot = self.point(path)
        self.writes.write(group, slot, value, user)

    async def call(self, path: str, *arguments: Value, user: str = "anna") -> Sequence[Value]:
        """The method `Call` of a command at `CP1.Commands.Reset`; optional arguments may be left away."""
        found = self.tree.find(path)
        assert found is not None, path
        group, folder = found
        method = group.layout.methods[f"{folder}.Call"]
        given = (*arguments, *[None] * (len(method.inputs) - len(arguments)))
        return await self.writes.call(group, method, given, user)

    async def ended(self, command: str, number: int = 1) -> dict[str, Value]:
        """Result.* of a command's request of this number, once it has ended."""
        result = f"{command}.Result"
        await self.until(lambda: self.value(f"{result}.Id") == number and self.value(f"{result}.State") > 2)
        return self.values(result, "StateText", "Status", "Response", "Error", "User")


class SimulatedStation(ChargePoint):
    """The `ocpp` package's station, less its routes: it answers each command from `answers`.

    An answer is a payload, an error code (CALLERROR), SILENT, None (it closes the connection), or a coroutine
    function that gives one of these.
    """

    def __init__(self, identity: str, connection: ClientConnection) -> None:
        super().__init__(identity, connection, response_timeout=WAIT)
        self.socket = connection
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.silent: dict[str, Any] = {}  # commands that were not answered, by action
        self._came = asyncio.Event()
        self._thinking: set[asyncio.Task[None]] = set()

    async def _handle_call(self, message: Any) -> None:
        self.commands.append((message.action, deepcopy(message.payload)))  # the check turns floats into decimals
        await validate_payload(message, self._ocpp_version)
        self._came.set()
        answer = self.answers.get(message.action, {"status": "Accepted"})
        if callable(answer):  # beside the rest: a station reads on while it makes up its mind
            task = asyncio.create_task(self._later(message, answer))
            self._thinking.add(task)
            task.add_done_callback(self._thinking.discard)
        else:
            await self._answer(message, answer)

    async def _later(self, message: Any, answer: Callable[[], Awaitable[Any]]) -> None:
        await self._answer(message, await answer())

    async def _answer(self, message: Any, answer: Any) -> None:
        if answer is None:
            await self.socket.close()
        elif answer is SILENT:
            self.silent[message.action] = message
        elif isinstance(answer, str):
            error = CallError(message.unique_id, answer, "it cannot", {"detail": 1})
            await self.socket.send(error.to_json())
        else:
            result = message.create_call_result(answer)
            await validate_payload(result, self._ocpp_version)
            await self.socket.send(result.to_json())

    async def command(self, count: int = 1) -> tuple[str, dict[str, Any]]:
        """The command of this number, once it has come."""
        async with asyncio.timeout(WAIT):
            while len(self.commands) < count:
                self._came.clear()
                await self._came.wait()
        return self.commands[count - 1]

    async def boot(self) -> Any:
        return await self.call(call.BootNotification("Model", "Vendor"))

    async def settle(self) -> None:
        """Once this is answered, all that was sent before has changed the points."""
        await self.call(call.Heartbeat())

    async def start_transaction(self, connector: int = 1, tag: str = "TAG", meter: int = 100, time: float = 0) -> Any:
        return await self.call(call.StartTransaction(connector, tag, meter, at(time)))

    async def stop_transaction(self, number: int, meter: int = 600, time: float = 60, **more: Any) -> Any:
        return await self.call(call.StopTransaction(meter, at(time), number, **more))

    async def register(self, value: str, time: float = 30, **more: Any) -> None:
        """Tells the energy register of connector 1."""
        sample = {"timestamp": at(time), "sampled_value": [{"value": value}]}
        await self.call(call.MeterValues(1, [sample], **more))
        await self.settle()


async def ask(socket: ClientConnection, frame: str | bytes | list[Any]) -> Any:
    """Sends a frame and returns the next one that comes back."""
    await socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
    async with asyncio.timeout(WAIT):
        return json.loads(await socket.recv())


async def closed(socket: ClientConnection) -> int | None:
    """The code that the bridge closes a connection with."""
    async with asyncio.timeout(WAIT):
        await socket.wait_closed()
    return socket.close_code


class Starter:
    """Starts bridges on one store, one after the other, and stops what still runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()
        self.path = folder / "bridge.db"

    async def __call__(self, script: str = "", **config: Any) -> Rig:
        """`script` is the body of a Handler class; `config` are the tables of config.toml, and `profiles` the texts of
        profiles by name.
        """
        scripts = []
        if script:
            path = self._folder / "site.py"
            path.write_text(SCRIPT + "".join(f"    {line}\n" for line in dedent(script).splitlines()))
            scripts.append(path)
        rig = Rig(self.path, config, scripts, self._profiles(config.pop("profiles", {}), config))
        self._stack.push_async_callback(rig.stop)
        return await rig.start()

    def _profiles(self, texts: dict[str, str], config: dict[str, Any]) -> Profiles:
        files = {f"{name}.yaml": self._folder / f"{name}.yaml" for name in texts}
        for name, text in texts.items():
            files[f"{name}.yaml"].write_text(dedent(text))
        assigned = [station.get("profile", "") for station in config.get("station", [])]
        return load_profiles(files, TABLE.measurands, assigned)

    async def close(self) -> None:
        async with asyncio.timeout(2 * WAIT):
            await self._stack.aclose()


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is logged meanwhile, at every level."""
    with structlog.testing.capture_logs() as entries:
        yield entries
