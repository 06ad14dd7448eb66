"""Browse, TranslateBrowsePaths and Read with asyncua's own client."""

import asyncio

import pytest
from asyncua import ua

from bridge.opcua import requests
from bridge.opcua.paths import MAX_ELEMENTS
from tests.unit.opcua.helpers import MODEL, read_raw

pytestmark = pytest.mark.asyncio(loop_scope="session")

COMMON = ("NodeId", "NodeClass", "BrowseName", "DisplayName", "Description", "WriteMask", "UserWriteMask")
ATTRIBUTES = {
    ua.NodeClass.Object: (*COMMON, "EventNotifier"),
    ua.NodeClass.Method: (*COMMON, "Executable", "UserExecutable"),
    ua.NodeClass.Variable: (
        *COMMON,
        *("Value", "DataType", "ValueRank", "AccessLevel", "UserAccessLevel", "MinimumSamplingInterval", "Historizing"),
    ),
}


async def walk(client, node_id: ua.NodeId) -> list[ua.ReferenceDescription]:
    """Everything below a node, browsed as an HMI does: level by level, many nodes in a request."""
    found, level = [], [node_id]
    while level:
        params = ua.BrowseParameters(
            NodesToBrowse=[
                ua.BrowseDescription(
                    NodeId=each,
                    ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
                    BrowseDirection=ua.BrowseDirection.Forward,
                    IncludeSubtypes=True,
                    ResultMask=63,
                )
                for each in level
            ]
        )
        results = await client.uaclient.browse(params)
        assert all(result.StatusCode.is_good() for result in results)
        references = [reference for result in results for reference in result.References]
        found += references
        level = [reference.NodeId for reference in references]
    return found


async def test_the_namespaces_stand_in_their_order(client):
    uris = await client.get_namespace_array()
    assert uris[0] == "http://opcfoundation.org/UA/"
    assert uris[1].startswith("urn:")
    assert uris[1].endswith(":ocpp-bridge")
    assert uris[2:] == ["urn:ocpp-bridge:points", "urn:ocpp-bridge:types"]


async def test_the_objects_folder_shows_stations_and_bridge(client):
    names = [await child.read_browse_name() for child in await client.nodes.objects.get_children()]
    assert ua.QualifiedName("Stations", 2) in names
    assert ua.QualifiedName("Bridge", 2) in names


async def test_a_whole_station_can_be_browsed_and_every_attribute_read(site, client):
    station = site.station("Depot/Hall 1")
    references = await walk(client, ua.NodeId(station.path, 2))
    paths = [reference.NodeId.Identifier for reference in references]
    assert len(paths) == len(set(paths))
    layout = MODEL.connector.layout
    assert {f"{station.path}.Connector1.{row.key}" for row in layout.rows} <= set(paths)
    items, expected = [], []
    for reference in references:
        for name in ATTRIBUTES[reference.NodeClass]:
            items.append(ua.ReadValueId(reference.NodeId, getattr(ua.AttributeIds, name)))
            expected.append((reference, name))
    for start in range(0, len(items), 2000):
        values = await read_raw(client, items[start : start + 2000])
        for value, (reference, name) in zip(values, expected[start : start + 2000], strict=True):
            code = value.StatusCode.name
            waits = name == "Value" and code in ("BadWaitingForInitialData", "UncertainLastUsableValue")
            assert code == "Good" or waits, (reference, name, code)
            if name == "BrowseName":
                assert value.Value.Value == reference.BrowseName
            if name == "NodeClass":
                assert value.Value.Value == reference.NodeClass


async def test_a_point_can_be_found_by_its_browse_path(site, client):
    station = site.station("Depot/Hall 1")
    path = ["2:Stations", "2:Depot", "2:Hall 1", f"2:{station.path}", "2:Connector1", "2:MeterValues"]
    node = await client.nodes.objects.get_child([*path, ua.QualifiedName("Power.Active.Import", 2)])
    assert node.nodeid == ua.NodeId(f"{station.path}.Connector1.MeterValues.Power.Active.Import", 2)
    unit = await node.get_child(["0:EngineeringUnits"])
    assert (await unit.read_value()).DisplayName.Text == "W"


