"""How stations log in: the hashes of passwords, the highest security profile shown, requests for certificates.

The functions that write are jobs: they run in the writer's thread, in a transaction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from bridge.store.rows import select


@dataclass(frozen=True, slots=True)
class Login:
    """What a station's login is compared with.

    hash: its password's, None where it has none. pending: those of passwords that it was sent and of which nobody
    knows whether it has taken them, the oldest first. profile: the highest security profile that it has ever shown.
    """

    hash: str | None = None
    pending: tuple[str, ...] = ()
    profile: int = 0

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of every password that is right."""
        return self.pending if self.hash is None else (self.hash, *self.pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """A station's request for a certificate that waits for the operator, or for the station; PEM.

    type, number: its certificateType and requestId (OCPP 2.x), or "" and None. chain: "" until it is signed.
    """

    station: str
    type: str
    csr: str
    received: float
    number: int | None = None
    chain: str = ""


def login(db: Database, station: str) -> Login:
    sql = (
        "SELECT 0, hash, 0 AS number FROM passwords WHERE station = ?1 UNION ALL "
        "SELECT 1, hash, number FROM pending_passwords WHERE station = ?1 UNION ALL "
        "SELECT 2, profile, 0 FROM shown_profiles WHERE station = ?1 ORDER BY number"
    )
    hash_, pending, profile = None, [], 0
    for kind, value, _ in select(db, sql, (station,)):
        if kind == 0:
            hash_ = str(value)
        elif kind == 1:
            pending.append(str(value))
        else:
            profile = int(value)
    return Login(hash_, tuple(pending), profile)


def set_password(db: Database, station: str, password_hash: str) -> None:
    """The one password that is right from now on."""
    _put_password(db, station, password_hash)
    db.execute("DELETE FROM pending_passwords WHERE station = ?", (station,))


def _put_password(db: Database, station: str, password_hash: str) -> None:
    db.execute(
        "INSERT INTO passwords VALUES (?, ?) ON CONFLICT (station) DO UPDATE SET hash = excluded.hash",
        (station, password_hash),
    )


def settle_password(db: Database, station: str, password_hash: str) -> bool:
    """The station has shown that it has taken a pending password. False: it is pending no more.

    Later ones stay: it may take them with its next boot.
    """
    key = (station, password_hash)
    sql = "SELECT number FROM pending_passwords WHERE station = ? AND hash = ?"
    found = db.execute(sql, key).fetchone()
    if found is None:
        return False
    db.execute("DELETE FROM pending_passwords WHERE station = ? AND number <= ?", (station, found[0]))
    _put_password(db, station, password_hash)
    return True


def add_pending(db: Database, station: str, password_hash: str, most: int) -> bool:
    """A password that the station is about to be sent. False: too many wait already."""
    count = db.execute("SELECT count(*) FROM pending_passwords WHERE station = ?", (station,)).fetchone()[0]
    if count >= most:
        return False
    db.execute(
        "INSERT INTO pending_passwords (station, hash) VALUES (?, ?) ON CONFLICT DO NOTHING", (station, password_hash)
    )
    return True


def mark_password(db: Database, station: str, password_hash: str, marked: str) -> None:
    """The same hash with another mark (see `station.credentials`), unless it was changed meanwhile."""
    for table in ("passwords", "pending_passwords"):
        sql = f"UPDATE {table} SET hash = ? WHERE station = ? AND hash = ?"  # noqa: S608
        db.execute(sql, (marked, station, password_hash))


def drop_pending(db: Database, station: str, password_hash: str) -> None:
    """The station has refused a password."""
    db.execute("DELETE FROM pending_passwords WHERE station = ? AND hash = ?", (station, password_hash))


def set_profile(db: Database, station: str, profile: int) -> None:
    db.execute(
        "INSERT INTO shown_profiles VALUES (?, ?) ON CONFLICT (station) DO UPDATE SET profile = excluded.profile",
        (station, profile),
    )


# Requests for certificates


def put_request(db: Database, request: CertificateRequest) -> None:
    """In place of an older one of its kind."""
    db.execute(
        "INSERT OR REPLACE INTO certificate_requests (station, type, csr, received, number, chain) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (request.station, request.type, request.csr, request.received, request.number, request.chain),
    )


def sign_request(db: Database, request: CertificateRequest, chain: str) -> bool:
    """False: there is another request by now."""
    cursor = db.execute(
        "UPDATE certificate_requests SET chain = ? WHERE station = ? AND type = ? AND csr = ?",
        (chain, request.station, request.type, request.csr),
    )
    return bool(cursor.rowcount)


def drop_request(db: Database, request: CertificateRequest) -> None:
    db.execute(
        "DELETE FROM certificate_requests WHERE station = ? AND type = ? AND csr = ?",
        (request.station, request.type, request.csr),
    )


def requests(db: Database, station: str | None = None) -> Iterator[CertificateRequest]:
    """All, or those of a station; the oldest first."""
    sql = "SELECT station, type, csr, received, number, chain FROM certificate_requests"
    where: Sequence[str] = () if station is None else (station,)
    sql += " WHERE station = ?" if where else ""
    for row in select(db, f"{sql} ORDER BY received", tuple(where)):
        yield CertificateRequest(station=row[0], type=row[1], csr=row[2], received=row[3], number=row[4], chain=row[5])
