"""OPC UA's binary encoding (OPC 10000-6 §5.2), written by hand for what is asked for often. Pure.

asyncua decodes by walking data classes, one object per field; what goes by in thousands is read here in place.
Whatever is malformed raises ServiceError(BadDecodingError), and a length is believed only as far as there are
bytes for it.
"""

import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError

MAX_DEPTH = 100  # of Variants within Variants (OPC 10000-6 §5.2.2.16)
#: of all arrays within Variants of one request. No point and no argument is one: they are read to be refused.
MAX_NUMBERS = 100_000
MAX_ELEMENTS = 1_000  # those that are no numbers, each of which may be an object of many

_U8, _U16, _I32 = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<i")
_U32, _U64, _I64 = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct("<q")
_F64 = struct.Struct("<d")
_GUID = struct.Struct("<IHH8s")

_MAX_INT64 = 2**63 - 1


def malformed() -> ServiceError:
    """What to raise for a request that cannot be read."""
    return ServiceError(ua.StatusCodes.BadDecodingError)


class Reader:
    """Reads `data` from `position` on. Every method raises ServiceError and nothing else: BadDecodingError, or
    BadEncodingLimitsExceeded for more array elements than anybody needs.
    """

    __slots__ = ("_depth", "_elements", "_numbers", "data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position
        self._depth = 0
        self._elements = self._numbers = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self.data) - self.position

    def boolean(self) -> bool:
        return self.byte() != 0

    def byte(self) -> int:
        position = self.position
        self.position = position + 1
        try:
            return self.data[position]
        except IndexError:
            raise malformed() from None

    def uint16(self) -> int:
        return int(self.number(_U16))

    def int32(self) -> int:
        return int(self.number(_I32))

    def uint32(self) -> int:
        return int(self.number(_U32))

    def uint64(self) -> int:
        return int(self.number(_U64))

    def int64(self) -> int:
        return int(self.number(_I64))

    def double(self) -> float:
        return float(self.number(_F64))

    def number(self, format_: struct.Struct) -> Any:
        """The one field of a format."""
        position = self.position
        self.position = position + format_.size
        try:
            return format_.unpack_from(self.data, position)[0]
        except struct.error:
            raise malformed() from None

    def fields(self, format_: struct.Struct) -> tuple[Any, ...]:
        """All fields of a format."""
        position = self.position
        self.position = position + format_.size
        try:
            return format_.unpack_from(self.data, position)
        except struct.error:
            raise malformed() from None

    def raw(self, size: int) -> bytes:
        """The next bytes."""
        start = self.position
        end = start + size
        if size < 0 or end > len(self.data):
            raise malformed()
        self.position = end
        return self.data[start:end]

    def skip(self, size: int) -> None:
        if not 0 <= size <= len(self.data) - self.position:
            raise malformed()
        self.position += size

    def count(self, smallest: int = 1) -> int:
        """The length of an array whose elements have `smallest` bytes at least; a null array has none."""
        return max(self.length(smallest), 0)

    def length(self, smallest: int = 1) -> int:
        """The length of a String, ByteString or array; -1: it is null."""
        count = self.int32()
        if count < -1 or count * smallest > len(self.data) - self.position:
            raise malformed()
        return count

    def bytestring(self) -> bytes | None:
        length = self.length()
        return None if length < 0 else self.raw(length)

    def string(self) -> str | None:
        """Text that is not UTF-8 is malformed: it could be neither stored nor sent on."""
        raw = self.bytestring()
        if raw is None:
            return None
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise malformed() from None

    def guid(self) -> uuid.UUID:
        low, mid, high, rest = self.fields(_GUID)
        return uuid.UUID(bytes=struct.pack(">IHH8s", low, mid, high, rest))

    def date_time(self) -> datetime:
        """A moment as asyncua has it: outside the calendar, the calendar's end."""
        return ua.win_epoch_to_datetime(self.int64())  # type: ignore[no-any-return]

    def node_id(self) -> ua.NodeId:
        kind = self.byte()
        if kind > _GUID_OR_BYTES:
            raise malformed()
        identifier, namespace = self._identifier(kind)
        return ua.NodeId(identifier, namespace)

    def expanded_node_id(self) -> ua.ExpandedNodeId:
        encoding = self.byte()
        identifier, namespace = self._identifier(encoding & 0x3F)
        uri = self.string() if encoding & 0x80 else None
        server = self.uint32() if encoding & 0x40 else 0
        return ua.ExpandedNodeId(identifier, namespace, None, uri, server)

    def _identifier(self, kind: int) -> tuple[int | str | bytes | uuid.UUID, int]:
        if kind == 0:
            return self.byte(), 0
        if kind == 1:
            return self._small_identifier()
        if kind == 2:
            namespace = self.uint16()
            return self.uint32(), namespace
        if kind > _GUID_OR_BYTES:
            raise malformed()
        namespace = self.uint16()
        if kind == 3:
            return self.string() or "", namespace
        return self.guid() if kind == 4 else self.bytestring() or b"", namespace

    def _small_identifier(self) -> tuple[int, int]:
        namespace = self.byte()
        return self.uint16(), namespace

    def qualified_name(self) -> ua.QualifiedName:
        namespace = self.uint16()
        return ua.QualifiedName(self.string(), namespace)

    def localized_text(self) -> ua.LocalizedText:
        mask = self.byte()
        locale = self.string() if mask & 1 else None
        return ua.LocalizedText(self.string() if mask & 2 else None, locale)

    def extension_object(self) -> ua.ExtensionObject:
        """With its body as bytes, whatever its type: who expects one knows how to read it."""
        type_id, kind = self.node_id(), self.byte()
        if kind > 2:
            raise malformed()
        return ua.ExtensionObject(type_id, self.bytestring() if kind else None)

    def skip_extension_object(self) -> None:
        if self.data.startswith(b"\0\0\0", self.position):  # none, as nearly always
            self.position += 3
        else:
            self.extension_object()

    def data_value(self) -> ua.DataValue:
        mask = self.byte()
        value = self.variant() if mask & 1 else None
        code = ua.StatusCode(self.uint32() if mask & 2 else ua.StatusCodes.Good)
        source = self.date_time() if mask & 4 else None
        source_picoseconds = self.uint16() if mask & 16 else None
        server = self.date_time() if mask & 8 else None
        server_picoseconds = self.uint16() if mask & 32 else None
        return ua.DataValue(value, code, source, server, source_picoseconds, server_picoseconds)

    def variant(self) -> ua.Variant:
        """Raises for what OPC 10000-6 §5.2.2.16 forbids: a Variant directly within one, a DiagnosticInfo."""
        encoding = self.byte()
        kind = encoding & 0x3F
        if not encoding & 0x80:
            if encoding & 0x40 or kind == _VARIANT:
                raise malformed()
            if kind == _DATA_VALUE:  # may hold others, as deep as may be
                self._take_elements(1)
            value = self._value(kind)
            if value is None and kind in _NEVER_NULL:  # asyncua has no null of these types
                return ua.Variant()
            return ua.Variant(value, _variant_type(kind), None, False)
        value = self._array(kind)
        if not encoding & 0x40:
            return ua.Variant(value, _variant_type(kind), None, True)
        count = self.count(4)
        self._take_elements(count * max(1, len(value or ())))  # each dimension goes through all of them
        dimensions = [self.int32() for _ in range(count)]
        return ua.Variant(_shaped(value, dimensions), _variant_type(kind), dimensions, True)

    def _array(self, kind: int) -> list[Any] | None:
        count = self.length(_SMALLEST.get(kind, 1)) if kind else -1
        if count < 0:
            return None
        if kind in _NUMBERS:
            self._numbers += count
            if self._numbers > MAX_NUMBERS:
                raise ServiceError(ua.StatusCodes.BadEncodingLimitsExceeded)
            return list(self.fields(struct.Struct(f"<{count}{_NUMBERS[kind]}")))
        self._take_elements(count)
        return [self._value(kind) for _ in range(count)]

    def _take_elements(self, count: int) -> None:
        self._elements += count
        if self._elements > MAX_ELEMENTS:
            raise ServiceError(ua.StatusCodes.BadEncodingLimitsExceeded)

    def _value(self, kind: int) -> Any:
        read = _VALUES.get(kind)
        if read is None or self._depth >= MAX_DEPTH:
            raise malformed()
        self._depth += 1
        value = read(self)
        self._depth -= 1
        return value


