"""Lines of points: what a station looks like, as data."""

import pytest

from bridge.cli import listing
from bridge.cli.listing import Line
from bridge.points.table import Table, load_table
from bridge.project import Project
from bridge.station.model import Model, bridge_layout, build_models
from bridge.store import ValueRecord

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


@pytest.fixture(scope="module")
def table() -> Table:
    return load_table(Project.find(None, {}).datapoints())


@pytest.fixture(scope="module")
def model(table: Table) -> Model:
    return build_models(table)["1.6"]


def value(path: str, value: object, type_: str = "Double", **more: object) -> ValueRecord:
    given = {"quality": "GOOD", "source_time": NOON, "server_time": NOON + 1, **more}
    return ValueRecord(path=path, type=type_, value=value, **given)


def by_path(lines: list[Line]) -> dict[str, Line]:
    found = {line.path: line for line in lines}
    assert len(found) == len(lines), "a path stands for one point"
    return found


# path, type, unit, access; description begins with, source contains
SHIPPED = [
    ("<Station>.Info.Vendor", "String", "", "R", "The maker", "BootNotification.chargePointVendor"),
    ("<Station>.Config.HeartbeatInterval", "Int32", "s", "W", "The heartbeat interval", "operator"),
    ("<Station>.Commands.Reset.Execute", "Boolean", "", "W", "Writing true", "client"),
    ("<Station>.Connector<n>.Transaction.Start.MeterStart", "Double", "Wh", "R", "The energy", "StartTransaction"),
    ("<Station>.Connector<n>.MeterValues.Power.Active.Import", "Double", "W", "R", "", "MeterValues"),
    ("<Station>.Connector<n>.Status.StateText", "String", "", "R", "", "StatusNotification"),
    ("Bridge.StoreQueue", "UInt32", "", "R", "Writes that wait", "the bridge"),
]


@pytest.mark.parametrize(("path", "type_", "unit", "access", "description", "source"), SHIPPED)
def test_shipped_points_are_listed(table, model, path, type_, unit, access, description, source):
    lines = [*listing.any_station(model), *listing.any_connector(model), *listing.the_bridge(bridge_layout(table))]
    cells = by_path(lines)[path].cells()
    assert (cells["type"], cells["unit"], cells["access"]) == (type_, unit, access)
    assert cells["node_id"] == f"ns=2;s={path}"
    assert cells["description"].startswith(description)
    assert source in cells["source"]


def test_every_point_is_described_and_has_a_source(table, model):
    lines = [*listing.any_station(model), *listing.any_connector(model), *listing.the_bridge(bridge_layout(table))]
    assert [line.path for line in lines if not line.description or not line.row.source] == []


def test_enumeration_says_its_numbers(model):
    line = by_path(list(listing.any_connector(model)))["<Station>.Connector<n>.Status.State"]
    assert "1 Available, 2 Preparing, 3 Charging" in line.description


def test_connector_of_a_number_has_that_number_in_its_paths(model):
    assert all(line.path.startswith("<Station>.Connector2.") for line in listing.any_connector(model, "Connector2"))


def test_station_has_its_declared_connectors_and_those_of_its_values(model):
    values = [value(f"CP1.{name}.Status.State", 3, "Int32") for name in ("Connector10", "Connector3", "Connector1_2")]
    found = listing.a_station("CP1", model, ["Connector1"], values)
    assert list(found) == ["", "Connector1", "Connector1_2", "Connector3", "Connector10"]
    assert by_path(found["Connector1_2"])["CP1.Connector1_2.Status.State"].last == values[2]


def test_station_shows_its_last_values_with_their_times(model):
    values = [
        value("CP1.Connector1.MeterValues.Power.Active.Import", 7360.0),
        value("CP1.Connector1.Transaction.Start.Time", NOON, "DateTime", source_time=None),
        value("CP1.Info.Vendor", "Vendor", "String", quality="SUBNORMAL"),
    ]
    found = listing.a_station("CP1", model, [], values)
    connector, station = by_path(found["Connector1"]), by_path(found[""])
    power = connector["CP1.Connector1.MeterValues.Power.Active.Import"].cells()
    assert (power["value"], power["quality"], power["time"]) == (7360.0, "GOOD", "2026-01-01T12:00:00.000Z")
    start = connector["CP1.Connector1.Transaction.Start.Time"].cells()
    assert (start["value"], start["time"]) == ("2026-01-01T12:00:00.000Z", "2026-01-01T12:00:01.000Z")
    assert station["CP1.Info.Vendor"].cells()["quality"] == "SUBNORMAL"
    silent = station["CP1.Info.Model"].cells()
    assert (silent["value"], silent["quality"], silent["time"]) == (None, None, None)


# a point that came at run time; None: nothing offers it any more
AT_RUN_TIME = [
    ("MeterValues.Power.Active.Import.L1", "Double", ("Double", "W", "R")),
    ("MeterValues.Temperature.Body", "Double", ("Double", "Celsius", "R")),
    ("Configuration.MeterValueSampleInterval", "String", ("String", "", "W")),
    ("Custom.Site.Greeting", "Boolean", ("Boolean", "", "R")),
    ("Gone.Since.The.Upgrade", "String", None),
]


@pytest.mark.parametrize(("key", "type_", "expected"), AT_RUN_TIME)
def test_points_that_came_at_run_time_are_listed(model, key, type_, expected):
    found = by_path(listing.a_station("CP1", model, [], [value(f"CP1.{key}", None, type_)])[""])
    line = found.get(f"CP1.{key}")
    assert (None if line is None else (line.row.type.value, line.row.unit, line.cells()["access"])) == expected
