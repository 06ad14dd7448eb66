"""What is made of a station's transactions when it has connected.

A station that speaks OCPP 2.x instead of 1.6, or 1.6 instead of 2.x, has begun anew: none of its transactions goes on
under the other version. They end as those do whose end was lost; an end that comes after all is taken. One that is as
it was is asked about those that it says nothing of (OCPP 2.0.1 E14); of OCPP 1.6 those are
waited for no longer whose connector was said to be free.
"""

from bridge.station import inquiries, lost, transactions
from bridge.station.context import Context
from bridge.station.keeping import keep_notes
from bridge.station.known import Known


def reconcile(context: Context, known: Known) -> None:
    """A station has connected."""
    memory, session = known.memory, known.session
    if known.model.version.name != "1.6":
        if known.running:
            context.spawn(transactions.lose_all(context, known))
        if memory is not None and session is not None:
            inquiries.connected(context, known, memory, session)
        return
    transactions.miss_stops(context, known)
    if memory is not None:
        memory.begin_anew()
        keep_notes(context, known, memory)
        if any(memory.transactions):
            context.spawn(lost.lose_all(context, known, memory))
