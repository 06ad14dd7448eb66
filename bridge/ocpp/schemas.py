"""The messages' JSON schemas (draft 4, from the `ocpp` package), and what in a payload violates them.

They are compiled when first needed, and two things are adapted before. An integer without bounds gets those
of 32 bits, which OCPP means by it. And `multipleOf` is checked here: 16.1 A in single precision arrives as
16.100000381469727, which is a multiple of 0.1 to everybody but a computer.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import islice
from math import isfinite
from typing import Any

import jsonschema_rs
import msgspec

from bridge.ocpp.versions import Version, ViolationKind

MAX_VIOLATIONS = 10
"""How many violations of one payload are told."""
MAX_ECHO = 40
"""Characters of a station's own text in a violation's message."""

INT32 = (-(2**31), 2**31 - 1)

# Bytes. The validator builds all errors at once, 30 µs each: of a larger payload only the first is asked for.
_SMALL = 16_384

_EACH = None  # in a path: every element of the array
_Path = tuple[str | None, ...]


class Violation(msgspec.Struct, frozen=True):
    """One thing that is wrong with a payload. path: `meterValue[0].timestamp`; "" for the payload itself."""

    kind: ViolationKind
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def resolved(schema: Mapping[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The node of a schema that a `$ref` (`#/definitions/X`) stands for; any other node as it is."""
    while (ref := node.get("$ref")) is not None:
        node = schema["definitions"][ref.rpartition("/")[2]]
    return node


class Schemas:
    """The schemas of one version. Every method raises KeyError for an action that the version has not."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._actions = version.from_station | version.unsupported | version.sends | set(version.to_station)
        self._raw: dict[str, dict[str, Any]] = {}
        self._requests: dict[str, _Checker] = {}
        self._responses: dict[str, _Checker] = {}

    def request(self, action: str) -> dict[str, Any]:
        """The schema of the action's request, as the `ocpp` package has it."""
        return self._load(action, "" if action in self._version.sends else self._version.request_suffix)

    def response(self, action: str) -> dict[str, Any]:
        """The schema of the action's response, as the `ocpp` package has it. An action of `Version.sends` has none."""
        if action in self._version.sends:
            raise KeyError(action)
        return self._load(action, "Response")

    def check_request(self, action: str, payload: object) -> tuple[Violation, ...]:
        """What is wrong with a request's payload, the worst first; () for nothing."""
        checker = self._requests.get(action)
        if checker is None:
            checker = self._requests[action] = _Checker(self.request(action))
        return checker.check(payload)

    def check_response(self, action: str, payload: object) -> tuple[Violation, ...]:
        """What is wrong with a response's payload, the worst first; () for nothing."""
        checker = self._responses.get(action)
        if checker is None:
            checker = self._responses[action] = _Checker(self.response(action))
        return checker.check(payload)

    def round_limits(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A request's payload with the numbers that must be multiples of a step rounded to it.

        0.1 + 0.2 becomes 0.3: a station that takes its schema at its word would refuse the other. A payload
        without such numbers is returned as it is, any other is copied.
        """
        return _rounded(payload, _steps_of(self.request(action)))

    def _load(self, action: str, suffix: str) -> dict[str, Any]:
        if action not in self._actions:  # it may come off the wire, and becomes a file name
            raise KeyError(action)
        name = f"{action}{suffix}"
        schema = self._raw.get(name)
        if schema is None:
            file = files("ocpp").joinpath(self._version.schemas, "schemas", f"{name}.json")
            # Some of the files begin with a byte order mark.
            schema = self._raw[name] = json.loads(file.read_text(encoding="utf-8-sig"))
        return schema


@cache
def schemas(version: Version) -> Schemas:
    """The schemas of a version; the same object every time."""
    return Schemas(version)


class _Checker:
    """One compiled schema."""

    __slots__ = ("_steps", "_validator")

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator = jsonschema_rs.Draft4Validator(_adapted(schema), validate_formats=True)
        self._steps = _steps_of(schema)

    def check(self, payload: object) -> tuple[Violation, ...]:
        try:
            valid = self._validator.is_valid(payload)
            if valid and not self._steps:
                return ()
            found = [] if valid else [_violation(error) for error in self._errors(payload)]
        except (TypeError, ValueError, RecursionError):  # a set, a lone surrogate, a key that is no string
            return (Violation("formation", "", "cannot be written as JSON"),)
        found += islice(_off_step(payload, self._steps), MAX_VIOLATIONS)
        return tuple(sorted(found, key=lambda violation: _RANK[violation.kind])[:MAX_VIOLATIONS])

    def _errors(self, payload: object) -> Iterator[jsonschema_rs.ValidationError]:
        if len(msgspec.json.encode(payload)) <= _SMALL:
            return self._validator.iter_errors(payload)
        try:
            self._validator.validate(payload)
        except jsonschema_rs.ValidationError as error:
            return iter((error,))
        raise AssertionError("valid after all")  # pragma: no cover


def _adapted(node: dict[str, Any]) -> dict[str, Any]:
    """A schema's copy for the compiler, adapted. `$schema` goes: the files mix two drafts."""
    out = {key: value for key, value in node.items() if key not in ("$schema", "$id", "multipleOf")}
    if out.get("type") == "integer":
        out = {"minimum": INT32[0], "maximum": INT32[1]} | out
    for key in ("properties", "definitions"):
        if key in out:
            out[key] = {name: _adapted(child) for name, child in out[key].items()}
    if "items" in out:
        out["items"] = _adapted(out["items"])
    return out


# What a CALLERROR names when several things are wrong: the first in this order.
_RANK: Mapping[ViolationKind, int] = {"formation": 0, "occurrence": 1, "type": 2, "property": 3}

# JSON schema keyword → the kind of its violation; every other keyword is about the value: "property".
_KINDS: Mapping[str, ViolationKind] = {
    "additionalProperties": "formation",
    "type": "type",
    "required": "occurrence",
    "minItems": "occurrence",
    "maxItems": "occurrence",
}

# JSON schema keyword → what to say; in braces the keyword's own arguments, and `value`, what the payload has.
_MESSAGES: Mapping[str, str] = {
    "additionalProperties": "unexpected {unexpected}",
    "type": "is not of type {types}",
    "required": "is missing",
    "minItems": "has fewer than {limit} elements",
    "maxItems": "has more than {limit} elements",
    "enum": "{value} is none of the allowed values",
    "maxLength": "is longer than {limit} characters",
    "minimum": "is less than {limit}",
    "maximum": "is greater than {limit}",
    "format": "is no {format}",
}


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    keyword = error.kind.name
    args = error.kind.as_dict()
    place = [*error.instance_path, args["property"]] if keyword == "required" else error.instance_path
    kind = _KINDS.get(keyword, "property")
    if kind == "type" and not place:
        kind = "formation"  # the payload itself is no object
    words = {name: _listed(value) if isinstance(value, list) else value for name, value in args.items()}
    message = _MESSAGES.get(keyword, f"violates {keyword}").format_map(words | {"value": _value(error.instance)})
    return Violation(kind, _written(place), message)


def _value(instance: object) -> str:
    return _short(instance) if isinstance(instance, str) else "this"


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - 1} more" if len(words) > 1 else ""
    return f"{_short(words[0])}{more}"


