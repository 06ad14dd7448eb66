"""What the store says when it cannot be opened, and what it does to a file of another version."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from bridge.errors import StoreError
from bridge.store import Store
from tests.unit.store.helpers import start, station, stop

ROOT = Path(__file__).parents[3]


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(StoreError, match=r"it is a folder.*must name a file"):
        Store.open(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(StoreError, match=r"no folder.*create it"):
        Store.open(tmp_path / "missing" / "bridge.db")


@pytest.fixture
def unwritable_folder() -> Iterator[Path]:
    # Root may write anywhere, so it becomes nobody; and nobody may not look into tmp_path.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.rmdir()


def test_unwritable_folder(unwritable_folder):
    """D08."""
    with pytest.raises(StoreError, match=r"cannot be written.*check the permissions"):
        Store.open(unwritable_folder / "bridge.db")


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_file_that_is_no_database(path, content):
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"not an SQLite database.*move it away"):
        Store.open(path)
    assert path.read_bytes() == content


async def test_damaged_file(path):
    """D03."""
    store = Store.open(path)
    for number in range(200):
        await store.start_transaction(start(number))
    await store.close()
    content = path.read_bytes()
    path.write_bytes(content[:-4096] + b"\xa5" * 4096)  # rows that nothing reads at the start
    with pytest.raises(StoreError, match="damaged; restore a backup"):
        Store.open(path)


def test_file_of_a_newer_version(path):
    Store.open(path).close_sync()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('ocpp-bridge', '999_x')")
    for opening in (Store.open, Store.peek, Store.edit):
        with pytest.raises(StoreError, match=r"newer version.*999_x"):
            opening(path)


def test_failed_opening_lets_go_of_the_lock(path):
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="not an SQLite database"):
        Store.open(path)
    path.unlink()
    Store.open(path).close_sync()


async def test_nobody_else_may_read_a_new_store(path, store):
    """S05: passwords' hashes are in it"""
    await store.put_station(station())
    names = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("bridge.db*")}
    assert names == dict.fromkeys(("bridge.db", "bridge.db-wal", "bridge.db-shm", "bridge.db.lock"), 0o600)


def test_empty_file_becomes_a_store(path):
    path.touch()
    store = Store.open(path)
    assert (store.load_stations(), store.load_open_transactions(), list(store.load_values())) == ([], [], [])
    store.close_sync()


OLD_TRANSACTION = """
INSERT INTO transactions
    (station, connector, connector_id, id_tag, start_time, start_timestamp, meter_start, authorization, received)
    VALUES ('CP001', 'Connector1', 1, 'TAG', 1, '2023-11-14T22:13:20Z', 0, '{}', 1)
"""


async def test_existing_store_is_kept_and_brought_up_to_date(path, reopen, monkeypatch):
    """A file of an older version has its rows after it was migrated."""
    from bridge.store import schema

    all_migrations = list(schema.migrations._migrations)
    monkeypatch.setattr(schema.migrations, "_migrations", all_migrations[:3])  # as before 004_last_values
    store = Store.open(path)
    await store.put_station(station())
    await store.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(OLD_TRANSACTION)
    monkeypatch.setattr(schema.migrations, "_migrations", all_migrations)
    with pytest.raises(StoreError, match="not of this version yet"):
        Store.peek(path)
    newer = reopen()
    assert [one.id for one in newer.load_open_transactions()] == [1]
    assert newer.load_stations() == [station()]
    assert list(newer.load_values()) == []


KILLED_MIGRATION = """
import os, signal, sys
from pathlib import Path
from bridge.store import Store, schema

@schema.migrations(name="900_killed")
def killed(db):
    db.execute("CREATE TABLE half_done (id INTEGER)")
    db.execute("DROP TABLE stations")
    os.kill(os.getpid(), signal.SIGKILL)

Store.open(Path(sys.argv[1]))
"""


async def test_migration_killed_midway_leaves_the_old_schema(path, reopen, rows):
    """D15."""
    store = Store.open(path)
    await store.put_station(station())
    await store.close()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_MIGRATION, path, cwd=ROOT)
    assert await process.wait() == -signal.SIGKILL
    assert reopen().load_stations() == [station()]
    assert rows("SELECT name FROM sqlite_master WHERE name = 'half_done'") == []


HOLDS_THE_STORE = """
import sys
from bridge.store import Store
store = Store.open(sys.argv[1])
print(1, flush=True)
sys.stdin.read()
"""


