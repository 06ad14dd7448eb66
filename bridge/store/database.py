"""Opening the file: connections with their pragmas, the lock, migrations, and errors that say what to do."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from bridge.errors import StoreError
from bridge.store import schema

BUSY_TIMEOUT = 5.0  # s that a connection waits for another process's write
ROOM = 65_536  # bytes that SQLite needs to open it, and more
WAL_SIZE_LIMIT = 16 * 1024 * 1024  # bytes that the WAL file is cut back to after a checkpoint

_WRITABLE = "check the permissions of the file and of its folder, or change [store] path"
_DAMAGED = "it is damaged; restore a backup, or move it away to begin with an empty store"
_EXPLANATIONS = (
    ("SQLITE_NOTADB", "it is not an SQLite database; move it away, restore a backup, or change [store] path"),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_READONLY", f"it cannot be written; {_WRITABLE}"),
    ("SQLITE_CANTOPEN", f"it cannot be opened; {_WRITABLE}"),
    ("SQLITE_FULL", "the disk is full; free some space"),
    ("SQLITE_BUSY", "another program keeps it locked; end that program"),
    ("SQLITE_IOERR", "the disk reports an error; check the disk"),
)


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """The StoreError that says what is wrong with the file and what to do about it."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_IOERR") and _is_full(path):
        name = "SQLITE_FULL"
    for prefix, advice in _EXPLANATIONS:
        if name.startswith(prefix):
            return StoreError(f"store {path}: {advice} ({error})")
    return StoreError(f"store {path}: {error}")


def _is_full(path: Path) -> bool:
    """Whether there is no room for the files that SQLite makes beside it, which it calls an I/O error."""
    try:
        return shutil.disk_usage(path.parent).free < ROOM
    except OSError:
        return False


def is_disk_error(error: BaseException) -> bool:
    """True for what the disk or the file is to blame for, False for what a record is to blame for."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def is_busy(error: BaseException) -> bool:
    """True where another process's lock is all that is to blame."""
    return str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


def lock(path: Path) -> int:
    """Take the store for this process, until the returned file descriptor is closed.

    The kernel lets go of it when the process dies, however it dies. StoreError if another one has it.
    """
    _check_place(path)
    lock_path = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"store {path}: the folder {path.parent} cannot be written ({error.strerror}); {_WRITABLE}"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreError(
            f"store {path}: another bridge (process {owner}) is using it; "
            "stop that one, or give this one its own [store] path"
        ) from error
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"store {path}: it is a folder; [store] path must name a file")
    if not path.parent.is_dir():
        raise StoreError(f"store {path}: there is no folder {path.parent}; create it, or change [store] path")


def connect_writer(path: Path) -> Database:
    """The one connection that writes and checkpoints while the bridge runs. Creates the file."""
    _make_private(path)
    db = _connect(str(path), uri=False)
    with closing_on_error(path, db):
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(f"store {path}: its file system has no shared memory; use a local disk")
        # NORMAL loses acknowledged commits in a power cut.
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {WAL_SIZE_LIMIT}").fetchone()
    return db


def _make_private(path: Path) -> None:
    """Passwords' hashes are in it: nobody else may read a new one. SQLite's -wal and -shm get the same permissions."""
    # Only one that is not there yet: to close a file would end the locks that this process has on it.
    with suppress(OSError):  # SQLite says why
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def connect_editor(path: Path) -> Database:
    """A short-lived connection that writes beside a running bridge."""
    db = connect_writer(path)
    # SQLite before 3.51.3 can lose commits when two connections checkpoint: that is left to the bridge.
    db.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
    return db


def connect_reader(path: Path) -> Database:
    """A connection that cannot write. StoreError if there is no file."""
    if not path.is_file():
        raise StoreError(f"store {path}: there is none yet; start the bridge once, or change [store] path")
    return _connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _connect(name: str, uri: bool) -> Database:
    path = Path(name)
    try:
        connection = sqlite3.connect(name, uri=uri, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        return Database(connection, execute_plugins=False)
    except sqlite3.Error as error:
        raise explain(path, error) from error


@contextmanager
def closing_on_error(path: Path, db: Database) -> Iterator[None]:
    """Close `db` when the block fails; an SQLite error becomes a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        db.close()
        raise explain(path, error) from error
    except BaseException:
        db.close()
        raise


def migrate(path: Path, db: Database) -> None:
    """Bring the file to this program's schema. Closes `db` when that fails."""
    with closing_on_error(path, db):
        damage = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise StoreError(f"store {path}: {_DAMAGED} ({damage})")
        _refuse_newer(path, db)
        schema.migrations.apply(db)


def check_schema(path: Path, db: Database) -> None:
    """StoreError unless the file has this program's schema. Closes `db` when that fails."""
    with closing_on_error(path, db):
        _refuse_newer(path, db)
        if schema.migrations.pending(db):
            raise StoreError(f"store {path}: it is not of this version yet; start the bridge once")


def _refuse_newer(path: Path, db: Database) -> None:
    known = schema.names()
    unknown = [one.name for one in schema.migrations.applied(db) if one.name not in known]
    if unknown:
        raise StoreError(
            f"store {path}: a newer version of this program wrote it (schema {unknown[-1]}); "
            "use that version, or restore a backup from before"
        )


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """One write transaction. IMMEDIATE: what is read in it cannot be outdated by another process's write."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.conn.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


@contextmanager
def savepoint(db: Database) -> Iterator[None]:
    """A part of a transaction that can fail alone.

    After a full disk or an I/O error SQLite may have ended the whole transaction; then there is
    nothing left to go back to, and `db.conn.in_transaction` is False.
    """
    # Not db.atomic(): its random names are a new statement each time, compiled each time.
    db.conn.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        if db.conn.in_transaction:
            db.conn.execute("ROLLBACK TO part")
            db.conn.execute("RELEASE part")
        raise
    db.conn.execute("RELEASE part")
