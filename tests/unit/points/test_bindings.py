"""Which field of which message fills which point."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.points.bindings import Bindings, bind
from bridge.points.layout import build_layout
from bridge.points.rows import Type
from bridge.points.rowspec import Source, TableRow
from bridge.points.table import Table
from bridge.points.tree import Quality
from tests.unit.points.helpers import COLOURS, row

ROWS = [
    (row("Simple"), ("Act.text",), ""),
    (row("Deep", Type.INT32), ("Act.a.b.c",), ""),
    (row("First"), ("Act.one", "Act.two"), ""),
    (row("Moment", Type.DATETIME), ("Act.@time",), ""),
    (row("Answer"), ("Act.response.status",), ""),
    (row("Colour", enumeration=COLOURS), ("Act.colour",), ""),
    (row("Raw"), ("Act.list",), "json"),
    (row("Count", Type.INT32), ("Act.list",), "count"),
    (row("Elsewhere"), ("Other.text", "Act.text2"), ""),
    (row("Nobody"), (), ""),
]


@pytest.fixture(scope="module")
def keys() -> list[str]:
    return [point.key for point in build_layout("station", [found for found, _, _ in ROWS]).rows]


@pytest.fixture(scope="module")
def bindings(table: Table) -> Bindings:
    rows = tuple(
        TableRow(found, {"1.6": tuple(Source.parse(text) for text in sources)} if sources else {}, transform)
        for found, sources, transform in ROWS
    )
    layout = build_layout("station", [found.row for found in rows])
    small = Table({"station": rows}, {}, {}, {}, table.measurands)
    return bind(small, "station", "1.6", layout)


def updated(bindings: Bindings, keys: list[str], payload, time: float | None = 100.0, action: str = "Act"):
    updates, problem = bindings.updates(action, payload, time, 200.0)
    return {keys[update.slot]: update for update in updates}, problem


#: payload, point, value
TABLE = [
    ({"text": "x"}, "Simple", "x"),
    ({"text": 5}, "Simple", "5"),
    ({}, "Simple", ""),
    ({"text": None}, "Simple", ""),
    ({"a": {"b": {"c": 5}}}, "Deep", 5),
    ({"a": {"b": {}}}, "Deep", None),
    ({"a": {"b": 5}}, "Deep", None),
    ({"a": []}, "Deep", None),
    ({"one": "1", "two": "2"}, "First", "1"),
    ({"two": "2"}, "First", "2"),
    ({"one": None, "two": "2"}, "First", "2"),
    ({}, "First", ""),
    ({}, "Moment", 100.0),
    ({"@time": 5}, "Moment", 100.0),
    ({"colour": "Green"}, "Colour", 1),
    ({}, "Colour", None),
    ({"list": [1, {"a": 2}]}, "Raw", '[1,{"a":2}]'),
    ({}, "Raw", ""),
    ({"list": [1, {"a": 2}]}, "Count", 2),
    ({}, "Count", None),
    ({"text2": "x"}, "Elsewhere", "x"),
]


@pytest.mark.parametrize(("payload", "key", "value"), TABLE)
def test_a_field_fills_its_point(bindings, keys, payload, key, value):
    updates, problem = updated(bindings, keys, payload)
    assert (updates[key].value, updates[key].time, updates[key].quality) == (value, 100.0, Quality.GOOD)
    assert problem == ""


def test_a_message_without_a_time_happened_now(bindings, keys):
    updates, _ = updated(bindings, keys, {"text": "x"}, time=None)
    assert (updates["Moment"].value, updates["Simple"].time) == (200.0, None)


#: payload, point, what is said of it
UNREADABLE = [
    ({"a": {"b": {"c": "x"}}}, "Deep", "a.b.c: 'x' is not a number"),
    ({"a": {"b": {"c": 2**63}}}, "Deep", "a.b.c: 9223372036854775808 is out of the range of Int32"),
    ({"colour": "Blue"}, "Colour", "colour: 'Blue' is no Colour"),
    ({"colour": ["Red"]}, "Colour", "colour: ['Red'] is no Colour"),
    ({"list": 5}, "Count", "list: object of type 'int' has no len()"),
]


@pytest.mark.parametrize(("payload", "key", "problem"), UNREADABLE)
def test_an_unreadable_field_marks_its_point_and_leaves_the_others(bindings, keys, payload, key, problem):
    updates, said = updated(bindings, keys, {**payload, "text": "x"})
    assert (updates[key].value, updates[key].quality) == (None, Quality.SUBNORMAL)
    assert (updates["Simple"].value, updates["Simple"].quality) == ("x", Quality.GOOD)
    assert said == problem


def test_our_answer_fills_points_of_its_own(bindings, keys):
    updates = bindings.answered("Act", {"status": "Accepted", "text": "no"}, 100.0, 200.0)
    assert [(keys[update.slot], update.value) for update in updates] == [("Answer", "Accepted")]
    assert "Answer" not in updated(bindings, keys, {"status": "Accepted"})[0]


def test_a_message_fills_only_its_own_points(bindings, keys):
    updates, _ = updated(bindings, keys, {"text": "x"}, action="Other")
    assert {key: update.value for key, update in updates.items()} == {"Elsewhere": "x"}


def test_a_message_without_rows_changes_nothing(bindings):
    assert bindings.updates("Unknown", {"text": "x"}, None, 0.0) == ([], "")
    assert bindings.answered("Unknown", {"text": "x"}, None, 0.0) == []


def test_another_version_has_no_bindings_of_this_one(table):
    layout = build_layout("station", [found.row for found in table.rows["station"]])
    assert bind(table, "station", "9.9", layout) == Bindings({}, {})


def test_a_status_notification_fills_all_points_of_the_status(table, connector_layout):
    bindings = bind(table, "connector", "1.6", connector_layout)
    payload = {"connectorId": 1, "status": "Faulted", "errorCode": "GroundFailure", "vendorId": "V"}
    updates, problem = bindings.updates("StatusNotification", payload, 100.0, 200.0)
    assert problem == ""
    assert {connector_layout.rows[update.slot].key: update.value for update in updates} == {
        "Status.State": 9,
        "Status.ErrorCode": "GroundFailure",
        "Status.Info": "",
        "Status.VendorId": "V",
        "Status.VendorErrorCode": "",
        "Status.Time": 100.0,
    }


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(payload=st.dictionaries(st.sampled_from(["text", "a", "one", "colour", "list"]), json))
def test_nothing_that_is_json_makes_it_fail(bindings, keys, payload):
    updates, problem = updated(bindings, keys, payload)
    assert len(updates) == 8  # all points of the action, whatever came
    assert bool(problem) is any(update.quality is Quality.SUBNORMAL for update in updates.values())
    msgspec.json.encode([update.value for update in updates.values()])
