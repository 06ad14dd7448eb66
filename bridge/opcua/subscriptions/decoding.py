"""What the requests for monitored items hold (OPC 10000-4 §7.21, §7.22)."""

from collections.abc import Iterator
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua import wire
from bridge.opcua.subscriptions.event_filters import (
    NODE_ID,
    OPERANDS,
    VALUE,
    Condition,
    Element,
    EventFilter,
    Field,
    Literal,
    Operand,
    Operator,
)
from bridge.opcua.subscriptions.events import Events
from bridge.opcua.subscriptions.monitoring import DataFilterRequest, Monitored, Parameters
from bridge.opcua.wire import Reader

MOST_CLAUSES = 200  # select clauses, conditions, and operands of a condition
MOST_NAMES = 100  # of a browse path
MOST_FILTER, MOST_LITERAL = 32_768, 4_000  # bytes: what events are compared with is short

_POINT = b"\x03\x02\x00"  # a String NodeId of namespace 2
_LENGTH, _U32 = Struct("<i"), Struct("<I")
_PLAIN = Struct("<IiHi")  # AttributeId, no IndexRange, DataEncoding without a name
_HANDLE = Struct("<Id")  # ClientHandle, SamplingInterval
_QUEUE = Struct("<IB")
_DATA_FILTER = Struct("<iId")
_NO_FILTER = b"\0\0\0"


