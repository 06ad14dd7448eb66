"""Between the tree's values and OPC UA's: types, StatusCodes, times, and their binary encoding. Pure.

`encode_sample(row, sample, times, initial_values, as_text, now)` is the DataValue of a point as bytes.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct
from typing import Any

from asyncua import ua

from bridge.errors import Refused
from bridge.points.rows import INTEGER_RANGES, ZEROS, Argument, Row, Type, Value
from bridge.points.tree import Quality, Sample
from bridge.points.values import EARLIEST, LATEST, MAX_TEXT

#: OPC 10000-6 §5.1.2; the ids of the built-in types are those of their DataTypes too
VARIANT_TYPES: Mapping[Type, ua.VariantType] = {
    Type.BOOLEAN: ua.VariantType.Boolean,
    Type.INT32: ua.VariantType.Int32,
    Type.UINT32: ua.VariantType.UInt32,
    Type.DOUBLE: ua.VariantType.Double,
    Type.STRING: ua.VariantType.String,
    Type.DATETIME: ua.VariantType.DateTime,
}
DATA_TYPES: Mapping[Type, ua.NodeId] = {
    type_: ua.NodeId(variant_type.value) for type_, variant_type in VARIANT_TYPES.items()
}

#: OPC 10000-8 §6.3.4; UncertainSubNormal is OPC UA's word for "less than it should be"
STATUS_OF_QUALITY: Mapping[Quality, ua.StatusCode] = {
    Quality.GOOD: ua.StatusCode(ua.StatusCodes.Good),
    Quality.WAITING: ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData),
    Quality.LAST: ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue),
    Quality.SUBNORMAL: ua.StatusCode(ua.StatusCodes.UncertainSubNormal),
}
INITIAL = ua.StatusCode(ua.StatusCodes.UncertainInitialValue)
NULL = ua.Variant()

#: 100 ns ticks of OPC UA's epoch, 1601 (OPC 10000-6 §5.2.2.5), at the epoch of Unix
UNIX_TICKS = 116_444_736_000_000_000
_LAST_TICKS = 2**63 - 1  # stands for 9999-12-31T23:59:59 and what is later

SOURCE, SERVER, BOTH, NEITHER = 0, 1, 2, 3
"""TimestampsToReturn (OPC 10000-4 §7.40)."""

_INTEGERS = frozenset(
    getattr(ua.VariantType, name) for name in ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64")
)
_FLOATS = frozenset((ua.VariantType.Float, ua.VariantType.Double))


class SharedDataValue(ua.DataValue):
    """A DataValue that nobody changes: asyncua's subscriptions copy every value deeply, 30 µs each."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> "SharedDataValue":
        return self


def status(name: str) -> ua.StatusCode:
    """The StatusCode of this name; BadInternalError for a name that OPC UA does not have."""
    return ua.StatusCode(getattr(ua.StatusCodes, name, ua.StatusCodes.BadInternalError))


def bad(name: str) -> ua.DataValue:
    """What a read that fails returns: a StatusCode and nothing else."""
    return ua.DataValue(StatusCode=status(name))


def to_variant(type_: Type, value: Value) -> ua.Variant:
    """The value as the row's type, null for None."""
    if value is None:
        return NULL
    if type_ is Type.DATETIME:
        return ua.Variant(to_datetime(float(value)), ua.VariantType.DateTime)
    return ua.Variant(value, VARIANT_TYPES[type_])


def to_datetime(seconds: float) -> datetime:
    """A moment of the calendar; what lies outside of it is its nearest end."""
    return datetime.fromtimestamp(min(max(seconds, EARLIEST), LATEST), UTC)


def data_value(row: Row, sample: Sample, initial_values: bool = False) -> SharedDataValue:
    """What a client reads: value, StatusCode and both times. `initial_values`: a typed zero, never null."""
    value, quality, _, _ = sample
    code = STATUS_OF_QUALITY[quality]
    if value is None and initial_values:
        value, code = ZEROS[row.type], INITIAL
    return _with_times(to_variant(row.type, value), code, sample)


