"""Every message that a 2.x station sends: its payload, the points that change, and the answer where it says something.

A station sends them in this order, after it has booted and Connector1 has the running transaction T1.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

TIME = "2026-05-04T03:02:01.000Z"
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
EVSE = {"id": 1, "connectorId": 1}
TOKEN = {"idToken": "04A2B3", "type": "ISO14443"}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "n", "issuerKeyHash": "k", "serialNumber": "s"}
OCSP = HASH | {"responderURL": "http://ocsp.example"}
VARIABLE = {"component": {"name": "Ctrlr"}, "variable": {"name": "Interval"}}
SCHEDULE = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}
PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [SCHEDULE],
}
OWN = {"customData": {"vendorId": "com.example", "snake_case": 1, "CamelCase": [True, None]}}


class Message(NamedTuple):
    """`points` are those below the station with their values; None for any value that is Good."""

    action: str
    payload: dict[str, Any]
    points: Mapping[str, Any] = MappingProxyType({})
    answer: dict[str, Any] | None = None


def _part(**fields: Any) -> dict[str, Any]:
    return {"requestId": 5, "generatedAt": TIME, "seqNo": 0, "tbc": False, **fields}


MESSAGES_201: tuple[Message, ...] = (
    Message("Heartbeat", OWN, {"State.LastHeartbeat": None}),
    Message("Authorize", {"idToken": TOKEN} | OWN, {}, {"idTokenInfo": {"status": "Accepted"}}),
    Message(
        "StatusNotification",
        {"timestamp": TIME, "connectorStatus": "Reserved", "evseId": 3, "connectorId": 1},
        {"Connector3.Status.StateText": "Reserved", "Connector3.Status.Time": AT},
    ),
    Message(
        "TransactionEvent",
        {
            "eventType": "Started",
            "timestamp": TIME,
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "T4", "chargingState": "Charging", "remoteStartId": 7},
            "evse": {"id": 4, "connectorId": 1},
            "idToken": TOKEN,
            "reservationId": 9,
        },
        {
            "Connector4.Transaction.Start.Id": "T4",
            "Connector4.Transaction.Start.RemoteStartId": 7,
            "Connector4.Transaction.Start.ReservationId": 9,
            "Connector4.Status.StateText": "Charging",
        },
        {"idTokenInfo": {"status": "Accepted"}},
    ),
    Message(
        "MeterValues",
        {
            "evseId": 1,
            "meterValue": [
                {
                    "timestamp": TIME,
                    "sampledValue": [
                        {
                            "value": 11.04,
                            "measurand": "Power.Active.Import",
                            "unitOfMeasure": {"unit": "W", "multiplier": 3},
                        },
                        {"value": 2304, "measurand": "Voltage", "phase": "L1-N", "unitOfMeasure": {"multiplier": -1}},
                        {"value": 50, "measurand": "SoC", "location": "EV", "unitOfMeasure": {"unit": "Percent"}},
                    ],
                }
            ],
        },
        {
            "Connector1.MeterValues.Power.Active.Import": 11040.0,
            "Connector1.MeterValues.Voltage.L1-N": 230.4,
            "Connector1.MeterValues.SoC": 50.0,
            "Connector1.MeterValues.Time": AT,
        },
    ),
    Message(
        "ClearedChargingLimit", {"chargingLimitSource": "SO", "evseId": 1}, {"Connector1.ChargingLimit.Active": False}
    ),
    Message(
        "NotifyChargingLimit",
        {
            "chargingLimit": {"chargingLimitSource": "EMS", "isGridCritical": True},
            "evseId": 1,
            "chargingSchedule": [SCHEDULE],
        },
        {
            "Connector1.ChargingLimit.Active": True,
            "Connector1.ChargingLimit.Source": "EMS",
            "Connector1.ChargingLimit.GridCritical": True,
            "Connector1.ChargingLimit.Schedule": None,
        },
    ),
    Message("DataTransfer", {"vendorId": "V", "data": {"a_b": 1}}, {}, {"status": "UnknownVendorId"}),
    Message("FirmwareStatusNotification", {"status": "Downloading"}, {"State.FirmwareStatusText": "Downloading"}),
    Message(
        "Get15118EVCertificate",
        {"iso15118SchemaVersion": "urn:iso:15118:2", "action": "Install", "exiRequest": "eA=="},
        {},
        {"status": "Failed", "exiResponse": ""},
    ),
    Message("GetCertificateStatus", {"ocspRequestData": OCSP}, {}, {"status": "Failed"}),
    Message("LogStatusNotification", {"status": "Uploading", "requestId": 2}, {"State.LogStatusText": "Uploading"}),
    Message(
        "NotifyCustomerInformation",
        {"requestId": 5, "generatedAt": TIME, "seqNo": 0, "data": "all of it"},
        {"Reports.CustomerInformation": "all of it"},
    ),
    Message(
        "NotifyDisplayMessages",
        {
            "requestId": 5,
            "messageInfo": [{"id": 1, "priority": "InFront", "message": {"format": "UTF8", "content": "Hello"}}],
        },
        {"Reports.DisplayMessages": None},
    ),
    Message(
        "NotifyEVChargingNeeds",
        {
            "evseId": 1,
            "chargingNeeds": {
                "requestedEnergyTransfer": "AC_three_phase",
                "departureTime": TIME,
                "acChargingParameters": {
                    "energyAmount": 20000,
                    "evMinCurrent": 6,
                    "evMaxCurrent": 32,
                    "evMaxVoltage": 400,
                },
            },
        },
        {
            "Connector1.EV.EnergyTransfer": "AC_three_phase",
            "Connector1.EV.DepartureTime": AT,
            "Connector1.EV.RequestedEnergy": 20000.0,
        },
        {"status": "Rejected"},
    ),
    Message(
        "NotifyEVChargingSchedule",
        {"timeBase": TIME, "evseId": 1, "chargingSchedule": SCHEDULE},
        {"Connector1.EV.Schedule": None},
        {"status": "Accepted"},
    ),
    Message(
        "NotifyReport",
        _part(
            reportData=[
                VARIABLE
                | {
                    "variableAttribute": [{"value": "900", "mutability": "ReadWrite"}],
                    "variableCharacteristics": {"dataType": "integer", "unit": "s", "supportsMonitoring": True},
                }
            ]
        ),
        {"Configuration.Ctrlr.Interval": 900},
    ),
    Message(
        "NotifyEvent",
        {
            "generatedAt": TIME,
            "seqNo": 0,
            "eventData": [
                VARIABLE
                | {
                    "eventId": 1,
                    "timestamp": TIME,
                    "trigger": "Delta",
                    "actualValue": "60",
                    "eventNotificationType": "CustomMonitor",
                },
                {
                    "component": {"name": "Connector", "evse": EVSE},
                    "variable": {"name": "ConnectorLock"},
                    "eventId": 2,
                    "timestamp": TIME,
                    "trigger": "Alerting",
                    "actualValue": "true",
                    "techCode": "CX001",
                    "techInfo": "it does not hold",
                    "eventNotificationType": "HardWiredNotification",
                },
            ],
        },
        {
            "Configuration.Ctrlr.Interval": 60,
            "Connector1.Status.ErrorCode": "CX001",
            "Connector1.Status.Info": "it does not hold",
        },
    ),
    Message(
        "NotifyMonitoringReport",
        _part(
            monitor=[
                VARIABLE
                | {"variableMonitoring": [{"id": 9, "transaction": False, "value": 5, "type": "Delta", "severity": 4}]}
            ]
        ),
        {"Reports.Monitors": None},
    ),
    Message(
        "PublishFirmwareStatusNotification",
        {"status": "Published", "location": ["http://10.0.0.2/fw"], "requestId": 3},
        {"State.PublishFirmwareStatusText": "Published"},
    ),
    Message(
        "ReportChargingProfiles",
        {"requestId": 5, "chargingLimitSource": "CSO", "evseId": 1, "chargingProfile": [PROFILE]},
        {"Reports.ChargingProfiles": None},
    ),
    Message(
        "ReservationStatusUpdate",
        {"reservationId": 9, "reservationUpdateStatus": "Expired"},
        {"Reservation.LastUpdate.Id": 9, "Reservation.LastUpdate.Status": "Expired"},
    ),
    Message(
        "SecurityEventNotification",
        {"type": "SettingSystemTime", "timestamp": TIME, "techInfo": "by NTP"},
        {
            "Security.LastEvent.Type": "SettingSystemTime",
            "Security.LastEvent.Time": AT,
            "Security.LastEvent.TechInfo": "by NTP",
        },
    ),
    Message("SignCertificate", {"csr": "-----BEGIN", "certificateType": "V2GCertificate"}, {}, {"status": "Rejected"}),
    Message(
        "BootNotification",
        {
            "reason": "FirmwareUpdate",
            "chargingStation": {
                "model": "M2",
                "vendorName": "V2",
                "serialNumber": "S2",
                "firmwareVersion": "2.0",
                "modem": {"iccid": "8949", "imsi": "2620"},
            }
            | OWN,
        },
        {
            "Info.Model": "M2",
            "Info.Vendor": "V2",
            "Info.SerialNumber": "S2",
            "Info.FirmwareVersion": "2.0",
            "Info.Iccid": "8949",
            "Info.Imsi": "2620",
            "State.BootReason": "FirmwareUpdate",
            "State.LastBoot": None,
        },
    ),
)

#: what 2.1 demands beside that
_CHANGED_IN_21: dict[str, dict[str, Any]] = {
    "NotifyEvent": {
        "eventData": [
            entry | {"severity": 4}
            for message in MESSAGES_201
            if message.action == "NotifyEvent"
            for entry in message.payload["eventData"]
        ]
    },
    "NotifyMonitoringReport": {
        "monitor": [
            VARIABLE
            | {
                "variableMonitoring": [
                    {
                        "id": 9,
                        "transaction": False,
                        "value": 5,
                        "type": "Delta",
                        "severity": 4,
                        "eventNotificationType": "CustomMonitor",
                    }
                ]
            }
        ]
    },
}
_SETTLED = {
    "transactionId": "T1",
    "pspRef": "P-1",
    "status": "Settled",
    "settlementAmount": 12.5,
    "settlementTime": TIME,
}

MESSAGES_21: tuple[Message, ...] = (
    *(found._replace(payload=found.payload | _CHANGED_IN_21.get(found.action, {})) for found in MESSAGES_201),
    Message(
        "BatterySwap",
        {
            "batteryData": [{"evseId": 1, "serialNumber": "B1", "soC": 20.0, "soH": 97.5}],
            "eventType": "BatteryIn",
            "idToken": TOKEN,
            "requestId": 4,
        },
    ),
    Message(
        "OpenPeriodicEventStream",
        {"constantStreamData": {"id": 4, "variableMonitoringId": 9, "params": {"interval": 5}}},
        {},
        {"status": "Accepted"},
    ),
    Message("ClosePeriodicEventStream", {"id": 4}),
    Message(
        "GetCertificateChainStatus",
        {
            "certificateStatusRequests": [
                {"source": "OCSP", "urls": ["http://ocsp.example"], "certificateHashData": HASH}
            ]
        },
    ),
    Message(
        "NotifyDERAlarm",
        {
            "controlType": "HVMustTrip",
            "gridEventFault": "OverVoltage",
            "alarmEnded": False,
            "timestamp": TIME,
            "extraInfo": "L2",
        },
        {
            "DER.LastAlarm.Type": "HVMustTrip",
            "DER.LastAlarm.Fault": "OverVoltage",
            "DER.LastAlarm.Ended": False,
            "DER.LastAlarm.Time": AT,
            "DER.LastAlarm.Info": "L2",
        },
    ),
    Message(
        "NotifyDERStartStop",
        {"controlId": "C1", "started": True, "timestamp": TIME},
        {"DER.LastControl.Id": "C1", "DER.LastControl.Started": True, "DER.LastControl.Time": AT},
    ),
    Message(
        "NotifyPriorityCharging",
        {"transactionId": "T1", "activated": True},
        {"Connector1.Transaction.PriorityCharging": True},
    ),
    Message(
        "NotifySettlement",
        _SETTLED,
        {
            "Payment.LastSettlement.TransactionId": "T1",
            "Payment.LastSettlement.Status": "Settled",
            "Payment.LastSettlement.Amount": 12.5,
            "Payment.LastSettlement.Time": AT,
            "Payment.LastSettlement.Reference": "P-1",
        },
    ),
    Message("PullDynamicScheduleUpdate", {"chargingProfileId": 1}, {}, {"status": "Rejected"}),
    Message(
        "ReportDERControl",
        {
            "requestId": 5,
            "gradient": [{"id": "C1", "gradient": {"priority": 0, "gradient": 5.0, "softGradient": 1.0}}],
        },
        {"Reports.DERControls": None},
    ),
    Message(
        "VatNumberValidation",
        {"vatNumber": "DE123", "evseId": 1},
        {},
        {"vatNumber": "DE123", "status": "Rejected", "evseId": 1},
    ),
)

MESSAGES = {"2.0.1": MESSAGES_201, "2.1": MESSAGES_21}
