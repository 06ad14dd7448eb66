"""What is shown of a 2.x transaction: Transaction.* of its connector."""

from bridge.points.rows import Value
from bridge.station.v2.transaction import TransactionState

Point = tuple[str, Value, float | None]
"""A point's key, its value, and the station's time of it (None: not said)."""


def points(state: TransactionState, time: float | None, *, current: bool) -> list[Point]:
    """What is shown of a transaction at its connector; `time` is that of the last event.

    `current`: it is the newest there. Of another one only its start and its end are told, with their own times, so
    that they do not replace those of a later one.
    """
    return [*(_running_points(state, time) if current else ()), *_start_points(state), *_stop_points(state)]


def left_points(time: float | None) -> list[Point]:
    """What is shown of a connector that its transaction has left for another one."""
    return [
        ("Transaction.Active", False, time),
        ("Transaction.Id", "", time),
        ("Transaction.IdTag", "", time),
        ("Transaction.ChargingState", "", time),
    ]


def _running_points(state: TransactionState, time: float | None) -> list[Point]:
    runs = not state.ended
    found: list[Point] = [
        ("Transaction.Active", runs, time),
        ("Transaction.Id", state.id if runs else "", time),
        ("Transaction.IdTag", state.id_token if runs else "", time),
        ("Transaction.ChargingState", state.charging_state if runs else "", time),
        ("Transaction.MissedEvents", state.missing, time),
    ]
    for key, value in (
        ("Transaction.Energy", state.energy),
        ("Transaction.TimeCharging", state.time_charging),
        ("Transaction.Cost", state.cost),
        ("Transaction.Currency", state.currency or None),
    ):
        if value is not None:
            found.append((key, value, time))
    return found


def _start_points(state: TransactionState) -> list[Point]:
    if not state.started:
        return []
    return [
        (f"Transaction.Start.{name}", value, state.start_time)
        for name, value in (
            ("Id", state.id),
            ("IdTag", state.id_token),
            ("IdTokenType", state.id_token_type),
            ("MeterStart", state.meter_start),
            ("Time", state.start_time),
            ("ReservationId", state.reservation_id),
            ("RemoteStartId", state.remote_start_id),
        )
    ]


def _stop_points(state: TransactionState) -> list[Point]:
    if not state.ended:
        return []
    return [
        (f"Transaction.Stop.{name}", value, state.end_time)
        for name, value in (
            ("Id", state.id),
            ("IdTag", state.stop_token),
            ("Reason", state.reason),
            ("MeterStop", state.meter_stop),
            ("Energy", state.energy),
            ("Time", state.end_time),
        )
    ]
