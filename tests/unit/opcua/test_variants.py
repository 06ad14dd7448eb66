"""Between the tree's values and OPC UA's."""

import math
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.opcua.variants import (
    BOTH,
    NEITHER,
    SERVER,
    SOURCE,
    bad,
    data_value,
    encode_sample,
    from_argument,
    from_variant,
    status,
    text_value,
    ticks,
    to_datetime,
    to_variant,
)
from bridge.points.rows import Argument, Enumeration, Row, Type
from bridge.points.tree import Quality, Sample

V = ua.VariantType
STATES = Enumeration("States", {"Off": 0, "On": 1})


def row(type_: Type, **more: object) -> Row:
    return Row(folder="F", name="P", type=type_, description="", writable=True, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type_", "value", "variant"),
    [
        (Type.BOOLEAN, True, ua.Variant(True, V.Boolean)),
        (Type.INT32, -5, ua.Variant(-5, V.Int32)),
        (Type.UINT32, 5, ua.Variant(5, V.UInt32)),
        (Type.DOUBLE, 1, ua.Variant(1, V.Double)),
        (Type.STRING, "ä", ua.Variant("ä", V.String)),
        (Type.DATETIME, 0.0, ua.Variant(datetime(1970, 1, 1, tzinfo=UTC), V.DateTime)),
        (Type.INT32, None, ua.Variant()),
    ],
)
def test_a_value_has_the_type_of_its_row(type_, value, variant):
    assert to_variant(type_, value) == variant


@pytest.mark.parametrize("seconds", [-1e18, -62135596801.0, 1e18, 253402300799.0])
def test_a_time_outside_the_calendar_is_its_nearest_end_and_can_be_encoded(seconds):
    """J40"""
    struct_to_binary(ua.DataValue(to_variant(Type.DATETIME, seconds)))


@pytest.mark.parametrize(
    ("quality", "value", "code", "shown"),
    [
        (Quality.GOOD, 1.5, "Good", 1.5),
        (Quality.WAITING, None, "BadWaitingForInitialData", None),
        (Quality.LAST, 1.5, "UncertainLastUsableValue", 1.5),
        (Quality.SUBNORMAL, 1.5, "UncertainSubNormal", 1.5),
        (Quality.SUBNORMAL, None, "UncertainSubNormal", None),
        (Quality.GOOD, None, "Good", None),
    ],
)
def test_quality_becomes_a_status_code(quality, value, code, shown):
    """U29"""
    found = data_value(row(Type.DOUBLE), Sample(value, quality, 1.0, 2.0))
    assert (found.StatusCode.name, found.Value.Value) == (code, shown)


def test_source_time_is_the_stations_and_server_time_ours():
    """U30"""
    found = data_value(row(Type.DOUBLE), Sample(1.0, Quality.GOOD, 10.0, 20.0))
    assert found.SourceTimestamp == datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert found.ServerTimestamp == datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "zero"),
    [(Type.BOOLEAN, False), (Type.INT32, 0), (Type.UINT32, 0), (Type.DOUBLE, 0.0), (Type.STRING, "")],
)
def test_initial_values_are_typed_zeros_and_uncertain(type_, zero):
    found = data_value(row(type_), Sample(None, Quality.WAITING, None, None), True)
    assert found.StatusCode.name == "UncertainInitialValue"
    assert found.Value == to_variant(type_, zero)
    assert found.Value.Value is not None


@pytest.mark.parametrize(("number", "shown"), [(1, "On"), (7, "7")])
def test_value_as_text_is_the_states_name(number, shown):
    found = text_value(row(Type.INT32, enumeration=STATES), Sample(number, Quality.GOOD, 1.0, 2.0))
    assert found.Value == ua.Variant(ua.LocalizedText(shown), V.LocalizedText)


