"""The types of namespace 3 say what the instances have: all of it, and nothing else."""

import pytest
from asyncua import ua

from bridge.opcua.node import HAS_TYPE_DEFINITION, Node
from bridge.opcua.nodes import Space
from bridge.opcua.typespace import HAS_MODELLING_RULE, HAS_SUBTYPE, OPTIONAL_PLACEHOLDER, TypeSpace
from bridge.points.tree import Tree
from bridge.station.model import bridge_layout
from tests.unit.opcua.helpers import LAYOUTS, MODELS, TABLE


@pytest.fixture(scope="module")
def types() -> TypeSpace:
    return TypeSpace(LAYOUTS)


def space_with_a_station(types: TypeSpace, version: str) -> Space:
    tree = Tree(bridge_layout(TABLE))
    station = tree.add_station("CP1", "CP1", MODELS[version].station.layout)
    tree.add_connector(station, "Connector1", MODELS[version].connector.layout)
    return Space(tree, TABLE.measurands.row_of, types)


def declared(types: TypeSpace, name: str) -> dict[str, Node]:
    """What a type and its supertypes declare, by path below the type."""
    found: dict[str, Node] = {}
    node: Node | None = types.find(name)
    while node is not None:
        for other in types.all():
            if other.key and other.path == f"{node.path}.{other.key}":
                found.setdefault(other.key, other)
        node = next(link.node for link in types.links(node) if link.type == HAS_SUBTYPE and not link.forward)
    return found


def instances(space: Space, node: Node) -> dict[str, Node]:
    """What lies below an instance, down to the next one that has a type of ours."""
    found: dict[str, Node] = {}
    for link in space.children(node):
        child = link.node
        found[child.path] = child
        own = child.shape.type_definition
        if own is None or own.NamespaceIndex != 3:
            found |= instances(space, child)
    return found


@pytest.mark.parametrize("version", MODELS)
@pytest.mark.parametrize("path", ["CP1", "CP1.Connector1", "Bridge"])
def test_an_instance_has_exactly_what_its_type_declares(types, version, path):
    space = space_with_a_station(types, version)
    check(space, types, space.find(path))


def check(space: Space, types: TypeSpace, instance: Node) -> None:
    below = instances(space, instance)
    expected = declared(types, instance.shape.type_definition.Identifier)
    mandatory = {key: node for key, node in expected.items() if not node.shape.name.startswith("<")}
    had = {path.removeprefix(f"{instance.path}."): node for path, node in below.items()}
    connectors = [key for key in had if key.startswith("Connector1")]
    assert set(had) - set(connectors) == set(mandatory)
    for key, node in mandatory.items():
        assert had[key].shape.node_class is node.shape.node_class, key
        value = () if key == "NodeVersion" else (ua.AttributeIds.Value,)
        for attribute in (ua.AttributeIds.BrowseName, ua.AttributeIds.DataType, *value):
            assert had[key].shape.attributes.get(attribute) == node.shape.attributes.get(attribute), key
        assert is_or_is_below(types, had[key].shape.type_definition, node.shape.type_definition), key
        own = had[key].shape.type_definition
        if own is not None and own.NamespaceIndex == 3:
            check(space, types, had[key])


def is_or_is_below(types: TypeSpace, type_id: ua.NodeId | None, wanted: ua.NodeId | None) -> bool:
    while type_id != wanted:
        if type_id is None or type_id.NamespaceIndex != 3:
            return False
        up = next(link for link in types.links(types.find(type_id.Identifier)) if not link.forward)
        type_id = up.node.id if up.node else up.standard
    return True


def test_every_node_is_found_by_its_path_and_its_references_lead_both_ways(types):
    seen = set()
    for node in types.all():
        assert node.path not in seen
        seen.add(node.path)
        assert types.find(node.path).shape is node.shape
        for link in types.links(node):
            if link.node is not None:
                back = [(other.type, other.forward, other.node and other.node.path) for other in types.links(link.node)]
                assert (link.type, not link.forward, node.path) in back
    assert "StationType.Info.Vendor" in seen


def test_every_declaration_has_one_type_and_one_modelling_rule(types):
    for node in types.all():
        links = list(types.links(node))
        kinds = [link.type for link in links if link.forward]
        is_declaration = bool(node.key) and node.path.partition(".")[0] not in {
            e.name for e in TABLE.enumerations.values()
        }
        assert kinds.count(HAS_MODELLING_RULE) == is_declaration, node.path
        assert kinds.count(HAS_TYPE_DEFINITION) == (bool(node.key) and node.method is None), node.path
        rules = [link.standard for link in links if link.type == HAS_MODELLING_RULE]
        assert (OPTIONAL_PLACEHOLDER in rules) == node.shape.name.startswith("<")


@pytest.mark.parametrize(
    "path",
    ["", "Nothing", "StationType.", "StationType.Info.Nothing", "ConnectorStatus.EURange", "StationType.EURange"],
)
def test_nothing_else_is_there(types, path):
    assert types.find(path) is None


def test_stations_of_every_ocpp_version_are_of_one_type(types):
    spaces = [space_with_a_station(types, version) for version in MODELS]
    assert {space.find("CP1").shape.type_definition.Identifier for space in spaces} == {"StationType"}
    commands = {space.find("CP1.Commands").shape.type_definition.Identifier for space in spaces}
    assert len(commands) == len(MODELS)


def test_an_enumeration_is_a_data_type_with_its_numbers(types):
    node = types.find("ConnectorStatus")
    definition = node.shape.attributes[ua.AttributeIds.DataTypeDefinition].Value.Value
    assert [(field.Name, field.Value) for field in definition.Fields[:3]] == [
        ("Unknown", 0),
        ("Available", 1),
        ("Preparing", 2),
    ]
    assert types.find("ConnectorStatus.EnumValues") is not None
