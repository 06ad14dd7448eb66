"""The life of simulated 2.x stations at a central system that validates every frame."""

import base64
import json
from itertools import pairwise

import pytest

from bridge.simulator import Simulator
from tests.unit.simulator.helpers import FAST, LONELY, running
from tests.unit.simulator.v2.csms import CallError, variable

KILO = {"kWh": 1000.0, "kW": 1000.0}


def samples(event):
    """(measurand, phase) → value in base units, of an event's meter values."""
    return {
        (sample["measurand"], sample.get("phase", "")): sample["value"]
        * KILO.get(sample["unitOfMeasure"]["unit"], 1.0)
        * 10 ** sample["unitOfMeasure"].get("multiplier", 0)
        for value in event["meterValue"]
        for sample in value["sampledValue"]
    }


def states(events):
    return [event["transactionInfo"]["chargingState"] for event in events]


async def test_boots_and_reports_every_connector_of_every_evse(csms, version):
    async with running(Simulator(csms.url, 1, ocpp=version, connectors=2, evse_connectors=2, **LONELY)) as simulator:
        await csms.hear("StatusNotification", 4)
    boot = csms.of("BootNotification")[0]
    assert (boot["reason"], boot["chargingStation"]["serialNumber"]) == ("PowerUp", "SIM0001")
    told = [(status["evseId"], status["connectorId"]) for status in csms.of("StatusNotification")]
    assert told == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert csms.of("SecurityEventNotification")[0]["type"] == "StartupOfTheDevice"
    assert (simulator.counters.boots, simulator.counters.errors) == (1, 0)


@pytest.mark.parametrize(
    "reason",
    [
        "ApplicationReset",
        "FirmwareUpdate",
        "LocalReset",
        "PowerUp",
        "RemoteReset",
        "ScheduledReset",
        "Triggered",
        "Unknown",
        "Watchdog",
    ],
)
async def test_boots_for_any_reason(csms, version, reason):
    async with running(Simulator(csms.url, 1, ocpp=version, boot_reason=reason, **LONELY)):
        assert (await csms.hear("BootNotification"))[0]["reason"] == reason


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_boots_again_after_the_interval_until_it_is_accepted(csms, version, status):
    csms.registrations = [status, "Accepted"]
    csms.interval = 1
    async with running(Simulator(csms.url, 1, ocpp=version, **LONELY)):
        await csms.hear("StatusNotification", 2)
    assert [action for action, _ in csms.heard[:3]] == [
        "BootNotification",
        "BootNotification",
        "SecurityEventNotification",
    ]


async def test_while_pending_it_can_be_set_up_and_boots_when_it_is_triggered_but_starts_nothing(csms, version):
    csms.registrations = ["Pending", "Accepted"]
    csms.interval = 3600
    async with running(Simulator(csms.url, 1, ocpp=version, **LONELY)):
        await csms.hear("BootNotification")
        wanted = variable("TxCtrlr", "EVConnectionTimeOut", attributeValue="30")
        [result] = (await csms.command("SetVariables", {"setVariableData": [wanted]}))["setVariableResult"]
        assert result["attributeStatus"] == "Accepted"
        await csms.command("GetBaseReport", {"requestId": 1, "reportBase": "SummaryInventory"})
        await csms.hear("NotifyReport", tbc=False)
        request = {"idToken": {"idToken": "A", "type": "Central"}, "remoteStartId": 1}
        assert (await csms.command("RequestStartTransaction", request))["status"] == "Rejected"
        assert (await csms.command("TriggerMessage", {"requestedMessage": "BootNotification"}))["status"] == "Accepted"
        await csms.hear("StatusNotification", 2)
    assert csms.of("BootNotification")[1]["reason"] == "Triggered"


async def test_beats_in_the_interval_of_the_boot_answer(csms, version):
    csms.interval = 1
    async with running(Simulator(csms.url, 1, ocpp=version, **LONELY)):
        await csms.hear("Heartbeat", 2)