_GUID_OR_BYTES = 5  # the last of the encodings of a NodeId
_DATA_VALUE, _VARIANT, _DIAGNOSTIC_INFO, _LAST_RESERVED = 23, 24, 25, 31
_NEVER_NULL = frozenset((16, *range(_DIAGNOSTIC_INFO + 1, _LAST_RESERVED + 1)))  # XmlElement, and those to come


def _fixed(format_: str) -> Callable[[Reader], Any]:
    layout = struct.Struct(format_)
    return lambda reader: reader.number(layout)


_BYTES: Callable[[Reader], Any] = Reader.bytestring
#: the types of which an array is read at once, with their formats
_NUMBERS = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
#: how a value of each built-in type is read, by the type's id; 26 to 31 are to be taken as ByteStrings
_VALUES: Mapping[int, Callable[[Reader], Any]] = {
    0: lambda reader: None,
    1: Reader.boolean,
    2: _fixed("<b"),
    3: Reader.byte,
    4: _fixed("<h"),
    5: Reader.uint16,
    6: Reader.int32,
    7: Reader.uint32,
    8: Reader.int64,
    9: Reader.uint64,
    10: _fixed("<f"),
    11: Reader.double,
    12: Reader.string,
    13: Reader.date_time,
    14: Reader.guid,
    15: _BYTES,
    16: Reader.string,
    17: Reader.node_id,
    18: Reader.expanded_node_id,
    19: lambda reader: ua.StatusCode(reader.uint32()),
    20: Reader.qualified_name,
    21: Reader.localized_text,
    22: Reader.extension_object,
    23: Reader.data_value,
    24: Reader.variant,
    **dict.fromkeys(range(26, _LAST_RESERVED + 1), _BYTES),
}
_SMALLEST: Mapping[int, int] = {
    **dict.fromkeys((4, 5, 17, 18), 2),
    **dict.fromkeys((6, 7, 10, 12, 15, 16, 19), 4),
    **dict.fromkeys((8, 9, 11, 13), 8),
    14: 16,
    20: 6,
    22: 3,
}
_TYPES: Mapping[int, ua.VariantType] = {kind.value: kind for kind in ua.VariantType}


def _variant_type(kind: int) -> Any:
    return _TYPES.get(kind) or ua.datatype_to_varianttype(kind)


def _shaped(flat: list[Any] | None, dimensions: Sequence[int]) -> list[Any] | None:
    """A flat array as arrays of arrays (OPC 10000-6 §5.2.2.16: the lengths must agree)."""
    size = 1
    for dimension in dimensions:
        size *= dimension
        if dimension < 0 or size > _MAX_INT64:
            raise malformed()
    if size != len(flat or ()) and dimensions:
        raise malformed()
    if flat is None or not flat:
        return flat
    for dimension in reversed(dimensions[1:]):
        flat = [flat[start : start + dimension] for start in range(0, len(flat), dimension)]
    return flat