def test_second_process_is_refused_until_the_first_ends(path):
    """D11."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_STORE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as first:
        assert first.stdout is not None
        while first.stdout.readline().strip() != b"1":
            assert first.poll() is None
        with pytest.raises(StoreError, match=rf"another bridge \(process {first.pid}\)"):
            Store.open(path)
        first.kill()
    Store.open(path).close_sync()


def test_a_store_has_one_bridge_by_whatever_name_it_is_opened(path, tmp_path):
    """D11"""
    other = tmp_path / "other"
    other.mkdir()
    (other / "link.db").symlink_to(path)
    store = Store.open(path)
    with pytest.raises(StoreError, match="another bridge"):
        Store.open(other / "link.db")
    store.close_sync()
    store = Store.open(other / "link.db")
    with pytest.raises(StoreError, match="another bridge"):
        Store.open(path)
    store.close_sync()


async def test_commits_are_synced_and_only_the_bridge_checkpoints(store, path):
    """D03, D12: no test here can cut the power, nor meet SQLite's bug with two checkpointers."""

    def pragma(db, name):
        return db.execute(f"PRAGMA {name}").fetchone()[0]

    full, wal = await store._writer.submit(lambda db: (pragma(db, "synchronous"), pragma(db, "journal_mode")))
    assert (full, wal) == (2, "wal")
    with Store.edit(path) as editor:
        assert (pragma(editor._db, "synchronous"), pragma(editor._db, "wal_autocheckpoint")) == (2, 0)


def test_second_store_in_one_process_is_refused(path):
    store = Store.open(path)
    with pytest.raises(StoreError, match="another bridge"):
        Store.open(path)
    store.close_sync()


def test_sqlites_version_is_logged(path):
    """D12."""
    with structlog.testing.capture_logs() as logs:
        Store.open(path).close_sync()
    assert {"event": "store.opened", "sqlite": sqlite3.sqlite_version}.items() <= logs[0].items()


async def test_closed_store_has_everything_in_one_file(store, path):
    """A copy of bridge.db alone is a backup of a stopped bridge."""
    await store.start_transaction(start())
    await store.close()
    assert not path.with_name("bridge.db-wal").exists()
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM transactions").fetchone() == (1,)


async def test_closed_store_refuses_writes(store):
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.start_transaction(start())


def test_peek_at_nothing_says_so_and_creates_nothing(path):
    with pytest.raises(StoreError, match="none yet; start the bridge"):
        Store.peek(path)
    assert not path.exists()


async def test_last_values_of_an_older_version_are_kept(path, reopen, monkeypatch):
    """Before 005 each had a row of its own."""
    from bridge.store import schema

    all_migrations = list(schema.migrations._migrations)
    monkeypatch.setattr(schema.migrations, "_migrations", all_migrations[:4])
    store = Store.open(path)
    await store.close()
    old = [
        ("CP_1.Status.Info", "String", '"ä"', "GOOD", 1.5, 2.5),
        ("CP_1.Connector1.MeterValues.Voltage.L1-N", "Double", "230.1", "LAST", None, 2.5),
        ("CP_1.Connector1_2.Status.Info", "String", "null", "SUBNORMAL", None, 3.5),
        ("CP_1.Connector1.MeterValues.Raw", "String", '"[]"', "GOOD", 1.5, 2.5),
    ]
    with sqlite3.connect(path) as db:
        db.executemany("INSERT INTO last_values VALUES (?, ?, ?, ?, ?, ?)", old)
    db.close()
    monkeypatch.setattr(schema.migrations, "_migrations", all_migrations)
    values = reopen().load_values()
    found = [(v.path, v.type, v.value, v.quality, v.source_time, v.server_time) for v in values]
    assert sorted(found) == sorted((path, kind, json.loads(value), *rest) for path, kind, value, *rest in old)


async def test_stops_of_no_transaction_that_an_older_version_kept_are_still_known(path, reopen, monkeypatch, rows):
    """Before 032 one that differed in its reason alone was not kept."""
    from bridge.store import schema

    all_migrations = list(schema.migrations._migrations)
    monkeypatch.setattr(schema.migrations, "_migrations", [one for one in all_migrations if one.name < "032"])
    store = Store.open(path)
    await store.start_transaction(start())
    await store.stop_transaction(stop(1, named="-1"))
    await store.stop_transaction(stop(1, meter_stop=9000.0))
    await store.stop_transaction(stop(0, named="0"))
    await store.close()
    monkeypatch.setattr(schema.migrations, "_migrations", all_migrations)
    newer = reopen()
    assert (await newer.stop_transaction(stop(-1, named="-1"))).id == 1
    assert await newer.stop_transaction(stop(1, named="0")) is None
    assert await newer.stop_transaction(stop(0, named="0", reason="PowerLoss")) is None
    found = rows("SELECT transaction_id, reason, taken_for FROM orphan_stops ORDER BY id")
    assert found == [("-1", "Local", 1), ("0", "Local", None), ("0", "PowerLoss", None)]
