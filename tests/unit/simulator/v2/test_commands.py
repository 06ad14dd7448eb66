"""What a simulated 2.x station answers to every command. Every answer has passed the schemas of the version."""

from typing import Any

import pytest

from bridge.simulator.v2.examples import EXAMPLES
from tests.unit.simulator.v2.csms import ANSWERS, CallError, Csms, in_an_hour, validator, variable

HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c"}
TOKEN = {"idToken": "AFAR", "type": "Central"}
LATER = "2026-01-01T00:00:00Z"
PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}]}
    ],
}
MESSAGE = {"id": 1, "priority": "InFront", "message": {"format": "UTF8", "content": "Hello"}}
NETWORK = {
    "ocppVersion": "OCPP20",
    "ocppTransport": "JSON",
    "ocppCsmsUrl": "wss://example.org",
    "messageTimeout": 30,
    "securityProfile": 2,
    "ocppInterface": "Wired0",
}
TARIFF = {"tariffId": "T", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.5}]}}
DROOP = {"priority": 1, "overFreq": 50.2, "underFreq": 49.8, "overDroop": 5.0, "underDroop": 5.0, "responseTime": 1.0}
CONTROL = {"isDefault": True, "controlId": "C", "controlType": "FreqDroop", "freqDroop": DROOP}
MONITOR = variable("EVSE", "Power", 1, value=1000, type="UpperThreshold", severity=5)
TEMPERATURE = variable("ChargingStation", "Temperature", value=80, type="UpperThreshold", severity=5)

