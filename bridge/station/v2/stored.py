"""Transactions of 2.x stations as the store tells them: each state is its events, taken in again."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from bridge.station.v2.addressing import connector_name
from bridge.station.v2.events import read_event
from bridge.station.v2.transaction import TransactionState
from bridge.station.v2.transactions import Transactions
from bridge.store.records import EventRecord


def states(events: Iterable[EventRecord]) -> Iterator[tuple[str, TransactionState]]:
    """Each transaction's station and state; its events come together. An EVSE stands for its connector 1."""
    for (station, transaction), found in groupby(events, key=attrgetter("station", "transaction_id")):
        transactions = Transactions()
        for record in found:
            transactions.take(
                read_event(record.payload),
                lambda place: connector_name(place.evse, place.connector or 1),
                record.received,
            )
        state = transactions.get(transaction)
        if state is not None:
            yield station, state