def test_value_as_text_waits_like_its_value():
    found = text_value(row(Type.INT32, enumeration=STATES), Sample(None, Quality.WAITING, None, None))
    assert (found.Value.Value, found.StatusCode.name) == (None, "BadWaitingForInitialData")


TAKEN = [
    (Type.INT32, ua.Variant(5, V.Int16), 5),
    (Type.INT32, ua.Variant(5, V.Byte), 5),
    (Type.INT32, ua.Variant(-5, V.Int64), -5),
    (Type.INT32, ua.Variant(5.0, V.Double), 5),
    (Type.UINT32, ua.Variant(2**32 - 1, V.Int64), 2**32 - 1),
    (Type.DOUBLE, ua.Variant(5, V.Int32), 5.0),
    (Type.DOUBLE, ua.Variant(1.5, V.Float), 1.5),
    (Type.DOUBLE, ua.Variant(2**60, V.UInt64), float(2**60)),
    (Type.BOOLEAN, ua.Variant(True, V.Boolean), True),
    (Type.STRING, ua.Variant("x", V.String), "x"),
    (Type.STRING, ua.Variant(None, V.String), None),
    (Type.INT32, ua.Variant(), None),
    (Type.DATETIME, ua.Variant(datetime(2026, 1, 1, tzinfo=UTC), V.DateTime), 1767225600.0),
]


@pytest.mark.parametrize(("type_", "variant", "value"), TAKEN)
def test_a_write_is_taken_where_nothing_is_lost(type_, variant, value):
    taken = from_variant(row(type_), variant)
    assert (taken, type(taken)) == (value, type(value))


REFUSED = [
    (Type.INT32, ua.Variant("5", V.String), "BadTypeMismatch"),
    (Type.INT32, ua.Variant(True, V.Boolean), "BadTypeMismatch"),
    (Type.INT32, ua.Variant(5.5, V.Double), "BadTypeMismatch"),
    (Type.INT32, ua.Variant([5], V.Int32), "BadTypeMismatch"),
    (Type.INT32, ua.Variant([], V.Int32, is_array=True), "BadTypeMismatch"),
    (Type.INT32, ua.Variant(None, V.Int32, is_array=True), "BadTypeMismatch"),
    (Type.INT32, ua.Variant(2**31, V.Int64), "BadOutOfRange"),
    (Type.UINT32, ua.Variant(-1, V.Int32), "BadOutOfRange"),
    (Type.INT32, ua.Variant(math.nan, V.Double), "BadOutOfRange"),
    (Type.INT32, ua.Variant(math.inf, V.Double), "BadOutOfRange"),
    (Type.DOUBLE, ua.Variant(math.nan, V.Double), "BadOutOfRange"),
    (Type.DOUBLE, ua.Variant(-math.inf, V.Float), "BadOutOfRange"),
    (Type.DOUBLE, ua.Variant(2**60 + 1, V.Int64), "BadOutOfRange"),
    (Type.BOOLEAN, ua.Variant(1, V.Int32), "BadTypeMismatch"),
    (Type.STRING, ua.Variant(5, V.Int32), "BadTypeMismatch"),
    (Type.STRING, ua.Variant(ua.LocalizedText("x"), V.LocalizedText), "BadTypeMismatch"),
    (Type.STRING, ua.Variant("x" * 65_537, V.String), "BadOutOfRange"),
    (Type.DATETIME, ua.Variant(5, V.Int32), "BadTypeMismatch"),
]


@pytest.mark.parametrize(("type_", "variant", "code"), REFUSED)
def test_a_write_is_refused_with_the_reason(type_, variant, code):
    """U16"""
    with pytest.raises(Refused) as caught:
        from_variant(row(type_), variant)
    assert caught.value.status == code


@pytest.mark.parametrize("value", [-1, 2])
def test_a_number_that_the_enumeration_lacks_is_out_of_range(value):
    with pytest.raises(Refused, match="0 Off, 1 On") as caught:
        from_variant(row(Type.INT32, enumeration=STATES), ua.Variant(value, V.Int32))
    assert caught.value.status == "BadOutOfRange"


