"""Meter values → points: MeterValues.*, and the energy of the running transaction."""

from typing import Any

from bridge.points.rows import Value
from bridge.points.tree import Group, Update
from bridge.points.values import MAX_TEXT, to_json
from bridge.station import transactions
from bridge.station.context import Context
from bridge.station.known import Known


def take_meter_values(
    context: Context, known: Known, group: Group, meter_values: Any, transaction: int | None, now: float
) -> str:
    """Applies a MeterValue array to a connector or the station; returns why a value could not be read.

    `transaction` is the id that the message names. A telegram that was kept while the station was offline does
    not replace newer values (points.tree).
    """
    updates, latest, register, problem = known.model.measurands.telegram(
        group, meter_values, lambda stamp: known.clock.heard(stamp, now)
    )
    about = _about(known, group, to_json(meter_values), latest or now, register, transaction)
    updates += [Update(slot, value, latest) for slot, value in about]
    context.tree.apply(group, updates, now)
    return problem


def take_telegram(
    context: Context,
    known: Known,
    group: Group,
    stamp: float,
    samples: list[Any],
    raw: str,
    transaction: int | None,
    now: float,
) -> bool:
    """The same for the usual array: of one element, of which everything can be read. False: this one is unusual, and
    nothing has been done.

    `stamp` is its timestamp (Unix seconds), `samples` are structs (ocpp.typed), `raw` is its JSON text.
    """
    found = known.model.measurands.readings(group, samples)
    if found is None:
        return False
    known_slots, values, register = found
    time = known.clock.heard(stamp, now)
    slots: list[int] = [*known_slots]
    all_values: list[Value] = [*values]
    for slot, value in _about(known, group, raw, time or now, register, transaction):
        slots.append(slot)
        all_values.append(value)
    context.tree.apply_telegram(group, slots, all_values, time, now)
    return True


def _about(
    known: Known, group: Group, raw: str, time: float, register: float | None, transaction: int | None
) -> list[tuple[int, Value]]:
    """What a telegram changes beside its sampled values: slots and values."""
    slots = group.layout.index
    values: list[tuple[int, Value]] = [
        (slots["MeterValues.Time"], time),
        (slots["MeterValues.Raw"], raw[:MAX_TEXT]),
    ]
    running = known.running_at(group)
    if running is None and transaction is not None:
        running = known.find_again(transaction, group)
    if running is not None and transaction in (None, running.id) and (transaction or register is not None):
        values += transactions.running_values(running, group, register)
    return values
