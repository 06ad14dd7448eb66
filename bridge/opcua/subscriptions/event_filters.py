"""What a client wants to know of an event, and of which (OPC 10000-4 §7.22.3, §7.7). Pure."""

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from asyncua import ua

from bridge.opcua import encoding
from bridge.opcua.subscriptions.events import Event

VALUE, NODE_ID = 13, 1


class Operator(enum.IntEnum):
    """FilterOperator: those that can be had."""

    EQUALS = 0
    IS_NULL = 1
    GREATER_THAN = 2
    LESS_THAN = 3
    GREATER_THAN_OR_EQUAL = 4
    LESS_THAN_OR_EQUAL = 5
    LIKE = 6
    NOT = 7
    BETWEEN = 8
    IN_LIST = 9
    AND = 10
    OR = 11
    OF_TYPE = 14


@dataclass(frozen=True, slots=True)
class Field:
    """A SimpleAttributeOperand: a field of events of `type` and its subtypes."""

    type: ua.NodeId
    path: tuple[str, ...]
    attribute: int = VALUE

    def of(self, event: Event) -> ua.Variant:
        """The field; null for an event of another type or without it."""
        if self.type not in event.types or self.attribute != VALUE:
            return _NULL
        return event.fields.get("/".join(self.path), _NULL)


@dataclass(frozen=True, slots=True)
class Element:
    """An ElementOperand: the result of another element, further down."""

    index: int


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


Operand = Field | Element | Literal


@dataclass(frozen=True, slots=True)
class Condition:
    """A ContentFilterElement."""

    operator: Operator
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EventFilter:
    """`select` has None for a field that no event can have. Without `where` every event passes.

    It is known by its identity: items with the same filter share one.
    """

    select: tuple[Field | None, ...] = ()
    where: tuple[Condition, ...] = ()

    def passes(self, event: Event) -> bool:
        """Elements refer to later ones only: from the last to the first each is worked out once."""
        if not self.where:
            return True
        results: list[Any] = [None] * len(self.where)
        for index in range(len(self.where) - 1, -1, -1):
            condition = self.where[index]
            values = [_value(operand, event, results) for operand in condition.operands]
            results[index] = _OPERATIONS[condition.operator](values, event)
        return results[0] is True


def encode_fields(wanted: EventFilter, event: Event) -> bytes:
    """The EventFields of an EventFieldList (OPC 10000-4 §7.25.3)."""
    fields = [b"\0" if field is None else encoding.variant(field.of(event)) for field in wanted.select]
    return encoding.count(len(fields)) + b"".join(fields)


_NULL = ua.Variant()


def _value(operand: Operand, event: Event, results: Sequence[Any]) -> Any:
    if isinstance(operand, Element):
        return results[operand.index]
    value = operand.value if isinstance(operand, Literal) else operand.of(event).Value
    return value.Text if isinstance(value, ua.LocalizedText) else value


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Sequence[Any], Event], bool | None]:
    """Null where the operands cannot be compared."""

    def operation(values: Sequence[Any], event: Event) -> bool | None:
        first, second = values
        return compare(first, second) if _comparable(first, second) else None

    return operation


def _comparable(first: Any, second: Any) -> bool:
    if isinstance(first, bool) or isinstance(second, bool):
        return type(first) is type(second)
    if isinstance(first, int | float):
        return isinstance(second, int | float)
    if isinstance(first, datetime) and isinstance(second, datetime):
        return (first.tzinfo is None) == (second.tzinfo is None)
    return isinstance(first, str) and isinstance(second, str)


def _equals(values: Sequence[Any], event: Event) -> bool | None:
    first, second = values
    if first is None or second is None:
        return None
    return bool(first == second)


def _between(values: Sequence[Any], event: Event) -> bool | None:
    value, low, high = values
    return bool(low <= value <= high) if _comparable(value, low) and _comparable(value, high) else None


def _in_list(values: Sequence[Any], event: Event) -> bool | None:
    return any(_equals((values[0], other), event) for other in values[1:])


