"""The composition root: puts the rooms together and runs them. The only room that knows both servers."""

import asyncio
import contextlib
import gc
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping

import structlog

from bridge import __version__, retention
from bridge.api import Token
from bridge.commands.queue import CommandQueue
from bridge.config import Config, needs_plain_port, trusts_everybody
from bridge.errors import Problem, ProjectError
from bridge.event_log import EventLog
from bridge.garbage import Garbage
from bridge.ocpp.server import OcppServer
from bridge.opcua.server import OpcUaServer, OpcUaSettings
from bridge.opcua.settings import Account, Limits
from bridge.pauses import Pauses
from bridge.points.rows import Value
from bridge.points.table import load_table
from bridge.points.tree import Tree, Update
from bridge.project import DATAPOINTS, HANDLERS, Project
from bridge.scripting.build import build_runner
from bridge.scripting.watching import watch
from bridge.station.admission import Admission
from bridge.station.certificates import AUTHORITY, Certificates
from bridge.station.context import Context
from bridge.station.credentials import Credentials, installation_key
from bridge.station.datapoints import Datapoints
from bridge.station.last_values import LastValues
from bridge.station.model import bridge_layout, build_models, layouts
from bridge.station.profiles.load import load_profiles
from bridge.station.recording.recorder import Recorder
from bridge.station.recording.service import RecordingService
from bridge.station.registry import Stations
from bridge.station.writes import Writes
from bridge.store.health import Health
from bridge.store.store import Store

log = structlog.get_logger()

