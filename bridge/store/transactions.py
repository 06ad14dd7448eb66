"""Transactions of OCPP 1.6: each is a row, from its start to its stop. The rows of 2.x are `events`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from bridge.store.records import Transaction, TransactionStart, TransactionStop
from bridge.store.rows import from_json, select, to_json

MAX_ID = 2**31 - 1
#: Unix seconds: no message of OCPP 1.6 is older. A station whose clock shows less has never been told the time
FIRST_TIME = 1_444_262_400.0  # 2015-10-08
_FIRST_STAMP = "2015-10-08"
AGAIN = "\x1f"
"""In what tells a repeated start of such a station: between its time and the id of the one that was like it before."""

StartKey = tuple[str, str, str, str, float]
"""Station, connector, id tag, start timestamp (one text for each time), meter start."""

_TRANSACTIONS = (
    "SELECT id, station, connector, id_tag, start_time, meter_start, stop_time, meter_stop, reason, "
    "stop_id_tag, authorization, reservation_id, received, stop_received, lost, stop_authorization FROM transactions "
)
_ORPHAN = (
    "INSERT INTO orphan_stops (station, transaction_id, id_tag, stop_time, stop_timestamp, meter_stop, "
    "reason, data, received, taken_for, authorization) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 "
    "WHERE NOT EXISTS (SELECT 1 FROM orphan_stops WHERE station = ?1 AND transaction_id = ?2 "
    "AND stop_timestamp = ?5 AND meter_stop = ?6 AND reason = ?7 AND id_tag IS ?3 AND data = ?8)"
)
_GUESSED = (
    "WHERE station = ? AND stop_named = ? AND stop_timestamp = ? AND meter_stop = ? AND reason = ? "
    "AND stop_id_tag IS ? AND stop_data = ?"
)
_KEPT = (
    "SELECT taken_for, authorization FROM orphan_stops WHERE station = ? AND transaction_id = ? "
    "AND stop_timestamp = ? AND meter_stop = ? AND reason = ? AND id_tag IS ? AND data = ?"
)
_FIND_START = (
    "SELECT id, authorization FROM transactions WHERE station = ? AND connector = ? AND id_tag = ? "
    "AND start_timestamp = ? AND meter_start = ?"
)

_LIKE = (
    "SELECT id, start_timestamp, stop_time IS NOT NULL AND stop_named IS NULL FROM transactions WHERE station = ? "
    "AND connector = ? AND id_tag = ? AND (start_timestamp = ? OR substr(start_timestamp, 1, length(?5)) = ?5) "
    "AND meter_start = ? ORDER BY id DESC LIMIT 1"
)


def find_start(db: Database, key: StartKey) -> tuple[int, dict[str, Any]] | None:
    """Id and authorization of the transaction that this StartTransaction has begun already."""
    if key[3] < _FIRST_STAMP:
        key = (*key[:3], tell_apart(db, key), key[4])
    row = next(select(db, _FIND_START, (*key[:4], float(key[4]))), None)
    return None if row is None else (row[0], from_json(row[1]))


def tell_apart(db: Database, key: StartKey) -> str:
    """The timestamp under which a start of a station that does not know the time is stored, or has been.

    Its clock may show the same at each start, so that two transactions look alike. A station that has sent the stop of
    one under its id has had the answer to its start, and does not send that again (OCPP 1.6 §3.7): it is another one.
    """
    station, connector, tag, stamp, meter = key
    found = next(select(db, _LIKE, (station, connector, tag, stamp, f"{stamp}{AGAIN}", float(meter))), None)
    if found is None:
        return stamp
    number, timestamp, stopped = found
    return f"{stamp}{AGAIN}{number}" if stopped else str(timestamp)


def start_transaction(db: Database, start: TransactionStart) -> tuple[int, dict[str, Any], bool]:
    """Id, authorization as first answered, and whether this StartTransaction is a repeated one."""
    if start.start_time < FIRST_TIME:
        key = start.station, start.connector, start.id_tag, start.start_timestamp, start.meter_start
        start = replace(start, start_timestamp=tell_apart(db, key))
    cursor = db.execute(
        "INSERT INTO transactions (station, connector, connector_id, id_tag, start_time, start_timestamp, "
        "meter_start, reservation_id, authorization, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (station, connector, id_tag, start_timestamp, meter_start) DO NOTHING",
        (
            start.station,
            start.connector,
            start.connector_id,
            start.id_tag,
            start.start_time,
            start.start_timestamp,
            float(start.meter_start),
            start.reservation_id,
            to_json(start.authorization),
            start.received,
        ),
    )
    if cursor.rowcount == 1 and cursor.lastrowid is not None:
        _lose_overtaken(db, start, cursor.lastrowid)
        return cursor.lastrowid, start.authorization, False
    key = (start.station, start.connector, start.id_tag, start.start_timestamp, float(start.meter_start))
    number, authorization = db.conn.execute(_FIND_START, key).fetchone()
    return number, from_json(authorization), True


def _lose_overtaken(db: Database, start: TransactionStart, number: int) -> None:
    """What began earlier at the same connector runs there no more (one connector, one car); its stop may still come."""
    if start.connector:
        db.execute(
            "UPDATE transactions SET lost = ? WHERE station = ? AND connector = ? AND id < ? AND start_time <= ? "
            "AND stop_time IS NULL AND lost IS NULL",
            (start.received, start.station, start.connector, number, start.start_time),
        )


def stop_transaction(db: Database, stop: TransactionStop) -> Transaction | None:
    """The transaction as stopped, by this message or by an earlier one; None for an orphan, which is kept.

    A stop that names the transaction takes the place of one that was only guessed to be its own. Any other one with
    other content is kept beside the first one: it was acknowledged. One that named none is what it was the first time.
    """
    if stop.named is not None:
        has_come, meant = _taken_before(db, stop)
        if has_come:
            return meant
    before = _one(db, stop.transaction_id, stop.station) if 1 <= stop.transaction_id <= MAX_ID else None
    if before is None:
        _keep_orphan(db, stop)
        return None
    if before.stop_time is None:
        return _put_stop(db, before, stop)
    columns = "stop_time, stop_timestamp, meter_stop, reason, stop_id_tag, stop_data, stop_received, stop_named"
    sql = f"SELECT {columns} FROM transactions WHERE id = ?"  # noqa: S608
    time, timestamp, meter, reason, tag, data, received, named = db.conn.execute(sql, (before.id,)).fetchone()
    answered = None if before.stop_authorization is None else to_json(before.stop_authorization)
    guessed = (before.station, named, tag, time, timestamp, meter, reason, data, received, before.id, answered)
    if (timestamp, meter, reason, tag, data) == (
        stop.stop_timestamp,
        float(stop.meter_stop),
        stop.reason,
        stop.id_tag,
        to_json(stop.data),
    ):
        if named is not None and stop.named is None:
            db.execute(_ORPHAN, guessed)
            db.execute("UPDATE transactions SET stop_named = NULL WHERE id = ?", (before.id,))
        return replace(before, stop_was="repeated")
    if named is None or stop.named is not None:
        _keep_orphan(db, stop)
        return replace(before, stop_was="other", stop_authorization=None)
    db.execute(_ORPHAN, guessed)
    return replace(_put_stop(db, before, stop), stop_was="corrected")


def _taken_before(db: Database, stop: TransactionStop) -> tuple[bool, Transaction | None]:
    """Whether a stop without an id has come before, and the transaction that it was taken for then, None for none: by
    now it may seem to mean another one, which it must not end as well.
    """
    content = (stop.stop_timestamp, float(stop.meter_stop), stop.reason, stop.id_tag, to_json(stop.data))
    key = (stop.station, stop.named, *content)
    row = db.conn.execute(_TRANSACTIONS + _GUESSED, key).fetchone()
    if row is not None:
        return True, replace(_transaction(row), stop_was="repeated")
    row = db.conn.execute(_KEPT, key).fetchone()
    before = None if row is None or row[0] is None else _one(db, row[0], stop.station)
    if before is None:
        return row is not None, None
    return True, replace(before, stop_was="other", stop_authorization=None if row[1] is None else from_json(row[1]))


def _put_stop(db: Database, before: Transaction, stop: TransactionStop) -> Transaction:
    db.execute(
        "UPDATE transactions SET stop_time = ?, stop_timestamp = ?, meter_stop = ?, reason = ?, "
        "stop_id_tag = ?, stop_data = ?, stop_received = ?, stop_named = ?, stop_authorization = NULL WHERE id = ?",
        (
            stop.stop_time,
            stop.stop_timestamp,
            float(stop.meter_stop),
            stop.reason,
            stop.id_tag,
            to_json(stop.data),
            stop.received,
            stop.named,
            stop.transaction_id,
        ),
    )
    return replace(
        before,
        stop_time=stop.stop_time,
        meter_stop=float(stop.meter_stop),
        reason=stop.reason,
        stop_id_tag=stop.id_tag,
        stop_received=stop.received,
        stop_authorization=None,  # it was another stop's
    )


def answer_stop(db: Database, number: int, authorization: dict[str, Any]) -> None:
    """Notes what a stop is answered."""
    db.execute("UPDATE transactions SET stop_authorization = ? WHERE id = ?", (to_json(authorization), number))


def lose_transaction(db: Database, number: int, now: float) -> None:
    """Notes that a transaction runs no more; its stop may still come."""
    db.execute("UPDATE transactions SET lost = ? WHERE id = ? AND stop_time IS NULL", (now, number))


def lose_transactions(db: Database, station: str, now: float) -> None:
    """The same of all that run at a station."""
    db.execute(
        "UPDATE transactions SET lost = ? WHERE station = ? AND stop_time IS NULL AND lost IS NULL", (now, station)
    )


def _one(db: Database, number: int, station: str) -> Transaction | None:
    sql = _TRANSACTIONS + "WHERE id = ? AND station = ?"
    row = db.conn.execute(sql, (number, station)).fetchone()
    return None if row is None else _transaction(row)


def _keep_orphan(db: Database, stop: TransactionStop) -> None:
    db.execute(
        _ORPHAN,
        (
            stop.station,
            str(stop.transaction_id) if stop.named is None else stop.named,
            stop.id_tag,
            stop.stop_time,
            stop.stop_timestamp,
            float(stop.meter_stop),
            stop.reason,
            to_json(stop.data),
            stop.received,
            None,
            None,
        ),
    )


def _transaction(row: tuple[Any, ...]) -> Transaction:
    return Transaction(
        id=row[0],
        station=row[1],
        connector=row[2],
        id_tag=row[3],
        start_time=row[4],
        meter_start=row[5],
        stop_time=row[6],
        meter_stop=row[7],
        reason=row[8],
        stop_id_tag=row[9],
        authorization=from_json(row[10]),
        reservation_id=row[11],
        received=row[12],
        stop_received=row[13],
        lost=row[14],
        stop_authorization=None if row[15] is None else from_json(row[15]),
    )


def runs(db: Database, number: int) -> bool:
    sql = "SELECT 1 FROM transactions WHERE id = ? AND stop_time IS NULL AND lost IS NULL"
    return db.conn.execute(sql, (number,)).fetchone() is not None


def open_transactions(db: Database) -> Iterator[Transaction]:
    return map(_transaction, select(db, _TRANSACTIONS + "WHERE stop_time IS NULL ORDER BY id"))


# The newest of each connector: a seek of the index for each, however many years it holds.
_LAST_ENDED = f"""
    WITH RECURSIVE newest (id, station, connector) AS (
        SELECT * FROM (
            SELECT id, station, connector FROM transactions WHERE stop_time IS NOT NULL
            ORDER BY station DESC, connector DESC, id DESC LIMIT 1
        )
        UNION ALL
        SELECT t.id, t.station, t.connector FROM newest JOIN transactions t ON t.id = (
            SELECT id FROM transactions
            WHERE stop_time IS NOT NULL AND (station, connector) < (newest.station, newest.connector)
            ORDER BY station DESC, connector DESC, id DESC LIMIT 1
        )
    )
    {_TRANSACTIONS} WHERE id IN (SELECT id FROM newest)
"""  # noqa: S608


def last_ended(db: Database) -> Iterator[Transaction]:
    """The newest transaction of each connector that has ended."""
    return map(_transaction, select(db, _LAST_ENDED))


def transactions(db: Database, since: float | None) -> Iterator[Transaction]:
    if since is None:
        return map(_transaction, select(db, _TRANSACTIONS + "ORDER BY id"))
    return map(_transaction, select(db, _TRANSACTIONS + "WHERE start_time >= ? ORDER BY id", (since,)))
