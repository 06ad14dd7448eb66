"""What a payload that breaks its schema was meant to say, where there is no doubt about it.

Chargers send an object for an array of one, numbers for strings and strings for numbers, `null` for a field that they
have not, names in other capitals. Everything behind the peer would have to know of that, so it is put right before.
What cannot be understood stays as it came.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from bridge.ocpp.schemas import resolved

MAX_DIGITS = 40
"""Characters of a number that came as text; a longer one is none that OCPP has a field for."""


def repaired(schema: Mapping[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """A copy of the payload with what its schema lets understand put right; the payload itself is left alone."""
    found = _object(schema, dict(schema), payload)
    return found if isinstance(found, dict) else payload


def _read(schema: Mapping[str, Any], node: dict[str, Any], value: Any) -> Any:
    node = resolved(schema, node)
    match node.get("type"):
        case "object":
            return _object(schema, node, value)
        case "array":
            return _array(schema, node, value)
        case "string":
            return _string(node, value)
        case "integer":
            return _number(value, whole=True)
        case "number":
            return _number(value, whole=False)
        case "boolean":
            return _boolean(value)
    return value


def _object(schema: Mapping[str, Any], node: dict[str, Any], value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    properties: dict[str, Any] = node.get("properties", {})
    found: dict[str, Any] = {}
    for key, child in value.items():
        name = key if key in properties else _meant(key, properties, value)
        if name not in properties:
            found[key] = child
        elif child is not None:  # null stands for a field that is not there
            found[name] = _read(schema, properties[name], child)
    return found


def _meant(key: str, properties: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    """The field that a key is but for its capitals, unless that one is there too."""
    folded = key.lower()
    return next((name for name in properties if name.lower() == folded and name not in value), key)


def _array(schema: Mapping[str, Any], node: dict[str, Any], value: Any) -> Any:
    items = node.get("items")
    if not isinstance(items, dict):
        return value
    if not isinstance(value, list):
        value = [value]
    return [_read(schema, items, child) for child in value]


def _string(node: dict[str, Any], value: Any) -> Any:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = _digits(value)
    allowed = node.get("enum")
    if not allowed or not isinstance(value, str) or value in allowed:
        return value
    meant = value.strip().lower()
    return next((name for name in allowed if name.lower() == meant), value)


def _digits(value: float) -> Any:
    try:
        return str(value)
    except ValueError:  # of more than 4,300 digits
        return value


def _number(value: Any, *, whole: bool) -> Any:
    if isinstance(value, str):
        return _read_number(value.strip(), value, whole=whole)
    return int(value) if whole and isinstance(value, float) and value.is_integer() else value


def _read_number(text: str, value: str, *, whole: bool) -> Any:
    if len(text) > MAX_DIGITS or "_" in text:  # Python takes "1_000"
        return value
    try:
        if text.lstrip("+-").isdecimal():
            return int(text)
        number = float(text)
    except ValueError:
        return value
    if not isfinite(number):
        return value
    return int(number) if whole and number.is_integer() else number


def _boolean(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return bool(value) if type(value) is int and value in (0, 1) else value
