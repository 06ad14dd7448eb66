"""Which response to a command means yes.

A status means the same in every action and version that has it, so one table serves them all.
"""

from collections.abc import Mapping
from typing import Any

YES = frozenset(
    {
        "Accepted",
        "AcceptedCanceled",  # GetLog: accepted, and an upload that was running is cancelled
        "RebootRequired",
        "Scheduled",
        "Unlocked",
    }
)

NO = frozenset(
    {
        "Blocked",
        "ConcurrentTx",
        "Expired",
        "Failed",
        "Faulted",
        "Invalid",
        "InvalidCertificate",
        "NotFound",
        "NotImplemented",
        "NotSupported",
        "Occupied",
        "Pending",
        "Rejected",
        "RevokedCertificate",
        "Unavailable",
        "Unknown",
        "UnknownMessageId",
        "UnknownVendorId",
        "UnlockFailed",
        "VersionMismatch",
    }
)
"""For the reader and the tests: whatever is not in YES means no, a vendor's own status too."""

STATUSLESS = frozenset({"GetConfiguration", "GetDiagnostics", "GetLocalListVersion", "UpdateFirmware"})
"""Actions whose response has no status field: an answer without one means yes."""


def outcome(action: str, response: Mapping[str, Any]) -> tuple[bool, str]:
    """(whether the station accepted, its status as it gave it; "" where it gave none)."""
    status = response.get("status")
    if not isinstance(status, str):
        return action in STATUSLESS, ""
    return status in YES, status
