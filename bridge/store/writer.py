"""The one thread that writes.

Durable jobs are grouped into one commit; one that fails leaves its neighbours alone. A future is settled
only after the commit: what is acknowledged is on disk. Writes that nobody waits for follow in commits of
their own, in small chunks, so that they hold up no durable job.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlite_utils import Database

from bridge.errors import StoreError
from bridge.store.behind import Behind, Chunk
from bridge.store.database import BUSY_TIMEOUT, is_busy, is_disk_error, savepoint, transaction
from bridge.store.place import LogLost, Place
from bridge.store.rows import Kind

JOBS_PER_COMMIT = 512
RECORDS_PER_COMMIT = 500
SETTLED_AT_ONCE = 8
ANSWERED_WITHIN = 10.0
"""s that a disk has for a commit. Then who waits is told that it failed; it may be there all the same when the disk is
back, as after any other lost answer."""
SILENT = "the disk does not answer"
CLOSED_WITHIN = 9.0
"""s from `hurry` until a disk that does not answer is waited for no longer."""

T = TypeVar("T")
log = structlog.get_logger("bridge.store")


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[Database], Any]
    future: asyncio.Future[Any]
    needs: tuple[Kind, Hashable] | None
    needed: Any = None
    result: Any = None
    error: Exception | None = None

    def run(self, db: Database) -> None:
        if self.needs is not None and self.needed is not None:
            kind, _ = self.needs
            with suppress(sqlite3.IntegrityError):  # said when it is written by itself
                db.execute(kind.sql, kind.row(self.needed))
        self.result = self.work(db)

    def fail(self, error: Exception) -> None:
        """Keeps the error without the way that it came: its frames know the job, which would be a ring that nobody
        looks for (bridge.garbage).
        """
        error.__cause__ = error.__context__ = None
        self.error = error.with_traceback(None)

    def give_up(self) -> None:
        if not self.future.done():
            self.future.set_exception(StoreError(f"the store could not write: {SILENT}"))

    def settle(self) -> None:
        if self.future.done():  # its awaiter was cancelled; the row is written all the same
            return
        if self.error is None:
            self.future.set_result(self.result)
            return
        failure = StoreError(f"the store could not write: {self.error}")
        failure.__cause__ = self.error
        self.future.set_exception(failure)


class _Settling:
    """Jobs of one event loop that are done, in order: who waits for them goes on in its next turns, a few in each."""

    def __init__(self) -> None:
        self._jobs: deque[_Job] = deque()

    def add(self, jobs: Sequence[_Job]) -> None:
        """Those of one more commit."""
        is_going_on = bool(self._jobs)
        self._jobs.extend(jobs)
        if not is_going_on:
            self._go_on()

    def _go_on(self) -> None:
        for _ in range(min(len(self._jobs), SETTLED_AT_ONCE)):
            self._jobs.popleft().settle()
        if self._jobs:
            asyncio.get_running_loop().call_soon(self._go_on)


class Writer:
    """Owns the writing connection and its thread. Its methods may be called from any thread but that one.

    `flush_interval` (s) is how long a write that nobody waits for may wait; `behind_limit` bounds those
    writes, per kind; `job_limit` bounds the durable jobs that wait: beyond it they are refused, so that
    nothing is acknowledged that was not written.
    """

    def __init__(self, db: Database, place: Place, *, flush_interval: float, behind_limit: int, job_limit: int) -> None:
        self.healthy = True
        self.last_error = ""
        self._settling: dict[asyncio.AbstractEventLoop, _Settling] = {}
        self._db = db
        self._place = place
        self._flush_interval = flush_interval
        self._job_limit = job_limit
        self._wake = threading.Condition()  # guards all that follows, but for _data_version
        self._jobs: deque[_Job] = deque()
        self._behind = Behind(behind_limit)
        self._unwritable = 0
        self._in_hand = 0
        self._prompt = False
        self._closing = False
        self._deadline: float | None = None
        self._give_up = 0.0
        self._edited = False
        self._asked: float | None = None  # when the disk was asked for what it has not done yet
        self._next_flush = time.monotonic() + flush_interval
        self._data_version = self._read_data_version()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[Database], T],
        replaces: Iterable[tuple[Kind, Hashable]] = (),
        needs: tuple[Kind, Hashable] | None = None,
    ) -> asyncio.Future[T]:
        """Run `work` in the next commit; the future has its result once that is on disk, or a StoreError.

        `replaces` are records that would otherwise be written later, over what `work` writes. `needs` is one without
        which what `work` writes has no owner: if it still waits, it is written with it.
        """
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), needs)
        with self._wake:
            if self._closing:
                raise StoreError("the store is closed")
            if self.is_silent:
                raise StoreError(f"the store could not write: {SILENT}")
            if len(self._jobs) >= self._job_limit:
                raise StoreError(f"the store does not keep up: {len(self._jobs)} writes wait for the disk")
            self._jobs.append(job)
            for kind, key in replaces:
                self._behind.discard(kind, key)
            self._wake.notify()
        timer = loop.call_later(ANSWERED_WITHIN, job.give_up)
        job.future.add_done_callback(lambda _: timer.cancel())
        return job.future

    def put(self, kind: Kind, items: Iterable[tuple[Hashable, Any]]) -> None:
        """Have records, with the keys they coalesce by, written some time soon."""
        with self._wake:
            self._behind.put(kind, items)
            if kind.prompt:
                self._prompt = True
                self._wake.notify()

    def hurry(self) -> None:
        """From now on another process's lock is waited for no longer than one write would wait for it, in all."""
        with self._wake:
            if self._deadline is None:
                now = time.monotonic()
                self._deadline, self._give_up = now + BUSY_TIMEOUT, now + CLOSED_WITHIN

    def close(self) -> bool:
        """Write what waits, checkpoint, close the connection, and end the thread. False: the disk does not answer; the
        thread is left to it, as if the process had been killed.
        """
        self.hurry()
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(max(0.0, self._give_up - time.monotonic()))
        return not self._thread.is_alive()

    @property
    def is_silent(self) -> bool:
        """Whether the disk has not answered for long."""
        since = self._asked
        return since is not None and time.monotonic() - since > ANSWERED_WITHIN

    @property
    def queue_length(self) -> int:
        """Jobs and records that are not on disk yet."""
        with self._wake:
            return len(self._jobs) + len(self._behind) + self._in_hand

    @property
    def dropped(self) -> int:
        """Records that nobody waited for and that were never written: too many of them, or not writable."""
        with self._wake:
            return self._behind.dropped + self._unwritable

    def take_edited(self) -> bool:
        """True once after another process has changed the file."""
        with self._wake:
            edited, self._edited = self._edited, False
        return edited

    # The thread

    def _run(self) -> None:
        is_last = False
        while not is_last:
            jobs, chunk, is_last = self._next()
            self._asked = time.monotonic()
            try:
                if jobs:
                    self._write_jobs(jobs)
                if chunk:
                    self._write_chunk(chunk)
                self._watch()
            except Exception as error:  # noqa: BLE001 - a log that cannot be written, say: the thread must outlive it
                self.last_error = repr(error)
            self._asked = None
            with self._wake:
                self._in_hand = 0
        self._end()

    def _next(self) -> tuple[list[_Job], Chunk, bool]:
        """Wait for something to do. Both are empty when it is only time to look around, or to end; then, and only where
        nothing was left when that was found, the third is True.
        """
        with self._wake:
            while not (self._jobs or self._prompt or self._closing):
                left = self._next_flush - time.monotonic()
                if left <= 0:
                    break
                self._wake.wait(left)
            jobs = [self._jobs.popleft() for _ in range(min(JOBS_PER_COMMIT, len(self._jobs)))]
            for job in jobs:  # now, when no chunk is in hand: what they need waits here or is on disk
                job.needed = None if job.needs is None else self._behind.get(*job.needs)
            due = self._closing or time.monotonic() >= self._next_flush
            chunk = self._behind.take(RECORDS_PER_COMMIT, prompt_only=not due) if due or self._prompt else []
            self._prompt = False
            taken = sum(len(items) for _, items in chunk)
            if due and taken < RECORDS_PER_COMMIT:
                self._next_flush = time.monotonic() + self._flush_interval
            self._in_hand = len(jobs) + taken
            is_last = self._closing and self._in_hand == 0
        return jobs, chunk, is_last

    def _write_jobs(self, jobs: Sequence[_Job]) -> None:
        wrote = False
        try:
            wrote = self._commit(jobs, self._run_job)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for the outcome
            if len(jobs) == 1 or is_busy(error):
                for job in jobs:
                    job.fail(error)
            else:
                wrote = self._write_apart(jobs)
        troubles = [job.error for job in jobs if job.error is not None and is_disk_error(job.error)]
        try:
            if troubles:
                self._failed(troubles[0])
            elif wrote:
                self._succeeded()
        finally:  # they wait, whatever becomes of the log
            self._acknowledge(jobs)

    def _write_apart(self, jobs: Sequence[_Job]) -> bool:
        """Write again a batch that failed, so that only those fail that are to blame.

        Savepoints cost three times the statements, and each statement waits for the interpreter's lock:
        that is why they are not there the first time.
        """
        try:
            return self._commit(jobs, self._run_job_apart)
        except Exception as error:  # noqa: BLE001 - the same
            for job in jobs:
                job.fail(error)
            return False

    def _commit(self, jobs: Sequence[_Job], run: Callable[[_Job], None]) -> bool:
        """Run all jobs in one transaction. True if they have changed anything."""
        before = self._db.conn.total_changes
        with self._transaction():
            for job in jobs:
                run(job)
        return self._db.conn.total_changes != before

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._asked = time.monotonic()
        self._check_place()
        self._wait_less()
        with transaction(self._db):
            yield
        self._check_place()  # it may have lost its name meanwhile

    def _check_place(self) -> None:
        try:
            self._place.check()
        except LogLost:  # what was committed is in it alone
            self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            raise

    def _wait_less(self) -> None:
        if self._deadline is not None:
            left = max(0, round((self._deadline - time.monotonic()) * 1000))
            self._db.conn.execute(f"PRAGMA busy_timeout = {left}").fetchone()

    def _run_job(self, job: _Job) -> None:
        job.run(self._db)

    def _run_job_apart(self, job: _Job) -> None:
        try:
            with savepoint(self._db):
                job.run(self._db)
        except Exception as error:
            if not self._db.conn.in_transaction:
                raise  # SQLite has ended the transaction, and what the neighbours wrote went with it
            job.fail(error)

    def _acknowledge(self, jobs: Sequence[_Job]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        for loop, its_jobs in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._settling.setdefault(loop, _Settling()).add, its_jobs)
            except RuntimeError:  # the loop is closed: nobody waits any more
                log.debug("store.written_late", jobs=len(its_jobs))

    def _write_chunk(self, chunk: Chunk) -> None:
        try:
            with self._transaction():
                for kind, items in chunk:
                    self._write_records(kind, [record for _, record in items])
        except Exception as error:  # noqa: BLE001 - the thread must outlive it
            self._keep_for_later(chunk)
            self._failed(error)
        else:
            self._succeeded()

    def _write_records(self, kind: Kind, records: list[Any]) -> None:
        try:
            with savepoint(self._db):
                self._db.conn.executemany(kind.sql, map(kind.row, records))
        except Exception as error:
            if is_disk_error(error):
                raise
            for record in records:  # one of them is to blame: leave out that one
                self._write_record(kind, record)

    def _write_record(self, kind: Kind, record: Any) -> None:
        try:
            with savepoint(self._db):
                self._db.conn.execute(kind.sql, kind.row(record))
        except Exception as error:
            if is_disk_error(error):
                raise
            log.warning("store.record_lost", kind=kind.name, error=repr(error))
            with self._wake:
                self._unwritable += 1

    def _keep_for_later(self, chunk: Chunk) -> None:
        with self._wake:
            if self._closing:
                lost = sum(len(items) for _, items in chunk)
                self._unwritable += lost
                log.error("store.records_lost", records=lost)
            else:
                self._behind.restore(chunk)
                self._in_hand = 0
                self._next_flush = time.monotonic() + self._flush_interval

    def _failed(self, error: Exception) -> None:
        known = not self.healthy and str(error) == self.last_error
        self.last_error = str(error)
        self.healthy = False
        if not known:
            log.error("store.failing", error=str(error))

    def _succeeded(self) -> None:
        healed = not self.healthy
        self.healthy = True
        if healed:
            log.info("store.healed", after=self.last_error)

    def _watch(self) -> None:
        """Look whether another process has changed the file: our own commits leave this number alone."""
        try:
            self._check_place()
            version = self._read_data_version()
        except sqlite3.Error as error:
            self._failed(error)
            return
        if version != self._data_version:
            self._data_version = version
            with self._wake:
                self._edited = True

    def _read_data_version(self) -> int:
        return int(self._db.conn.execute("PRAGMA data_version").fetchone()[0])

    def _end(self) -> None:
        try:
            self._wait_less()
            self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:  # nothing is lost: the next start reads the WAL
            log.warning("store.no_checkpoint", error=str(error))
        self._db.close()
