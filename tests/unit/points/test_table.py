"""A mistake in datapoints/*.yaml is named with its file, its place, and what was expected. All in one go."""

import pytest

from bridge.errors import ProjectError
from bridge.points.rows import Type
from bridge.points.rowspec import Source
from bridge.points.table import load_table
from bridge.project import Project, shipped
from tests.unit.points.helpers import own, point, problems_of

SHIPPED = Project(shipped()).datapoints()


# --- what is right


def test_a_site_adds_a_row_of_its_own(load):
    table = load(
        own=own(
            point(
                key="Own.Power",
                type="Double",
                unit="W",
                access="W",
                range="[0, 100]",
                initial=5,
                transform="kilo",
                **{"from": '{"1.6": DataTransfer.data}'},
            )
        )
    )
    found = next(row for row in table.rows["station"] if row.row.key == "Own.Power")
    assert (found.row.folder, found.row.name, found.row.type) == ("Own", "Power", Type.DOUBLE)
    assert (found.row.unit, found.row.writable, found.row.range) == ("W", True, (0.0, 100.0))
    assert (found.row.initial, type(found.row.initial)) == (5.0, float)
    assert (found.transform, found.row.kept) == ("kilo", False)
    assert found.sources == {"1.6": (Source("DataTransfer", ("data",)),)}
    assert found.row.source == "1.6: DataTransfer.data"


def test_a_site_declares_an_enumeration_of_its_own(load):
    text = SHIPPED["enumerations.yaml"].read_text(encoding="utf-8") + "\nLamp: {Off: 0, On: 1, N: 2}\n"
    table = load(enumerations=text, own=own(point(type="Lamp", initial="On", quality="kept")))
    row = next(found.row for found in table.rows["station"] if found.row.key == "Own.Point")
    assert row.enumeration is not None
    assert (row.type, row.enumeration.name, row.initial, row.kept) == (Type.INT32, "Lamp", 1, True)
    assert row.enumeration.numbers == {"Off": 0, "On": 1, "N": 2}  # texts, though YAML 1.1 has other ideas


def test_a_file_may_be_for_several_kinds(load):
    table = load(own="for: [station, connector]\nfolders: {Own: mine}\npoints: [" + point() + "]")
    for kind in ("station", "connector"):
        assert "Own.Point" in [found.row.key for found in table.rows[kind]]
        assert table.folders[kind]["Own"] == "mine"
    assert "Own.Point" not in [found.row.key for found in table.rows["bridge"]]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Act.field", Source("Act", ("field",))),
        ("Act.a.b", Source("Act", ("a", "b"))),
        ("Act.@time", Source("Act", ("@time",))),
        ("Act.response.a.b", Source("Act", ("a", "b"), response=True)),
        ("Act.responses", Source("Act", ("responses",))),
    ],
)
def test_a_source_is_read(text, source):
    assert Source.parse(text) == source


# --- what is wrong in a row

WRONG_ROWS = [
    (point(type="Float"), "type: expected one of Boolean, Int32, UInt32, Double, String, DateTime, Regis"),
    (point(type="Double", unit="kWh"), "unit: expected one of Wh, W, A, V, varh, var, VA, VAh, Hz, Celsius, Percent"),
    (point(transform="half"), 'transform: expected one of json, count, kilo, milli; found "half"'),
    (point(description='" "'), "a description is missing"),
    (point(key="Own..Point"), "a key is names with a dot between them"),
    (point(key='""'), "a key is names with a dot between them"),
    (point(**{"from": '{"1.6": Heartbeat}'}), 'from: expected "Action.field", found "Heartbeat"'),
    (point(**{"from": '{"1.6": [A.b, A.]}'}), 'from: expected "Action.field", found "A."'),
    (point(**{"from": '{"1.6": A..b}'}), 'from: expected "Action.field", found "A..b"'),
    (point(type="Int32", initial="many"), "initial: expected a Int32, but 'many' is not a number"),
    (point(type="UInt32", initial=-1), "initial: expected a UInt32, but -1 is out of the range of UInt32"),
    (point(type="Double", initial=".nan"), "initial: expected a Double, but nan is not a finite number"),
    (point(type="LogStatus", initial="Busy"), "initial: expected a LogStatus, but 'Busy' is no LogStatus"),
    (point(type="Boolean", initial=1), "initial: expected a Boolean, but 1 is neither true nor false"),
    (point(type="Double", range="[5, 5]"), "range: expected the lower end first, found [5.0, 5.0]"),
]


@pytest.mark.parametrize(("row", "what"), WRONG_ROWS)
def test_a_mistake_in_a_row_names_the_row_and_what_was_expected(load, row, what):
    problems = problems_of(load, own=own(point(key="Own.Right"), row))
    assert len(problems) == 1
    file, where, said = problems[0]
    assert (file, where.startswith("points[1] (")) == ("own.yaml", True)
    assert said.startswith(what)


# --- what is wrong with the form of a file

WRONG_FORMS = [
    (own(point(type=None)), "points[0]", "Object missing required field `type`"),
    (own(point(description=None)), "points[0]", "Object missing required field `description`"),
    (own(point(colour="red")), "points[0]", "Object contains unknown field `colour`"),
    (own(point(access="RW")), "points[0].access", "Invalid enum value 'RW'"),
    (own(point(quality="good")), "points[0].quality", "Invalid enum value 'good'"),
    (own(point(unit="5")), "points[0].unit", "Expected `str`, got `int`"),
    (own(point(range="[1]")), "points[0].range", "Expected `array` of length 2, got 1"),
    (own(point(**{"from": "{1.6: A.b}"})), "key in points[0].from", "Expected `str`, got `float`"),
    ("for: [depot]\npoints: []", "for[0]", "Invalid enum value 'depot'"),
    ("points: []", "", "Object missing required field `for`"),
    ("for: [station]", "", "Object missing required field `points`"),
    ("for: [station]\npoints: []\nfolders: {A: 5}", "folders[...]", "Expected `str`, got `int`"),
    ("", "", "Expected `object`, got `null`"),
    ("- a\n- b", "", "Expected `object`, got `array`"),
]


