"""What is shown of a 2.x transaction: Transaction.* of its connector."""

from bridge.points.rows import Value
from bridge.station.v2.transaction import TransactionState

Point = tuple[str, Value, float | None]
"""A point's key, its value, and the station's time of it (None: not said)."""

#: what was told of another transaction, and is not known of one that has just begun
OF_ANOTHER = ("Transaction.PriorityCharging", "Transaction.Start.Authorization", "Transaction.Start.ParentIdTag")
_FIGURES = ("Transaction.Energy", "Transaction.TimeCharging", "Transaction.Cost", "Transaction.Currency")


def points(state: TransactionState, *, current: bool, ended: bool) -> list[Point]:
    """What is shown of a transaction at its connector. What is not known of it is None, so that nothing of another
    transaction stays.

    `current`: it is the newest there. `ended`: its end is the last one there. The points of what runs have the time
    of its newest event, whichever came last.
    """
    found = [*_running_points(state), *_start_points(state)] if current else []
    return [*found, *_stop_points(state)] if ended and state.ended else found


def left_points(time: float | None) -> list[Point]:
    """What is shown of a connector that its transaction has left for another one."""
    return [
        ("Transaction.Active", False, time),
        ("Transaction.Id", "", time),
        ("Transaction.IdTag", "", time),
        ("Transaction.ChargingState", "", time),
        ("Transaction.MissedEvents", 0, time),
        *((key, None, time) for key in (*_FIGURES, *OF_ANOTHER)),
    ]


def _running_points(state: TransactionState) -> list[Point]:
    runs = not state.ended
    values: tuple[tuple[str, Value], ...] = (
        ("Active", runs),
        ("Id", state.own_id if runs else ""),
        ("IdTag", state.id_token if runs else ""),
        ("ChargingState", state.charging_state if runs else ""),
        ("MissedEvents", state.missing),
        ("Energy", state.energy),
        ("TimeCharging", state.time_charging),
        ("Cost", state.cost),
        ("Currency", state.currency or None),
    )
    return [(f"Transaction.{name}", value, state.last_time) for name, value in values]


def _start_points(state: TransactionState) -> list[Point]:
    values: tuple[tuple[str, Value], ...] = (
        ("Id", state.own_id),
        ("IdTag", state.id_token),
        ("IdTokenType", state.id_token_type),
        ("MeterStart", state.meter_start),
        ("Time", state.start_time),
        ("ReservationId", state.reservation_id),
        ("RemoteStartId", state.remote_start_id),
    )
    return [(f"Transaction.Start.{name}", value if state.started else None, state.start_time) for name, value in values]


def _stop_points(state: TransactionState) -> list[Point]:
    values: tuple[tuple[str, Value], ...] = (
        ("Id", state.own_id),
        ("IdTag", state.stop_token),
        ("Reason", state.reason),
        ("MeterStop", state.register if state.lost else state.meter_stop),
        ("Energy", state.energy),
        ("Time", state.end_time),
    )
    return [(f"Transaction.Stop.{name}", value, state.end_time) for name, value in values]
