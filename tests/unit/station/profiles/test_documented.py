"""docs/profiles.md says what profiles do."""

import re
from pathlib import Path

import tomli

from bridge.config import Config
from bridge.station.profiles.load import FORM, load_profiles
from bridge.station.profiles.profile import Make
from tests.unit.station.rig import TABLE

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "profiles.md").read_text("utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_worked_example_is_a_profile_for_the_station_of_the_configuration(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(block("yaml"), "utf-8")
    config = Config.model_validate(tomli.loads(block("toml")))
    assigned = [station.profile for station in config.station]
    profiles = load_profiles({"acme.yaml": path}, TABLE.measurands, assigned)
    assert profiles.match(Make("Acme GmbH", "One-22", "1.0")).name == "acme"
    assert profiles.match(Make("Acme GmbH", "Two", "1.0")) is None
    assert (profiles.identity("4711-0815"), profiles.identity("ACME-007")) == ("CP001", "CP-007")


def test_every_key_is_on_the_page_and_in_the_shipped_example():
    example = (ROOT / "datapoints" / "profiles" / "generic.yaml").read_text("utf-8")
    assert [key for key in FORM if f"{key}:" not in example] == []
    assert [key for key in FORM if f"`{key}`" not in PAGE and key != "description"] == []


def test_the_shipped_example_is_right_when_its_comments_are_taken_away(tmp_path):
    example = (ROOT / "datapoints" / "profiles" / "generic.yaml").read_text("utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(re.sub(r"(?m)^# (?=( *[\w\".*-]+:))", "", example), "utf-8")
    own = load_profiles({"own.yaml": path}, TABLE.measurands).named("own")
    assert own.configuration == {"MeterValueSampleInterval": "60"}
    assert own.variables == {"SampledDataCtrlr.TxUpdatedInterval": "60"}
    assert (own.match.vendor, own.settings.clock_offset) == (("ACME*",), 3600)


def test_the_states_on_the_page_are_those_of_the_point():
    names = TABLE.enumerations["ConfigurationState"].numbers
    assert [name for name in names if name not in PAGE] == []
