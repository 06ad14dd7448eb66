"""Messages of stations that are events as well as values of points."""

from collections.abc import Mapping
from typing import Any

from bridge.ocpp.secrets import masked_values
from bridge.points.events import Event
from bridge.points.tree import Group, Tree
from bridge.station.context import Answer, Context
from bridge.station.fields import optional_integer, optional_text
from bridge.station.known import Known

#: security events that tell of somebody who means harm (OCPP 2.0.1 part 2, appendix 1: those that are critical)
_CRITICAL = 800
CRITICAL = frozenset(
    {
        "AttemptedReplayAttacks",
        "FailedToAuthenticateAtCentralSystem",
        "FailedToAuthenticateAtCsms",
        "InvalidCentralSystemCertificate",
        "InvalidCsmsCertificate",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidMessages",
        "MemoryExhaustion",
        "SettingSystemTime",
        "TamperDetectionActivated",
    }
)


async def security_event(
    context: Context, known: Known, group: Group | None, payload: Mapping[str, Any], now: float
) -> Answer:
    """A SecurityEventNotification, whose techInfo may tell a secret."""
    info = optional_text(payload, "techInfo")
    return Answer({}, group, meant={"techInfo": masked_values(info)} if info else {})


def tell(tree: Tree, known: Known, action: str, payload: Mapping[str, Any], now: float) -> None:
    """Emits the event of a message of one of TOLD."""
    if action == "SecurityEventNotification":
        kind, info = optional_text(payload, "type"), optional_text(payload, "techInfo")
        severity = _CRITICAL if kind in CRITICAL else 0
        fields: dict[str, Any] = {"Kind": kind, "TechInfo": info}
        tree.emit(Event("StationSecurityEvent", known.points.path, f"{known.id}: {kind}", now, fields, severity))
        return
    status = optional_text(payload, "status")
    fields = {"Status": status, "RequestId": optional_integer(payload, "requestId")}
    tree.emit(Event("FirmwareStatus", known.points.path, f"{known.id}: firmware {status}", now, fields))


TOLD = frozenset({"FirmwareStatusNotification", "SecurityEventNotification", "SignedFirmwareStatusNotification"})
