"""Transactions of 2.x stations as the store tells them: each state is its events, taken in again."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import attrgetter

from msgspec import structs

from bridge.station.v2.addressing import Place, connector_name, parse_name
from bridge.station.v2.events import Event, read_event
from bridge.station.v2.transaction import TransactionState
from bridge.station.v2.transactions import Transactions
from bridge.store.records import EventRecord


def located(event: Event, connector: str | None) -> Event:
    """The event with the place that was found out for it, where it names none."""
    place = parse_name(connector) if connector and event.place is None else None
    return event if place is None else structs.replace(event, place=place)


def event_of(record: EventRecord) -> Event:
    """The event as it was taken in."""
    event = structs.replace(read_event(record.payload), transaction=record.transaction_id, digest=record.digest)
    return located(event, record.connector)


def _locate(noted: str | None, place: Place) -> str:
    return connector_name(place.evse, place.connector or 1) if noted is None else noted


def states(events: Iterable[EventRecord]) -> Iterator[tuple[str, TransactionState]]:
    """Each transaction's station and state; its events come together. Where its connector was not noted, an
    EVSE stands for its connector 1.
    """
    for (station, transaction), found in groupby(events, key=attrgetter("station", "transaction_id")):
        transactions = Transactions()
        for record in found:
            transactions.take(
                event_of(record),
                partial(_locate, record.connector),
                record.received,
            )
        state = transactions.get(transaction)
        if state is not None:
            yield station, state