async def test_a_car_charges_from_plug_to_plug(csms, version):
    fast = {**FAST, "meter_interval": 1.0}
    async with running(Simulator(csms.url, 1, ocpp=version, connectors=1, **fast)) as simulator:
        ended = (await csms.hear("TransactionEvent", eventType="Ended"))[0]
        await csms.hear("StatusNotification", 2, connectorStatus="Available")
        assert simulator.counters.errors == 0
    transaction = ended["transactionInfo"]["transactionId"]
    events = [e for e in csms.of("TransactionEvent") if e["transactionInfo"]["transactionId"] == transaction]
    assert [event["seqNo"] for event in events] == list(range(len(events)))
    assert [event["eventType"] for event in events] == ["Started", *["Updated"] * (len(events) - 2), "Ended"]
    triggers = [event["triggerReason"] for event in events]
    assert triggers[:3] == ["CablePluggedIn", "Authorized", "ChargingStateChanged"]
    assert triggers[-2:] == ["StopAuthorized", "EVCommunicationLost"]
    assert states(events)[:3] == ["EVConnected", "EVConnected", "Charging"]
    assert states(events)[-2:] == ["EVConnected", "Idle"]
    assert ended["transactionInfo"]["stoppedReason"] == "Local"
    spent = [event["transactionInfo"]["timeSpentCharging"] for event in events]
    assert spent == sorted(spent)
    assert spent[2] < spent[-1] == spent[-2]
    assert "idToken" not in events[0]
    assert events[1]["idToken"] == events[-2]["idToken"]
    statuses = [status["connectorStatus"] for status in csms.of("StatusNotification")]
    assert statuses[:3] == ["Available", "Occupied", "Available"]
    assert "offline" not in ended


async def test_meter_values_are_what_flows_in_any_unit(csms, version):
    fast = {**FAST, "meter_interval": 1.0}
    async with running(Simulator(csms.url, 1, ocpp=version, connectors=1, **fast)):
        ended = (await csms.hear("TransactionEvent", eventType="Ended"))[0]
    periodic = csms.of("TransactionEvent", triggerReason="MeterValuePeriodic")
    assert len(periodic) >= 4
    for values in map(samples, periodic):
        power = sum(values["Power.Active.Import", phase] for phase in ("L1", "L2", "L3"))
        assert values["Power.Active.Import", ""] == pytest.approx(power, abs=0.5)
        assert 0 < values["SoC", ""] <= 100
    register = ("Energy.Active.Import.Register", "")
    energies = [
        samples(event)[register] for event in (csms.of("TransactionEvent", eventType="Started")[0], *periodic, ended)
    ]
    assert all(before <= after + 0.001 for before, after in pairwise(energies))
    assert energies[0] < energies[-1]
    units = [
        sample["unitOfMeasure"]
        for event in periodic
        for sample in event["meterValue"][0]["sampledValue"]
        if sample["measurand"] == "Energy.Active.Import.Register"
    ]
    for unit in ({"unit": "Wh"}, {"unit": "kWh"}, {"unit": "Wh", "multiplier": 3}):
        assert unit in units


async def test_signed_values_are_sent_where_they_are_wanted(csms, version):
    async with running(Simulator(csms.url, 1, ocpp=version, connectors=1, signed=True, **FAST)):
        started = (await csms.hear("TransactionEvent", eventType="Started"))[0]
    sample = started["meterValue"][0]["sampledValue"][0]
    text = base64.b64decode(sample["signedMeterValue"]["signedMeterData"]).decode()
    assert json.loads(text.split("|")[1])["RD"][0]["RV"] == sample["value"]


@pytest.mark.parametrize(
    ("start", "stop", "started", "ended"),
    [
        ("Authorized", "Authorized", "Authorized", "StopAuthorized"),
        ("PowerPathClosed", "PowerPathClosed", "ChargingStateChanged", "StopAuthorized"),
        ("EVConnected,Authorized", "EVConnected", "CablePluggedIn", "EVCommunicationLost"),
    ],
)
async def test_transactions_start_and_stop_where_it_is_set(csms, lonely, start, stop, started, ended):
    """OCPP 2.0.1 E01, E06: TxStartPoint and TxStopPoint"""
    wanted = [
        variable("TxCtrlr", "TxStartPoint", attributeValue=start),
        variable("TxCtrlr", "TxStopPoint", attributeValue=stop),
        variable("AuthCtrlr", "AuthorizeRemoteStart", attributeValue="false"),
    ]
    await csms.command("SetVariables", {"setVariableData": wanted})
    transaction = await csms.start()
    await csms.command("RequestStopTransaction", {"transactionId": transaction})
    [last] = await csms.hear("TransactionEvent", eventType="Ended")
    [first] = csms.of("TransactionEvent", eventType="Started")
    remote = {"Authorized": "RemoteStart", "StopAuthorized": "RemoteStop"}
    assert first["triggerReason"] == (remote["Authorized"] if "Authorized" in start else remote.get(started, started))
    assert last["triggerReason"] == remote.get(ended, ended)
    assert last["transactionInfo"]["stoppedReason"] == "Remote"
    assert csms.of("Authorize") == []


