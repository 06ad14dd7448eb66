"""The store of a bridge that does not run, compared with what the stations know."""

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.messages import Broken
from tests.chaos.said import seconds
from tests.chaos.station import Station
from tests.chaos.station_2 import Event, Station2
from tests.chaos.station_16 import Charge16, Station16

Key = tuple[str, str, str, float, float]

_TRANSACTIONS = (
    "SELECT id, station, connector, id_tag, start_timestamp, meter_start, start_time, reservation_id, "
    "stop_time, stop_timestamp, meter_stop, reason, stop_id_tag, stop_data, lost FROM transactions ORDER BY id"
)
_EVENTS = "SELECT station, transaction_id, seq_no, ended, payload FROM transaction_events ORDER BY id"
_COMMANDS = "SELECT station, action, number, state, error, ended FROM commands ORDER BY id"


class Row(NamedTuple):
    """A row of the store's transactions (OCPP 1.6)."""

    id: int
    station: str
    connector: str
    id_tag: str
    start_timestamp: str
    meter_start: float
    start_time: float
    reservation_id: int | None
    stop_time: float | None
    stop_timestamp: str | None
    meter_stop: float | None
    reason: str | None
    stop_id_tag: str | None
    stop_data: str | None
    lost: float | None

    @property
    def key(self) -> Key:
        return self.station, self.connector, self.id_tag, seconds(self.start_timestamp), self.meter_start


class EventRow(NamedTuple):
    """A row of the store's events (OCPP 2.x)."""

    station: str
    transaction: str
    number: int
    ended: bool
    payload: dict[str, Any]


class CommandRow(NamedTuple):
    """A row of the commands' log."""

    station: str
    action: str
    number: int
    state: str | None
    error: str | None
    ended: float | None


class Opened(NamedTuple):
    """A transaction that runs, as the store has it. `time`: of its start; None where that is not known."""

    station: str
    connector: str
    id: str
    tag: str
    time: float | None


class Stored(NamedTuple):
    """What a store holds."""

    rows: list[Row]
    events: list[EventRow]
    running: set[tuple[str, str]]
    commands: list[CommandRow]

    def opened(self) -> Iterator[Opened]:
        """The transactions that run."""
        for row in self.rows:
            if row.stop_time is None and row.lost is None:
                yield Opened(row.station, row.connector, str(row.id), row.id_tag, row.start_time)
        for station, transaction in self.running:
            events = [event for event in self.events if event[:2] == (station, transaction)]
            first = events[0].payload
            tag = first.get("idToken", {}).get("idToken", "")
            time = seconds(first["timestamp"]) if first["eventType"] == "Started" else None
            yield Opened(station, f"Connector{first['evse']['id']}", transaction, tag, time)


NOTHING = Stored([], [], set(), [])


def read_store(path: Path) -> Stored:
    """The store that no bridge has open: of a copy, so that it is left as the kill left it."""
    if not path.exists():
        return NOTHING
    with tempfile.TemporaryDirectory() as folder:
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / path.name)) as db:
            return _read(db)


def _read(db: sqlite3.Connection) -> Stored:
    found = db.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise Broken(f"the store is damaged: {found}")
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    if not {"transactions", "transaction_events", "last_commands"} <= tables:
        return NOTHING  # killed before it had made its tables
    orphans = db.execute("SELECT * FROM orphan_stops").fetchall()
    if orphans:
        raise Broken(f"stops of transactions that the bridge does not know: {orphans}")
    return Stored(
        [Row(*row) for row in db.execute(_TRANSACTIONS)],
        [EventRow(*row[:3], bool(row[3]), json.loads(row[4])) for row in db.execute(_EVENTS)],
        set(db.execute("SELECT station, transaction_id FROM running_transactions")),
        [CommandRow(*row) for row in db.execute(_COMMANDS)],
    )


