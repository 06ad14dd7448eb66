"""What happens, beside what changes: a station that connects, a login that fails, a certificate that ends.

An event is of a type, which is a row of `EVENT_TYPES`. `Tree.emit` tells its listeners: OPC UA makes events of them,
the log lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.points.rows import Type, Value

MOST_TEXT = 1_000  # characters of a message or of a field: a peer may have a say in both

BASE, SYSTEM = "BaseEventType", "SystemEventType"
_AUDIT_CERTIFICATE = "AuditCertificateEventType"


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of events. `supertype` is the BrowseName of OPC UA's own type that it is derived from (OPC 10000-5 §6.4).

    `severity` is 1 to 1000, as OPC 10000-5 §6.4.2 grades it; `fields` are those that its events may have besides
    Message, Time and the like. `personal` are those that may hold an id tag, the Message perhaps: somebody who may see
    none gets the description instead of the Message, and nothing in the place of the others.
    """

    name: str
    supertype: str
    severity: int
    description: str
    fields: Mapping[str, Type] = field(default_factory=dict)
    personal: frozenset[str] = frozenset()


_TEXT, _NUMBER = Type.STRING, Type.INT32
_REASON = {"Reason": _TEXT}
_ADDRESS = {"RemoteAddress": _TEXT}
_CERTIFICATE = {"Thumbprint": _TEXT, "Subject": _TEXT, "Reason": _TEXT}

EVENT_TYPES: Mapping[str, EventType] = {
    row.name: row
    for row in (
        # the bridge
        EventType("ConfigurationReloaded", SYSTEM, 200, "Scripts, tables or keys were loaded anew", {"What": _TEXT}),
        EventType("ConfigurationInvalid", SYSTEM, 600, "What was to be loaded anew is wrong", {"What": _TEXT}),
        EventType(
            "HandlerFailed",
            SYSTEM,
            600,
            "A handler script failed",
            {"Script": _TEXT, "Reason": _TEXT},
            frozenset({"Message", "Reason"}),  # an exception's text may quote whatever a message held
        ),
        EventType("StoreFailed", SYSTEM, 900, "The store cannot be written or read, or its file is gone", _REASON),
        EventType("StoreRecovered", SYSTEM, 300, "The store can be used again"),
        EventType("StoreNearlyFull", SYSTEM, 700, "The disk of the store is nearly full", {"FreeBytes": Type.DOUBLE}),
        # certificates
        EventType("CertificateExpiring", SYSTEM, 600, "A certificate ends soon", _CERTIFICATE),
        EventType("CertificateRenewed", SYSTEM, 300, "A certificate was made anew", _CERTIFICATE),
        EventType("CertificateRejected", _AUDIT_CERTIFICATE, 700, "A certificate was not accepted", _CERTIFICATE),
        # who gets in
        EventType(
            "LoginFailed", "AuditSecurityEventType", 700, "A login failed", {"User": _TEXT, **_ADDRESS, **_REASON}
        ),
        EventType("AccessRefused", "AuditSecurityEventType", 600, "A connection was refused", {**_ADDRESS, **_REASON}),
        # stations
        EventType("StationConnected", BASE, 100, "A station has connected", {"OcppVersion": _TEXT, **_ADDRESS}),
        EventType("StationDisconnected", BASE, 400, "A station's connection has ended", _REASON),
        EventType(
            "StationUnknown", "AuditSecurityEventType", 500, "An unknown station", {"Identity": _TEXT, **_ADDRESS}
        ),
        EventType(
            "StationLoginFailed",
            "AuditSecurityEventType",
            700,
            "A wrong password of a station",
            {**_ADDRESS, **_REASON},
        ),
        EventType(
            "StationDisplaced",
            BASE,
            500,
            "A second connection has displaced the first",
            {"OcppVersion": _TEXT, **_ADDRESS},
        ),
        EventType(
            "StationSecurityEvent",
            BASE,
            600,
            "A SecurityEventNotification",
            {"Kind": _TEXT, "TechInfo": _TEXT},
            frozenset({"TechInfo"}),
        ),
        EventType(
            "ConfigurationDrift",
            BASE,
            500,
            "A station's setting is not what it should be",
            {"Key": _TEXT, "Expected": _TEXT, "Actual": _TEXT},
        ),
        EventType("ConfigurationApplied", BASE, 200, "A station has its settings", {"Profile": _TEXT}),
        EventType("ConfigurationFailed", BASE, 600, "A station did not take a setting", {"Key": _TEXT, **_REASON}),
        EventType("FirmwareStatus", BASE, 300, "A firmware update goes on", {"Status": _TEXT, "RequestId": _NUMBER}),
    )
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `time` (Unix seconds). `source` is a station's path in the tree, "" the bridge.

    Texts are cut to MOST_TEXT characters. Raises KeyError for a type or a field that is in no row.
    """

    type: str
    source: str
    message: str
    time: float
    fields: Mapping[str, Value] = field(default_factory=dict)
    severity: int = 0  # 0: that of its type

    def __post_init__(self) -> None:
        declared = EVENT_TYPES[self.type]
        if unknown := self.fields.keys() - declared.fields.keys():
            raise KeyError(f"{self.type} has no field {', '.join(sorted(unknown))}")
        set_ = object.__setattr__
        set_(self, "message", self.message[:MOST_TEXT])
        set_(self, "fields", {name: _short(value) for name, value in self.fields.items()})
        set_(self, "severity", min(max(self.severity, 1), 1000) if self.severity else declared.severity)


def _short(value: Value) -> Value:
    return value[:MOST_TEXT] if isinstance(value, str) else value


EventListener = Callable[[Event], None]
