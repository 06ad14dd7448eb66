"""Where one station stands with what its profile wants."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from bridge.ocpp.echoes import public
from bridge.points.rows import Value
from bridge.points.values import MAX_TEXT, format_time, number, parse_time, to_json
from bridge.station.profiles.profile import Profile
from bridge.station.profiles.targets import Target, key_name, targets
from bridge.station.v2.variables import FOLDER, Variable

REBOOT = "RebootRequired"
HIDDEN = "…"
#: what a station says of a value that it will not take, however often it is told
FINAL = frozenset(
    {
        REBOOT,
        "NotImplemented",
        "NotSupported",
        "NotSupportedAttributeType",
        "ReadOnly",
        "Rejected",
        "UnknownComponent",
        "UnknownVariable",
    }
)
#: … and what it says where it knows the variable by another name, or not at all
UNKNOWN = frozenset({"UnknownComponent", "UnknownVariable"})
_LISTS = frozenset({"MemberList"})


class Found(NamedTuple):
    """A value as the station last told it. `kind`: the data type of a 2.x variable, "" of a 1.6 key, which is a text.

    `told`: it has told one; `readable`: it tells it to anybody.
    """

    value: Value = None
    kind: str = ""
    told: bool = False
    readable: bool = True


class Drift(NamedTuple):
    """A value that differs from the profile's. `found`, as OCPP writes it, is None where the station has not told it;
    `why` is what it said when it was to be set.
    """

    target: Target
    found: str | None
    why: str = ""
    hidden: bool = False


class Provision:
    """What a station of a profile is to be set to, and how far that is. `version` is the OCPP version that it speaks.

    held: it is kept Pending until it is configured. kept: over how many connections, since it was last accepted;
    held_over: the number of the last one. released: it is not, from its next boot on. settled: the number of the
    connection over which that is so. due: it has booted since it was last configured. working: it is being configured
    over the connection of this number. tried: it has been, since the bridge started. reset_due: a reset waits until
    nobody charges; reset_for: what the last one was for.
    """

    __slots__ = (
        "dirty",
        "due",
        "held",
        "held_over",
        "kept",
        "names",
        "on_change",
        "profile",
        "released",
        "reset_due",
        "reset_for",
        "said",
        "settled",
        "shown",
        "spelled",
        "taken",
        "targets",
        "told",
        "tried",
        "unreadable",
        "version",
        "which",
        "working",
    )

    def __init__(self, profile: Profile, version: str, on_change: Callable[[], None] = lambda: None) -> None:
        """`on_change` hears that the station has told one of the values that are wanted."""
        self.profile = profile
        self.version = version
        self.on_change = on_change
        found = targets(version, profile.wants(version))
        self.targets: Mapping[str, Target] = {target.place: target for target in found}
        self.spelled: dict[str, str] = {}  # place → the key of its point
        self.names: dict[str, Variable] = {}  # place → the variable that the station has there
        self.which: dict[str, int] = {}  # place → the one of the target's variables that it may have
        self.told: dict[str, str] = {}  # place → its value, of a variable that no report has described
        self.said: dict[str, str] = {}  # place → why it is not set
        self.unreadable: set[str] = set()  # places whose values the station does not tell
        self.taken: set[str] = set()  # those of them that were accepted
        self.held = self.released = self.due = self.tried = self.reset_due = self.dirty = False
        self.settled = self.working = self.held_over = self.kept = 0
        self.shown: frozenset[str] = frozenset()  # places of the drift that is shown
        self.reset_for: frozenset[str] = frozenset()

    @property
    def holds(self) -> bool:
        """Whether a station that is not configured is kept Pending."""
        return bool(self.targets) and self.profile.holds(self.version)

    def begin(self) -> None:
        """The station has booted: everything is tried once more."""
        self.due = bool(self.targets)
        self.said.clear()
        self.unreadable.clear()
        self.taken.clear()

    # What the station says

    def heard(self, key: str) -> None:
        """The station has told the value of a point."""
        place = key.lower()
        if place in self.targets:
            self.spelled[place] = key
            self.on_change()

    def hear_read(self, target: Target, status: str, value: str | None = None) -> None:
        """What it said when a value was read."""
        if value is not None:
            self.told[target.place] = public(value)
        if status == "Rejected":
            self.unreadable.add(target.place)
        elif status != "Accepted":
            self._hear(target, status)

    def hear_set(self, target: Target, status: str, value: str | None = None) -> None:
        """What it said when a value was set."""
        if status != "Accepted":
            self._hear(target, status)
            return
        self.said.pop(target.place, None)
        if target.place in self.unreadable:
            self.taken.add(target.place)

    def _hear(self, target: Target, status: str) -> None:
        place = target.place
        tried = self.which.get(place, 0)
        if status in UNKNOWN and place not in self.names and tried + 1 < len(target.variables):
            self.which[place] = tried + 1
        else:
            self.said[place] = status

    # What follows from it

    def variable(self, target: Target) -> Variable:
        """What a path means, as far as the station has told."""
        return self.names.get(target.place) or target.variables[self.which.get(target.place, 0)]

    def point(self, target: Target) -> str:
        """The key of the point that shows a value."""
        return self.spelled.get(target.place) or f"{FOLDER}.{key_name(target.key)}"

    def is_final(self, target: Target) -> bool:
        """Whether the station has said that it will not take the value, or only with its next reboot."""
        return self.said.get(target.place) in FINAL

    def drifts(self, found: Mapping[str, Found]) -> list[Drift]:
        """What differs, by what the station has told: place → value."""
        drifts = []
        for place, target in self.targets.items():
            at = found.get(place, Found())
            if place in self.taken or (at.told and same(at.kind, target.text, at.value)):
                continue
            hidden = not at.readable or place in self.unreadable
            drifts.append(Drift(target, _written(at), self.said.get(place, ""), hidden))
        return drifts

    def state(self, drifts: Iterable[Drift]) -> str:
        """Config.State, of what differs."""
        if not self.targets:
            return "NotRequired"
        if self.working:
            return "Configuring"
        if any(drift.why != REBOOT for drift in drifts):
            return "Drifted" if self.tried else "Unconfigured"
        return REBOOT if self.reboots else "Configured"

    @property
    def reboots(self) -> frozenset[str]:
        """The places of the values that wait for a reboot, whether or not the station shows them already."""
        return frozenset(place for place, why in self.said.items() if why == REBOOT)


def _written(found: Found) -> str | None:
    """A value as OCPP writes it."""
    value = found.value
    if not found.told or value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return format_time(value) if found.kind == "dateTime" else f"{value:.15g}"
    return value


def same(kind: str, wanted: str, found: Value) -> bool:
    """Whether a value is what is wanted: numbers as numbers, true and false in any case, members in any order."""
    if isinstance(found, bool):
        return wanted.lower() == ("true" if found else "false")
    if isinstance(found, int | float):
        return _number(wanted, kind) == found
    if not isinstance(found, str):
        return False
    if kind in _LISTS:
        return _members(wanted) == _members(found)
    wanted = public(wanted)  # as it is found, without the password in a URL
    return wanted == found if kind else _same_text(wanted, found)


def _same_text(wanted: str, found: str) -> bool:
    """Two values of OCPP 1.6, where everything is a text, lists have commas, and stations differ in the blanks."""
    ours, theirs = ([part.strip() for part in text.split(",")] for text in (wanted, found))
    if ours == theirs:
        return True
    if len(ours) != 1 or len(theirs) != 1:
        return False
    if {ours[0].lower(), theirs[0].lower()} <= {"true", "false"}:
        return ours[0].lower() == theirs[0].lower()
    left = _number(ours[0])
    return left is not None and left == _number(theirs[0])


def _members(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(","))


def _number(text: str, kind: str = "") -> float | None:
    try:
        return parse_time(text) if kind == "dateTime" else number(text.strip())
    except ValueError:
        return None


def details(drifts: Iterable[Drift]) -> str:
    """Config.DriftDetails: a JSON array, of as many drifts as a point has room for."""
    entries: list[str] = []
    room = MAX_TEXT - 2
    for drift in drifts:
        entry = {
            "key": drift.target.key,
            "wanted": HIDDEN if drift.hidden else public(drift.target.text),
            "is": HIDDEN if drift.hidden else drift.found,
            "why": drift.why,
        }
        text = to_json(entry)
        if len(text) > room:
            break
        room -= len(text) + 1
        entries.append(text)
    return f"[{','.join(entries)}]" if entries else ""
