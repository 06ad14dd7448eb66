"""Every command of OCPP 2.0.1 and 2.1 with a payload, an answer that means yes, and one that means no (None: there is
none).
"""

from typing import Any

TOKEN = {"idToken": "04A2B3", "type": "ISO14443"}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c"}
VARIABLE = {"component": {"name": "AlignedDataCtrlr"}, "variable": {"name": "Interval"}}
MONITOR = {**VARIABLE, "value": 5, "type": "Delta", "severity": 4}
MESSAGE = {"id": 1, "priority": "InFront", "message": {"format": "UTF8", "content": "Hello"}}
SCHEDULE = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}]}
PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [SCHEDULE],
}
NETWORK = {
    "ocppVersion": "OCPP20",
    "ocppTransport": "JSON",
    "ocppCsmsUrl": "wss://csms.example",
    "messageTimeout": 30,
    "securityProfile": 1,
    "ocppInterface": "Wired0",
}
TARIFF = {"tariffId": "T1", "currency": "EUR"}
YES, NO = {"status": "Accepted"}, {"status": "Rejected"}

Row = tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]


def listed(name: str, field: str, **entry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Answers with a status in each entry of a list."""
    return {name: [{field: "Accepted", **entry}]}, {name: [{field: "Rejected", **entry}]}


ACTIONS_201: dict[str, Row] = {
    "CancelReservation": ({"reservationId": 7}, YES, NO),
    "CertificateSigned": (
        {"certificateChain": "-----BEGIN", "certificateType": "ChargingStationCertificate"},
        YES,
        NO,
    ),
    "ChangeAvailability": ({"operationalStatus": "Inoperative"}, {"status": "Scheduled"}, NO),
    "ClearCache": ({}, YES, NO),
    "ClearChargingProfile": ({"chargingProfileId": 1}, YES, {"status": "Unknown"}),
    "ClearDisplayMessage": ({"id": 1}, YES, {"status": "Unknown"}),
    "ClearVariableMonitoring": ({"id": [1]}, *listed("clearMonitoringResult", "status", id=1)),
    "CostUpdated": ({"totalCost": 1.25, "transactionId": "T1"}, {}, None),
    "CustomerInformation": ({"requestId": 1, "report": True, "clear": False, "idToken": TOKEN}, YES, NO),
    "DataTransfer": ({"vendorId": "V", "data": {"aB": [1, "x"]}}, YES, {"status": "UnknownVendorId"}),
    "DeleteCertificate": ({"certificateHashData": HASH}, YES, {"status": "NotFound"}),
    "GetBaseReport": ({"requestId": 1, "reportBase": "FullInventory"}, YES, {"status": "EmptyResultSet"}),
    "GetChargingProfiles": ({"requestId": 1, "chargingProfile": {"stackLevel": 0}}, YES, {"status": "NoProfiles"}),
    "GetCompositeSchedule": ({"duration": 60, "evseId": 1}, YES, NO),
    "GetDisplayMessages": ({"requestId": 1, "priority": "InFront"}, YES, {"status": "Unknown"}),
    "GetInstalledCertificateIds": ({"certificateType": ["CSMSRootCertificate"]}, YES, {"status": "NotFound"}),
    "GetLocalListVersion": ({}, {"versionNumber": 3}, None),
    "GetLog": (
        {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://h/x"}},
        {"status": "AcceptedCanceled"},
        NO,
    ),
    "GetMonitoringReport": ({"requestId": 1}, YES, {"status": "NotSupported"}),
    "GetReport": ({"requestId": 1, "componentVariable": [VARIABLE]}, YES, {"status": "EmptyResultSet"}),
    "GetTransactionStatus": ({"transactionId": "T1"}, {"ongoingIndicator": True, "messagesInQueue": False}, None),
    "GetVariables": (
        {"getVariableData": [VARIABLE]},
        *listed("getVariableResult", "attributeStatus", **VARIABLE),
    ),
    "InstallCertificate": (
        {"certificateType": "CSMSRootCertificate", "certificate": "-----BEGIN"},
        YES,
        {"status": "Failed"},
    ),
    "PublishFirmware": ({"location": "http://h/x", "checksum": "abc", "requestId": 1}, YES, NO),
    "RequestStartTransaction": (
        {"idToken": TOKEN, "remoteStartId": 7, "evseId": 1, "chargingProfile": PROFILE},
        {"status": "Accepted", "transactionId": "T1"},
        NO,
    ),
    "RequestStopTransaction": ({"transactionId": "T1"}, YES, NO),
    "ReserveNow": (
        {"id": 7, "expiryDateTime": "2026-01-01T00:00:00Z", "idToken": TOKEN},
        YES,
        {"status": "Occupied"},
    ),
    "Reset": ({"type": "OnIdle"}, {"status": "Scheduled"}, NO),
    "SendLocalList": ({"versionNumber": 3, "updateType": "Full"}, YES, {"status": "VersionMismatch"}),
    "SetChargingProfile": ({"evseId": 1, "chargingProfile": PROFILE}, YES, NO),
    "SetDisplayMessage": ({"message": MESSAGE}, YES, {"status": "NotSupportedPriority"}),
    "SetMonitoringBase": ({"monitoringBase": "All"}, YES, {"status": "NotSupported"}),
    "SetMonitoringLevel": ({"severity": 4}, YES, NO),
    "SetNetworkProfile": ({"configurationSlot": 1, "connectionData": NETWORK}, YES, {"status": "Failed"}),
    "SetVariableMonitoring": (
        {"setMonitoringData": [MONITOR]},
        *listed("setMonitoringResult", "status", **VARIABLE, type="Delta", severity=4),
    ),
    "SetVariables": (
        {"setVariableData": [{**VARIABLE, "attributeValue": "60"}]},
        *listed("setVariableResult", "attributeStatus", **VARIABLE),
    ),
    "TriggerMessage": ({"requestedMessage": "Heartbeat"}, YES, {"status": "NotImplemented"}),
    "UnlockConnector": ({"evseId": 1, "connectorId": 1}, {"status": "Unlocked"}, {"status": "UnlockFailed"}),
    "UnpublishFirmware": ({"checksum": "abc"}, {"status": "Unpublished"}, {"status": "NoFirmware"}),
    "UpdateFirmware": (
        {"requestId": 1, "firmware": {"location": "http://h/x", "retrieveDateTime": "2026-01-01T00:00:00Z"}},
        YES,
        {"status": "InvalidCertificate"},
    ),
}

ACTIONS_21: dict[str, Row] = ACTIONS_201 | {
    "AFRRSignal": ({"timestamp": "2026-01-01T00:00:00Z", "signal": -5}, YES, NO),
    "AdjustPeriodicEventStream": ({"id": 1, "params": {"interval": 5, "values": 10}}, YES, NO),
    "ChangeTransactionTariff": ({"tariff": TARIFF, "transactionId": "T1"}, YES, {"status": "TxNotFound"}),
    "ClearDERControl": ({"isDefault": True, "controlType": "FreqDroop"}, YES, {"status": "NotFound"}),
    "ClearTariffs": ({"tariffIds": ["T1"]}, *listed("clearTariffsResult", "status", tariffId="T1")),
    "GetDERControl": ({"requestId": 1, "isDefault": True}, YES, {"status": "NotFound"}),
    "GetPeriodicEventStream": ({}, {}, None),
    "GetTariffs": ({"evseId": 1}, YES, {"status": "NoTariff"}),
    "NotifyAllowedEnergyTransfer": ({"transactionId": "T1", "allowedEnergyTransfer": ["DC"]}, YES, NO),
    "NotifyWebPaymentStarted": ({"evseId": 1, "timeout": 60}, {}, None),
    "RequestBatterySwap": ({"idToken": TOKEN, "requestId": 1}, YES, NO),
    "SetDERControl": (
        {
            "isDefault": True,
            "controlId": "C1",
            "controlType": "Gradients",
            "gradient": {"priority": 0, "gradient": 5, "softGradient": 1},
        },
        YES,
        {"status": "NotSupported"},
    ),
    "SetDefaultTariff": ({"evseId": 1, "tariff": TARIFF}, YES, {"status": "DuplicateTariffId"}),
    "UpdateDynamicSchedule": ({"chargingProfileId": 1, "scheduleUpdate": {"limit": 16.0}}, YES, NO),
    "UsePriorityCharging": ({"transactionId": "T1", "activate": True}, YES, {"status": "NoProfile"}),
}

ACTIONS: dict[str, dict[str, Row]] = {"2.0.1": ACTIONS_201, "2.1": ACTIONS_21}

#: commands that stand at the connector, and what Connector2_3 fills in
EVSE = {"evseId": 2}
AT_CONNECTOR_201: dict[str, dict[str, Any]] = {
    "ChangeAvailability": {"evse": {"id": 2, "connectorId": 3}},
    "GetChargingProfiles": EVSE,
    "GetCompositeSchedule": EVSE,
    "RequestStartTransaction": EVSE,
    "RequestStopTransaction": {},
    "ReserveNow": EVSE,
    "Reset": EVSE,
    "SetChargingProfile": EVSE,
    "TriggerMessage": {"evse": {"id": 2, "connectorId": 3}},
    "UnlockConnector": {"evseId": 2, "connectorId": 3},
}
AT_CONNECTOR: dict[str, dict[str, dict[str, Any]]] = {
    "2.0.1": AT_CONNECTOR_201,
    "2.1": AT_CONNECTOR_201
    | {"ClearTariffs": EVSE, "GetTariffs": EVSE, "NotifyWebPaymentStarted": EVSE, "SetDefaultTariff": EVSE},
}
