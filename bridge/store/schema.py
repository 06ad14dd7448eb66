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


@migrations(name="011_event_connectors")
def _event_connectors(db: Database) -> None:
    """Where an event's EVSE was when it came, so that it is there after a restart too; NULL: not noted."""
    db.executescript("ALTER TABLE transaction_events ADD COLUMN connector TEXT;")


@migrations(name="014_tokens")
def _tokens(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE tokens (
            id_token TEXT NOT NULL COLLATE NOCASE,
            id_token_type TEXT NOT NULL COLLATE NOCASE,
            parent_id_token TEXT NOT NULL,
            parent_id_token_type TEXT NOT NULL,
            expiry REAL,
            areas TEXT NOT NULL,
            blocked INTEGER NOT NULL,
            note TEXT NOT NULL,
            PRIMARY KEY (id_token, id_token_type)
        ) WITHOUT ROWID;
        """
    )


@migrations(name="015_removed_stations")
def _removed_stations(db: Database) -> None:
    """Stations that were removed beside a running bridge, which has not taken note of it yet."""
    db.executescript("CREATE TABLE removed_stations (station TEXT PRIMARY KEY) WITHOUT ROWID;")


@migrations(name="017_logins")
def _logins(db: Database) -> None:
    db.executescript(
        """
        -- Passwords that a station was sent, and may or may not have taken.
        CREATE TABLE pending_passwords (
            station TEXT NOT NULL,
            hash TEXT NOT NULL,
            PRIMARY KEY (station, hash)
        ) WITHOUT ROWID;
        CREATE TABLE shown_profiles (station TEXT PRIMARY KEY, profile INTEGER NOT NULL) WITHOUT ROWID;
        """
    )


@migrations(name="018_certificate_requests")
def _certificate_requests(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE certificate_requests (
            station TEXT NOT NULL,
            type TEXT NOT NULL,
            csr TEXT NOT NULL,
            received REAL NOT NULL,
            number INTEGER,
            chain TEXT NOT NULL,
            PRIMARY KEY (station, type)
        ) WITHOUT ROWID;
        """
    )


@migrations(name="019_users")
def _users(db: Database) -> None:
    """Users of the OPC UA server that a command has added. `certificate` is SHA-256 (hex) of its DER."""
    db.executescript(
        """
        CREATE TABLE users (
            name TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            password_hash TEXT NOT NULL,
            certificate TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX users_certificate ON users (certificate) WHERE certificate <> '';
        """
    )


@migrations(name="020_audit")
def _audit(db: Database) -> None:
    db.executescript(
        """
        CREATE TABLE audit (
            id INTEGER PRIMARY KEY,
            time REAL NOT NULL,
            user TEXT NOT NULL,
            role TEXT NOT NULL,
            session TEXT NOT NULL,
            address TEXT NOT NULL,
            certificate TEXT NOT NULL,
            action TEXT NOT NULL,
            path TEXT NOT NULL,
            value TEXT NOT NULL,
            status TEXT NOT NULL
        );
        """
    )


@migrations(name="021_log_times")
def _log_times(db: Database) -> None:
    """What is too old to be kept is found without reading the rest."""
    db.executescript(
        """
        CREATE INDEX commands_requested ON commands (requested);
        CREATE INDEX audit_time ON audit (time);
        """
    )


@migrations(name="022_station_notes")
def _station_notes(db: Database) -> None:
    """What a restart must not lose of a 2.x station though no point shows it, as JSON."""
    db.executescript(
        """
        CREATE TABLE station_notes (
            station TEXT NOT NULL,
            subject TEXT NOT NULL,
            note TEXT NOT NULL,
            PRIMARY KEY (station, subject)
        ) WITHOUT ROWID;
        """
    )


@migrations(name="023_ended_events")
def _ended_events(db: Database) -> None:
    """Whether a 2.x transaction has ended is known without reading all its events, which each new one would do."""
    db.executescript("CREATE INDEX transaction_events_end ON transaction_events (station, transaction_id) WHERE ended;")


@migrations(name="024_guessed_stops")
def _guessed_stops(db: Database) -> None:
    """The id that a stop named which was taken for this transaction's; NULL where it named this one."""
    db.executescript("ALTER TABLE transactions ADD COLUMN stop_named TEXT;")


@migrations(name="025_order_of_passwords")
def _order_of_passwords(db: Database) -> None:
    """In which order a station was sent them; its rowid grows with each."""
    db.executescript(
        """
        CREATE TABLE sent_passwords (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            station TEXT NOT NULL,
            hash TEXT NOT NULL,
            UNIQUE (station, hash)
        );
        INSERT INTO sent_passwords (station, hash) SELECT station, hash FROM pending_passwords;
        DROP TABLE pending_passwords;
        ALTER TABLE sent_passwords RENAME TO pending_passwords;
        """
    )


@migrations(name="030_answers")
def _answers(db: Database) -> None:
    """What scripts decided about the token of a stop or an event, as JSON, so that a repeated one is answered the same;
    NULL: nothing has been answered.
    """
    db.executescript(
        """
        ALTER TABLE transactions ADD COLUMN stop_authorization TEXT;
        ALTER TABLE transaction_events ADD COLUMN answer TEXT;
        """
    )


@migrations(name="031_replaced_stops")
def _replaced_stops(db: Database) -> None:
    """What a guessed stop was taken for and answered whose place another one has taken, so that it is answered the same
    when it comes again; and an index of those that stand.
    """
    db.executescript(
        """
        ALTER TABLE orphan_stops ADD COLUMN taken_for INTEGER;
        ALTER TABLE orphan_stops ADD COLUMN authorization TEXT;
        CREATE INDEX transactions_guessed ON transactions (station, stop_timestamp) WHERE stop_named IS NOT NULL;
        """
    )


@migrations(name="032_different_stops")
def _different_stops(db: Database) -> None:
    """Stops that differ in no more than reason, id tag or data are kept too: they were acknowledged."""
    db.executescript(
        """
        ALTER TABLE orphan_stops RENAME TO alike_stops;
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
            taken_for INTEGER,
            authorization TEXT
        );
        INSERT INTO orphan_stops
            SELECT id, station, transaction_id, id_tag, stop_time, stop_timestamp, meter_stop, reason, data, received,
                taken_for, authorization FROM alike_stops;
        DROP TABLE alike_stops;
        CREATE INDEX orphan_stops_alike ON orphan_stops (station, transaction_id, stop_timestamp, meter_stop);
        """
    )
