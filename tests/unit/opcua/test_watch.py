"""Who monitors a point hears of its changes; who samples is only marked. Nothing is kept of what nobody monitors."""

import gc

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from bridge.opcua.sources import Fixed
from bridge.opcua.subscriptions.items import DataItem, Mode
from bridge.opcua.subscriptions.room import Room
from bridge.opcua.variants import BOTH, NEITHER, SOURCE, data_value, text_value
from bridge.opcua.watch import Part, Point, Watch, _Watched
from bridge.points.layout import build_layout
from bridge.points.rows import Enumeration, Row, Type
from bridge.points.tree import Group, Tree, Update
from tests.unit.opcua.subscriptions.test_items import Reporter

STATES = Enumeration("States", {"Off": 0, "On": 1})
LAYOUT = build_layout("station", [Row(folder="", name=name, type=Type.INT32, description="") for name in "ABC"])
MOVED = build_layout("station", [Row(folder="", name=name, type=Type.INT32, description="") for name in "CBA"])


class Watcher:
    """Takes every change, or for `samples` is only marked."""

    def __init__(self, desk: "Desk", number: int, source, *, samples: bool = False) -> None:
        self.place, self.dirty = 0, False
        self.sampling = self if samples else None
        self.marks = 0
        self._desk, self._number, self.source = desk, number, source
        source.add(self)

    def mark(self, item: "Watcher") -> None:
        self.marks += 1

    def settle(self) -> None:
        """It has encoded everything."""

    def take(self) -> None:
        sample = self.source.read()
        self._desk.told.append((self._number, sample[0], self.source.encoded(sample, BOTH)))


class Desk:
    """A tree of one station, a watch, and what it told."""

    def __init__(self) -> None:
        self.tree = Tree(build_layout("bridge", []))
        self.group = self.tree.add_station("S", "S", LAYOUT)
        self.told: list[tuple[int, object, bytes]] = []
        self.watch = Watch(initial_values=False)
        self.tree.listeners.append(self.watch.changed)
        self.tree.structure.append(self.watch.restructured)

    def point(self, key: str, *, as_text: bool = False):
        return self.watch.point(self.group, self.group.slot(key), as_text=as_text)

    def add(self, number: int, key: str, *, as_text: bool = False, samples: bool = False) -> Watcher:
        return Watcher(self, number, self.point(key, as_text=as_text), samples=samples)

    def set(self, key: str, *values: int, group: Group | None = None) -> None:
        group = group or self.group
        for value in values:
            self.tree.apply(group, [Update(group.slot(key), value)], 1.0)

    @property
    def heard(self) -> list[tuple[int, object]]:
        return [(number, value) for number, value, _ in self.told]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_every_change_is_told_in_its_order(desk):
    desk.add(1, "A")
    desk.set("A", *range(250))
    assert desk.heard == [(1, value) for value in range(250)]


def test_a_change_is_encoded_once_whoever_monitors_it(desk):
    for number in range(1, 11):
        desk.add(number, "A")
    desk.set("A", 5)
    assert desk.heard == [(number, 5) for number in range(1, 11)]
    assert len({id(encoded) for _, _, encoded in desk.told}) == 1
    desk.set("A", 6)
    assert len({id(encoded) for _, _, encoded in desk.told}) == 2


def test_what_nobody_monitors_is_told_to_nobody(desk):
    desk.add(1, "A")
    desk.set("B", 5)
    assert desk.heard == []


def test_who_samples_is_marked_once_until_it_has_sampled(desk):
    watcher = desk.add(1, "A", samples=True)
    desk.set("A", 1, 2, 3)
    assert (watcher.marks, desk.heard) == (1, [])
    watcher.dirty = False
    desk.set("A", 4)
    assert watcher.marks == 2


def test_text_and_value_are_told_apart(desk):
    row = Row(folder="", name="E", type=Type.INT32, description="", enumeration=STATES)
    desk.group.extend(row)
    desk.add(1, "E")
    desk.add(2, "E", as_text=True)
    desk.set("E", 1)
    sample = desk.group.sample(desk.group.slot("E"))
    expected = {(1, struct_to_binary(data_value(row, sample))), (2, struct_to_binary(text_value(row, sample)))}
    assert {(number, encoded) for number, _, encoded in desk.told} == expected


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_nothing_is_left_of_what_was_released(desk, order):
    watchers = [desk.add(1, "A"), desk.add(2, "A"), desk.add(3, "A", as_text=True)]
    for index in order:
        watcher = watchers[index]
        watcher.source.remove(watcher)
        desk.watch.release([watcher.source])
    desk.set("A", 1)
    assert desk.heard == []
    assert len(desk.watch) == 0
    assert desk.watch._groups == {}


def test_a_watched_point_is_the_same_after_the_slots_have_moved(desk):
    watcher = desk.add(1, "A")
    desk.tree.relayout(desk.group, MOVED)
    desk.set("C", 3)
    desk.set("A", 1)
    assert desk.heard == [(1, 1)]
    assert desk.point("A") is watcher.source


TEXTS = build_layout("station", [Row(folder="", name=name, type=Type.STRING, description="") for name in "ABC"])