def _short(text: str) -> str:
    return repr(text if len(text) <= MAX_ECHO else text[: MAX_ECHO - 1] + "…")


def _written(place: list[str | int]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


# --- steps: multipleOf ---


def _steps_of(schema: dict[str, Any]) -> tuple[tuple[_Path, float], ...]:
    """Where a schema says `multipleOf`, and of what."""
    return tuple(_steps_below(schema, schema, ()))


def _steps_below(schema: dict[str, Any], node: dict[str, Any], path: _Path) -> Iterator[tuple[_Path, float]]:
    node = resolved(schema, node)
    if "multipleOf" in node:
        yield path, node["multipleOf"]
    for name, child in node.get("properties", {}).items():
        yield from _steps_below(schema, child, (*path, name))
    if "items" in node:
        yield from _steps_below(schema, node["items"], (*path, _EACH))


def _numbers(node: Any, path: _Path, place: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, tuple[str | int, ...]]]:
    """The numbers at a path of a payload: what holds each, and its place there."""
    step, *rest = path
    if step is _EACH:
        keys: list[Any] = list(range(len(node))) if isinstance(node, list) else []
    else:
        keys = [step] if isinstance(node, dict) and step in node else []
    for key in keys:
        if rest:
            yield from _numbers(node[key], tuple(rest), (*place, key))
        elif type(node[key]) in (int, float):
            yield node, (*place, key)


def _off_step(payload: Any, steps: tuple[tuple[_Path, float], ...]) -> Iterator[Violation]:
    for path, step in steps:
        for holder, place in _numbers(payload, path):
            if not is_multiple(holder[place[-1]], step):
                yield Violation("property", _written(list(place)), f"is not a multiple of {step}")


def is_multiple(value: float, step: float) -> bool:
    """Whether it is one to single precision, which is what many stations compute in."""
    if isinstance(value, int) and (1 / step).is_integer():
        return True  # of any size: a float could not hold it
    if not isfinite(value):
        return True  # is no JSON number, and told as that
    count = value / step
    return abs(count - round(count)) <= max(1e-6, abs(count) * 1e-7)


def _rounded(payload: dict[str, Any], steps: tuple[tuple[_Path, float], ...]) -> dict[str, Any]:
    if not steps:
        return payload
    payload = deepcopy(payload)
    for path, step in steps:
        places = -int(Decimal(str(step)).as_tuple().exponent)
        for holder, place in _numbers(payload, path):
            value = holder[place[-1]]
            if isinstance(value, float) and isfinite(value):
                holder[place[-1]] = round(round(value / step) * step, places)
    return payload