@pytest.mark.parametrize(
    ("start", "names", "code"),
    [
        ("Stations", ["Nowhere"], "BadNoMatch"),
        ("Nowhere", ["Stations"], "BadNodeIdUnknown"),
        ("Stations", [""], "BadBrowseNameInvalid"),
        ("Stations", [], "BadNothingToDo"),
    ],
)
async def test_a_browse_path_that_leads_nowhere_says_why(client, start, names, code):
    path = ua.RelativePath(
        [ua.RelativePathElement(ua.NodeId(33), False, True, ua.QualifiedName(name, 2)) for name in names]
    )
    results = await client.uaclient.translate_browsepaths_to_nodeids([ua.BrowsePath(ua.NodeId(start, 2), path)])
    assert results[0].StatusCode.name == code


async def test_a_browse_path_that_is_longer_than_any_is_not_followed(client):
    element = ua.RelativePathElement(ua.NodeId(33), False, True, ua.QualifiedName("Nowhere", 2))
    paths = [
        ua.BrowsePath(ua.NodeId("Stations", 2), ua.RelativePath([element] * count))
        for count in (MAX_ELEMENTS, MAX_ELEMENTS + 1)
    ]
    results = await client.uaclient.translate_browsepaths_to_nodeids(paths[:1])
    assert results[0].StatusCode.name == "BadNoMatch"
    with pytest.raises(ua.uaerrors.BadTooManyOperations):
        await client.uaclient.translate_browsepaths_to_nodeids(paths)


@pytest.mark.parametrize(
    ("node", "reference_type", "direction", "code"),
    [
        ("Nowhere", 33, 0, "BadNodeIdUnknown"),
        ("Stations", 99_999, 0, "BadReferenceTypeIdInvalid"),
        ("Stations", 0, 3, "BadBrowseDirectionInvalid"),
        ("Stations", 0, 0, "Good"),
    ],
)
async def test_a_browse_that_cannot_be_says_why(client, node, reference_type, direction, code):
    description = ua.BrowseDescription(
        NodeId=ua.NodeId(node, 2), ReferenceTypeId=ua.NodeId(reference_type), IncludeSubtypes=True
    )
    description.BrowseDirection = direction
    results = await client.uaclient.browse(ua.BrowseParameters(NodesToBrowse=[description]))
    assert results[0].StatusCode.name == code


async def test_browse_keeps_to_direction_type_and_class(site, client):
    station = site.station()
    node = client.get_node(ua.NodeId(f"{station.path}.Connector1", 2))
    above = await node.get_referenced_nodes(direction=ua.BrowseDirection.Inverse)
    assert [each.nodeid.Identifier for each in above] == [station.path]
    assert (await node.read_type_definition()) == ua.NodeId("ConnectorType", 3)
    reset = client.get_node(ua.NodeId(f"{station.path}.Commands.Reset", 2))
    methods = await reset.get_children(nodeclassmask=ua.NodeClass.Method)
    assert [method.nodeid.Identifier for method in methods] == [f"{station.path}.Commands.Reset.Call"]
    assert await reset.get_children(refs=ua.ObjectIds.HasProperty) == []
    assert await methods[0].get_children(refs=ua.ObjectIds.HasProperty) != []


async def test_a_station_that_comes_later_is_there_at_once(site, client):
    stations = client.get_node("ns=2;s=Stations")
    before = {node.nodeid.Identifier for node in await stations.get_children()}
    new = site.station()
    assert {node.nodeid.Identifier for node in await stations.get_children()} - before == {new.path}


async def test_the_server_says_who_it_is(client):
    status = await client.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus)).read_value()
    assert status.State == ua.ServerState.Running
    build = status.BuildInfo
    assert (build.ProductName, build.ProductUri, build.SoftwareVersion) == ("ocpp-bridge", "urn:ocpp-bridge", "1.2.3")


