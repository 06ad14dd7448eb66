"""Transactions of OCPP 2.x whose end does not come: they end all the same, and nobody knows how."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from bridge.errors import StoreError
from bridge.points.tree import Group, Quality
from bridge.station import charges, reported, transactions
from bridge.station.context import Context
from bridge.station.known import Known
from bridge.station.v2.memory import Memory
from bridge.station.v2.status import ConnectorReport, state
from bridge.station.v2.transaction import TransactionState
from bridge.station.v2.transaction_points import points
from bridge.station.v2.transactions import Taken
from bridge.store.records import GroupRecord

log = structlog.get_logger()


async def close_older(context: Context, known: Known, taken: Taken) -> None:
    """Notes in the store that another one has taken a transaction's place. Without that it would run on there."""
    log.warning("transaction.lost", station=known.id, transaction=taken.closed)
    await _lose(context, known, taken.closed)


async def _lose(context: Context, known: Known, transaction: str) -> bool:
    try:
        await context.store.lose_event_transaction(known.id, transaction)
    except StoreError as error:
        log.error("store.failed", station=known.id, error=str(error))
        return False
    return True


def miss_end(context: Context, known: Known, memory: Memory, group: Group) -> None:
    """A connector is Available though a transaction runs there: its end is still to come, or it was lost."""
    running, session = memory.transactions.at(reported.name_of(group)), known.session
    if running is None or _gone(memory, group, running) is None:
        return

    async def close() -> None:
        closed = False
        while not closed:  # the disk may refuse it for a while
            await asyncio.sleep(transactions.LOST_AFTER)
            if known.session is not session or _gone(memory, group, running) is None:
                return
            closed = await _close(context, known, memory, group, running)

    context.spawn(close())


async def _close(context: Context, known: Known, memory: Memory, group: Group, running: TransactionState) -> bool:
    """Ends a transaction that the station no longer knows. Its end is taken all the same, if it ever comes."""
    if not await _lose(context, known, running.id):
        return False
    gone = _gone(memory, group, running)
    if gone is not None:  # else the station has told more of it meanwhile
        show_lost(context, known, memory, running, gone)
    return True


async def lose_all(context: Context, known: Known, memory: Memory) -> None:
    """The same of all that run: the station speaks OCPP 1.6 now, which knows none of them."""
    before = tuple(memory.transactions)
    for running in before:
        show_lost(context, known, memory, running, _station_time(context, known, running))
    groups = {name: group for name, group in known.points.connectors.items() if name in {found.at for found in before}}
    shown = [GroupRecord(group.path, group.last_values()) for group in groups.values()]
    try:  # their ends stand nowhere but in what is shown
        await context.store.lose_event_transactions(known.id, shown)
    except StoreError as error:
        log.error("store.failed", station=known.id, error=str(error))


def show_lost(context: Context, known: Known, memory: Memory, running: TransactionState, gone: float) -> None:
    """A transaction runs no more since `gone`, by the station's clock, and nobody knows how it ended."""
    memory.transactions.close(running.id, gone)
    log.warning("transaction.lost", station=known.id, transaction=running.id)
    group = known.points.connectors.get(running.at)
    if group is not None and memory.transactions.at(running.at) is running:
        charges.put(context, known, group, points(running, current=True, ended=False))
        charges.put(context, known, group, points(running, current=False, ended=True), Quality.SUBNORMAL)


def _gone(memory: Memory, group: Group, running: TransactionState) -> float | None:
    """The station's time of its word that the connector is free, where it has not told of the transaction since."""
    name = reported.name_of(group)
    report = memory.reported.get(name, ConnectorReport())
    if running.ended or memory.transactions.at(name) is not running or state(report, running.charging) != "Available":
        return None
    return report.time if running.last_time is None or running.last_time <= report.time else None


def take_answer(
    context: Context, known: Known, memory: Memory, payload: Mapping[str, Any], response: Mapping[str, Any]
) -> None:
    """What a station answered to GetTransactionStatus (OCPP 2.0.1 E14)."""
    running = memory.transactions.get(str(payload.get("transactionId")))
    if running is None or running.ended:
        return
    running.unheard = False
    goes_on = response.get("ongoingIndicator")
    if goes_on is True:
        group = known.points.connectors.get(running.at)
        if group is not None and memory.transactions.at(running.at) is running:
            charges.put(context, known, group, points(running, current=True, ended=False))
    elif goes_on is False and response.get("messagesInQueue") is False:  # else its end is still to come
        context.spawn(_forget(context, known, memory, running))


async def _forget(context: Context, known: Known, memory: Memory, running: TransactionState) -> None:
    """Ends a transaction that the station says it does not know."""
    numbers = running.numbers.last
    if not await _lose(context, known, running.id) or running.ended or running.numbers.last != numbers:
        return
    show_lost(context, known, memory, running, _station_time(context, known, running))
    group = known.points.connectors.get(running.at)
    if group is not None:
        charges.show_status(context, known, memory, group, None)


def _station_time(context: Context, known: Known, running: TransactionState) -> float:
    """Now, by the station's clock; no event of the transaction is later."""
    now = context.clock() + (known.clock.offset or 0.0)
    return max(now, running.last_time or now)
