"""Reads the fields that a decision cannot do without; a missing or unusable one is a CALLERROR."""

from collections.abc import Mapping
from typing import Any

from bridge.errors import OcppError
from bridge.ocpp.versions import Version
from bridge.points.values import number

INT32 = 2**31


def text(version: Version, payload: Mapping[str, Any], field: str) -> str:
    """A text that has to be there; a number is taken as its digits."""
    value = _there(version, payload, field)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise OcppError(version.codes["type"], f"{field}: expected a string")
    return str(value)


def optional_text(payload: Mapping[str, Any], field: str) -> str:
    """A text, "" where there is none."""
    value = payload.get(field)
    return value if isinstance(value, str) else ""


def real(version: Version, payload: Mapping[str, Any], field: str) -> float:
    """A number that has to be there, also where it came as text."""
    try:
        return number(_there(version, payload, field))
    except ValueError as error:
        raise OcppError(version.codes["type"], f"{field}: {error}") from None


def whole(version: Version, payload: Mapping[str, Any], field: str) -> int:
    """A whole number of any size that has to be there."""
    value = real(version, payload, field)
    if value != int(value):
        raise OcppError(version.codes["property"], f"{field}: not a whole number")
    return int(value)


def integer(version: Version, payload: Mapping[str, Any], field: str, low: int = -INT32) -> int:
    """A whole number of 32 bits that has to be there."""
    value = whole(version, payload, field)
    if not low <= value < INT32:
        raise OcppError(version.codes["property"], f"{field}: out of range")
    return value


def optional_integer(payload: Mapping[str, Any], field: str) -> int | None:
    """A whole number of 32 bits, None where there is none or it cannot be read."""
    try:
        value = number(payload.get(field))
    except ValueError:
        return None
    return int(value) if value == int(value) and -INT32 <= value < INT32 else None


def _there(version: Version, payload: Mapping[str, Any], field: str) -> Any:
    value = payload.get(field)
    if value is None:
        raise OcppError(version.codes["occurrence"], f"{field} is missing")
    return value
