"""Sampled values of OCPP 2.x."""

from math import isnan

import pytest

from bridge.station.v2.samples import Register, registers, unit_of


def sample(value=1, unit=None, multiplier=None, **fields):
    measure = {k: v for k, v in (("unit", unit), ("multiplier", multiplier)) if v is not None}
    return {"value": value, **({"unitOfMeasure": measure} if measure else {}), **fields}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (sample(), ("", 1.0)),
        (sample(unit="kWh"), ("kWh", 1.0)),
        (sample(unit="W", multiplier=3), ("W", 1000.0)),
        (sample(multiplier=-1), ("", 0.1)),
        (sample(unit="A", multiplier=0), ("A", 1.0)),
        ({"value": 1, "unitOfMeasure": None}, ("", 1.0)),
        ({"value": 1, "unitOfMeasure": {"unit": 5}}, ("?", 1.0)),
        ({"value": 1, "unitOfMeasure": {}}, ("", 1.0)),
        ({"value": 1, "unitOfMeasure": {"name": "kWh"}}, ("?", 1.0)),
    ],
)
def test_the_unit_and_its_multiplier_are_read(given, expected):
    assert unit_of(given) == expected


@pytest.mark.parametrize("multiplier", [1.5, "3", True, 31, -31, 10**9, None])
def test_a_multiplier_that_makes_no_sense_makes_the_value_unreadable(multiplier):
    unit, factor = unit_of({"value": 1, "unitOfMeasure": {"unit": "W", "multiplier": multiplier}})
    assert unit == "W"
    assert isnan(factor)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (sample(1500), 1500.0),
        (sample(1.5, "kWh"), 1500.0),
        (sample(15, "Wh", 2), 1500.0),
        (sample(0.3, "kWh", -1), 30.0),
        (sample(7, measurand="Energy.Active.Import.Register", location="Outlet"), 7.0),
        (sample(7, signedMeterValue={"signedMeterData": "x"}), 7.0),
    ],
)
def test_the_register_is_read_in_watt_hours(given, expected):
    assert [found.value for found in registers([{"sampledValue": [given]}])] == [expected]


@pytest.mark.parametrize(
    "given",
    [
        sample(7, measurand="Power.Active.Import"),
        sample(7, phase="L1"),
        sample(7, location="Inlet"),
        sample(7, "kW"),
        sample(7, "Wh", 99),
        sample("many"),
        sample(None),
        "odd",
        None,
    ],
)
def test_what_is_no_reading_of_the_register_is_passed_over(given):
    assert list(registers([{"sampledValue": [given]}])) == []


@pytest.mark.parametrize("given", [None, {}, "x", [None, 5, {"sampledValue": 5}, {}], [{"sampledValue": None}]])
def test_what_is_no_meter_value_is_passed_over(given):
    assert list(registers(given)) == []


def test_time_and_context_go_with_a_reading():
    found = registers([{"timestamp": "1970-01-01T00:01:00Z", "sampledValue": [sample(5, context="Transaction.Begin")]}])
    assert list(found) == [Register(5.0, 60.0, "Transaction.Begin")]
    assert next(registers([{"timestamp": "yesterday", "sampledValue": [sample(5)]}])) == Register(5.0, None, "")


@pytest.mark.parametrize(
    "said",
    [
        {"unitOfMeasure": "kWh"},
        {"unitOfMeasure": [{"unit": "kWh"}]},
        {"unitOfMeasure": {"unit": ["kWh"]}},
        {"unitOfMeasure": {"Unit": "kWh"}},
        {"unit": "kWh"},
        {"units": "kWh"},
        {"unit": "kWh", "unitOfMeasure": {}},
    ],
)
def test_a_unit_is_understood_however_it_is_wrapped(said):
    assert unit_of({"value": 3, **said}) == ("kWh", 1.0)
    assert [found.value for found in registers([{"sampledValue": [{"value": 3, **said}]}])] == [3000.0]


@pytest.mark.parametrize(
    "said",
    [
        {"unitOfMeasure": 7},
        {"unitOfMeasure": [{"unit": "kWh"}, {"unit": "Wh"}]},
        {"unitOfMeasure": {"unit": {"name": "kWh"}}},
        {"unit": "kWh", "units": "Wh"},
        {"unit": [[["kWh"]]]},
    ],
)
def test_a_unit_that_cannot_be_read_is_not_the_usual_one(said):
    assert unit_of({"value": 3, **said})[0] == "?"
    assert list(registers([{"sampledValue": [{"value": 3, **said}]}])) == []
