"""What the commands do at a simulated 2.x station."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.simulator.v2.csms import in_an_hour, variable
from tests.unit.simulator.v2.test_commands import CONTROL, DROOP, MESSAGE, PROFILE, TARIFF, TOKEN

METER = {"setVariableData": [variable("SampledDataCtrlr", "TxUpdatedInterval", attributeValue="1")]}


async def test_remote_start_and_stop(csms, lonely):
    transaction = await csms.start(2)
    [started] = csms.of("TransactionEvent", eventType="Started")
    assert started["evse"] == {"id": 2, "connectorId": 1}
    assert started["transactionInfo"]["remoteStartId"] == 7
    assert started["idToken"] == TOKEN
    again = {"idToken": TOKEN, "remoteStartId": 8, "evseId": 2}
    assert (await csms.command("RequestStartTransaction", again))["status"] == "Rejected"
    status = await csms.command("GetTransactionStatus", {"transactionId": transaction})
    assert status["ongoingIndicator"] is True
    assert (await csms.command("RequestStopTransaction", {"transactionId": transaction}))["status"] == "Accepted"
    [ended] = await csms.hear("TransactionEvent", eventType="Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    await csms.hear("StatusNotification", 2, evseId=2, connectorStatus="Available")
    status = await csms.command("GetTransactionStatus", {"transactionId": transaction})
    assert status == {"ongoingIndicator": False, "messagesInQueue": False}


@pytest.mark.parametrize(("kind", "reason"), [("Immediate", "RemoteReset"), ("OnIdle", "ScheduledReset")])
async def test_a_reset_boots_again(csms, lonely, kind, reason):
    """OCPP 2.0.1 B11, B12"""
    transaction = await csms.start()
    answer = await csms.command("Reset", {"type": kind})
    assert answer["status"] == ("Accepted" if kind == "Immediate" else "Scheduled")
    if kind == "OnIdle":
        assert len(csms.of("BootNotification")) == 1
        await csms.command("RequestStopTransaction", {"transactionId": transaction})
    boots = await csms.hear("BootNotification", 2)
    assert boots[1]["reason"] == reason
    [ended] = csms.of("TransactionEvent", eventType="Ended")
    assert ended["transactionInfo"]["stoppedReason"] == ("ImmediateReset" if kind == "Immediate" else "Remote")
    assert (ended["triggerReason"] == "ResetCommand") is (kind == "Immediate")
    await csms.hear("StatusNotification", 5)
    assert len(csms.connections) == 2


async def test_a_reset_of_an_evse_ends_its_transaction_alone(csms, lonely):
    first, second = await csms.start(1), await csms.start(2)
    assert (await csms.command("Reset", {"type": "Immediate", "evseId": 1}))["status"] == "Accepted"
    await csms.hear("StatusNotification", evseId=1, connectorStatus="Unavailable")
    await csms.hear("StatusNotification", 3, evseId=1, connectorStatus="Available")
    [ended] = csms.of("TransactionEvent", eventType="Ended")
    assert ended["transactionInfo"]["transactionId"] == first
    assert (await csms.command("GetTransactionStatus", {"transactionId": second}))["ongoingIndicator"] is True
    assert len(csms.of("BootNotification")) == 1


async def test_availability_of_a_charging_evse_changes_afterwards(csms, lonely):
    transaction = await csms.start(1)
    answer = await csms.command("ChangeAvailability", {"operationalStatus": "Inoperative"})
    assert answer["status"] == "Scheduled"
    await csms.hear("StatusNotification", evseId=2, connectorStatus="Unavailable")
    assert csms.of("StatusNotification", evseId=1, connectorStatus="Unavailable") == []
    await csms.command("RequestStopTransaction", {"transactionId": transaction})
    await csms.hear("StatusNotification", evseId=1, connectorStatus="Unavailable")
    request = {"idToken": TOKEN, "remoteStartId": 1, "evseId": 1}
    assert (await csms.command("RequestStartTransaction", request))["status"] == "Rejected"
    await csms.command("ChangeAvailability", {"operationalStatus": "Operative"})
    await csms.hear("StatusNotification", 2, evseId=1, connectorStatus="Available")


@pytest.mark.parametrize(
    ("message", "action", "fields"),
    [
        ("Heartbeat", "Heartbeat", {}),
        ("FirmwareStatusNotification", "FirmwareStatusNotification", {"status": "Idle"}),
        ("LogStatusNotification", "LogStatusNotification", {"status": "Idle"}),
        ("MeterValues", "MeterValues", {"evseId": 1}),
        ("PublishFirmwareStatusNotification", "PublishFirmwareStatusNotification", {"status": "Idle"}),
        ("SignChargingStationCertificate", "SignCertificate", {"certificateType": "ChargingStationCertificate"}),
        ("SignV2GCertificate", "SignCertificate", {"certificateType": "V2GCertificate"}),
        ("StatusNotification", "StatusNotification", {"evseId": 1, "connectorStatus": "Occupied"}),
        ("TransactionEvent", "TransactionEvent", {"triggerReason": "Trigger"}),
    ],
)
async def test_a_triggered_message_is_sent(csms, lonely, message, action, fields):
    await csms.start(1)
    before = len(csms.of(action, **fields))
    answer = await csms.command("TriggerMessage", {"requestedMessage": message, "evse": {"id": 1}})
    assert answer["status"] == "Accepted"
    await csms.hear(action, before + 1, **fields)


async def test_a_connector_in_use_is_not_unlocked(csms, lonely):
    await csms.start(1)
    answer = await csms.command("UnlockConnector", {"evseId": 1, "connectorId": 1})
    assert answer["status"] == "OngoingAuthorizedTransaction"


async def test_a_charging_profile_limits_the_power(csms, lonely):
    await csms.command("SetChargingProfile", {"evseId": 0, "chargingProfile": PROFILE})
    await csms.command("SetVariables", METER)
    await csms.start()
    event = (await csms.hear("TransactionEvent", triggerReason="MeterValuePeriodic"))[0]
    sampled = event["meterValue"][0]["sampledValue"]
    [current] = [s["value"] for s in sampled if (s["measurand"], s.get("phase")) == ("Current.Import", "L1")]
    assert current == 10.0
    schedule = await csms.command("GetCompositeSchedule", {"duration": 60, "evseId": 1, "chargingRateUnit": "W"})
    assert schedule["schedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6900.0}]
    await csms.command("GetChargingProfiles", {"requestId": 4, "chargingProfile": {"stackLevel": 0}})
    [told] = await csms.hear("ReportChargingProfiles")
    assert (told["requestId"], told["evseId"], told["chargingProfile"]) == (4, 0, [PROFILE])
    cleared = await csms.command("ClearChargingProfile", {"chargingProfileCriteria": {"stackLevel": 0}})
    assert cleared["status"] == "Accepted"


async def test_a_transaction_profile_suspends_its_transaction_and_no_other(csms, lonely):
    await csms.command("SetVariables", METER)
    transaction = await csms.start()
    nothing = [{"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}]}]
    profile = {**PROFILE, "chargingProfilePurpose": "TxProfile", "chargingSchedule": nothing}
    unknown = await csms.command(
        "SetChargingProfile", {"evseId": 1, "chargingProfile": {**profile, "transactionId": "x"}}
    )
    assert unknown["status"] == "Rejected"
    request = {"evseId": 1, "chargingProfile": {**profile, "transactionId": transaction}}
    assert (await csms.command("SetChargingProfile", request))["status"] == "Accepted"
    await csms.hear("TransactionEvent", triggerReason="ChargingRateChanged")

    def suspended():
        return [e for e in csms.of("TransactionEvent") if e["transactionInfo"]["chargingState"] == "SuspendedEVSE"]

    assert await csms.until(suspended)


async def test_a_reservation_keeps_the_evse_for_its_token(csms, lonely):
    request = {"id": 5, "expiryDateTime": in_an_hour(), "idToken": {"idToken": "MINE", "type": "Central"}, "evseId": 1}
    assert (await csms.command("ReserveNow", request))["status"] == "Accepted"
    await csms.hear("StatusNotification", evseId=1, connectorStatus="Reserved")
    assert (await csms.command("ReserveNow", {**request, "id": 6}))["status"] == "Occupied"
    other = {"idToken": TOKEN, "remoteStartId": 1, "evseId": 1}
    assert (await csms.command("RequestStartTransaction", other))["status"] == "Rejected"
    await csms.start(1, id_tag="MINE")
    assert csms.of("TransactionEvent", eventType="Started")[0]["reservationId"] == 5


async def test_a_reservation_is_cancelled_or_expires(csms, lonely):
    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    for number, evse, expires in ((1, 1, in_an_hour()), (2, 2, soon)):
        await csms.command("ReserveNow", {"id": number, "expiryDateTime": expires, "idToken": TOKEN, "evseId": evse})
    await csms.hear("StatusNotification", evseId=1, connectorStatus="Reserved")
    assert (await csms.command("CancelReservation", {"reservationId": 1}))["status"] == "Accepted"
    await csms.hear("StatusNotification", 2, evseId=1, connectorStatus="Available")
    [update] = await csms.hear("ReservationStatusUpdate")
    assert update == {"reservationId": 2, "reservationUpdateStatus": "Expired"}


async def test_logs_and_firmware_report_how_far_they_are(csms, lonely):
    log = {"log": {"remoteLocation": "ftp://x"}, "logType": "DiagnosticsLog", "requestId": 3}
    await csms.command("GetLog", log)
    assert [one["status"] for one in await csms.hear("LogStatusNotification", 2, requestId=3)] == [
        "Uploading",
        "Uploaded",
    ]
    firmware = {"location": "https://x/2.0", "retrieveDateTime": "2026-01-01T00:00:00Z", "signature": "AA=="}
    await csms.command("UpdateFirmware", {"requestId": 4, "firmware": firmware})
    steps = [one["status"] for one in await csms.hear("FirmwareStatusNotification", 6, requestId=4)]
    assert steps == ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed"]
    boot = csms.of("BootNotification")[1]
    assert (boot["reason"], boot["chargingStation"]["firmwareVersion"]) == ("FirmwareUpdate", "2.0")


async def test_certificates_lists_and_display_messages_are_kept(csms, lonely):
    use = "V2GRootCertificate"
    await csms.command("InstallCertificate", {"certificateType": use, "certificate": "AA=="})
    listed = await csms.command("GetInstalledCertificateIds", {"certificateType": [use]})
    [entry] = listed["certificateHashDataChain"]
    deleted = await csms.command("DeleteCertificate", {"certificateHashData": entry["certificateHashData"]})
    assert deleted["status"] == "Accepted"
    entries = [{"idToken": TOKEN, "idTokenInfo": {"status": "Accepted"}}]
    await csms.command("SendLocalList", {"versionNumber": 4, "updateType": "Full", "localAuthorizationList": entries})
    assert await csms.command("GetLocalListVersion") == {"versionNumber": 4}
    await csms.command("CustomerInformation", {"requestId": 6, "report": True, "clear": False})
    [told] = await csms.hear("NotifyCustomerInformation", requestId=6)
    assert told["data"] == "AFAR"
    await csms.command("SetDisplayMessage", {"message": MESSAGE})
    await csms.command("GetDisplayMessages", {"requestId": 2})
    [shown] = await csms.hear("NotifyDisplayMessages")
    assert shown["messageInfo"] == [MESSAGE]
    assert (await csms.command("ClearDisplayMessage", {"id": 1}))["status"] == "Accepted"


@pytest.mark.parametrize("version", ["2.1"])
async def test_a_tariff_makes_a_cost(csms, lonely):
    await csms.command("SetDefaultTariff", {"evseId": 0, "tariff": TARIFF})
    assert (await csms.command("SetDefaultTariff", {"evseId": 1, "tariff": TARIFF}))["status"] == "DuplicateTariffId"
    assigned = await csms.command("GetTariffs", {"evseId": 0})
    assert assigned["tariffAssignments"] == [{"tariffId": "T", "tariffKind": "DefaultTariff", "evseIds": [1, 2]}]
    transaction = await csms.start()
    changed = {"transactionId": transaction, "tariff": {**TARIFF, "tariffId": "U"}}
    assert (await csms.command("ChangeTransactionTariff", changed))["status"] == "Accepted"
    await csms.command("RequestStopTransaction", {"transactionId": transaction})
    [ended] = await csms.hear("TransactionEvent", eventType="Ended")
    details = ended["costDetails"]
    reckoned = details["totalUsage"]["energy"] * 0.5
    assert details["totalCost"]["total"]["exclTax"] == pytest.approx(reckoned, abs=1e-3)
    cleared = await csms.command("ClearTariffs", {"tariffIds": ["T", "X"]})
    assert [one["status"] for one in cleared["clearTariffsResult"]] == ["Accepted", "NoTariff"]


@pytest.mark.parametrize("version", ["2.1"])
@pytest.mark.parametrize(
    ("limit", "reason", "trigger"),
    [
        ({"maxEnergy": 0.1}, "EnergyLimitReached", "EnergyLimitReached"),
        ({"maxTime": 1}, "TimeLimitReached", "TimeLimitReached"),
        ({"maxSoC": 5}, "SOCLimitReached", "SoCLimitReached"),
    ],
)
async def test_a_limit_in_an_answer_ends_the_transaction(csms, lonely, limit, reason, trigger):
    await csms.command("SetVariables", METER)
    csms.transaction_answer = {"transactionLimit": limit}
    await csms.start()
    [told] = await csms.hear("TransactionEvent", triggerReason="LimitSet")
    assert told["transactionInfo"]["transactionLimit"] == limit
    [ended] = await csms.hear("TransactionEvent", eventType="Ended")
    assert ended["transactionInfo"]["stoppedReason"] == reason
    assert csms.of("TransactionEvent", triggerReason=trigger)


@pytest.mark.parametrize("version", ["2.1"])
async def test_der_controls_are_kept_superseded_reported_and_cleared(csms, lonely):
    gradient = {"isDefault": False, "controlId": "G", "controlType": "Gradients"}
    gradient["gradient"] = {"priority": 1, "gradient": 5.0, "softGradient": 2.0}
    curve = {"isDefault": False, "controlId": "V", "controlType": "VoltVar"}
    curve["curve"] = {"curveData": [{"x": 92.0, "y": 44.0}], "priority": 1, "yUnit": "PctMaxVar"}
    for control in (CONTROL, gradient, curve):
        assert (await csms.command("SetDERControl", control))["status"] == "Accepted"
    newer = await csms.command("SetDERControl", {**CONTROL, "controlId": "D"})
    assert newer["supersededIds"] == ["C"]
    await csms.hear("NotifyDERStartStop", 4, started=True)
    await csms.command("GetDERControl", {"requestId": 8})
    [told] = await csms.hear("ReportDERControl")
    assert [entry["freqDroop"] for entry in told["freqDroop"]] == [DROOP, DROOP]
    assert (told["gradient"][0]["id"], told["curve"][0]["curveType"]) == ("G", "VoltVar")
    assert (await csms.command("ClearDERControl", {"isDefault": False, "controlId": "G"}))["status"] == "Accepted"
    await csms.hear("NotifyDERStartStop", controlId="G", started=False)


@pytest.mark.parametrize("version", ["2.1"])
async def test_what_2_1_does_to_a_running_transaction(csms, lonely):
    await csms.command("SetVariables", METER)
    await csms.command("SetChargingProfile", {"evseId": 1, "chargingProfile": PROFILE})
    transaction = await csms.start()
    update = {"chargingProfileId": 1, "scheduleUpdate": {"limit": 7.0}}
    assert (await csms.command("UpdateDynamicSchedule", update))["status"] == "Accepted"
    schedule = await csms.command("GetCompositeSchedule", {"duration": 60, "evseId": 1})
    assert schedule["schedule"]["chargingSchedulePeriod"][0]["limit"] == 7.0
    priority = {"transactionId": transaction, "activate": True}
    assert (await csms.command("UsePriorityCharging", priority))["status"] == "Accepted"
    await csms.hear("NotifyPriorityCharging", transactionId=transaction, activated=True)
    await csms.command("RequestBatterySwap", {"idToken": TOKEN, "requestId": 3})
    swaps = await csms.hear("BatterySwap", 2, requestId=3)
    assert [swap["eventType"] for swap in swaps] == ["BatteryIn", "BatteryOut"]