#: command, payload, the status that an idle station of two EVSEs answers with
COMMANDS: list[tuple[str, dict[str, Any], str | None]] = [
    ("CancelReservation", {"reservationId": 7}, "Rejected"),
    ("CertificateSigned", {"certificateChain": "AA=="}, "Accepted"),
    ("ChangeAvailability", {"operationalStatus": "Inoperative"}, "Accepted"),
    ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 9}}, "Rejected"),
    ("ClearCache", {}, "Accepted"),
    ("ClearChargingProfile", {"chargingProfileId": 1}, "Unknown"),
    ("ClearDisplayMessage", {"id": 1}, "Unknown"),
    ("ClearVariableMonitoring", {"id": [1, 2, 99]}, None),
    ("CostUpdated", {"totalCost": 1.5, "transactionId": "T"}, None),
    ("CustomerInformation", {"requestId": 1, "report": True, "clear": False}, "Accepted"),
    ("CustomerInformation", {"requestId": 1, "report": False, "clear": False}, "Rejected"),
    ("DataTransfer", {"vendorId": "other"}, "UnknownVendorId"),
    ("DataTransfer", {"vendorId": "SIM", "messageId": "NoSuchMessage"}, "UnknownMessageId"),
    ("DataTransfer", {"vendorId": "SIM", "data": {"aB": [1, None]}}, "Accepted"),
    ("DeleteCertificate", {"certificateHashData": HASH}, "NotFound"),
    ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}, "Accepted"),
    ("GetChargingProfiles", {"requestId": 1, "chargingProfile": {}}, "NoProfiles"),
    ("GetCompositeSchedule", {"duration": 60, "evseId": 1, "chargingRateUnit": "W"}, "Accepted"),
    ("GetCompositeSchedule", {"duration": 60, "evseId": 9}, "Rejected"),
    ("GetDisplayMessages", {"requestId": 1}, "Unknown"),
    ("GetInstalledCertificateIds", {}, "NotFound"),
    ("GetLocalListVersion", {}, None),
    ("GetLog", {"log": {"remoteLocation": "ftp://x"}, "logType": "SecurityLog", "requestId": 1}, "Accepted"),
    ("GetMonitoringReport", {"requestId": 1}, "Accepted"),
    ("GetMonitoringReport", {"requestId": 1, "monitoringCriteria": ["PeriodicMonitoring"]}, "EmptyResultSet"),
    ("GetReport", {"requestId": 1, "componentCriteria": ["Problem"]}, "EmptyResultSet"),
    ("GetReport", {"requestId": 1, "componentVariable": [{"component": {"name": "TxCtrlr"}}]}, "Accepted"),
    ("GetTransactionStatus", {"transactionId": "T"}, None),
    ("GetTransactionStatus", {}, None),
    ("GetVariables", {"getVariableData": [variable("TxCtrlr", "TxStartPoint")]}, None),
    ("InstallCertificate", {"certificateType": "CSMSRootCertificate", "certificate": "AA=="}, "Accepted"),
    ("PublishFirmware", {"location": "https://x", "checksum": "0" * 32, "requestId": 1}, "Rejected"),
    ("RequestStartTransaction", {"idToken": TOKEN, "remoteStartId": 1}, "Accepted"),
    ("RequestStartTransaction", {"idToken": TOKEN, "remoteStartId": 1, "evseId": 9}, "Rejected"),
    ("RequestStopTransaction", {"transactionId": "T"}, "Rejected"),
    ("ReserveNow", {"id": 1, "expiryDateTime": in_an_hour(), "idToken": TOKEN, "evseId": 1}, "Accepted"),
    ("ReserveNow", {"id": 1, "expiryDateTime": in_an_hour(), "idToken": TOKEN, "evseId": 9}, "Rejected"),
    ("Reset", {"type": "Immediate"}, "Accepted"),
    ("Reset", {"type": "OnIdle", "evseId": 1}, "Accepted"),
    ("Reset", {"type": "OnIdle", "evseId": 9}, "Rejected"),
    ("SendLocalList", {"versionNumber": 1, "updateType": "Full"}, "Accepted"),
    ("SendLocalList", {"versionNumber": 0, "updateType": "Differential"}, "VersionMismatch"),
    ("SetChargingProfile", {"evseId": 0, "chargingProfile": PROFILE}, "Accepted"),
    ("SetChargingProfile", {"evseId": 9, "chargingProfile": PROFILE}, "Rejected"),
    ("SetDisplayMessage", {"message": MESSAGE}, "Accepted"),
    ("SetDisplayMessage", {"message": {**MESSAGE, "transactionId": "T"}}, "UnknownTransaction"),
    (
        "SetDisplayMessage",
        {"message": {**MESSAGE, "message": {"format": "HTML", "content": "x"}}},
        "NotSupportedMessageFormat",
    ),
    ("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"}, "Accepted"),
    ("SetMonitoringLevel", {"severity": 3}, "Accepted"),
    ("SetMonitoringLevel", {"severity": 10}, "Rejected"),
    ("SetNetworkProfile", {"configurationSlot": 1, "connectionData": NETWORK}, "Accepted"),
    ("SetVariableMonitoring", {"setMonitoringData": [MONITOR, TEMPERATURE]}, None),
    ("SetVariables", {"setVariableData": [variable("TxCtrlr", "TxStartPoint", attributeValue="Authorized")]}, None),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}, "Accepted"),
    ("TriggerMessage", {"requestedMessage": "BootNotification"}, "Rejected"),
    ("TriggerMessage", {"requestedMessage": "TransactionEvent"}, "Rejected"),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 9}}, "Rejected"),
    ("UnlockConnector", {"evseId": 1, "connectorId": 1}, "Unlocked"),
    ("UnlockConnector", {"evseId": 1, "connectorId": 2}, "UnknownConnector"),
    ("UnpublishFirmware", {"checksum": "0" * 32}, "NoFirmware"),
    (
        "UpdateFirmware",
        {"requestId": 1, "firmware": {"location": "https://x/2.0", "retrieveDateTime": LATER}},
        "Accepted",
    ),
]
COMMANDS_21: list[tuple[str, dict[str, Any], str | None]] = [
    ("AFRRSignal", {"timestamp": LATER, "signal": 5}, "Accepted"),
    ("AdjustPeriodicEventStream", {"id": 1, "params": {"interval": 5}}, "Rejected"),
    ("ChangeTransactionTariff", {"transactionId": "T", "tariff": TARIFF}, "TxNotFound"),
    ("ClearDERControl", {"isDefault": True}, "NotFound"),
    ("ClearTariffs", {}, None),
    ("ClearTariffs", {"tariffIds": ["T"]}, None),
    ("GetDERControl", {"requestId": 1}, "NotFound"),
    ("GetPeriodicEventStream", {}, None),
    ("GetTariffs", {"evseId": 0}, "NoTariff"),
    ("NotifyAllowedEnergyTransfer", {"transactionId": "T", "allowedEnergyTransfer": ["DC"]}, "Accepted"),
    ("NotifyWebPaymentStarted", {"evseId": 1, "timeout": 60}, None),
    ("RequestBatterySwap", {"idToken": TOKEN, "requestId": 1}, "Accepted"),
    ("SetDERControl", CONTROL, "Accepted"),
    ("SetDefaultTariff", {"evseId": 0, "tariff": TARIFF}, "Accepted"),
    ("SetDefaultTariff", {"evseId": 9, "tariff": TARIFF}, "Rejected"),
    ("TriggerMessage", {"requestedMessage": "CustomTrigger", "customTrigger": "NotifySettlement"}, "Accepted"),
    ("TriggerMessage", {"requestedMessage": "CustomTrigger", "customTrigger": "NoSuch"}, "NotImplemented"),
    ("TriggerMessage", {"requestedMessage": "SignV2G20Certificate"}, "Accepted"),
    ("UpdateDynamicSchedule", {"chargingProfileId": 1, "scheduleUpdate": {"limit": 6}}, "Rejected"),
    ("UsePriorityCharging", {"transactionId": "T", "activate": True}, "Rejected"),
]
ROWS = [("2.0.1", *row) for row in COMMANDS] + [("2.1", *row) for row in COMMANDS + COMMANDS_21]


