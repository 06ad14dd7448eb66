"""OPC UA's binary encoding, the other way: values as bytes (OPC 10000-6 §5.2). Pure."""

import struct

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, variant_to_binary

_U8, _U16, _I32 = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<i")
_U32, _I64 = struct.Struct("<I"), struct.Struct("<q")
_FOUR_BYTE, _NUMERIC = struct.Struct("<BBH"), struct.Struct("<BHI")
_STRING_ID = struct.Struct("<BHi")

NULL_STRING = b"\xff\xff\xff\xff"
GOOD = b"\0\0\0\0"


def count(length: int) -> bytes:
    """The length of an array."""
    return _I32.pack(length)


def uint32(value: int) -> bytes:
    return _U32.pack(value)


def string(text: str | None) -> bytes:
    if text is None:
        return NULL_STRING
    raw = text.encode("utf-8", "surrogateescape")
    return _I32.pack(len(raw)) + raw


def bytestring(raw: bytes | None) -> bytes:
    return NULL_STRING if raw is None else _I32.pack(len(raw)) + raw


def point_id(path: str) -> bytes:
    """The NodeId of a node of the tree: `ns=2;s=<path>`."""
    raw = path.encode("utf-8", "surrogateescape")
    return _STRING_ID.pack(3, 2, len(raw)) + raw


def node_id(identifier: ua.NodeId) -> bytes:
    """A NodeId or ExpandedNodeId, in the shortest form that there is for it."""
    value, namespace = identifier.Identifier, identifier.NamespaceIndex
    if isinstance(identifier, ua.ExpandedNodeId) and (identifier.NamespaceUri or identifier.ServerIndex):
        return bytes(nodeid_to_binary(identifier))
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
        return _STRING_ID.pack(3, namespace, len(raw)) + raw
    if not isinstance(value, int):
        return bytes(nodeid_to_binary(identifier))
    if value <= 0xFF and not namespace:
        return bytes((0, value))
    if value <= 0xFFFF and namespace <= 0xFF:
        return _FOUR_BYTE.pack(1, namespace, value)
    return _NUMERIC.pack(2, namespace, value)


def qualified_name(name: ua.QualifiedName) -> bytes:
    return _U16.pack(name.NamespaceIndex) + string(name.Name)


def localized_text(text: ua.LocalizedText) -> bytes:
    parts = [_U8.pack((text.Locale is not None) | (text.Text is not None) << 1)]
    parts += [string(part) for part in (text.Locale, text.Text) if part is not None]
    return b"".join(parts)


def status_code(name: str) -> bytes:
    """The StatusCode of this name; BadInternalError for a name that OPC UA does not have."""
    return _U32.pack(getattr(ua.StatusCodes, name, ua.StatusCodes.BadInternalError))


def variant(value: ua.Variant) -> bytes:
    return bytes(variant_to_binary(value))


def data_value(value: bytes | None, code: int = 0, source: int | None = None, server: int | None = None) -> bytes:
    """A DataValue (OPC 10000-6 §5.2.2.17) of an encoded Variant, a StatusCode, and times in ticks."""
    mask = (value is not None) | bool(code) << 1 | (source is not None) << 2 | (server is not None) << 3
    parts = [_U8.pack(mask), value or b""]
    if code:
        parts.append(_U32.pack(code))
    parts += [_I64.pack(time) for time in (source, server) if time is not None]
    return b"".join(parts)
