"""Transactions: recorded before they are answered, recognised when they are repeated, shown as points.

Knows no OCPP version; `v16` and its like bring the fields.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bridge.errors import StoreError
from bridge.points.rows import Value
from bridge.points.tree import Group, Quality, Tree, Update
from bridge.station.context import Context
from bridge.station.known import Known, Running
from bridge.store.records import Transaction, TransactionStart, TransactionStop

log = structlog.get_logger()

#: s that a station which has become Available has for the stop of its transaction; it may have to send others before
LOST_AFTER = 120.0
#: Transaction.Stop.Reason of a transaction whose stop was lost
UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Begun:
    """A transaction that has been recorded. `shown`: it still runs, so the tree is to show it."""

    id: int
    authorization: Mapping[str, Any]
    shown: bool
    show: Callable[[float | None], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """A stop that has been recorded. `first`: not a repeated one; `group`: where it is to be shown, if anywhere."""

    first: bool
    connector: str
    group: Group | None
    show: Callable[[float | None], None]


async def begin(
    context: Context,
    known: Known,
    group: Group | None,
    start: TransactionStart,
    ask: Callable[[], Awaitable[dict[str, Any]]],
) -> Begun:
    """Records a transaction durably, once, however often it is sent; `ask` decides who may charge.

    Raises StoreError when it could not be recorded: the station is to send it again.
    """
    key = (start.station, start.connector, start.id_tag, start.start_timestamp, start.meter_start)
    before = context.store.find_start(*key)
    if before is None:
        decided = replace(start, authorization=await ask())
        number, authorization, repeated = await context.store.start_transaction(decided)
    else:
        (number, authorization), repeated = before, True
    if not repeated:
        known.run(Running(number, group, start.meter_start, start.id_tag))
    running = known.running.get(number)
    log.info(
        "transaction.started",
        station=known.id,
        connector=start.connector,
        transaction=number,
        status=authorization.get("status"),
        repeated=repeated,
    )

    def show(time: float | None) -> None:
        if group is not None and running is not None and known.running_at(group) is running:
            values = running_values(running, group, None if repeated else start.meter_start)
            context.tree.apply(group, [Update(slot, value, time) for slot, value in values], context.clock())

    return Begun(number, authorization, shown=running is not None, show=show)


async def end(context: Context, known: Known, stop: TransactionStop) -> Ended:
    """Records a stop durably. A stop of an unknown transaction, or of another station's, touches nothing."""
    stopped = await context.store.stop_transaction(stop)
    running = known.running.get(stop.transaction_id)
    group = None if stopped is None else running.group if running is not None else _shown_before(known, stopped)
    log.info(
        "transaction.stopped",
        station=known.id,
        transaction=stop.transaction_id,
        energy=None if stopped is None else stopped.energy,
        unknown=stopped is None,
        repeated=stopped is not None and running is None,
    )
    if stopped is None:
        return Ended(False, "", None, lambda time: None)

    def show(time: float | None) -> None:
        clear = group is not None and known.running_at(group) in (running, None)
        known.running.pop(stopped.id, None)
        if group is not None:
            _show_ended(context, group, stopped, time, clear=clear)

    if group is None:
        known.running.pop(stopped.id, None)
    return Ended(running is not None, stopped.connector, group, show)


def _shown_before(known: Known, stopped: Transaction) -> Group | None:
    """Where a stop is shown that the station sends again: what it has not repeated is not sure."""
    group = known.points.connectors.get(stopped.connector)
    slot = None if group is None else group.slot("Transaction.Stop.Id")
    if group is None or slot is None:
        return None
    shown = group.sample(slot)
    return group if shown.value == str(stopped.id) and shown.quality is Quality.LAST else None


def show_none(tree: Tree, known: Known, group: Group, time: float | None, now: float) -> None:
    """A connector has a status that it only has without a transaction, and none is known: so none runs there."""
    if not known.charges_at(group):
        values: dict[str, Value] = {"Transaction.Active": False, "Transaction.Id": "", "Transaction.IdTag": ""}
        tree.apply(group, _updates(group, values, time), now)


