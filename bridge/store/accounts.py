"""Users of the OPC UA server, and what they did: SQL on the tables `users` and `audit`."""

from collections.abc import Iterator

from sqlite_utils import Database

from bridge.store.records import AuditRecord, UserRecord
from bridge.store.rows import select

_AUDIT = "time, user, role, session, address, certificate, action, path, value, status"


def users(db: Database) -> Iterator[UserRecord]:
    """All users, by name."""
    for name, role, password_hash, certificate in select(
        db, "SELECT name, role, password_hash, certificate FROM users ORDER BY name"
    ):
        yield UserRecord(name=name, role=role, password_hash=password_hash, certificate=certificate)


def put_user(db: Database, user: UserRecord) -> None:
    """A new user, or another role, password or certificate of a known one."""
    db.execute(
        "INSERT INTO users VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "role = excluded.role, password_hash = excluded.password_hash, certificate = excluded.certificate",
        (user.name, user.role, user.password_hash, user.certificate),
    )


def remove_user(db: Database, name: str) -> bool:
    """False: there is no such user."""
    return bool(db.execute("DELETE FROM users WHERE name = ?", (name,)).rowcount)


def audit(db: Database, since: float | None = None, user: str | None = None) -> Iterator[AuditRecord]:
    """What was done at `since` or later, by one user or by all, the first first."""
    sql = f"SELECT {_AUDIT} FROM audit WHERE time >= ? AND (? IS NULL OR user = ?) ORDER BY id"  # noqa: S608
    for time, name, role, session, address, certificate, action, path, value, status in select(
        db, sql, (float("-inf") if since is None else since, user, user)
    ):
        yield AuditRecord(
            time=time,
            user=name,
            role=role,
            session=session,
            address=address,
            certificate=certificate,
            action=action,
            path=path,
            value=value,
            status=status,
        )


def trim_audit(db: Database, keep: int) -> None:
    """Only so many of the newest stay."""
    db.execute("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", (keep,))
