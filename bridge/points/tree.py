"""The tree: every station's points with their values, and who wants to know when one changes.

Per station and connector there is one `Group`: arrays of values beside a layout that all groups of its
kind share. A point costs its value, its quality and two times, nothing else.
"""

import enum
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from math import isnan
from typing import NamedTuple

from bridge.points.layout import Layout
from bridge.points.rows import Row, Value

#: points that a group may gain at run time (phases, configuration keys): bounds what a station can cost
MAX_EXTRA = 2_000
NAN = float("nan")


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
_GOOD, _WAITING, _SUBNORMAL = Quality.GOOD, Quality.WAITING, Quality.SUBNORMAL

Listener = Callable[["Group", list[int]], None]
EMPTY = Sample(None, Quality.WAITING, None, None)


class Group:
    """The points of one station, one connector, or the bridge itself.

    `path` is the group's own path (`CP001.Connector1`). Slots below `layout.dense` lie in arrays; those of
    the layout's other rows and of rows that came at run time only exist where they have a value.
    """

    __slots__ = (
        "_extra",
        "_extra_index",
        "_qualities",
        "_receipts",
        "_sources",
        "_sparse",
        "_values",
        "layout",
        "path",
        "station",
    )

    def __init__(self, path: str, layout: Layout, station: "Station | None") -> None:
        self.path = path
        self.station = station
        self.layout = layout
        self._sparse: dict[int, Sample] = {}
        self._extra: list[Row] = []
        self._extra_index: dict[str, int] = {}
        self._lay_out()

    def _lay_out(self) -> None:
        rows = self.layout.rows[: self.layout.dense]
        self._values: list[Value] = [row.initial for row in rows]
        self._qualities = bytearray(
            Quality.GOOD if row.kept or row.initial is not None else Quality.WAITING for row in rows
        )
        self._sources = array("d", [NAN]) * len(rows)
        self._receipts = array("d", [NAN]) * len(rows)

    def slot(self, key: str) -> int | None:
        """The slot of the point with this key, None where the group has none."""
        found = self.layout.index.get(key)
        return found if found is not None else self._extra_index.get(key)

    def row(self, slot: int) -> Row:
        rows = self.layout.rows
        return rows[slot] if slot < len(rows) else self._extra[slot - len(rows)]

    def extend(self, row: Row) -> int | None:
        """Adds a point at run time, or finds it; returns its slot, None when the group has too many."""
        found = self.layout.index.get(row.key)
        if found is None:
            found = self._extra_index.get(row.key)
        if found is not None:
            return found
        if len(self._extra) >= MAX_EXTRA:
            return None
        slot = len(self.layout.rows) + len(self._extra)
        self._extra.append(row)
        self._extra_index[row.key] = slot
        return slot

    def extra_rows(self) -> tuple[Row, ...]:
        """The rows that came at run time."""
        return tuple(self._extra)

    def sample(self, slot: int) -> Sample:
        """What a reader sees: the value with the quality that it has now."""
        value, quality, source, receipt = self._raw(slot)
        if quality is _GOOD and not self._is_fresh(slot, receipt):
            quality = Quality.LAST
        return Sample(value, quality, source, receipt)

    def value(self, key: str) -> Value:
        """The last value of the point with this key; None where there is none."""
        slot = self.slot(key)
        return None if slot is None else self._raw(slot).value

    def slots(self) -> Iterator[int]:
        """The slots that hold a value."""
        for slot, quality in enumerate(self._qualities):
            if quality != _WAITING:
                yield slot
        yield from self._sparse

    def _raw(self, slot: int) -> Sample:
        if slot >= self.layout.dense:
            return self._sparse.get(slot) or self._unset(slot)
        source, receipt = self._sources[slot], self._receipts[slot]
        return Sample(
            self._values[slot],
            Quality(self._qualities[slot]),
            None if isnan(source) else source,
            None if isnan(receipt) else receipt,
        )

    def _last(self, slot: int) -> tuple[Value, float]:
        """The last value of a slot and its SourceTimestamp; NaN: it has none."""
        if slot < self.layout.dense:
            return self._values[slot], self._sources[slot]
        value, _, source, _ = self._sparse.get(slot, EMPTY)
        return value, NAN if source is None else source

    def _unset(self, slot: int) -> Sample:
        row = self.row(slot)
        return Sample(row.initial, Quality.GOOD, None, None) if row.kept else EMPTY

    def _is_fresh(self, slot: int, receipt: float | None) -> bool:
        """A live value counts as Good only if it came over the connection that is open now."""
        if self.station is None or self.row(slot).kept:
            return True
        since = self.station.online_since
        return since is not None and receipt is not None and receipt >= since

    def _store(self, slot: int, value: Value, quality: Quality, source: float | None, receipt: float | None) -> None:
        if slot >= self.layout.dense:
            self._sparse[slot] = Sample(value, quality, source, receipt)
            return
        self._values[slot] = value
        self._qualities[slot] = quality
        self._sources[slot] = NAN if source is None else source
        self._receipts[slot] = NAN if receipt is None else receipt


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
        self._max_clock_skew = max_clock_skew

    def add_station(self, identity: str, name: str, layout: Layout, area: str = "") -> Station:
        station = self.stations[name] = Station(identity, name, layout, area)
        return station

    def add_connector(self, station: Station, name: str, layout: Layout) -> Group:
        group = station.connectors[name] = Group(f"{station.path}.{name}", layout, station)
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
        changed: list[int] = []
        layout = group.layout
        dense, twins, twinned = layout.dense, layout.twins, len(layout.twins)
        values, qualities, sources, receipts = group._values, group._qualities, group._sources, group._receipts
        skew = self._max_clock_skew
        for slot, given, time, quality in updates:
            value, source = given, now if time is None else time
            if quality is _GOOD:
                # the comparison is False where there is no source: it is NaN
                maybe_late = time is not None and (slot >= dense or source < sources[slot] - skew)
                if maybe_late and self._is_late(group, slot, source, now):
                    continue
            elif quality is _SUBNORMAL and value is None:
                value, _, before, _ = group._raw(slot)
                source = now if before is None else before
            if slot < dense:
                values[slot], qualities[slot], sources[slot], receipts[slot] = value, quality, source, now
            else:
                group._sparse[slot] = Sample(value, quality, source, now)
            changed.append(slot)
            if slot < twinned and (twin := twins[slot]) >= 0:
                group._store(twin, _text(group.row(slot), value), quality, source, now)
                changed.append(twin)
        if changed:
            self._tell(group, changed)
        return changed

    def restore(self, group: Group, slot: int, sample: Sample) -> None:
        """Puts a value of before a restart back, without telling anybody."""
        group._store(slot, *sample)

    def set_online(self, station: Station, since: float | None) -> None:
        """The station's connection opened (at `since`) or closed (None): live points change their quality."""
        station.online_since = since
        for group in station.groups():
            live = [slot for slot in group.slots() if not group.row(slot).kept]
            if live:
                self._tell(group, live)

    def relayout(self, group: Group, layout: Layout) -> None:
        """Gives a group the table of another OCPP version; values stay with their keys."""
        if group.layout is layout:
            return
        kept = [(group.row(slot), group._raw(slot)) for slot in group.slots()]
        extra = group.extra_rows()
        group.layout = layout
        group._sparse, group._extra, group._extra_index = {}, [], {}
        group._lay_out()
        for row in extra:
            group.extend(row)
        for row, sample in kept:
            slot = group.slot(row.key)
            if slot is not None and group.row(slot).type is row.type:
                self.restore(group, slot, sample)

    def _is_late(self, group: Group, slot: int, time: float, now: float) -> bool:
        """Long before the last value, unless that one's time has yet to come: our own clock was ahead then."""
        value, source = group._last(slot)  # NaN where there is no source: nothing is late
        return value is not None and time < source - self._max_clock_skew and source <= now + self._max_clock_skew

    def _tell(self, group: Group, slots: list[int]) -> None:
        for listener in self.listeners:
            listener(group, slots)


def _text(row: Row, value: Value) -> Value:
    if row.enumeration is None or not isinstance(value, int):
        return None
    return row.enumeration.names.get(value, str(value))


RESERVED = ("Stations", "Bridge")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def station_name(identity: str, taken: Iterable[str]) -> str:
    """The first segment of a station's paths: its identity made safe, with `~2`, `~3` … where it is taken."""
    name = _UNSAFE.sub("_", identity)
    used = {*RESERVED, *taken}
    if name not in used:
        return name
    return next(f"{name}~{number}" for number in range(2, len(used) + 3) if f"{name}~{number}" not in used)
