"""From what a station sent to a point's type."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.points.rows import INTEGER_RANGES, ZEROS, Type
from bridge.points.values import (
    MAX_TEXT,
    TRANSFORMS,
    coerce,
    converter,
    format_time,
    number,
    parse_time,
    to_json,
)
from tests.unit.points.helpers import COLOURS, row

NOON = 1795262400.0  # 2026-11-21T12:00:00Z

#: type, what came, the point's value
READ = [
    (Type.STRING, "text", "text"),
    (Type.STRING, "", ""),
    (Type.STRING, None, ""),  # a field that is not there
    (Type.STRING, 5, "5"),
    (Type.STRING, 1.5, "1.5"),
    (Type.STRING, True, "true"),
    (Type.STRING, False, "false"),
    (Type.STRING, {"a": [1]}, '{"a":[1]}'),
    (Type.STRING, ["ä"], '["ä"]'),
    (Type.BOOLEAN, True, True),
    (Type.BOOLEAN, False, False),
    (Type.BOOLEAN, "TRUE", True),
    (Type.BOOLEAN, "false", False),
    (Type.BOOLEAN, None, None),
    (Type.INT32, 5, 5),
    (Type.INT32, -5, -5),
    (Type.INT32, "5", 5),
    (Type.INT32, 5.0, 5),
    (Type.INT32, 2**31 - 1, 2**31 - 1),
    (Type.INT32, -(2**31), -(2**31)),
    (Type.UINT32, 2**32 - 1, 2**32 - 1),
    (Type.UINT32, 0, 0),
    (Type.INT32, None, None),
    (Type.DOUBLE, 5, 5.0),
    (Type.DOUBLE, "5.25", 5.25),
    (Type.DOUBLE, 2**63, 9.223372036854775808e18),  # J40
    (Type.DATETIME, "2026-11-21T12:00:00Z", NOON),
    (Type.DATETIME, NOON, NOON),
    (Type.DATETIME, 0, 0.0),
    (Type.DATETIME, None, None),
]


@pytest.mark.parametrize(("type_", "raw", "value"), READ)
def test_what_came_is_read(type_, raw, value):
    found = coerce(row(type_=type_), raw)
    assert (found, type(found)) == (value, type(value))


#: type, what came, what is said of it
REFUSED = [
    (Type.BOOLEAN, 1, "1 is neither true nor false"),
    (Type.BOOLEAN, "yes", "'yes' is neither true nor false"),
    (Type.INT32, 1.5, "1.5 is not a whole number"),
    (Type.INT32, 2**31, "2147483648 is out of the range of Int32"),
    (Type.INT32, -(2**31) - 1, "-2147483649 is out of the range of Int32"),
    (Type.INT32, 2**63, "out of the range of Int32"),
    (Type.INT32, 1e30, "1e+30 is out of the range of Int32"),
    (Type.UINT32, -1, "-1 is out of the range of UInt32"),
    (Type.UINT32, 2**32, "out of the range of UInt32"),
    (Type.INT32, True, "True is not a number"),
    (Type.INT32, "five", "'five' is not a number"),
    (Type.INT32, [5], "[5] is not a number"),
    (Type.INT32, {}, "{} is not a number"),
    (Type.DOUBLE, math.nan, "nan is not a finite number"),
    (Type.DOUBLE, math.inf, "inf is not a finite number"),
    (Type.DOUBLE, "Infinity", "'Infinity' is not a finite number"),
    (Type.DOUBLE, "1_000", "'1_000' is not a number"),
    (Type.DOUBLE, "0x10", "'0x10' is not a number"),
    pytest.param(Type.DOUBLE, 10**4000, "… is not a number", id="4,000 digits"),
    pytest.param(Type.DOUBLE, 10**5000, "an integer of thousands of digits is not a number", id="5,000 digits"),
    pytest.param(Type.DOUBLE, "9" * 5000, "… is not a finite number", id="5,000 digits as text"),
    (Type.DATETIME, "yesterday", "'yesterday' is not a time"),
    (Type.DATETIME, True, "True is not a number"),
    (Type.DATETIME, [NOON], "is not a time"),
    (Type.DATETIME, 1e300, "1e+300 is outside the years 1 to 9999"),
    (Type.DATETIME, math.nan, "nan is not a finite number"),
]


@pytest.mark.parametrize(("type_", "raw", "problem"), REFUSED)
def test_what_cannot_be_read_is_refused_in_few_words(type_, raw, problem):
    """J40, J41"""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        coerce(row(type_=type_), raw)
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 120


def test_an_integer_of_thousands_of_digits_is_refused_as_a_text():
    with pytest.raises(ValueError, match="digits"):
        coerce(row(type_=Type.STRING), 10**5000)


def test_a_text_that_would_fill_the_memory_is_cut():
    point = row(type_=Type.STRING)
    assert coerce(point, "x" * MAX_TEXT) == "x" * MAX_TEXT
    assert coerce(point, "x" * (MAX_TEXT + 1)) == "x" * MAX_TEXT
    assert len(str(coerce(point, ["x" * MAX_TEXT]))) == MAX_TEXT


@pytest.mark.parametrize(("raw", "value"), [("Red", 0), ("Green", 1), (None, None)])
def test_a_state_becomes_its_number(raw, value):
    assert coerce(row(enumeration=COLOURS), raw) == value


@pytest.mark.parametrize("raw", ["Blue", "red", "", 0, 1, True, ["Red"], {"Red": 0}])
def test_what_is_no_state_is_refused(raw):
    with pytest.raises(ValueError, match="is no Colour"):
        coerce(row(enumeration=COLOURS), raw)


EVERY = [*(row(type_=type_) for type_ in Type), row(enumeration=COLOURS)]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Red", "Green"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(point=st.sampled_from(EVERY), raw=anything)
def test_a_converter_does_what_coerce_does(point, raw):
    def outcome(read):
        try:
            return read(raw)
        except ValueError as error:
            return str(error)

    assert outcome(converter(point)) == outcome(lambda found: coerce(point, found))


@given(point=st.sampled_from(EVERY), raw=anything)
def test_what_is_read_fits_the_type(point, raw):
    try:
        value = coerce(point, raw)
    except ValueError:
        return
    if value is not None:
        assert type(value) is type(ZEROS[point.type])
    if point.type in INTEGER_RANGES and value is not None:
        low, high = INTEGER_RANGES[point.type]
        assert low <= value <= high


def test_a_transform_comes_before_the_type_and_not_where_the_field_is_missing():
    count = converter(row(type_=Type.INT32), len)
    assert (count(["a", "b"]), count(None)) == (2, None)


# --- times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-21T12:00:00Z", NOON),
        ("2026-11-21T12:00:00", NOON),  # without a zone: UTC
        ("2026-11-21T14:00:00+02:00", NOON),
        ("2026-11-21T06:30:00-05:30", NOON),
        ("2026-11-21T12:00:00.5Z", NOON + 0.5),
        ("2026-11-21T12:00:00.250Z", NOON + 0.25),
        ("2026-11-21T12:00:00.123456789Z", NOON + 0.123456),
        ("2026-11-21T14:00:00.75+02:00", NOON + 0.75),
        ("2026-11-21 12:00:00Z", NOON),
        ("1970-01-01T00:00:00Z", 0.0),
        ("1969-12-31T23:59:59Z", -1.0),
        ("2024-02-29T00:00:00Z", 1709164800.0),
    ],
)
def test_a_time_is_unix_seconds_utc(text, seconds):
    """J42"""
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "",
        "12:00:00",
        "2026-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        pytest.param("2026-11-21T12:00:00Z" * 1000, id="many times"),
        None,
        5,
        NOON,
        True,
        [],
        {},
    ],
)
def test_what_is_no_time_is_refused_in_few_words(text):
    """J41"""
    with pytest.raises(ValueError, match=r"is not a time|is outside the years") as caught:
        parse_time(text)
    assert len(str(caught.value)) < 120


def test_a_time_is_written_as_ocpp_wants_it():
    assert format_time(NOON + 0.25) == "2026-11-21T12:00:00.250Z"
    assert format_time(NOON) == "2026-11-21T12:00:00.000Z"


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001
def test_a_written_time_is_read_again(moment, hours):
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    assert parse_time(elsewhere.isoformat()) == moment.timestamp()
    assert parse_time(format_time(moment.timestamp())) == pytest.approx(moment.timestamp(), abs=0.001)


# --- transforms


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("json", {"a": 1}, '{"a":1}'),
        ("json", 2**70, "1180591620717411303424"),
        ("count", [1, 2, 3], 3),
        ("kilo", "1.5", 1500.0),
        ("milli", 250, 0.25),
    ],
)
def test_a_transform(name, raw, value):
    assert TRANSFORMS[name](raw) == value


def test_every_transform_is_in_the_table_above():
    assert TRANSFORMS.keys() == {"json", "count", "kilo", "milli"}


@pytest.mark.parametrize(("name", "raw"), [("count", 5), ("kilo", "x"), ("milli", [])])
def test_a_transform_that_cannot_be_done_says_so(name, raw):
    with pytest.raises((TypeError, ValueError)):
        TRANSFORMS[name](raw)


def test_json_is_short():
    assert to_json({"a": [1, None, True]}) == '{"a":[1,null,true]}'


@pytest.mark.parametrize(("raw", "value"), [(5, 5.0), ("5", 5.0), (" 5.5\n", 5.5), ("-1e-3", -0.001)])
def test_a_number_may_be_a_text(raw, value):
    assert number(raw) == value