async def test_who_is_not_authorized_does_not_charge(csms, version):
    csms.token_status = "Blocked"
    async with running(Simulator(csms.url, 1, ocpp=version, connectors=1, **FAST)):
        ended = (await csms.hear("TransactionEvent", eventType="Ended"))[0]
    assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert "Charging" not in states(csms.of("TransactionEvent"))


async def test_a_token_that_is_refused_in_the_answer_to_an_event_is_stopped(csms, lonely):
    """OCPP 2.0.1 E05"""
    await csms.command(
        "SetVariables",
        {"setVariableData": [variable("AuthCtrlr", "AuthorizeRemoteStart", attributeValue="false")]},
    )
    csms.token_status = "Invalid"
    request = {"idToken": {"idToken": "A", "type": "Central"}, "remoteStartId": 1, "evseId": 1}
    await csms.command("RequestStartTransaction", request)
    [ended] = await csms.hear("TransactionEvent", eventType="Ended")
    [started] = csms.of("TransactionEvent", eventType="Started")
    assert (started["idToken"]["idToken"], started["transactionInfo"]["remoteStartId"]) == ("A", 1)
    assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert "Charging" not in states(csms.of("TransactionEvent"))


async def test_after_a_failure_an_event_is_tried_again_and_given_up(csms, version):
    csms.refused = {"TransactionEvent"}
    async with running(Simulator(csms.url, 1, ocpp=version, connectors=1, **FAST)) as simulator:
        await csms.hear("StatusNotification")
        wanted = variable("OCPPCommCtrlr", "MessageAttemptInterval", instance="TransactionEvent", attributeValue="0")
        await csms.command("SetVariables", {"setVariableData": [wanted]})
        await csms.hear("TransactionEvent", 6)
    numbers = [event["seqNo"] for event in csms.of("TransactionEvent")]
    assert numbers[:6] == [0, 0, 0, 1, 1, 1]
    assert simulator.counters.errors >= 6


@pytest.mark.parametrize(
    "frame",
    [
        "no JSON",
        "[]",
        "5",
        '[2,"1","Reset",5]',
        '[2,"1"]',
        '[3,"who",{}]',
        '[4,"-1","x","y",{}]',
        '[9,"1"]',
        "[6]",
        '{"a":1}',
    ],
)
async def test_a_hostile_frame_does_not_end_a_station(csms, version, frame):
    async with running(Simulator(csms.url, 1, ocpp=version, **LONELY)):
        await csms.hear("StatusNotification", 2)
        await csms.connections[-1].send(frame)
        assert (await csms.command("TriggerMessage", {"requestedMessage": "Heartbeat"}))["status"] == "Accepted"
        await csms.hear("Heartbeat")
    assert len(csms.connections) == 1


@pytest.mark.parametrize(
    ("frame", "code", "unique"),
    [("no JSON", "RpcFrameworkError", "-1"), ('[2,"1","Reset",5]', "FormatViolation", "1")],
)
async def test_a_frame_that_cannot_be_read_gets_a_callerror(csms, lonely, frame, code, unique):
    await csms.connections[-1].send(frame)
    await csms.until(lambda: csms.errors)
    assert csms.errors == [[4, unique, code, "", {}]]


async def test_an_answer_that_is_no_object_is_counted_and_2_1_says_so(csms, version):
    csms.broken = {"Heartbeat"}
    async with running(Simulator(csms.url, 1, ocpp=version, **LONELY)) as simulator:
        await csms.hear("StatusNotification", 2)
        await csms.command("TriggerMessage", {"requestedMessage": "Heartbeat"})
        await csms.hear("Heartbeat")
        await csms.command("TriggerMessage", {"requestedMessage": "StatusNotification"})
        await csms.hear("StatusNotification", 4)
        assert simulator.counters.errors == 1
    assert [frame[0] for frame in csms.errors] == ([5] if version == "2.1" else [])


@pytest.mark.parametrize("payload", [{}, {"requestId": 1}])
async def test_a_command_without_what_it_must_have_gets_a_callerror(csms, lonely, payload):
    with pytest.raises(CallError) as caught:
        await csms.send("GetLog", payload)
    assert caught.value.code == "FormatViolation"


async def test_hangs_up_with_going_away_when_it_is_stopped(csms, version):
    async with running(Simulator(csms.url, 1, ocpp=version, **LONELY)):
        await csms.hear("StatusNotification", 2)
    await csms.until(lambda: csms.connections[0].close_code is not None)
    assert csms.connections[0].close_code == 1001
