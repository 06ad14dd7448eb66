"""Read: values with their qualities and times, and everything else that a client may ask of an attribute."""

from datetime import UTC, datetime

import pytest
from asyncua import ua

from bridge.points.tree import Quality
from tests.unit.opcua.helpers import NOW, point, read, read_raw

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
        ("Info.Vendor", "Value", "0:1", None, "BadIndexRangeNoData"),
        ("Info.Vendor", "Value", None, ua.QualifiedName("Default XML", 0), "BadDataEncodingInvalid"),
        ("Info.Vendor", "EventNotifier", None, None, "BadAttributeIdInvalid"),
        ("Info", "Value", None, None, "BadAttributeIdInvalid"),
        ("Info.Nothing", "Value", None, None, "BadNodeIdUnknown"),
    ],
)
async def test_what_cannot_be_read_says_why_and_the_rest_is_read(site, client, path, attribute, range_, encoding, code):
    station = site.station()
    site.set(station, "Info.Vendor", "V")
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
