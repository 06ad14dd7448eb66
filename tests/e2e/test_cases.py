"""What the Open Charge Alliance's test cases ask of a central system and the other tests do not show from outside."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.parties import Hmi, now
from tests.e2e.parties_2 import Site
from tests.e2e.wire import TOKEN, Wire, booted

AT = "CP001.Connector1"


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
async def station(request: Any, site: Site) -> AsyncIterator[Wire]:
    async with booted(site.program.ocpp, f"{site.prefix}CP001", request.param) as found:
        yield found


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Hmi]:
    async with site.hmi() as found:
        yield found


async def ask(client: Hmi, at: str, action: str, payload: dict[str, Any], state: str = "Accepted") -> str:
    """Gives a command as JSON; what the station answered, as JSON, once the command has ended in this state."""
    number = await client.value(f"{at}.Commands.{action}.Result.Id")
    await client.write(f"{at}.Commands.{action}.Request", json.dumps(payload))
    await client.until(f"{at}.Commands.{action}.Result.Id", number + 1)
    await client.until(f"{at}.Commands.{action}.Result.StateText", state)
    return str(await client.value(f"{at}.Commands.{action}.Result.Response"))


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="seconds").replace("+00:00", "Z")


async def test_a_transaction_however_it_starts_and_ends(station: Wire, client: Hmi) -> None:
    reasons = ("Local", "EVDisconnected", "Remote", "DeAuthorized", "EmergencyStop", "Other")
    triggers = (
        "Authorized",
        "CablePluggedIn",
        "EVDetected",
        "SignedDataReceived",
        "ChargingStateChanged",
        "Authorized",
    )
    await station.status("Available")
    for number, (trigger, reason) in enumerate(zip(triggers, reasons, strict=True)):
        await station.status("Preparing" if station.is_16 else "Occupied")
        begun = 1_000 * number
        transaction = await station.start(begun, trigger)
        await client.until(f"{AT}.Transaction.Id", transaction)
        assert await client.value(f"{AT}.Transaction.Active") is True
        assert await client.value(f"{AT}.Transaction.Start.IdTag") == "TAG1"
        await station.stop(transaction, begun + 700, reason)
        await client.until(f"{AT}.Transaction.Stop.Id", transaction)
        assert await client.value(f"{AT}.Transaction.Stop.Reason") == reason
        assert await client.value(f"{AT}.Transaction.Stop.Energy") == 700.0
        assert await client.value(f"{AT}.Transaction.Active") is False
        await station.status("Available")
    await client.until(f"{AT}.Status.StateText", "Available")


async def remote_start(station: Wire, client: Hmi) -> int | None:
    """Asks the station to start; the remoteStartId, where there is one."""
    if station.is_16:
        await ask(client, "CP001", "RemoteStartTransaction", {"connectorId": 1, "idTag": "TAG1"})
        assert await station.asked("RemoteStartTransaction") == {"connectorId": 1, "idTag": "TAG1"}
        return None
    payload = {"evseId": 1, "idToken": TOKEN, "remoteStartId": 77}
    await ask(client, "CP001", "RequestStartTransaction", payload)
    assert await station.asked("RequestStartTransaction") == payload
    return 77


async def test_a_remote_start_and_the_transaction_that_it_starts(station: Wire, client: Hmi) -> None:
    await station.status("Preparing" if station.is_16 else "Occupied")
    number = await remote_start(station, client)
    info = {} if number is None else {"remoteStartId": number}
    transaction = await station.start(100, "RemoteStart", **info)
    await client.until(f"{AT}.Transaction.Id", transaction)
    if number is not None:
        assert await client.value(f"{AT}.Transaction.Start.RemoteStartId") == number
    action = "RemoteStopTransaction" if station.is_16 else "RequestStopTransaction"
    await client.write(f"{AT}.Commands.{action}.Execute", True)
    assert str((await station.asked(action))["transactionId"]) == transaction
    await client.until(f"{AT}.Commands.{action}.Result.StateText", "Accepted")
    await station.stop(transaction, 900, "Remote")
    await client.until(f"{AT}.Transaction.Stop.Reason", "Remote")


async def test_a_remote_start_that_no_car_comes_for(station: Wire, client: Hmi) -> None:
    await station.status("Available")
    await remote_start(station, client)
    await station.status("Preparing" if station.is_16 else "Reserved")
    await station.status("Available")
    await client.until(f"{AT}.Status.StateText", "Available")
    assert not await client.value(f"{AT}.Transaction.Active")


async def test_a_transaction_of_a_station_that_was_offline(station: Wire, client: Hmi) -> None:
    await station.status("Available")
    begun, ended = ago(4), ago(2)
    transaction = await station.start(100, "Authorized", begun)
    await station.stop(transaction, 900, "PowerLoss", ended)
    await client.until(f"{AT}.Transaction.Stop.Id", transaction)
    for name, time in (("Start", begun), ("Stop", ended)):
        shown = await client.value(f"{AT}.Transaction.{name}.Time")
        assert shown.timestamp() == datetime.fromisoformat(time).timestamp()
    assert await client.value(f"{AT}.Transaction.Stop.Energy") == 800.0
    assert await client.value(f"{AT}.Status.StateText") == "Available"


async def test_a_message_is_triggered_and_comes(station: Wire, client: Hmi) -> None:
    place = {"connectorId": 1} if station.is_16 else {"evse": {"id": 1, "connectorId": 1}}
    for wanted in ("StatusNotification", "MeterValues", "Heartbeat", "FirmwareStatusNotification"):
        payload = {"requestedMessage": wanted, **place}
        await ask(client, "CP001", "TriggerMessage", payload)
        assert await station.asked("TriggerMessage") == payload
    await station.status("Faulted")
    await client.until(f"{AT}.Status.StateText", "Faulted")


async def test_a_trigger_that_the_station_refuses(station: Wire, client: Hmi) -> None:
    for status in ("Rejected", "NotImplemented"):
        station.answers["TriggerMessage"] = {"status": status}
        await ask(client, "CP001", "TriggerMessage", {"requestedMessage": "Heartbeat"}, "Rejected")
        assert await client.value("CP001.Commands.TriggerMessage.Result.Status") == status


def profile(station: Wire, purpose: str, number: int, transaction: str | None) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 60, "limit": 8.5}],
    }
    if station.is_16:
        more = {} if transaction is None else {"transactionId": int(transaction)}
        return {"chargingProfileId": number, "chargingSchedule": schedule, **more, **_kind(purpose)}
    more_2 = {} if transaction is None else {"transactionId": transaction}
    return {"id": number, "chargingSchedule": [{"id": 1, **schedule}], **more_2, **_kind(purpose)}


def _kind(purpose: str) -> dict[str, Any]:
    return {"stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Relative"}


async def test_a_charging_profile_of_every_purpose(station: Wire, client: Hmi) -> None:
    await station.status("Preparing" if station.is_16 else "Occupied")
    transaction = await station.start(0, "Authorized")
    place, field = ("connectorId", "csChargingProfiles") if station.is_16 else ("evseId", "chargingProfile")
    most = "ChargePointMaxProfile" if station.is_16 else "ChargingStationMaxProfile"
    for number, (purpose, at) in enumerate(((most, 0), ("TxDefaultProfile", 1), ("TxProfile", 1), ("TxProfile", 1)), 1):
        of = transaction if purpose == "TxProfile" else None
        payload = {place: at, field: profile(station, purpose, number, of)}
        await ask(client, "CP001", "SetChargingProfile", payload)
        assert await station.asked("SetChargingProfile") == payload
    await ask(client, "CP001", "GetCompositeSchedule", {place: 1, "duration": 600})
    assert await station.asked("GetCompositeSchedule") == {place: 1, "duration": 600}
    clear = {"id": 3} if station.is_16 else {"chargingProfileId": 3}
    await ask(client, "CP001", "ClearChargingProfile", clear)
    station.answers["ClearChargingProfile"] = {"status": "Unknown"}
    await ask(client, "CP001", "ClearChargingProfile", clear, "Rejected")
    if station.is_16:
        return
    asked = {"requestId": 5, "chargingProfile": {"chargingProfilePurpose": "TxProfile"}}
    await ask(client, "CP001", "GetChargingProfiles", asked)
    report = {
        "requestId": 5,
        "evseId": 1,
        "chargingLimitSource": "CSO",
        "chargingProfile": [profile(station, "TxProfile", 4, transaction)],
    }
    await station.call("ReportChargingProfiles", report)
    shown = await client.until_that("CP001.Reports.ChargingProfiles", lambda found: bool(found.Value.Value))
    assert json.loads(shown.Value.Value)[0]["chargingProfile"] == report["chargingProfile"]


async def test_the_status_of_a_transaction_is_asked_for(station: Wire, client: Hmi) -> None:
    if station.is_16:
        pytest.skip("OCPP 1.6 has no such command")
    for payload, answer in (
        ({"transactionId": "unknown"}, {"ongoingIndicator": False, "messagesInQueue": False}),
        ({"transactionId": "T1"}, {"ongoingIndicator": True, "messagesInQueue": True}),
        ({}, {"messagesInQueue": False}),
    ):
        station.answers["GetTransactionStatus"] = answer
        assert json.loads(await ask(client, "CP001", "GetTransactionStatus", payload)) == answer
        assert await station.asked("GetTransactionStatus") == payload


async def test_availability_is_changed(station: Wire, client: Hmi) -> None:
    await station.status("Available")
    key, values = (
        ("type", ("Inoperative", "Operative"))
        if station.is_16
        else (
            "operationalStatus",
            ("Inoperative", "Operative"),
        )
    )
    places: list[dict[str, Any]] = [{"connectorId": 0}, {"connectorId": 1}]
    if not station.is_16:
        places = [{}, {"evse": {"id": 1}}, {"evse": {"id": 1, "connectorId": 1}}]
    for place in places:
        for value, status in zip(values, ("Unavailable", "Available"), strict=True):
            for answer in ("Scheduled", "Accepted"):
                station.answers["ChangeAvailability"] = {"status": answer}
                await ask(client, "CP001", "ChangeAvailability", {key: value, **place})
                assert await station.asked("ChangeAvailability") == {key: value, **place}
                assert await client.value("CP001.Commands.ChangeAvailability.Result.Status") == answer
            await station.status(status)
            await client.until(f"{AT}.Status.StateText", status)


async def test_meter_values_of_every_context(station: Wire, client: Hmi) -> None:
    contexts = (
        *("Interruption.Begin", "Interruption.End", "Sample.Clock", "Sample.Periodic"),
        *("Transaction.Begin", "Transaction.End", "Trigger", "Other"),
    )
    place = {"connectorId": 1} if station.is_16 else {"evseId": 1}
    await station.status("Available")
    for number, context in enumerate(contexts, 1):
        value: Any = f"{number}" if station.is_16 else float(number)
        signed: dict[str, Any] = {"value": "0A1B", "format": "SignedData", "measurand": "Voltage"}
        if not station.is_16:
            signed = {
                "value": float(number),
                "measurand": "Voltage",
                "signedMeterValue": {
                    "signedMeterData": "0A1B",
                    "signingMethod": "",
                    "encodingMethod": "OCMF",
                    "publicKey": "",
                },
            }
        samples = [{"value": value, "context": context, "measurand": "Current.Import"}, signed]
        await station.call("MeterValues", {**place, "meterValue": [{"timestamp": now(), "sampledValue": samples}]})
        await client.until(f"{AT}.MeterValues.Current.Import", float(number))
    assert "0A1B" in await client.value(f"{AT}.MeterValues.Raw")
