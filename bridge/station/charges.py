"""Transactions of OCPP 2.x as points, and what the store has of them; `v2.transactions` has the rules."""

from collections.abc import Iterable
from functools import partial

import structlog

from bridge.points.rows import Value
from bridge.points.tree import Group, Quality, Update
from bridge.station import reported
from bridge.station.context import Context
from bridge.station.known import Known
from bridge.station.v2.addressing import Place, parse_name
from bridge.station.v2.events import Event
from bridge.station.v2.memory import Memory
from bridge.station.v2.stored import event_of
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
        event, name = event_of(record), record.connector
        place = event.place if name is None else parse_name(name)
        outlet = None if place is None else context.outlet(known, place)
        if name is None:
            name = "" if outlet is None else reported.name_of(outlet)
        memory.transactions.take(event, partial(locate, name), record.received)


def recall(context: Context, known: Known, memory: Memory, transaction: str, at: str) -> TransactionState | None:
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
    return found


def show(
    context: Context, known: Known, memory: Memory, at: Group, event: Event, taken: Taken, told: Iterable[Point]
) -> str:
    """What an event changes in the tree: Transaction.*, MeterValues.*, Status.State; returns why a value could not be
    read. `told`: what its token was answered.
    """
    tree, now, left = context.tree, context.clock(), known.points.connectors.get(taken.left)
    if taken.changed:
        clear(context, known, at, taken, left)
    show_closed(context, known, memory, at, taken)
    put_state(context, known, at, taken)
    put(context, known, at, told)
    behind = taken.late or not taken.current
    problem = reported.take_meter_values(tree, known, at, event.meter_values, now, newer=behind)
    if left is not None:
        put(context, known, left, left_points(taken.state.last_time))
        show_status(context, known, memory, left, taken.state.last_time)
    if taken.current:
        show_status(context, known, memory, at, taken.state.last_time)
    return problem


def put_state(context: Context, known: Known, at: Group, taken: Taken) -> None:
    """What is known of a transaction by now; of the end of one that was lost nothing is sure."""
    put(context, known, at, points(taken.state, current=taken.current, ended=False))
    if ends_last(at, taken):
        quality = Quality.SUBNORMAL if taken.state.lost else Quality.GOOD
        put(context, known, at, points(taken.state, current=False, ended=True), quality)


def show_closed(context: Context, known: Known, memory: Memory, at: Group, taken: Taken) -> None:
    """The end of the transaction whose place another one has taken: nobody knows how it ended."""
    older = memory.transactions.get(taken.closed)
    if older is not None and older is not taken.state and is_last_end(at, older):
        put(context, known, at, points(older, current=False, ended=True), Quality.SUBNORMAL)


def ends_last(at: Group, taken: Taken) -> bool:
    """Whether its end is the last one at its connector."""
    state = taken.state
    if taken.current and not state.lost:
        return True
    return at.value("Transaction.Stop.Id") == state.id or is_last_end(at, state)


def is_last_end(at: Group, state: TransactionState) -> bool:
    """Whether a transaction ended later than the one whose end is shown."""
    shown = at.value("Transaction.Stop.Time")
    return state.end_time is not None and not (isinstance(shown, float) and shown >= state.end_time)


def clear(context: Context, known: Known, at: Group, taken: Taken, left: Group | None) -> None:
    """Forgets what is shown of the transaction before; one that has moved brings its own along."""
    cleared: list[tuple[str, Value]] = [(key, None if left is None else left.value(key)) for key in OF_ANOTHER]
    if left is None:
        cleared += [(key, None) for key in _cars(at, all_of_them=bool(taken.closed))]
    put(context, known, at, [(key, value, None) for key, value in cleared])


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


def put(context: Context, known: Known, group: Group, found: Iterable[Point], quality: Quality = Quality.GOOD) -> None:
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


def show_status(context: Context, known: Known, memory: Memory, group: Group, stamp: float | None) -> None:
    now, slot = context.clock(), group.slot("Status.State")
    time = None if stamp is None else known.clock.believed(stamp, now)
    shown = None if slot is None else group.sample(slot).source_time
    late = time is not None and shown is not None and time < shown
    reported.show_status(context.tree, memory, group, None if late else time, now)