@pytest.mark.parametrize("value", [0, 11])
def test_a_number_outside_the_rows_range_is_refused(value):
    with pytest.raises(Refused) as caught:
        from_variant(row(Type.INT32, range=(1, 10)), ua.Variant(value, V.Int32))
    assert caught.value.status == "BadOutOfRange"


def test_an_optional_argument_may_be_null_and_a_required_one_not():
    argument = Argument(name="A", type=Type.STRING, description="", optional=True)
    assert from_argument(argument, ua.Variant()) is None
    with pytest.raises(Refused):
        from_argument(Argument(name="A", type=Type.STRING, description=""), ua.Variant())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_survives_the_wire(value):
    shown = data_value(row(Type.DOUBLE), Sample(value, Quality.GOOD, 1.0, 1.0))
    read = struct_from_binary(ua.DataValue, ua.utils.Buffer(struct_to_binary(shown)))
    assert from_variant(row(Type.DOUBLE), read.Value) == value


def test_a_status_that_opc_ua_lacks_is_an_internal_error():
    assert status("NoSuchThing").name == "BadInternalError"
    assert bad("BadNodeIdUnknown").StatusCode.name == "BadNodeIdUnknown"


SECONDS = st.none() | st.floats(-1e11, 3e11) | st.floats(1.6e9, 1.9e9)
VALUES = {
    Type.BOOLEAN: st.booleans(),
    Type.INT32: st.integers(-(2**31), 2**31 - 1),
    Type.UINT32: st.integers(0, 2**32 - 1),
    Type.DOUBLE: st.floats(),
    Type.STRING: st.text(),
    Type.DATETIME: st.floats(-1e12, 1e12),
}
SAMPLES = st.sampled_from(list(Type)).flatmap(
    lambda type_: st.tuples(
        st.just(type_),
        st.builds(Sample, st.none() | VALUES[type_], st.sampled_from(list(Quality)), SECONDS, SECONDS),
    )
)


def shown(value: ua.DataValue, times: int) -> bytes:
    source = value.SourceTimestamp if times in (SOURCE, BOTH) else None
    server = value.ServerTimestamp if times in (SERVER, BOTH) else None
    return struct_to_binary(ua.DataValue(value.Value, value.StatusCode, source, server))


@given(SAMPLES, st.sampled_from((SOURCE, SERVER, BOTH, NEITHER)), st.booleans())
def test_a_sample_is_encoded_as_asyncua_encodes_its_data_value(typed, times, initial_values):
    type_, sample = typed
    encoded = encode_sample(row(type_), sample, times, initial_values)
    assert encoded == shown(data_value(row(type_), sample, initial_values), times)


@given(st.none() | st.integers(-2, 3), st.sampled_from((BOTH, NEITHER)), st.booleans())
def test_a_text_is_encoded_as_asyncua_encodes_its_data_value(value, times, initial_values):
    states, sample = row(Type.INT32, enumeration=STATES), Sample(value, Quality.GOOD, 1.0, 2.0)
    encoded = encode_sample(states, sample, times, initial_values, as_text=True)
    assert encoded == shown(text_value(states, sample, initial_values), times)


def test_a_point_that_has_no_server_time_gets_the_present_one():
    double, sample = row(Type.DOUBLE), Sample(None, Quality.WAITING, None, None)
    expected = ua.DataValue(None, status("BadWaitingForInitialData"), ServerTimestamp=to_datetime(5.0))
    assert encode_sample(double, sample, BOTH, now=5.0) == struct_to_binary(expected)
    assert encode_sample(double, sample, SOURCE, now=5.0) == shown(expected, SOURCE)


@given(st.floats(-1e12, 1e12))
def test_a_moment_is_counted_as_asyncua_counts_it(seconds):
    assert ticks(seconds) == ua.datetime_to_win_epoch(to_datetime(seconds))
