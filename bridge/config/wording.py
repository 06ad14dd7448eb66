"""How a mistake is put to the user: what was expected, in words made of the tables' JSON schema."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Key = tuple[str | int, ...]
"""The way to a value: names of keys, and positions in lists."""

_LONGEST = 60


def key_path(key: Key) -> str:
    """`("station", 1, "id")` → `station[1].id`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def expectation(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {listed(schema['enum'])}"
    match schema.get("type"):
        case "integer":
            return "an integer" + _range(schema)
        case "number":
            return "a number" + _range(schema)
        case "boolean":
            return "true or false"
        case "array":
            items = schema["items"]
            some = " that is not empty" if "minItems" in schema else ""
            return "a list of tables" if "$ref" in items else f"a list{some}, each item {expectation(items)}"
        case "string":
            return "a text" + _length(schema)
    return "a table"


def _range(schema: Mapping[str, Any]) -> str:
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']:g}"
    if "maximum" in schema:
        return f" between {schema['minimum']} and {schema['maximum']}"
    return f" of at least {schema['minimum']:g}" if "minimum" in schema else ""


def _length(schema: Mapping[str, Any]) -> str:
    if "maxLength" in schema:
        return f" of {schema['minLength']} to {schema['maxLength']} characters"
    return " that is not empty" if "minLength" in schema else ""


def listed(values: Iterable[Any]) -> str:
    return ", ".join(json.dumps(value) for value in values)


def found(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