def text_value(row: Row, sample: Sample, initial_values: bool = False) -> SharedDataValue:
    """The ValueAsText of an enumeration's row (OPC 10000-8 §5.3.3.4)."""
    value, quality, _, _ = sample
    code = STATUS_OF_QUALITY[quality]
    if value is None and initial_values:
        value, code = ZEROS[row.type], INITIAL
    if value is None or row.enumeration is None or not isinstance(value, int):
        return _with_times(NULL, code, sample)
    text = ua.LocalizedText(row.enumeration.names.get(value, str(value)))
    return _with_times(ua.Variant(text, ua.VariantType.LocalizedText), code, sample)


def _with_times(variant: ua.Variant, code: ua.StatusCode, sample: Sample) -> SharedDataValue:
    source, receipt = sample.source_time, sample.server_time
    return SharedDataValue(
        variant,
        code,
        None if source is None else to_datetime(source),
        None if receipt is None else to_datetime(receipt),
    )


@lru_cache(1024)
def ticks(seconds: float) -> int:
    """Unix seconds as OPC UA's DateTime. The points of one message share their times: hence the cache."""
    if seconds >= LATEST:
        return _LAST_TICKS
    fraction, whole = math.modf(seconds)
    return max(0, (int(whole) * 1_000_000 + round(fraction * 1e6)) * 10 + UNIX_TICKS)


def encode_sample(
    row: Row,
    sample: tuple[Value, Quality, float | None, float | None],
    times: int,
    initial_values: bool = False,
    as_text: bool = False,
    now: float | None = None,
) -> bytes:
    """The DataValue (OPC 10000-6 §5.2.2.17) that `data_value`, or for `as_text` `text_value`, describes.

    `times` is a TimestampsToReturn; `now` is the ServerTimestamp of a point that has none yet. The StatusCode
    is always there, in front of the times that are.
    """
    value, quality, source, receipt = sample
    code = CODES[quality]
    if value is None and initial_values:
        value, code = ZEROS[row.type], INITIAL.value
    mask, tail = frame(code, source, now if receipt is None else receipt, times)
    if as_text:
        return _text_head(mask, row, value) + tail
    return (_TWO_BYTES(mask, 0) if value is None else HEADS[row.type](mask, value)) + tail


@lru_cache(1024)
def frame(code: int, source: float | None, receipt: float | None, times: int) -> tuple[int, bytes]:
    """The encoding mask of a DataValue that has a value, and what stands behind that: StatusCode and times.

    The points of one message share it: hence the cache.
    """
    mask, tail = 0x03, _CODE(code)
    if source is not None and times in (SOURCE, BOTH):
        mask, tail = mask | 0x04, tail + _TIME(ticks(source))
    if receipt is not None and times in (SERVER, BOTH):
        mask, tail = mask | 0x08, tail + _TIME(ticks(receipt))
    return mask, tail


def _text_head(mask: int, row: Row, value: Value) -> bytes:
    if value is None or row.enumeration is None or not isinstance(value, int):
        return _TWO_BYTES(mask, 0)
    text = row.enumeration.names.get(value, str(value)).encode()
    return _TEXT_HEAD(mask, 21, 0x02, len(text)) + text  # a LocalizedText without a locale


def _string_head(mask: int, value: Any) -> bytes:
    text = value.encode("utf-8", "surrogateescape")
    return _STRING_HEAD(mask, 12, len(text)) + bytes(text)


def _number_head(code: str, type_: int) -> Callable[[int, Any], bytes]:
    pack = Struct(f"<BB{code}").pack
    return lambda mask, value: pack(mask, type_, value)


