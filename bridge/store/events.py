"""TransactionEvents of 2.x stations: each is a row, and the events of transactions that have no end are found quickly.

A transaction's state is nothing but its events: they are read again at the start.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlite_utils import Database

from bridge.store.records import ASIDE, EventRecord, GroupRecord
from bridge.store.rows import VALUE, from_json, group_row, select, to_json

_COLUMNS = "station, transaction_id, seq_no, digest, ended, payload, received, connector"
_OPEN = (
    f"SELECT {', '.join(f'e.{name}' for name in _COLUMNS.split(', '))} FROM transaction_events e "  # noqa: S608
    "JOIN running_transactions USING (station, transaction_id) ORDER BY e.id"
)
_ONE = f"SELECT {_COLUMNS} FROM transaction_events WHERE station = ? AND transaction_id = ? ORDER BY id"  # noqa: S608

SLICE = 2_000  # rows that one job looks at: others wait for it
_FORGET = """
    WITH seen AS (SELECT DISTINCT station, transaction_id FROM transaction_events WHERE id > ?1 AND id <= ?2),
    over AS (
        SELECT station, transaction_id FROM seen
        WHERE NOT EXISTS (SELECT 1 FROM running_transactions r
                          WHERE r.station = seen.station AND r.transaction_id = seen.transaction_id)
        AND NOT EXISTS (SELECT 1 FROM transaction_events e
                        WHERE e.station = seen.station AND e.transaction_id = seen.transaction_id AND e.received >= ?3)
    )
    DELETE FROM transaction_events WHERE (station, transaction_id) IN over
"""


def put_event(db: Database, event: EventRecord) -> bool:
    """Stores an event; False: the same has been stored before. Another event with its number is stored beside it."""
    key = event.station, event.transaction_id
    cursor = db.execute(
        f"INSERT INTO transaction_events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT (station, transaction_id, digest) DO NOTHING",
        (*key, event.seq_no, event.digest, event.ended, to_json(event.payload), event.received, event.connector),
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


def answer_event(db: Database, station: str, transaction: str, digest: str, answer: dict[str, Any]) -> None:
    """Notes what an event is answered."""
    sql = "UPDATE transaction_events SET answer = ? WHERE station = ? AND transaction_id = ? AND digest = ?"
    db.execute(sql, (to_json(answer), station, transaction, digest))


def answer_of(db: Database, station: str, transaction: str, digest: str) -> dict[str, Any] | None:
    """What an event was answered; None: nothing yet."""
    sql = "SELECT answer FROM transaction_events WHERE station = ? AND transaction_id = ? AND digest = ?"
    row = next(select(db, sql, (station, transaction, digest)), (None,))
    return None if row[0] is None else dict(from_json(row[0]))


def place_events(db: Database, station: str, transaction: str, connector: str) -> None:
    """Notes where a transaction is of which nothing had told that before."""
    sql = "UPDATE transaction_events SET connector = ? WHERE station = ? AND transaction_id = ? AND connector = ''"
    db.execute(sql, (connector, station, transaction))


def set_aside(db: Database, station: str, transaction: str) -> str:
    """Gives a transaction that runs no more another name, since the station has begun another one with its id."""
    key = station, transaction
    first = "SELECT min(id) FROM transaction_events WHERE station = ? AND transaction_id = ?"
    name = f"{transaction}{ASIDE}{db.conn.execute(first, key).fetchone()[0] or 0}"
    db.execute(
        "UPDATE transaction_events SET transaction_id = ? WHERE station = ? AND transaction_id = ?", (name, *key)
    )
    lose_transaction(db, *key)
    return name


def names_aside(db: Database, station: str, transaction: str) -> list[str]:
    """The names that `set_aside` gave transactions of this id, the first one first."""
    sql = (
        "SELECT transaction_id FROM transaction_events WHERE station = ? AND transaction_id > ? "
        "AND transaction_id < ? GROUP BY transaction_id ORDER BY min(id)"
    )
    after, before = f"{transaction}{ASIDE}", f"{transaction}{chr(ord(ASIDE) + 1)}"
    return [row[0] for row in select(db, sql, (station, after, before))]


def lose_transaction(db: Database, station: str, transaction: str) -> None:
    """Notes that a transaction runs no more though it has no end, unless more of its events come."""
    db.execute("DELETE FROM running_transactions WHERE station = ? AND transaction_id = ?", (station, transaction))


def lose_transactions(db: Database, station: str, shown: Iterable[GroupRecord] = ()) -> None:
    """The same of all that run at a station, and stores the last values that tell it."""
    db.conn.executemany(VALUE.sql, map(group_row, shown))
    db.execute("DELETE FROM running_transactions WHERE station = ?", (station,))


def forget_events(db: Database, before: float, after: int) -> int | None:
    """Deletes the events of transactions that have ended and of which nothing has come since `before` (Unix seconds).

    Looks at a slice of the table, from behind the id `after`; returns where to go on, None when all has been seen.
    """
    sql = "SELECT max(id), count(*) FROM (SELECT id FROM transaction_events WHERE id > ? ORDER BY id LIMIT ?)"
    last, count = db.conn.execute(sql, (after, SLICE)).fetchone()
    if last is None:
        return None
    db.execute(_FORGET, (after, last, before))
    oldest = db.conn.execute("SELECT received FROM transaction_events WHERE id > ? LIMIT 1", (last,)).fetchone()
    return int(last) if count == SLICE and oldest is not None and oldest[0] < before else None


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
        connector=row[7],
    )
