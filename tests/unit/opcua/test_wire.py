"""The binary encoding, compared with asyncua's, and against whoever sends what is none."""

import contextlib
import struct
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary, struct_to_binary, variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from bridge.opcua import encoding
from bridge.opcua.wire import MAX_ELEMENTS, MAX_NUMBERS, Reader

V = ua.VariantType

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
MOMENTS = st.datetimes(datetime(1601, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
NAMESPACES = st.integers(0, 65_535)
NODE_IDS = st.builds(ua.NodeId, st.integers(0, 2**32 - 1) | TEXTS | st.binary(max_size=20) | st.uuids(), NAMESPACES)
EXPANDED = st.builds(
    lambda node_id, uri, server: ua.ExpandedNodeId(node_id.Identifier, node_id.NamespaceIndex, None, uri, server),
    *(NODE_IDS, st.none() | TEXTS.filter(bool), st.integers(0, 2**32 - 1)),
)
NAMES = st.builds(ua.QualifiedName, st.none() | TEXTS, st.integers(0, 32_767))  # asyncua has an Int16 here
LOCALIZED = st.builds(ua.LocalizedText, st.none() | TEXTS, st.none() | TEXTS)


def whole(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


SCALARS = {
    V.Boolean: st.booleans(),
    V.SByte: whole(8, signed=True),
    V.Byte: whole(8, signed=False),
    V.Int16: whole(16, signed=True),
    V.UInt16: whole(16, signed=False),
    V.Int32: whole(32, signed=True),
    V.UInt32: whole(32, signed=False),
    V.Int64: whole(64, signed=True),
    V.UInt64: whole(64, signed=False),
    V.Float: st.floats(width=32, allow_nan=False),
    V.Double: st.floats(allow_nan=False),
    V.String: st.none() | TEXTS,
    V.DateTime: MOMENTS,
    V.Guid: st.uuids(),
    V.ByteString: st.none() | st.binary(max_size=20),
    V.NodeId: NODE_IDS,
    V.StatusCode: st.builds(ua.StatusCode, st.integers(0, 2**32 - 1)),
    V.QualifiedName: NAMES,
    V.LocalizedText: LOCALIZED,
}


def variants() -> st.SearchStrategy[ua.Variant]:
    def of(kind: ua.VariantType) -> st.SearchStrategy[ua.Variant]:
        values = SCALARS[kind]
        scalar = st.builds(ua.Variant, values, st.just(kind))
        array = st.builds(
            lambda value: ua.Variant(value, kind, is_array=True), st.none() | st.lists(values, max_size=5)
        )
        matrix = st.builds(
            lambda value: ua.Variant([value[:2], value[2:]], kind, is_array=True),
            st.lists(values, min_size=4, max_size=4),
        )
        return scalar | array | matrix

    return st.sampled_from(list(SCALARS)).flatmap(of)


VALUES = st.builds(
    ua.DataValue,
    variants(),
    st.builds(ua.StatusCode, st.integers(0, 2**32 - 1)),
    st.none() | MOMENTS,
    st.none() | MOMENTS,
)


def read(data: bytes, method: str) -> object:
    """What is read, which must be all that there is."""
    reader = Reader(data)
    value = getattr(reader, method)()
    assert reader.left == 0
    return value


@given(NODE_IDS)
def test_node_ids_are_read_and_written_as_asyncua_does(node_id):
    encoded = nodeid_to_binary(node_id)
    assert read(encoded, "node_id") == node_id
    assert encoding.node_id(node_id) == encoded


@given(EXPANDED)
def test_expanded_node_ids_are_read_and_written_as_asyncua_does(node_id):
    encoded = nodeid_to_binary(node_id)
    found = read(encoded, "expanded_node_id")
    assert (found, found.NamespaceUri, found.ServerIndex) == (node_id, node_id.NamespaceUri, node_id.ServerIndex)
    assert nodeid_from_binary(Buffer(encoding.node_id(node_id))) == node_id


@given(NAMES, LOCALIZED, st.none() | TEXTS, st.none() | st.binary())
def test_names_and_texts_are_read_and_written_as_asyncua_does(name, text, string, raw):
    assert encoding.qualified_name(name) == struct_to_binary(name)
    assert read(encoding.qualified_name(name), "qualified_name") == name
    assert encoding.localized_text(text) == struct_to_binary(text)
    assert read(encoding.localized_text(text), "localized_text") == text
    assert read(encoding.string(string), "string") == string
    assert read(encoding.bytestring(raw), "bytestring") == raw


@given(variants())
def test_variants_are_read_as_asyncua_writes_them(variant):
    found = read(variant_to_binary(variant), "variant")
    assert (found, found.is_array) == (variant, variant.is_array)
    assert encoding.variant(found) == variant_to_binary(variant)


@given(VALUES)
def test_data_values_are_read_as_asyncua_writes_them(value):
    found = read(struct_to_binary(value), "data_value")
    assert found == value


@pytest.mark.parametrize("kind", [16, *range(26, 32)])
def test_a_null_of_a_type_that_asyncua_has_no_null_of_is_a_null_variant(kind):
    assert read(bytes([kind]) + b"\xff" * 4, "variant") == ua.Variant()


@given(variants(), st.integers(0, 2**32 - 1), *(st.none() | whole(63, signed=False) for _ in range(2)))
def test_data_values_are_written_as_they_are_read(variant, code, source, server):
    found = read(encoding.data_value(encoding.variant(variant), code, source, server), "data_value")
    times = [None if each is None else ua.win_epoch_to_datetime(each) for each in (source, server)]
    assert found == ua.DataValue(variant, ua.StatusCode(code), *times)


def test_picoseconds_stand_behind_their_own_time():
    """OPC 10000-6 §5.2.2.17; asyncua writes both behind both times."""
    found = read(struct.pack("<BqHqH", 0x3C, 10_000_000, 11, 20_000_000, 22), "data_value")
    assert (found.SourcePicoseconds, found.ServerPicoseconds) == (11, 22)
    assert (found.ServerTimestamp - found.SourceTimestamp).total_seconds() == 1


def test_a_nested_array_is_read_element_by_element():
    inner = ua.Variant([1, 2], V.Int32)
    outer = ua.Variant([inner, ua.Variant("x", V.String)], V.Variant)
    assert read(variant_to_binary(outer), "variant") == outer


def test_an_extension_object_keeps_its_body_as_bytes():
    argument = ua.Argument(Name="a")
    variant = read(variant_to_binary(ua.Variant(argument, V.ExtensionObject)), "variant")
    assert variant.Value.TypeId == ua.NodeId(ua.ObjectIds.Argument_Encoding_DefaultBinary)
    assert variant.Value.Body == struct_to_binary(argument)


METHODS = [
    *("boolean", "byte", "uint16", "int32", "uint32", "uint64", "int64", "double", "string", "bytestring", "guid"),
    *("date_time", "node_id", "expanded_node_id", "qualified_name", "localized_text", "extension_object"),
    *("data_value", "variant", "count", "skip_extension_object"),
]


@given(st.binary(max_size=60), st.sampled_from(METHODS))
def test_whatever_is_read_there_is_a_value_or_a_service_error(data, method):
    """U26"""
    reader = Reader(data)
    with contextlib.suppress(ServiceError):
        getattr(reader, method)()
        assert reader.left >= 0


@given(VALUES, st.data())
def test_a_value_that_is_cut_short_is_malformed(value, data):
    encoded = struct_to_binary(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(ServiceError):
        Reader(encoded[:cut]).data_value()


MALFORMED = {
    "a length below null": ("string", struct.pack("<i", -2)),
    "a length beyond the end": ("bytestring", struct.pack("<i", 2**31 - 1)),
    "text that is not UTF-8": ("string", encoding.bytestring(b"\xff\xfe")),
    "a kind of NodeId that there is not": ("node_id", bytes([6, 0, 0, 0])),
    "a NodeId with a URI where none may be": ("node_id", bytes([0x80, 1]) + encoding.string("urn:x")),
    "a type that there is not": ("variant", bytes([40, 0])),
    "a Variant directly within one": ("variant", bytes([24, 1, 1])),
    "a DiagnosticInfo": ("variant", bytes([25, 0])),
    "dimensions without an array": ("variant", bytes([0x46]) + bytes(8)),
    "dimensions of another length": (
        "variant",
        bytes([0xC3]) + struct.pack("<i", 2) + b"ab" + struct.pack("<iii", 2, 2, 2),
    ),
    "dimensions that overflow": (
        "variant",
        bytes([0xC3]) + struct.pack("<ib", 1, 0) + struct.pack("<iii", 2, 2**31 - 1, -1),
    ),
    "Variants within Variants without end": ("variant", (bytes([0x98]) + struct.pack("<i", 1)) * 500 + bytes([1, 1])),
    "DataValues within DataValues without end": ("data_value", bytes([1, 23]) * 500),
}


@pytest.mark.parametrize(("method", "data"), MALFORMED.values(), ids=MALFORMED)
def test_what_the_standard_forbids_is_malformed(method, data):
    with pytest.raises(ServiceError) as caught:
        getattr(Reader(data), method)()
    assert caught.value.code == ua.StatusCodes.BadDecodingError


def array(kind: int, count: int, element: bytes) -> bytes:
    return bytes([0x80 | kind]) + struct.pack("<i", count) + element * count


#: what is still read, and then is too much
TOO_MUCH = {
    "numbers": (array(3, MAX_NUMBERS, b"\0"), array(3, 1, b"\0")),
    "texts": (array(12, MAX_ELEMENTS, bytes(4)), array(12, 1, bytes(4))),
    "guids": (array(14, MAX_ELEMENTS, bytes(16)), array(14, 1, bytes(16))),
    "localized texts": (array(21, MAX_ELEMENTS, b"\0"), array(21, 1, b"\0")),
    "data values": (array(23, MAX_ELEMENTS, b"\0"), bytes([23, 0])),
    "data values in each other": (bytes([23, 1]) * 40 + bytes([0]), array(23, MAX_ELEMENTS, b"\0")),
    "dimensions": (
        bytes([0xC3]) + struct.pack("<i", 1) + b"\0" + array(0, MAX_ELEMENTS, struct.pack("<i", 1))[1:],
        bytes([0xC3]) + struct.pack("<i", 1) + b"\0" + struct.pack("<ii", 1, 1),
    ),
}


@pytest.mark.parametrize(("enough", "more"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_more_elements_than_anybody_needs_are_not_read(enough, more):
    reader = Reader(enough + more)
    reader.variant()
    with pytest.raises(ServiceError) as caught:
        reader.variant()
    assert caught.value.code == ua.StatusCodes.BadEncodingLimitsExceeded
