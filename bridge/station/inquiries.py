"""What the bridge asks a 2.x station by itself, beside everything else: transactions and variables of which nothing has
been told since it came back, and what is missing of a report.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from bridge.errors import CallFailed
from bridge.points.tree import Quality
from bridge.station import lost, reported
from bridge.station.context import Context
from bridge.station.known import Connection, Known
from bridge.station.v2.memory import Memory
from bridge.station.v2.variables import ACTUAL, Described, Variable, named

log = structlog.get_logger()

Request = Callable[[Context, Known], tuple[str, dict[str, Any]] | None]

#: s that a station which has come back has to tell of its transactions by itself
ASK_AFTER = 30.0
#: s without a part of a report that is not complete, after which it is asked for again
ASK_AGAIN_AFTER = 60.0
#: times that a report is asked for again over one connection
MAX_AGAIN = 2
#: variables in one GetVariables where the station does not say how many it takes
ITEMS = 10
MAX_ITEMS = 100
_ITEMS_PER_MESSAGE = Variable("DeviceDataCtrlr", "", 0, 0, "ItemsPerMessage", "GetVariables")


def connected(context: Context, known: Known, memory: Memory, session: Connection) -> None:
    """A station has come back: whether its transactions still run, and what its variables are, is not sure."""
    for running in memory.transactions:
        running.unheard = True

    async def ask() -> None:
        await asyncio.sleep(ASK_AFTER)
        if known.session is not session:
            return
        for running in memory.transactions:
            if running.unheard and _may_ask(known, session, "GetTransactionStatus"):
                running.unheard = False
                await _ask_status(context, known, memory, session, running.id)
        if context.settings.read_configuration and memory.is_read:
            await _read_again(context, known, memory, session)

    context.spawn(ask())


def _may_ask(known: Known, session: Connection, action: str) -> bool:
    return known.session is session and not session.refusal(action)


async def _ask_status(context: Context, known: Known, memory: Memory, session: Connection, transaction: str) -> None:
    payload = {"transactionId": transaction}
    try:
        response = await session.call("GetTransactionStatus", payload)
    except (CallFailed, ValueError) as error:
        log.info("transaction.not_asked", station=known.id, transaction=transaction, error=str(error))
        return
    lost.take_answer(context, known, memory, payload, response)


# Variables


async def _read_again(context: Context, known: Known, memory: Memory, session: Connection) -> None:
    """Reads the values that were told over an earlier connection; what the variables are has not changed."""
    old = [named(found) for found in memory.model if _is_old(known, found)]
    size = _items(known, memory)
    for start in range(0, len(old), size):
        if not _may_ask(known, session, "GetVariables"):
            return
        try:
            response = await session.call("GetVariables", {"getVariableData": old[start : start + size]})
        except (CallFailed, ValueError) as error:
            log.info("configuration.not_read", station=known.id, error=str(error))
            return
        now = context.clock()
        reported.show_readings(context.tree, known, memory.model.results(response), now, now)


def _is_old(known: Known, found: Described) -> bool:
    slot = None if found.gone or not found.readable else known.points.slot(found.row.key)
    return slot is not None and known.points.sample(slot).quality is Quality.LAST


def _items(known: Known, memory: Memory) -> int:
    """How many variables a GetVariables may name (OCPP 2.0.1 §2.1.4, ItemsPerMessageGetVariables)."""
    found = memory.model.find(_ITEMS_PER_MESSAGE, ACTUAL)
    told = None if found is None else known.points.value(found.row.key)
    return min(told, MAX_ITEMS) if isinstance(told, int) and told > 0 else ITEMS


# Reports


def await_report(context: Context, known: Known, memory: Memory, request: Request) -> None:
    """The report that the bridge has asked for (`Memory.ours`) is under way: one that stays incomplete is asked for
    again.
    """
    asked, session = memory.ours, known.session
    if session is None:
        return

    async def watch(session: Connection) -> None:
        parts = -1
        while memory.ours == asked and parts != memory.parts:
            parts = memory.parts
            await asyncio.sleep(ASK_AGAIN_AFTER)
        if memory.ours == asked and known.session is session:
            await _ask_again(context, known, memory, session, request)

    context.spawn(watch(session))


async def _ask_again(context: Context, known: Known, memory: Memory, session: Connection, request: Request) -> None:
    log.warning("configuration.incomplete", station=known.id, parts=memory.parts, asked_again=memory.again)
    memory.give_up()
    if memory.again >= MAX_AGAIN:
        problem = f"the report of its device model is incomplete: only {memory.parts} parts have come"
        reported.apply_points(context.tree, known.points, [("State.LastError", problem, None)], context.clock())
        return
    memory.again += 1
    asked = request(context, known)
    if asked is None or not _may_ask(known, session, asked[0]):
        return
    action, payload = asked
    try:
        response = await session.call(action, payload)
    except (CallFailed, ValueError) as error:
        log.info("configuration.not_read", station=known.id, error=str(error))
        memory.give_up()
        return
    if response.get("status") == "Accepted":
        await_report(context, known, memory, request)
    else:
        memory.refused(payload["requestId"])
