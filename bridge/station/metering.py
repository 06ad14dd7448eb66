"""Meter values → points: MeterValues.*, and the energy of the running transaction."""

from typing import Any

from bridge.points.measurands import ENERGY_KEY
from bridge.points.tree import Group, Quality, Update
from bridge.points.values import MAX_TEXT, to_json
from bridge.station import transactions
from bridge.station.context import Context
from bridge.station.known import Known

#: a NamedTuple's own constructor is a Python function and costs three times as much
_new = tuple.__new__


def take_meter_values(
    context: Context, known: Known, group: Group, meter_values: Any, transaction: int | None, now: float
) -> str:
    """Applies a MeterValue array to a connector or the station; returns why a value could not be read.

    `transaction` is the id that the message names. A telegram that was kept while the station was offline does
    not replace newer values (points.tree).
    """
    updates: list[Update] = []
    slots = group.layout.index
    problem = ""
    latest: float | None = None
    register: float | None = None
    stamp, time = None, None  # the samples of one telegram share their timestamp
    for row, value, stamped, wrong in known.model.measurands.readings(meter_values):
        if stamped is not stamp:
            stamp, time = stamped, None if stamped is None else known.clock.heard(stamped, now)
            latest = time if time is not None and (latest is None or time > latest) else latest
        slot = slots.get(row.key)
        if slot is None:
            slot = group.extend(row)
        if slot is None:
            continue
        if value is None:
            problem = wrong
            updates.append(Update(slot, None, time, Quality.SUBNORMAL))
            continue
        if row.key == ENERGY_KEY:
            register = value
        updates.append(_new(Update, (slot, value, time, Quality.GOOD)))
    raw = to_json(meter_values)[:MAX_TEXT]
    updates.append(Update(slots["MeterValues.Time"], latest or now, latest))
    updates.append(Update(slots["MeterValues.Raw"], raw, latest))
    running = known.running_at(group)
    if running is not None and transaction in (None, running.id) and (transaction or register is not None):
        updates += transactions.running_updates(running, group, register, latest)
    context.tree.apply(group, updates, now)
    return problem
