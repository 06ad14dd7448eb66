"""The monitored points of the tree. Nothing is kept for a point that nobody monitors."""

from collections.abc import Iterable

from asyncua import ua

from bridge.opcua.ranges import Slices, part_of
from bridge.opcua.sources import Fixed, Reading, Source
from bridge.opcua.variants import CODES, HEADS, encode_sample, frame
from bridge.points.tree import Group, Quality

_GONE_CODE = int(ua.StatusCodes.BadNodeIdUnknown)
_NO_DATA: Reading = (None, int(ua.StatusCodes.BadIndexRangeNoData), None, None)
_UNKNOWN = ua.DataValue(StatusCode=ua.StatusCode(_GONE_CODE))
#: of a point whose station was removed, and of one that is only written
GONE: Reading = (None, _GONE_CODE, None, None)
UNREADABLE: Reading = (None, int(ua.StatusCodes.BadNotReadable), None, None)


class Point(Source):
    """A point of the tree, or for `as_text` its ValueAsText. `group` is None while its station is not there."""

    __slots__ = ("_head", "_initial_values", "as_text", "group", "home", "key", "row", "slot", "twin")
    lasts = True

    def __init__(self, home: "_Watched", group: Group, slot: int, *, as_text: bool, initial_values: bool) -> None:
        super().__init__()
        self.home = home
        self.group: Group | None = group
        self.slot = slot
        self.row = group.row(slot)
        self._head = HEADS[self.row.type]
        self.key = self.row.key
        self.as_text = as_text
        self.twin: Point | None = None  # the other one of the same slot
        self._initial_values = initial_values

    def read(self) -> Reading:
        if self.group is None:
            return GONE
        return self.group.reading(self.slot) if self.row.readable else UNREADABLE

    def encoded(self, sample: Reading, times: int) -> bytes:
        if sample[0] is None or self.as_text or len(self.watchers) > 1:
            return super().encoded(sample, times)
        value, quality, source, receipt = sample  # as `encode_sample` does it, on the shortest way
        mask, tail = frame(CODES[quality], source, receipt, times)
        return self._head(mask, value) + tail

    def encode(self, sample: Reading, times: int) -> bytes:
        if sample is GONE or sample is UNREADABLE:
            return b"\x02" + sample[1].to_bytes(4, "little")
        value, quality, source, receipt = sample
        known = value, Quality(quality), source, receipt
        return encode_sample(self.row, known, times, self._initial_values, self.as_text)

    def move(self, group: Group) -> None:
        """The group's slots have moved, or it has come back."""
        for watcher in self.watchers:
            watcher.settle()
        slot = group.slot(self.key)
        if slot is None:
            slot = group.extend(self.row)
        if slot is None:  # it has too many points
            self.group = None
        else:
            self.group, self.slot, self.row = group, slot, group.row(slot)
            self._head = HEADS[self.row.type]


class Part(Source):
    """The part of a point's text that lies in an IndexRange (OPC 10000-4 §7.27), for the one item that watches it."""

    __slots__ = ("_slices", "dirty", "place", "sampling", "whole")

    def __init__(self, whole: Point, slices: Slices) -> None:
        super().__init__()
        self.whole = whole
        self._slices = slices
        self.place, self.dirty = 0, False
        self.sampling = None  # it hears of every change of the whole
        whole.add(self)

    def take(self) -> None:
        self.changed()

    def settle(self) -> None:
        for watcher in self.watchers:
            watcher.settle()

    def read(self) -> Reading:
        sample = self.whole.read()
        if sample[0] is None:
            return sample
        part = part_of(ua.Variant(sample[0]), self._slices) if isinstance(sample[0], str) else None
        return _NO_DATA if part is None else (part.Value, *sample[1:])

    def encode(self, sample: Reading, times: int) -> bytes:
        return b"\x02" + sample[1].to_bytes(4, "little") if sample is _NO_DATA else self.whole.encode(sample, times)


