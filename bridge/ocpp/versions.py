"""The OCPP versions that the bridge speaks: one row each.

What one version does otherwise than another stands here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ViolationKind = Literal["formation", "occurrence", "type", "property"]
"""What is wrong with a payload: its shape, a count or a missing field, a JSON type, a value out of range."""

FrameKind = Literal["frame", "message_type", "formation"]
"""What is wrong with a frame: it cannot be read, its message type is unknown, its payload is no object."""


# Compared by identity: a row is unique, and its mapping would make it unhashable otherwise.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Version:
    """One OCPP version.

    name: as in the configuration (`1.6`). subprotocol: as in Sec-WebSocket-Protocol (`ocpp1.6`).
    schemas, request_suffix: folder and file names (`v16/schemas/<Action><suffix>.json`) in the ocpp package.
    from_station, to_station: the actions that a station sends, and those that it is sent (sorted).
    sends: the actions that a station sends by SEND, which is never answered; () where there is no SEND, and no
    CALLRESULTERROR either. Their schemas have no suffix.
    unsupported: actions of a station that the version knows and the bridge does not serve.
    codes: what is wrong with a frame or a payload → this version's CALLERROR code.
    unknown_message_type: "ignore" such a frame, or answer it with a CALLERROR ("error").
    unreadable_id: the message id of the CALLERROR for a frame whose own id cannot be read; None: no answer.
    """

    name: str
    subprotocol: str
    schemas: str
    request_suffix: str
    from_station: frozenset[str]
    to_station: tuple[str, ...]
    sends: frozenset[str] = frozenset()
    unsupported: frozenset[str] = frozenset()
    codes: Mapping[ViolationKind | FrameKind, str]
    unknown_message_type: Literal["ignore", "error"]
    unreadable_id: str | None


_OCPP_16 = Version(
    name="1.6",
    subprotocol="ocpp1.6",
    schemas="v16",
    request_suffix="",
    from_station=frozenset(
        {
            "Authorize",
            "BootNotification",
            "DataTransfer",
            "DiagnosticsStatusNotification",
            "FirmwareStatusNotification",
            "Heartbeat",
            "LogStatusNotification",
            "MeterValues",
            "SecurityEventNotification",
            "SignCertificate",
            "SignedFirmwareStatusNotification",
            "StartTransaction",
            "StatusNotification",
            "StopTransaction",
        }
    ),
    to_station=(
        "CancelReservation",
        "CertificateSigned",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "SignedUpdateFirmware",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
    ),
    # "Occurence" is the spelling of OCPP-J 1.6 §4.2.3, and so of every 1.6 station.
    codes=MappingProxyType(
        {
            "frame": "FormationViolation",
            "message_type": "FormationViolation",
            "formation": "FormationViolation",
            "occurrence": "OccurenceConstraintViolation",
            "type": "TypeConstraintViolation",
            "property": "PropertyConstraintViolation",
        }
    ),
    unknown_message_type="ignore",  # OCPP-J 1.6 §4.1.3
    unreadable_id=None,
)

# OCPP 2.0.1 part 4 §4.3: the codes of both 2.x versions.
_CODES_2: Mapping[ViolationKind | FrameKind, str] = MappingProxyType(
    {
        "frame": "RpcFrameworkError",
        "message_type": "MessageTypeNotSupported",
        "formation": "FormatViolation",
        "occurrence": "OccurrenceConstraintViolation",
        "type": "TypeConstraintViolation",
        "property": "PropertyConstraintViolation",
    }
)

_OCPP_201 = Version(
    name="2.0.1",
    subprotocol="ocpp2.0.1",
    schemas="v201",
    request_suffix="Request",
    from_station=frozenset(
        {
            "Authorize",
            "BootNotification",
            "ClearedChargingLimit",
            "DataTransfer",
            "FirmwareStatusNotification",
            "Get15118EVCertificate",
            "GetCertificateStatus",
            "Heartbeat",
            "LogStatusNotification",
            "MeterValues",
            "NotifyChargingLimit",
            "NotifyCustomerInformation",
            "NotifyDisplayMessages",
            "NotifyEVChargingNeeds",
            "NotifyEVChargingSchedule",
            "NotifyEvent",
            "NotifyMonitoringReport",
            "NotifyReport",
            "PublishFirmwareStatusNotification",
            "ReportChargingProfiles",
            "ReservationStatusUpdate",
            "SecurityEventNotification",
            "SignCertificate",
            "StatusNotification",
            "TransactionEvent",
        }
    ),
    to_station=(
        "CancelReservation",
        "CertificateSigned",
        "ChangeAvailability",
        "ClearCache",
        "ClearChargingProfile",
        "ClearDisplayMessage",
        "ClearVariableMonitoring",
        "CostUpdated",
        "CustomerInformation",
        "DataTransfer",
        "DeleteCertificate",
        "GetBaseReport",
        "GetChargingProfiles",
        "GetCompositeSchedule",
        "GetDisplayMessages",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "GetMonitoringReport",
        "GetReport",
        "GetTransactionStatus",
        "GetVariables",
        "InstallCertificate",
        "PublishFirmware",
        "RequestStartTransaction",
        "RequestStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "SetDisplayMessage",
        "SetMonitoringBase",
        "SetMonitoringLevel",
        "SetNetworkProfile",
        "SetVariableMonitoring",
        "SetVariables",
        "TriggerMessage",
        "UnlockConnector",
        "UnpublishFirmware",
        "UpdateFirmware",
    ),
    codes=_CODES_2,
    unknown_message_type="error",
    unreadable_id="-1",
)

_OCPP_21 = Version(
    name="2.1",
    subprotocol="ocpp2.1",
    schemas="v21",
    request_suffix="Request",
    from_station=_OCPP_201.from_station
    | {
        "BatterySwap",
        "ClosePeriodicEventStream",
        "GetCertificateChainStatus",
        "NotifyDERAlarm",
        "NotifyDERStartStop",
        "NotifyPriorityCharging",
        "NotifySettlement",
        "OpenPeriodicEventStream",
        "PullDynamicScheduleUpdate",
        "ReportDERControl",
        "VatNumberValidation",
    },
    to_station=tuple(
        sorted(
            (
                *_OCPP_201.to_station,
                "AFRRSignal",
                "AdjustPeriodicEventStream",
                "ChangeTransactionTariff",
                "ClearDERControl",
                "ClearTariffs",
                "GetDERControl",
                "GetPeriodicEventStream",
                "GetTariffs",
                "NotifyAllowedEnergyTransfer",
                "NotifyWebPaymentStarted",
                "RequestBatterySwap",
                "SetDERControl",
                "SetDefaultTariff",
                "UpdateDynamicSchedule",
                "UsePriorityCharging",
            )
        )
    ),
    sends=frozenset({"NotifyPeriodicEventStream"}),
    codes=_CODES_2,
    unknown_message_type="ignore",  # OCPP 2.1 part 4 §4.1.3
    unreadable_id="-1",
)

VERSIONS: Mapping[str, Version] = MappingProxyType({row.name: row for row in (_OCPP_16, _OCPP_201, _OCPP_21)})
"""Version name → its row, the oldest version first."""


def negotiate(offered: Sequence[str], configured: Sequence[str]) -> Version | None:
    """The version to speak: the first of `configured` (names, best first) that the station offered.

    `offered` are the subprotocols of the handshake. The order of the bridge counts, not the station's. None:
    the two have no version in common. Subprotocols are case-sensitive (RFC 6455 §4.1).
    """
    for name in configured:
        version = VERSIONS.get(name)
        if version is not None and version.subprotocol in offered:
            return version
    return None
