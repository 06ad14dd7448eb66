"""The store as the bridge uses it: durable writes to await, others to hand over, reads at the start."""

import asyncio
import itertools
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import structlog

from bridge.api import Token
from bridge.errors import StoreError
from bridge.store import accounts, events, logins, removals, rows, transactions
from bridge.store.backup import back_up
from bridge.store.database import closing_on_error, connect_reader, connect_writer, lock, migrate, transaction
from bridge.store.logins import CertificateRequest, Login
from bridge.store.place import Place
from bridge.store.reader import Editor, Reader
from bridge.store.reads import Reads
from bridge.store.records import (
    PARAMETERS,
    SUBJECTS,
    AuditRecord,
    CommandEnd,
    CommandRecord,
    CommandResult,
    EventRecord,
    GroupRecord,
    StationRecord,
    Transaction,
    TransactionStart,
    TransactionStop,
    UserRecord,
    ValueRecord,
)
from bridge.store.writer import SILENT, Writer

log = structlog.get_logger("bridge.store")

_NONE = ""
"""No registration that there is, not even that of a station that nobody has decided about."""


class Store:
    """One bridge's store. Durable methods are coroutines and raise StoreError when the disk did not take it.

    All others return at once. To be used from one thread, that of the event loop.
    """

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        lock_descriptor: int,
        last_command: int,
        registrations: dict[str, str | None],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._reads = Reads()
        self._lock_descriptor: int | None = lock_descriptor
        self._command_handles = itertools.count(last_command + 1)
        self._audit_handles = itertools.count()
        self._registrations = registrations  # as they were last known to be on the disk
        self._deciding: Counter[str] = Counter()  # of each station, how many are on their way there
        self._unsure: dict[str, set[str | None]] = {}  # of each station, those that the disk may have taken or not
        self._edited = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        flush_interval: float = 1.0,
        behind_limit: int = 200_000,
        job_limit: int = 10_000,
    ) -> "Store":
        """Open the file at `path` for this process alone, or create it, and bring it up to date.

        `flush_interval` is in seconds, the limits are numbers of writes that wait, see Writer.
        StoreError says what is wrong with the file or its place and what to do about it.
        """
        path = Path(path).resolve()  # another name of it is the same store
        descriptor = lock(path)
        try:
            db = connect_writer(path)
            migrate(path, db)
            with closing_on_error(path, db):
                with transaction(db):
                    interrupted = rows.end_interrupted(db, time.time())
                last_command = rows.last_command(db)
                registrations = rows.registrations(db)
                reader = Reader(connect_reader(path), path)
        except BaseException:
            os.close(descriptor)
            raise
        place = Place(path)
        writer = Writer(db, place, flush_interval=flush_interval, behind_limit=behind_limit, job_limit=job_limit)
        log.info("store.opened", path=str(path), sqlite=sqlite3.sqlite_version, interrupted=interrupted)
        return cls(writer, reader, descriptor, last_command, registrations)

    @staticmethod
    def peek(path: Path | str) -> Reader:
        """Read the file beside a running bridge, or without one."""
        return Reader.open(path)

    @staticmethod
    def back_up(path: Path | str, target: Path) -> int:
        """Copy the file into a new one beside a running bridge, or without one; its size in bytes."""
        return back_up(Path(path), target)

    @staticmethod
    def edit(path: Path | str) -> Editor:
        """Change registrations, passwords and tokens beside a running bridge, or without one."""
        return Editor.open(path)

    # Stations

    def load_stations(self) -> list[StationRecord]:
        """All stations, in the order in which they were first seen."""
        with self._reads.of("stations"):
            records = list(self._reader.stations())
        self._registrations = {record.id: record.registration for record in records}
        return records

    def stations(self) -> Iterator[StationRecord]:
        """All stations, in the order in which they were first seen."""
        return self._reader.stations()

    async def put_station(self, record: StationRecord) -> None:
        """Store a station durably. Its name and `first_seen` stay as they were first stored.

        Its registration is written if this record changes what the bridge last knew; an operator's
        edit that the bridge has not noticed yet is left alone. So is one made after the disk refused
        this registration, or an earlier one.
        """
        known, unsure = self._registrations.get(record.id, _NONE), self._unsure.get(record.id)
        changed = record.registration != known or unsure is not None or record.id in self._deciding
        over = None if unsure is None else {known, *unsure}
        work = partial(rows.put_station, record=record, with_registration=changed, over=over)
        if changed:
            self._deciding[record.id] += 1
        try:
            written = self._writer.submit(work, replaces=[(rows.STATION, record.id)])
        except StoreError:
            if changed:
                self._decided(record, written=None)
            raise
        if changed:
            written.add_done_callback(lambda done: self._decided(record, None if done.exception() else done.result()))
        await asyncio.shield(written)  # who waits may go away: it is written all the same

    def _decided(self, record: StationRecord, written: bool | None) -> None:
        """A registration has been written; False: an operator's edit was there, None: the disk refused it."""
        self._deciding[record.id] -= 1
        if not self._deciding[record.id]:
            del self._deciding[record.id]
        if written:
            self._registrations[record.id] = record.registration
            self._unsure.pop(record.id, None)
        elif written is None:
            self._unsure.setdefault(record.id, set()).add(record.registration)
        else:
            self._edited = True

    def put_station_soon(self, record: StationRecord) -> None:
        """Store a station within the flush interval; the registration of a known one stays as it is."""
        self._registrations.setdefault(record.id, record.registration)
        self._writer.put(rows.STATION, [(record.id, record)])

    async def remove_station(self, station: str, groups: Iterable[str]) -> None:
        """Forget a station durably, with the last values of its groups; its transactions and commands stay."""
        self._registrations.pop(station, None)
        self._unsure.pop(station, None)
        paths = tuple(groups)
        late: list[tuple[rows.Kind, Hashable]] = [(rows.STATION, station), (rows.STATION_MODEL, station)]
        late += [(rows.VALUE, path) for path in paths]
        late += [(rows.NOTE, (station, subject)) for subject in (*SUBJECTS, PARAMETERS)]
        await self._writer.submit(partial(removals.remove, station=station, groups=paths), replaces=late)

    def removals(self) -> list[str]:
        """The stations that another process has removed, and that `remove_station` was not called for yet."""
        with self._reads.of("removals"):
            return self._reader.removals()

    async def set_password(self, station: str, password_hash: str) -> None:
        """Store the hash of a station's password durably."""
        await self._writer.submit(partial(logins.set_password, station=station, password_hash=password_hash))

    async def settle_password(self, station: str, password_hash: str) -> bool:
        """A pending password has become the only one, durably. False: it is pending no more."""
        work = partial(logins.settle_password, station=station, password_hash=password_hash)
        return await self._writer.submit(work)

    async def add_pending_password(self, station: str, password_hash: str, most: int) -> bool:
        """Store the hash of a password that a station is about to be sent durably. False: too many wait already."""
        work = partial(logins.add_pending, station=station, password_hash=password_hash, most=most)
        return await self._writer.submit(work)

    async def mark_password(self, station: str, password_hash: str, marked: str) -> None:
        """Store the hash of a password with another mark durably."""
        work = partial(logins.mark_password, station=station, password_hash=password_hash, marked=marked)
        await self._writer.submit(work)

    async def drop_pending_password(self, station: str, password_hash: str) -> None:
        """Forget a password that a station has refused."""
        await self._writer.submit(partial(logins.drop_pending, station=station, password_hash=password_hash))

    async def set_profile(self, station: str, profile: int) -> None:
        """Store the highest security profile that a station has shown durably."""
        await self._writer.submit(partial(logins.set_profile, station=station, profile=profile))

    def login(self, station: str) -> Login:
        """What a station's login is compared with, as this process or another has set it. Raises StoreError."""
        with self._reads.of("logins"):
            return self._reader.login(station)

    # Requests for certificates

    async def put_request(self, request: CertificateRequest) -> None:
        """Store a request durably, in place of an older one of its kind."""
        await self._writer.submit(partial(logins.put_request, request=request))

    async def drop_request(self, request: CertificateRequest) -> None:
        """Forget a request."""
        await self._writer.submit(partial(logins.drop_request, request=request))

    def load_requests(self, station: str | None = None) -> list[CertificateRequest]:
        """Requests that wait for the operator or, once they have a chain, for the station. Raises StoreError."""
        with self._reads.of("requests"):
            return list(self._reader.requests(station))

    def find_token(self, id_token: str, id_token_type: str = "") -> Token | None:
        """The token of this id and kind as the list has it now, whoever has changed it. Raises StoreError."""
        with self._reads.of("tokens"):
            return self._reader.find_token(id_token, id_token_type)

    def poll_external(self) -> dict[str, str | None] | None:
        """The registrations that differ from what the bridge last knew, if another process has changed the file; else
        None. The same once more with the next poll, until `settle_edits` tells that they have been taken.

        Costs no disk access while there is nothing new; a change shows within the flush interval. Raises StoreError.
        """
        self._edited |= self._writer.take_edited()
        if not self._edited or self._deciding:  # what the bridge itself decides may not be on the disk yet
            return None
        with self._reads.of("stations"):
            found = self._reader.registrations()
        known, unsure = self._registrations, self._unsure
        return {
            station: status
            for station, status in found.items()
            if known.get(station, status) != status and status not in unsure.get(station, ())
        }

    def settle_edits(self, edits: dict[str, str | None]) -> None:
        """What `poll_external` has found, and what else another process may have changed, has been taken."""
        self._registrations |= edits
        for station in edits:
            self._unsure.pop(station, None)
        self._edited = False

    # Transactions

    async def start_transaction(self, start: TransactionStart) -> tuple[int, dict[str, Any], bool]:
        """Store a transaction durably: (id, authorization, repeated).

        A repeated StartTransaction gets the id and the authorization of the first one.
        """
        work = partial(transactions.start_transaction, start=start)
        return await self._writer.submit(work, needs=(rows.STATION, start.station))

    def find_start(
        self, station: str, connector: str, id_tag: str, start_timestamp: str, meter_start: float
    ) -> tuple[int, dict[str, Any]] | None:
        """Id and authorization that this StartTransaction was given before, or None if it is new.

        Reads what is on disk, without the writer's thread (10 µs and not 200). Raises StoreError.
        """
        with self._reads.of("starts"):
            return self._reader.find_start((station, connector, id_tag, start_timestamp, meter_start))

    def runs(self, number: int) -> bool:
        """Whether a transaction has begun and neither ended nor been lost. Reads what is on disk. Raises StoreError."""
        with self._reads.of("starts"):
            return self._reader.runs(number)

    async def stop_transaction(self, stop: TransactionStop) -> Transaction | None:
        """Store a stop durably and return the transaction as it was stopped the first time.

        None: the station has no transaction of that id; the stop is kept as an orphan.
        """
        return await self._writer.submit(partial(transactions.stop_transaction, stop=stop))

    async def answer_stop(self, number: int, authorization: dict[str, Any]) -> None:
        """Note durably what the stop of a transaction is going to be answered."""
        await self._writer.submit(partial(transactions.answer_stop, number=number, authorization=authorization))

    async def lose_transaction(self, number: int, now: float) -> None:
        """Note durably that a transaction runs no more though its stop has not come."""
        await self._writer.submit(partial(transactions.lose_transaction, number=number, now=now))

    async def lose_transactions(self, station: str, now: float) -> None:
        """The same of all transactions that run at a station."""
        await self._writer.submit(partial(transactions.lose_transactions, station=station, now=now))

    def load_open_transactions(self) -> list[Transaction]:
        """Transactions without a stop, by id."""
        return list(self._reader.open_transactions())

    def load_last_ended(self) -> Iterator[Transaction]:
        """The newest transaction of each connector that has ended."""
        return self._reader.last_ended()

    def transactions(self, since: float | None = None) -> Iterator[Transaction]:
        """Transactions that began at `since` or later, by id."""
        return self._reader.transactions(since)

    async def put_event(self, event: EventRecord) -> bool:
        """Store an event of a 2.x transaction durably. False: the same event has been stored before."""
        work = partial(events.put_event, event=event)
        return await self._writer.submit(work, needs=(rows.STATION, event.station))

    async def answer_event(self, station: str, transaction: str, digest: str, answer: dict[str, Any]) -> None:
        """Note durably what an event of a 2.x transaction is going to be answered."""
        work = partial(events.answer_event, station=station, transaction=transaction, digest=digest, answer=answer)
        await self._writer.submit(work)

    def answer_of(self, station: str, transaction: str, digest: str) -> dict[str, Any] | None:
        """What it was answered before; None: nothing yet. Raises StoreError."""
        with self._reads.of("answers"):
            return self._reader.answer_of(station, transaction, digest)

    async def place_events(self, station: str, transaction: str, connector: str) -> None:
        """Note durably where a 2.x transaction is of which nothing had told that before."""
        work = partial(events.place_events, station=station, transaction=transaction, connector=connector)
        await self._writer.submit(work)

    async def set_events_aside(self, station: str, transaction: str) -> str:
        """Give a 2.x transaction another name durably, since its id has become another one's; returns the name."""
        return await self._writer.submit(partial(events.set_aside, station=station, transaction=transaction))

    def events_set_aside(self, station: str, transaction: str) -> list[str]:
        """The names of the transactions that had this id, the first one first. Raises StoreError."""
        with self._reads.of("events set aside"):
            return self._reader.set_aside(station, transaction)

    async def lose_event_transaction(self, station: str, transaction: str) -> None:
        """Note durably that a 2.x transaction runs no more though its end has not come."""
        await self._writer.submit(partial(events.lose_transaction, station=station, transaction=transaction))

    async def lose_event_transactions(self, station: str, shown: Sequence[GroupRecord] = ()) -> None:
        """The same of all 2.x transactions that run at a station; `shown` are last values that tell it."""
        work = partial(events.lose_transactions, station=station, shown=shown)
        await self._writer.submit(work, replaces=[(rows.VALUE, record.path) for record in shown])

    async def forget_events(self, before: float) -> None:
        """Delete the events of 2.x transactions that have ended and of which nothing has come since `before`.

        A slice at a time: others have their turn in between. Raises StoreError.
        """
        after: int | None = 0
        while after is not None:
            after = await self._writer.submit(partial(events.forget_events, before=before, after=after))

    def load_running_events(self) -> Iterator[EventRecord]:
        """The events of 2.x transactions without an end, in the order in which they came."""
        return self._reader.running_events()

    def load_ends_of(self, station: str) -> Iterator[tuple[str, float]]:
        """The 2.x transactions of a station that have ended: id, and when the end came. The last one first."""
        return self._reader.ends_of(station)

    def events_of(self, station: str, transaction: str) -> list[EventRecord]:
        """The events of one 2.x transaction, in the order in which they came. Raises StoreError."""
        with self._reads.of("events"):
            return list(self._reader.events_of(station, transaction))

    # Commands

    def log_command(self, record: CommandRecord) -> int:
        """Note a command; the handle is for end_command. It is on disk as soon as the writer is free."""
        handle = next(self._command_handles)
        self._writer.put(rows.COMMAND, [(handle, (handle, record))])
        return handle

    async def send_command(self, handle: int) -> None:
        """Note durably that a command which is kept is about to go out: nobody knows what became of it when the store
        is opened again before it has an end.
        """
        work = partial(rows.send_command, handle=handle)
        await self._writer.submit(work, needs=(rows.COMMAND, handle))

    def end_command(self, end: CommandEnd) -> None:
        """Note how a command ended. One that has no end when the store is opened again has failed, or is kept."""
        self._writer.put(rows.COMMAND_END, [(end.handle, end)])

    def load_last_commands(self) -> Iterator[CommandResult]:
        """The last command of each action at each station or connector."""
        return self._reader.last_commands()

    def load_queued_commands(self) -> Iterator[tuple[int, CommandRecord]]:
        """The commands that were kept and wait for their station since before the restart, with their handles."""
        return self._reader.queued_commands()

    async def forget_log(self, before: float) -> None:
        """Delete the commands and the deeds of the audit trail that are older, but for the last command of each action
        at each place. A slice at a time. Raises StoreError.
        """
        while await self._writer.submit(partial(rows.forget_log, before=before)):
            pass

    # Values

    def put_values_soon(self, records: Sequence[GroupRecord]) -> None:
        """Keep last values within the flush interval; of several records for one path the newest counts.

        What waits is a text for each group: two hundred values would be as many objects for the garbage collector.
        """
        self._writer.put(rows.VALUE, [(record.path, rows.group_row(record)) for record in records])

    def load_values(self) -> Iterator[ValueRecord]:
        """The last value of every point that has had one."""
        return self._reader.values()

    def load_group_values(self) -> Iterator[GroupRecord]:
        """The same, by station and connector: in a tenth of the time."""
        return self._reader.group_values()

    def put_model_soon(self, station: str, points: str) -> None:
        """Keep a station's device model, as JSON, within the flush interval. Equal ones are kept once."""
        digest = blake2b(points.encode(), digest_size=16).hexdigest()
        self._writer.put(rows.MODEL, [(digest, (digest, points))])
        self._writer.put(rows.STATION_MODEL, [(station, (station, digest))])

    def load_models(self) -> Iterator[tuple[str, list[str]]]:
        """Each device model as JSON, with the stations that have it."""
        return self._reader.models()

    def put_note_soon(self, station: str, subject: str, note: str) -> None:
        """Keep what a restart must not lose of a station beside its points, as JSON, within the flush interval."""
        self._writer.put(rows.NOTE, [((station, subject), (station, subject, note))])

    def load_notes(self) -> Iterator[tuple[str, str, str]]:
        """Station, subject and note."""
        return self._reader.notes()

    # Users and what they do

    def users(self) -> list[UserRecord]:
        """The users of the OPC UA server that a command has added, by this process or another."""
        with self._reads.of("users"):
            return list(self._reader.users())

    def put_audit_soon(self, records: Iterable[AuditRecord]) -> None:
        """Keep what somebody did. It is on disk as soon as the writer is free."""
        self._writer.put(rows.AUDIT, [(next(self._audit_handles), record) for record in records])

    async def trim_audit(self, keep: int) -> None:
        """Only so many of the newest entries of the audit trail stay."""
        await self._writer.submit(partial(accounts.trim_audit, keep=keep))

    # State

    @property
    def queue_length(self) -> int:
        """Writes that are not on disk yet (Bridge.StoreQueue)."""
        return self._writer.queue_length

    @property
    def dropped(self) -> int:
        """Values and notes that were never written: too many waited, or they cannot be written."""
        return self._writer.dropped

    @property
    def healthy(self) -> bool:
        """False from a write that the disk refused until the next one that it takes, and while it does not answer or
        reads fail.
        """
        return self._writer.healthy and not self._writer.is_silent and not self._reads.error

    @property
    def last_error(self) -> str:
        """What the disk last said when it refused; empty if it never did."""
        return self._reads.error or (SILENT if self._writer.is_silent else self._writer.last_error)

    def hurry(self) -> None:
        """The end is near: from now on other processes' locks are waited for 5 s in all. See close()."""
        self._writer.hurry()

    async def close(self) -> None:
        """Write what waits, checkpoint, and let another process have the store.

        StoreError when the disk does not answer. What was acknowledged is on it all the same; the rest may be lost, and
        the store is let go of with the process.
        """
        thread = ThreadPoolExecutor(1)  # of its own: others may hang in files of another disk
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self.close_sync)
        finally:
            thread.shutdown(wait=False)

    def close_sync(self) -> None:
        """As close(), without an event loop. Closing twice does nothing, unless the disk has not answered."""
        if self._lock_descriptor is None:
            return
        self._reader.close()
        if not self._writer.close():
            left = self._writer.queue_length
            raise StoreError(f"the store could not be closed: {SILENT}, and {left} writes wait for it")
        os.close(self._lock_descriptor)
        self._lock_descriptor = None
