"""What outlives a restart: stations, transactions, the commands' log and the last values, in one SQLite file.

One thread writes (`writer`), in grouped commits; a durable write is on disk before its awaiter goes on.
Knows neither OCPP nor OPC UA: its callers bring records (`records`).
"""

from bridge.store.logins import CertificateRequest, Login
from bridge.store.reader import Editor, Reader
from bridge.store.records import (
    AuditRecord,
    CommandEnd,
    CommandRecord,
    CommandResult,
    EventRecord,
    GroupRecord,
    LastValue,
    StationRecord,
    Transaction,
    TransactionStart,
    TransactionStop,
    UserRecord,
    ValueRecord,
)
from bridge.store.store import Store

__all__ = [
    "AuditRecord",
    "CertificateRequest",
    "CommandEnd",
    "CommandRecord",
    "CommandResult",
    "Editor",
    "EventRecord",
    "GroupRecord",
    "LastValue",
    "Login",
    "Reader",
    "StationRecord",
    "Store",
    "Transaction",
    "TransactionStart",
    "TransactionStop",
    "UserRecord",
    "ValueRecord",
]