@pytest.mark.parametrize(("version", "action", "payload", "status"), ROWS)
async def test_command_is_answered(csms, lonely, version, action, payload, status):
    answer = await csms.command(action, payload)
    assert answer.get("status") == status
    assert lonely.counters.commands == 1


@pytest.mark.parametrize(("version", "count"), [("2.0.1", 40), ("2.1", 55)])
def test_every_command_is_tried(version, count):
    assert len({action for at, action, *_ in ROWS if at == version}) == count


@pytest.mark.parametrize("action", [action for action, *_ in COMMANDS_21 if action != "TriggerMessage"])
@pytest.mark.parametrize("version", ["2.0.1"])
async def test_a_command_of_2_1_is_not_implemented_in_2_0_1(csms, lonely, action):
    with pytest.raises(CallError) as caught:
        await csms.send(action, {})
    assert caught.value.code == "NotImplemented"


@pytest.mark.parametrize(
    ("version", "action"),
    [
        (version, action)
        for version in ("2.0.1", "2.1")
        for action, row in EXAMPLES.items()
        if row.get("since", "2.0.1") <= version
    ],
)
async def test_an_example_is_sent_when_it_is_asked_for(csms: Csms, lonely, action):
    asked = {"vendorId": "SIM", "messageId": action}
    before = len(csms.of(action))
    assert (await csms.command("DataTransfer", asked))["status"] == "Accepted"
    await csms.hear(action, before + 1)


@pytest.mark.parametrize("version", ["2.0.1"])
async def test_an_example_of_2_1_is_unknown_to_2_0_1(csms, lonely):
    asked = {"vendorId": "SIM", "messageId": "NotifySettlement"}
    assert (await csms.command("DataTransfer", asked))["status"] == "UnknownMessageId"


def test_the_answers_of_this_central_system_are_valid():
    for action, answer in ANSWERS.items():
        assert not list(validator("2.1", f"{action}Response").iter_errors(answer)), action