def test_what_waits_of_a_point_that_becomes_another_is_told_as_it_was(desk):
    """A place for one value holds what was read, and encodes it when it is told: as the type that it was read of."""
    item = DataItem(1, Reporter(Room(1_000)), desk.point("A"), BOTH)
    item.configure(7, 1, True)
    item.mode = Mode.REPORTING
    item.source.add(item)
    desk.set("A", 1, 2)
    sample = item.source.read()
    expected = item.source.encoded(sample, BOTH)
    desk.tree.relayout(desk.group, TEXTS)
    desk.set("B", "b")
    item.settle()
    assert item.drain(1, 100) == [expected]


def test_a_point_of_a_station_that_is_removed_says_so_and_lives_again(desk):
    watcher = desk.add(1, "A")
    desk.tree.remove_station(desk.group)
    assert desk.told == [(1, None, b"\x02" + ua.StatusCodes.BadNodeIdUnknown.to_bytes(4, "little"))]
    desk.told.clear()
    back = desk.tree.add_station("S", "S", MOVED)
    desk.set("A", 7, group=back)
    assert desk.heard == [(1, None), (1, 7)]
    watcher.source.remove(watcher)
    desk.watch.release([watcher.source])
    assert (desk.watch._groups, desk.watch._gone) == ({}, {})


@pytest.mark.parametrize("values", [(), (1,), (1, 2)])
def test_what_waits_of_a_command_is_encoded_as_any_other(values):
    """Parameters and results of commands are kept apart from other points, and read apart."""
    desk = Desk()
    desk.group = desk.tree.add_station(
        "X", "X", build_layout("station", [], [Row(folder="", name="A", type=Type.INT32, description="")])
    )
    item = DataItem(1, Reporter(Room(1_000)), desk.point("A"), BOTH)
    item.configure(7, 1, True)
    item.mode = Mode.REPORTING
    item.source.add(item)
    item.take()
    desk.set("A", *values)
    item.settle()
    assert item.drain(1, 100) == [item.source.encoded(item.source.read(), BOTH)]


def watched_objects() -> int:
    return sum(type(each) in (Point, _Watched) for each in gc.get_objects())


def test_of_what_nobody_monitors_any_more_nothing_is_left(desk):
    """No ring of objects either: nothing looks for those (bridge.garbage)."""
    gc.collect()
    gc.disable()
    before = watched_objects()
    try:
        for number in range(3):
            watcher = desk.add(number, "A")
            desk.set("A", number)
            watcher.source.remove(watcher)
            desk.watch.release([watcher.source])
            del watcher
        assert watched_objects() == before
    finally:
        gc.enable()


def test_a_point_that_is_gone_can_be_released(desk):
    watcher = desk.add(1, "A")
    desk.tree.remove_station(desk.group)
    watcher.source.remove(watcher)
    desk.watch.release([watcher.source])
    assert desk.watch._gone == {}


@pytest.mark.parametrize("value", [ua.Variant("x", ua.VariantType.String), ua.Variant([1, 2], ua.VariantType.Int32)])
def test_a_fixed_value_is_encoded_as_asyncua_does(value):
    shown = ua.DataValue(value, SourceTimestamp=ua.DateTime(2026, 1, 1), ServerTimestamp=ua.DateTime(2026, 1, 2))
    fixed = Fixed(shown)
    assert fixed.encode(fixed.read(), BOTH) == struct_to_binary(shown)
    assert fixed.encode(fixed.read(), NEITHER) == struct_to_binary(ua.DataValue(value))
    only_source = ua.DataValue(value, SourceTimestamp=shown.SourceTimestamp)
    assert fixed.encode(fixed.read(), SOURCE) == struct_to_binary(only_source)


def test_a_part_of_a_text_hears_of_the_whole_and_leaves_nothing(desk):
    desk.group.extend(Row(folder="", name="T", type=Type.STRING, description=""))
    part = Part(desk.point("T"), (slice(1, 3),))
    watcher = Watcher(desk, 1, part)
    for text in ("ACME", "A"):
        desk.tree.apply(desk.group, [Update(desk.group.slot("T"), text)], 1.0)
    desk.tree.remove_station(desk.group)
    assert desk.heard == [(1, "CM"), (1, None), (1, None)]
    codes = (ua.StatusCodes.BadIndexRangeNoData, ua.StatusCodes.BadNodeIdUnknown)
    assert [encoded for _, _, encoded in desk.told[1:]] == [b"\x02" + code.to_bytes(4, "little") for code in codes]
    part.remove(watcher)
    desk.watch.release([part])
    assert (len(desk.watch), desk.watch._gone) == (0, {})


def test_a_fixed_value_goes_with_its_station_and_comes_back(desk):
    shown = ua.DataValue(ua.Variant("x", ua.VariantType.String))
    fixed = desk.watch.fixed("S", shown)
    desk.tree.remove_station(desk.group)
    assert fixed.read()[1] == ua.StatusCodes.BadNodeIdUnknown
    desk.tree.add_station("S", "S", LAYOUT)
    assert fixed.encode(fixed.read(), NEITHER) == struct_to_binary(shown)
    desk.watch.release([fixed])
    assert desk.watch._fixed == {}
