"""Read: values with their qualities and times, and everything else that a client may ask of an attribute."""

from datetime import UTC, datetime

import pytest
from asyncua import ua

from bridge.points.rows import Row, Type
from bridge.points.tree import Quality
from tests.unit.opcua.helpers import NOW, Changes, point, read, read_raw, text, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATE = ".Connector1.Status.State"


async def test_a_point_that_was_never_reported_waits(site, client):
    """U29"""
    station = site.station()
    value = await read(client, station.path + STATE)
    assert (value.StatusCode.name, value.Value.Value) == ("BadWaitingForInitialData", None)


async def test_a_reported_value_is_good_with_the_stations_time_and_ours(site, client):
    """U30"""
    station = site.station()
    site.set(station.connectors["Connector1"], "Status.State", 3, NOW - 5)
    value = await read(client, station.path + STATE)
    assert (value.StatusCode.name, value.Value) == ("Good", ua.Variant(3, ua.VariantType.Int32))
    assert value.SourceTimestamp == datetime.fromtimestamp(NOW - 5, UTC)
    assert value.ServerTimestamp == datetime.fromtimestamp(NOW, UTC)
    assert (await read(client, station.path + STATE + "Text")).Value == ua.Variant("Charging", ua.VariantType.String)
    text = await read(client, station.path + STATE + ".ValueAsText")
    assert text.Value.Value == ua.LocalizedText("Charging")


async def test_a_station_that_is_away_shows_its_last_values(site, client):
    """U29"""
    station = site.station()
    site.set(station.connectors["Connector1"], "Status.State", 3, NOW - 5)
    site.tree.set_online(station, None)
    value = await read(client, station.path + STATE)
    assert (value.StatusCode.name, value.Value.Value) == ("UncertainLastUsableValue", 3)
    assert value.SourceTimestamp == datetime.fromtimestamp(NOW - 5, UTC)
    assert (await read(client, station.path + ".Commands.Reset.Result.State")).StatusCode.name == "Good"


async def test_a_value_that_could_not_be_read_is_subnormal(site, client):
    station = site.station()
    site.set(station.connectors["Connector1"], "Status.State", None, quality=Quality.SUBNORMAL)
    assert (await read(client, station.path + STATE)).StatusCode.name == "UncertainSubNormal"


@pytest.mark.parametrize(
    ("times", "source", "server"),
    [("Source", True, False), ("Server", False, True), ("Both", True, True), ("Neither", False, False)],
)
async def test_only_the_times_that_were_asked_for_are_sent(site, client, times, source, server):
    station = site.station()
    site.set(station, "Info.Vendor", "V")
    item = ua.ReadValueId(ua.NodeId(f"{station.path}.Info.Vendor", 2), ua.AttributeIds.Value)
    value = (await read_raw(client, [item], ua.TimestampsToReturn[times]))[0]
    assert (value.SourceTimestamp is not None, value.ServerTimestamp is not None) == (source, server)


@pytest.mark.parametrize(
    ("path", "attribute", "range_", "encoding", "code"),
    [
        ("Info.Vendor", "Value", "x", None, "BadIndexRangeInvalid"),
        ("Info.Vendor", "Value", "1:0", None, "BadIndexRangeInvalid"),
        ("Info.Vendor", "Value", ",".join(["0:9"] * 100), None, "BadIndexRangeInvalid"),
        ("Info.Vendor", "Value", "1:2", None, "BadIndexRangeNoData"),
        ("Config.HeartbeatInterval", "Value", "0:1", None, "BadIndexRangeNoData"),
        ("Info.Vendor", "Value", None, ua.QualifiedName("Default Binary", 0), "BadDataEncodingInvalid"),
        ("Info.Vendor", "Value", None, ua.QualifiedName("Default XML", 0), "BadDataEncodingInvalid"),
        ("Info.Vendor", "EventNotifier", None, None, "BadAttributeIdInvalid"),
        ("Info", "Value", None, None, "BadAttributeIdInvalid"),
        ("Info.Nothing", "Value", None, None, "BadNodeIdUnknown"),
    ],
)
async def test_what_cannot_be_read_says_why_and_the_rest_is_read(site, client, path, attribute, range_, encoding, code):
    station = site.station()
    site.set(station, "Info.Vendor", "V")
    site.set(station, "Config.HeartbeatInterval", 60)
    good = ua.ReadValueId(ua.NodeId(f"{station.path}.Info.Vendor", 2), ua.AttributeIds.Value)
    wrong = ua.ReadValueId(ua.NodeId(f"{station.path}.{path}", 2), ua.AttributeIds[attribute], range_)
    if encoding:
        wrong.DataEncoding = encoding
    values = await read_raw(client, [good, wrong, good])
    assert [value.StatusCode.name for value in values] == ["Good", code, "Good"]