class _Watched:
    """The monitored points of a group: all, and by the slots of its present layout."""

    __slots__ = ("_heard", "_named", "group", "layout", "points", "slots")

    def __init__(self, group: Group) -> None:
        self.group = group
        self.layout = group.layout
        self.points: dict[tuple[str, bool], Point] = {}
        self.slots: dict[int, Point] = {}
        self._named: list[int] | None = None  # the slots that `among` was asked for last, and what it answered
        self._heard: list[Point] = []

    def lay_out(self, group: Group) -> None:
        """Keys are what stays when a group gets the table of another OCPP version, or comes back."""
        self.group, self.layout = group, group.layout
        self.slots, self._named, self._heard = {}, None, []
        for point in self.points.values():
            point.move(group)
            self.link(point)

    def leave(self) -> None:
        """The group has gone."""
        self.slots, self._named, self._heard = {}, None, []
        for point in self.points.values():
            point.group = point.twin = None

    def among(self, slots: list[int]) -> list[Point]:
        """The points in these slots. Cheap for the same list again: telegrams that are alike name one."""
        if slots is not self._named:
            self._named, self._heard = slots, []
            for slot in slots:
                point = self.slots.get(slot)
                while point is not None:
                    self._heard.append(point)
                    point = point.twin
        return self._heard

    def link(self, point: Point) -> None:
        self._named, self._heard, point.twin = None, [], None
        if point.group is not None:
            point.twin = self.slots.get(point.slot)
            self.slots[point.slot] = point

    def unlink(self, point: Point) -> None:
        self._named, self._heard = None, []  # or it would be a ring of those that nobody monitors any more
        first = self.slots.get(point.slot)
        if first is point:
            if point.twin is None:
                del self.slots[point.slot]
            else:
                self.slots[point.slot] = point.twin
        elif first is not None and first.twin is point:
            first.twin = None


class Watch:
    """All monitored points. `changed` and `restructured` are the tree's listeners."""

    def __init__(self, *, initial_values: bool) -> None:
        self._initial_values = initial_values
        self._groups: dict[Group, _Watched] = {}
        self._gone: dict[str, _Watched] = {}
        self._fixed: dict[str, dict[Fixed, None]] = {}

    def __len__(self) -> int:
        """How many items monitor a point."""
        every = [*self._groups.values(), *self._gone.values()]
        return sum(len(point.watchers) for watched in every for point in watched.points.values())

    def point(self, group: Group, slot: int, *, as_text: bool) -> Point:
        """The point in a slot, for `Source.add`; `release` it when it has no watcher any more."""
        watched = self._groups.get(group)
        if watched is None:
            watched = self._groups[group] = _Watched(group)
        elif watched.layout is not group.layout:
            watched.lay_out(group)
        key = group.row(slot).key, as_text
        point = watched.points.get(key)
        if point is None:
            point = Point(watched, group, slot, as_text=as_text, initial_values=self._initial_values)
            watched.points[key] = point
            watched.link(point)
        return point

    def release(self, sources: Iterable[Source]) -> None:
        """Forgets those that nobody monitors any more; asyncua's nodes are not known here."""
        for source in sources:
            if source.watchers:
                continue
            if isinstance(source, Part):
                source.whole.remove(source)
                self._forget(source.whole)
            elif isinstance(source, Point):
                self._forget(source)
            elif isinstance(source, Fixed) and source.path is not None:
                here = self._fixed.get(source.path, {})
                here.pop(source, None)
                if not here:
                    self._fixed.pop(source.path, None)

    def _forget(self, point: Point) -> None:
        if point.watchers:
            return
        watched = point.home
        watched.points.pop((point.key, point.as_text), None)
        watched.unlink(point)
        if not watched.points:
            if self._groups.get(watched.group) is watched:
                del self._groups[watched.group]
            elif self._gone.get(watched.group.path) is watched:
                del self._gone[watched.group.path]

    def fixed(self, path: str | None, value: ua.DataValue) -> Fixed:
        """An attribute that only changes when its group or area goes, or by `rewrite`; `release` it.

        `path` is that of the group or area, None for what is always there, or its own for what is rewritten.
        """
        made = Fixed(value, path)
        if path is not None:
            self._fixed.setdefault(path, {})[made] = None
        return made

    def is_fixed(self, path: str) -> bool:
        """Somebody monitors a `fixed` one of this path."""
        return path in self._fixed

    def rewrite(self, path: str, value: ua.DataValue) -> None:
        """From now on the `fixed` ones of this path have another value."""
        for source in self._fixed.get(path, ()):
            source.show(value)
            source.changed()

    def show_presence(self, path: str, present: bool) -> None:
        """The attributes of a group or area are there again, or are not any more."""
        for source in self._fixed.get(path, ()):
            source.show(source.present if present else _UNKNOWN)
            source.changed()

    def changed(self, group: Group, slots: list[int]) -> None:
        """What stands in these slots has changed."""
        watched = self._groups.get(group)
        if watched is None:
            return
        if watched.layout is not group.layout:
            watched.lay_out(group)
        for point in watched.among(slots):
            point.changed()

    def restructured(self, group: Group, added: bool) -> None:
        """A station or connector has come, perhaps back, or has gone: its items live again, or say that they do not."""
        self.show_presence(group.path, added)
        watched = self._gone.pop(group.path, None) if added else self._groups.pop(group, None)
        if watched is None:
            return
        if added:
            self._groups[group] = watched
            watched.lay_out(group)
        else:
            self._gone[group.path] = watched
            watched.leave()
        for point in watched.points.values():
            point.changed()
