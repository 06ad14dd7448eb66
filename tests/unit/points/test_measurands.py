"""Sampled values become the points of their measurands."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.points.layout import build_layout
from bridge.points.rows import Row
from bridge.points.tree import Group

NOON = "2026-11-21T12:00:00Z"
NOON_SECONDS = 1795262400.0


def telegram(**sample):
    return [{"timestamp": NOON, "sampledValue": [{"value": "1", **sample}]}]


class Reading(NamedTuple):
    """One sampled value as it reaches its point; value None: it could not be read."""

    row: Row
    value: float | None
    time: float | None
    problem: str


def read(measurands, meter_values, unit_of=None) -> list[Reading]:
    group = Group("CP1.Connector1", build_layout("connector", measurands.rows()), None)
    updates, _, _, problem, _ = measurands.telegram(group, meter_values, lambda stamp: stamp, unit_of)
    return [Reading(group.row(slot), value, time, problem if value is None else "") for slot, value, time, _ in updates]


def only(measurands, meter_values) -> Reading:
    readings = read(measurands, meter_values)
    assert len(readings) == 1
    return readings[0]


#: fields of the sampled value, point, value
TABLE = [
    ({}, "Energy.Active.Import.Register", 1.0),
    ({"unit": "kWh"}, "Energy.Active.Import.Register", 1000.0),
    ({"phase": "", "location": "", "unit": ""}, "Energy.Active.Import.Register", 1.0),
    ({"units": "kWh"}, "Energy.Active.Import.Register", 1000.0),
    ({"unit": ["kWh"]}, "Energy.Active.Import.Register", 1000.0),
    ({"unitOfMeasure": {"unit": "kWh"}}, "Energy.Active.Import.Register", 1000.0),
    ({"unitOfMeasure": {"unit": "Wh", "multiplier": 3}}, "Energy.Active.Import.Register", 1000.0),
    ({"measurand": None, "phase": None, "unit": None}, "Energy.Active.Import.Register", 1.0),
    ({"measurand": "Voltage", "phase": "L1-N"}, "Voltage.L1-N", 1.0),
    ({"measurand": "Voltage", "phase": "L1-L2", "unit": "V"}, "Voltage.L1-L2", 1.0),
    ({"measurand": "Current.Import", "phase": "N"}, "Current.Import.N", 1.0),
    ({"measurand": "Power.Active.Import", "unit": "kW"}, "Power.Active.Import", 1000.0),
    ({"measurand": "Power.Active.Import", "location": "Outlet"}, "Power.Active.Import", 1.0),
    ({"measurand": "Power.Active.Import", "location": "Inlet"}, "Power.Active.Import.Inlet", 1.0),
    ({"measurand": "Voltage", "phase": "L3", "location": "Inlet"}, "Voltage.L3.Inlet", 1.0),
    ({"measurand": "SoC", "unit": "Percent"}, "SoC", 1.0),
    ({"measurand": "SoC", "location": "EV"}, "SoC", 1.0),
    ({"measurand": "SoC", "location": "Outlet"}, "SoC.Outlet", 1.0),
    ({"measurand": "Temperature", "location": "Body", "unit": "Celcius"}, "Temperature.Body", 1.0),
    ({"measurand": "Temperature", "unit": "Celsius"}, "Temperature", 1.0),
    ({"measurand": "Temperature", "unit": "K", "value": "300.15"}, "Temperature", 27.0),
    ({"measurand": "Temperature", "unit": "Fahrenheit", "value": "212"}, "Temperature", 100.0),
    ({"measurand": "Power.Factor", "value": "0.98"}, "Power.Factor", 0.98),
    ({"measurand": "Frequency", "value": " 49.9 "}, "Frequency", 49.9),
    ({"measurand": "RPM", "value": 900}, "RPM", 900.0),
    ({"value": "1e3"}, "Energy.Active.Import.Register", 1000.0),
    ({"value": 12.5, "format": "Raw"}, "Energy.Active.Import.Register", 12.5),
]


@pytest.mark.parametrize(("fields", "point", "value"), TABLE)
def test_a_sampled_value_goes_to_its_point(measurands, fields, point, value):
    """J43"""
    reading = only(measurands, telegram(**fields))
    assert (reading.row.key, reading.value, reading.problem) == (f"MeterValues.{point}", value, "")
    assert reading.time == NOON_SECONDS


#: fields of the sampled value, what is said of it
UNREADABLE = [
    ({"value": "much"}, "'much' is not a number"),
    ({"value": ""}, "'' is not a number"),
    ({"value": None}, "None is not a number"),
    ({"value": True}, "True is not a number"),
    ({"value": ["1"]}, "['1'] is not a number"),
    ({"value": "NaN"}, "'NaN' is not a finite number"),
    ({"value": "-inf"}, "'-inf' is not a finite number"),
    pytest.param({"value": "9" * 5000}, "is not a finite number", id="5,000 digits"),
    ({"value": "1e308", "unit": "kWh"}, "too large a number"),
    ({"unit": "V"}, "V is no unit of it"),
    ({"unit": "Bananas"}, "Bananas is no unit of it"),
    ({"measurand": "Power.Factor", "unit": "kWh"}, "kWh is no unit of it"),
]


@pytest.mark.parametrize(("fields", "problem"), UNREADABLE)
def test_a_value_that_cannot_be_read_names_its_point_and_why(measurands, fields, problem):
    reading = only(measurands, telegram(**fields))
    assert reading.value is None
    assert reading.problem.startswith(reading.row.name + ": ")
    assert problem in reading.problem
    assert len(reading.problem) < 150


@pytest.mark.parametrize(
    "fields",
    [
        {"measurand": "Volume"},
        {"measurand": ["Voltage"]},
        {"measurand": 5},
        {"measurand": "Voltage", "phase": "L4"},
        {"measurand": "Voltage", "phase": {"L1": 1}},
        {"measurand": "Voltage", "location": "Moon"},
        {"measurand": "Voltage", "location": [1]},
        {"format": "SignedData", "value": "AF0192"},
    ],
)
def test_what_ocpp_does_not_know_or_is_signed_is_passed_over(measurands, fields):
    assert read(measurands, telegram(**fields)) == []


@pytest.mark.parametrize(
    "meter_values",
    [
        None,
        5,
        "text",
        [],
        [5],
        ["text"],
        {},
        [{}],
        [{"timestamp": NOON}],
        [{"timestamp": NOON, "sampledValue": 5}],
        [{"timestamp": NOON, "sampledValue": [None, 5, "text", []]}],
    ],
)
def test_what_is_no_meter_value_is_passed_over(measurands, meter_values):
    assert read(measurands, meter_values) == []


def test_an_object_where_an_array_belongs_is_taken(measurands):
    assert only(measurands, {"timestamp": NOON, "sampledValue": {"value": "7"}}).value == 7.0


@pytest.mark.parametrize("timestamp", [None, "yesterday", 5, [], {}])
def test_a_value_without_a_readable_time_is_still_a_value(measurands, timestamp):
    """J41"""
    reading = only(measurands, [{"timestamp": timestamp, "sampledValue": [{"value": "7"}]}])
    assert (reading.value, reading.time) == (7.0, None)


def test_every_telegram_and_every_sample_is_read_in_order(measurands):
    meter_values = [
        {"timestamp": NOON, "sampledValue": [{"value": "1"}, {"value": "x"}, {"value": "2"}]},
        {"timestamp": "2026-11-21T12:00:01+00:00", "sampledValue": [{"value": "3"}]},
    ]
    readings = [(reading.value, reading.time) for reading in read(measurands, meter_values)]
    assert readings == [
        (1.0, NOON_SECONDS),
        (None, NOON_SECONDS),
        (2.0, NOON_SECONDS),
        (3.0, NOON_SECONDS + 1),
    ]


def test_another_version_says_the_unit_with_a_factor(measurands):
    readings = read(measurands, telegram(value=2), lambda _sample: ("kWh", 10.0))
    assert [reading.value for reading in readings] == [20_000.0]


@pytest.mark.parametrize("unit", [5, ["Wh", "kWh"], {}, {"name": "Wh"}])
def test_a_unit_that_is_no_text_is_no_reading_of_that_unit(measurands, unit):
    assert [reading.value for reading in read(measurands, telegram(value=2, unit=unit)) if reading.value] == []


def test_a_measurand_without_a_name_is_not_the_energy_register(measurands):
    assert read(measurands, telegram(measurand="", unit="")) == []


def test_points_of_one_measurand_are_the_same_row(measurands):
    first, second = (only(measurands, telegram(measurand="Voltage", phase="L1")).row for _ in range(2))
    assert first is second is measurands.row_of("MeterValues.Voltage.L1")


@pytest.mark.parametrize(
    ("key", "description"),
    [
        ("MeterValues.Voltage", "Voltage"),
        ("MeterValues.Voltage.L1-N", "Voltage, L1-N"),
        ("MeterValues.Voltage.L1.Inlet", "Voltage, L1, Inlet"),
        ("MeterValues.SoC.Outlet", "State of charge of the car's battery, Outlet"),
    ],
)
def test_the_row_of_a_key_is_found(measurands, key, description):
    row = measurands.row_of(key)
    assert row is not None
    assert (row.key, row.description) == (key, description)


@pytest.mark.parametrize(
    "key",
    [
        "Status.State",
        "MeterValues",
        "MeterValues.",
        "MeterValues.Volume",
        "MeterValues.Voltage.L4",
        "MeterValues.Voltage.Moon",
        "MeterValues.Voltage.Outlet",  # the usual location has no suffix: one point has one path
        "MeterValues.SoC.EV",
        "MeterValues.Voltage.Inlet.L1",
        "MeterValues.L1",
    ],
)
def test_a_key_that_no_value_goes_to_has_no_row(measurands, key):
    assert measurands.row_of(key) is None


def test_rows_are_one_for_each_usual_measurand(measurands):
    rows = measurands.rows()
    assert [row.name for row in rows] == [name for name, found in measurands.known.items() if found.usual]
    assert all(row.key == f"MeterValues.{row.name}" and row.source for row in rows)


def test_a_measurand_that_is_not_usual_has_a_row_where_it_is_reported(measurands):
    assert "MeterValues.Display.PresentSOC" not in {row.key for row in measurands.rows()}
    found = measurands.row_of("MeterValues.Display.PresentSOC")
    assert found is not None
    assert found.unit == "Percent"


def test_units_that_stations_invent_cost_no_memory(measurands):
    only(measurands, telegram(unit="kWh"))
    known = len(measurands._plans)
    for number in range(100):
        only(measurands, telegram(unit=f"unit {number}"))
    assert len(measurands._plans) == known


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["timestamp", "sampledValue", "value", "measurand", "phase", "location", "unit", "format"]),
            inner | st.sampled_from(["Voltage", "L1", "Inlet", "kWh"]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(meter_values=anything)
def test_nothing_that_is_json_makes_it_fail(table, meter_values):
    for reading in read(table.measurands, meter_values):
        assert (reading.value is None) is bool(reading.problem)