#: the StatusCode of each quality
CODES = [STATUS_OF_QUALITY[quality].value for quality in sorted(Quality)]
_CODE, _TIME = Struct("<I").pack, Struct("<q").pack
_TWO_BYTES, _TIME_HEAD = Struct("<BB").pack, Struct("<BBq").pack
_STRING_HEAD, _TEXT_HEAD = Struct("<BBi").pack, Struct("<BBBi").pack
#: the encoding mask of a DataValue and its Variant, which is not null
HEADS: Mapping[Type, Callable[[int, Any], bytes]] = {
    Type.BOOLEAN: _number_head("?", 1),
    Type.INT32: _number_head("i", 6),
    Type.UINT32: _number_head("I", 7),
    Type.DOUBLE: _number_head("d", 11),
    Type.STRING: _string_head,
    Type.DATETIME: lambda mask, value: _TIME_HEAD(mask, 13, ticks(value)),
}


def from_variant(row: Row, variant: ua.Variant | None) -> Value:
    """A value that a client wrote, as the row's type; None for a null.

    HMIs send the number type that they like: any integer or floating-point type is taken where nothing is
    lost. A text is no number, a number no Boolean. Raises Refused: BadTypeMismatch for another type,
    BadOutOfRange for a number that the type, the row's range or its enumeration does not have.
    """
    value = _scalar(row.type, row.name, variant)
    if value is None or isinstance(value, str | bool):
        return value
    if row.enumeration is not None and value not in row.enumeration.names:
        names = ", ".join(f"{number} {name}" for number, name in row.enumeration.names.items())
        raise Refused("BadOutOfRange", f"{row.key}: expected one of {names}; found {value}")
    if row.range is not None and not row.range[0] <= value <= row.range[1]:
        raise Refused("BadOutOfRange", f"{row.key}: expected {row.range[0]} to {row.range[1]}; found {value}")
    return value


def from_argument(argument: Argument, variant: ua.Variant | None) -> Value:
    """An input argument of a method, as its type. Raises Refused as `from_variant` does."""
    value = _scalar(argument.type, argument.name, variant)
    if value is None and not argument.optional:
        raise Refused("BadTypeMismatch", f"{argument.name} is required")
    return value


def _scalar(type_: Type, name: str, variant: ua.Variant | None) -> Value:
    if variant is None or (variant.Value is None and not variant.is_array):
        return None
    if variant.is_array:
        raise Refused("BadTypeMismatch", f"{name}: expected one {type_}, not an array")
    value, given = variant.Value, variant.VariantType
    if type_ in INTEGER_RANGES or type_ is Type.DOUBLE:
        return _number(type_, name, value, given)
    if given is not VARIANT_TYPES[type_]:
        raise Refused("BadTypeMismatch", f"{name}: expected a {type_}, not {given.name}")
    if isinstance(value, datetime):
        return _seconds(name, value)
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise Refused("BadOutOfRange", f"{name}: at most {MAX_TEXT} characters")
    return value  # type: ignore[no-any-return]


def _number(type_: Type, name: str, value: Any, given: ua.VariantType) -> Value:
    if given not in _INTEGERS and given not in _FLOATS:
        raise Refused("BadTypeMismatch", f"{name}: expected a {type_}, not {getattr(given, 'name', given)}")
    if not math.isfinite(value):
        raise Refused("BadOutOfRange", f"{name}: {value} is no number")
    if type_ is Type.DOUBLE:
        if int(float(value)) != int(value):
            raise Refused("BadOutOfRange", f"{name}: {value} does not fit into a Double")
        return float(value)
    if value != int(value):
        raise Refused("BadTypeMismatch", f"{name}: expected a whole number, not {value}")
    low, high = INTEGER_RANGES[type_]
    if not low <= value <= high:
        raise Refused("BadOutOfRange", f"{name}: {value} does not fit into {type_}")
    return int(value)


def _seconds(name: str, moment: datetime) -> float:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        raise Refused("BadOutOfRange", f"{name}: {moment} is outside the calendar") from None