def _like(values: Sequence[Any], event: Event) -> bool | None:
    text, pattern = values
    return like(text, pattern) if isinstance(text, str) and isinstance(pattern, str) else None


def like(text: str, pattern: str) -> bool:
    r"""OPC 10000-4 §7.7.3: `%` any text, `_` one character, `[abc]`, `[a-f]`, `[^a]`, `\` takes what follows as it is.

    Only the last `%` is ever tried again, so that no pattern takes longer than text times pattern.
    """
    pieces = _pieces(pattern)
    at, piece, star, mark = 0, 0, -1, 0
    while at < len(text):
        if piece < len(pieces) and pieces[piece] is None:
            star, mark, piece = piece, at, piece + 1
        elif piece < len(pieces) and _fits(text[at], pieces[piece] or ""):
            at, piece = at + 1, piece + 1
        elif star >= 0:
            mark += 1
            at, piece = mark, star + 1
        else:
            return False
    return all(left is None for left in pieces[piece:])


_PIECES = re.compile(r"\\(?P<escaped>.)|(?P<any>%)|(?P<one>_)|\[(?P<set>\^?[^\]]+)\]|(?P<text>.)", re.DOTALL)


@lru_cache(256)
def _pieces(pattern: str) -> tuple[str | None, ...]:
    """A piece for each character of the text: `=x` that one, `.` any, `+` and `-` of a set or not. None: any text."""
    return tuple(_piece(match) for match in _PIECES.finditer(pattern))


def _piece(match: "re.Match[str]") -> str | None:
    if match["any"]:
        return None
    if match["one"]:
        return "."
    if match["set"]:
        inner = match["set"]
        return "-" + inner[1:] if inner[0] == "^" and len(inner) > 1 else "+" + inner
    return "=" + (match["escaped"] or match["text"])


def _fits(character: str, piece: str) -> bool:
    kind, rest = piece[0], piece[1:]
    if kind == ".":
        return True
    if kind == "=":
        return character == rest
    return _in_set(character, rest) == (kind == "+")


def _in_set(character: str, members: str) -> bool:
    at = 0
    while at < len(members):
        if members[at + 1 : at + 2] == "-" and at + 2 < len(members):
            if members[at] <= character <= members[at + 2]:
                return True
            at += 3
        elif members[at] == character:
            return True
        else:
            at += 1
    return False


def _and(values: Sequence[Any], event: Event) -> bool | None:
    """Of three values, as SQL has it (OPC 10000-4 Table 122)."""
    if any(value is False for value in values):
        return False
    return True if all(value is True for value in values) else None


def _or(values: Sequence[Any], event: Event) -> bool | None:
    if any(value is True for value in values):
        return True
    return False if all(value is False for value in values) else None


_OPERATIONS: Mapping[Operator, Callable[[Sequence[Any], Event], bool | None]] = {
    Operator.EQUALS: _equals,
    Operator.IS_NULL: lambda values, event: values[0] is None,
    Operator.GREATER_THAN: _compared(lambda first, second: first > second),
    Operator.LESS_THAN: _compared(lambda first, second: first < second),
    Operator.GREATER_THAN_OR_EQUAL: _compared(lambda first, second: first >= second),
    Operator.LESS_THAN_OR_EQUAL: _compared(lambda first, second: first <= second),
    Operator.LIKE: _like,
    Operator.NOT: lambda values, event: not values[0] if isinstance(values[0], bool) else None,
    Operator.BETWEEN: _between,
    Operator.IN_LIST: _in_list,
    Operator.AND: _and,
    Operator.OR: _or,
    Operator.OF_TYPE: lambda values, event: isinstance(values[0], ua.NodeId) and values[0] in event.types,
}

#: the fewest and the most operands
OPERANDS: Mapping[Operator, tuple[int, int]] = {
    **dict.fromkeys(Operator, (2, 2)),
    Operator.IS_NULL: (1, 1),
    Operator.NOT: (1, 1),
    Operator.BETWEEN: (3, 3),
    Operator.IN_LIST: (2, 1000),
    Operator.OF_TYPE: (1, 1),
}
