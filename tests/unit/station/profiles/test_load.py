"""Profiles as files: what they say, and what is said of their mistakes."""

from pathlib import Path
from textwrap import dedent

import pytest

from bridge.errors import ProjectError
from bridge.project import Project
from bridge.station.profiles.load import doubts, load_profiles
from bridge.station.profiles.profile import Profiles
from bridge.station.profiles.settings import DEFAULT, Settings
from tests.unit.station.rig import TABLE


@pytest.fixture
def load(tmp_path: Path):
    def load(assigned: tuple[str, ...] = (), **texts: str) -> Profiles:
        files = {f"{name}.yaml": tmp_path / f"{name}.yaml" for name in texts}
        for name, text in texts.items():
            files[f"{name}.yaml"].write_text(dedent(text), "utf-8")
        return load_profiles(files, TABLE.measurands, assigned)

    return load


def mistakes(work, tmp_path: Path) -> list[str]:
    with pytest.raises(ProjectError) as caught:
        work()
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_everything_that_a_profile_may_say(load):
    found = load(
        acme="""
        description: The One of ACME
        match: {vendor: ACME, model: [One, "Two*"], firmware: "1.10"}
        connectors: 2
        identities: {"4711": CP1}
        validation: strict
        units: {Power.Active.Import: kW, Vendor.Own: kWh}
        phases: {"1": L1, X: ""}
        clock_offset: -3600
        configuration: {A: 1, B: true, C: 0.5, D: text, E: "", F: off}
        variables: {C.V: 1}
        pending_until_configured: true
        required: true
        reset: when-idle
        """
    ).named("acme")
    assert found.match.model == ("One", "Two*")
    assert found.settings == Settings(
        validation="strict",
        units={"Power.Active.Import": "kW", "Vendor.Own": "kWh"},
        phases={"1": "L1", "X": ""},
        clock_offset=-3600,
    )
    assert found.configuration == {"A": "1", "B": "true", "C": "0.5", "D": "text", "E": "", "F": "off"}
    assert (found.variables, found.identities, found.connectors) == ({"C.V": "1"}, {"4711": "CP1"}, 2)
    assert (found.pending_until_configured, found.required, found.reset) == (True, True, "when-idle")


@pytest.mark.parametrize(
    "text",
    [
        *("010", "00123", "1.10", "0x10", "1_000", "1e3", "12:30:00", "2026-01-01", "100000000000000000000000.0"),
        *("true", "True", "yes", "off", ".inf", "=", "+5"),
    ],
)
@pytest.mark.parametrize("section", ["configuration: {A.B: %s}", "variables:\n  A.B: %s\n"])
def test_a_value_is_the_text_that_is_written(load, section, text):
    found = load(acme=section % text).named("acme")
    assert {**found.configuration, **found.variables} == {"A.B": text}


def test_a_value_may_be_in_quotes_or_on_several_lines(load):
    found = load(acme="configuration:\n  A: '010'\n  B: \"x\\ty\"\n  C: >-\n    1,\n    2\n").named("acme")
    assert found.configuration == {"A": "010", "B": "x\ty", "C": "1, 2"}


def test_a_unit_of_what_is_no_measurand_of_ocpp_is_doubted(load):
    profiles = load(acme="units: {Power.Active.Import: kW, Power.Active.Imort: kW, Foo: kWh}")
    file = "datapoints/profiles/acme.yaml"
    assert [str(doubt) for doubt in doubts(profiles, TABLE.measurands)] == [
        f"{file}: units.Power.Active.Imort: no measurand of OCPP; did you mean Power.Active.Import?",
        f"{file}: units.Foo: no measurand of OCPP",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "description: x\nunits:\n"])
def test_an_empty_profile_says_nothing(load, text):
    found = load(acme=text).named("acme")
    assert found.settings is DEFAULT
    assert (found.match, found.connectors, found.pending_until_configured) == (None, 0, None)


