"""What differs from a profile, and what that makes of the station's state."""

import json

import pytest

from bridge.station.profiles.profile import Profile
from bridge.station.profiles.provision import Found, Provision, details, same
from bridge.station.profiles.targets import targets


@pytest.mark.parametrize(
    ("kind", "wanted", "found", "is_same"),
    [
        # OCPP 1.6: texts
        ("", "60", "60", True),
        ("", "60", "60.0", True),
        ("", "60", " 60 ", True),
        ("", "60", "61", False),
        ("", "true", "True", True),
        ("", "true", "1", False),
        ("", "Name", "name", False),
        ("", "A,B", "A, B", True),
        ("", "A,B", "B,A", False),
        ("", "", "", True),
        ("", "60", None, False),
        # OCPP 2.x: by the variable's type
        ("integer", "60", 60, True),
        ("decimal", "0.5", 0.5, True),
        ("integer", "sixty", 60, False),
        ("boolean", "true", True, True),
        ("boolean", "True", False, False),
        ("dateTime", "2026-01-01T00:00:00Z", 1767225600.0, True),
        ("dateTime", "never", 1767225600.0, False),
        ("string", "a", "a ", False),
        ("MemberList", "A,B", "B, A", True),
        ("SequenceList", "A,B", "B,A", False),
    ],
)
def test_two_values_are_the_same_by_their_kind(kind, wanted, found, is_same):
    assert same(kind, wanted, found) is is_same


def provision(version: str = "1.6", **profile: object) -> Provision:
    return Provision(Profile(name="acme", **profile), version)


KEYS = {"A": "1", "B": "2"}


def test_what_is_not_told_or_has_another_value_is_drift():
    of = provision(configuration=KEYS)
    told = {"configuration.a": Found("1", told=True), "configuration.b": Found("3", told=True)}
    assert [(d.target.key, d.found) for d in of.drifts(told)] == [("B", "3")]
    assert [(d.target.key, d.found) for d in of.drifts({})] == [("A", None), ("B", None)]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Found(60, "integer", told=True), "60"),
        (Found(0.5, "decimal", told=True), "0.5"),
        (Found(60.0, "decimal", told=True), "60"),
        (Found(False, "boolean", told=True), "false"),
        (Found(1767225600.0, "dateTime", told=True), "2026-01-01T00:00:00.000Z"),
        (Found("text", "string", told=True), "text"),
        (Found("text"), None),
    ],
)
def test_what_is_found_is_shown_as_ocpp_writes_it(found, text):
    [drift] = provision("2.1", variables={"C.V": "other"}).drifts({"configuration.c.v": found})
    assert drift.found == text


def test_details_are_json_and_hide_what_the_station_does_not_tell():
    of = provision(configuration=KEYS)
    of.said["configuration.a"] = "Rejected"
    found = {"configuration.a": Found("9", told=True), "configuration.b": Found("secret", told=True, readable=False)}
    assert json.loads(details(of.drifts(found))) == [
        {"key": "A", "wanted": "1", "is": "9", "why": "Rejected"},
        {"key": "B", "wanted": "…", "is": "…", "why": ""},
    ]
    assert details([]) == ""


def test_more_drift_than_a_point_can_show_is_cut_between_two_values():
    of = provision(configuration={f"Key{n}": "x" * 500 for n in range(1000)})
    text = details(of.drifts({}))
    assert len(text) <= 65_536
    assert 100 < len(json.loads(text)) < 1000


def test_a_value_that_cannot_be_read_is_done_when_it_was_accepted():
    of = provision("2.1", variables={"C.V": "1"})
    [target] = of.targets.values()
    of.hear_read(target, "Rejected")
    assert [drift.hidden for drift in of.drifts({})] == [True]
    of.hear_set(target, "Accepted")
    assert of.drifts({}) == []
    of.begin()
    assert len(of.drifts({})) == 1


@pytest.mark.parametrize(
    ("said", "tried", "working", "found", "state"),
    [
        ({}, False, 0, {}, "Unconfigured"),
        ({}, False, 1, {}, "Configuring"),
        ({}, True, 0, {}, "Drifted"),
        ({"a": "RebootRequired", "b": "RebootRequired"}, True, 0, {}, "RebootRequired"),
        ({"a": "RebootRequired", "b": "Rejected"}, True, 0, {}, "Drifted"),
        ({}, True, 0, {"a": "1", "b": "2"}, "Configured"),
        ({"a": "RebootRequired"}, True, 0, {"a": "1", "b": "2"}, "RebootRequired"),  # told already, not in force
    ],
)
def test_the_state_follows_from_what_differs(said, tried, working, found, state):
    of = provision(configuration=KEYS)
    of.said = {f"configuration.{key}": why for key, why in said.items()}
    of.tried, of.working = tried, working
    drifts = of.drifts({f"configuration.{key}": Found(value, told=True) for key, value in found.items()})
    assert of.state(drifts) == state


def test_a_profile_that_wants_nothing_of_this_version_requires_nothing():
    of = provision("2.1", configuration=KEYS)
    assert (of.state(of.drifts({})), of.holds) == ("NotRequired", False)


@pytest.mark.parametrize(
    ("version", "said", "holds"),
    [("1.6", None, False), ("1.6", True, True), ("2.1", None, True), ("2.1", False, False)],
)
def test_2x_is_kept_pending_unless_the_profile_says_otherwise(version, said, holds):
    of = provision(version, configuration=KEYS, variables={"C.V": "1"}, pending_until_configured=said)
    assert of.holds is holds


@pytest.mark.parametrize(
    ("path", "readings"),
    [
        ("C.V", [("C", "", 0, 0, "V", "")]),
        ("C.V.i", [("C", "", 0, 0, "V", "i"), ("C", "V", 0, 0, "i", "")]),
        ("C.1.V", [("C", "", 1, 0, "V", ""), ("C", "1", 0, 0, "V", "")]),
        ("C.1.2.V", [("C", "", 1, 2, "V", ""), ("C", "1", 2, 0, "V", "")]),
        ("C.V.1", [("C", "", 0, 0, "V", "1")]),
        ("C.i.1.2.V.j", [("C", "i", 1, 2, "V", "j")]),
    ],
)
def test_a_path_names_a_variable_the_likeliest_first(path, readings):
    [target] = targets("2.1", {path: "x"})
    assert [tuple(variable) for variable in target.variables] == readings
    [target] = targets("2.1", {f"{path}.Target": "x"})
    assert (target.attribute, target.place) == ("Target", f"configuration.{path}.target".lower())


@pytest.mark.parametrize("path", ["C", "", "C..V", ".V", "C.", "C.0.1.2.V.i.j", "Target", "C.Target"])
def test_what_names_no_variable_is_refused(path):
    with pytest.raises(ValueError, match=r"expected Component\[.instance\]"):
        targets("2.1", {path: "x"})
