"""What the commands do at a simulated station."""

from datetime import UTC, datetime, timedelta

import pytest
from ocpp.v16 import call

from tests.unit.simulator.helpers import measured, start
from tests.unit.simulator.messages import CERTIFICATE, FIRMWARE, PROFILE, in_an_hour


async def test_configuration_is_read_and_changed(system, lonely):
    everything = await system.command(call.GetConfiguration())
    keys = {entry["key"]: entry for entry in everything.configuration_key}
    assert keys["NumberOfConnectors"] == {"key": "NumberOfConnectors", "readonly": True, "value": "2"}
    assert "AuthorizationKey" not in keys  # nobody may read it
    await system.command(call.ChangeConfiguration(key="ConnectionTimeOut", value="17"))
    some = await system.command(call.GetConfiguration(key=["ConnectionTimeOut", "NoSuchKey"]))
    assert some.configuration_key == [{"key": "ConnectionTimeOut", "readonly": False, "value": "17"}]
    assert some.unknown_key == ["NoSuchKey"]


async def test_a_changed_heartbeat_interval_holds_at_once(system, lonely):
    assert system.of("Heartbeat") == []
    await system.command(call.ChangeConfiguration(key="HeartbeatInterval", value="1"))
    await system.hear("Heartbeat")


async def test_remote_start_and_stop(system, lonely):
    transaction = await start(system, connector_id=2)
    assert system.of("StartTransaction")[0]["connector_id"] == 2
    assert system.of("StartTransaction")[0]["id_tag"] == "AFAR"
    second = await system.command(call.RemoteStartTransaction(id_tag="AFAR", connector_id=2))
    assert second.status == "Rejected"
    assert (await system.command(call.RemoteStopTransaction(transaction_id=transaction))).status == "Accepted"
    stop = await system.hear("StopTransaction")
    assert (stop[0]["transaction_id"], stop[0]["reason"]) == (transaction, "Remote")


async def test_a_remote_start_without_authorization_asks_only_where_it_is_set(system, lonely):
    await system.command(call.ChangeConfiguration(key="AuthorizeRemoteTxRequests", value="false"))
    await start(system)
    assert system.of("Authorize") == []


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_a_reset_ends_the_transaction_and_boots_again(system, lonely, kind):
    await start(system)
    assert (await system.command(call.Reset(type=kind))).status == "Accepted"
    await system.hear("BootNotification", 2)
    stop = await system.hear("StopTransaction")
    assert stop[0]["reason"] == f"{kind}Reset"
    actions = [action for _, action, _ in system.heard]
    second_boot = len(actions) - 1 - actions[::-1].index("BootNotification")
    assert (actions.index("StopTransaction") < second_boot) is (kind == "Soft")
    assert len(system.requests) == 2


async def test_availability_of_a_charging_connector_changes_afterwards(system, lonely):
    transaction = await start(system)
    answer = await system.command(call.ChangeAvailability(connector_id=0, type="Inoperative"))
    assert answer.status == "Scheduled"
    await system.hear("StatusNotification", connector_id=0, status="Unavailable")
    await system.hear("StatusNotification", connector_id=2, status="Unavailable")
    assert system.of("StatusNotification", connector_id=1, status="Unavailable") == []
    await system.command(call.RemoteStopTransaction(transaction_id=transaction))
    await system.hear("StatusNotification", connector_id=1, status="Unavailable")
    refused = await system.command(call.RemoteStartTransaction(id_tag="AFAR", connector_id=1))
    assert refused.status == "Rejected"
    assert (await system.command(call.ChangeAvailability(connector_id=0, type="Operative"))).status == "Accepted"
    await system.hear("StatusNotification", 2, connector_id=1, status="Available")


@pytest.mark.parametrize(
    ("message", "action", "fields"),
    [
        ("BootNotification", "BootNotification", {}),
        ("Heartbeat", "Heartbeat", {}),
        ("DiagnosticsStatusNotification", "DiagnosticsStatusNotification", {"status": "Idle"}),
        ("FirmwareStatusNotification", "FirmwareStatusNotification", {"status": "Idle"}),
        ("MeterValues", "MeterValues", {"connector_id": 2}),
        ("StatusNotification", "StatusNotification", {"connector_id": 2}),
    ],
)
async def test_a_triggered_message_is_sent(system, lonely, message, action, fields):
    before = len(system.of(action, **fields))
    answer = await system.command(call.TriggerMessage(requested_message=message, connector_id=2))
    assert answer.status == "Accepted"
    await system.hear(action, before + 1, **fields)


@pytest.mark.parametrize(
    ("message", "action"),
    [("LogStatusNotification", "LogStatusNotification"), ("SignChargePointCertificate", "SignCertificate")],
)
async def test_a_message_of_the_security_extension_is_triggered(system, lonely, message, action):
    assert (await system.command(call.ExtendedTriggerMessage(requested_message=message))).status == "Accepted"
    await system.hear(action)


async def test_unlocking_ends_the_transaction(system, lonely):
    await start(system)
    assert (await system.command(call.UnlockConnector(connector_id=1))).status == "Unlocked"
    assert (await system.hear("StopTransaction"))[0]["reason"] == "UnlockCommand"