@pytest.mark.parametrize(("text", "where", "what"), WRONG_FORMS)
def test_a_file_of_another_form_is_named_with_the_place(load, text, where, what):
    assert problems_of(load, own=text) == [("own.yaml", where, what)]


UNREADABLE = [
    ("a: [1", "line 1", "this is not YAML: "),
    ("a: 1\nb: {c\nd: ]", "line 3", "this is not YAML: "),
    ("a: !!python/object:os.system {}", "line 1", "this is not YAML: could not determine a constructor"),
    ("? [a, b]\n: 1", "line 1", "this is not YAML: found unhashable key"),
    (b"a: \xff\xfe", "", "cannot be read: 'utf-8' codec can't decode"),
    ("a: \x01", "", "cannot be read: unacceptable character"),
]


@pytest.mark.parametrize(("text", "where", "what"), UNREADABLE)
def test_what_is_no_yaml_is_named_with_the_line(load, text, where, what):
    problems = problems_of(load, own=text)
    assert len(problems) == 1
    assert problems[0][:2] == ("own.yaml", where)
    assert problems[0][2].startswith(what)


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(ProjectError) as caught:
        load_table({**SHIPPED, "gone.yaml": tmp_path / "gone.yaml"})
    assert str(caught.value).startswith(f"{tmp_path / 'gone.yaml'}: cannot be read: [Errno 2]")


@pytest.mark.parametrize("stem", ["enumerations", "messages", "measurands"])
def test_a_file_that_is_needed_and_not_there_is_named(load, stem):
    problems = problems_of(load, **{stem: None})
    assert (f"{stem}.yaml", "", "this file is missing") in problems


# --- the files with a form of their own

NEEDED = {
    "RegistrationStatus": "{Accepted: 0, Pending: 1, Rejected: 2}",
    "ConfigurationState": (
        "{NotRequired: 0, Unconfigured: 1, Configuring: 2, Configured: 3, Drifted: 4, RebootRequired: 5}"
    ),
    "CommandState": "{Idle: 0, Queued: 1, Sent: 2, Accepted: 3, Rejected: 4, Failed: 5, Timeout: 6, Offline: 7}",
    "FileState": "{Loaded: 0, Failed: 1, Disabled: 2, RestartNeeded: 3}",
    "ConnectorStatus": "{Unknown: 0}",
    "FirmwareStatus": "{Idle: 0}",
    "DiagnosticsStatus": "{Idle: 0}",
    "PublishFirmwareStatus": "{Idle: 0}",
    "LogStatus": "{Idle: 0}",
}

WRONG_ENUMERATIONS = [
    ({"Lamp": "{Off: 0, On: 0}"}, "Lamp", "two states have the same number"),
    ({"Lamp": "{Off: 0, On: 2147483648}"}, "Lamp", "expected numbers that fit into an Int32"),
    ({"Lamp": "{Off: nothing}"}, "Lamp.Off", "Expected `int`, got `str`"),
    ({"Lamp": "5"}, "Lamp", "Expected `object`, got `int`"),
    (
        {"RegistrationStatus": "{Accepted: 0, pending: 1}"},
        "RegistrationStatus",
        "expected the states Pending, Rejected, which the bridge itself uses",
    ),
]


@pytest.mark.parametrize(("changed", "where", "what"), WRONG_ENUMERATIONS)
def test_a_mistake_in_an_enumeration_is_named(load, changed, where, what):
    text = "\n".join(f"{name}: {states}" for name, states in {**NEEDED, **changed}.items())
    assert ("enumerations.yaml", where, what) in problems_of(load, enumerations=text)


def test_the_enumerations_that_the_bridge_itself_uses_must_be_there(load):
    text = "\n".join(f"{name}: {NEEDED[name]}" for name in NEEDED if name != "CommandState")
    problems = problems_of(load, enumerations=text)
    assert problems == [
        (
            "enumerations.yaml",
            "CommandState",
            (
                "expected the states Idle, Queued, Sent, Accepted, Rejected, Failed, Timeout, Offline, "
                "which the bridge itself uses"
            ),
        )
    ]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (
            "measurands: {X: {unit: kWh, description: x}}\nphases: []\nlocations: [Outlet]",
            "measurands.X",
            "unit: expected one of Wh,",
        ),
        (
            "measurands: {X: {unit: W, description: x, location: Moon}}\nphases: []\nlocations: [Outlet, EV]",
            "measurands.X",
            'location: expected one of Outlet, EV; found "Moon"',
        ),
        (
            "measurands: {X: {unit: W}}\nphases: []\nlocations: []",
            "measurands.X",
            "Object missing required field `description`",
        ),
        ("measurands: {}\nphases: L1\nlocations: []", "phases", "Expected `array`, got `str`"),
    ],
)
def test_a_mistake_in_the_measurands_is_named(load, text, where, what):
    problems = problems_of(load, measurands=text)
    assert [problem[:2] for problem in problems] == [("measurands.yaml", where)]
    assert problems[0][2].startswith(what)


def test_a_mistake_in_the_messages_is_named(load):
    assert problems_of(load, messages='"1.6": {Heartbeat: {when: now}}') == [
        ("messages.yaml", "1.6.Heartbeat", "Object contains unknown field `when`")
    ]
