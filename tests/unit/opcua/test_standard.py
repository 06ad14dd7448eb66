"""OPC UA's own nodes are those that asyncua makes, node by node."""

import pytest
from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeData, NodeManagementService
from asyncua.server.standard_address_space.standard_address_space import fill_address_space

from bridge.opcua.standard import StandardNodes


@pytest.fixture(scope="module")
def nodes() -> StandardNodes:
    return StandardNodes()


def references(node: NodeData) -> dict:
    return {(ref.ReferenceTypeId, ref.IsForward, ref.NodeId): ref for ref in node.references}


def test_every_node_is_as_asyncua_makes_it(nodes):
    expected = AddressSpace()
    fill_address_space(NodeManagementService(expected))
    assert set(nodes) == set(expected._nodes)
    assert len(nodes) == len(expected._nodes)
    for node_id, wanted in expected._nodes.items():
        made = nodes[node_id]
        assert {key: found.value for key, found in made.attributes.items()} == {
            key: found.value for key, found in wanted.attributes.items()
        }
        assert references(made) == references(wanted)
        assert len(made.references) == len(references(made))


def test_a_node_stays_the_same_once_it_is_made(nodes):
    server = ua.NodeId(ua.ObjectIds.Server)
    assert nodes[server] is nodes[server]
    assert nodes.get(ua.NodeId("nowhere", 7)) is None


def test_nodes_come_and_go():
    nodes = StandardNodes()
    own, server = ua.NodeId("own", 1), ua.NodeId(ua.ObjectIds.Server)
    nodes[own] = NodeData(own)
    assert own in nodes
    assert own in list(nodes)
    del nodes[own]
    del nodes[server]
    assert own not in nodes
    assert server not in nodes
    with pytest.raises(KeyError):
        del nodes[server]
