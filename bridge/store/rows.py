"""Records to rows and back: every SQL statement on the tables of `schema`.

The functions that take a Database and write are jobs: they run in the writer's thread, in a transaction.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any

import msgspec
import structlog
from sqlite_utils import Database

from bridge.errors import StoreError
from bridge.store.records import (
    CommandEnd,
    CommandRecord,
    CommandResult,
    GroupRecord,
    LastValue,
    StationRecord,
    ValueRecord,
)

log = structlog.get_logger("bridge.store")

LOG_ROWS = 1_000  # that are forgotten in one commit
QUEUED = "Queued"
"""commands.state of one that a restart keeps, until it is about to be sent."""
INTERRUPTED = "the bridge stopped before the answer came; it is unknown whether the station carried it out"

_FORGET_COMMANDS = (
    "DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE requested < ? AND ended IS NOT NULL "
    "AND id NOT IN (SELECT id FROM last_commands) LIMIT ?)"
)
_FORGET_AUDIT = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE time < ? LIMIT ?)"
_STATIONS = (
    "SELECT id, name, version, registration, heartbeat_interval, first_seen, last_seen, boot "
    "FROM stations ORDER BY first_seen, id"
)


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def from_json(text: str) -> Any:
    return msgspec.json.decode(text)


def select(db: Database, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Rows as they are fetched. The cursor ends with the iterator: an open one holds back checkpoints."""
    try:
        cursor = db.conn.execute(sql, parameters)
        try:
            yield from cursor
        finally:
            with suppress(sqlite3.ProgrammingError):  # the file was closed before the rows were read to their end
                cursor.close()
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be read: {error}") from error


# Stations

# A name and the time of the first sight never change. The registration only changes where the bridge
# itself has changed it: what it has in memory may be older than what an operator has just set.
_PUT_STATION = """
    INSERT INTO stations
        (id, name, version, registration, heartbeat_interval, first_seen, last_seen, boot)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (id) DO UPDATE SET
        version = excluded.version,
        registration = CASE WHEN ?9 THEN excluded.registration ELSE registration END,
        heartbeat_interval = excluded.heartbeat_interval,
        last_seen = excluded.last_seen,
        boot = excluded.boot
"""


def _station_row(record: StationRecord, with_registration: bool = False) -> tuple[Any, ...]:
    return (
        record.id,
        record.name,
        record.version,
        record.registration,
        record.heartbeat_interval,
        record.first_seen,
        record.last_seen,
        to_json(record.boot),
        with_registration,
    )


def put_station(
    db: Database, record: StationRecord, with_registration: bool, over: Collection[str | None] | None = None
) -> bool:
    """`over` are the registrations that the record's may take the place of, None for any. False: there is another one,
    which stays.
    """
    sql = "SELECT registration FROM stations WHERE id = ?"
    row = None if over is None else db.conn.execute(sql, (record.id,)).fetchone()
    stays = over is not None and row is not None and row[0] not in (*over, record.registration)
    db.execute(_PUT_STATION, _station_row(record, with_registration and not stays))
    return not stays


def set_registration(db: Database, station: str, status: str | None) -> bool:
    """False if the station is not known."""
    return db.execute("UPDATE stations SET registration = ? WHERE id = ?", (status, station)).rowcount == 1


def registrations(db: Database) -> dict[str, str | None]:
    try:
        return dict(db.conn.execute("SELECT id, registration FROM stations").fetchall())
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be read: {error}") from error


def stations(db: Database) -> Iterator[StationRecord]:
    for row in select(db, _STATIONS):
        yield StationRecord(
            id=row[0],
            name=row[1],
            version=row[2],
            registration=row[3],
            heartbeat_interval=row[4],
            first_seen=row[5],
            last_seen=row[6],
            boot=from_json(row[7]),
        )


# Commands


def last_command(db: Database) -> int:
    return int(db.conn.execute("SELECT ifnull(max(id), 0) FROM commands").fetchone()[0])


def end_interrupted(db: Database, now: float) -> int:
    """Commands that an earlier run left without an end have one now, but for those that are kept. Returns how many."""
    cursor = db.execute(
        "UPDATE commands SET state = 'Failed', error = ?, ended = ? WHERE ended IS NULL AND state IS NOT ?",
        (INTERRUPTED, now, QUEUED),
    )
    return cursor.rowcount


def _command_row(item: tuple[int, CommandRecord]) -> tuple[Any, ...]:
    handle, record = item
    return (
        handle,
        record.station,
        record.connector,
        record.action,
        record.user,
        to_json(record.payload),
        record.requested,
        record.number,
        QUEUED if record.kept else None,
    )


def queued_commands(db: Database) -> Iterator[tuple[int, CommandRecord]]:
    """The commands that wait since before a restart, with their handles, the first first."""
    sql = (
        "SELECT id, station, connector, action, user, payload, requested, number FROM commands "
        "WHERE ended IS NULL AND state = ? ORDER BY id"
    )
    for handle, station, connector, action, user, payload, requested, number in select(db, sql, (QUEUED,)):
        yield (
            handle,
            CommandRecord(
                station=station,
                connector=connector,
                action=action,
                user=user,
                payload=from_json(payload),
                requested=requested,
                number=number,
                kept=True,
            ),
        )