TICK = 1.0  # s
#: s of a stop that each part may take, which has ended long before when all is well; then the others have their turn.
#: With the stations (ocpp.server) and the store (store.writer) it is over within ten
COMMANDS_WITHIN, RECORDINGS_WITHIN, CLIENTS_WITHIN, SCRIPTS_WITHIN = 0.5, 0.5, 1.0, 2.0
TICKS_TO_WRITE = 10  # from one writing of the last values to the next: that is what a power cut may lose of them
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
        assigned = [station.profile for station in config.station]
        profiles = load_profiles(project.profiles(), table.measurands, assigned, str(project.config_file))
        self.tree = Tree(bridge_layout(table), config.ocpp.max_clock_skew)
        every = [self.tree.bridge.layout, *layouts(table, models)[1:]]
        self.tree.events.append(EventLog(time.monotonic))
        self._set(Version=__version__, StartTime=clock())
        self.runner = build_runner(
            project,
            config,
            self.tree,
            table.enumerations["FileState"],
            {"tokens.find": self._find_token},
            clock=clock,
            on_failure=self._handler_failed,
            replaced=self._handlers_replaced,
        )
        self._project = project
        self.store = Store.open(project.resolve(config.store.path))
        self._health = Health(self.store, project.resolve(config.store.path).parent, self.tree.emit, clock)
        context = Context(self.tree, self.store, self.runner, config.ocpp, clock)
        context.login_key = installation_key(project.state_dir)
        self.stations = Stations(context, config, models, profiles)
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
        authority = project.state_dir / AUTHORITY
        self._certificates = Certificates(context, self.stations, config.pki, authority, self._commands)
        self._admission = Admission(context, self.stations, config, Credentials(self.store.login, context.login_key))
        self.ocpp = OcppServer(
            config.ocpp,
            self.stations,
            self._admission,
            plain=needs_plain_port(config),
            resolve=project.resolve,
        )
        self._writes = Writes(self.tree, self.stations, self._commands, clock)
        self.opcua = OpcUaServer(
            self.tree,
            self._writes,
            OpcUaSettings(
                endpoint=config.opcua.endpoint,
                security=config.opcua.security,
                anonymous=config.opcua.anonymous,
                initial_values=config.opcua.initial_values,
                limits=Limits(**config.opcua.limits.model_dump()),
                users=self._accounts(config),
                pki_dir=project.state_dir / "pki",
                roles=table.roles,
                plain_passwords=config.opcua.plain_passwords,
                trusts_everybody=trusts_everybody(config),
                hide_personal=config.opcua.hide_id_tags,
            ),
            software_version=__version__,
            layouts=every,
            dynamic=table.measurands.row_of,
            audit=self.store.put_audit_soon,
        )
        recorder = Recorder(clock, lambda: self.stations)
        context.listen = recorder.listen
        self._recording = RecordingService(project.state_dir, recorder)
        self._context = context
        self._config = config
        self._datapoints = Datapoints(project.datapoints, table, every, self.tree, clock)
        self._pauses = Pauses()
        self._garbage = Garbage()
        self._received = 0
        self._failing: set[str] = set()  # parts of a tick
        self._ticking: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Loads the scripts and opens both servers. Raises ProjectError; then nothing is left open."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            await self.runner.start()
            self._garbage.start()
            await self._open_opcua()
            self._pauses.start()
            await self.ocpp.start()
            await self._recording.start()
        except BaseException:
            await self.stop()
            raise
        self._ticking = asyncio.get_running_loop().create_task(self._tick())
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        log.info("bridge.started", ocpp=self.ocpp.url, opcua=self.opcua.endpoint)

    async def _open_opcua(self) -> None:
        try:
            await self.opcua.start()
        except OSError as error:
            what = f"cannot listen on {self.opcua.endpoint}: {error.strerror or error}; is another program using it?"
            raise ProjectError([Problem("config.toml", "opcua.endpoint", what)]) from None

    async def stop(self) -> None:
        """Closes the stations' connections (1012), ends the commands, writes what is left to write.

        Whatever hangs or fails, it ends within ten seconds. Raises StoreError when the disk does not answer.
        """
        self.store.hurry()
        self._commands.leave()
        self._pauses.stop()
        for task in (self._ticking, self._watching):
            if task is not None:
                task.cancel()
        await _ended("stations", self.ocpp.stop())
        await _ended("recordings", self._recording.stop(), RECORDINGS_WITHIN)
        for task in list(self._context.background):
            task.cancel()
        await _ended("commands", self._commands.close(), COMMANDS_WITHIN)
        await _ended("clients", self.opcua.stop(), CLIENTS_WITHIN)
        await _ended("scripts", self.runner.stop(), SCRIPTS_WITHIN)
        for part, write in (("models", self.stations.stop), ("values", self._last_values.flush_all)):
            with self._going_on(part):
                write()
        await self.store.close()
        self._garbage.stop()
        log.info("bridge.stopped")

    async def _tick(self) -> None:
        for tick in itertools.count(1):
            await asyncio.sleep(TICK)
            with self._going_on("health"):
                self._set(ServiceLevel=self._health.turn())
            with self._going_on("stations"):
                for _ in self.stations.tick():
                    await asyncio.sleep(0)
            self._tick_once()
            if tick % retention.EVERY == 1:
                self._context.spawn(retention.forget(self.store, self._config.store, self._clock()))
            if tick % TICKS_TO_WRITE == 0:
                with self._going_on("values"):
                    await self._last_values.flush(self._clock())

    def _tick_once(self) -> None:
        """Once a second: whatever one part meets, such as a disk that cannot be read, the others have their turn."""
        parts: Mapping[str, Callable[[], None]] = {
            "pauses": self._pauses.turn,
            "garbage": lambda: self._garbage.turn(len(self.stations)),
            "admission": self._admission.show,
            "certificates": self._certificates.turn,
            "commands": self._writes.resume,
            "edits": self._take_edits,
            "counters": self._count,
        }
        for name, part in parts.items():
            with self._going_on(name):
                part()

    @contextlib.contextmanager
    def _going_on(self, part: str) -> Iterator[None]:
        """Whatever happens, what comes after it does too; it is said once, until it has gone well again."""
        try:
            yield
        except Exception:
            if part not in self._failing:
                log.exception("bridge.part_failed", part=part)
            self._failing.add(part)
        else:
            self._failing.discard(part)

    def _take_edits(self) -> None:
        """What another process has changed. What cannot be read now is asked for once more."""
        edits = self.store.poll_external()
        if edits is not None:
            self.stations.take_edits(edits)
            self._certificates.refresh()
            self.opcua.set_users(self._accounts(self._config))
            self.store.settle_edits(edits)

    def _count(self) -> None:
        received = sum(known.received for known in self.stations)
        before, self._received = self._received, received
        self._set(
            MessagesReceived=received & 0xFFFFFFFF,
            MessagesPerSecond=(received - before) / TICK,
            StoreQueue=self.store.queue_length,
            LongestPause=round(self._pauses.longest, 3),
            RecentPause=round(self._pauses.recent, 3),
            RecentDelay=round(self._pauses.delay, 3),
        )

    def _accounts(self, config: Config) -> dict[str, Account]:
        """The users of OPC UA. Those in the configuration hide those of the same names in the store."""
        stored = {
            user.name: Account(role=user.role, password_hash=user.password_hash, certificate=user.certificate)  # type: ignore[arg-type]
            for user in self.store.users()
        }
        return stored | {user.name: Account(role=user.role, password_hash=user.password_hash) for user in config.user}

    async def _watch(self) -> None:
        """Files that are edited while the bridge runs."""
        folder = self._project.folder
        async with asyncio.TaskGroup() as group:
            group.create_task(watch([folder / HANDLERS], ".py", self.runner.reload))
            group.create_task(watch([folder / DATAPOINTS], ".yaml", self._datapoints.reload))

    async def _find_token(self, id_token: str, id_token_type: str) -> Token | None:
        return self.store.find_token(id_token, id_token_type)

    def _handlers_replaced(self, why: str) -> None:
        before = self.tree.bridge.value("HandlerRestarts")
        self._set(HandlerRestarts=((before if isinstance(before, int) else 0) + 1) & 0xFFFFFFFF)

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


async def _ended(part: str, ending: Awaitable[None], seconds: float | None = None) -> None:
    """A part that does not end, or fails, keeps nothing else from ending."""
    try:
        async with asyncio.timeout(seconds):
            await ending
    except TimeoutError:
        log.error("bridge.not_ended", part=part, seconds=seconds)
    except Exception:
        log.exception("bridge.not_ended", part=part)


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
