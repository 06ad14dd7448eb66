"""What the store takes and gives back. Times are Unix seconds UTC, energies Wh, dicts are JSON objects.

A record belongs to the store once it is handed over: it is encoded later, in the writer's thread, so the
dicts in it must not be changed any more.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

SUBJECTS = ("reported", "alerts", "monitors")
"""What is noted of a 2.x station, see Store.put_note_soon."""
PARAMETERS = "parameters"
"""What is noted of any station: the parameters of its commands, as they were written."""

ASIDE = "\x1f"
"""Between a transaction's id and the number of one that had it before, see Store.set_events_aside. No station's id has
it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRecord:
    """A station that is known by its identity `id`; `name` is its first path segment, for good."""

    id: str
    name: str
    version: str | None = None
    registration: str | None = None
    """Accepted, Pending, Rejected, or None: as the policy for unknown stations says."""
    heartbeat_interval: int | None = None
    first_seen: float
    last_seen: float | None = None
    boot: dict[str, Any] = field(default_factory=dict)
    """The payload of the last BootNotification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStart:
    """A transaction that begins (OCPP 1.6 §4.8).

    Station, connector, id tag, timestamp and meter value together tell a repeated message from a new one.
    """

    station: str
    connector: str
    connector_id: int
    id_tag: str
    start_time: float
    start_timestamp: str
    """As the station sent it, or one text for each time: what tells a repeated message."""
    meter_start: float
    reservation_id: int | None = None
    authorization: dict[str, Any] = field(default_factory=dict)
    """What the station is answered, so that a repeated message gets the same."""
    received: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStop:
    """A transaction that ends (OCPP 1.6 §4.10). `data` is its transactionData as sent.

    named: the id that the station sent, where it is none; `transaction_id` is what it can only mean then, or 0 or less.
    """

    station: str
    transaction_id: int
    id_tag: str | None = None
    stop_time: float
    stop_timestamp: str
    meter_stop: float
    reason: str
    data: list[Any] = field(default_factory=list)
    received: float
    named: str | None = None


StopWas = Literal["first", "repeated", "other", "corrected"]
"""What a stop was to its transaction: `other` than the one that it has, beside which it is kept, or `corrected`: put in
the place of one that had been guessed to be its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A stored transaction; it runs while `stop_time` and `lost` are None."""

    id: int
    station: str
    connector: str
    id_tag: str
    start_time: float
    meter_start: float
    stop_time: float | None
    meter_stop: float | None
    reason: str | None
    stop_id_tag: str | None
    authorization: dict[str, Any]
    reservation_id: int | None
    received: float
    stop_received: float | None
    lost: float | None
    """When it was found to run no more though its stop had not come."""
    stop_was: StopWas = "first"
    stop_authorization: dict[str, Any] | None = None
    """What its stop was answered; None: nothing yet."""

    @property
    def energy(self) -> float | None:
        """Wh from start to stop; None while it runs."""
        return None if self.meter_stop is None else self.meter_stop - self.meter_start


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """A TransactionEvent of a 2.x station. digest: equal for equal payloads, so that a repeated one is known.

    connector: where its EVSE was when it came (`Connector1`), "" where nothing told, None where it has not been noted.
    """

    station: str
    transaction_id: str
    seq_no: int | None
    digest: str
    ended: bool
    payload: dict[str, Any]
    received: float
    connector: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A command as it was asked for. The caller masks secrets in `payload`."""

    station: str
    connector: str | None
    action: str
    user: str
    payload: dict[str, Any]
    requested: float
    number: int
    """Result.Id: the how-manieth request for this action there."""
    kept: bool = False
    """Whether it outlives a restart as long as it has not been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The last command of an action at a station or connector, as Result.* shows it. `response` is JSON."""

    station: str
    connector: str | None
    action: str
    user: str
    number: int
    state: str
    status: str
    response: str
    error: str
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnd:
    """How the command of `handle` ended: a final Result.State and what the station said."""

    handle: int
    state: str
    status: str | None = None
    response: dict[str, Any] | None = None
    error: str | None = None
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """A user of the OPC UA server: argon2's hash, SHA-256 (hex) of a certificate's DER; "" where there is none."""

    name: str
    role: str
    password_hash: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What somebody did, or tried, from outside: write, call, login, logout.

    `certificate` is the thumbprint of the client's, `path` the point or method, `value` what was written or the
    arguments, as JSON and without secrets; `status` names the StatusCode that it was answered with.
    """

    time: float
    user: str
    role: str
    session: str
    address: str
    certificate: str
    action: str
    path: str = ""
    value: str = ""
    status: str


LastValue = tuple[str, str, Any, str, float | None, float]
"""A point's key, type, value, quality, source time and server time."""


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """The last values of a station or connector: `path` is the group's own. One record replaces the one before it.

    A record of each point would be ten times as dear: a message changes a dozen.
    """

    path: str
    values: list[LastValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRecord:
    """The last value of a point. NaN and infinities come back as None: JSON has no such numbers."""

    path: str
    type: str
    value: Any
    quality: str
    source_time: float | None
    server_time: float
