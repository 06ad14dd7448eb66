"""Nodes are derived from the layout: every path of points.md resolves, and what is shown can be found again."""

import pytest
from asyncua import ua

from bridge.opcua.nodes import HAS_COMPONENT, HAS_PROPERTY, ORGANIZES, Link, Node, Space
from bridge.opcua.typespace import TypeSpace
from bridge.points.rows import Row, Type
from bridge.points.tree import Tree, Update
from bridge.station.model import bridge_layout
from tests.unit.opcua.helpers import LAYOUTS, MODEL, NOW, TABLE


@pytest.fixture
def tree() -> Tree:
    tree = Tree(bridge_layout(TABLE))
    for name, area in (("CP001", "Depot/Hall 1"), ("CP002", "Depot"), ("CP003", "")):
        station = tree.add_station(name, name, MODEL.station.layout, area)
        tree.add_connector(station, "Connector1", MODEL.connector.layout)
    return tree


@pytest.fixture
def space(tree: Tree) -> Space:
    return Space(tree, TABLE.measurands.row_of, TypeSpace(LAYOUTS))


def names(space: Space, path: str, *, properties: bool = False) -> list[str]:
    """What lies below a node; of a point, and where they are asked for, the properties."""
    node = space.find(path)
    assert node is not None, path
    wanted = properties or node.shape.node_class is not ua.NodeClass.Object
    return [
        link.node.shape.name for link in space.children(node) if link.node and (wanted or link.type != HAS_PROPERTY)
    ]


def walk(space: Space, node: Node) -> list[tuple[Node, Link]]:
    found = []
    for link in space.children(node):
        assert link.node is not None
        found += [(node, link), *walk(space, link.node)]
    return found


def everything(space: Space) -> list[tuple[Node, Link]]:
    found = []
    for root in ("Stations", "Bridge"):
        node = space.find(root)
        assert node is not None
        found += walk(space, node)
    return found


@pytest.mark.parametrize(
    ("path", "type_id", "properties"),
    [
        ("CP001.Info.Vendor", "BaseDataVariableType", []),
        ("CP001.State.ClockOffset", "AnalogUnitType", ["EngineeringUnits"]),
        ("CP001.MeterValues.Power.Active.Import", "AnalogUnitType", ["EngineeringUnits"]),
        ("CP001.Config.HeartbeatInterval", "AnalogItemType", ["EURange", "EngineeringUnits"]),
        ("CP001.Connector1.Status.State", "MultiStateValueDiscreteType", ["EnumValues", "ValueAsText"]),
        ("CP001.Config.RegistrationStatus", "MultiStateValueDiscreteType", ["EnumValues", "ValueAsText"]),
        ("CP001.Connector1.Status.StateText", "BaseDataVariableType", []),
        ("Bridge.Version", "BaseDataVariableType", []),
        ("CP001.Info", "FolderType", None),
        ("Stations/Depot/Hall 1", "FolderType", None),
        ("Stations/Depot.NodeVersion", "PropertyType", []),
        ("Stations.NodeVersion", "PropertyType", []),
        ("CP001.NodeVersion", "PropertyType", []),
        ("CP001.Config.HeartbeatInterval.EURange", "PropertyType", []),
        ("CP001.Commands.Reset.Call.InputArguments", "PropertyType", []),
    ],
)
def test_a_node_has_the_type_and_the_properties_of_its_row(space, path, type_id, properties):
    node = space.find(path)
    assert node is not None
    assert node.shape.type_definition == ua.NodeId(getattr(ua.ObjectIds, type_id))
    if properties is not None:
        assert sorted(names(space, path)) == properties


@pytest.mark.parametrize(
    "path",
    [
        "",
        "CP009",
        "CP001.",
        "CP001.Info.",
        "CP001.Info.Nothing",
        "CP001.Info.Vendor.EngineeringUnits",
        "CP001.Config.HeartbeatInterval.EURange.EURange",
        "CP001.Connector9.Status.State",
        "CP001.Connector1.",
        "CP001.EURange",
        "CP001.Info.NodeVersion",
        "CP001.Connector1.NodeVersion",
        "Stations/Nowhere.NodeVersion",
        ".EURange",
        "Bridge.",
        "Bridge.MeterValues.Current.Import.L1",
        "CP001.MeterValues.Current.Import.L9",
        "Stations/",
        "Stations/Dep",
        "Stations/Nowhere",
        "Stations.CP001",
        "Depot",
    ],
)
def test_nothing_else_is_there(space, path):
    assert space.find(path) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("CP001", "StationType"),
        ("CP001.Connector1", "ConnectorType"),
        ("Bridge", "BridgeType"),
        ("CP001.Commands", "StationCommands16Type"),
        ("CP001.Connector1.Commands", "ConnectorCommands16Type"),
        ("CP001.Commands.Reset", "ResetCommandType"),
        ("CP001.Connector1.Commands.ChangeAvailability", "ConnectorChangeAvailabilityCommandType"),
    ],
)
def test_stations_connectors_and_commands_are_of_types_of_their_own(space, path, name):
    node = space.find(path)
    assert node.shape.type_definition == ua.NodeId(name, 3)
    assert space.types.find(name).shape.node_class is ua.NodeClass.ObjectType