def miss_stop(context: Context, known: Known, group: Group) -> None:
    """A connector is Available though a transaction runs there: its stop is still to come, or it was lost."""
    running, session = known.running_at(group), known.session
    if running is None:
        return

    async def close() -> None:
        await asyncio.sleep(LOST_AFTER)
        if known.session is session and known.running.get(running.id) is running and _is_available(group):
            await _lose(context, known, group, running)

    context.spawn(close())


async def _lose(context: Context, known: Known, group: Group, running: Running) -> None:
    """Ends a transaction that the station no longer knows. Its stop is taken all the same, if it ever comes."""
    try:
        await context.store.lose_transaction(running.id, context.clock())
    except StoreError as error:
        log.error("store.failed", station=known.id, error=str(error))
        return
    if known.running.get(running.id) is not running:  # it was stopped meanwhile
        return
    known.lose(running)
    log.warning("transaction.lost", station=known.id, transaction=running.id)
    slot, energy = group.slot("Transaction.Active"), group.value("Transaction.Energy")
    last = None if slot is None else group.sample(slot).source_time  # a stop that comes late is not before that
    drawn = energy if isinstance(energy, float) else None
    stop: dict[str, Value] = {
        "Transaction.Stop.Id": str(running.id),
        "Transaction.Stop.IdTag": "",
        "Transaction.Stop.Reason": UNKNOWN,
        "Transaction.Stop.MeterStop": None if drawn is None else running.meter_start + drawn,
        "Transaction.Stop.Energy": drawn,
        "Transaction.Stop.Time": last,
    }
    uncertain = [update._replace(quality=Quality.SUBNORMAL) for update in _updates(group, stop, last)]
    context.tree.apply(group, uncertain, context.clock())
    show_none(context.tree, known, group, None, context.clock())


def _is_available(group: Group) -> bool:
    return group.value("Status.StateText") == "Available"


def running_values(running: Running, group: Group, register: float | None) -> list[tuple[int, Value]]:
    """Transaction.* (slots and values): what runs now, said again with every telegram, so that it is known after a
    reconnect too.

    `register` is the energy register in Wh, None where the message has none.
    """
    slots = group.layout.index
    values: list[tuple[int, Value]] = [
        (slots["Transaction.Active"], True),
        (slots["Transaction.Id"], str(running.id)),
        (slots["Transaction.IdTag"], running.id_tag),
    ]
    if register is not None:
        values.append((slots["Transaction.Energy"], round(register - running.meter_start, 6)))
    return values


def _show_ended(context: Context, group: Group, stopped: Transaction, time: float | None, *, clear: bool) -> None:
    updates = _updates(group, {"Transaction.Stop.Energy": stopped.energy}, time)
    if clear:
        ended: dict[str, Value] = {
            "Transaction.Active": False,
            "Transaction.Id": "",
            "Transaction.IdTag": "",
            "Transaction.Energy": stopped.energy,
        }
        updates += _updates(group, ended, _not_before(group, time))
    context.tree.apply(group, updates, context.clock())


def _not_before(group: Group, time: float | None) -> float | None:
    """None, the time of receipt, where the station's time of an end lies before what is shown of the transaction.

    It has ended all the same: as a value of long ago it would be passed over, and run for ever.
    """
    slots = (group.slot(key) for key in ("Transaction.Active", "Transaction.Energy"))
    shown = [group.sample(slot).source_time for slot in slots if slot is not None]
    return None if time is not None and any(last is not None and time < last for last in shown) else time


def _updates(group: Group, values: Mapping[str, Value], time: float | None) -> list[Update]:
    slots = ((group.slot(key), value) for key, value in values.items())
    return [Update(slot, value, time) for slot, value in slots if slot is not None]
