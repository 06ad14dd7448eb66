"""Stations that an operator has removed: their rows, and notes of them for the bridge that runs."""

from collections.abc import Iterable, Iterator

from sqlite_utils import Database

from bridge.store.rows import select

#: of a station's own rows; its transactions and the commands that it was sent stay
_TABLES = (
    ("stations", "id"),
    ("passwords", "station"),
    ("pending_passwords", "station"),
    ("shown_profiles", "station"),
    ("certificate_requests", "station"),
    ("station_models", "station"),
    ("station_notes", "station"),
    ("last_commands", "station"),
    ("removed_stations", "station"),
)


def removals(db: Database) -> Iterator[str]:
    """The stations whose removal a running bridge has not taken note of yet."""
    for (station,) in select(db, "SELECT station FROM removed_stations"):
        yield str(station)


def note_removal(db: Database, station: str) -> bool:
    """Removes a station's rows and leaves a note. False: there is no such station."""
    found = list(select(db, "SELECT name FROM stations WHERE id = ?", (station,)))
    if not found:
        return False
    remove(db, station)
    db.execute("INSERT INTO removed_stations (station) VALUES (?)", (station,))
    return True


def remove(db: Database, station: str, groups: Iterable[str] = ()) -> None:
    """Removes a station's rows, and the note of it. `groups`: paths with last values that were stored since then."""
    db.conn.executemany("DELETE FROM group_values WHERE path = ?", [(path,) for path in groups])
    for (name,) in list(select(db, "SELECT name FROM stations WHERE id = ?", (station,))):
        db.execute("DELETE FROM group_values WHERE path = ?1 OR substr(path, 1, length(?1) + 1) = ?1 || '.'", (name,))
    for table, column in _TABLES:
        db.execute(f"DELETE FROM {table} WHERE {column} = ?", (station,))  # noqa: S608 - the names are those above
