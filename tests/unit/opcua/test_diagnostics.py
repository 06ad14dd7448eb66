"""Values that are made when they are read, and told to who monitors them."""

import pytest
from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from bridge.opcua.diagnostics import LiveValues

NUMBER = 4711
NODE = ua.NodeId(NUMBER)


@pytest.fixture
def aspace() -> AddressSpace:
    made = AddressSpace()
    node = NodeData(NODE)
    node.attributes[ua.AttributeIds.Value] = AttributeValue(ua.DataValue(ua.Variant(0)))
    made[NODE] = node
    return made


@pytest.fixture
def made() -> list[int]:
    return []


@pytest.fixture
def live(aspace, made) -> LiveValues:
    def make() -> ua.Variant:
        made.append(len(made) + 1)
        return ua.Variant(made[-1], ua.VariantType.UInt32)

    values = LiveValues(aspace)
    values.add(NUMBER, make)
    return values


async def test_a_value_is_made_each_time_that_it_is_read_and_only_then(live, aspace, made):
    await live.tell()
    assert made == []
    read = [aspace.read_attribute_value(NODE, ua.AttributeIds.Value) for _ in range(2)]
    assert [value.Value.Value for value in read] == [1, 2]
    assert read[0].SourceTimestamp == read[0].ServerTimestamp <= read[1].SourceTimestamp


async def test_all_who_monitor_it_are_told_the_same(live, aspace, made):
    heard: list[tuple[int, int]] = []

    async def hear(handle: int, value: ua.DataValue) -> None:
        heard.append((handle, value.Value.Value))

    handles = [aspace.add_datachange_callback(NODE, ua.AttributeIds.Value, hear)[1] for _ in range(2)]
    await live.tell()
    assert heard == [(handles[0], 1), (handles[1], 1)]
    aspace.delete_datachange_callback(handles[0])
    await live.tell()
    assert heard[2:] == [(handles[1], 2)]


async def test_who_leaves_while_others_are_told_disturbs_nobody(live, aspace):
    heard: list[int] = []

    async def leave(handle: int, value: ua.DataValue) -> None:
        aspace.delete_datachange_callback(handle)

    async def hear(handle: int, value: ua.DataValue) -> None:
        heard.append(value.Value.Value)

    aspace.add_datachange_callback(NODE, ua.AttributeIds.Value, leave)
    aspace.add_datachange_callback(NODE, ua.AttributeIds.Value, hear)
    await live.tell()
    await live.tell()
    assert heard == [1, 2]
