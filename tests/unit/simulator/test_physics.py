"""What flows, what limits it, and the configuration keys: pure."""

from random import Random
from typing import Any

import pytest

from bridge.simulator.physics import Car, Meter
from bridge.simulator.profiles import Profile, Profiles
from bridge.simulator.v16.configuration import Configuration
from bridge.simulator.v16.payloads import parse_profile
from tests.unit.simulator.messages import PROFILE


def seeded(seed: int | str) -> Random:
    return Random(seed)  # noqa: S311 - nothing secret


def test_energy_is_power_times_time_and_fills_the_battery():
    meter = Meter(seeded(1))
    meter.car = Car(capacity=50_000.0, soc=50.0, max_current=16.0, phases=3)
    meter.advance(0.0)
    before, power = meter.energy, meter.power
    assert power == pytest.approx(16.0 * sum(meter.voltages))
    meter.advance(360.0)
    assert meter.energy - before == pytest.approx(power / 10)
    assert meter.car.soc == pytest.approx(50.0 + 100 * (power / 10) / 50_000)


def test_a_full_car_takes_no_more():
    meter = Meter(seeded(1))
    meter.car = Car(capacity=1000.0, soc=79.0, max_current=32.0, phases=1)
    before = meter.energy
    for _ in range(200):
        meter.advance(60.0)
    assert meter.car.soc == 100.0
    assert meter.power == 0.0
    assert meter.energy - before == pytest.approx(210.0)


@pytest.mark.parametrize(("limit", "current"), [(None, 16.0), (10.0, 10.0), (5.9, 0.0), (0.0, 0.0), (99.0, 16.0)])
def test_a_limit_holds_and_below_six_amperes_nothing_flows(limit, current):
    meter = Meter(seeded(1))
    meter.car = Car(capacity=50_000.0, soc=20.0, max_current=16.0, phases=2)
    meter.advance(1.0, limit)
    assert meter.currents == [current, current, 0.0]


def profile(**changes: Any) -> Profile:
    return parse_profile(changes.pop("connector", 1), {**PROFILE, **changes}, now=1000.0)


def test_the_period_of_a_profile_that_runs_now_counts():
    periods = [{"start_period": 60, "limit": 6}, {"start_period": 0, "limit": 16}]
    found = profile(charging_schedule={"charging_rate_unit": "A", "charging_schedule_period": periods})
    assert [found.amperes(now, 230.0, 3) for now in (999.0, 1000.0, 1060.0)] == [None, 16.0, 6.0]


def test_a_limit_in_watts_is_shared_by_the_phases():
    schedule = {"charging_rate_unit": "W", "charging_schedule_period": [{"start_period": 0, "limit": 6900}]}
    assert profile(charging_schedule=schedule).amperes(1000.0, 230.0, 3) == pytest.approx(10.0)


def test_the_least_of_the_profiles_counts():
    profiles = Profiles()
    assert profiles.amperes(1, 1000.0, 230.0, 3) is None
    profiles.put(profile(connector=0))
    schedule = {"charging_rate_unit": "A", "charging_schedule_period": [{"start_period": 0, "limit": 8}]}
    profiles.put(profile(charging_profile_id=2, stack_level=1, charging_schedule=schedule))
    assert [profiles.amperes(number, 1000.0, 230.0, 3) for number in (1, 2)] == [8.0, 10.0]


@pytest.mark.parametrize(
    ("which", "cleared"),
    [
        ({}, True),
        ({"id": 1}, True),
        ({"id": 2}, False),
        ({"connector_id": 1}, True),
        ({"connector_id": 2}, False),
        ({"charging_profile_purpose": "TxDefaultProfile", "stack_level": 0}, True),
        ({"charging_profile_purpose": "TxDefaultProfile", "stack_level": 1}, False),
        ({"charging_profile_purpose": "TxProfile"}, False),
    ],
)
def test_what_fits_is_cleared(which, cleared):
    profiles = Profiles()
    profiles.put(profile())
    assert profiles.clear(**which) is cleared
    assert (profiles.amperes(1, 1000.0, 230.0, 3) is None) is cleared


def test_a_profile_replaces_the_one_at_its_place():
    profiles = Profiles()
    profiles.put(profile())
    profiles.put(profile(charging_profile_id=9))
    assert profiles.clear(id=1) is False


def test_stations_of_one_seed_are_the_same_and_of_another_are_not():
    registers = [Meter(seeded(f"{seed}/SIM0001")).energy for seed in (1, 1, 2)]
    assert registers[0] == registers[1] != registers[2]


def test_a_write_only_key_is_never_read():
    configuration = Configuration(2, 10.0, None)
    assert configuration.change("AuthorizationKey", "00112233445566778899") == "Accepted"
    assert configuration.read(["AuthorizationKey"]) == ([], ["AuthorizationKey"])
