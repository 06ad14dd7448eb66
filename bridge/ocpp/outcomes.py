"""Which response to a command means yes.

A status means the same in every action and version that has it, so one table serves them all.
"""

from collections.abc import Mapping
from typing import Any

YES = frozenset(
    {
        "Accepted",
        "AcceptedCanceled",  # GetLog: accepted, and an upload that was running is cancelled
        "Good",  # of a certificate
        "Processing",  # NotifyEVChargingNeeds: a schedule will follow
        "RebootRequired",
        "Scheduled",
        "Unlocked",
        "Unpublished",
    }
)

NO = frozenset(
    {
        "Blocked",
        "ConcurrentTx",
        "ConditionNotSupported",
        "DownloadOngoing",
        "Duplicate",
        "DuplicateTariffId",
        "EmptyResultSet",  # no report follows
        "Expired",
        "Failed",
        "Faulted",
        "Invalid",
        "InvalidCertificate",
        "LanguageNotSupported",
        "NoChargingProfile",
        "NoCredit",
        "NoCurrencyChange",
        "NoFirmware",
        "NoProfile",
        "NoProfiles",  # no report follows
        "NoTariff",
        "NotAllowedTypeEVSE",
        "NotAtThisLocation",
        "NotAtThisTime",
        "NotFound",
        "NotImplemented",
        "NotSupported",
        "NotSupportedAttributeType",
        "NotSupportedMessageFormat",
        "NotSupportedPriority",
        "NotSupportedState",
        "Occupied",
        "OngoingAuthorizedTransaction",
        "Pending",
        "Rejected",
        "Revoked",
        "RevokedCertificate",
        "TooManyElements",
        "TxNotFound",
        "Unavailable",
        "Unknown",
        "UnknownComponent",
        "UnknownConnector",
        "UnknownMessageId",
        "UnknownTransaction",
        "UnknownVariable",
        "UnknownVendorId",
        "UnlockFailed",
        "UnsupportedMonitorType",
        "VersionMismatch",
    }
)
"""For the reader and the tests: whatever is not in YES means no, a vendor's own status too."""

STATUSLESS = frozenset(
    {
        "CostUpdated",
        "GetConfiguration",
        "GetDiagnostics",
        "GetLocalListVersion",
        "GetPeriodicEventStream",
        "GetTransactionStatus",
        "NotifyWebPaymentStarted",
        "UpdateFirmware",  # 1.6
    }
)
"""Actions whose response has no status field: an answer without one means yes."""

LISTED: Mapping[str, tuple[str, str]] = {
    "ClearTariffs": ("clearTariffsResult", "status"),
    "ClearVariableMonitoring": ("clearMonitoringResult", "status"),
    "GetVariables": ("getVariableResult", "attributeStatus"),
    "SetVariableMonitoring": ("setMonitoringResult", "status"),
    "SetVariables": ("setVariableResult", "attributeStatus"),
}
"""Actions whose response has a status for each thing that was asked for: the list, and the status in its entries."""


def outcome(action: str, response: Mapping[str, Any]) -> tuple[bool, str]:
    """(whether the station accepted, its status as it gave it; "" where it gave none).

    Where each entry of a list has a status, all have to mean yes; the status is the first that means no, else the
    first that is more than Accepted.
    """
    if action in LISTED:
        return _listed(response, *LISTED[action])
    status = response.get("status")
    if not isinstance(status, str):
        return action in STATUSLESS, ""
    return status in YES, status


def _listed(response: Mapping[str, Any], name: str, field: str) -> tuple[bool, str]:
    entries = response.get(name)
    found = [entry.get(field) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    statuses = [status for status in found if isinstance(status, str)]
    refused = [status for status in statuses if status not in YES]
    if refused or not statuses:
        return False, refused[0] if refused else ""
    return True, next((status for status in statuses if status != "Accepted"), "Accepted")
