"""What others do to the store's files while it is open: removed, replaced, locked, not answered for."""

import asyncio
import resource
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge.errors import StoreError
from bridge.store import Store, database, writer
from tests.unit.store.helpers import settled, start, stop, until
from tests.unit.store.test_disk_trouble import slow_disk, value


def killed(path: Path, folder: Path) -> Path:
    """The files as they are on the disk now, by their names: what a kill leaves."""
    folder.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith(".lock"):
            shutil.copy(file, folder)
    return folder / path.name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes, and takes its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("name", ["wal", "shm"])
async def test_nothing_is_acknowledged_without_a_wal_and_what_was_before_outlives_a_kill(
    store, path, tmp_path, name, replaced
):
    """D02, D07: what is committed to a WAL file without a name is gone with the process; without its index another
    process does not know of it.
    """
    wal = path.with_name(f"{path.name}-{name}")
    for number in range(1, 4):
        await store.start_transaction(start(number))
    if replaced:
        wal.with_name("other").touch()
        wal.with_name("other").replace(wal)
    else:
        wal.unlink()
    await until(lambda: not store.healthy)  # though nothing is written
    assert f"{wal.name} was removed or replaced" in store.last_error
    with pytest.raises(StoreError, match="removed or replaced"):
        await store.start_transaction(start(4))
    with closing(sqlite3.connect(killed(path, tmp_path / "killed"))) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT id FROM transactions ORDER BY id").fetchall() == [(1,), (2,), (3,)]
    await store.close()
    again = Store.open(path)
    assert (await again.start_transaction(start(4)))[:3:2] == (4, False)
    assert [one.id for one in again.transactions()] == [1, 2, 3, 4]
    await again.close()


async def test_a_commit_to_a_file_that_loses_its_name_meanwhile_is_not_acknowledged(store, path, monkeypatch):
    """D07"""
    away = path.with_name("away.db")
    work = store._writer._run_job

    def rename_and_run(job: object) -> None:
        path.rename(away)
        work(job)

    with monkeypatch.context() as patched:
        patched.setattr(store._writer, "_run_job", rename_and_run)
        with pytest.raises(StoreError, match="removed or replaced"):
            await store.start_transaction(start(1))
    away.replace(path)
    assert (await store.start_transaction(start(1)))[0] == 1


async def test_a_store_that_another_program_keeps_locked_cannot_be_opened_and_says_so(store, path, monkeypatch):
    """D11"""
    await store.close()
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)
    with locked(path), pytest.raises(StoreError, match="another program keeps it locked; end that program"):
        Store.open(path)
    Store.open(path).close_sync()


async def test_while_another_program_keeps_it_locked_transactions_are_refused_and_all_else_is_kept(store, path):
    """D07: and it passes."""
    await store.start_transaction(start(1))
    await store._writer.submit(lambda db: db.execute("PRAGMA busy_timeout = 100").fetchone())
    with locked(path):
        for number in (2, 3):
            with pytest.raises(StoreError, match="locked"):
                await store.start_transaction(start(number))
        with pytest.raises(StoreError, match="locked"):
            await store.stop_transaction(stop(1))
        store.put_values_soon([value(1)])
        assert (store.healthy, [one.id for one in store.load_open_transactions()]) == (False, [1])
    assert (await store.start_transaction(start(2)))[:3:2] == (2, False)
    assert await store.stop_transaction(stop(1)) is not None
    await settled(store)
    assert (len(list(store.load_values())), store.dropped, store.healthy) == (1, 0, True)


async def test_a_checkpoint_that_fails_loses_nothing_and_is_made_up_for(store, path, tmp_path):
    """D02, D07: the database cannot grow, the WAL can."""
    for number in range(200):
        await store.start_transaction(start(number, id_tag="x" * 4000))
    await store._writer.submit(lambda db: None)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    size = path.stat().st_size
    await store._writer.submit(lambda db: db.execute("PRAGMA wal_autocheckpoint = 10").fetchone())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        for number in range(200, 230):
            assert (await store.start_transaction(start(number, id_tag="x" * 300)))[0] == number + 1
        assert path.stat().st_size == size  # it has grown in the WAL alone
        with closing(sqlite3.connect(killed(path, tmp_path / "killed"))) as db:
            assert db.execute("SELECT count(*) FROM transactions").fetchone() == (230,)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.close()
    assert path.stat().st_size > size
    assert not path.with_name(f"{path.name}-wal").exists()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM transactions").fetchone() == (230,)


async def test_a_disk_that_does_not_answer_is_not_waited_for_for_ever_at_the_end(path, monkeypatch):
    """What waits is lost, the process can end; what was acknowledged is there when the disk is back."""
    monkeypatch.setattr(writer, "CLOSED_WITHIN", 0.2)
    store = Store.open(path)
    await store.start_transaction(start(1))
    with slow_disk(store) as go_on:
        waiting = asyncio.ensure_future(store.start_transaction(start(2)))
        await asyncio.sleep(0)
        with pytest.raises(StoreError, match="the disk does not answer"):
            await store.close()
        with pytest.raises(StoreError, match="another bridge"):
            Store.open(path)  # the file is not let go of while something may still be written to it
        go_on.set()
        assert (await waiting)[0] == 2
    await until(lambda: not store._writer._thread.is_alive())
    await store.close()
    Store.open(path).close_sync()


async def test_who_waits_for_a_disk_that_does_not_answer_is_told_and_it_passes(store, monkeypatch):
    """D07: what is written when it is back is the same transaction."""
    monkeypatch.setattr(writer, "ANSWERED_WITHIN", 0.1)
    with slow_disk(store):
        with pytest.raises(StoreError, match="the disk does not answer"):
            await store.start_transaction(start(1))
        await until(lambda: not store.healthy)
        assert store.last_error == "the disk does not answer"
        with pytest.raises(StoreError, match="the disk does not answer"):
            await store.start_transaction(start(2))
        assert store.queue_length == 2
    await until(lambda: store.healthy)
    await settled(store)
    assert await store.start_transaction(start(1)) == (1, start().authorization, True)
    assert (await store.start_transaction(start(2)))[2] is False
    assert [one.id_tag for one in store.transactions()] == ["TAG1", "TAG2"]


async def test_what_comes_while_the_writer_looks_around_is_written_though_the_store_is_closed_then(
    store, reopen, monkeypatch
):
    """D01"""
    looking, go_on = threading.Event(), threading.Event()

    def look() -> None:
        looking.set()
        go_on.wait(30)

    monkeypatch.setattr(store._writer._place, "check", look)
    await until(looking.is_set)
    store.put_values_soon([value(1)])
    starting = asyncio.ensure_future(store.start_transaction(start(1)))
    await asyncio.sleep(0)
    closing_down = asyncio.ensure_future(store.close())
    await until(lambda: store._writer._closing)
    go_on.set()
    await closing_down
    async with asyncio.timeout(30):
        assert (await starting)[0] == 1
    again = reopen()
    assert [one.id for one in again.transactions()] == [1]
    assert len(list(again.load_values())) == 1
