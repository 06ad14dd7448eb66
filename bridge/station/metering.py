"""Meter values → points: MeterValues.*, and the energy of the running transaction."""

from typing import Any

from bridge.points.measurands import ENERGY_KEY
from bridge.points.tree import Group, Quality, Update
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
    updates: list[Update] = []
    problem = ""
    latest: float | None = None
    register: float | None = None
    for reading in known.model.measurands.readings(meter_values):
        slot = group.extend(reading.row)
        time = None if reading.time is None else known.clock.heard(reading.time, now)
        latest = time if time is not None and (latest is None or time > latest) else latest
        if reading.value is None:
            problem = reading.problem
            quality = Quality.SUBNORMAL
        else:
            quality = Quality.GOOD
            register = reading.value if reading.row.key == ENERGY_KEY else register
        if slot is not None:
            updates.append(Update(slot, reading.value, time, quality))
    raw = to_json(meter_values)[:MAX_TEXT]
    for key, value in (("MeterValues.Time", latest or now), ("MeterValues.Raw", raw)):
        slot = group.slot(key)
        if slot is not None:
            updates.append(Update(slot, value, latest))
    context.tree.apply(group, updates, now)
    _show_energy(context, known, group, transaction, register, latest)
    return problem


def _show_energy(
    context: Context,
    known: Known,
    group: Group,
    transaction: int | None,
    register: float | None,
    time: float | None,
) -> None:
    running = known.running_at(group)
    if running is None or (transaction is not None and transaction != running.id):
        return
    if register is not None:
        transactions.show_running(context, running, register, time)
    elif transaction is not None:
        transactions.confirm(context, running, time)
