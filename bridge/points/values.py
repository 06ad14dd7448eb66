"""From what a station sent to a point's type. Pure; a value that cannot be read raises ValueError."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

import msgspec

from bridge.points.rows import INTEGER_RANGES, Enumeration, Row, Type, Value

MAX_TEXT = 65_536  # characters of one point: more is cut, so that no station fills the memory
#: the moments that a calendar can show, in Unix seconds
EARLIEST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def coerce(row: Row, raw: Any) -> Value:
    """`raw` as a value of the row's type. A field that is not there (None) is an empty text, else null."""
    if raw is None:
        return "" if row.type is Type.STRING else None
    if row.enumeration is not None:
        return _state(row.enumeration, raw)
    return _COERCIONS[row.type](row, raw)


def converter(row: Row, transform: Callable[[Any], Any] | None = None) -> Callable[[Any], Value]:
    """`coerce` for one row, after the transform: the fields that every message brings take a short way."""
    if transform is not None:
        return lambda raw: coerce(row, None if raw is None else transform(raw))
    if row.enumeration is not None:
        numbers = row.enumeration.numbers
        return lambda raw: numbers[raw] if type(raw) is str and raw in numbers else coerce(row, raw)
    if row.type is Type.STRING:
        return lambda raw: raw if type(raw) is str and len(raw) <= MAX_TEXT else coerce(row, raw)
    return lambda raw: coerce(row, raw)


def parse_time(text: Any) -> float:
    """Unix seconds of an RFC 3339 timestamp; one without a zone is taken as UTC (OCPP 1.6 §3.14)."""
    if not isinstance(text, str):
        raise ValueError(f"{_shown(text)} is not a time")
    return _parsed(text)


@lru_cache(maxsize=256)  # many stations speak of the same seconds
def _parsed(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{_shown(text)} is not a time") from None
    return _in_calendar(text, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def format_time(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, as OCPP wants it: `2026-11-21T10:00:00.000Z`."""
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    return f"{_second(whole)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=16)  # every heartbeat is told the time
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def to_json(raw: Any) -> str:
    """JSON text of what came."""
    return msgspec.json.encode(raw).decode()


def _text(row: Row, raw: Any) -> str:
    if isinstance(raw, str):
        return raw if len(raw) <= MAX_TEXT else raw[:MAX_TEXT]
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return str(raw) if isinstance(raw, int | float) else to_json(raw)[:MAX_TEXT]


def _integer(row: Row, raw: Any) -> int:
    number = _number(row, raw)
    low, high = INTEGER_RANGES[row.type]
    if not low <= number <= high:
        raise ValueError(f"{_shown(raw)} is out of the range of {row.type.value}")
    if number != int(number):
        raise ValueError(f"{_shown(raw)} is not a whole number")
    return int(number)


def _number(row: Row, raw: Any) -> float:
    return number(raw)


def number(raw: Any) -> float:
    """A finite number, also where a station sent it as text."""
    kind = type(raw)
    if kind is not str and kind is not float and kind is not int:
        raise ValueError(f"{_shown(raw)} is not a number")
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        raise ValueError(f"{_shown(raw)} is not a number") from None
    if not isfinite(value):
        raise ValueError(f"{_shown(raw)} is not a finite number")
    if kind is str and "_" in raw:  # Python takes "1_000"
        raise ValueError(f"{_shown(raw)} is not a number")
    return value


def _boolean(row: Row, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    raise ValueError(f"{_shown(raw)} is neither true nor false")


def _time(row: Row, raw: Any) -> float:
    return _in_calendar(raw, number(raw)) if isinstance(raw, int | float) else parse_time(raw)


def _in_calendar(raw: Any, seconds: float) -> float:
    if not EARLIEST <= seconds <= LATEST:
        raise ValueError(f"{_shown(raw)} is outside the years 1 to 9999")
    return seconds


def _state(enumeration: Enumeration, raw: Any) -> int:
    numbers = enumeration.numbers
    if not isinstance(raw, str) or raw not in numbers:
        raise ValueError(f"{_shown(raw)} is no {enumeration.name}")
    return numbers[raw]


def _shown(raw: Any) -> str:
    try:
        text = repr(raw)
    except ValueError:  # an integer of more than 4,300 digits
        text = "an integer of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "…"


_COERCIONS: Mapping[Type, Callable[[Row, Any], Value]] = {
    Type.BOOLEAN: _boolean,
    Type.INT32: _integer,
    Type.UINT32: _integer,
    Type.DOUBLE: _number,
    Type.STRING: _text,
    Type.DATETIME: _time,
}

#: what a row's `transform` may name: applied to the field before it is coerced
TRANSFORMS: Mapping[str, Callable[[Any], Any]] = {
    "json": to_json,
    "count": len,
    "kilo": lambda raw: number(raw) * 1000.0,
    "milli": lambda raw: number(raw) / 1000.0,
}
