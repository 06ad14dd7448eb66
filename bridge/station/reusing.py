"""Ids that a 2.x station gives to one transaction after another, as where a power cut sets its counter back.

The id is that of the last one; those before are set aside under names of the bridge's own, and one that ran until then
has ended, nobody knows how. OCPP 2.0.1 E01.FR.08 wants ids that never come again.
"""

import structlog
from msgspec import structs

from bridge.station import charges, lost
from bridge.station.context import Context
from bridge.station.known import Known
from bridge.station.v2.events import Event
from bridge.station.v2.memory import Memory
from bridge.station.v2.transaction import TransactionState, reuses

log = structlog.get_logger()


async def tell_apart(
    context: Context, known: Known, memory: Memory, event: Event, before: TransactionState | None
) -> tuple[Event, str]:
    """The event as one of the transaction that it belongs to, and what is wrong with its id. `before`: the transaction
    that has the id. Raises StoreError.
    """
    if before is None or event.time is None:
        return event, ""
    if reuses(before, event):
        log.warning("transaction.reused", station=known.id, transaction=event.transaction)
        name = await context.store.set_events_aside(known.id, event.transaction)
        what = "has ended" if before.ended else "has not ended, and runs no more"
        if not before.ended:
            lost.show_lost(context, known, memory, before, event.time)
        memory.set_aside(event.transaction, name)
        return event, f"transactionId {event.transaction[:50]} was that of a transaction that {what}"
    if event.time < before.begun:
        return _of_older(context, known, memory, event), ""
    return event, ""


def _of_older(context: Context, known: Known, memory: Memory, event: Event) -> Event:
    """An event of before its transaction began is that of one which had the id then, if there was one."""
    for name in reversed(context.store.events_set_aside(known.id, event.transaction)):
        older = charges.recall(context, known, memory, name, "")
        if older is not None and event.time is not None and event.time >= older.begun:
            return structs.replace(event, transaction=name)
    return event