def unwritten(path: Path, stations: Iterable[Station]) -> Iterator[str]:
    """What of the last values of these stations a bridge that runs has not stored yet."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        groups = {group: json.loads(points) for group, points in db.execute("SELECT path, points FROM group_values")}
    found = {f"{group}.{point[0]}": point[2] for group, points in groups.items() for point in points}
    for station in stations:
        for below in station.said.sure:
            path_of, allowed = f"{station.identity}.{below}", [value for value, _ in station.said.now[below]]
            if not any(_is_same(value, found.get(path_of)) for value in allowed):
                yield f"{path_of} is {found.get(path_of)!r}, not {allowed}"


def _is_same(value: Any, stored: Any) -> bool:
    if isinstance(value, float) and isinstance(stored, float):
        return abs(value - stored) < 1e-3
    return bool(value == stored)


def check_store(stored: Stored, stations: Iterable[Station]) -> None:
    """What a station was told we have is there, once, and as it said; and nothing else is."""
    stations = list(stations)
    _check_rows(stored.rows, [station for station in stations if isinstance(station, Station16)])
    _check_events(stored, [station for station in stations if isinstance(station, Station2)])


# OCPP 1.6


def _key_of(station: str, charge: Charge16) -> Key:
    start, connector = charge.start, f"Connector{charge.connector}"
    return station, connector, start["idTag"], seconds(start["timestamp"]), float(start["meterStart"])


def _check_rows(rows: list[Row], stations: Iterable[Station16]) -> None:
    """Every transaction that a station was told we have is there, once, and as it said; and no other is."""
    twice = [key for key, count in Counter(row.key for row in rows).items() if count > 1]
    if twice:
        raise Broken(f"more than once in the store: {twice}")
    by_key = {row.key: row for row in rows}
    ids: dict[int | str, Key] = {}
    for station in stations:
        for charge in station.charges:
            key = _key_of(station.identity, charge)
            row = by_key.pop(key, None)
            if charge.id is not None and ids.setdefault(charge.id, key) != key:
                raise Broken(f"{charge.id} was given to {ids[charge.id]} and to {key}")
            for wrong in _wrong(charge, row):
                raise Broken(f"{station.identity}: {wrong}: {charge}, {row}")
    if by_key:
        raise Broken(f"no station has said this: {by_key}")


def _wrong(charge: Charge16, row: Row | None) -> Iterator[str]:
    if row is None:
        if charge.id is not None:
            yield "it was acknowledged and is not in the store"
        return
    start, stop = charge.start, charge.stop
    if not charge.start_sent:
        yield "it was never sent and is in the store"
    if charge.id not in (None, row.id):
        yield "another id"
    if (row.start_time, row.reservation_id) != (seconds(start["timestamp"]), start.get("reservationId")):
        yield "another start"
    if row.stop_time is None:
        if charge.stop_known:
            yield "its stop was acknowledged and is not in the store"
    elif stop is None or not charge.stop_sent:
        yield "it has a stop that was never sent"
    elif _stop_of(row) != _stop_said(stop):
        yield f"another stop than {_stop_said(stop)}"


def _stop_of(row: Row) -> tuple[Any, ...]:
    data = json.loads(row.stop_data or "[]")
    return row.stop_time, row.stop_timestamp, row.meter_stop, row.reason, row.stop_id_tag, data


def _stop_said(stop: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        seconds(stop["timestamp"]),
        stop["timestamp"],
        float(stop["meterStop"]),
        stop.get("reason", "Local"),
        stop.get("idTag"),
        stop.get("transactionData", []),
    )


# OCPP 2.x


def _check_events(stored: Stored, stations: Iterable[Station2]) -> None:
    """Every event that was answered is there, once, and as it was said; and no other is. A transaction runs until its
    end is there."""
    by_key: dict[tuple[str, str, int], EventRow] = {}
    for row in stored.events:
        if by_key.setdefault((row.station, row.transaction, row.number), row) is not row:
            raise Broken(f"more than once in the store: {row}")
    ended = {row[:2] for row in stored.events if row.ended}
    if stored.running != {row[:2] for row in stored.events} - ended:
        raise Broken(f"these run in the store: {stored.running}; these have an end: {ended}")
    for station in stations:
        for charge in station.charges:
            for number, event in enumerate(charge.events):
                row_of = by_key.pop((station.identity, str(charge.id), number), None)
                for wrong in _wrong_event(event, row_of):
                    raise Broken(f"{station.identity}: {wrong}: {event}, {row_of}")
    if by_key:
        raise Broken(f"no station has said this: {by_key}")


def _wrong_event(event: Event, row: EventRow | None) -> Iterator[str]:
    if row is None:
        if event.known:
            yield "it was acknowledged and is not in the store"
    elif not event.sent:
        yield "it was never sent and is in the store"
    elif row.payload != event.payload or row.ended != (event.payload["eventType"] == "Ended"):
        yield "it is another one in the store"