async def test_a_charging_profile_limits_the_power(system, lonely):
    await system.command(call.SetChargingProfile(connector_id=0, cs_charging_profiles=PROFILE))
    await start(system)
    values = measured((await system.hear("MeterValues"))[0])
    assert values["Current.Import", "L1"] == 10.0
    schedule = await system.command(call.GetCompositeSchedule(connector_id=1, duration=60, charging_rate_unit="W"))
    period = schedule.charging_schedule["charging_schedule_period"][0]
    assert period == {"start_period": 0, "limit": 6900}
    assert (await system.command(call.ClearChargingProfile(id=1))).status == "Accepted"


async def test_a_limit_of_nothing_suspends(system, lonely):
    none = {"charging_rate_unit": "W", "charging_schedule_period": [{"start_period": 0, "limit": 0}]}
    profile = {**PROFILE, "charging_profile_purpose": "TxProfile", "charging_schedule": none}
    answer = await system.command(call.RemoteStartTransaction(id_tag="AFAR", connector_id=1, charging_profile=profile))
    assert answer.status == "Accepted"
    await system.hear("StatusNotification", connector_id=1, status="SuspendedEVSE")


async def test_a_reservation_keeps_the_connector_for_its_tag(system, lonely):
    def reserve(number: int) -> call.ReserveNow:
        return call.ReserveNow(connector_id=1, expiry_date=in_an_hour(), id_tag="MINE", reservation_id=number)

    assert (await system.command(reserve(5))).status == "Accepted"
    await system.hear("StatusNotification", connector_id=1, status="Reserved")
    assert (await system.command(reserve(6))).status == "Occupied"
    other = await system.command(call.RemoteStartTransaction(id_tag="OTHER", connector_id=1))
    assert other.status == "Rejected"
    await start(system, id_tag="MINE")
    assert system.of("StartTransaction")[0]["reservation_id"] == 5


async def test_a_connector_that_is_in_use_or_out_of_order_cannot_be_reserved(system, lonely):
    def reserve(number: int) -> call.ReserveNow:
        return call.ReserveNow(connector_id=number, expiry_date=in_an_hour(), id_tag="T", reservation_id=1)

    await start(system)
    assert (await system.command(reserve(1))).status == "Occupied"
    await system.command(call.ChangeAvailability(connector_id=2, type="Inoperative"))
    assert (await system.command(reserve(2))).status == "Unavailable"


async def test_a_cancelled_reservation_frees_the_connector(system, lonely):
    await system.command(call.ReserveNow(connector_id=1, expiry_date=in_an_hour(), id_tag="MINE", reservation_id=5))
    await system.hear("StatusNotification", connector_id=1, status="Reserved")
    assert (await system.command(call.CancelReservation(reservation_id=5))).status == "Accepted"
    await system.hear("StatusNotification", 2, connector_id=1, status="Available")


async def test_a_reservation_expires(system, lonely):
    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    await system.command(call.ReserveNow(connector_id=1, expiry_date=soon, id_tag="MINE", reservation_id=5))
    await system.hear("StatusNotification", connector_id=1, status="Reserved")
    await system.hear("StatusNotification", 2, connector_id=1, status="Available")


async def test_a_local_list_is_kept(system, lonely):
    entry = {"id_tag": "A", "id_tag_info": {"status": "Accepted"}}
    await system.command(call.SendLocalList(list_version=4, update_type="Full", local_authorization_list=[entry]))
    assert (await system.command(call.GetLocalListVersion())).list_version == 4
    await system.command(
        call.SendLocalList(list_version=5, update_type="Differential", local_authorization_list=[{"id_tag": "A"}])
    )
    assert (await system.command(call.GetLocalListVersion())).list_version == 5


async def test_certificates_are_installed_listed_and_deleted(system, lonely):
    kind = "CentralSystemRootCertificate"
    await system.command(call.InstallCertificate(certificate_type=kind, certificate=CERTIFICATE))
    listed = await system.command(call.GetInstalledCertificateIds(certificate_type=kind))
    assert len(listed.certificate_hash_data) == 1
    deleted = await system.command(call.DeleteCertificate(certificate_hash_data=listed.certificate_hash_data[0]))
    assert deleted.status == "Accepted"
    listed = await system.command(call.GetInstalledCertificateIds(certificate_type=kind))
    assert listed.status == "NotFound"


@pytest.mark.parametrize(
    ("command", "action", "statuses"),
    [
        (
            call.UpdateFirmware(location="ftp://example.org", retrieve_date="2026-01-01T00:00:00Z"),
            "FirmwareStatusNotification",
            ["Downloading", "Downloaded", "Installing", "Installed"],
        ),
        (
            call.SignedUpdateFirmware(request_id=3, firmware=FIRMWARE),
            "SignedFirmwareStatusNotification",
            ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"],
        ),
        (
            call.GetDiagnostics(location="ftp://example.org"),
            "DiagnosticsStatusNotification",
            ["Uploading", "Uploaded"],
        ),
        (
            call.GetLog(log={"remote_location": "ftp://x"}, log_type="DiagnosticsLog", request_id=3),
            "LogStatusNotification",
            ["Uploading", "Uploaded"],
        ),
    ],
)
async def test_long_work_reports_how_far_it_is(system, lonely, command, action, statuses):
    await system.command(command)
    heard = await system.hear(action, len(statuses))
    assert [payload["status"] for payload in heard] == statuses
    assert {payload.get("request_id", 3) for payload in heard} == {3}