def send_command(db: Database, handle: int) -> None:
    """One that was kept is kept no more."""
    db.execute("UPDATE commands SET state = NULL WHERE id = ? AND ended IS NULL", (handle,))


def last_commands(db: Database) -> Iterator[CommandResult]:
    """The last command of each action at each station or connector."""
    sql = (
        "SELECT c.station, c.connector, c.action, user, number, state, ifnull(status, ''), ifnull(response, ''), "
        "ifnull(error, ''), ended FROM last_commands JOIN commands c USING (id) WHERE ended IS NOT NULL"
    )
    for station, connector, action, user, number, state, status, response, error, ended in select(db, sql):
        yield CommandResult(
            station=station,
            connector=connector,
            action=action,
            user=user,
            number=number,
            state=state,
            status=status,
            response=response,
            error=error,
            ended=ended,
        )


def forget_log(db: Database, before: float) -> int:
    """Deletes older commands and deeds of the audit trail, up to LOG_ROWS of each; returns how many."""
    return sum(db.execute(sql, (before, LOG_ROWS)).rowcount for sql in (_FORGET_COMMANDS, _FORGET_AUDIT))


def _end_row(end: CommandEnd) -> tuple[Any, ...]:
    response = None if end.response is None else to_json(end.response)
    return (end.state, end.status, response, end.error, end.ended, end.handle)


# Values


def group_row(record: GroupRecord) -> tuple[str, str]:
    """The row that keeps the last values of a group: for VALUE. What is no JSON is left out."""
    try:
        return record.path, to_json(record.values)
    except Exception:  # noqa: BLE001 - whatever is wrong with one value, the others are kept
        good = [value for value in record.values if _is_json(record.path, value)]
        return record.path, to_json(good)


def _is_json(path: str, value: LastValue) -> bool:
    try:
        to_json(value)
    except Exception as error:  # noqa: BLE001 - the same
        log.warning("store.value_lost", path=f"{path}.{value[0]}", error=repr(error))
        return False
    return True


def group_values(db: Database) -> Iterator[GroupRecord]:
    for path, text in select(db, "SELECT path, points FROM group_values ORDER BY id"):
        yield GroupRecord(path, from_json(text))


def values(db: Database) -> Iterator[ValueRecord]:
    for record in group_values(db):
        for key, kind, value, quality, source_time, server_time in record.values:
            yield ValueRecord(
                path=f"{record.path}.{key}",
                type=kind,
                value=value,
                quality=quality,
                source_time=source_time,
                server_time=server_time,
            )


# Device models


def models(db: Database) -> Iterator[tuple[str, list[str]]]:
    """Each device model as JSON, with the stations that have it."""
    sql = (
        "SELECT points, json_group_array(station) FROM station_models JOIN device_models USING (digest) GROUP BY digest"
    )
    for points, stations_of_it in select(db, sql):
        yield points, from_json(stations_of_it)


def notes(db: Database) -> Iterator[tuple[str, str, str]]:
    """Station, subject and note, those of each station together."""
    yield from select(db, "SELECT station, subject, note FROM station_notes")


# Writes that nobody waits for


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of write that nobody waits for: a statement, and the parameters that a record gives it."""

    name: str
    sql: str
    row: Callable[[Any], tuple[Any, ...]]
    prompt: bool = False
    """Written as soon as the writer is free, not when the flush interval is over."""


STATION = Kind("station", _PUT_STATION, _station_row)
COMMAND = Kind(
    "command",
    "INSERT INTO commands (id, station, connector, action, user, payload, requested, number, state) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
    _command_row,
    prompt=True,
)
COMMAND_END = Kind(
    "command end",
    "UPDATE commands SET state = ?, status = ?, response = ?, error = ?, ended = ? WHERE id = ?",
    _end_row,
    prompt=True,
)
VALUE = Kind(
    "value",
    "INSERT INTO group_values (path, points) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET points = excluded.points",
    lambda row: row,
)

MODEL = Kind(
    "model", "INSERT INTO device_models (digest, points) VALUES (?, ?) ON CONFLICT DO NOTHING", lambda row: row
)
STATION_MODEL = Kind(
    "station model",
    "INSERT INTO station_models (station, digest) VALUES (?, ?) "
    "ON CONFLICT (station) DO UPDATE SET digest = excluded.digest",
    lambda row: row,
)
NOTE = Kind(
    "station note",
    "INSERT INTO station_notes (station, subject, note) VALUES (?, ?, ?) "
    "ON CONFLICT (station, subject) DO UPDATE SET note = excluded.note",
    lambda row: row,
)

AUDIT = Kind(
    "audit",
    "INSERT INTO audit (time, user, role, session, address, certificate, action, path, value, status) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    astuple,
    prompt=True,
)

KINDS = (STATION, COMMAND, COMMAND_END, VALUE, MODEL, STATION_MODEL, NOTE, AUDIT)
"""In the order in which they are written: a command before its end."""
