"""What a profile corrects in a payload."""

from typing import Any

import pytest

from bridge.station.fixes import fixed, needs_fixing
from bridge.station.profiles.settings import DEFAULT, Settings


def meter(**sample: Any) -> dict[str, Any]:
    return {"connectorId": 1, "meterValue": [{"timestamp": "2027-01-15T10:00:00Z", "sampledValue": [sample]}]}


@pytest.mark.parametrize(
    ("settings", "version", "came", "meant"),
    [
        (Settings(units={"Voltage": "V"}), "1.6", {"measurand": "Voltage", "unit": "A"}, {"unit": "V"}),
        (Settings(units={"Energy.Active.Import.Register": "kWh"}), "1.6", {"value": "3"}, {"unit": "kWh"}),
        (Settings(units={"Voltage": "V"}), "1.6", {"measurand": "SoC", "unit": "A"}, {}),
        (Settings(units={"Voltage": "V"}), "2.1", {"measurand": "Voltage"}, {"unitOfMeasure": {"unit": "V"}}),
        (
            Settings(units={"Voltage": "V"}),
            "2.1",
            {"measurand": "Voltage", "unitOfMeasure": {"unit": "kV", "multiplier": 3}},
            {"unitOfMeasure": {"unit": "V"}},  # the value is in V: nothing of what it says of its unit counts
        ),
        (Settings(phases={"R": "L1"}), "1.6", {"phase": "R"}, {"phase": "L1"}),
        (Settings(phases={"R": "L1"}), "1.6", {"phase": "L2"}, {}),
    ],
)
def test_a_sampled_value_is_read_as_it_is_meant(settings, version, came, meant):
    assert fixed(meter(**came), settings, version) == meter(**{**came, **meant})


def test_a_phase_that_means_none_is_left_out():
    assert fixed(meter(phase="N", context=""), Settings(phases={"N": ""}), "1.6") == meter(context="")


@pytest.mark.parametrize(
    ("came", "meant"),
    [
        ("2027-01-15T10:00:00Z", "2027-01-15T08:00:00.000Z"),
        ("2027-01-15T10:00:00", "2027-01-15T08:00:00.000Z"),
        ("2027-01-15T10:00:00+01:00", "2027-01-15T07:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("soon", "soon"),
        (7, 7),
        (None, None),
    ],
)
def test_a_time_is_moved_by_the_clocks_offset_wherever_it_stands(came, meant):
    settings = Settings(clock_offset=7200.0)
    payload = {"timestamp": came, "eventData": [{"timestamp": came, "actualValue": "2027-01-15T10:00:00Z"}]}
    moved = {"timestamp": meant, "eventData": [{"timestamp": meant, "actualValue": "2027-01-15T10:00:00Z"}]}
    assert fixed(payload, settings, "2.1") == moved


def test_nothing_is_looked_through_without_need():
    assert not needs_fixing(DEFAULT)
    assert not needs_fixing(Settings(validation="strict"))
    assert needs_fixing(Settings(clock_offset=1.0))
