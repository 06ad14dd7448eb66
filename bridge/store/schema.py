"""The tables, as migrations in order. A migration that has shipped is never changed: add one below it.

Each runs in one transaction together with the note that it ran, so a kill leaves the old or the new
schema and nothing between.
"""

import re

import msgspec
from sqlite_utils import Database, Migrations

migrations = Migrations("ocpp-bridge")


def names() -> list[str]:
    """The migrations that this program knows, in order."""
    nothing = Database(memory=True)
    try:
        return [migration.name for migration in migrations.pending(nothing)]
    finally:
        nothing.close()


@migrations(name="001_stations")
def _stations(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE stations (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            version TEXT,
            registration TEXT,
            heartbeat_interval INTEGER,
            first_seen REAL NOT NULL,
            last_seen REAL,
            boot TEXT NOT NULL
        );
        -- Not a column of stations: a station needs its password before it is first seen.
        CREATE TABLE passwords (station TEXT PRIMARY KEY, hash TEXT NOT NULL);
        """
    )


@migrations(name="002_transactions")
def _transactions(db: Database) -> None:
    db.executescript(
        """
        -- AUTOINCREMENT: an id is never given twice, even after rows were deleted.
        -- The bound is OCPP's and OPC UA's Int32.
        CREATE TABLE transactions (
            id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 2147483647),
            station TEXT NOT NULL,
            connector TEXT NOT NULL,
            connector_id INTEGER NOT NULL,
            id_tag TEXT NOT NULL,
            start_time REAL NOT NULL,
            start_timestamp TEXT NOT NULL,
            meter_start REAL NOT NULL,
            reservation_id INTEGER,
            authorization TEXT NOT NULL,
            received REAL NOT NULL,
            stop_time REAL,
            stop_timestamp TEXT,
            meter_stop REAL,
            reason TEXT,
            stop_id_tag TEXT,
            stop_data TEXT,
            stop_received REAL
        );
        CREATE UNIQUE INDEX transactions_repeat
            ON transactions (station, connector, id_tag, start_timestamp, meter_start);
        CREATE INDEX transactions_open ON transactions (station) WHERE stop_time IS NULL;
        CREATE INDEX transactions_time ON transactions (start_time);
        -- Stops that name no transaction of their station. The id is text: it may be any number.
        CREATE TABLE orphan_stops (
            id INTEGER PRIMARY KEY,
            station TEXT NOT NULL,
            transaction_id TEXT NOT NULL,
            id_tag TEXT,
            stop_time REAL NOT NULL,
            stop_timestamp TEXT NOT NULL,
            meter_stop REAL NOT NULL,
            reason TEXT NOT NULL,
            data TEXT NOT NULL,
            received REAL NOT NULL,
            UNIQUE (station, transaction_id, stop_timestamp, meter_stop)
        );
        """
    )


@migrations(name="003_commands")
def _commands(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE commands (
            id INTEGER PRIMARY KEY,
            station TEXT NOT NULL,
            connector TEXT,
            action TEXT NOT NULL,
            user TEXT NOT NULL,
            payload TEXT NOT NULL,
            requested REAL NOT NULL,
            state TEXT,
            status TEXT,
            response TEXT,
            error TEXT,
            ended REAL
        );
        CREATE INDEX commands_unended ON commands (id) WHERE ended IS NULL;
        """
    )


@migrations(name="004_last_values")
def _last_values(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE last_values (
            path TEXT PRIMARY KEY,
            type TEXT NOT NULL,
            value TEXT NOT NULL,
            quality TEXT NOT NULL,
            source_time REAL,
            server_time REAL NOT NULL
        ) WITHOUT ROWID;
        """
    )


#: station, connector if there is one, and the key of a point's path as 004 stored it
_PATH = re.compile(r"([^.]+(?:\.Connector[0-9]+(?:_[0-9]+)?)?)\.(.+)", re.DOTALL)


@migrations(name="005_group_values")
def _group_values(db: Database) -> None:
    """The last values of a station or connector in one row: a JSON array of store.records.LastValue."""
    db.executescript(
        "CREATE TABLE group_values (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, points TEXT NOT NULL);"
    )
    groups: dict[str, list[tuple[object, ...]]] = {}
    for path, kind, value, *times in db.execute(
        "SELECT path, type, value, quality, source_time, server_time FROM last_values"
    ):
        if found := _PATH.fullmatch(path):
            groups.setdefault(found[1], []).append((found[2], kind, msgspec.Raw(value.encode()), *times))
    db.conn.executemany(
        "INSERT INTO group_values (path, points) VALUES (?, ?)",
        ((path, msgspec.json.encode(points).decode()) for path, points in groups.items()),
    )
    db.executescript("DROP TABLE last_values;")


@migrations(name="006_transaction_events")
def _transaction_events(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE transaction_events (
            id INTEGER PRIMARY KEY,
            station TEXT NOT NULL,
            transaction_id TEXT NOT NULL,
            seq_no INTEGER,
            digest TEXT NOT NULL,
            ended INTEGER NOT NULL,
            payload TEXT NOT NULL,
            received REAL NOT NULL,
            UNIQUE (station, transaction_id, digest)
        );
        -- Transactions without an end: what is read at the start does not grow with the years.
        CREATE TABLE running_transactions (
            station TEXT NOT NULL,
            transaction_id TEXT NOT NULL,
            PRIMARY KEY (station, transaction_id)
        ) WITHOUT ROWID;
        """
    )


@migrations(name="007_last_ended")
def _last_ended(db: Database) -> None:
    """What is read at the start to know the last transaction of each connector (OCPP 1.6), of each station (2.x)."""
    db.executescript(
        """
        CREATE INDEX transactions_ended ON transactions (station, connector, id) WHERE stop_time IS NOT NULL;
        CREATE INDEX transaction_events_ended ON transaction_events (station, id) WHERE ended;
        """
    )


@migrations(name="008_last_commands")
def _last_commands(db: Database) -> None:
    """The last command of each action at each station or connector: Result.* and its count go on after a restart."""
    db.executescript(
        """
        ALTER TABLE commands ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE last_commands (
            station TEXT NOT NULL,
            connector TEXT NOT NULL,
            action TEXT NOT NULL,
            id INTEGER NOT NULL,
            PRIMARY KEY (station, connector, action)
        ) WITHOUT ROWID;
        INSERT INTO last_commands
            SELECT station, ifnull(connector, ''), action, max(id) FROM commands GROUP BY 1, 2, 3;
        UPDATE commands SET number = counted.number
            FROM (SELECT max(id) AS id, count(*) AS number FROM commands GROUP BY station, connector, action) AS counted
            WHERE commands.id = counted.id;
        CREATE TRIGGER commands_last AFTER INSERT ON commands BEGIN
            INSERT INTO last_commands VALUES (new.station, ifnull(new.connector, ''), new.action, new.id)
                ON CONFLICT (station, connector, action) DO UPDATE SET id = excluded.id;
        END;
        """
    )


@migrations(name="009_device_models")
def _device_models(db: Database) -> None:
    """The device models of 2.x stations, each once: a depot of one make has one."""
    db.executescript(
        """
        CREATE TABLE device_models (digest TEXT PRIMARY KEY, points TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE station_models (station TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
        """
    )


@migrations(name="010_lost_transactions")
def _lost_transactions(db: Database) -> None:
    """When a transaction was found to run no more though its stop had not come; NULL for all others."""
    db.executescript("ALTER TABLE transactions ADD COLUMN lost REAL;")