def test_the_shipped_profiles_load_and_fit_nobody_by_themselves():
    profiles = load_profiles(Project(Path("/nowhere")).profiles(), TABLE.measurands)
    assert [(profile.name, profile.match) for profile in profiles] == [("generic", None)]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("matches: {}", "line 1, matches", "unknown key; did you mean match?"),
        ("connectors: 1\nmatch: {vender: A}", "line 2, match.vender", "unknown key; did you mean vendor?"),
        ("connectors: two", "line 1, connectors", 'expected `int`, got `str`, found "two"'),
        ("connectors: -1", "line 1, connectors", "expected `int` >= 0, found -1"),
        ("match:\n  firmware: 1.10", "line 2, match.firmware", 'found 1.1; put it into quotes: "1.10"'),
        ("match: ACME", "line 1, match", 'expected keys with their values, found "ACME"'),
        ("validation: loose", "line 1, validation", 'expected one of strict, lenient, off, found "loose"'),
        ("reset: true", "line 1, reset", "expected one of never, when-idle, found true"),
        ("units:\n  Power.Active.Import: kWh", "line 2, units.Power.Active.Import", 'one of W, kW, found "kWh"'),
        ("phases:\n  1: L1", "line 2, phases.1", 'expected a text as the key; put it into quotes: "1"'),
        ("phases:\n  A: L4", "line 2, phases.A", 'for none, found "L4"'),
        ("configuration:\n  A:", "line 2, configuration.A", "expected a value, found nothing"),
        ("configuration:\n  A: [1]", "line 2, configuration.A", "found [1]"),
        ("configuration:\n  A: 1\n  A: 2", "line 3, configuration.A", "is there twice, first in line 2"),
        ("configuration:\n  A:\n    - 1", "line 2, configuration.A", "expected `str`, got `array`"),
        ("configuration: {A: 1,\n a: 2}", "line 2, configuration.a", "is the same as A: capitals do not count"),
        ("variables: {C.V: 1,\n c.v: 2}", "line 2, variables.c.v", "is the same as C.V"),
        ("configuration:\n  " + "K" * 51 + ": 1", "line 2, configuration.KKK", "names of at most 50 characters"),
        ("variables:\n  C." + "V" * 51 + ": 1", "line 2, variables.C.VVV", "names of at most 50 characters"),
        ("configuration:\n  A: " + "v" * 501, "line 2, configuration.A", "at most 500 characters, found 501"),
        ("configuration:\n  AuthorizationKey: x", "line 2, configuration.AuthorizationKey", "expected no secrets"),
        ("variables:\n  SecurityCtrlr.BasicAuthPassword: x", "BasicAuthPassword", "expected no secrets"),
        ("variables:\n  Interval: 5", "line 2, variables.Interval", "expected Component[.instance]"),
        ('identities:\n  "a*": b', "line 2, identities.a*", "at most one *"),
        ('identities:\n  "a": "b/c"', "line 2, identities.a", "without /"),
        ("clock_offset: 1000000", "line 1, clock_offset", "found 1000000"),
        ("- a\n- b", "line 1", "expected keys with their values"),
        ("a: [", "line 1", "this is not YAML"),
    ],
)
def test_a_mistake_is_named_with_file_line_key_and_what_was_expected(load, tmp_path, text, line, what):
    [said] = mistakes(lambda: load(acme=text), tmp_path)
    assert said.startswith("acme.yaml: line")
    assert line in said
    assert what in said


def test_all_mistakes_of_all_files_are_named_in_one_go(load, tmp_path):
    said = mistakes(lambda: load(a="connectors: x\nreset: no", b="foo: 1", assigned=("", "c")), tmp_path)
    assert [text.partition(":")[0] for text in said] == ["a.yaml", "a.yaml", "b.yaml", "config.toml"]
    assert 'station[1].profile: expected one of a, b (datapoints/profiles/), found "c"' in said[3]


def test_a_name_that_stations_connect_as_means_one_station(load, tmp_path):
    [said] = mistakes(lambda: load(a='identities: {"SN 1": CP1}', b='identities: {"sn 1": CP2}'), tmp_path)
    assert "identities.sn 1: is CP1 in a.yaml; expected one of them" in said