async def test_a_phase_that_was_never_reported_can_be_read(site, client):
    station = site.station()
    path = f"{station.path}.Connector1.MeterValues.Current.Import.L1"
    assert (await read(client, path)).StatusCode.name == "BadWaitingForInitialData"
    name = await read(client, path, ua.AttributeIds.BrowseName)
    assert name.Value.Value == ua.QualifiedName("Current.Import.L1", 2)
    assert (await read(client, path.replace("L1", "L9"))).StatusCode.name == "BadNodeIdUnknown"
    assert len(list(station.connectors["Connector1"].extra_rows())) == 0


async def test_a_time_outside_opc_uas_calendar_can_be_read(site, client):
    """J40"""
    station = site.station()
    site.set(station.connectors["Connector1"], "Status.Time", -60_000_000_000.0)
    assert (await read(client, f"{station.path}.Connector1.Status.Time")).StatusCode.name == "Good"


async def test_the_structures_of_properties_are_read_as_structures(site, client):
    path = site.station().path
    units = await point(client, f"{path}.Connector1.Transaction.Energy.EngineeringUnits").read_value()
    assert units.UnitId == int.from_bytes(b"WHR", "big")
    states = await point(client, f"{path}{STATE}.EnumValues").read_value()
    assert [(state.Value, state.DisplayName.Text) for state in states][:2] == [(0, "Unknown"), (1, "Available")]
    arguments = await point(client, f"{path}.Commands.Reset.Call.InputArguments").read_value()
    assert [(argument.Name, argument.DataType.Identifier) for argument in arguments] == [("Type", 12)]
    span = await point(client, f"{path}.Config.HeartbeatInterval.EURange").read_value()
    assert span.Low < span.High


async def test_initial_values_stand_for_points_that_wait(start_site):
    site = await start_site(initial_values=True)
    station = site.station()
    async with site.client() as client:
        for key, zero in (("Info.Vendor", ""), ("Connector1.Status.State", 0), ("Connector1.Transaction.Energy", 0.0)):
            value = await read(client, f"{station.path}.{key}")
            assert (value.StatusCode.name, value.Value.Value) == ("UncertainInitialValue", zero)
        site.set(station, "Info.Vendor", "V")
        assert (await read(client, f"{station.path}.Info.Vendor")).StatusCode.name == "Good"


@pytest.mark.parametrize(
    ("max_age", "times", "code"),
    [
        (-1.0, 2, "BadMaxAgeInvalid"),
        (float("nan"), 2, "BadMaxAgeInvalid"),
        (0.0, 4, "BadTimestampsToReturnInvalid"),
        (0.0, -1, "BadTimestampsToReturnInvalid"),
        (float("inf"), 2, ""),
    ],
)
async def test_a_read_that_cannot_be_is_refused_as_a_whole(client, max_age, times, code):
    params = ua.ReadParameters(MaxAge=max_age, TimestampsToReturn=times)
    params.NodesToRead = [ua.ReadValueId(ua.NodeId("Bridge.StationsKnown", 2), ua.AttributeIds.Value)]
    if not code:
        assert (await client.uaclient.read(params))[0].StatusCode.name == "Good"
        return
    with pytest.raises(getattr(ua.uaerrors, code)):
        await client.uaclient.read(params)


NAMESPACES = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)


@pytest.mark.parametrize(
    ("node", "index_range", "expected"),
    [
        ("{}.Info.Vendor", "0", "A"),
        ("{}.Info.Vendor", "1:2", "BC"),
        ("{}.Info.Vendor", "2:9", "C"),
        ("{}.Info.Vendor", "3", "BadIndexRangeNoData"),
        ("{}.Info.Vendor", "0,1", "BadIndexRangeNoData"),
        ("{}.Connector1.Status.State.EnumValues", "1:2", [1, 2]),
        ("{}.Connector1.Status.State.EnumValues", "99", "BadIndexRangeNoData"),
        ("{}.Commands.Reset.Call.InputArguments", "0", ["Type"]),
        (NAMESPACES, "2:3", ["urn:ocpp-bridge:points", "urn:ocpp-bridge:types"]),
        (NAMESPACES, "3:9", ["urn:ocpp-bridge:types"]),
        (NAMESPACES, "2:3,0:2", ["urn", "urn"]),
        (NAMESPACES, "4", "BadIndexRangeNoData"),
        (NAMESPACES, "1:1", "BadIndexRangeInvalid"),
        (NAMESPACES, "0:", "BadIndexRangeInvalid"),
        (NAMESPACES, "-1", "BadIndexRangeInvalid"),
        (NAMESPACES, "99999999999999999999", "BadIndexRangeInvalid"),
    ],
)
async def test_a_part_of_an_array_or_a_text_is_read(site, client, node, index_range, expected):
    station = site.station()
    site.set(station, "Info.Vendor", "ABC")
    node_id = ua.NodeId(node.format(station.path), 2) if isinstance(node, str) else node
    value = (await read_raw(client, [ua.ReadValueId(node_id, ua.AttributeIds.Value, index_range)]))[0]
    if isinstance(expected, str) and expected.startswith("Bad"):
        assert (value.StatusCode.name, value.Value.Value) == (expected, None)
        return
    found = value.Value.Value
    if isinstance(found, list):
        found = [getattr(each, "Value", getattr(each, "Name", each)) for each in found]
    assert (value.StatusCode.name, found) == ("Good", expected)