@pytest.mark.parametrize(
    ("names", "subtypes", "reference_type", "inverse", "expected"),
    [
        (["{}", "Info", "Vendor"], True, 33, False, "{}.Info.Vendor"),
        (["{}", "Info", "Vendor"], True, 0, False, "{}.Info.Vendor"),
        (["{}"], False, 35, False, "{}"),
        (["{}"], False, 33, False, "BadNoMatch"),
        (["{}", "Info"], False, 35, False, "BadNoMatch"),
        (["{}"], True, 47, False, "BadNoMatch"),
        (["{}", "Connector1", "Status", "State"], True, 33, False, "{}.Connector1.Status.State"),
        (["{}", "Connector1.Status"], True, 33, False, "BadNoMatch"),
        (["{}.Info"], True, 33, False, "BadNoMatch"),
        (["{}", "Connector1", "MeterValues", "Current.Import.L1"], True, 33, False,
         "{}.Connector1.MeterValues.Current.Import.L1"),
        (["{}"], True, 99_999, False, "BadReferenceTypeIdInvalid"),
        (["{}"], True, 33, True, "BadNoMatch"),
    ],
)  # fmt: skip
async def test_a_browse_path_is_followed_name_by_name(site, client, names, subtypes, reference_type, inverse, expected):
    path = site.station().path
    elements = [
        ua.RelativePathElement(ua.NodeId(reference_type), inverse, subtypes, ua.QualifiedName(name.format(path), 2))
        for name in names
    ]
    result = (
        await client.uaclient.translate_browsepaths_to_nodeids(
            [ua.BrowsePath(ua.NodeId("Stations", 2), ua.RelativePath(elements))]
        )
    )[0]
    if expected.startswith("Bad"):
        assert (result.StatusCode.name, result.Targets) == (expected, [])
        return
    assert [target.TargetId for target in result.Targets] == [ua.NodeId(expected.format(path), 2)]
    assert result.Targets[0].RemainingPathIndex == 0xFFFFFFFF


async def test_a_browse_path_leads_back_and_into_other_namespaces(site, client):
    path = site.station().path
    up = ua.RelativePathElement(ua.NodeId(33), True, True, ua.QualifiedName(path, 2))
    type_ = ua.RelativePathElement(ua.NodeId(40), False, False, ua.QualifiedName("StationType", 3))
    unit = ua.RelativePathElement(ua.NodeId(46), False, True, ua.QualifiedName("EngineeringUnits", 0))
    server = ua.RelativePathElement(ua.NodeId(33), False, True, ua.QualifiedName("Server", 0))
    energy = f"{path}.Connector1.Transaction.Energy"
    paths = [
        ua.BrowsePath(ua.NodeId(f"{path}.Info", 2), ua.RelativePath([up, type_])),
        ua.BrowsePath(ua.NodeId(energy, 2), ua.RelativePath([unit])),
        ua.BrowsePath(ua.NodeId(ua.ObjectIds.ObjectsFolder), ua.RelativePath([server])),
    ]
    results = await client.uaclient.translate_browsepaths_to_nodeids(paths)
    assert [[target.TargetId for target in result.Targets] for result in results] == [
        [ua.NodeId("StationType", 3)],
        [ua.NodeId(f"{energy}.EngineeringUnits", 2)],
        [ua.NodeId(ua.ObjectIds.Server)],
    ]


async def test_registered_nodes_are_read_and_written_under_the_ids_that_came_back(site, client):
    path = f"{site.station().path}.Config.HeartbeatInterval"
    nodes = [ua.NodeId(path, 2), ua.NodeId(ua.ObjectIds.Server_ServiceLevel), ua.NodeId("Nowhere", 2)]
    registered = await client.uaclient.register_nodes(nodes)
    values = await read_raw(client, [ua.ReadValueId(node, ua.AttributeIds.Value) for node in registered])
    assert [value.StatusCode.name for value in values] == ["Good", "Good", "BadNodeIdUnknown"]
    await client.get_node(registered[0]).write_value(ua.Variant(60, ua.VariantType.Int32))
    assert site.writer.writes == [(path, 60, "anonymous")]
    await client.uaclient.unregister_nodes(registered)


async def test_a_large_register_keeps_nobody_waiting(client, monkeypatch):
    monkeypatch.setattr(requests, "SLICE", 0.0)
    nodes = [ua.NodeId(f"Nowhere{number}", 2) for number in range(1_000)]
    large = asyncio.create_task(client.uaclient.register_nodes(nodes))
    await asyncio.sleep(0)
    await read_raw(client, [ua.ReadValueId(ua.NodeId("Bridge", 2), ua.AttributeIds.BrowseName)])
    assert not large.done()
    assert await large == nodes
