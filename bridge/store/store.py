"""The store as the bridge uses it: durable writes to await, others to hand over, reads at the start."""

import asyncio
import itertools
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import structlog

from bridge.store import events, rows, transactions
from bridge.store.database import closing_on_error, connect_reader, connect_writer, lock, migrate, transaction
from bridge.store.reader import Editor, Reader
from bridge.store.records import (
    CommandEnd,
    CommandRecord,
    CommandResult,
    EventRecord,
    GroupRecord,
    StationRecord,
    Transaction,
    TransactionStart,
    TransactionStop,
    ValueRecord,
)
from bridge.store.writer import Writer

log = structlog.get_logger("bridge.store")


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
        self._lock_descriptor: int | None = lock_descriptor
        self._command_handles = itertools.count(last_command + 1)
        self._registrations = registrations

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
        path = Path(path)
        descriptor = lock(path)
        try:
            db = connect_writer(path)
            migrate(path, db)
            with closing_on_error(path, db):
                with transaction(db):
                    interrupted = rows.end_interrupted(db, time.time())
                last_command = rows.last_command(db)
                registrations = {record.id: record.registration for record in rows.stations(db)}
                reader = Reader(connect_reader(path), path)
        except BaseException:
            os.close(descriptor)
            raise
        writer = Writer(db, flush_interval=flush_interval, behind_limit=behind_limit, job_limit=job_limit)
        log.info("store.opened", path=str(path), sqlite=sqlite3.sqlite_version, interrupted=interrupted)
        return cls(writer, reader, descriptor, last_command, registrations)

    @staticmethod
    def peek(path: Path | str) -> Reader:
        """Read the file beside a running bridge, or without one."""
        return Reader.open(path)

    @staticmethod
    def edit(path: Path | str) -> Editor:
        """Change registrations and passwords beside a running bridge, or without one."""
        return Editor.open(path)

    # Stations

    def load_stations(self) -> list[StationRecord]:
        """All stations, in the order in which they were first seen."""
        records = list(self._reader.stations())
        self._registrations = {record.id: record.registration for record in records}
        return records

    def stations(self) -> Iterator[StationRecord]:
        """All stations, in the order in which they were first seen."""
        return self._reader.stations()

    async def put_station(self, record: StationRecord) -> None:
        """Store a station durably. Its name and `first_seen` stay as they were first stored.

        Its registration is written if this record changes what the bridge last knew; an operator's
        edit that the bridge has not noticed yet is left alone.
        """
        known = self._registrations.get(record.id, "")
        self._registrations[record.id] = record.registration
        changed = record.registration != known
        try:
            work = partial(rows.put_station, record=record, with_registration=changed)
            await self._writer.submit(work, replaces=(rows.STATION, record.id))
        except BaseException:
            self._registrations.pop(record.id, None)  # what is on disk is unknown: write it next time
            raise

    def put_station_soon(self, record: StationRecord) -> None:
        """Store a station within the flush interval; the registration of a known one stays as it is."""
        self._registrations.setdefault(record.id, record.registration)
        self._writer.put(rows.STATION, [(record.id, record)])

    async def set_registration(self, station: str, status: str | None) -> bool:
        """Store a registration durably. False: there is no such station."""
        known = await self._writer.submit(partial(rows.set_registration, station=station, status=status))
        if known:
            self._registrations[station] = status
        return known

    async def set_password(self, station: str, password_hash: str) -> None:
        """Store the hash of a station's password durably."""
        await self._writer.submit(partial(rows.set_password, station=station, password_hash=password_hash))

    def password_hash(self, station: str) -> str | None:
        """The hash that was set for a station's password, by this process or another, or None."""
        return self._reader.password_hash(station)

    def poll_external(self) -> list[StationRecord] | None:
        """The stations anew if another process has changed the file since the last poll, else None.

        Costs no disk access while there is nothing new; a change shows within the flush interval.
        """
        return self.load_stations() if self._writer.take_edited() else None

    # Transactions

    async def start_transaction(self, start: TransactionStart) -> tuple[int, dict[str, Any], bool]:
        """Store a transaction durably: (id, authorization, repeated).

        A repeated StartTransaction gets the id and the authorization of the first one.
        """
        return await self._writer.submit(partial(transactions.start_transaction, start=start))

    def find_start(
        self, station: str, connector: str, id_tag: str, start_timestamp: str, meter_start: float
    ) -> tuple[int, dict[str, Any]] | None:
        """Id and authorization that this StartTransaction was given before, or None if it is new.

        Reads what is on disk, without the writer's thread (10 µs and not 200). Raises StoreError.
        """
        return self._reader.find_start((station, connector, id_tag, start_timestamp, meter_start))

    async def stop_transaction(self, stop: TransactionStop) -> Transaction | None:
        """Store a stop durably and return the transaction as it was stopped the first time.

        None: the station has no transaction of that id; the stop is kept as an orphan.
        """
        return await self._writer.submit(partial(transactions.stop_transaction, stop=stop))

    async def lose_transaction(self, number: int, now: float) -> None:
        """Note durably that a transaction runs no more though its stop has not come."""
        await self._writer.submit(partial(transactions.lose_transaction, number=number, now=now))

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
        return await self._writer.submit(partial(events.put_event, event=event))

    async def lose_event_transaction(self, station: str, transaction: str) -> None:
        """Note durably that a 2.x transaction runs no more though its end has not come."""
        await self._writer.submit(partial(events.lose_transaction, station=station, transaction=transaction))

    def load_running_events(self) -> Iterator[EventRecord]:
        """The events of 2.x transactions without an end, in the order in which they came."""
        return self._reader.running_events()

    def load_ends_of(self, station: str) -> Iterator[tuple[str, float]]:
        """The 2.x transactions of a station that have ended: id, and when the end came. The last one first."""
        return self._reader.ends_of(station)

    def events_of(self, station: str, transaction: str) -> list[EventRecord]:
        """The events of one 2.x transaction, in the order in which they came. Raises StoreError."""
        return list(self._reader.events_of(station, transaction))

    # Commands

    def log_command(self, record: CommandRecord) -> int:
        """Note a command; the handle is for end_command. It is on disk as soon as the writer is free."""
        handle = next(self._command_handles)
        self._writer.put(rows.COMMAND, [(handle, (handle, record))])
        return handle

    def end_command(self, end: CommandEnd) -> None:
        """Note how a command ended. One that has no end when the store is opened again has failed."""
        self._writer.put(rows.COMMAND_END, [(end.handle, end)])

    def load_last_commands(self) -> Iterator[CommandResult]:
        """The last command of each action at each station or connector."""
        return self._reader.last_commands()

    # Values

    def put_values_soon(self, records: Sequence[GroupRecord]) -> None:
        """Keep last values within the flush interval; of several records for one path the newest counts."""
        self._writer.put(rows.VALUE, [(record.path, record) for record in records])

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
        """False from a write that the disk refused until the next one that it takes."""
        return self._writer.healthy

    @property
    def last_error(self) -> str:
        """What the disk last said when it refused; empty if it never did."""
        return self._writer.last_error

    async def close(self) -> None:
        """Write what waits, checkpoint, and let another process have the store."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_sync)

    def close_sync(self) -> None:
        """As close(), without an event loop. Closing twice does nothing."""
        if self._lock_descriptor is None:
            return
        descriptor, self._lock_descriptor = self._lock_descriptor, None
        self._reader.close()
        self._writer.close()
        os.close(descriptor)
