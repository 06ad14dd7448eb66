"""known_stations.py: the first rule that fits what a station says of itself."""

from typing import Any

import pytest

from bridge.api import BootNotificationAnswer, BootNotificationRequest
from bridge.errors import ProjectError

BOOT = {"vendor": "Acme", "model": "Wall-22", "serial_number": "A-2024-7", "firmware_version": "1.4.2"}


@pytest.fixture
def boots(load, station):
    """The answer to a boot under these rules."""

    async def answer(*rules: dict[str, Any], **said: str) -> Any:
        runner = await load("known_stations", known_stations={"rules": list(rules)})
        request = BootNotificationRequest(station=station, version="1.6", payload={}, **{**BOOT, **said})
        found = await runner.ask("boot_notification", request)
        assert runner.errors == 0
        return found

    return answer


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"vendor": "Acme"},
        {"vendor": "aCME", "model": "wall*"},
        {"serial_number": "A-20[12][0-9]-?"},
        {"firmware_version": "1.4.*"},
        {"id": "CP*"},
        {"id": "CP1", **BOOT},
    ],
)
async def test_a_rule_fits_by_patterns_of_every_field(boots, pattern) -> None:
    assert await boots({**pattern, "status": "Rejected"}) == BootNotificationAnswer(status="Rejected")


@pytest.mark.parametrize(
    "pattern",
    [
        {"vendor": "Acm"},
        {"vendor": "Acme", "model": "Wall-11"},
        {"serial_number": "B*"},
        {"firmware_version": "2.*"},
        {"id": "CP"},
    ],
)
async def test_a_rule_that_does_not_fit_leaves_the_decision_to_others(boots, pattern) -> None:
    assert await boots({**pattern, "status": "Rejected"}) is None


async def test_the_first_rule_that_fits_decides(boots) -> None:
    rules = {"vendor": "Acme", "status": "Accepted", "interval": 60}, {"status": "Pending", "interval": 600}
    assert await boots(*rules) == BootNotificationAnswer(status="Accepted", interval=60)
    assert await boots(*rules, vendor="Other") == BootNotificationAnswer(status="Pending", interval=600)


async def test_a_station_that_does_not_say_fits_only_a_pattern_for_anything(boots) -> None:
    assert await boots({"serial_number": "?*", "status": "Accepted"}, serial_number="") is None
    assert await boots({"serial_number": "*", "status": "Accepted"}, serial_number="") is not None


@pytest.mark.parametrize(
    "settings",
    [{}, {"rules": [{}]}, {"rules": [{"status": "Fine"}]}, {"rules": [{"status": "Accepted", "vendr": "x"}]}],
)
async def test_wrong_settings_are_a_mistake_of_the_project(load, settings) -> None:
    with pytest.raises(ProjectError, match=r"known_stations\.py"):
        await load("known_stations", known_stations=settings)
