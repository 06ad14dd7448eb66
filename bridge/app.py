"""The composition root: puts the rooms together and runs them. The only room that knows both servers."""

import asyncio
import contextlib
import gc
import itertools
import sys
import time
from collections.abc import Callable, Iterator

import structlog

from bridge import __version__
from bridge.commands.queue import CommandQueue
from bridge.config import Config
from bridge.errors import Problem, ProjectError
from bridge.garbage import Garbage
from bridge.ocpp.server import OcppServer
from bridge.opcua.server import OpcUaServer, OpcUaSettings
from bridge.opcua.settings import Limits
from bridge.pauses import Pauses
from bridge.points.rows import Value
from bridge.points.table import load_table
from bridge.points.tree import Tree, Update
from bridge.project import Project
from bridge.scripting import InlineRunner
from bridge.station.context import Context
from bridge.station.credentials import Credentials
from bridge.station.last_values import LastValues
from bridge.station.model import bridge_layout, build_models, layouts
from bridge.station.registry import Stations
from bridge.station.writes import Writes
from bridge.store.store import Store

log = structlog.get_logger()

TICK = 1.0  # s
TICKS_TO_WRITE = 5  # from one writing of the last values to the next: that is what a power cut may lose of them
#: s; at Python's own 5 ms a busy event loop keeps the store's thread from the interpreter for seconds (measured:
#: 2.3 s for one transaction beside a loop that spins, 8 ms with this)
SWITCH_INTERVAL = 0.00002


class Bridge:
    """A running bridge. `clock` gives Unix seconds."""

    def __init__(self, project: Project, config: Config, clock: Callable[[], float] = time.time) -> None:
        """Opens the store and restores what was known. Raises ProjectError and StoreError."""
        self._clock = clock
        table = load_table(project.datapoints())
        models = build_models(table)
        self.tree = Tree(bridge_layout(table), config.ocpp.max_clock_skew)
        self._set(Version=__version__, StartTime=clock())
        self.runner = InlineRunner(
            [project.handlers(name) for name in config.handlers.scripts],
            timeout=config.handlers.timeout,
            on_error=config.handlers.on_error,
            on_failure=self._handler_failed,
        )
        self.store = Store.open(project.resolve(config.store.path))
        context = Context(self.tree, self.store, self.runner, config.ocpp, clock)
        self.stations = Stations(context, config, models)
        with _no_collection():
            self.stations.load()
        self._last_values = LastValues(self.tree, self.store)
        self._commands = CommandQueue(
            self.tree,
            self.store,
            table.enumerations["CommandState"].numbers,
            limit=config.ocpp.command_queue,
            clock=clock,
            done=self.stations.command_done,
        )
        self._commands.restore(self.stations.group)
        self.ocpp = OcppServer(config.ocpp, self.stations, Credentials(self.store.password_hash))
        self.opcua = OpcUaServer(
            self.tree,
            Writes(self.tree, self.stations, self._commands, clock),
            OpcUaSettings(
                endpoint=config.opcua.endpoint,
                security=config.opcua.security,
                anonymous=config.opcua.anonymous,
                initial_values=config.opcua.initial_values,
                limits=Limits(**config.opcua.limits.model_dump()),
                users={user.name: (user.role, user.password_hash) for user in config.user},
                pki_dir=project.state_dir / "pki",
            ),
            software_version=__version__,
            layouts=layouts(table, models),
            dynamic=table.measurands.row_of,
        )
        self._context = context
        self._pauses = Pauses()
        self._garbage = Garbage()
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Loads the scripts and opens both servers. Raises ProjectError; then nothing is left open."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            await self.runner.start()
            await self._open_opcua()
            await self.ocpp.start()
        except BaseException:
            await self.stop()
            raise
        self._ticking = asyncio.get_running_loop().create_task(self._tick())
        self._garbage.start()
        self._pauses.start()
        log.info("bridge.started", ocpp=self.ocpp.url, opcua=self.opcua.endpoint)

    async def _open_opcua(self) -> None:
        try:
            await self.opcua.start()
        except OSError as error:
            what = f"cannot listen on {self.opcua.endpoint}: {error.strerror or error}; is another program using it?"
            raise ProjectError([Problem("config.toml", "opcua.endpoint", what)]) from None

    async def stop(self) -> None:
        """Closes the stations' connections (1012), ends the commands, writes what is left to write."""
        self._pauses.stop()
        self._garbage.stop()
        if self._ticking is not None:
            self._ticking.cancel()
        await self.ocpp.stop()
        for task in list(self._context.background):
            task.cancel()
        await self._commands.close()
        await self.opcua.stop()
        await self.runner.stop()
        self._last_values.flush_all()
        await self.store.close()
        log.info("bridge.stopped")

    async def _tick(self) -> None:
        before = 0
        for tick in itertools.count(1):
            await asyncio.sleep(TICK)
            try:
                for _ in self.stations.tick(self._clock()):
                    await asyncio.sleep(0)
                before = self._tick_once(before)
                if tick % TICKS_TO_WRITE == 0:
                    await self._last_values.flush(self._clock())
            except Exception:  # whatever one second brings, the next one comes
                log.exception("tick.failed")

    def _tick_once(self, before: int) -> int:
        """Once a second: counters, edits of another process."""
        self._pauses.turn()
        self._garbage.turn(self.stations.ended)
        edits = self.store.poll_external()
        if edits is not None:
            self.stations.take_edits(edits)
        received = sum(known.received for known in self.stations)
        self._set(
            MessagesReceived=received & 0xFFFFFFFF,
            MessagesPerSecond=(received - before) / TICK,
            StoreQueue=self.store.queue_length,
            ServiceLevel=255 if self.store.healthy else 100,
            LongestPause=round(self._pauses.longest, 3),
            RecentPause=round(self._pauses.recent, 3),
        )
        return received

    def _handler_failed(self, error: str) -> None:
        self._set(HandlerErrors=self.runner.errors & 0xFFFFFFFF, LastHandlerError=error)

    def _set(self, **values: Value) -> None:
        group = self.tree.bridge
        changed = {
            slot: value
            for name, value in values.items()
            if (slot := group.slot(name)) is not None and group.value(name) != value
        }
        updates = [Update(slot, value) for slot, value in changed.items()]
        self.tree.apply(group, updates, self._clock())


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing of what is loaded is garbage, and to look through it again and again takes longer than to load it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
