"""Who monitors a point hears of each of its changes once, in their order."""

import asyncio

import pytest
from asyncua import ua

from bridge.opcua.watch import Watch
from bridge.points.layout import build_layout
from bridge.points.rows import Row, Type
from bridge.points.tree import Group, Tree, Update

LAYOUT = build_layout("station", [Row(folder="", name=name, type=Type.INT32, description="") for name in "ABC"])
MOVED = build_layout("station", [Row(folder="", name=name, type=Type.INT32, description="") for name in "CBA"])


class Desk:
    """A tree of one station, a watch, and what it told; counts how often a value was built."""

    def __init__(self) -> None:
        self.tree = Tree(build_layout("bridge", []))
        self.group = self.tree.add_station("S", "S", LAYOUT)
        self.built = 0
        self.told: list[tuple[int, object]] = []
        self.watch = Watch(self._read)
        self.tree.listeners.append(self.watch.changed)

    def _read(self, group: Group, slot: int, as_text: bool) -> ua.DataValue:
        self.built += 1
        value = group.sample(slot).value
        return ua.DataValue(ua.Variant(f"as text {value}" if as_text else value))

    async def heard(self, handle: int, value: ua.DataValue) -> None:
        self.told.append((handle, value.Value.Value))

    def add(self, handle: int, key: str, *, as_text: bool = False, callback=None) -> None:
        self.watch.add(handle, self.group, self.group.slot(key), as_text=as_text, callback=callback or self.heard)

    def set(self, key: str, *values: int) -> None:
        for value in values:
            self.tree.apply(self.group, [Update(self.group.slot(key), value)], 1.0)

    async def settle(self) -> list[tuple[int, object]]:
        task = asyncio.create_task(self.watch.run())
        for _ in range(len(self.watch._pending) + 2):  # a turn of the loop for each batch and more
            await asyncio.sleep(0)
        assert not self.watch._pending
        task.cancel()
        return self.told


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_every_change_is_told_in_its_order(desk):
    desk.add(1, "A")
    desk.set("A", *range(250))
    assert await desk.settle() == [(1, value) for value in range(250)]


async def test_a_change_is_built_once_whoever_monitors_it(desk):
    for handle in range(1, 11):
        desk.add(handle, "A")
    desk.set("A", 5)
    assert await desk.settle() == [(handle, 5) for handle in range(1, 11)]
    assert desk.built == 1


async def test_what_nobody_monitors_costs_nothing(desk):
    desk.add(1, "A")
    desk.set("B", 5)
    assert await desk.settle() == []
    assert desk.built == 0


async def test_text_and_value_are_told_apart(desk):
    desk.add(1, "A")
    desk.add(2, "A", as_text=True)
    desk.set("A", 5)
    assert await desk.settle() == [(1, 5), (2, "as text 5")]


async def test_a_new_watcher_does_not_hear_of_what_was_before(desk):
    desk.add(1, "A")
    desk.set("A", 1)
    desk.add(2, "A")
    desk.set("A", 2)
    assert await desk.settle() == [(1, 1), (1, 2), (2, 2)]


async def test_who_has_gone_hears_nothing_and_leaves_nothing(desk):
    desk.add(1, "A")
    desk.set("A", 1)
    assert desk.watch.remove(1)
    assert await desk.settle() == []
    assert len(desk.watch) == 0
    assert desk.watch._groups == {}
    assert not desk.watch.remove(1)


async def test_one_watchers_failure_is_not_the_others(desk):
    async def fail(handle: int, value: ua.DataValue) -> None:
        raise RuntimeError

    desk.add(1, "A", callback=fail)
    desk.add(2, "A")
    desk.set("A", 1, 2)
    assert await desk.settle() == [(2, 1), (2, 2)]


async def test_a_watched_point_is_the_same_after_the_slots_have_moved(desk):
    desk.add(1, "A")
    desk.tree.relayout(desk.group, MOVED)
    desk.set("C", 3)
    desk.set("A", 1)
    assert await desk.settle() == [(1, 1)]
    assert desk.watch.remove(1)
