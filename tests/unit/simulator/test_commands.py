"""What a simulated station answers to the 26 commands. Every answer has passed the package's validation."""

import pytest
from ocpp.v16 import call

from tests.unit.simulator.messages import CERTIFICATE, FIRMWARE, PROFILE, in_an_hour

#: command, the status that an idle station of two connectors answers with
ANSWERS = [
    (call.CancelReservation(reservation_id=7), "Rejected"),
    (call.CertificateSigned(certificate_chain=CERTIFICATE), "Accepted"),
    (call.ChangeAvailability(connector_id=1, type="Inoperative"), "Accepted"),
    (call.ChangeAvailability(connector_id=3, type="Inoperative"), "Rejected"),
    (call.ChangeConfiguration(key="HeartbeatInterval", value="60"), "Accepted"),
    (call.ChangeConfiguration(key="HeartbeatInterval", value="soon"), "Rejected"),
    (call.ChangeConfiguration(key="NumberOfConnectors", value="9"), "Rejected"),
    (call.ChangeConfiguration(key="LocalPreAuthorize", value="perhaps"), "Rejected"),
    (call.ChangeConfiguration(key="WebSocketPingInterval", value="60"), "RebootRequired"),
    (call.ChangeConfiguration(key="NoSuchKey", value="1"), "NotSupported"),
    (call.ClearCache(), "Accepted"),
    (call.ClearChargingProfile(), "Unknown"),
    (call.DataTransfer(vendor_id="SIM", data="x"), "Accepted"),
    (call.DataTransfer(vendor_id="other"), "UnknownVendorId"),
    (
        call.DeleteCertificate(
            certificate_hash_data={
                "hash_algorithm": "SHA256",
                "issuer_name_hash": "a",
                "issuer_key_hash": "b",
                "serial_number": "c",
            }
        ),
        "NotFound",
    ),
    (call.ExtendedTriggerMessage(requested_message="Heartbeat"), "Accepted"),
    (call.GetCompositeSchedule(connector_id=1, duration=60), "Accepted"),
    (call.GetCompositeSchedule(connector_id=3, duration=60), "Rejected"),
    (call.GetInstalledCertificateIds(certificate_type="ManufacturerRootCertificate"), "NotFound"),
    (
        call.GetLog(log={"remote_location": "ftp://example.org"}, log_type="SecurityLog", request_id=1),
        "Accepted",
    ),
    (
        call.InstallCertificate(certificate_type="ManufacturerRootCertificate", certificate=CERTIFICATE),
        "Accepted",
    ),
    (call.RemoteStartTransaction(id_tag="AFAR"), "Accepted"),
    (call.RemoteStartTransaction(id_tag="AFAR", connector_id=3), "Rejected"),
    (call.RemoteStopTransaction(transaction_id=4711), "Rejected"),
    (call.ReserveNow(connector_id=1, expiry_date=in_an_hour(), id_tag="T", reservation_id=1), "Accepted"),
    (call.ReserveNow(connector_id=3, expiry_date=in_an_hour(), id_tag="T", reservation_id=1), "Rejected"),
    (call.Reset(type="Soft"), "Accepted"),
    (call.SendLocalList(list_version=1, update_type="Full"), "Accepted"),
    (call.SendLocalList(list_version=0, update_type="Differential"), "VersionMismatch"),
    (call.SetChargingProfile(connector_id=0, cs_charging_profiles=PROFILE), "Accepted"),
    (call.SetChargingProfile(connector_id=3, cs_charging_profiles=PROFILE), "Rejected"),
    (
        call.SetChargingProfile(
            connector_id=1, cs_charging_profiles={**PROFILE, "charging_profile_purpose": "TxProfile"}
        ),
        "Rejected",
    ),
    (call.SignedUpdateFirmware(request_id=1, firmware=FIRMWARE), "Accepted"),
    (call.TriggerMessage(requested_message="MeterValues", connector_id=1), "Accepted"),
    (call.TriggerMessage(requested_message="MeterValues", connector_id=9), "Rejected"),
    (call.UnlockConnector(connector_id=1), "Unlocked"),
    (call.UnlockConnector(connector_id=3), "NotSupported"),
]


@pytest.mark.parametrize(("command", "status"), ANSWERS)
async def test_command_is_answered(system, lonely, command, status):
    assert (await system.command(command)).status == status
    assert lonely.counters.commands == 1


def test_every_command_is_tried():
    tried = {type(command).__name__ for command, _ in ANSWERS}
    without_status = {"GetConfiguration", "GetDiagnostics", "GetLocalListVersion", "UpdateFirmware"}
    assert len(tried | without_status) == 26
