"""What a session works with: the rooms below it, and how an answer to a station's CALL looks."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import msgspec

from bridge.config import OcppConfig
from bridge.points.rows import Value
from bridge.points.tree import Group, Tree, Update
from bridge.scripting import Runner
from bridge.station.known import Known
from bridge.station.profiles.settings import Validation
from bridge.station.v2.addressing import Place
from bridge.station.v2.device_model import Catalogue
from bridge.store.store import Store

Clock = Callable[[], float]


@dataclass(slots=True)
class Context:
    """Shared by all sessions. `clock` gives Unix seconds, `monotonic` seconds that no change of the clock moves;
    `booting` has the last word about what a boot is answered, `booted` hears of every boot that was answered.
    `catalogue` is what 2.x stations' device models share, `unkept` are those whose model has changed since it was given
    to the store. `outlet` finds the points of an EVSE or of one of its
    connectors. `listen` sets the tap of a station that has connected. `least_profile` is the lowest security profile
    that a station may connect with, `best_profile` the highest that it can.
    `sign_certificate` takes a SignCertificate and gives the status of its answer.
    """

    tree: Tree
    store: Store
    runner: Runner
    settings: OcppConfig
    clock: Clock
    booting: Callable[[Known, str], str] = lambda known, status: status
    booted: Callable[[Known], None] = lambda known: None
    monotonic: Clock = time.monotonic
    listen: Callable[[Known], None] = lambda known: None
    background: set[asyncio.Task[None]] = field(default_factory=set)
    catalogue: Catalogue = field(default_factory=Catalogue)
    unkept: set[Known] = field(default_factory=set)
    least_profile: Callable[[str], int] = lambda identity: 0
    login_key: bytes = b""  # of the marks of passwords, see credentials
    best_profile: int = 3
    sign_certificate: Callable[[Known, Mapping[str, Any], float], Awaitable[str]] | None = None
    outlet: Callable[[Known, Place], Group | None] = lambda known, place: None

    def set_points(self, group: Group, values: Mapping[str, Value]) -> None:
        """Sets points by key, now; those that the group does not have are passed over."""
        slots = ((group.slot(key), value) for key, value in values.items())
        self.tree.apply(group, [Update(slot, value) for slot, value in slots if slot is not None], self.clock())

    def validation(self, known: Known) -> Validation:
        """How a station's messages are judged: as its profile says, else as the configuration does."""
        return known.settings.validation or self.settings.validation

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the session, such as reading a station's configuration after its boot."""
        task = asyncio.get_running_loop().create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)


class Answer(msgspec.Struct, frozen=True):
    """The answer to a CALL of a station, and what it changes in the tree once it has gone out.

    `group` is what the message speaks of; None: nothing that is shown, so its rows are not applied.
    `then` is what the rows cannot say; it gets the station's own time of the message, None if it gave none, and returns
    what could not be read, if anything.
    `problem` is what was wrong with the message though it is answered, `meant` the fields that take the place of its
    own in what is shown.
    """

    payload: Mapping[str, Any]
    group: Group | None
    then: Callable[[float | None], str | None] | None = None
    problem: str = ""
    meant: Mapping[str, Any] = MappingProxyType({})


class Quick(NamedTuple):
    """How an automatic message is taken that is a telegram (ocpp.telegrams); the answer to it is empty.

    connector: the connector that it speaks of. take: applies it; False where the message must go the ordinary way, with
    nothing done.
    """

    connector: Callable[[Any], int]
    take: Callable[[Context, Known, Group, Any, float], bool]


class Dialect(Protocol):
    """What is one OCPP version's own: a module such as `v16`."""

    #: actions that a station may not be sent while its registration is Pending
    FORBIDDEN_WHILE_PENDING: frozenset[str]
    #: whether a station that is not accepted is refused also where validation is lenient
    STRICT_REGISTRATION: bool
    #: what is answered without asking anybody: the time (Unix seconds) → the response
    AUTOMATIC: Mapping[str, Callable[[float], dict[str, Any]]]
    #: those of AUTOMATIC that come so often that they have a quick way beside the ordinary one
    QUICK: Mapping[str, Quick]
    #: what scripts have a say in
    DECISIONS: Mapping[str, Callable[..., Awaitable[Answer]]]

    def take(
        self,
        context: Context,
        known: Known,
        group: Group,
        action: str,
        payload: Mapping[str, Any],
        now: float,
    ) -> str:
        """What the rows cannot say of a message that was answered automatically; returns what was unreadable."""

    def configuration_request(self, context: Context, known: Known) -> tuple[str, dict[str, Any]] | None:
        """The command that reads a station's configuration, and its payload; None: it is known."""

    def command_done(
        self,
        context: Context,
        known: Known,
        action: str,
        payload: Mapping[str, Any],
        response: Mapping[str, Any],
    ) -> None:
        """What a station's answer to a command changes in the tree."""

    def triggered(self, action: str, payload: Mapping[str, Any]) -> frozenset[str]:
        """The messages that a command asks the station for."""

    def connector_number(self, known: Known, payload: Mapping[str, Any], field: str) -> int:
        """The connector that a message speaks of; 0 is the station. Raises OcppError."""
