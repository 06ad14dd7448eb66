"""The types of namespace 3 as clients see them: below OPC UA's own, and of the instances."""

import asyncio

import pytest
from asyncua import ua

from bridge.opcua.typespace import TypeSpace
from tests.unit.opcua.helpers import LAYOUTS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def types() -> TypeSpace:
    return TypeSpace(LAYOUTS)


async def test_a_client_finds_the_types_below_opc_uas_own(client):
    for parent, name in ((58, "StationType"), (58, "CommandType"), (61, "CommandsType"), (29, "ConnectorStatus")):
        children = await client.get_node(ua.NodeId(parent)).get_children_descriptions(refs=ua.ObjectIds.HasSubtype)
        [found] = [child for child in children if child.BrowseName == ua.QualifiedName(name, 3)]
        assert found.NodeId == ua.NodeId(name, 3)
        up = await client.get_node(found.NodeId).get_parent()
        assert up.nodeid == ua.NodeId(parent)


async def test_a_client_comes_from_a_station_to_its_type_and_finds_what_it_declares(client, site):
    station = site.station()
    node = client.get_node(ua.NodeId(station.path, 2))
    type_id = await node.read_type_definition()
    assert type_id == ua.NodeId("StationType", 3)
    type_node = client.get_node(type_id)
    assert await type_node.read_node_class() == ua.NodeClass.ObjectType
    vendor = await type_node.get_child(["2:Info", "2:Vendor"])
    assert vendor.nodeid == ua.NodeId("StationType.Info.Vendor", 3)
    assert await vendor.read_data_type() == ua.NodeId(ua.ObjectIds.String)
    [rule] = await vendor.get_referenced_nodes(ua.ObjectIds.HasModellingRule)
    assert rule.nodeid == ua.NodeId(ua.ObjectIds.ModellingRule_Mandatory)
    placeholder = await type_node.get_child(["2:<Connector>"])
    assert await placeholder.read_type_definition() == ua.NodeId("ConnectorType", 3)


async def test_every_node_of_the_types_can_be_read_and_browsed_by_a_client(client, types):
    """Each attribute of its class has a value; each reference leads to a node that is there."""
    nodes = list(types.all())
    wanted = [ua.AttributeIds.NodeClass, ua.AttributeIds.BrowseName, ua.AttributeIds.DisplayName]
    for attribute in wanted:
        items = [ua.ReadValueId(node.id, attribute) for node in nodes]
        for part in (items[at : at + 500] for at in range(0, len(items), 500)):
            values = await client.uaclient.read(ua.ReadParameters(NodesToRead=part))
            assert all(value.StatusCode.is_good() for value in values)
    sample = nodes[:: max(1, len(nodes) // 200)]
    found = await asyncio.gather(*(client.get_node(node.id).get_references() for node in sample))
    targets = {(ref.NodeId.NamespaceIndex, ref.NodeId.Identifier) for references in found for ref in references}
    known = {(3, node.path) for node in nodes}
    assert {target for target in targets if target[0] != 0} <= known


async def test_nobody_writes_to_a_type(site):
    async with site.client("emma") as client:
        node = ua.NodeId("StationType.Config.HeartbeatInterval", 3)
        value = ua.DataValue(ua.Variant(60, ua.VariantType.Int32))
        item = ua.WriteValue(node, ua.AttributeIds.Value, Value=value)
        [code] = await client.uaclient.write(ua.WriteParameters([item]))
    assert code.name == "BadNotWritable"
    assert site.writer.writes == []


@pytest.mark.parametrize("method", ["ResetCommandType.Call", "CommandType.Call"])
async def test_a_method_is_called_by_the_node_id_that_its_type_has(client, site, method):
    station = site.station()
    argument = ua.Variant("Soft", ua.VariantType.String)
    request = ua.CallMethodRequest(ua.NodeId(f"{station.path}.Commands.Reset", 2), ua.NodeId(method, 3), [argument])
    [result] = await client.uaclient.call([request])
    assert result.StatusCode.name == "Good"
    assert site.writer.calls == [(f"{station.path}.Commands.Reset.Call", ["Soft"], "anonymous")]


@pytest.mark.parametrize("object_", ["{}.Commands.ClearCache", "{}", "{}.Commands"])
async def test_a_method_of_another_type_is_refused(client, site, object_):
    station = site.station()
    request = ua.CallMethodRequest(
        ua.NodeId(object_.format(station.path), 2), ua.NodeId("ResetCommandType.Call", 3), []
    )
    [result] = await client.uaclient.call([request])
    assert result.StatusCode.name == "BadMethodInvalid"
