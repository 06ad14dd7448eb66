"""Write: each item by itself, with the StatusCode that says why not."""

import pytest
from asyncua import ua
from structlog.testing import capture_logs

from bridge.errors import Refused
from tests.unit.opcua.helpers import point, read, text, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

V = ua.VariantType
INTERVAL = "Config.HeartbeatInterval"
NAN = float("nan")


async def test_a_write_reaches_the_writer_with_its_user(site, client):
    station = site.station()
    await point(client, f"{station.path}.{INTERVAL}").write_value(ua.Variant(60, V.Int32))
    assert site.writer.writes == [(f"{station.path}.{INTERVAL}", 60, "anonymous")]


WRITES = [
    ("Config.HeartbeatInterval", ua.Variant(60, V.Int16), "Good"),
    ("Config.HeartbeatInterval", ua.Variant(60.0, V.Double), "Good"),
    ("Commands.Reset.Execute", ua.Variant(True, V.Boolean), "Good"),
    ("Commands.Reset.Type", text("Soft"), "Good"),
    ("Commands.Reset.Type", ua.Variant(), "Good"),
    ("Connector1.Commands.UnlockConnector.Execute", ua.Variant(True, V.Boolean), "Good"),
    ("Config.HeartbeatInterval", ua.Variant([60], V.Int32), "BadTypeMismatch"),
    ("Config.HeartbeatInterval", text("60"), "BadTypeMismatch"),
    ("Config.HeartbeatInterval", ua.Variant(60.5, V.Double), "BadTypeMismatch"),
    ("Config.HeartbeatInterval", ua.Variant(NAN, V.Double), "BadOutOfRange"),
    ("Config.HeartbeatInterval", ua.Variant(2**40, V.Int64), "BadOutOfRange"),
    ("Config.HeartbeatInterval", ua.Variant(-1, V.Int32), "BadOutOfRange"),
    ("Config.RegistrationStatus", ua.Variant(99, V.Int32), "BadOutOfRange"),
    (
        "Config.HeartbeatInterval",
        ua.DataValue(ua.Variant(60, V.Int32), ua.StatusCode(ua.StatusCodes.BadSensorFailure)),
        "BadWriteNotSupported",
    ),
    (
        "Config.HeartbeatInterval",
        ua.DataValue(ua.Variant(60, V.Int32), ua.StatusCode(ua.StatusCodes.UncertainInitialValue)),
        "BadWriteNotSupported",
    ),
    ("Commands.Reset.Execute", ua.Variant(1, V.Int32), "BadTypeMismatch"),
    ("Info.Vendor", text("X"), "BadNotWritable"),
    ("Config.RegistrationStatusText", text("Accepted"), "BadNotWritable"),
    ("Config.HeartbeatInterval.EURange", text("X"), "BadNotWritable"),
    ("Config.RegistrationStatus.ValueAsText", text("Accepted"), "BadNotWritable"),
    ("Info", text("X"), "BadAttributeIdInvalid"),
    ("Commands.Reset.Call", text("X"), "BadAttributeIdInvalid"),
    ("Info.Nothing", text("X"), "BadNodeIdUnknown"),
    ("Connector1.MeterValues.Current.Import.L1", ua.Variant(1.0, V.Double), "BadNotWritable"),
]


@pytest.mark.parametrize(("key", "value", "code"), WRITES)
async def test_a_write_is_good_or_says_why_not(site, client, key, value, code):
    """U16"""
    station = site.station()
    assert await write(client, (f"{station.path}.{key}", value)) == [code]
    assert len(site.writer.writes) == (code == "Good")


async def test_the_good_one_of_two_is_written_once(site, client):
    """U17"""
    path = f"{site.station().path}.{INTERVAL}"
    codes = await write(client, (path, ua.Variant(60, V.Int32)), (path, text("bad")))
    assert codes == ["Good", "BadTypeMismatch"]
    assert site.writer.writes == [(path, 60, "anonymous")]


@pytest.mark.parametrize("status", ["BadNotConnected", "BadInvalidState", "BadTooManyOperations", "BadOutOfRange"])
async def test_a_refusal_is_the_clients_status(site, client, status):
    path = f"{site.station().path}.Commands.Reset.Execute"
    site.writer.refusals[path] = Refused(status, "no")
    assert await write(client, (path, ua.Variant(True, V.Boolean))) == [status]


