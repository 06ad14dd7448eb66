"""Copies of the store for safe keeping, made while a bridge runs on it."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bridge.errors import StoreError
from bridge.store.database import connect_reader, explain
from bridge.store.rows import QUEUED
from bridge.store.transactions import MAX_ID

GAP = 1_000_000
"""Transaction ids that a restored copy leaves out: the bridge has given some since the copy was made, and stations may
still name them."""
RESTORED = "it waited when a backup was made, which has been restored since; it may have been sent meanwhile"


def back_up(source: Path, target: Path) -> int:
    """Copies the store at `source` into a new file `target`; returns its size in bytes.

    The copy is the store at one moment: SQLite reads it in one transaction, beside which a bridge goes on writing.
    It is checked, on disk and complete before it gets its name. Raises StoreError.
    """
    if target.exists():
        raise StoreError(f"backup {target}: there is such a file already; name a new one")
    part = target.with_name(target.name + ".part")
    try:
        # passwords' hashes are in it: nobody else may read it
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        _copy(source, part)
        part.rename(target)
        _sync(target.parent)
        return target.stat().st_size
    except OSError as error:
        raise StoreError(f"backup {target}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(source: Path, part: Path) -> None:
    try:
        with closing(connect_reader(source).conn) as db, closing(sqlite3.connect(part)) as copy:
            db.backup(copy)
            _leave_gap(copy)
            _end_queued(copy)
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, complete in itself
            damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise explain(source, error) from error
    if damage != "ok":
        raise StoreError(f"store {source}: it is damaged, so that there is no backup of it ({damage})")
    _sync(part)


def _leave_gap(copy: sqlite3.Connection) -> None:
    last = copy.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'transactions'").fetchone()[0]
    raised = max(last, min(last + GAP, MAX_ID - GAP))
    with copy:
        copy.execute("DELETE FROM sqlite_sequence WHERE name = 'transactions'")
        copy.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('transactions', ?)", (raised,))


def _end_queued(copy: sqlite3.Connection) -> None:
    """A restored copy sends no setpoint: the bridge has sent it since, and perhaps a newer one after it."""
    sql = "UPDATE commands SET state = 'Failed', error = ?, ended = ? WHERE ended IS NULL AND state = ?"
    with copy:
        copy.execute(sql, (RESTORED, time.time(), QUEUED))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
