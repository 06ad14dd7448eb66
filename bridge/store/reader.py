"""Reading the file, and the few edits that command line tools make beside a running bridge."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlite_utils import Database

from bridge.api import Token
from bridge.errors import StoreError
from bridge.store import accounts, events, logins, removals, rows, tokens, transactions
from bridge.store.database import (
    check_schema,
    connect_editor,
    connect_reader,
    explain,
    lock,
    migrate,
    transaction,
)
from bridge.store.logins import CertificateRequest, Login
from bridge.store.records import (
    AuditRecord,
    CommandRecord,
    CommandResult,
    EventRecord,
    GroupRecord,
    StationRecord,
    Transaction,
    UserRecord,
    ValueRecord,
)
from bridge.store.transactions import StartKey


class Reader:
    """What is on disk. An iterator that is not read to its end holds back checkpoints until it is closed."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._path = path

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Read the file at `path`, also while the bridge runs. StoreError says what is wrong with it."""
        path = Path(path)
        db = connect_reader(path)
        check_schema(path, db)
        return cls(db, path)

    def stations(self) -> Iterator[StationRecord]:
        """All stations, in the order in which they were first seen."""
        return rows.stations(self._db)

    def registrations(self) -> dict[str, str | None]:
        """Those of all stations, by their ids, at a tenth of the cost of `stations`."""
        return rows.registrations(self._db)

    def removals(self) -> list[str]:
        """The stations whose removal a running bridge has not taken note of yet."""
        return list(removals.removals(self._db))

    def transactions(self, since: float | None = None) -> Iterator[Transaction]:
        """Transactions that began at `since` or later, by id."""
        return transactions.transactions(self._db, since)

    def open_transactions(self) -> Iterator[Transaction]:
        """Transactions without a stop, by id."""
        return transactions.open_transactions(self._db)

    def last_ended(self) -> Iterator[Transaction]:
        """The newest transaction of each connector that has ended."""
        return transactions.last_ended(self._db)

    def runs(self, number: int) -> bool:
        """Whether a transaction has begun and neither ended nor been lost."""
        return transactions.runs(self._db, number)

    def find_start(self, key: StartKey) -> tuple[int, dict[str, Any]] | None:
        """Id and authorization of the transaction that this StartTransaction has begun, or None."""
        return transactions.find_start(self._db, key)

    def running_events(self) -> Iterator[EventRecord]:
        """The events of 2.x transactions without an end, in the order in which they came."""
        return events.running_events(self._db)

    def events_of(self, station: str, transaction: str) -> Iterator[EventRecord]:
        """The events of one 2.x transaction, in the order in which they came."""
        return events.events_of(self._db, station, transaction)

    def answer_of(self, station: str, transaction: str, digest: str) -> dict[str, Any] | None:
        """What an event of a 2.x transaction was answered; None: nothing yet."""
        return events.answer_of(self._db, station, transaction, digest)

    def set_aside(self, station: str, transaction: str) -> list[str]:
        """What `events.set_aside` has called the 2.x transactions that had this id, the first one first."""
        return events.names_aside(self._db, station, transaction)

    def events(self) -> Iterator[EventRecord]:
        """The events of all 2.x transactions, those of each together and in the order in which they came."""
        return events.events(self._db)

    def ends_of(self, station: str) -> Iterator[tuple[str, float]]:
        """The 2.x transactions of a station that have ended: id, and when the end came. The last one first."""
        return events.ends_of(self._db, station)

    def last_commands(self) -> Iterator[CommandResult]:
        """The last command of each action at each station or connector that has ended."""
        return rows.last_commands(self._db)

    def queued_commands(self) -> Iterator[tuple[int, CommandRecord]]:
        """The commands that wait for their station since before a restart, with their handles."""
        return rows.queued_commands(self._db)

    def values(self) -> Iterator[ValueRecord]:
        """The last value of every point that has had one."""
        return rows.values(self._db)

    def group_values(self) -> Iterator[GroupRecord]:
        """The same, by station and connector."""
        return rows.group_values(self._db)

    def models(self) -> Iterator[tuple[str, list[str]]]:
        """Each device model as JSON, with the stations that have it."""
        return rows.models(self._db)

    def notes(self) -> Iterator[tuple[str, str, str]]:
        """Station, subject and note: what a restart must not lose of 2.x stations though no point shows it."""
        return rows.notes(self._db)

    def login(self, station: str) -> Login:
        """What a station's login is compared with."""
        return logins.login(self._db, station)

    def requests(self, station: str | None = None) -> Iterator[CertificateRequest]:
        """Requests for certificates, the oldest first."""
        return logins.requests(self._db, station)

    def tokens(self) -> Iterator[Token]:
        """The token list, by id."""
        return tokens.tokens(self._db)

    def find_token(self, id_token: str, id_token_type: str = "") -> Token | None:
        """The token of this id and kind, as the list has it now. See `tokens.find_token`."""
        return tokens.find_token(self._db, id_token, id_token_type)

    def users(self) -> Iterator[UserRecord]:
        """The users of the OPC UA server that a command has added, by name."""
        return accounts.users(self._db)

    def audit(self, since: float | None = None, user: str | None = None) -> Iterator[AuditRecord]:
        """What was done from outside at `since` or later, by one user or by all, the first first."""
        return accounts.audit(self._db, since, user)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Editor(Reader):
    """A reader that also sets registrations, passwords and tokens. A running bridge notices within a second."""

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Edit the file at `path`; a new or an older one is brought up to date, if no bridge runs on it."""
        path = Path(path).resolve()
        try:
            descriptor = lock(path)
        except StoreError:
            db = connect_editor(path)
            check_schema(path, db)
        else:
            try:
                db = connect_editor(path)
                migrate(path, db)
            finally:
                os.close(descriptor)
        return cls(db, path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with transaction(self._db):
                yield
        except sqlite3.Error as error:
            raise explain(self._path, error) from error

    def set_registration(self, station: str, status: str | None) -> bool:
        """Accepted, Pending, Rejected, or None for the policy's choice. False: there is no such station."""
        with self._writing():
            return rows.set_registration(self._db, station, status)

    def remove_station(self, station: str) -> bool:
        """Forget a station; its transactions and commands stay. False: there is no such station."""
        with self._writing():
            return removals.note_removal(self._db, station)

    def set_password(self, station: str, password_hash: str) -> None:
        """Set the hash of a station's password; the station need not have been seen yet."""
        with self._writing():
            logins.set_password(self._db, station, password_hash)

    def set_profile(self, station: str, profile: int) -> None:
        """Set the security profile below which a station may not connect."""
        with self._writing():
            logins.set_profile(self._db, station, profile)

    def sign_request(self, request: CertificateRequest, chain: str) -> bool:
        """Give a request its certificate. False: there is another request by now."""
        with self._writing():
            return logins.sign_request(self._db, request, chain)

    def put_user(self, user: UserRecord) -> None:
        """Add a user, or give a known one another role, password or certificate."""
        with self._writing():
            accounts.put_user(self._db, user)

    def remove_user(self, name: str) -> bool:
        """False: there is no such user."""
        with self._writing():
            return accounts.remove_user(self._db, name)

    def put_tokens(self, changed: Iterable[Token], *, replace: bool = False) -> None:
        """Store tokens in place of those of their ids and kinds; `replace`: in place of the whole list."""
        with self._writing():
            if replace:
                tokens.remove_tokens(self._db)
            tokens.put_tokens(self._db, changed)

    def remove_token(self, id_token: str, id_token_type: str = "") -> bool:
        """Remove a token. False: there is none of this id and kind."""
        with self._writing():
            return tokens.remove_token(self._db, id_token, id_token_type)