def test_what_comes_and_goes_below_a_node_is_told_by_its_version(space):
    versioned = {node.path for _, link in everything(space) if (node := link.node) and node.shape.name == "NodeVersion"}
    holders = ["Stations", "Stations/Depot", "Stations/Depot/Hall 1", "CP001", "CP002", "CP003"]
    assert versioned == {f"{holder}.NodeVersion" for holder in holders}
    before = space.versions.of("CP001"), space.versions.of("CP002")
    assert space.versions.changed("CP001") == space.versions.of("CP001") != before[0]
    assert space.versions.of("CP002") == before[1]


def test_areas_are_folders_and_no_part_of_the_path(space):
    assert names(space, "Stations") == ["Depot", "CP003"]
    assert names(space, "Stations/Depot") == ["Hall 1", "CP002"]
    assert names(space, "Stations/Depot/Hall 1") == ["CP001"]


def test_a_station_that_moves_keeps_its_node_and_changes_its_parent(space, tree):
    tree.stations["CP001"].area = "Street"
    assert names(space, "Stations/Street") == ["CP001"]
    assert space.find("Stations/Depot/Hall 1") is None
    assert space.find("CP001.Info.Vendor") is not None


def test_a_station_shows_its_folders_and_its_connectors(space):
    shown = names(space, "CP001")
    assert {"Info", "State", "Config", "Configuration", "Status", "MeterValues", "Commands", "Connector1"} <= set(shown)
    assert len(shown) == len(set(shown))


def test_a_measurand_keeps_its_dots_as_one_name(space):
    assert "Power.Active.Import" in names(space, "CP001.Connector1.MeterValues")


def test_every_node_that_is_shown_is_found_by_its_path_and_knows_its_parent(space):
    for parent, link in everything(space):
        child = link.node
        assert child is not None
        found = space.find(child.path)
        assert found is not None, child.path
        assert found.shape is child.shape
        inverse = [other for other in space.links(found) if not other.forward]
        assert [(other.type, other.node and other.node.path) for other in inverse] == [(link.type, parent.path)]
        assert link.type in (ORGANIZES, HAS_COMPONENT, HAS_PROPERTY)


def test_every_row_and_method_of_a_layout_is_shown(space):
    shown = {link.node.path for _, link in everything(space) if link.node}
    for part, group in ((MODEL.station, "CP001"), (MODEL.connector, "CP001.Connector1")):
        for key in (*part.layout.index, *part.layout.methods, *(k for k in part.layout.folders if k)):
            assert f"{group}.{key}" in shown


def test_a_measurand_that_was_never_reported_is_there_but_not_shown(space, tree):
    path = "CP001.Connector1.MeterValues.Current.Import.L1"
    node = space.find(path)
    assert node is not None
    assert node.slot is None
    assert "Current.Import.L1" not in names(space, "CP001.Connector1.MeterValues")
    group = tree.stations["CP001"].connectors["Connector1"]
    slot = group.extend(node.row)
    tree.apply(group, [Update(slot, 1.0)], NOW)
    assert "Current.Import.L1" in names(space, "CP001.Connector1.MeterValues")
    assert space.find(path + ".EngineeringUnits") is not None


def test_points_that_came_at_run_time_bring_their_folders(space, tree):
    station = tree.stations["CP001"]
    for key in ("Configuration.HeartbeatInterval", "Configuration.Ctrlr.1.Enabled", "Configuration.Ctrlr.Mode"):
        folder, _, name = key.rpartition(".")
        station.extend(Row(folder=folder, name=name, type=Type.STRING, description="", writable=True))
    assert names(space, "CP001.Configuration") == ["HeartbeatInterval", "Ctrlr"]
    assert names(space, "CP001.Configuration.Ctrlr") == ["Mode", "1"]
    assert names(space, "CP001.Configuration.Ctrlr.1") == ["Enabled"]
    parents = [link.node.path for link in space.links(space.find("CP001.Configuration.Ctrlr.1")) if not link.forward]
    assert parents == ["CP001.Configuration.Ctrlr"]


def test_stations_share_the_shapes_of_their_nodes(space):
    keys = ("Info.Vendor", "Commands.Reset.Call", "Info", "Connector1.Status.State", "Config.HeartbeatInterval.EURange")
    for key in keys:
        assert space.find(f"CP001.{key}").shape is space.find(f"CP002.{key}").shape


def test_the_unit_is_given_by_its_unece_code(space):
    node = space.find("CP001.Connector1.Transaction.Energy.EngineeringUnits")
    value = node.shape.attributes[ua.AttributeIds.Value].Value.Value
    assert (value.UnitId, value.DisplayName.Text) == (int.from_bytes(b"WHR", "big"), "Wh")
    assert value.NamespaceUri == "http://www.opcfoundation.org/UA/units/un/cefact"
