"""Meter values → points: MeterValues.*, and the energy of the running transaction."""

from functools import lru_cache
from math import inf
from typing import Any

import msgspec

from bridge.ocpp.telegrams import Telegram
from bridge.points.layout import Layout
from bridge.points.measurands import in_order
from bridge.points.rows import Value
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
    not replace newer values (points.tree), and one of before the transaction that runs says nothing of it.
    """
    raw = to_json(meter_values)
    updates, latest, register, problem, stamp = known.model.measurands.telegram(
        group, in_order(meter_values, raw), lambda stamp: known.clock.heard(stamp, now)
    )
    about = _about(known, group, raw, latest or now, inf if stamp is None else stamp, register, transaction)
    updates += [
        Update(slot, value, latest) for slot, value in zip(_slots(group.layout, len(about)), about, strict=True)
    ]
    if register is not None and _is_negative(about):
        backwards = f"{register:g} Wh is less than at the start of the transaction"
        problem = "; ".join(filter(None, (problem, backwards)))
        updates[-1] = updates[-1]._replace(quality=Quality.SUBNORMAL)
    context.tree.apply(group, updates, now)
    return problem


def take_telegram(
    context: Context,
    known: Known,
    group: Group,
    telegram: Telegram,
    transaction: int | None,
    now: float,
) -> bool:
    """The same for the usual array: of one element, of which everything can be read. False: this one is unusual, and
    nothing has been done.
    """
    found = known.model.measurands.readings(group, telegram.kinds, telegram.texts)
    if found is None:
        return False
    places, values, register = found
    stamp = telegram.time
    time = known.clock.heard(stamp, now)
    about = _about(known, group, telegram.raw, time or now, stamp, register, transaction)
    if register is not None and _is_negative(about):
        return False
    context.tree.apply_telegram(group, places, values, _slots(group.layout, len(about)), about, time, now)
    return True


def _is_negative(about: list[Value]) -> bool:
    """Whether a transaction's energy, which comes last, is below zero."""
    energy = about[-1]
    return type(energy) is float and energy < 0


#: what a telegram changes beside its sampled values: always the first two, the others of what runs
_ABOUT = ("MeterValues.Time", "MeterValues.Raw", *transactions.RUNNING)


@lru_cache(maxsize=64)
def _slots(layout: Layout, number: int) -> tuple[int, ...]:
    """The slots of the first of _ABOUT."""
    return tuple(layout.index[key] for key in _ABOUT[:number])


def _about(
    known: Known, group: Group, raw: str, time: float, stamp: float, register: float | None, transaction: int | None
) -> list[Value]:
    """The values of the first of _ABOUT. `stamp`: of the register, by the station's clock."""
    values: list[Value] = [time, raw if len(raw) <= MAX_TEXT else raw_of(raw)]
    running = known.running_at(group)
    if running is None and transaction is not None:
        running = known.find_again(transaction, group)
    if running is None or transaction not in (None, running.id) or (transaction is None and register is None):
        return values
    if register is not None and stamp < running.begun:  # a queue from before it began, or a clock that was set back
        if transaction is None:
            return values
        if register < running.meter_start:  # its id was put in when the telegram left the queue
            register = None
    return values + transactions.running_values(running, register)


def raw_of(text: str) -> str:
    """A MeterValue array as MeterValues.Raw shows it: what a point has no room for is left out, whole sampled values
    first, so that it stays JSON.
    """
    if len(text) <= MAX_TEXT:
        return text
    kept: list[str] = []
    room = MAX_TEXT - 2
    entries = msgspec.json.decode(text)
    for entry in entries if isinstance(entries, list) else []:
        shorter = to_json(entry if len(to_json(entry)) < room else _shortened(entry, room - 1))
        if len(shorter) < room:
            room -= len(shorter) + 1
            kept.append(shorter)
    return f"[{','.join(kept)}]"


def _shortened(entry: Any, room: int) -> Any:
    """As many of a MeterValue's sampled values as there is room for."""
    samples = entry.get("sampledValue") if isinstance(entry, dict) else None
    if not isinstance(samples, list):
        return entry
    short: dict[str, Any] = {**entry, "sampledValue": []}
    room -= len(to_json(short))
    for sample in samples:
        room -= len(to_json(sample)) + 1
        if room < 0:
            break
        short["sampledValue"].append(sample)
    return short
