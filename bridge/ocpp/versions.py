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

VERSIONS: Mapping[str, Version] = MappingProxyType({row.name: row for row in (_OCPP_16,)})
"""Version name → its row."""


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
