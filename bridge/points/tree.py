"""The tree: every station's points with their values, and who wants to know when one changes.

Per station and connector there is one `Group`: arrays of values beside a layout that all groups of its
kind share. A point costs its value, its quality and two times, nothing else.
"""

import enum
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, count
from operator import itemgetter
from typing import NamedTuple

from bridge.points.events import Event, EventListener
from bridge.points.extras import Below, Extras, Places
from bridge.points.layout import Layout
from bridge.points.rows import Row, Value

#: points that a group may gain at run time (phases, configuration keys): bounds what a station can cost
MAX_EXTRA = 2_000
#: with more than these a group is hardly like another
MAX_ALIKE = 128


class Quality(enum.IntEnum):
    """How far a value can be trusted; `opcua` gives each its StatusCode."""

    GOOD = 0
    WAITING = 1  # never reported
    LAST = 2  # the last value that is known; the station is away, or has not repeated it since
    SUBNORMAL = 3  # what came could not be read: the last value that could


class Sample(NamedTuple):
    """A point's value with its quality; `source_time` by the station's clock, `server_time` by ours."""

    value: Value
    quality: Quality
    source_time: float | None
    server_time: float | None


class Update(NamedTuple):
    """A new value for the point in `slot`. `time` is the station's own time of it, None: it gave none."""

    slot: int
    value: Value
    time: float | None = None
    quality: Quality = Quality.GOOD


# Members of an enumeration are slow to look up, and each message asks several times for each point.
_GOOD, _WAITING, _LAST, _SUBNORMAL = Quality.GOOD, Quality.WAITING, Quality.LAST, Quality.SUBNORMAL

Stamp = tuple[Quality, float | None, float | None]
"""Quality, source time, server time: all points that one message changes share one."""

Listener = Callable[["Group", list[int]], None]
#: hears of a station or connector that has come (True) or gone (False)
StructureListener = Callable[["Group", bool], None]
EMPTY = Sample(None, _WAITING, None, None)
_NEVER: Stamp = (_WAITING, None, None)
_INITIAL: Stamp = (_GOOD, None, None)
_LONG_AGO = float("-inf")
_NOWHERE = Places((), (), (), {})
_receipt_of = itemgetter(2)
#: a NamedTuple's own constructor is a Python function and costs three times as much
_new = tuple.__new__


class Latest(NamedTuple):
    """The last telegram, before what stands in a group's lists: the next one, which is like it, takes its place, and
    what nobody has read is never put anywhere. `slots` are those of `places`, and `others`, whose values are `more`.
    """

    places: Places
    values: Sequence[Value]
    others: tuple[int, ...]
    more: Sequence[Value]
    stamp: Stamp
    slots: list[int]

    def find(self, slot: int) -> tuple[Value, Stamp] | None:
        """The slot's value, None where the telegram does not speak of it."""
        place = self.places.place.get(slot)
        if place is not None:
            return self.values[place], self.stamp
        return (self.more[self.others.index(slot)], self.stamp) if slot in self.others else None


