"""The token list as a CSV file: what `ocpp-bridge tokens import` takes and `export` prints. No I/O.

A file may come from a spreadsheet: with a byte order mark, semicolons, TRUE and FALSE. All that is wrong with it is
named in one go.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from bridge.api import Token
from bridge.cli.output import Cell, moment
from bridge.errors import Problem, ProjectError
from bridge.points.values import parse_time

COLUMNS = (
    "id_token",
    "id_token_type",
    "parent_id_token",
    "parent_id_token_type",
    "expiry",
    "areas",
    "blocked",
    "note",
)
TYPES = (
    *("Central", "DirectPayment", "eMAID", "EVCCID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress"),
    *("NoAuthorization", "VIN"),
)
"""The kinds of tokens that OCPP 2.x names (2.0.1 IdTokenEnumType, 2.1 IdTokenEnumStringType)."""

LONGEST = 255  # characters of an id in OCPP 2.1; 2.0.1 has 36, 1.6 has 20
BETWEEN_AREAS = ";"
PROBLEMS_SHOWN = 50

_DAMAGED = re.compile(r"\d([.,]\d+)?E[+-]\d+", re.IGNORECASE)
"""What spreadsheets make of long numbers and of ids such as 1234E567; the id itself is lost."""
_BOOLEANS = {"true": True, "false": False, "": False}


def make(fields: Mapping[str, str]) -> tuple[Token | None, list[tuple[str, str]]]:
    """A token of texts by column, or None and what is wrong: column and expectation. A column may be missing."""
    values: dict[str, Any] = {}
    mistakes: list[tuple[str, str]] = []
    for column, read in _READ.items():
        if column not in fields and column != "id_token":
            continue
        try:
            values[column] = read(fields.get(column, "").strip())
        except ValueError as error:
            mistakes.append((column, str(error)))
    return (None, mistakes) if mistakes else (Token(**values), [])


def cells(token: Token) -> dict[str, Cell]:
    """A token by column, as `make` takes it."""
    return {
        "id_token": token.id_token,
        "id_token_type": token.id_token_type,
        "parent_id_token": token.parent_id_token,
        "parent_id_token_type": token.parent_id_token_type if token.parent_id_token else "",
        "expiry": moment(token.expiry),
        "areas": BETWEEN_AREAS.join(token.areas),
        "blocked": token.blocked,
        "note": token.note,
    }


def parse(name: str, raw: bytes) -> list[Token]:
    """The tokens of a file called `name`. Raises ProjectError with what is wrong, by line and column."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProjectError([Problem(name, f"byte {error.start}", "not UTF-8")]) from None
    problems: list[Problem] = []
    tokens = list(_tokens(name, text, problems))
    if problems:
        more = len(problems) - PROBLEMS_SHOWN
        raise ProjectError(
            [*problems[:PROBLEMS_SHOWN], *([Problem(name, "", f"{more} more mistakes")] if more > 0 else [])]
        )
    return tokens


def _tokens(name: str, text: str, problems: list[Problem]) -> Iterator[Token]:
    first: dict[tuple[str, str], int] = {}
    for line, fields in _lines(name, text, problems):
        token, mistakes = make(fields)
        problems += (Problem(name, f"line {line}, column {column}", what) for column, what in mistakes)
        if token is None:
            continue
        key = token.id_token.lower(), token.id_token_type.lower()
        if key in first:
            what = f"{token.id_token} stands in line {first[key]} already"
            problems.append(Problem(name, f"line {line}, column id_token", what))
        first.setdefault(key, line)
        yield token


def _lines(name: str, text: str, problems: list[Problem]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields of every line below the heading that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        heading = [column.strip().lower() for column in next(reader, [])]
        problems += (Problem(name, "line 1", what) for what in _heading_mistakes(heading))
        if problems:
            return
        for row in reader:
            if len(row) > len(heading):
                what = f"expected {len(heading)} columns, found {len(row)}"
                problems.append(Problem(name, f"line {reader.line_num}", what))
            elif any(cell.strip() for cell in row):
                yield reader.line_num, dict(zip(heading, row, strict=False))
    except csv.Error as error:
        problems.append(Problem(name, f"line {reader.line_num}", f"not CSV: {error}"))


def _delimiter(text: str) -> str:
    """Where the comma divides decimals, spreadsheets write semicolons."""
    return ";" if ";" in text.partition("\n")[0] else ","


def _heading_mistakes(heading: list[str]) -> Iterator[str]:
    if "id_token" not in heading:
        yield f"expected a heading with id_token and any of {', '.join(COLUMNS[1:])}"
        return
    for number, column in enumerate(heading):
        if column not in COLUMNS:
            near = get_close_matches(column, COLUMNS, n=1)
            yield f"unknown column {column!r}" + (f"; did you mean {near[0]}?" if near else "")
        elif column in heading[:number]:
            yield f"a second column {column}"


def _id(text: str) -> str:
    if not 0 < len(text) <= LONGEST or not (text.isascii() and text.isprintable()):
        raise ValueError(f"expected 1 to {LONGEST} printable ASCII characters, found {_found(text)}")
    if _DAMAGED.fullmatch(text):
        raise ValueError(f"expected the token's own id, found {_found(text)}, which a spreadsheet has made of it")
    return text


def _type(text: str) -> str:
    for known in TYPES:
        if known.lower() == text.lower():
            return known
    raise ValueError(f"expected one of {', '.join(TYPES)}, found {_found(text)}")


def _expiry(text: str) -> float:
    try:
        return round(parse_time(text), 3)
    except ValueError:
        raise ValueError(f"expected ISO 8601 such as 2026-12-31T12:00:00Z, found {_found(text)}") from None


def _areas(text: str) -> tuple[str, ...]:
    areas = tuple(area.strip() for area in text.split(BETWEEN_AREAS))
    if not all(part.strip() for area in areas for part in area.split("/")):
        raise ValueError(f"expected areas such as Depot/Hall 1;Yard, found {_found(text)}")
    return areas


def _blocked(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"expected true or false, found {_found(text)}")
    return _BOOLEANS[text.lower()]


def _or(empty: Any, read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: read(text) if text else empty


def _found(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"


_READ: Mapping[str, Callable[[str], Any]] = {
    "id_token": _id,
    "id_token_type": _or("", _type),
    "parent_id_token": _or("", _id),
    "parent_id_token_type": _or("Central", _type),
    "expiry": _or(None, _expiry),
    "areas": _or((), _areas),
    "blocked": _blocked,
    "note": str,
}


def unused_areas(tokens: Iterable[Token], used: Iterable[str]) -> list[str]:
    """The areas of tokens where no station is, neither in them nor below: the tokens are good for nothing there."""
    having = {"/".join(parts[: n + 1]) for area in used for parts in [area.split("/")] for n in range(len(parts))}
    return sorted({area for token in tokens for area in token.areas} - having)
