"""The device model of a simulated 2.x station: reports, reading, writing, monitors."""

import pytest

from bridge.simulator import Simulator
from bridge.simulator.v2.device import DeviceModel
from bridge.simulator.v2.variables import Key, rows
from tests.unit.simulator.helpers import LONELY, running
from tests.unit.simulator.v2.csms import CallError, variable

TYPES = {"string", "decimal", "integer", "dateTime", "boolean", "OptionList", "SequenceList", "MemberList"}


async def write(csms, component, name, value, **more):
    wanted = variable(component, name, attributeValue=value, **more)
    [result] = (await csms.command("SetVariables", {"setVariableData": [wanted]}))["setVariableResult"]
    return result["attributeStatus"]


async def read(csms, component, name, **more):
    [result] = (await csms.command("GetVariables", {"getVariableData": [variable(component, name, **more)]}))[
        "getVariableResult"
    ]
    return result["attributeStatus"], result.get("attributeValue")


async def report(csms, base):
    await csms.command("GetBaseReport", {"requestId": 9, "reportBase": base})
    await csms.hear("NotifyReport", requestId=9, tbc=False)
    parts = csms.of("NotifyReport", requestId=9)
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False]
    return parts, [data for part in parts for data in part["reportData"]]


async def test_the_full_report_comes_in_parts_and_holds_every_variable(csms, lonely, version):
    parts, data = await report(csms, "FullInventory")
    keys = [Key.of(entry) for entry in data]
    assert len(parts) >= 8
    assert set(keys) == set(rows(version, 2, 1))
    assert len(set(keys)) == len(keys) >= 200
    assert {entry["variableCharacteristics"]["dataType"] for entry in data} == TYPES
    attributes = [attribute for entry in data for attribute in entry["variableAttribute"]]
    assert {attribute["type"] for attribute in attributes} == {"Actual", "Target", "MinSet", "MaxSet"}
    assert {attribute["mutability"] for attribute in attributes} == {"ReadOnly", "ReadWrite", "WriteOnly"}
    assert all(("value" in attribute) != (attribute["mutability"] == "WriteOnly") for attribute in attributes)


@pytest.mark.parametrize(
    ("base", "there", "not_there"),
    [
        ("ConfigurationInventory", ("TxCtrlr", "TxStartPoint"), ("ChargingStation", "Model")),
        ("SummaryInventory", ("ChargingStation", "AvailabilityState"), ("TxCtrlr", "TxStartPoint")),
    ],
)
async def test_the_other_reports_hold_what_they_are_for(csms, lonely, base, there, not_there):
    _, data = await report(csms, base)
    names = {(entry["component"]["name"], entry["variable"]["name"]) for entry in data}
    assert there in names
    assert not_there not in names