class Group:
    """The points of one station, one connector, or the bridge itself.

    `path` is the group's own path (`CP001.Connector1`). Slots below `layout.dense` have their place in two lists,
    behind them those of rows that came at run time; the layout's other rows only exist where they have a value.
    """

    __slots__ = (
        "_extra",
        "_found",
        "_latest",
        "_newest",
        "_peaks",
        "_sparse",
        "_stamps",
        "_told",
        "_values",
        "layout",
        "path",
        "station",
    )

    def __init__(self, path: str, layout: Layout, station: "Station | None") -> None:
        self.path = path
        self.station = station
        self.layout = layout
        self._newest = _LONG_AGO  # no value's source time is later
        self._told = _LONG_AGO  # nor of those times that a station gave
        self._peaks: dict[int, float] | None = None  # the newest time of slots that have gone back since, a little
        self._found = _NOWHERE  # where those rows are that were asked for last
        self._lay_out()

    def _lay_out(self) -> None:
        self._latest: Latest | None = None
        self._sparse: dict[int, Sample] | None = None
        self._extra: Extras = self.layout.shared()
        values, stamps = _beginning(self.layout)
        self._values: list[Value] = [*values]
        self._stamps: list[Stamp] = [*stamps]

    def slot(self, key: str) -> int | None:
        """The slot of the point with this key, None where the group has none."""
        found = self.layout.index.get(key)
        return found if found is not None else self._extra.index.get(key)

    def row(self, slot: int) -> Row:
        rows = self.layout.rows
        return rows[slot] if slot < len(rows) else self._extra.rows[slot - len(rows)]

    def extend(self, row: Row) -> int | None:
        """Adds a point at run time, or finds it; returns its slot, None when the group has too many.

        What is said of a point that came at run time may change (its unit, its limits), its type may not.
        """
        found = self.layout.index.get(row.key)
        if found is not None:
            return found
        extra = self._extra
        found = extra.index.get(row.key)
        if found is not None:
            known = extra.rows[found - extra.first]
            if known is not row and known.type is row.type:
                self._own_extra().replace(row)
            return found
        if len(extra.rows) >= MAX_EXTRA:
            return None
        self._values.append(row.initial)
        self._stamps.append(_INITIAL if row.kept else _NEVER)
        return self._own_extra().add(row)

    def _own_extra(self) -> Extras:
        """Its rows that came at run time, which may be changed."""
        if self._extra.is_shared:
            self._extra = Extras(self._extra.first, self._extra.rows)
        return self._extra

    def places_of(self, rows: tuple[Row, ...]) -> Places | None:
        """Where rows are that are not sparse, which are made where they are missing; None when the group has too many.

        Cheap for the same tuple again: a meter reports the same measurands each time.
        """
        if self._found.rows is not rows:
            found = self._extra.found(rows)
            if found is None:
                slots = [slot for slot in map(self.extend, rows) if slot is not None]
                if len(slots) < len(rows):
                    return None
                self._share()
                extra = self._extra
                found = extra.found(rows) or extra.remember(rows, slots, self.layout.dense)
            self._found = found
        return self._found

    def _share(self) -> None:
        """Gives up what is the same in other groups, and the room that lists keep which have grown."""
        extra = self._extra
        if not extra.is_shared and len(extra.rows) <= MAX_ALIKE:
            self._extra = self.layout.shared(extra.rows)
            self._values, self._stamps = self._values[:], self._stamps[:]

    def extra_rows(self) -> tuple[Row, ...]:
        """The rows that came at run time."""
        return tuple(self._extra.rows)

    def extra_below(self, folder: str) -> Below | None:
        """What came at run time directly below a folder ("": the group itself); None: nothing did."""
        return self._extra.below(folder)

    def sample(self, slot: int) -> Sample:
        """What a reader sees: the value with the quality that it has now."""
        value, quality, source, receipt = self._raw(slot)
        if quality is _GOOD and not self._is_fresh(slot, receipt):
            quality = _LAST
        return Sample(value, quality, source, receipt)

    def reading(self, slot: int) -> tuple[Value, Quality, float | None, float | None]:
        """`sample` as a plain tuple, in one go: monitored points are read by the ten thousand."""
        place, station = slot if slot < self.layout.dense else self._place(slot), self.station
        if place < 0:
            value, quality, source, receipt = self.sample(slot)
            return value, quality, source, receipt
        value, stamp = (self._latest and self._latest.find(slot)) or (self._values[place], self._stamps[place])
        if stamp[0] is not _GOOD or station is None or self.row(slot).kept:
            return (value, *stamp)
        _, source, receipt = stamp
        since = station.online_since
        fresh = since is not None and receipt is not None and receipt >= since
        return value, _GOOD if fresh else _LAST, source, receipt

    def value(self, key: str) -> Value:
        """The last value of the point with this key; None where there is none."""
        slot = self.slot(key)
        return None if slot is None else self._raw(slot).value

    def slots(self) -> Iterator[int]:
        """The slots that hold a value."""
        self._settle()
        dense, run_time = self.layout.dense, len(self.layout.rows) - self.layout.dense
        for place, stamp in enumerate(self._stamps):
            if stamp[0] is not _WAITING:
                yield place if place < dense else place + run_time
        yield from self._sparse or ()

    def last_values(self) -> list[tuple[str, str, Value, str, float | None, float]]:
        """What a restart must not lose: key, type, value, the name of the quality, source and server time of each
        point that has been reported or that a script has made. The bridge's own points are set anew.

        `sample` of each, in one go: every group that is heard of is asked every few seconds.
        """
        self._settle()
        since = None if self.station is None else self.station.online_since
        found: list[tuple[str, str, Value, str, float | None, float]] = []
        values, stamps, dense = self._values, self._stamps, self.layout.dense
        run_time, rows = len(self.layout.rows) - dense, self.row
        for place in compress(range(len(stamps)), map(_receipt_of, stamps)):  # of 200 points few were ever heard of
            quality, source, receipt = stamps[place]
            row, value = rows(place if place < dense else place + run_time), values[place]
            if receipt is None or quality is _WAITING or (row.kept and row.folder != "Custom"):
                continue
            if quality is _GOOD and not row.kept and (since is None or receipt < since):
                quality = _LAST
            # an enumeration's own `value` and `name` are Python functions
            found.append((row.key, row.type._value_, value, quality._name_, source, receipt))
        return found

    def _place(self, slot: int) -> int:
        """Where a slot's value stands in the lists; -1: among the sparse ones."""
        layout = self.layout
        if slot < layout.dense:
            return slot
        behind = slot - len(layout.rows)
        return layout.dense + behind if behind >= 0 else -1

    def _raw(self, slot: int) -> Sample:
        place = self._place(slot)
        if place < 0:
            return (self._sparse and self._sparse.get(slot)) or self._unset(slot)
        value, stamp = (self._latest and self._latest.find(slot)) or (self._values[place], self._stamps[place])
        return Sample(value, *stamp)

    def _unset(self, slot: int) -> Sample:
        row = self.row(slot)
        return Sample(row.initial, _GOOD, None, None) if row.kept else EMPTY

    def _is_fresh(self, slot: int, receipt: float | None) -> bool:
        """A live value counts as Good only if it came over the connection that is open now."""
        if self.station is None or self.row(slot).kept:
            return True
        since = self.station.online_since
        return since is not None and receipt is not None and receipt >= since

    def _settle(self) -> None:
        """Puts the last telegram where the other values are."""
        if self._latest is None:
            return
        places, values, others, more, stamp, _ = self._latest
        self._latest = None
        all_values, stamps = self._values, self._stamps
        for index, value in zip((*places.indices, *others), (*values, *more), strict=True):
            all_values[index], stamps[index] = value, stamp

    def _store(self, slot: int, value: Value, stamp: Stamp) -> None:
        self._settle()
        source = stamp[1]
        if source is not None and source > self._newest:
            self._newest = source
        place = self._place(slot)
        if place < 0:
            if self._sparse is None:
                self._sparse = {}
            self._sparse[slot] = Sample(value, *stamp)
        else:
            self._values[place] = value
            self._stamps[place] = stamp


