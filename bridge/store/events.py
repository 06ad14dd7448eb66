"""TransactionEvents of 2.x stations: each is a row, and the events of transactions that have no end are found quickly.

A transaction's state is nothing but its events: they are read again at the start.
"""

from collections.abc import Iterator
from typing import Any

from sqlite_utils import Database

from bridge.store.records import EventRecord
from bridge.store.rows import from_json, select, to_json

_COLUMNS = "station, transaction_id, seq_no, digest, ended, payload, received"
_OPEN = (
    f"SELECT {', '.join(f'e.{name}' for name in _COLUMNS.split(', '))} FROM transaction_events e "  # noqa: S608
    "JOIN running_transactions USING (station, transaction_id) ORDER BY e.id"
)
_ONE = f"SELECT {_COLUMNS} FROM transaction_events WHERE station = ? AND transaction_id = ? ORDER BY id"  # noqa: S608


def put_event(db: Database, event: EventRecord) -> bool:
    """Stores an event; False: the same has been stored before. Another event with its number is stored beside it."""
    key = event.station, event.transaction_id
    cursor = db.execute(
        "INSERT INTO transaction_events (station, transaction_id, seq_no, digest, ended, payload, received) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (station, transaction_id, digest) DO NOTHING",
        (*key, event.seq_no, event.digest, event.ended, to_json(event.payload), event.received),
    )
    if cursor.rowcount != 1:
        return False
    if event.ended:
        lose_transaction(db, *key)
    else:
        db.execute(
            "INSERT INTO running_transactions SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM transaction_events "
            "WHERE station = ?1 AND transaction_id = ?2 AND ended) ON CONFLICT DO NOTHING",
            key,
        )
    return True


def lose_transaction(db: Database, station: str, transaction: str) -> None:
    """Notes that a transaction runs no more though it has no end, unless more of its events come."""
    db.execute("DELETE FROM running_transactions WHERE station = ? AND transaction_id = ?", (station, transaction))


def running_events(db: Database) -> Iterator[EventRecord]:
    """The events of all transactions without an end, in the order in which they came."""
    return map(_event, select(db, _OPEN))


def events_of(db: Database, station: str, transaction: str) -> Iterator[EventRecord]:
    """The events of one transaction, in the order in which they came."""
    return map(_event, select(db, _ONE, (station, transaction)))


def events(db: Database) -> Iterator[EventRecord]:
    """All events, those of each transaction together and in the order in which they came."""
    sql = f"SELECT {_COLUMNS} FROM transaction_events ORDER BY station, transaction_id, id"  # noqa: S608
    return map(_event, select(db, sql))


def ends_of(db: Database, station: str) -> Iterator[tuple[str, float]]:
    """The transactions of a station that have ended: id, and when the end came. The last one first."""
    sql = "SELECT transaction_id, received FROM transaction_events WHERE station = ? AND ended ORDER BY id DESC"
    return ((row[0], row[1]) for row in select(db, sql, (station,)))


def _event(row: tuple[Any, ...]) -> EventRecord:
    return EventRecord(
        station=row[0],
        transaction_id=row[1],
        seq_no=row[2],
        digest=row[3],
        ended=bool(row[4]),
        payload=from_json(row[5]),
        received=row[6],
    )
