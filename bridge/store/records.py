"""What the store takes and gives back. Times are Unix seconds UTC, energies Wh, dicts are JSON objects.

A record belongs to the store once it is handed over: it is encoded later, in the writer's thread, so the
dicts in it must not be changed any more.
"""

from dataclasses import dataclass, field
from typing import Any


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
    """As the station sent it."""
    meter_start: float
    reservation_id: int | None = None
    authorization: dict[str, Any] = field(default_factory=dict)
    """What the station is answered, so that a repeated message gets the same."""
    received: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStop:
    """A transaction that ends (OCPP 1.6 §4.10). `data` is its transactionData as sent."""

    station: str
    transaction_id: int
    id_tag: str | None = None
    stop_time: float
    stop_timestamp: str
    meter_stop: float
    reason: str
    data: list[Any] = field(default_factory=list)
    received: float


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

    @property
    def energy(self) -> float | None:
        """Wh from start to stop; None while it runs."""
        return None if self.meter_stop is None else self.meter_stop - self.meter_start


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """A TransactionEvent of a 2.x station. digest: equal for equal payloads, so that a repeated one is known."""

    station: str
    transaction_id: str
    seq_no: int | None
    digest: str
    ended: bool
    payload: dict[str, Any]
    received: float


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
