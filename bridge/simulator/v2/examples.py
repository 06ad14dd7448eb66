"""Messages that a simulated station sends only when it is asked for an example of them.

By TriggerMessage with CustomTrigger and the action's name (2.1), or by DataTransfer of the vendor SIM with the
action's name as its message id.
"""

from collections.abc import Mapping
from typing import Any

from bridge.simulator.timing import timestamp

NOW = object()  # stands for the time of sending

HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "ab" * 32,
    "issuerKeyHash": "cd" * 32,
    "serialNumber": "0123456789abcdef",
}
SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "A",
    "duration": 3600,
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 1800, "limit": 10.0}],
}
TOKEN = {"idToken": "TAG-1", "type": "ISO14443"}

#: action → since, the version that has it first; payload
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "ClearedChargingLimit": {"payload": {"chargingLimitSource": "EMS", "evseId": 1}},
    "Get15118EVCertificate": {
        "payload": {
            "iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef",
            "action": "Install",
            "exiRequest": "gAAAAA==",
        }
    },
    "GetCertificateStatus": {"payload": {"ocspRequestData": {**HASH, "responderURL": "https://ocsp.example.org"}}},
    "NotifyChargingLimit": {
        "payload": {
            "evseId": 1,
            "chargingLimit": {"chargingLimitSource": "EMS", "isGridCritical": False},
            "chargingSchedule": [SCHEDULE],
        }
    },
    "NotifyEVChargingNeeds": {
        "payload": {
            "evseId": 1,
            "maxScheduleTuples": 16,
            "chargingNeeds": {
                "requestedEnergyTransfer": "AC_three_phase",
                "acChargingParameters": {
                    "energyAmount": 20000,
                    "evMinCurrent": 6,
                    "evMaxCurrent": 32,
                    "evMaxVoltage": 400,
                },
            },
        }
    },
    "NotifyEVChargingSchedule": {"payload": {"timeBase": NOW, "evseId": 1, "chargingSchedule": SCHEDULE}},
    "NotifyEvent": {
        "payload": {
            "generatedAt": NOW,
            "seqNo": 0,
            "tbc": False,
            "eventData": [
                {
                    "eventId": 1000000,
                    "timestamp": NOW,
                    "trigger": "Alerting",
                    "actualValue": "true",
                    "techCode": "E042",
                    "techInfo": "The lock of the plug is stuck",
                    "eventNotificationType": "HardWiredNotification",
                    "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}},
                    "variable": {"name": "Tripped"},
                }
            ],
        }
    },
    "PublishFirmwareStatusNotification": {
        "payload": {"status": "Published", "location": ["https://example.org/fw"], "requestId": 1}
    },
    "ReservationStatusUpdate": {"payload": {"reservationId": 1, "reservationUpdateStatus": "Removed"}},
    "SecurityEventNotification": {
        "payload": {"type": "TamperDetectionActivated", "timestamp": NOW, "techInfo": "The door is open"}
    },
    "BatterySwap": {
        "since": "2.1",
        "payload": {
            "batteryData": [{"evseId": 1, "serialNumber": "B-1", "soC": 12.5, "soH": 98.0}],
            "eventType": "BatteryIn",
            "idToken": TOKEN,
            "requestId": 1,
        },
    },
    "ClosePeriodicEventStream": {"since": "2.1", "payload": {"id": 1}},
    "GetCertificateChainStatus": {
        "since": "2.1",
        "payload": {
            "certificateStatusRequests": [
                {"certificateHashData": HASH, "source": "OCSP", "urls": ["https://ocsp.example.org"]}
            ]
        },
    },
    "NotifyDERAlarm": {
        "since": "2.1",
        "payload": {
            "controlType": "HVMustTrip",
            "gridEventFault": "OverVoltage",
            "alarmEnded": False,
            "timestamp": NOW,
            "extraInfo": "253 V",
        },
    },
    "NotifyDERStartStop": {"since": "2.1", "payload": {"controlId": "C-1", "started": True, "timestamp": NOW}},
    "NotifyPriorityCharging": {"since": "2.1", "payload": {"transactionId": "T-1", "activated": True}},
    "NotifySettlement": {
        "since": "2.1",
        "payload": {
            "transactionId": "T-1",
            "pspRef": "PSP-1",
            "status": "Settled",
            "settlementAmount": 12.34,
            "settlementTime": NOW,
            "receiptId": "R-1",
            "receiptUrl": "https://example.org/receipts/R-1",
        },
    },
    "OpenPeriodicEventStream": {
        "since": "2.1",
        "payload": {
            "constantStreamData": {"id": 1, "params": {"interval": 60, "values": 10}, "variableMonitoringId": 1}
        },
    },
    "PullDynamicScheduleUpdate": {"since": "2.1", "payload": {"chargingProfileId": 1}},
    "ReportDERControl": {
        "since": "2.1",
        "payload": {
            "requestId": 1,
            "gradient": [{"id": "C-1", "gradient": {"priority": 1, "gradient": 5.0, "softGradient": 2.0}}],
        },
    },
    "VatNumberValidation": {"since": "2.1", "payload": {"vatNumber": "DE123456789", "evseId": 1}},
}


def example(action: str) -> dict[str, Any]:
    """The payload, as of now. Raises KeyError."""
    return {name: _dated(part) for name, part in EXAMPLES[action]["payload"].items()}


def _dated(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _dated(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_dated(part) for part in value]
    return timestamp() if value is NOW else value
