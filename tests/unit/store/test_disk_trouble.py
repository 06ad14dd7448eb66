"""A disk that is full, fails, or is slow: nothing is falsely acknowledged, and it passes."""

import asyncio
import gc
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge.errors import StoreError
from bridge.store import GroupRecord, Store, writer
from tests.unit.store.helpers import settled, start, station, stop, until


def value(number: int) -> GroupRecord:
    return GroupRecord(f"p{number}", [("Info", "String", "x" * 500, "Good", None, 1.0)])


async def set_page_limit(store: Store, pages: int) -> None:
    """Make SQLite's disk full, or wide again: a pragma of the writing connection."""
    await store._writer.submit(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())


async def fill(store: Store, first: int) -> tuple[list[int], int]:
    """Starts until the disk refuses one: the ids that were acknowledged, and the number that was not."""
    acknowledged = []
    for number in range(first, first + 500):
        try:
            acknowledged.append((await store.start_transaction(start(number, id_tag="x" * 400)))[0])
        except StoreError:
            return acknowledged, number
    raise AssertionError("the disk is never full")


async def test_full_disk_is_an_error_to_whoever_waits_and_passes(store):
    """D06."""
    await set_page_limit(store, 40)
    acknowledged, refused = await fill(store, 1)
    assert acknowledged
    assert not store.healthy
    assert "full" in store.last_error
    with pytest.raises(StoreError, match="full"):
        await store.start_transaction(start(refused, id_tag="x" * 400))
    assert [one.id for one in store.transactions()] == acknowledged

    await set_page_limit(store, 1_000_000)
    number, _, repeated = await store.start_transaction(start(refused, id_tag="x" * 400))
    assert (number > acknowledged[-1], repeated, store.healthy) == (True, False, True)


async def test_a_log_that_cannot_be_written_stops_no_writer(store, monkeypatch):
    """Who reads the log may have gone away, and a disk that is full has often the log on it."""

    class Broken:
        def __getattr__(self, _level):
            raise OSError("no space left on device")

    monkeypatch.setattr(writer, "log", Broken())
    await set_page_limit(store, 40)
    _, refused = await fill(store, 1)
    await set_page_limit(store, 1_000_000)
    assert (await store.start_transaction(start(refused)))[0]
    assert store.healthy


async def test_reading_on_a_full_disk_does_not_look_like_recovery(store):
    await set_page_limit(store, 40)
    await fill(store, 1)
    first = start(1, id_tag="x" * 400)
    found = store.find_start(first.station, first.connector, first.id_tag, first.start_timestamp, first.meter_start)
    assert found is not None
    assert not store.healthy


async def test_batch_on_a_full_disk_acknowledges_what_is_written_and_nothing_else(store):
    """D06: many at once."""
    await set_page_limit(store, 40)
    answers = await asyncio.gather(
        *(store.start_transaction(start(number, id_tag=f"{number:0400}")) for number in range(300)),
        return_exceptions=True,
    )
    acknowledged = [answer[0] for answer in answers if not isinstance(answer, BaseException)]
    assert any(isinstance(answer, StoreError) for answer in answers)
    assert [one.id for one in store.transactions()] == acknowledged


async def test_values_of_a_full_disk_are_written_when_there_is_room(store):
    await set_page_limit(store, 40)
    store.put_values_soon([value(number) for number in range(500)])
    await until(lambda: not store.healthy)
    assert list(store.load_values()) == []
    assert store.queue_length == 500
    await set_page_limit(store, 1_000_000)
    await settled(store)
    assert (len(list(store.load_values())), store.dropped, store.healthy) == (500, 0, True)


async def test_store_on_a_full_disk_can_be_closed(store, path, reopen):
    await set_page_limit(store, 40)
    store.put_values_soon([value(number) for number in range(500)])
    await store.close()
    assert store.dropped == 500
    assert list(reopen().load_values()) == []


