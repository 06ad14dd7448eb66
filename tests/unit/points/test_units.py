"""Every unit that a station sends becomes its base unit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.points.units import CONVERSIONS, NAMED, UNITS, Conversion, Unit, unit_named

#: sent, its unit, base unit, value shown
TABLE = [
    (5.0, "Wh", "Wh", 5.0),
    (0.1, "kWh", "Wh", 100.0),
    (0.57, "kWh", "Wh", 570.0),
    (1.001, "kWh", "Wh", 1001.0),
    (1234567.891, "kWh", "Wh", 1234567891.0),
    (2.0, "varh", "varh", 2.0),
    (0.29, "kvarh", "varh", 290.0),
    (11000.0, "W", "W", 11000.0),
    (11.04, "kW", "W", 11040.0),
    (3.0, "VA", "VA", 3.0),
    (4.35, "kVA", "VA", 4350.0),
    (3.0, "VAh", "VAh", 3.0),
    (4.35, "kVAh", "VAh", 4350.0),
    (7.0, "var", "var", 7.0),
    (-1.1, "kvar", "var", -1100.0),
    (16.1, "A", "A", 16.1),
    (229.7, "V", "V", 229.7),
    (49.98, "Hz", "Hz", 49.98),
    (50.0, "Hertz", "Hz", 50.0),
    (36.6, "Celsius", "Celsius", 36.6),
    (36.6, "Celcius", "Celsius", 36.6),  # J43
    (300.15, "K", "Celsius", 27.0),
    (0.0, "K", "Celsius", -273.15),
    (32.0, "Fahrenheit", "Celsius", 0.0),
    (212.0, "Fahrenheit", "Celsius", 100.0),
    (-40.0, "Fahrenheit", "Celsius", -40.0),
    (55.5, "Percent", "Percent", 55.5),
    (900.0, "RPM", "rpm", 900.0),
]


@pytest.mark.parametrize(("sent", "unit", "base", "shown"), TABLE)
def test_a_unit_becomes_its_base_unit_exactly(sent, unit, base, shown):
    conversion = CONVERSIONS[unit]
    assert (conversion.base, conversion.apply(sent)) == (base, shown)


def test_every_unit_that_is_converted_is_in_the_table_above():
    # Seconds and turns come under one name only.
    assert CONVERSIONS.keys() - {unit for _, unit, _, _ in TABLE} == {"s", "rpm"}


def test_every_unit_converts_to_one_that_points_are_shown_in():
    assert {conversion.base for conversion in CONVERSIONS.values()} == UNITS.keys()


@given(st.integers(-(10**12), 10**12))
def test_what_a_station_wrote_with_three_decimals_has_no_noise(thousandths):
    text = f"{thousandths // 1000}.{thousandths % 1000:03d}"
    assert CONVERSIONS["kWh"].apply(float(text)) == round(float(text) * 1000)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_base_unit_is_not_touched(value):
    assert Conversion("Wh").apply(value) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_conversion_never_raises(value):
    assert not any(math.isnan(conversion.apply(value)) for conversion in CONVERSIONS.values())


def test_units_are_told_to_opc_ua_by_their_unece_codes():
    # OPC 10000-8 gives these two as examples of the rule.
    assert Unit("min", "MIN", "").id == 5065038
    assert UNITS["Celsius"].id == 4408652
    assert UNITS["varh"].id == -1


def test_only_a_unit_that_unece_lacks_has_no_code():
    assert [unit.symbol for unit in UNITS.values() if not unit.code] == ["varh", "VAh"]


def test_a_unit_of_a_device_model_has_its_code_where_there_is_one():
    assert (unit_named("W").code, unit_named("kW").code) == ("WTT", "KWT")
    assert unit_named("parsec") == Unit("parsec", "", "parsec")
    assert not NAMED.keys() & UNITS.keys()
    assert all(unit.code for unit in NAMED.values())
