"""Meter values → points: MeterValues.*, and the energy of the running transaction."""

from typing import Any

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
    slots = group.layout.index
    updates.append(Update(slots["MeterValues.Time"], latest or now, latest))
    updates.append(Update(slots["MeterValues.Raw"], to_json(meter_values)[:MAX_TEXT], latest))
    running = known.running_at(group)
    if running is not None and transaction in (None, running.id) and (transaction or register is not None):
        updates += transactions.running_updates(running, group, register, latest)
    context.tree.apply(group, updates, now)
    return problem
