"""What a command's inputs are: read off the JSON schema of its request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite
from typing import Any, Literal

import jsonschema_rs
import msgspec

from bridge.ocpp.schemas import INT32, is_multiple, resolved, schemas
from bridge.ocpp.versions import Version

ParameterType = Literal["string", "integer", "number", "boolean", "json", "any"]

# Commands at a connector though their schema names none: a transaction has one.
_BY_TRANSACTION = frozenset({"RemoteStopTransaction", "RequestStopTransaction"})

_CONNECTOR_FIELDS = ("connectorId", "evseId", "evse")
"""OCPP 1.6 has the first; 2.x the others, and UnlockConnector two of them."""

_TYPES: Mapping[str, ParameterType] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "object": "json",
    "array": "json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One field of a request.

    field: as in OCPP (`connectorId`). name: the point's (`ConnectorId`). type: an object or array is "json",
    a string that holds JSON; "any" is what the schema leaves open (DataTransfer's data in 2.x): a string that holds
    JSON, or else the text itself. enum: the allowed values, () for any. Bounds are None where the schema has none.
    """

    field: str
    name: str
    type: ParameterType
    required: bool
    enum: tuple[str, ...] = ()
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: float | None = None
    format: str | None = None
    description: str = ""


@cache
def parameters(version: Version, action: str) -> tuple[Parameter, ...]:
    """The inputs of an action, the required ones first, else in the schema's order.

    Raises KeyError for an action that the version has not.
    """
    schema = schemas(version).request(action)
    required = schema.get("required", ())
    found = [_parameter(schema, field, node, field in required) for field, node in schema.get("properties", {}).items()]
    return tuple(sorted(found, key=lambda parameter: not parameter.required))


def check_value(parameter: Parameter, value: object) -> str | None:
    """Why the value cannot be this parameter's; None: it can. A "json" parameter takes its JSON text."""
    if not _IS_TYPE[parameter.type](value):
        return f"must be {_NAMES[parameter.type]}"
    if isinstance(value, str):
        return _check_text(parameter, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _check_number(parameter, value)
    return None


def addresses_connector(version: Version, action: str) -> bool:
    """Whether the command stands at a connector as well as at the station. KeyError: no such action."""
    return action in _BY_TRANSACTION or bool(connector_fields(version, action))


def connector_fields(version: Version, action: str) -> tuple[str, ...]:
    """The fields that the connector fills when the command stands there. KeyError: no such action."""
    properties = schemas(version).request(action).get("properties", {})
    return tuple(field for field in _CONNECTOR_FIELDS if field in properties)


def _parameter(schema: Mapping[str, Any], field: str, node: dict[str, Any], required: bool) -> Parameter:
    target = resolved(schema, node)
    return Parameter(
        field=field,
        name=field[0].upper() + field[1:],
        type=_TYPES[target["type"]] if "type" in target else "any",
        required=required,
        enum=tuple(target.get("enum", ())),
        max_length=target.get("maxLength"),
        minimum=target.get("minimum"),
        maximum=target.get("maximum"),
        multiple_of=target.get("multipleOf"),
        format=target.get("format"),
        # Beside a $ref stands what the field is for, behind it what its type is.
        description=node.get("description") or target.get("description") or "",
    )


def _check_text(parameter: Parameter, text: str) -> str | None:
    if parameter.enum and text not in parameter.enum:
        return f"must be one of {', '.join(parameter.enum)}"
    if parameter.max_length is not None and len(text) > parameter.max_length:
        return f"must have at most {parameter.max_length} characters"
    if parameter.format is not None and not _has_format(parameter.format, text):
        return f"must be a {parameter.format}"
    return None


def _check_number(parameter: Parameter, number: float) -> str | None:
    # An integer of OCPP has 32 bits, though no schema says so.
    low, high = INT32 if parameter.type == "integer" else (-inf, inf)
    low = low if parameter.minimum is None else parameter.minimum
    high = high if parameter.maximum is None else parameter.maximum
    if not _is_finite(number):
        return "must be finite"
    if number < low:
        return f"must be at least {low}"
    if number > high:
        return f"must be at most {high}"
    if parameter.multiple_of is not None and not is_multiple(number, parameter.multiple_of):
        return f"must be a multiple of {parameter.multiple_of}"
    return None


def _is_finite(number: float) -> bool:
    return isinstance(number, int) or isfinite(number)  # isfinite cannot take an integer of any size


def _has_format(name: str, text: str) -> bool:
    try:
        return _format_validator(name).is_valid(text)
    except ValueError:  # a lone surrogate
        return False


@cache
def _format_validator(name: str) -> jsonschema_rs.Draft4Validator:
    return jsonschema_rs.Draft4Validator({"format": name}, validate_formats=True)


def _is_json(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return isinstance(msgspec.json.decode(value), dict | list)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


_IS_TYPE: Mapping[ParameterType, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: isinstance(value, bool),
    "json": _is_json,
    "any": lambda value: isinstance(value, str),
}

_NAMES: Mapping[ParameterType, str] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "json": "the JSON of an object or array",
    "any": "a string",
}
