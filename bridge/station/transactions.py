"""Transactions: recorded before they are answered, recognised when they are repeated, shown as points.

Knows no OCPP version; `v16` and its like bring the fields.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bridge.points.rows import Value
from bridge.points.tree import Group, Update
from bridge.station.context import Context
from bridge.station.known import Known, Running
from bridge.store.records import Transaction, TransactionStart, TransactionStop

log = structlog.get_logger()


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
            values = running_values(running, group, start.meter_start)
            context.tree.apply(group, [Update(slot, value, time) for slot, value in values], context.clock())

    return Begun(number, authorization, shown=running is not None, show=show)


async def end(context: Context, known: Known, stop: TransactionStop) -> Ended:
    """Records a stop durably. A stop of an unknown transaction, or of another station's, touches nothing."""
    stopped = await context.store.stop_transaction(stop)
    running = known.running.get(stop.transaction_id)
    if stopped is None or running is None:
        log.info(
            "transaction.stopped",
            station=known.id,
            transaction=stop.transaction_id,
            unknown=stopped is None,
            repeated=stopped is not None,
        )
        return Ended(False, stopped.connector if stopped else "", None, lambda time: None)
    log.info("transaction.stopped", station=known.id, transaction=stop.transaction_id, energy=stopped.energy)
    group = running.group

    def show(time: float | None) -> None:
        latest = group is not None and known.running_at(group) is running
        known.running.pop(running.id, None)
        if group is not None:
            _show_ended(context, group, stopped, time, clear=latest)

    if group is None:
        known.running.pop(running.id, None)
    return Ended(True, stopped.connector, group, show)


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
