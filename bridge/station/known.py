"""What the bridge knows of one station, connected or not."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Protocol

from bridge.ocpp.echoes import Sent
from bridge.points.tree import Group, Station
from bridge.station.clock import StationClock
from bridge.station.conformance import Conformance
from bridge.station.model import Model
from bridge.station.profiles.provision import Provision
from bridge.station.profiles.settings import DEFAULT, Settings
from bridge.station.recording.recorder import Tap
from bridge.station.v2.addressing import Outlet, parse_name
from bridge.station.v2.memory import Memory
from bridge.store.records import StationRecord


class Connection(Protocol):
    """A station's open connection (session.Session), as the rest of this room needs it. `was_read`: its configuration
    has been asked for.
    """

    registration: str
    overruled: str
    was_read: bool

    @property
    def profile(self) -> int: ...

    async def ended(self) -> None: ...

    def refusal(self, action: str) -> str: ...

    def check_call(self, action: str, payload: Mapping[str, Any]) -> None: ...

    async def call(
        self,
        action: str,
        payload: Mapping[str, Any],
        sent: Callable[[], None] | None = None,
        going: Callable[[], Awaitable[None]] | None = None,
    ) -> dict[str, Any]: ...

    def replaced(self) -> None: ...

    def removed(self) -> None: ...

    def adopt(self, settings: Settings) -> None: ...


#: Status.State of a connector with a car: Occupied as it is reported, and what it was last shown as before a restart
OCCUPIED = frozenset({"Occupied", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})


@dataclass(slots=True, eq=False)
class Running:
    """A transaction that runs. `group` is its connector, None where that cannot be shown as points.

    `lost`: the station has no transaction there any more, and its stop has not come yet. start_time: Unix seconds by
    the station's clock, None where it is not known any more. `named`: the station may have used its id, so it knows
    it; only of one that has just begun it is certain that it has not. `begun`: start_time, where the station itself has
    told it.
    """

    id: int
    group: Group | None
    meter_start: float
    id_tag: str
    lost: bool = False
    start_time: float | None = None
    named: bool = True
    begun: float = -inf


class Known:
    """One station: its points, its row in the store, its connection if it has one, its running transactions."""

    __slots__ = (
        "clock",
        "configuration",
        "conformance",
        "connections",
        "counted",
        "heard",
        "interval",
        "last_message",
        "leaving",
        "memory",
        "model",
        "newest",
        "numbered",
        "points",
        "policy",
        "provision",
        "received",
        "record",
        "removed",
        "running",
        "secrets",
        "sent",
        "session",
        "settings",
        "slowed",
        "stale",
        "tap",
        "unsaved",
    )

    def __init__(
        self, record: StationRecord, points: Station, model: Model, policy: str, max_clock_skew: float
    ) -> None:
        """`policy` is the registration of a station that nobody has decided about."""
        self.record = record
        self.points = points
        self.model = model
        self.policy = policy
        self.clock = StationClock(max_clock_skew)
        self.session: Connection | None = None
        self.leaving: Connection | None = None  # whose connection has closed, but not all that it has begun is done
        self.running: dict[int, Running] = {}
        self.configuration: dict[str, str] = {}  # point's name → the station's key, where they differ
        self.conformance = Conformance()
        self.received = 0
        self.sent = 0
        self.secrets: Sent | None = None
        self.counted = -1  # the sum of both, as it was shown last
        self.connections = 0
        self.memory: Memory | None = None  # of OCPP 2.x
        self.numbered: dict[int, Group] = {}  # connector's number → its points; 0 is the station itself
        self.newest: dict[Group, int] = {}  # connector → the transaction that was the last to start there
        self.interval: int | None = None  # the heartbeat interval that the last boot was answered, s
        self.last_message: float | None = None
        self.heard = 0.0  # the same by a clock that nobody sets
        self.stale = False
        self.slowed: float | None = None  # when it was last made to wait for sending too much, by that clock
        self.settings: Settings = DEFAULT  # of its profile
        self.tap: Tap | None = None  # hears its frames while it is recorded
        self.provision: Provision | None = None  # what its profile wants it to be set to
        self.removed = False  # by the operator: nothing of it is stored any more
        self.unsaved = False  # the disk refused what was decided about the station

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def is_connected(self) -> bool:
        return self.session is not None

    @property
    def spoken(self) -> str:
        """The OCPP version that it speaks."""
        return self.model.version.name

    @property
    def introduction(self) -> Mapping[str, Any]:
        """What was decided about it, and what it said of itself when it booted."""
        return {"registration": self.record.registration, "boot": self.record.boot}

    @property
    def registration(self) -> str:
        """Accepted, Pending or Rejected: what the next boot is answered unless a script says otherwise."""
        return self.record.registration or self.policy

    def update(self, **changes: object) -> StationRecord:
        """Replaces fields of the record; returns the new one."""
        self.record = replace(self.record, **changes)  # type: ignore[arg-type]
        return self.record

    def use(self, settings: Settings) -> None:
        """Its messages are read so from now on."""
        if settings is not self.settings:
            if self.received:  # what was reckoned before a restart was so by the profile of then
                self.clock.shift(self.settings.clock_offset - settings.clock_offset)
            self.settings = settings
            if self.session is not None:
                self.session.adopt(settings)

    def overrule(self) -> None:
        """What was just decided about a connected station holds for commands and tokens before it learns of it."""
        if self.session is not None:
            self.session.overruled = self.registration

    @property
    def is_accepted(self) -> bool:
        """Whether tokens may charge at it: by what it was last told, and by what was decided since."""
        if self.session is None:
            return self.registration == "Accepted"
        return self.session.registration == "Accepted" and self.session.overruled in ("", "Accepted")

    def run(self, running: Running) -> None:
        """A transaction runs, until it is stopped."""
        self.running[running.id] = running
        if running.group is not None:
            self.newest[running.group] = max(running.id, self.newest.get(running.group, 0))

    def charges_at(self, group: Group) -> bool:
        """Whether a transaction runs at a connector, in whatever version."""
        newest = None if self.memory is None else self.memory.transactions.at(group.path.rpartition(".")[2])
        return self.running_at(group) is not None or (newest is not None and not newest.ended)

    def running_id(self, group: Group) -> int | str | None:
        """The id of the transaction that runs at a connector, by the version that the station speaks."""
        if self.model.version.name == "1.6":
            running = self.running_at(group)
            return None if running is None else running.id
        newest = None if self.memory is None else self.memory.transactions.at(group.path.rpartition(".")[2])
        return None if newest is None or newest.ended else newest.id

    def hides(self, named: Mapping[str, Any]) -> bool:
        """Whether what names a variable of the device model names one whose value must not be shown (OCPP 2.x)."""
        return self.memory is not None and self.memory.model.hides(named)

    def outlets(self, evse: int) -> list[Outlet]:
        """The connectors of an EVSE that are known (OCPP 2.x)."""
        found: list[Outlet] = []
        for name, group in self.points.connectors.items():
            place = parse_name(name)
            if place is not None and place.evse == evse and place.connector is not None:
                report = None if self.memory is None else self.memory.reported.get(name)
                status = group.value("Status.StateText") if report is None else report.status
                found.append(Outlet(place.connector, self.charges_at(group), status in OCCUPIED))
        return found

    def running_at(self, group: Group) -> Running | None:
        """The transaction that runs at a connector. One whose stop was lost ran until the next one started."""
        found = self.running.get(self.newest.get(group, 0))
        return None if found is None or found.lost else found

    def lose(self, running: Running) -> None:
        """Notes that a transaction has been lost."""
        self.running[running.id] = replace(running, lost=True)

    def find_again(self, transaction: int, group: Group) -> Running | None:
        """A transaction that was lost at a connector, and that the station knows after all."""
        found = self.running.get(transaction)
        if found is None or found.group is not group or self.newest.get(group) != transaction:
            return None
        found = self.running[transaction] = replace(found, lost=False)
        return found