async def test_refusals_of_a_request_are_one_line_of_the_log(site, client):
    path = site.station().path
    with capture_logs() as logs:
        await write(client, (f"{path}.{INTERVAL}", text("bad")), *[("Nowhere", text("")), ("Nothing", text(""))] * 5)
    refused = [line for line in logs if line["event"] == "opcua.write_refused"]
    assert [(line["node"], line["status"], line["count"]) for line in refused] == [
        (f"{path}.{INTERVAL}", "BadTypeMismatch", 11)
    ]


async def test_a_writer_that_breaks_does_not_break_the_other_writes(site, client):
    first, second = (f"{site.station().path}.{INTERVAL}" for _ in range(2))
    site.writer.refusals[first] = RuntimeError("broken")
    value = ua.Variant(60, V.Int32)
    assert await write(client, (first, value), (second, value)) == ["BadInternalError", "Good"]


@pytest.mark.parametrize(
    ("node_id", "attribute", "code"),
    [
        (ua.NodeId(ua.ObjectIds.Server_ServiceLevel), "Value", "BadNotWritable"),
        (ua.NodeId(ua.ObjectIds.Server_NamespaceArray), "Value", "BadNotWritable"),
        (ua.NodeId(ua.ObjectIds.Server), "DisplayName", "BadNotWritable"),
        (ua.NodeId(99_999), "Value", "BadNodeIdUnknown"),
        (ua.NodeId("Stations", 2), "DisplayName", "BadNotWritable"),
        (ua.NodeId(5, 2), "Value", "BadNodeIdUnknown"),
    ],
)
async def test_nothing_of_the_server_itself_can_be_written(client, node_id, attribute, code):
    item = ua.WriteValue(node_id, ua.AttributeIds[attribute], Value=ua.DataValue(text("mine")))
    codes = await client.uaclient.write(ua.WriteParameters([item]))
    assert [found.name for found in codes] == [code]


@pytest.mark.parametrize(
    ("key", "index_range", "value", "code"),
    [
        ("Commands.Reset.Type", "0:1", text("S"), "BadWriteNotSupported"),
        ("Commands.Reset.Type", "1:0", text("S"), "BadIndexRangeInvalid"),
        (INTERVAL, "0", ua.Variant(60, V.Int32), "BadIndexRangeNoData"),
        (INTERVAL, "x", ua.Variant(60, V.Int32), "BadIndexRangeInvalid"),
    ],
)
async def test_a_part_of_a_value_cannot_be_written(site, client, key, index_range, value, code):
    node_id = ua.NodeId(f"{site.station().path}.{key}", 2)
    item = ua.WriteValue(node_id, ua.AttributeIds.Value, index_range, ua.DataValue(value))
    assert (await client.uaclient.write(ua.WriteParameters([item])))[0].name == code
    assert site.writer.writes == []


async def test_an_observer_may_write_nothing_and_sees_so(site):
    """U14"""
    path = f"{site.station().path}.{INTERVAL}"
    async with site.client("otto") as client:
        assert await write(client, (path, ua.Variant(60, V.Int32))) == ["BadUserAccessDenied"]
        assert (await read(client, path, ua.AttributeIds.UserAccessLevel)).Value.Value == 1
        assert (await read(client, path, ua.AttributeIds.AccessLevel)).Value.Value == 3
    assert site.writer.writes == []


@pytest.mark.parametrize("user", ["olga", "emma"])
async def test_an_operator_and_an_engineer_may_write_under_their_names(site, user):
    """U14"""
    path = f"{site.station().path}.{INTERVAL}"
    async with site.client(user) as client:
        assert (await read(client, path, ua.AttributeIds.UserAccessLevel)).Value.Value == 3
        assert await write(client, (path, ua.Variant(60, V.Int32))) == ["Good"]
    assert site.writer.writes == [(path, 60, user)]


async def test_nobody_may_add_or_delete_nodes(site, client):
    """U12"""
    station = site.station()
    with pytest.raises(ua.UaStatusCodeError):
        await client.nodes.objects.add_variable(2, "mine", 1)
    with pytest.raises(ua.UaStatusCodeError):
        await client.delete_nodes([client.nodes.server])
    reference = ua.AddReferencesItem(
        SourceNodeId=ua.NodeId(station.path, 2),
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.Organizes),
        TargetNodeId=ua.ExpandedNodeId(ua.ObjectIds.Server),
    )
    with pytest.raises(ua.UaStatusCodeError):
        (await client.uaclient.add_references([reference]))[0].check()
    assert await client.nodes.server.read_browse_name() == ua.QualifiedName("Server", 0)