async def test_a_report_of_some_variables(csms, lonely):
    asked = [{"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "Power"}}]
    await csms.command("GetReport", {"requestId": 3, "componentVariable": asked})
    [part] = await csms.hear("NotifyReport", requestId=3)
    [data] = part["reportData"]
    assert data["component"]["evse"] == {"id": 2}
    assert [attribute["type"] for attribute in data["variableAttribute"]] == ["Actual", "Target", "MinSet", "MaxSet"]
    assert data["variableCharacteristics"]["maxLimit"] == 22080


@pytest.mark.parametrize(
    ("component", "name", "value", "status"),
    [
        ("TxCtrlr", "EVConnectionTimeOut", "120", "Accepted"),
        ("TxCtrlr", "EVConnectionTimeOut", "99999", "Rejected"),
        ("TxCtrlr", "EVConnectionTimeOut", "1.5", "Rejected"),
        ("TxCtrlr", "StopTxOnInvalidId", "false", "Accepted"),
        ("TxCtrlr", "StopTxOnInvalidId", "perhaps", "Rejected"),
        ("TxCtrlr", "TxStartPoint", "Authorized,EVConnected", "Accepted"),
        ("TxCtrlr", "TxStartPoint", "Whenever", "Rejected"),
        ("SmartChargingCtrlr", "LimitChangeSignificance", "2.5", "Accepted"),
        ("SmartChargingCtrlr", "LimitChangeSignificance", "nan", "Rejected"),
        ("ChargingStation", "FirmwareUpdateNotBefore", "2026-05-01T00:00:00Z", "Accepted"),
        ("ChargingStation", "FirmwareUpdateNotBefore", "soon", "Rejected"),
        ("Display", "Color", "green", "Accepted"),
        ("Display", "Color", "mauve", "Rejected"),
        ("ISO15118Ctrlr", "CountryName", "Germany", "Rejected"),
        ("OCPPCommCtrlr", "WebSocketPingInterval", "60", "RebootRequired"),
        ("ChargingStation", "Model", "Other", "Rejected"),
        ("NoSuchCtrlr", "TxStartPoint", "1", "UnknownComponent"),
        ("TxCtrlr", "NoSuchVariable", "1", "UnknownVariable"),
    ],
)
async def test_a_variable_is_written_where_it_may_be(csms, lonely, component, name, value, status):
    assert await write(csms, component, name, value) == status
    got = await read(csms, component, name)
    assert (got[1] == value) == (status in ("Accepted", "RebootRequired"))


async def test_a_target_is_written_beside_the_actual(csms, lonely):
    assert await write(csms, "EVSE", "Current", "16", evse=1, attributeType="Target") == "Accepted"
    assert await read(csms, "EVSE", "Current", evse=1, attributeType="Target") == ("Accepted", "16")
    assert await read(csms, "EVSE", "Current", evse=1) == ("Accepted", "0")
    assert await write(csms, "EVSE", "Current", "16", evse=1) == "Rejected"
    assert await write(csms, "TxCtrlr", "TxStartPoint", "x", attributeType="Target") == "NotSupportedAttributeType"


async def test_a_password_is_never_read(csms, lonely):
    assert await write(csms, "SecurityCtrlr", "BasicAuthPassword", "0123456789abcdef") == "Accepted"
    assert await read(csms, "SecurityCtrlr", "BasicAuthPassword") == ("Rejected", None)


async def test_more_items_than_a_message_may_have_are_refused(csms, lonely):
    asked = [variable("TxCtrlr", "TxStartPoint")] * 51
    with pytest.raises(CallError) as caught:
        await csms.command("GetVariables", {"getVariableData": asked})
    assert caught.value.code == "OccurrenceConstraintViolation"


async def test_a_changed_heartbeat_interval_holds_at_once(csms, lonely):
    assert csms.of("Heartbeat") == []
    await write(csms, "OCPPCommCtrlr", "HeartbeatInterval", "1")
    await csms.hear("Heartbeat")


async def test_a_monitor_reports_a_value_that_goes_over_and_comes_back(csms, lonely):
    wanted = variable("EVSE", "Power", 1, value=500, type="UpperThreshold", severity=4)
    [result] = (await csms.command("SetVariableMonitoring", {"setMonitoringData": [wanted]}))["setMonitoringResult"]
    assert result["status"] == "Accepted"
    await csms.start()
    over, back = [message["eventData"][0] for message in await csms.hear("NotifyEvent", 2)]
    assert over["variableMonitoringId"] == back["variableMonitoringId"] == result["id"]
    assert (float(over["actualValue"]) > 500, "cleared" in over) == (True, False)
    assert (float(back["actualValue"]) < 500, back["cleared"]) == (True, True)
    again = (await csms.command("SetVariableMonitoring", {"setMonitoringData": [wanted]}))["setMonitoringResult"]
    assert again[0]["status"] == "Duplicate"


async def test_a_delta_monitor_reports_every_change_of_a_state(csms, lonely):
    wanted = variable("EVSE", "AvailabilityState", 2, value=1, type="Delta", severity=4)
    await csms.command("SetVariableMonitoring", {"setMonitoringData": [wanted]})
    await csms.command("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 2}})
    [message] = await csms.hear("NotifyEvent")
    assert message["eventData"][0]["actualValue"] == "Unavailable"
    assert message["eventData"][0]["trigger"] == "Delta"


async def test_a_periodic_monitor_reports_until_it_is_cleared(csms, lonely):
    wanted = variable("Controller", "Temperature", value=0.05, type="Periodic", severity=4)
    [result] = (await csms.command("SetVariableMonitoring", {"setMonitoringData": [wanted]}))["setMonitoringResult"]
    await csms.hear("NotifyEvent", 2)
    cleared = await csms.command("ClearVariableMonitoring", {"id": [result["id"], 1, 99]})
    assert [one["status"] for one in cleared["clearMonitoringResult"]] == ["Accepted", "Rejected", "NotFound"]


@pytest.mark.parametrize(
    ("component", "name", "kind", "status"),
    [
        ("NoSuch", "Power", "Delta", "UnknownComponent"),
        ("ChargingStation", "NoSuch", "Delta", "UnknownVariable"),
        ("ChargingStation", "Problem", "UpperThreshold", "UnsupportedMonitorType"),
        ("ChargingStation", "SupplyPhases", "UpperThreshold", "Rejected"),
    ],
)
async def test_a_monitor_that_cannot_be_is_refused(csms, lonely, component, name, kind, status):
    wanted = variable(component, name, value=1, type=kind, severity=4)
    [result] = (await csms.command("SetVariableMonitoring", {"setMonitoringData": [wanted]}))["setMonitoringResult"]
    assert result["status"] == status


async def test_monitors_are_reported(csms, lonely, version):
    wanted = variable("EVSE", "Power", 1, value=500, type="Delta", severity=4)
    await csms.command("SetVariableMonitoring", {"setMonitoringData": [wanted]})
    await csms.command("GetMonitoringReport", {"requestId": 5})
    [part] = await csms.hear("NotifyMonitoringReport", requestId=5)
    assert [Key.of(entry).component for entry in part["monitor"]] == ["ChargingStation", "CoolingSystem", "EVSE"]
    assert ("eventNotificationType" in part["monitor"][0]["variableMonitoring"][0]) is (version == "2.1")


@pytest.mark.parametrize("version", ["2.1"])
async def test_a_stream_sends_bundles_of_values_that_nobody_answers(csms, lonely):
    """OCPP 2.1 N11"""
    wanted = variable("Controller", "Temperature", value=0.02, type="Periodic", severity=4)
    wanted["periodicEventStream"] = {"interval": 10, "values": 3}
    [result] = (await csms.command("SetVariableMonitoring", {"setMonitoringData": [wanted]}))["setMonitoringResult"]
    await csms.hear("OpenPeriodicEventStream")
    await csms.until(lambda: len(csms.sent) >= 2)
    assert [len(bundle["data"]) for bundle in csms.sent[:2]] == [3, 3]
    [stream] = (await csms.command("GetPeriodicEventStream"))["constantStreamData"]
    assert stream["variableMonitoringId"] == result["id"]
    adjusted = await csms.command("AdjustPeriodicEventStream", {"id": stream["id"], "params": {"values": 1}})
    assert adjusted["status"] == "Accepted"
    await csms.until(lambda: len(csms.sent[-1]["data"]) == 1)
    await csms.command("ClearVariableMonitoring", {"id": [result["id"]]})
    await csms.hear("ClosePeriodicEventStream", id=stream["id"])
    assert csms.of("NotifyEvent") == []


async def test_the_clock_makes_meter_values_where_it_is_set(csms, version):
    async with running(Simulator(csms.url, 1, ocpp=version, **{**LONELY, "charge_time": 1e6})):
        await csms.hear("StatusNotification", 2)
        await csms.start(1)
        await write(csms, "AlignedDataCtrlr", "SendDuringIdle", "true")
        await write(csms, "AlignedDataCtrlr", "Interval", "1")
        await csms.hear("MeterValues", evseId=2)
        await csms.hear("TransactionEvent", triggerReason="MeterValueClock")


def test_a_station_has_its_values_for_itself():
    one, other = DeviceModel("2.0.1", 2, 1), DeviceModel("2.0.1", 2, 1)
    one.put("TxCtrlr.EVConnectionTimeOut", "5")
    assert (one.text("TxCtrlr.EVConnectionTimeOut"), other.text("TxCtrlr.EVConnectionTimeOut")) == ("5", "60")


def test_every_row_begins_with_a_value_that_it_would_take(version):
    for key, row in rows(version, 1, 1).items():
        for attribute, value in row.attributes.items():
            empty = not value and row.type == "string"
            assert empty or row.takes(value), (key, attribute)
