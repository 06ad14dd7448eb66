"""Copies of the store made beside a running bridge."""

import asyncio
import itertools
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bridge.errors import StoreError
from bridge.store import Store
from bridge.store.backup import GAP, RESTORED
from bridge.store.records import CommandRecord
from tests.unit.store.helpers import settled, start, station


async def test_a_backup_under_load_has_all_that_was_acknowledged_before_it_and_can_be_restored(
    store: Store, path: Path, tmp_path: Path
) -> None:
    """D13"""
    acknowledged: set[int] = set()
    more = asyncio.Event()

    async def write() -> None:
        for number in itertools.count(1):
            acknowledged.add((await store.start_transaction(start(number)))[0])
            more.set()

    await store.put_station(station())
    writing = asyncio.create_task(write())
    try:
        for count, copy in ((50, tmp_path / "first.db"), (200, tmp_path / "second.db")):
            while len(acknowledged) < count:
                more.clear()
                await more.wait()
            before = set(acknowledged)
            assert await asyncio.to_thread(Store.back_up, path, copy) == copy.stat().st_size
            restored = Store.open(copy)
            assert before <= {one.id for one in restored.load_open_transactions()}
            assert restored.load_stations() == [station()]
            restored.close_sync()
    finally:
        writing.cancel()


@pytest.mark.parametrize("before", [0, 2])
async def test_a_restored_backup_gives_no_id_that_was_given_after_it(store: Store, tmp_path: Path, before: int) -> None:
    """D13, D14: a station would stop another's transaction with it."""
    for number in range(before):
        await store.start_transaction(start(number))
    Store.back_up(store._reader._path, tmp_path / "copy.db")
    given = {(await store.start_transaction(start(number)))[0] for number in range(100, 150)}
    restored = Store.open(tmp_path / "copy.db")
    number = (await restored.start_transaction(start(200)))[0]
    await restored.close()
    assert max(given) < number == before + GAP + 1


async def test_a_restored_backup_sends_no_setpoint_that_waited_then(store: Store, path: Path, tmp_path: Path) -> None:
    """D10, D13: it has been sent since, and perhaps another one after it."""
    record = CommandRecord(
        station="CP1", connector=None, action="SetVariables", user="op", payload={}, requested=1.0, number=1, kept=True
    )
    store.log_command(record)
    await settled(store)
    Store.back_up(path, tmp_path / "copy.db")
    restored = Store.open(tmp_path / "copy.db")
    assert list(restored.load_queued_commands()) == []
    assert [(one.state, one.error) for one in restored.load_last_commands()] == [("Failed", RESTORED)]
    restored.close_sync()
    assert len(list(store.load_queued_commands())) == 1


async def test_a_backup_is_one_file_that_nobody_else_may_read(store: Store, path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "bridge.db"
    copy.parent.mkdir()
    await store.start_transaction(start())
    Store.back_up(path, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert list(copy.parent.iterdir()) == [copy]
    with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM transactions").fetchone() == (1,)


async def test_a_file_that_is_there_is_not_overwritten(store: Store, path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("mine")
    with pytest.raises(StoreError, match="there is such a file"):
        Store.back_up(path, copy)
    assert copy.read_text() == "mine"


def test_what_cannot_be_copied_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="not an SQLite database"):
        Store.back_up(path, tmp_path / "copy.db")
    with pytest.raises(StoreError, match="none yet"):
        Store.back_up(tmp_path / "nothing.db", tmp_path / "copy.db")
    with pytest.raises(StoreError, match="No such file"):
        Store.back_up(path, tmp_path / "no folder" / "copy.db")
    assert list(tmp_path.iterdir()) == [path]
