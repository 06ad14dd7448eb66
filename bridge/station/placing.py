"""Which connector a TransactionEvent speaks of, where it names the EVSE alone, or nothing."""

import structlog

from bridge.errors import StoreError
from bridge.points.tree import Group
from bridge.station import charges, lost, reported
from bridge.station.context import Context
from bridge.station.known import Known
from bridge.station.v2.addressing import choose, parse_name
from bridge.station.v2.events import ENDED, Event
from bridge.station.v2.memory import Memory
from bridge.station.v2.transaction import TransactionState
from bridge.station.v2.transactions import Taken

log = structlog.get_logger()


def find(known: Known, event: Event, group: Group | None, state: TransactionState | None) -> str | None:
    """The connector that an event speaks of, "" where nothing tells, None where it need not tell. `group`: the one
    that its EVSE stands for.
    """
    if event.place is None:
        lone = event.type == ENDED and (state is None or not state.at) and len(known.points.connectors) == 1
        return next(iter(known.points.connectors)) if lone else None
    unsure = event.place.connector is None and choose(known.outlets(event.place.evse)) is None
    return "" if unsure or group is None else reported.name_of(group)


def place_waiting(context: Context, known: Known, memory: Memory, group: Group) -> list[TransactionState]:
    """What a station says of a connector may tell where a transaction is that has named its EVSE alone; it is
    not put anywhere without a reason. Shows and returns those that are at this one.
    """
    name = reported.name_of(group)
    place = parse_name(name)
    waiting = [] if place is None else memory.transactions.waiting(place.evse)
    if place is None or not waiting or choose(known.outlets(place.evse)) != place.connector:
        return []
    for state_of in waiting:
        taken = memory.transactions.place(state_of, name)
        context.spawn(_keep_place(context, known, taken))
        if taken.changed:
            charges.clear(context, known, group, taken, None)
        charges.show_closed(context, known, memory, group, taken)
        charges.put_state(context, known, group, taken)
    charges.show_status(context, known, memory, group, waiting[-1].last_time)
    return waiting


async def _keep_place(context: Context, known: Known, taken: Taken) -> None:
    try:
        await context.store.place_events(known.id, taken.state.id, taken.state.at)
    except StoreError as error:
        log.error("store.failed", station=known.id, error=str(error))
    if taken.closed:
        await lost.close_older(context, known, taken)
