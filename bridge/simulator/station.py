"""What a station knows and does, whether it is connected or not, whatever its OCPP version."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any, ClassVar, Protocol

from websockets.typing import Subprotocol

from bridge.simulator.outlet import Outlet
from bridge.simulator.profiles import Profiles
from bridge.simulator.settings import Counters, OnEvent, SimulatedStation
from bridge.simulator.timing import happens

VENDOR = "SIM"


class CallError(Exception):
    """A CALL that got no answer. `again`: over the next connection it may."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class Line(Protocol):
    """A connection to the central system."""

    lost: asyncio.Event

    async def start(self) -> None:
        """Reads frames until the connection is lost."""

    async def ask(self, *message: Any) -> Any:
        """Sends a CALL and waits for the answer; raises CallError."""

    async def close(self) -> None:
        """Hangs up."""

    def drop(self) -> None:
        """The connection is gone."""


class Station(ABC):
    """A station: its outlets, its settings, its line when it has one."""

    subprotocol: ClassVar[Subprotocol]
    compression: ClassVar[str | None] = None
    outlets: Sequence[Outlet]

    def __init__(self, settings: SimulatedStation, counters: Counters, on_event: OnEvent | None = None) -> None:
        self.settings = settings
        self.counters = counters
        self.profiles = Profiles()
        self.operative = True
        self.line: Line | None = None
        self.accepted = asyncio.Event()  # by the central system, and the line is there
        self.woken = asyncio.Event()  # the heartbeat interval, or whether we are accepted, has changed
        self.retry = settings.boot_retry
        self.boots = 0  # that were accepted
        self.away = False  # the line was cut on purpose
        self.left = 0.0  # monotonic, when the line was lost last
        self.random = Random(f"{settings.seed}/{settings.id}")  # noqa: S311 - a simulation
        self._on_event = on_event
        self._jobs: set[asyncio.Task[Any]] = set()

    @abstractmethod
    async def boot(self) -> None:
        """Sends BootNotification and takes the answer in."""

    @abstractmethod
    async def heartbeat(self) -> None:
        """Sends Heartbeat."""

    @abstractmethod
    async def greet(self) -> None:
        """Sends what follows an accepted boot, or a connection that has come back."""

    @abstractmethod
    def heartbeat_interval(self) -> float:
        """Seconds; 0: no heartbeats."""

    @abstractmethod
    def set_heartbeat_interval(self, seconds: int) -> None:
        """The central system says how often."""

    @abstractmethod
    def patience(self) -> tuple[int, float]:
        """How often a message about a transaction is tried, and the seconds between."""

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on as long as the station lives, connected or not."""
        return [outlet.run() for outlet in self.outlets]

    def resumes(self) -> bool:
        """A connection has come back; true if that needs no boot."""
        return False

    def close_outlets(self) -> None:
        """Nobody new is served, until the station has been accepted after its next boot."""
        for outlet in self.outlets:
            outlet.open.clear()

    def open_outlets(self) -> None:
        for outlet in self.outlets:
            outlet.open.set()

    def tell(self, event: str, detail: str = "") -> None:
        """Says what happens to whoever listens."""
        if self._on_event is not None:
            self._on_event(self.settings.id, event, detail)

    def start_job(self, work: Coroutine[Any, Any, Any]) -> None:
        """Does something beside the rest, such as what follows an answer."""
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def stop_jobs(self) -> None:
        for job in self._jobs:
            job.cancel()

    async def send(self, *message: Any, must_arrive: bool = False, unasked: bool = True) -> Any:
        """Sends a CALL; returns the answer, None when there is none.

        `must_arrive`: waits for a connection and tries again, as stations do with what concerns transactions
        (OCPP 1.6 §3.7, 2.0.1 E13). Not `unasked`: the central system wants it, so it goes out also while Pending.
        """
        attempts, pause = self.patience() if must_arrive else (1, 0.0)
        while True:
            if must_arrive:
                await self.accepted.wait()
            line = self.line
            if line is None or (unasked and not self.accepted.is_set()):
                return None
            try:
                answer = await line.ask(*message)
            except CallError as error:
                attempts -= not (must_arrive and error.again)
                self._failed(error)
                if attempts <= 0:
                    return None
                await happens(line.lost, None if error.again else pause)
            else:
                self.counters.calls += 1
                return answer

    def _failed(self, error: CallError) -> None:
        self.counters.errors += not error.again
        self.tell("error" if not error.again else "delayed", str(error))

    def registered(self, status: str, interval: Any) -> None:
        """Takes the answer to a BootNotification in (OCPP 1.6 §4.2, 2.0.1 B01 to B03)."""
        seconds = interval if isinstance(interval, int) and interval > 0 else None
        if status != "Accepted":
            self.retry = float(seconds or self.settings.boot_retry)
            self.accepted.clear()
        else:
            if self.settings.heartbeat is None and seconds:
                self.set_heartbeat_interval(seconds)
            self.boots += 1
            self.counters.boots += 1
            self.accepted.set()
        self.woken.set()
        self.tell("boot", status)

    async def pass_time(self) -> None:
        """What takes a few seconds."""
        await asyncio.sleep(2.0 / self.settings.speed)
