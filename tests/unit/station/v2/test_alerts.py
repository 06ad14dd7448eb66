"""Alerts of NotifyEvent, and the values of periodic streams."""

from typing import Any

import pytest

from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS
from bridge.station.v2.addressing import Place
from bridge.station.v2.alerts import MAX_ALERTS, Alerts, Monitors, place_of_alert, time_of
from bridge.station.v2.variables import Variable

NOW = "1970-01-01T00:01:00Z"


def event(**fields: Any) -> dict[str, Any]:
    return {
        "eventId": 1,
        "timestamp": NOW,
        "trigger": "Alerting",
        "actualValue": "true",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
        "variable": {"name": "Problem"},
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "place", "code", "info"),
    [
        ({}, Place(2, 1), "Connector.Problem", "true"),
        ({"techCode": "CX001", "techInfo": "lock"}, Place(2, 1), "CX001", "lock"),
        ({"techCode": "CX001", "cleared": True}, Place(2, 1), "NoError", ""),
        ({"component": {"name": "EVSE", "evse": {"id": 3}}}, Place(3), "EVSE.Problem", "true"),
        ({"component": {"name": "ChargingStation"}, "techCode": "CX002"}, Place(0), "CX002", "true"),
    ],
)
def test_an_alert_shows_where_its_component_is(fields, place, code, info):
    payload = {"generatedAt": NOW, "seqNo": 0, "eventData": [event(**fields)]}
    assert schemas(VERSIONS["2.0.1"]).check_request("NotifyEvent", payload) == ()
    assert place_of_alert(event(**fields)) == place
    assert Alerts().take(event(**fields), "here") == {"here": {"Status.ErrorCode": code, "Status.Info": info}}


@pytest.mark.parametrize("fields", [{"trigger": "Periodic"}, {"trigger": "Delta"}, {"component": {}}, {"variable": 5}])
def test_any_other_event_is_no_alert(fields):
    assert place_of_alert(event(**fields)) is None


LOCK = {"variable": {"name": "ConnectorLock"}, "techCode": "CX001", "actualValue": "Problem"}


def codes(shown: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {at: points["Status.ErrorCode"] for at, points in shown.items()}


def test_an_alert_that_is_cleared_leaves_the_others():
    alerts = Alerts()
    alerts.take(event(techCode="GroundFault"), "Connector1")
    assert codes(alerts.take(event(**LOCK), "Connector1")) == {"Connector1": "CX001"}
    assert codes(alerts.take(event(**LOCK | {"cleared": True}), "Connector1")) == {"Connector1": "GroundFault"}
    assert codes(alerts.take(event(cleared=True), "Connector1")) == {"Connector1": "NoError"}


def test_an_alert_is_cleared_where_it_shows_though_its_connector_has_become_known_since():
    alerts = Alerts()
    alerts.take(event(**LOCK), "")
    assert codes(alerts.take(event(**LOCK | {"cleared": True}), "Connector2")) == {
        "": "NoError",
        "Connector2": "NoError",
    }


def test_alerts_of_two_monitors_of_one_variable_are_cleared_each_by_itself():
    alerts = Alerts()
    alerts.take(event(techCode="Hot", variableMonitoringId=1), "")
    alerts.take(event(techCode="Hotter", variableMonitoringId=2), "")
    assert codes(alerts.take(event(cleared=True, variableMonitoringId=2), "")) == {"": "Hot"}
    alerts.take(event(techCode="Hotter", variableMonitoringId=2), "")
    assert codes(alerts.take(event(cleared=True), "")) == {"": "NoError"}


def test_a_station_that_clears_nothing_costs_no_more():
    alerts = Alerts()
    for number in range(MAX_ALERTS + 10):
        alerts.take(event(variable={"name": f"V{number}"}), "")
    assert len(alerts.active) == MAX_ALERTS
    assert alerts.active[-1].code == f"Connector.V{MAX_ALERTS + 9}"


def test_an_event_has_a_time_of_its_own():
    assert time_of(event()) == 60.0
    assert time_of(event(timestamp="yesterday")) is None


# --- monitors and streams

VARIABLE = {"component": {"name": "Inlet"}, "variable": {"name": "Temperature"}}
EXPECTED = Variable("Inlet", "", 0, 0, "Temperature", "")
STREAM = {"id": 4, "pending": 0, "basetime": NOW, "data": [{"t": 0.5, "v": "20"}, {"t": 1, "v": "21"}]}
OPEN = {"constantStreamData": {"id": 4, "params": {}, "variableMonitoringId": 9}}


def test_a_stream_brings_values_of_the_variable_that_its_monitor_watches():
    monitors = Monitors()
    with pytest.raises(LookupError, match="stream 4"):
        monitors.values(STREAM)
    monitors.set(
        {"setMonitoringResult": [{"id": 9, "status": "Accepted", "type": "Periodic", "severity": 9, **VARIABLE}]}
    )
    monitors.opened(OPEN)
    assert monitors.values(STREAM) == [(EXPECTED, "20", 60.5), (EXPECTED, "21", 61.0)]
    monitors.closed({"id": 4})
    with pytest.raises(LookupError, match="stream 4"):
        monitors.values(STREAM)


def test_monitors_are_known_from_a_report_too():
    monitors = Monitors()
    monitors.opened(OPEN)
    monitors.report({"monitor": [{**VARIABLE, "variableMonitoring": [{"id": 9}, {"id": 10}]}]})
    assert [value for _, value, _ in monitors.values(STREAM)] == ["20", "21"]


def test_a_monitor_that_was_refused_watches_nothing():
    monitors = Monitors()
    monitors.set({"setMonitoringResult": [{"id": 9, "status": "Rejected", **VARIABLE}]})
    monitors.opened(OPEN)
    with pytest.raises(LookupError, match="stream 4"):
        monitors.values(STREAM)


@pytest.mark.parametrize("odd", [{"id": 4, "data": 5}, {"id": 4, "data": [None, {"v": 5}]}])
def test_a_stream_without_sense_brings_nothing(odd):
    monitors = Monitors()
    monitors.report({"monitor": [{**VARIABLE, "variableMonitoring": [{"id": 9}]}]})
    monitors.opened(OPEN)
    assert monitors.values(odd) == []
    assert monitors.values(STREAM | {"basetime": "?"})[0] == (EXPECTED, "20", None)
