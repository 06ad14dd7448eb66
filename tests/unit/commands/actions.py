"""The 26 commands of OCPP 1.6: what is sent, what a station answers for yes, and for no (None: it cannot say no)."""

from typing import Any, NamedTuple

YES, NO = {"status": "Accepted"}, {"status": "Rejected"}
SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}]}
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "n", "issuerKeyHash": "k", "serialNumber": "s"}
TIME = "2027-01-15T08:00:00Z"
FIRMWARE = {"location": "l", "retrieveDateTime": TIME, "signingCertificate": "c", "signature": "s"}


class Action(NamedTuple):
    payload: dict[str, Any]
    yes: dict[str, Any] = YES
    no: dict[str, Any] | None = NO


ACTIONS: dict[str, Action] = {
    "CancelReservation": Action({"reservationId": 3}),
    "CertificateSigned": Action({"certificateChain": "CERT"}),
    "ChangeAvailability": Action({"connectorId": 1, "type": "Inoperative"}, {"status": "Scheduled"}),
    "ChangeConfiguration": Action({"key": "K", "value": "1"}, {"status": "RebootRequired"}, {"status": "NotSupported"}),
    "ClearCache": Action({}),
    "ClearChargingProfile": Action(
        {"id": 1, "connectorId": 1, "chargingProfilePurpose": "TxProfile", "stackLevel": 2}, no={"status": "Unknown"}
    ),
    "DataTransfer": Action(
        {"vendorId": "V", "messageId": "m", "data": "d"},
        {"status": "Accepted", "data": "e"},
        {"status": "UnknownVendorId"},
    ),
    "DeleteCertificate": Action({"certificateHashData": HASH}, no={"status": "NotFound"}),
    "ExtendedTriggerMessage": Action(
        {"requestedMessage": "MeterValues", "connectorId": 1}, no={"status": "NotImplemented"}
    ),
    "GetCompositeSchedule": Action(
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"},
        {"status": "Accepted", "connectorId": 1, "chargingSchedule": SCHEDULE},
    ),
    "GetConfiguration": Action(
        {"key": ["K"]}, {"configurationKey": [{"key": "K", "readonly": False, "value": "1"}]}, None
    ),
    "GetDiagnostics": Action(
        {"location": "ftp://x", "retries": 1, "retryInterval": 2, "startTime": TIME, "stopTime": TIME},
        {"fileName": "f"},
        None,
    ),
    "GetInstalledCertificateIds": Action(
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted", "certificateHashData": [HASH]},
        {"status": "NotFound"},
    ),
    "GetLocalListVersion": Action({}, {"listVersion": 4}, None),
    "GetLog": Action(
        {"log": {"remoteLocation": "ftp://x"}, "logType": "SecurityLog", "requestId": 1},
        {"status": "AcceptedCanceled"},
    ),
    "InstallCertificate": Action(
        {"certificateType": "ManufacturerRootCertificate", "certificate": "C"}, no={"status": "Failed"}
    ),
    "RemoteStartTransaction": Action({"idTag": "T", "connectorId": 1, "chargingProfile": PROFILE}),
    "RemoteStopTransaction": Action({"transactionId": 7}),
    "ReserveNow": Action(
        {"connectorId": 1, "expiryDate": TIME, "idTag": "T", "reservationId": 3, "parentIdTag": "P"},
        no={"status": "Occupied"},
    ),
    "Reset": Action({"type": "Hard"}),
    "SendLocalList": Action(
        {"listVersion": 2, "updateType": "Full", "localAuthorizationList": [{"idTag": "T"}]},
        no={"status": "VersionMismatch"},
    ),
    "SetChargingProfile": Action({"connectorId": 1, "csChargingProfiles": PROFILE}, no={"status": "NotSupported"}),
    "SignedUpdateFirmware": Action({"requestId": 1, "firmware": FIRMWARE}, no={"status": "InvalidCertificate"}),
    "TriggerMessage": Action(
        {"requestedMessage": "StatusNotification", "connectorId": 1}, no={"status": "NotImplemented"}
    ),
    "UnlockConnector": Action({"connectorId": 1}, {"status": "Unlocked"}, {"status": "UnlockFailed"}),
    "UpdateFirmware": Action({"location": "ftp://x", "retrieveDate": TIME, "retries": 1, "retryInterval": 2}, {}, None),
}

#: the commands that stand at a connector too; the bridge fills in their connectorId there
AT_CONNECTOR = {action for action, (payload, _, _) in ACTIONS.items() if "connectorId" in payload}