@contextmanager
def failing_disk(path: Path) -> Iterator[None]:
    """Writes beyond the present size of the WAL fail: the kernel refuses them (EFBIG)."""
    size = path.with_name(path.name + "-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_io_error_is_an_error_to_whoever_waits_and_passes(store, path):
    """D07."""
    for number in range(10):
        await store.start_transaction(start(number))
    with failing_disk(path):
        answers = await asyncio.gather(
            *(store.start_transaction(start(number)) for number in range(10, 20)),
            store.stop_transaction(stop(1)),
            return_exceptions=True,
        )
    assert all(isinstance(answer, StoreError) for answer in answers)
    assert (store.healthy, "I/O error" in store.last_error) == (False, True)
    assert [one.id for one in store.load_open_transactions()] == list(range(1, 11))

    assert (await store.start_transaction(start(10)))[2] is False
    assert await store.stop_transaction(stop(1)) is not None
    assert store.healthy
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM transactions").fetchone() == (11,)


@contextmanager
def slow_disk(store: Store) -> Iterator[threading.Event]:
    """The writer hangs in a job until the block ends."""
    hanging, go_on = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        hanging.set()
        go_on.wait(10)

    store._writer.submit(hang)
    assert hanging.wait(10)
    try:
        yield go_on
    finally:
        go_on.set()


async def test_writes_beyond_the_bound_are_refused_not_forgotten(path):
    store = Store.open(path, job_limit=5)
    with slow_disk(store):
        waiting = [asyncio.ensure_future(store.start_transaction(start(number))) for number in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(StoreError, match="does not keep up: 5 writes wait"):
            await store.start_transaction(start(99))
        assert store.queue_length == 6
    assert [number for number, _, _ in await asyncio.gather(*waiting)] == [1, 2, 3, 4, 5]
    await store.close()


async def test_waiting_starts_share_one_commit(path, store):
    def commits() -> int:
        # Each commit ends with a frame that carries the size of the database.
        wal = path.with_name("bridge.db-wal").read_bytes()
        frames = range(32, len(wal), 24 + 4096)
        return sum(wal[at + 4 : at + 8] != bytes(4) for at in frames)

    before = commits()
    with slow_disk(store):
        waiting = [asyncio.ensure_future(store.start_transaction(start(number))) for number in range(200)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert commits() - before == 1


async def test_closing_writes_what_waits(store, reopen):
    with slow_disk(store):
        waiting = [asyncio.ensure_future(store.start_transaction(start(number))) for number in range(20)]
        await asyncio.sleep(0)
        closing_down = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
    await closing_down
    assert len(await asyncio.gather(*waiting)) == 20
    assert len(reopen().load_open_transactions()) == 20


async def test_a_transaction_brings_its_station_though_that_was_just_refused_by_the_disk(path, rows):
    """D01, D07: a restart shows it at no station otherwise."""
    store = Store.open(path, flush_interval=60.0)
    store.put_station_soon(station(id="CP001", name="CP001"))
    with store._writer._wake:
        store._writer._next_flush = 0.0  # the station is in hand with what comes next
    with failing_disk(path):
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        with slow_disk(store):
            store._writer.submit(lambda _: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
            starting = asyncio.ensure_future(store.start_transaction(start(1)))
            await asyncio.sleep(0)
        assert (await starting)[0] == 1
    assert rows("SELECT id FROM stations") == [("CP001",)]
    await until(lambda: store.queue_length == 1)  # it was not written by itself
    await store.close()


async def test_writes_that_fail_leave_no_rings(store, path):
    """L04: nobody looks for rings, so a disk that is full for a week would fill the memory."""
    await store.start_transaction(start(0))
    gc.collect()
    gc.disable()
    try:
        with failing_disk(path):
            for number in range(1, 4):
                answers = await asyncio.gather(
                    *(store.start_transaction(start(10 * number + one)) for one in range(number)),
                    return_exceptions=True,
                )
                assert all(isinstance(answer, StoreError) for answer in answers)
                del answers
        await settled(store)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = [type(thing).__name__ for thing in gc.garbage if type(thing).__name__ in ("_Job", "frame", "traceback")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert found == []


@pytest.mark.parametrize("replaced", [False, True])
async def test_nothing_is_acknowledged_while_the_file_is_not_in_its_place(store, path, replaced):
    """D07: what is written to a file without a name is gone when the bridge ends."""
    assert (await store.start_transaction(start(1)))[0] == 1
    away = path.with_name("away.db")
    path.rename(away)
    if replaced:
        path.write_bytes(b"")
    await until(lambda: not store.healthy)  # though nothing is written
    assert "removed or replaced" in store.last_error
    with pytest.raises(StoreError, match="removed or replaced"):
        await store.start_transaction(start(2))
    store.put_values_soon([value(1)])
    away.replace(path)
    assert (await store.start_transaction(start(2)))[2] is False
    await settled(store)
    assert (len(list(store.load_values())), store.healthy) == (1, True)


async def test_a_page_that_cannot_be_read_counts_until_it_can_be_though_all_else_is_written(store, path, rows):
    """D07"""
    await store.start_transaction(start(1))
    [[page]] = rows("SELECT rootpage FROM sqlite_master WHERE name = 'transactions_repeat'")
    [[size]] = rows("PRAGMA page_size")
    rows("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        good = file.read(size)
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    first = start(1)
    key = first.station, first.connector, first.id_tag, first.start_timestamp, first.meter_start
    store._reader._db.execute("PRAGMA shrink_memory")  # what it remembers of the file
    with pytest.raises(StoreError, match="cannot be read"):
        store.find_start(*key)
    store.put_values_soon([value(1)])
    await settled(store)
    assert (store.healthy, "cannot be read" in store.last_error) == (False, True)
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(good)
    store._reader._db.execute("PRAGMA shrink_memory")
    assert store.find_start(*key) is not None
    assert store.healthy


async def test_a_store_that_another_program_keeps_locked_is_closed_within_one_wait(store, path, monkeypatch):
    """However many writes there are, each of which would wait as long."""
    waited = []
    monkeypatch.setattr("bridge.store.writer.BUSY_TIMEOUT", 0.5)
    monkeypatch.setattr(store._writer, "_wait_less", lambda less=store._writer._wait_less: (waited.append(1), less()))
    store.put_values_soon([value(number) for number in range(3000)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.hurry()
        jobs = [asyncio.ensure_future(store.start_transaction(start(number))) for number in range(20)]
        async with asyncio.timeout(4):  # a single one of the waits takes 5 s without that
            answers = await asyncio.gather(*jobs, return_exceptions=True)
            await store.close()
    assert all(isinstance(answer, StoreError) for answer in answers)
    assert len(waited) > 2
