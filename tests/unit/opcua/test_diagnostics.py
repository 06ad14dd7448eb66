"""Values that are made when they are read, and told to who monitors them."""

import asyncio

import pytest
from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData

from bridge.errors import Refused
from bridge.opcua import address_space, sources
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.diagnostics import LiveValues
from bridge.opcua.nodes import Space
from bridge.opcua.rights import Rights
from bridge.opcua.typespace import TypeSpace
from bridge.opcua.variants import BOTH
from bridge.points.roles import Roles
from bridge.points.tree import Tree
from bridge.station.model import bridge_layout
from tests.unit.opcua.helpers import LAYOUTS, TABLE

NUMBER = 4711
NODE = ua.NodeId(NUMBER)
KEY = NODE, int(ua.AttributeIds.Value), ""


class Watcher:
    """Takes every change."""

    def __init__(self, source: sources.Foreign) -> None:
        self.place, self.dirty, self.sampling = 0, False, None
        self.heard: list[bytes] = []
        self.source = source
        source.add(self)

    def take(self) -> None:
        self.heard.append(self.source.encoded(self.source.read(), BOTH))


@pytest.fixture
def aspace() -> TreeAddressSpace:
    space = Space(Tree(bridge_layout(TABLE)), lambda key: None, TypeSpace(LAYOUTS))
    aspace = TreeAddressSpace(space, Rights(Roles({}, {}), hidden=False), initial_values=False)
    node = NodeData(NODE)
    node.attributes[ua.AttributeIds.Value] = AttributeValue(ua.DataValue(ua.Variant(0)))
    aspace[NODE] = node
    return aspace


@pytest.fixture
def made() -> list[int]:
    return []


@pytest.fixture
def live(aspace, made) -> LiveValues:
    def make() -> ua.Variant:
        made.append(len(made) + 1)
        return ua.Variant([made[-1]] * 3, ua.VariantType.UInt32, is_array=True)

    values = LiveValues(aspace)
    values.add(NUMBER, make)
    return values


async def test_a_value_is_made_each_time_that_it_is_read_and_only_then(live, aspace, made):
    await live.tell()
    assert made == []
    read = [aspace.read_attribute_value(NODE, ua.AttributeIds.Value) for _ in range(2)]
    assert [value.Value.Value[0] for value in read] == [1, 2]
    assert read[0].SourceTimestamp == read[0].ServerTimestamp <= read[1].SourceTimestamp


async def test_a_value_is_made_once_for_all_who_monitor_it_or_a_part_of_it(live, aspace, made):
    keys = KEY, (*KEY[:2], "0:1")
    whole, part = (aspace.share(key, ua.DataValue(ua.Variant([0]))) for key in keys)
    part.slices = (slice(0, 2),)
    watchers = [Watcher(whole), Watcher(whole), Watcher(part)]
    await live.tell()
    assert made == [1]
    assert [len(watcher.heard) for watcher in watchers] == [1, 1, 1]
    assert watchers[0].heard[0] is watchers[1].heard[0], "encoded once"
    assert len(watchers[2].heard[0]) == len(watchers[0].heard[0]) - 4
    for watcher in watchers:
        watcher.source.remove(watcher)
        aspace.unshare(watcher.source)
    await live.tell()
    assert made == [1]
    assert aspace.foreign == aspace._handle_to_attribute_map == {}


async def test_many_who_monitor_it_are_told_in_slices(live, aspace, monkeypatch):
    monkeypatch.setattr(sources, "TURN", 2)
    source = aspace.share(KEY, ua.DataValue(ua.Variant(0)))
    watchers = [Watcher(source) for _ in range(6)]
    telling = asyncio.create_task(live.tell())
    await asyncio.sleep(0)
    assert [len(watcher.heard) for watcher in watchers] == [1, 1, 0, 0, 0, 0]
    source.remove(watchers[3])  # while the others wait
    await telling
    assert [len(watcher.heard) for watcher in watchers] == [1, 1, 1, 0, 1, 1]


async def test_parts_that_are_monitored_have_an_end(aspace, monkeypatch):
    monkeypatch.setattr(address_space, "MOST_RANGES", 2)
    value = ua.DataValue(ua.Variant([0, 1]))
    first, _ = (aspace.share((*KEY[:2], index_range), value) for index_range in ("0", "1"))
    with pytest.raises(Refused) as refused:
        aspace.share((*KEY[:2], "0:1"), value)
    assert refused.value.status == "BadTooManyMonitoredItems"
    aspace.unshare(first)
    aspace.share((*KEY[:2], "0:1"), value)
