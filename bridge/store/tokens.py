"""The token list: who may charge, as `ocpp-bridge tokens` keeps it and handler scripts look it up.

Tokens and their kinds are compared without regard to case (OCPP 1.6 §2.6, 2.0.1 IdTokenType): the columns say so.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlite_utils import Database

from bridge.api import Token
from bridge.store.rows import from_json, select, to_json

_COLUMNS = "id_token, id_token_type, parent_id_token, parent_id_token_type, expiry, areas, blocked, note"
_TOKENS = f"SELECT {_COLUMNS} FROM tokens "  # noqa: S608
_PUT = (
    f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
    "ON CONFLICT (id_token, id_token_type) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", "))
)


def put_tokens(db: Database, tokens: Iterable[Token]) -> None:
    """Stores each token in place of the one of its id and kind."""
    db.conn.executemany(_PUT, map(_row, tokens))


def remove_token(db: Database, id_token: str, id_token_type: str) -> bool:
    """False: there is no token of this id and kind."""
    sql = "DELETE FROM tokens WHERE id_token = ? AND id_token_type = ?"
    return db.execute(sql, (id_token, id_token_type)).rowcount == 1


def remove_tokens(db: Database) -> None:
    """Empties the list."""
    db.execute("DELETE FROM tokens")


def find_token(db: Database, id_token: str, id_token_type: str) -> Token | None:
    """The token of this id and kind, else the one of this id that may be of any kind.

    A 1.6 station names no kind (""): where no token of the id may be of any kind, the only one there is.
    """
    wanted = id_token_type.lower()
    found = {token.id_token_type.lower(): token for token in _select(db, "WHERE id_token = ?", (id_token,))}
    if wanted in found or "" in found:
        return found.get(wanted) or found[""]
    return next(iter(found.values())) if len(found) == 1 and not wanted else None


def tokens(db: Database) -> Iterator[Token]:
    """All tokens, by id."""
    return _select(db, "ORDER BY id_token, id_token_type")


def _select(db: Database, clause: str, parameters: tuple[Any, ...] = ()) -> Iterator[Token]:
    return map(_token, select(db, _TOKENS + clause, parameters))


def _row(token: Token) -> tuple[Any, ...]:
    return (
        token.id_token,
        token.id_token_type,
        token.parent_id_token,
        token.parent_id_token_type,
        token.expiry,
        to_json(token.areas),
        token.blocked,
        token.note,
    )


def _token(row: tuple[Any, ...]) -> Token:
    return Token(
        id_token=row[0],
        id_token_type=row[1],
        parent_id_token=row[2],
        parent_id_token_type=row[3],
        expiry=row[4],
        areas=tuple(from_json(row[5])),
        blocked=bool(row[6]),
        note=row[7],
    )