async def test_a_part_of_what_waits_still_waits(site, client):
    item = ua.ReadValueId(ua.NodeId(f"{site.station().path}.Info.Vendor", 2), ua.AttributeIds.Value, "0:1")
    assert (await read_raw(client, [item]))[0].StatusCode.name == "BadWaitingForInitialData"


@pytest.mark.parametrize(
    ("name", "namespace", "code"),
    [
        ("Default Binary", 0, "Good"),
        ("Default XML", 0, "BadDataEncodingUnsupported"),
        ("Default JSON", 0, "BadDataEncodingUnsupported"),
        ("Default Binary", 1, "BadDataEncodingInvalid"),
        ("Default", 0, "BadDataEncodingInvalid"),
    ],
)
async def test_a_structure_is_read_in_the_binary_encoding_only(site, client, name, namespace, code):
    item = ua.ReadValueId(
        ua.NodeId(f"{site.station().path}.Connector1.Transaction.Energy.EngineeringUnits", 2), ua.AttributeIds.Value
    )
    item.DataEncoding = ua.QualifiedName(name, namespace)
    assert (await read_raw(client, [item]))[0].StatusCode.name == code


@pytest.mark.parametrize("times", list(ua.TimestampsToReturn)[:4])
async def test_attributes_have_no_time_of_the_station(site, client, times):
    item = ua.ReadValueId(ua.NodeId(site.station().path, 2), ua.AttributeIds.BrowseName)
    value = (await read_raw(client, [item], times))[0]
    asked = times in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
    assert (value.SourceTimestamp, value.ServerTimestamp is not None) == (None, asked)


async def test_what_may_not_be_read_is_not(site, client):
    node_id = ua.NodeId(ua.ObjectIds.Server_ServiceLevel)
    level = site.server._aspace[node_id].attributes[ua.AttributeIds.UserAccessLevel]
    before, level.value = level.value, ua.DataValue(ua.Variant(0, ua.VariantType.Byte))
    value = (await read_raw(client, [ua.ReadValueId(node_id, ua.AttributeIds.Value)]))[0]
    level.value = before
    assert value.StatusCode.name == "BadNotReadable"


async def test_a_point_that_is_only_written_cannot_be_read_nor_watched(site, client):
    station = site.station()
    secret = Row(
        folder="Configuration.Ctrlr", name="Secret", type=Type.STRING, description="", writable=True, readable=False
    )
    station.extend(secret)
    path = f"{station.path}.{secret.key}"
    assert (await read(client, path)).StatusCode.name == "BadNotReadable"
    whole = ua.ReadValueId(ua.NodeId(path, 2), ua.AttributeIds.Value, IndexRange="0")
    assert (await read_raw(client, [whole]))[0].StatusCode.name == "BadNotReadable"
    for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
        assert (await read(client, path, attribute)).Value.Value == ua.AccessLevel.CurrentWrite.mask
    async with site.client("otto", "seen") as observer:
        assert (await read(observer, path, ua.AttributeIds.UserAccessLevel)).Value.Value == 0
    changes = Changes()
    subscription = await client.create_subscription(20, changes)
    await subscription.subscribe_data_change(point(client, path))
    [shown] = await changes.wait(1)
    await subscription.delete()
    assert (shown.StatusCode.name, shown.Value.Value) == ("BadNotReadable", None)
    assert await write(client, (path, text("new"))) == ["Good"]
    assert [found[:2] for found in site.writer.writes] == [(path, "new")]


async def test_a_thousand_points_are_read_in_their_order(site, client):
    station = site.station(connectors=3)
    items, expected = [], []
    for number, group in enumerate(station.groups()):
        for row in group.layout.rows[: group.layout.dense]:
            if row.type is Type.DOUBLE:
                site.set(group, row.key, float(number))
                items.append(ua.ReadValueId(ua.NodeId(f"{group.path}.{row.key}", 2), ua.AttributeIds.Value))
                expected.append(float(number))
    values = await read_raw(client, items * 20)
    assert [value.Value.Value for value in values] == expected * 20
