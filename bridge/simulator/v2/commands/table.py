"""Which function answers which command."""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.simulator.v2.evse import Evse
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload

Answerer = Callable[[Station2, Payload], Payload]

ANSWERERS: dict[str, Answerer] = {}


class RefusedError(Exception):
    """The CALL is answered with a CALLERROR of this code (OCPP-J 2.0.1 §4.3)."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(description)
        self.code = code


def answers(action: str) -> Callable[[Answerer], Answerer]:
    """Marks the function that answers a command."""

    def mark(function: Answerer) -> Answerer:
        ANSWERERS[action] = function
        return function

    return mark


def status(value: str, reason: str | None = None) -> Payload:
    """The answer that most commands have; `reason`: StatusInfoType.reasonCode."""
    return {"status": value} if reason is None else {"status": value, "statusInfo": {"reasonCode": reason}}


def evses(station: Station2, payload: Mapping[str, Any]) -> list[Evse] | None:
    """The EVSEs that a command speaks of: all where it names none, None where it names one that is not there."""
    number = payload.get("evse", {}).get("id", payload.get("evseId"))
    if not number:
        return list(station.evses.values())
    found = station.evses.get(number)
    return None if found is None else [found]


def charging(station: Station2, transaction: str) -> Evse | None:
    """The EVSE where this transaction is."""
    for evse in station.evses.values():
        if evse.transaction is not None and evse.transaction.started and evse.transaction.id == transaction:
            return evse
    return None