@lru_cache(64)
def _beginning(layout: Layout) -> tuple[tuple[Value, ...], tuple[Stamp, ...]]:
    """What the dense rows of every new group with this layout hold."""
    rows = layout.rows[: layout.dense]
    stamps = (_INITIAL if row.kept or row.initial is not None else _NEVER for row in rows)
    return tuple(row.initial for row in rows), tuple(stamps)


class Station(Group):
    """A station's own points, and its connectors by name (`Connector1`)."""

    __slots__ = ("area", "connectors", "id", "online_since")

    def __init__(self, identity: str, name: str, layout: Layout, area: str = "") -> None:
        super().__init__(name, layout, None)
        self.station = self
        self.id = identity
        self.area = area
        self.online_since: float | None = None
        self.connectors: dict[str, Group] = {}

    def groups(self) -> tuple[Group, ...]:
        return (self, *self.connectors.values())


class Tree:
    """All groups. What changes is told to the listeners, in the order of the changes."""

    def __init__(self, bridge_layout: Layout, max_clock_skew: float = 300.0) -> None:
        self.bridge = Group("Bridge", bridge_layout, None)
        self.stations: dict[str, Station] = {}
        self.listeners: list[Listener] = []
        self.structure: list[StructureListener] = []
        self.events: list[EventListener] = []
        self._max_clock_skew = max_clock_skew

    def add_station(self, identity: str, name: str, layout: Layout, area: str = "") -> Station:
        station = self.stations[name] = Station(identity, name, layout, area)
        self._restructured(station, True)
        return station

    def remove_station(self, station: Station) -> None:
        """Takes a station and its connectors out of the tree."""
        del self.stations[station.path]
        for group in reversed(station.groups()):
            self._restructured(group, False)

    def add_connector(self, station: Station, name: str, layout: Layout) -> Group:
        group = station.connectors[name] = Group(f"{station.path}.{name}", layout, station)
        self._restructured(group, True)
        return group

    def find(self, path: str) -> tuple[Group, str] | None:
        """The group that a path lies in, and the rest of the path ("" for the group itself)."""
        name, _, rest = path.partition(".")
        if name == "Bridge":
            return self.bridge, rest
        station = self.stations.get(name)
        if station is None:
            return None
        connector, _, below = rest.partition(".")
        group = station.connectors.get(connector)
        return (station, rest) if group is None else (group, below)

    def apply(self, group: Group, updates: Iterable[Update], now: float) -> list[int]:
        """Takes the updates in; returns the slots that changed in value, quality or time.

        A value of long before the present one (a message that a station kept while it was offline) does not
        replace it. SUBNORMAL keeps the last value where the update brings none.
        """
        group._settle()
        changed: list[int] = []
        layout = group.layout
        dense, twins, twinned = layout.dense, layout.twins, len(layout.twins)
        values, stamps = group._values, group._stamps
        early = self._early(group)
        stamp: Stamp = _NEVER
        for slot, given, time, quality in updates:
            value, source = given, now if time is None else time
            if quality is _GOOD:
                if source < early and time is not None and self._is_late(group, slot, source, now):
                    continue
            elif quality is _SUBNORMAL and value is None:
                value, _, before, _ = group._raw(slot)
                source = now if before is None else before
            if stamp[1] is not source or stamp[0] is not quality:
                stamp = quality, source, now
                group._newest = max(group._newest, source)
                if time is not None:
                    group._told = max(group._told, source)
                early = self._early(group)
            if slot < dense:
                values[slot], stamps[slot] = value, stamp
            else:
                group._store(slot, value, stamp)
            changed.append(slot)
            if slot < twinned and (twin := twins[slot]) >= 0:
                group._store(twin, _text(layout.rows[slot], value), stamp)
                changed.append(twin)
        if changed:
            self._tell(group, changed)
        return changed

    def apply_telegram(
        self,
        group: Group,
        places: Places,
        values: Sequence[Value],
        others: tuple[int, ...],
        more: Sequence[Value],
        time: float | None,
        now: float,
    ) -> None:
        """`apply` of good values of one moment, at a third of its cost: most of what stations send are meter values.
        `more` are the values of the slots `others`: points that every group of its kind has, and that have no twin. The
        same places and the same tuple of others are a telegram that is like the last one.
        """
        source = now if time is None else time
        if time is not None and source < self._early(group):
            found = zip((*places.slots, *others), (*values, *more), strict=True)
            self.apply(group, [Update(slot, value, time) for slot, value in found], now)
            return
        before = group._latest
        if before is not None and places is before.places and others is before.others:
            slots = before.slots
        else:
            group._settle()
            slots = [*places.slots, *others]
        group._latest = _new(Latest, (places, values, others, more, (_GOOD, source, now), slots))
        group._newest = max(group._newest, source)
        if time is not None and source > group._told:
            group._told = source
        self._tell(group, slots)

    def restore(self, group: Group, slot: int, sample: Sample) -> None:
        """Puts a value of before a restart back, without telling anybody."""
        value, quality, source, receipt = sample
        group._store(slot, value, (quality, source, receipt))

    def restore_all(self, group: Group, values: Iterable[tuple[int, Value, Stamp]]) -> None:
        """As `restore`, for many slots: a bridge starts with half a million values."""
        group._settle()
        dense, rows = group.layout.dense, len(group.layout.rows)
        all_values, stamps, run_time, newest = group._values, group._stamps, rows - dense, group._newest
        for slot, value, stamp in values:
            if dense <= slot < rows:
                group._store(slot, value, stamp)
                continue
            place = slot if slot < dense else slot - run_time
            all_values[place], stamps[place] = value, stamp
            source = stamp[1]
            if source is not None and source > newest:
                newest = source
        group._newest = max(group._newest, newest)

    def set_online(self, station: Station, since: float | None) -> None:
        """The station's connection opened (at `since`) or closed (None): live points change their quality."""
        station.online_since = since
        for group in station.groups():
            live = [slot for slot in group.slots() if not group.row(slot).kept]
            if live:
                self._tell(group, live)

    def set_back(self, station: Station, now: float, tolerance: float) -> None:
        """Our clock was set back, to before the station's connection opened: times of receipt no longer tell what came
        over it. What it had brought stays Good, as does what has come in the last `tolerance` seconds; what was there
        before stays Uncertain.
        """
        since = station.online_since
        if since is None:
            return
        for group in station.groups():
            for slot in tuple(group.slots()):
                value, quality, source, receipt = group._raw(slot)
                fresh = receipt is not None and (receipt >= since or now - tolerance <= receipt <= now)
                if quality is _GOOD and not fresh and not group.row(slot).kept:
                    group._store(slot, value, (_LAST, source, receipt))
        self.set_online(station, 0.0)

    def relayout(self, group: Group, layout: Layout) -> None:
        """Gives a group the table of another OCPP version; values stay with their keys."""
        if group.layout is layout:
            return
        kept = [(group.row(slot), group._raw(slot)) for slot in group.slots()]
        extra = group.extra_rows()
        group.layout = layout
        group._found, group._peaks = _NOWHERE, None
        group._lay_out()
        for row in extra:
            group.extend(row)
        for row, sample in kept:
            slot = group.slot(row.key)
            if slot is not None and group.row(slot).type is row.type:
                self.restore(group, slot, sample)

    def _early(self, group: Group) -> float:
        """Times from this on need no second look: they are not late, and no point of the group goes back by them."""
        return max(group._newest - self._max_clock_skew, group._told)

    def _is_late(self, group: Group, slot: int, time: float, now: float) -> bool:
        """Long before the newest value that the slot had, unless that one's time has yet to come: our own clock was
        ahead then.
        """
        value, _, source, _ = group._raw(slot)
        if value is None or source is None or time >= source or source > now + self._max_clock_skew:
            return False
        peak = max(source, (group._peaks or {}).get(slot, source))
        if time < peak - self._max_clock_skew:
            return True
        if group._peaks is None:
            group._peaks = {}
        group._peaks[slot] = peak  # many small steps back would be a long way
        return False

    def emit(self, event: Event) -> None:
        """Tells who wants to know that something has happened. Never waits."""
        for listener in self.events:
            listener(event)

    def _restructured(self, group: Group, added: bool) -> None:
        for listener in self.structure:
            listener(group, added)

    def _tell(self, group: Group, slots: list[int]) -> None:
        for listener in self.listeners:
            listener(group, slots)


def _text(row: Row, value: Value) -> Value:
    if row.enumeration is None or not isinstance(value, int):
        return None
    return row.enumeration.names.get(value, str(value))


RESERVED = ("Stations", "Bridge")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def station_name(identity: str, taken: Container[str]) -> str:
    """The first segment of a station's paths: its identity made safe, with `~2`, `~3` … where it is taken."""
    name = _UNSAFE.sub("_", identity)
    if name not in RESERVED and name not in taken:
        return name
    return next(f"{name}~{number}" for number in count(2) if f"{name}~{number}" not in taken)
