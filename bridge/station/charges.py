"""Transactions of OCPP 2.x as points, and what the store has of them; `v2.transactions` has the rules."""

import asyncio
from collections.abc import Iterable
from functools import partial

import structlog

from bridge.errors import StoreError
from bridge.points.rows import Value
from bridge.points.tree import Group, Quality, Update
from bridge.station import reported, transactions
from bridge.station.context import Context
from bridge.station.known import Known
from bridge.station.v2.addressing import Place
from bridge.station.v2.events import Event, read_event
from bridge.station.v2.memory import Memory
from bridge.station.v2.status import ConnectorReport, state
from bridge.station.v2.transaction import TransactionState
from bridge.station.v2.transaction_points import OF_ANOTHER, Point, left_points, points
from bridge.station.v2.transactions import Taken
from bridge.store.records import EventRecord

log = structlog.get_logger()


def locate(name: str, place: Place) -> str:
    """Where the place of an event is, which has been looked up."""
    return name


def replay(context: Context, known: Known, memory: Memory, events: Iterable[EventRecord]) -> None:
    """Takes events of the store in again, without showing or asking anything: what was known before a restart."""
    for record in events:
        event = read_event(record.payload)
        place = event.place
        outlet = None if place is None else context.outlet(known, place)
        name = "" if outlet is None else reported.name_of(outlet)
        memory.transactions.take(event, partial(locate, name), record.received)


def recall(context: Context, known: Known, memory: Memory, transaction: str, at: str) -> None:
    """Replays a transaction that is not in memory, and the one that is shown as the last to start at its connector:
    of the two it may be the older one. `at`: the connector that is named for it, "" for none.
    """
    if memory.transactions.get(transaction) is None:
        replay(context, known, memory, context.store.events_of(known.id, transaction))
    found = memory.transactions.get(transaction)
    group = known.points.connectors.get(found.at if found is not None else at)
    shown = None if group is None else group.value("Transaction.Start.Id") or group.value("Transaction.Stop.Id")
    if isinstance(shown, str) and shown and memory.transactions.get(shown) is None:
        replay(context, known, memory, context.store.events_of(known.id, shown))


def show(
    context: Context, known: Known, memory: Memory, at: Group, event: Event, taken: Taken, told: Iterable[Point]
) -> None:
    """What an event changes in the tree: Transaction.*, MeterValues.*, Status.State. `told`: what its token was
    answered.
    """
    tree, now, left = context.tree, context.clock(), known.points.connectors.get(taken.left)
    if taken.changed:
        _clear(context, known, at, taken, left)
    _put(context, known, at, points(taken.state, current=taken.current, ended=_ends_last(at, taken)))
    _put(context, known, at, told)
    behind = taken.late or not taken.current
    reported.take_meter_values(tree, known, at, event.meter_values, now, newer=behind)
    if left is not None:
        _put(context, known, left, left_points(taken.state.last_time))
        _show_status(context, known, memory, left, taken.state.last_time)
    if taken.current:
        _show_status(context, known, memory, at, taken.state.last_time)


def _ends_last(at: Group, taken: Taken) -> bool:
    """Whether its end is the last one at its connector."""
    return taken.current or is_last_end(at, taken.state)


def is_last_end(at: Group, state: TransactionState) -> bool:
    """Whether a transaction ended later than the one whose end is shown."""
    shown = at.value("Transaction.Stop.Time")
    return state.end_time is not None and not (isinstance(shown, float) and shown >= state.end_time)


def _clear(context: Context, known: Known, at: Group, taken: Taken, left: Group | None) -> None:
    """Forgets what is shown of the transaction before; one that has moved brings its own along."""
    cleared: list[tuple[str, Value]] = [(key, None if left is None else left.value(key)) for key in OF_ANOTHER]
    if left is None:
        cleared += [(key, None) for key in _cars(at, all_of_them=bool(taken.closed))]
    _put(context, known, at, [(key, value, None) for key, value in cleared])


def _cars(at: Group, *, all_of_them: bool) -> list[str]:
    """The points of a car that came before the last end was known: those of the car before. What came since is told
    of the car that is there, which may have told it before its transaction started.
    """
    slot = at.slot("Transaction.Stop.Id")
    ended = None if slot is None else at.sample(slot).server_time
    found = []
    for slot in tuple(at.slots()):
        row, told = at.row(slot), at.sample(slot).server_time
        if row.folder == "EV" and (all_of_them or (ended is not None and told is not None and told <= ended)):
            found.append(row.key)
    return found


def _put(context: Context, known: Known, group: Group, found: Iterable[Point], quality: Quality = Quality.GOOD) -> None:
    """Shows what is known of a transaction by now. Its own order has been found out, so that no time is too old:
    where it lies before that of what is shown, the time of receipt stands for it.
    """
    now, updates = context.clock(), []
    for key, value, stamp in found:
        slot = group.slot(key)
        if slot is None or (value is None and group.value(key) is None):
            continue
        time = None if stamp is None else known.clock.believed(stamp, now)
        shown = group.sample(slot).source_time
        time = None if time is not None and shown is not None and time < shown else time
        updates.append(Update(slot, value, time, Quality.GOOD if value is None else quality))
    context.tree.apply(group, updates, now)


def _show_status(context: Context, known: Known, memory: Memory, group: Group, stamp: float | None) -> None:
    now, slot = context.clock(), group.slot("Status.State")
    time = None if stamp is None else known.clock.believed(stamp, now)
    shown = None if slot is None else group.sample(slot).source_time
    late = time is not None and shown is not None and time < shown
    reported.show_status(context.tree, memory, group, None if late else time, now)


# Those that the station has forgotten


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
        await asyncio.sleep(transactions.LOST_AFTER)
        if known.session is session and _gone(memory, group, running) is not None:
            await _close(context, known, memory, group, running)

    context.spawn(close())


async def _close(context: Context, known: Known, memory: Memory, group: Group, running: TransactionState) -> None:
    """Ends a transaction that the station no longer knows. Its end is taken all the same, if it ever comes."""
    if not await _lose(context, known, running.id):
        return
    gone = _gone(memory, group, running)
    if gone is None:  # the station has told more of it meanwhile
        return
    memory.transactions.close(running.id, gone)
    log.warning("transaction.lost", station=known.id, transaction=running.id)
    _put(context, known, group, points(running, current=True, ended=False))
    ends = points(running, current=False, ended=True)
    _put(context, known, group, ends, Quality.SUBNORMAL)


def _gone(memory: Memory, group: Group, running: TransactionState) -> float | None:
    """The station's time of its word that the connector is free, where it has not told of the transaction since."""
    name = reported.name_of(group)
    report = memory.reported.get(name, ConnectorReport())
    if running.ended or memory.transactions.at(name) is not running or state(report, running.charging) != "Available":
        return None
    return report.time if running.last_time is None or running.last_time <= report.time else None
