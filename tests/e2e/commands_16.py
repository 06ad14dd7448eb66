"""The 26 commands of OCPP 1.6 (§5 and the security whitepaper): what is asked, and what a station answers."""

import json
from dataclasses import dataclass, field
from typing import Any

HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "01"}
SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}]}
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}
LOG = {"remoteLocation": "ftp://depot.example/logs"}
FIRMWARE = {
    "location": "https://depot.example/fw.bin",
    "retrieveDateTime": "2026-01-31T12:00:00Z",
    "signingCertificate": "CERT",
    "signature": "SIGNATURE",
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: its payload, what a station answers for yes, and for no (None: it cannot say no)."""

    action: str
    payload: dict[str, Any] = field(default_factory=dict)
    yes: dict[str, Any] = field(default_factory=lambda: {"status": "Accepted"})
    no: dict[str, Any] | None = field(default_factory=lambda: {"status": "Rejected"})
    connector: bool = False

    def parameters(self) -> dict[str, Any]:
        """What is written to the points: by the points' names, objects and arrays as JSON."""
        return {
            name[0].upper() + name[1:]: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in self.payload.items()
        }


COMMANDS = (
    Command(action="CancelReservation", payload={"reservationId": 7}),
    Command(action="CertificateSigned", payload={"certificateChain": "CERT"}),
    Command(
        action="ChangeAvailability",
        payload={"connectorId": 1, "type": "Inoperative"},
        yes={"status": "Scheduled"},
        connector=True,
    ),
    Command(
        action="ChangeConfiguration",
        payload={"key": "MeterValueSampleInterval", "value": "30"},
        yes={"status": "RebootRequired"},
        no={"status": "NotSupported"},
    ),
    Command(action="ClearCache"),
    Command(action="ClearChargingProfile", payload={"connectorId": 1}, no={"status": "Unknown"}, connector=True),
    Command(
        action="DataTransfer",
        payload={"vendorId": "Vendor", "data": "x"},
        yes={"status": "Accepted", "data": "y"},
        no={"status": "UnknownVendorId"},
    ),
    Command(action="DeleteCertificate", payload={"certificateHashData": HASH}, no={"status": "NotFound"}),
    Command(
        action="ExtendedTriggerMessage",
        payload={"requestedMessage": "Heartbeat", "connectorId": 1},
        no={"status": "NotImplemented"},
        connector=True,
    ),
    Command(
        action="GetCompositeSchedule",
        payload={"connectorId": 1, "duration": 600},
        yes={"status": "Accepted", "connector_id": 1, "charging_schedule": SCHEDULE},
        connector=True,
    ),
    Command(
        action="GetConfiguration",
        payload={"key": ["HeartbeatInterval"]},
        yes={"configuration_key": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}]},
        no=None,
    ),
    Command(
        action="GetDiagnostics",
        payload={"location": "ftp://depot.example/diagnostics"},
        yes={"file_name": "d.zip"},
        no=None,
    ),
    Command(
        action="GetInstalledCertificateIds",
        payload={"certificateType": "CentralSystemRootCertificate"},
        yes={"status": "Accepted", "certificate_hash_data": [HASH]},
        no={"status": "NotFound"},
    ),
    Command(action="GetLocalListVersion", yes={"list_version": 3}, no=None),
    Command(
        action="GetLog",
        payload={"log": LOG, "logType": "DiagnosticsLog", "requestId": 5},
        yes={"status": "AcceptedCanceled", "filename": "log.txt"},
    ),
    Command(
        action="InstallCertificate",
        payload={"certificateType": "ManufacturerRootCertificate", "certificate": "CERT"},
        no={"status": "Failed"},
    ),
    Command(action="RemoteStartTransaction", payload={"idTag": "TAG1", "connectorId": 1}, connector=True),
    Command(action="RemoteStopTransaction", payload={"transactionId": 42}),
    Command(
        action="ReserveNow",
        payload={
            "connectorId": 1,
            "expiryDate": "2026-01-31T12:00:00Z",
            "idTag": "TAG1",
            "reservationId": 7,
        },
        no={"status": "Occupied"},
        connector=True,
    ),
    Command(action="Reset", payload={"type": "Soft"}),
    Command(
        action="SendLocalList",
        payload={
            "listVersion": 4,
            "updateType": "Full",
            "localAuthorizationList": [{"idTag": "TAG1", "idTagInfo": {"status": "Accepted"}}],
        },
        no={"status": "VersionMismatch"},
    ),
    Command(
        action="SetChargingProfile",
        payload={"connectorId": 1, "csChargingProfiles": PROFILE},
        no={"status": "NotSupported"},
        connector=True,
    ),
    Command(
        action="SignedUpdateFirmware",
        payload={"requestId": 6, "firmware": FIRMWARE},
        no={"status": "InvalidCertificate"},
    ),
    Command(
        action="TriggerMessage",
        payload={"requestedMessage": "StatusNotification", "connectorId": 1},
        no={"status": "NotImplemented"},
        connector=True,
    ),
    Command(
        action="UnlockConnector",
        payload={"connectorId": 1},
        yes={"status": "Unlocked"},
        no={"status": "UnlockFailed"},
        connector=True,
    ),
    Command(
        action="UpdateFirmware",
        payload={"location": "ftp://depot.example/fw.bin", "retrieveDate": "2026-01-31T12:00:00Z"},
        yes={},
        no=None,
    ),
)
