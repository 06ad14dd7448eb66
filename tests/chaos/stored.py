"""The store, compared with what the stations know."""

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
from tests.chaos.station import Charge, Station

Key = tuple[str, str, str, str, float]

_SELECT = (
    "SELECT id, station, connector, id_tag, start_timestamp, meter_start, start_time, reservation_id, "
    "stop_time, stop_timestamp, meter_stop, reason, stop_id_tag, stop_data FROM transactions ORDER BY id"
)


class Row(NamedTuple):
    """A row of the store's transactions."""

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

    @property
    def key(self) -> Key:
        return self.station, self.connector, self.id_tag, self.start_timestamp, self.meter_start


def key_of(station: str, charge: Charge) -> Key:
    start = charge.start
    return station, f"Connector{charge.connector}", start["idTag"], start["timestamp"], float(start["meterStart"])


def read_store(path: Path) -> list[Row]:
    """The transactions of a store that no bridge has open: of a copy, so that it is left as the kill left it."""
    if not path.exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / path.name)) as db:
            found = db.execute("PRAGMA integrity_check").fetchone()[0]
            if found != "ok":
                raise Broken(f"the store is damaged: {found}")
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'transactions'").fetchone():
                return []  # killed before it had made its tables
            orphans = db.execute("SELECT * FROM orphan_stops").fetchall()
            if orphans:
                raise Broken(f"stops of transactions that the bridge does not know: {orphans}")
            return [Row(*row) for row in db.execute(_SELECT)]


def check_store(rows: list[Row], stations: Iterable[Station]) -> None:
    """Every transaction that a station was told we have is there, once, and as it said; and no other is."""
    twice = [key for key, count in Counter(row.key for row in rows).items() if count > 1]
    if twice:
        raise Broken(f"more than once in the store: {twice}")
    by_key = {row.key: row for row in rows}
    ids: dict[int, Key] = {}
    for station in stations:
        for charge in station.charges:
            key = key_of(station.identity, charge)
            row = by_key.pop(key, None)
            if charge.id is not None and ids.setdefault(charge.id, key) != key:
                raise Broken(f"{charge.id} was given to {ids[charge.id]} and to {key}")
            for wrong in _wrong(charge, row):
                raise Broken(f"{station.identity}: {wrong}: {charge}, {row}")
    if by_key:
        raise Broken(f"no station has said this: {by_key}")


def _wrong(charge: Charge, row: Row | None) -> Iterator[str]:
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
