"""One TransactionEvent as a station sent it (OCPP 2.0.1 §1.60), with its fields read."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from bridge.points.values import number, parse_time
from bridge.station.v2.addressing import Place, place_of
from bridge.store.records import ASIDE

STARTED, UPDATED, ENDED = "Started", "Updated", "Ended"
_INT32 = 2**31
#: triggers of the token that ends a transaction
_STOPS = frozenset({"StopAuthorized", "Deauthorized"})


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A TransactionEvent. What the station did not say is None or "".

    time: Unix seconds by the station's clock, and `timestamp` as it wrote it. digest: equal for equal payloads,
    across restarts too. Where the EVSE cannot be read, `place` is None, as where none is named.
    """

    transaction: str
    type: str
    seq_no: int | None
    time: float | None
    timestamp: str
    offline: bool
    trigger: str
    place: Place | None
    id_token: str
    id_token_type: str
    charging_state: str
    stopped_reason: str
    remote_start_id: int | None
    reservation_id: int | None
    time_charging: int | None
    cost: float | None
    currency: str
    meter_values: list[Any]
    digest: str

    @property
    def has_token(self) -> bool:
        return bool(self.id_token or self.id_token_type)

    @property
    def stops(self) -> bool:
        """Whether its token is the one that ends the transaction."""
        return self.type == ENDED or self.trigger in _STOPS


def read_event(payload: Mapping[str, Any]) -> Event:
    """The event in a payload. Raises ValueError where it names no transaction or is of no known type."""
    info = _object(payload, "transactionInfo")
    transaction, type_ = info.get("transactionId"), payload.get("eventType")
    if isinstance(transaction, int) and not isinstance(transaction, bool):
        transaction = str(transaction)
    if not isinstance(transaction, str) or not transaction:
        raise ValueError("transactionInfo.transactionId is missing")
    if type_ not in (STARTED, UPDATED, ENDED):
        raise ValueError("eventType is none of Started, Updated, Ended")
    token, cost = _object(payload, "idToken"), _object(_object(payload, "costDetails"), "totalCost")
    values = payload.get("meterValue")
    return Event(
        transaction=transaction.replace(ASIDE, " ")[:MAX_ID],
        type=type_,
        seq_no=_natural(payload.get("seqNo")),
        time=_time(payload.get("timestamp")),
        timestamp=_text(payload, "timestamp"),
        offline=payload.get("offline") is True,
        trigger=_text(payload, "triggerReason"),
        place=_place(payload),
        id_token=_text(token, "idToken"),
        id_token_type=_text(token, "type"),
        charging_state=_text(info, "chargingState"),
        stopped_reason=_text(info, "stoppedReason"),
        remote_start_id=_integer(info.get("remoteStartId")),
        reservation_id=_integer(payload.get("reservationId")),
        time_charging=_integer(info.get("timeSpentCharging")),
        cost=_amount(_object(cost, "total")),
        currency=_text(cost, "currency"),
        meter_values=values if isinstance(values, list) else [],
        digest=digest_of(payload),
    )


MAX_ID = 255
"""Characters of a transaction's id that are kept; OCPP itself allows 36."""


def digest_of(payload: Mapping[str, Any]) -> str:
    """Equal for payloads that say the same, in whatever order their fields stand."""
    return blake2b(msgspec.json.encode(payload, order="deterministic"), digest_size=8).hexdigest()


def _place(payload: Mapping[str, Any]) -> Place | None:
    try:
        found = place_of(payload, "evse", "")
    except ValueError:
        return None
    return found if found.evse else None  # a transaction runs at no station as a whole


def _object(node: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = node.get(field)
    return found if isinstance(found, dict) else {}


def _text(node: Mapping[str, Any], field: str) -> str:
    found = node.get(field)
    return found if isinstance(found, str) else ""


def _integer(raw: Any) -> int | None:
    return raw if type(raw) is int and -_INT32 <= raw < _INT32 else None


def _natural(raw: Any) -> int | None:
    found = _integer(raw)
    return found if found is not None and found >= 0 else None


def _amount(total: Mapping[str, Any]) -> float | None:
    """With taxes where the station says it, else without."""
    for field in ("inclTax", "exclTax"):
        try:
            return number(total.get(field))
        except ValueError:
            continue
    return None


def _time(raw: Any) -> float | None:
    try:
        return parse_time(raw)
    except ValueError:
        return None
