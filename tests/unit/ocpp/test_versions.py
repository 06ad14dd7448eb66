"""The table of versions against the schemas of the ocpp package, and the choice of a version."""

from importlib.resources import files

import pytest

from bridge.ocpp.versions import VERSIONS, Version, negotiate


@pytest.mark.parametrize(
    ("offered", "configured", "chosen"),
    [
        (["ocpp0.1"], ["1.6"], None),
        (["ocpp0.1", "ocpp1.6"], ["1.6"], "1.6"),
        (["ocpp1.6"], ["2.1", "2.0.1", "1.6"], "1.6"),
        (["ocpp2.1", "ocpp2.0.1", "ocpp1.6"], ["1.6"], "1.6"),
        (["ocpp1.6"], [], None),
        ([], ["1.6"], None),
        (["", "OCPP1.6", "ocpp1.6 ", "\x00", "ocpp1.6,ocpp2.0.1"], ["1.6"], None),
        (["ocpp1.6"], ["", "nonsense"], None),
    ],
)
def test_the_first_configured_version_that_was_offered_is_spoken(offered, configured, chosen):
    """J01, J02, J03, J04."""
    version = negotiate(offered, configured)
    assert (version and version.name) == chosen


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
def test_the_actions_are_those_of_the_schemas(version: Version):
    folder = files("ocpp").joinpath(version.schemas, "schemas")
    names = {file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")}
    requests = {name.removesuffix("Response") for name in names if name.endswith("Response")}
    assert version.from_station | set(version.to_station) | version.unsupported == requests
    assert {action + version.request_suffix for action in requests} <= names
    assert names - {name for action in requests for name in (action + version.request_suffix, f"{action}Response")} == (
        version.sends
    )


def test_ocpp_16_has_14_actions_of_the_station_and_26_to_it():
    version = VERSIONS["1.6"]
    assert len(version.from_station) == 14
    assert len(version.to_station) == 26
    assert list(version.to_station) == sorted(version.to_station)
    assert version.from_station & set(version.to_station) == {"DataTransfer"}


@pytest.mark.parametrize(("name", "from_station", "to_station"), [("2.0.1", 25, 40), ("2.1", 36, 55)])
def test_ocpp_2_has_as_many_actions_as_the_standard(name, from_station, to_station):
    version = VERSIONS[name]
    assert (len(version.from_station), len(version.to_station)) == (from_station, to_station)
    assert list(version.to_station) == sorted(version.to_station)
    assert version.from_station & set(version.to_station) == {"DataTransfer"}


def test_ocpp_21_adds_to_201_and_takes_nothing_away():
    before, after = VERSIONS["2.0.1"], VERSIONS["2.1"]
    assert after.from_station - before.from_station == {
        "BatterySwap",
        "ClosePeriodicEventStream",
        "GetCertificateChainStatus",
        "NotifyDERAlarm",
        "NotifyDERStartStop",
        "NotifyPriorityCharging",
        "NotifySettlement",
        "OpenPeriodicEventStream",
        "PullDynamicScheduleUpdate",
        "ReportDERControl",
        "VatNumberValidation",
    }
    assert before.from_station < after.from_station
    assert set(before.to_station) < set(after.to_station)
    assert (before.sends, after.sends) == (frozenset(), {"NotifyPeriodicEventStream"})


@pytest.mark.parametrize("name", ["2.0.1", "2.1"])
def test_the_codes_of_2_are_spelled_as_the_standard_does(name):
    """J32, J33."""
    assert VERSIONS[name].codes == {
        "frame": "RpcFrameworkError",
        "message_type": "MessageTypeNotSupported",
        "formation": "FormatViolation",
        "occurrence": "OccurrenceConstraintViolation",
        "type": "TypeConstraintViolation",
        "property": "PropertyConstraintViolation",
    }


def test_the_codes_of_16_are_spelled_as_the_standard_does():
    """J32, J33."""
    codes = VERSIONS["1.6"].codes
    assert codes["formation"] == codes["frame"] == "FormationViolation"
    assert codes["occurrence"] == "OccurenceConstraintViolation"
    assert codes["type"] == "TypeConstraintViolation"
    assert codes["property"] == "PropertyConstraintViolation"
