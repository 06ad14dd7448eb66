"""What may be noted in the audit trail, or shown, of what was written or called: all but secrets."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bridge.commands.inputs import from_arguments, from_json
from bridge.commands.table import EXECUTE, REQUEST, Command
from bridge.errors import Refused
from bridge.ocpp.secrets import MASK, masked
from bridge.points.rows import Row, Value
from bridge.points.values import to_json
from bridge.station.known import Known

#: a parameter that may be a secret, as another one says, which may be written later
_UNCERTAIN = frozenset({("ChangeConfiguration", "value")})
SETTING = "key"
"""The parameter that names a configuration key (OCPP 1.6)."""


def written(known: Known, command: Command, row: Row, value: Value) -> str:
    """Of a value that was written to one of a command's points, as JSON."""
    if row.name == EXECUTE or value is None:
        return to_json(value)
    try:
        if row.name == REQUEST:
            return to_json(masked(from_json(command, value), known.hides))
        field = next(parameter.field for parameter in command.parameters if parameter.name == row.name)
        return to_json(parameter(known, command, field, _decoded(value)))
    except (Refused, StopIteration):
        return to_json(MASK)


def parameter(known: Known, command: Command, field: str, value: Any) -> Any:
    """Of the value of a parameter, by its name in OCPP. One that holds no secret is the same as before."""
    if value in (None, "") or field == SETTING:
        return value
    return MASK if (command.action, field) in _UNCERTAIN else masked({field: value}, known.hides)[field]


def called(known: Known, command: Command, arguments: Sequence[Value]) -> str:
    """Of the arguments of a command's method, as JSON."""
    try:
        return to_json(masked(from_arguments(command, arguments), known.hides))
    except Refused:  # it will not be sent either
        return ""


def _decoded(value: Value) -> Any:
    """A parameter that holds JSON may hold a secret somewhere in it."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return value
    return value