def _encoding(name: str) -> int:
    return int(getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary"))


_DATA_CHANGE_FILTER, _EVENT_FILTER = _encoding("DataChangeFilter"), _encoding("EventFilter")
_LITERAL, _ELEMENT, _SIMPLE = (
    _encoding("LiteralOperand"),
    _encoding("ElementOperand"),
    _encoding("SimpleAttributeOperand"),
)


def times(body: Reader) -> int:
    """TimestampsToReturn. Raises ServiceError for one that there is not."""
    given = body.uint32()
    if given > 3:
        raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
    return given


def monitored(body: Reader) -> Monitored:
    """A ReadValueId; the plain one of a point is read in one go."""
    data, position = body.data, body.position
    if data.startswith(_POINT, position) and len(data) >= position + 7:
        end = position + 7 + _LENGTH.unpack_from(data, position + 3)[0]
        if position + 7 <= end <= len(data) - _PLAIN.size:
            attribute, index_range, _, encoding = _PLAIN.unpack_from(data, end)
            if index_range <= 0 and encoding <= 0 and index_range >= -1 <= encoding:
                try:
                    path = data[position + 7 : end].decode()
                except UnicodeDecodeError:
                    raise wire.malformed() from None
                body.position = end + _PLAIN.size
                return Monitored(path, attribute, None, None)
    node_id, attribute, index_range = body.node_id(), body.uint32(), body.string()
    return Monitored(node_id, attribute, index_range, body.qualified_name().Name)


class Decoded(NamedTuple):
    """MonitoringParameters with the FilterResult that the client gets."""

    parameters: Parameters
    filter_result: bytes = _NO_FILTER


def parameters(body: Reader, events: Events) -> Decoded:
    """MonitoringParameters."""
    handle, sampling = body.fields(_HANDLE)
    if body.data.startswith(_NO_FILTER, body.position):
        body.position += 3
        queue_size, discard_oldest = body.fields(_QUEUE)
        return Decoded(Parameters(handle, sampling, None, queue_size, discard_oldest != 0))
    wanted, result = _filter(body, events)
    queue_size, discard_oldest = body.fields(_QUEUE)
    return Decoded(Parameters(handle, sampling, wanted, queue_size, discard_oldest != 0), result)


def _filter(body: Reader, events: Events) -> tuple[DataFilterRequest | EventFilter | str | None, bytes]:
    given = body.extension_object()
    kind, content = given.TypeId, Reader(given.Body or b"")
    if kind.Identifier == 0 and kind.NamespaceIndex == 0:
        return None, _NO_FILTER
    if kind.NamespaceIndex == 0 and kind.Identifier == _DATA_CHANGE_FILTER:
        return DataFilterRequest(*content.fields(_DATA_FILTER)), _NO_FILTER
    if kind.NamespaceIndex == 0 and kind.Identifier == _EVENT_FILTER:
        return _event_filter(given.Body or b"", events)
    return "BadMonitoredItemFilterUnsupported", _NO_FILTER


def _event_filter(body: bytes, events: Events) -> tuple[EventFilter | str, bytes]:
    """An EventFilter; items for which the same was sent share one."""
    if len(body) > MOST_FILTER:
        raise ServiceError(ua.StatusCodes.BadEncodingLimitsExceeded)
    digest = sha256(body).digest()
    known = events.filters.get(digest)
    if known is not None:
        return known, _NO_FILTER
    made, result = _EventFilters(events).read(Reader(body))
    if isinstance(made, EventFilter) and result == _NO_FILTER:
        events.filters[digest] = made
    return made, result


class _EventFilters:
    """Reads an EventFilter and says what is wrong with each of its parts (EventFilterResult)."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def read(self, body: Reader) -> tuple[EventFilter | str, bytes]:
        count = body.count(14)
        if count > MOST_CLAUSES:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        operands = [_simple(body) for _ in range(count)]
        codes = [self._code(field, index_range) for field, index_range in operands]
        select = tuple(field if code == "Good" else None for (field, _), code in zip(operands, codes, strict=True))
        where, results, right = self._where(body)
        wrong = not right or "Good" not in codes
        result = ua.EventFilterResult(
            SelectClauseResults=[ua.StatusCode(getattr(ua.StatusCodes, code)) for code in codes],
            WhereClauseResult=ua.ContentFilterResult(ElementResults=results),
        )
        told = wrong or any(code != "Good" for code in codes)
        encoded = bytes(ua.ua_binary.extensionobject_to_binary(result)) if told else _NO_FILTER
        return "BadEventFilterInvalid" if wrong else EventFilter(select, where), encoded

    def _code(self, field: Field, index_range: str | None) -> str:
        """The StatusCode of a select clause."""
        if field.attribute not in (VALUE, NODE_ID):
            return "BadAttributeIdInvalid"
        if index_range:
            return "BadIndexRangeInvalid"
        if not self._events.is_event_type(field.type):
            return "BadTypeDefinitionInvalid"
        if field.path and not self._events.has_field(field.type, field.path):
            return "BadNodeIdUnknown"
        return "Good"

    def _where(self, body: Reader) -> tuple[tuple[Condition, ...], list[ua.ContentFilterElementResult], bool]:
        count = body.count(8)
        if count > MOST_CLAUSES:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        conditions: list[Condition] = []
        results: list[ua.ContentFilterElementResult] = []
        for index in range(count):
            condition, result = self._condition(body, index, count)
            if condition is not None:
                conditions.append(condition)
            results.append(result)
        return tuple(conditions), results, len(conditions) == count

    def _condition(
        self, body: Reader, index: int, count: int
    ) -> tuple[Condition | None, ua.ContentFilterElementResult]:
        number = body.uint32()
        given = body.count(3)
        if given > MOST_CLAUSES:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        read = [self._operand(body.extension_object(), index, count) for _ in range(given)]
        codes = [operand if isinstance(operand, str) else "Good" for operand in read]
        operands = tuple(operand for operand in read if not isinstance(operand, str))
        result = ua.ContentFilterElementResult(
            OperandStatusCodes=[ua.StatusCode(getattr(ua.StatusCodes, code)) for code in codes]
        )
        wrong = _wrong_operator(number, given) or ("BadFilterOperandInvalid" if len(operands) < given else "")
        if wrong:
            result.StatusCode = ua.StatusCode(getattr(ua.StatusCodes, wrong))
            return None, result
        return Condition(Operator(number), operands), result

    def _operand(self, given: ua.ExtensionObject, index: int, count: int) -> Operand | str:
        """An operand, or the StatusCode of one that cannot be had."""
        kind, body = given.TypeId, Reader(given.Body or b"")
        if kind.NamespaceIndex != 0:
            return "BadFilterOperandInvalid"
        if kind.Identifier == _LITERAL:
            return _literal(body)
        if kind.Identifier == _ELEMENT:
            target = body.uint32()
            return Element(target) if index < target < count else "BadFilterOperandInvalid"
        if kind.Identifier == _SIMPLE:
            field, index_range = _simple(body)
            code = self._code(field, index_range)
            return field if code == "Good" else code
        return "BadFilterOperandInvalid"


def _literal(body: Reader) -> Operand | str:
    if body.left > MOST_LITERAL:
        return "BadFilterLiteralInvalid"
    value = body.variant()
    return "BadFilterLiteralInvalid" if value.is_array else Literal(value.Value)


def _simple(body: Reader) -> tuple[Field, str | None]:
    """A SimpleAttributeOperand and its IndexRange."""
    type_ = body.node_id()
    count = body.count(6)
    if count > MOST_NAMES:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    path = tuple(body.qualified_name().Name or "" for _ in range(count))
    attribute = body.uint32()
    return Field(type_, path, attribute), body.string()


def _wrong_operator(number: int, operands: int) -> str:
    if number not in _OPERATORS:
        known = number in (12, 13, 15, 16, 17)  # Cast, InView, RelatedTo, BitwiseAnd, BitwiseOr
        return "BadFilterOperatorUnsupported" if known else "BadFilterOperatorInvalid"
    fewest, most = OPERANDS[Operator(number)]
    return "" if fewest <= operands <= most else "BadFilterOperandCountMismatch"


_OPERATORS = frozenset(Operator)


def numbers(body: Reader, count: int) -> Iterator[int]:
    """An array of UInt32, once its length has been read."""
    return (number for (number,) in _U32.iter_unpack(body.raw(4 * count)))
