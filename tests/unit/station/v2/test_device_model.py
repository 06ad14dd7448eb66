"""The device model of a station, put together from its reports."""

import random
import tracemalloc
from typing import Any

import pytest

from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS
from bridge.points.layout import build_layout
from bridge.points.rows import Type
from bridge.points.tree import Tree, Update
from bridge.station.v2.device_model import MAX_POINTS, Catalogue, DeviceModel, Reading, read_request
from bridge.station.v2.reports import Reports
from bridge.station.v2.variables import set_request

NOW = "2026-01-01T00:00:00Z"
TYPES = ["decimal", "integer", "boolean", "string", "dateTime", "OptionList", "MemberList", "SequenceList"]
VALUES = {"decimal": "16.5", "integer": "7", "boolean": "true", "dateTime": NOW}


def entry(
    name: str,
    value: str | None = "x",
    component: str = "Ctrlr",
    data_type: str = "string",
    attributes: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "component": {"name": component, **more.pop("at", {})},
        "variable": {"name": name},
        "variableAttribute": attributes or [{"type": "Actual", **({"value": value} if value is not None else {})}],
        "variableCharacteristics": {"dataType": data_type, "supportsMonitoring": False, **more},
    }


def report(*entries: dict[str, Any], number: int = 0, more: bool = False) -> dict[str, Any]:
    return {"requestId": 1, "generatedAt": NOW, "seqNo": number, "tbc": more, "reportData": list(entries)}


def parts(variables: int = 1000, count: int = 40) -> list[dict[str, Any]]:
    """The NotifyReports of a station with so many variables."""
    entries = [
        entry(
            f"Variable{number}",
            VALUES.get(TYPES[number % 8], "A"),
            f"Component{number // 20}",
            TYPES[number % 8],
            valuesList="A,B,C",
            at={"evse": {"id": number % 4 + 1, "connectorId": 1}} if number % 2 else {},
        )
        for number in range(variables)
    ]
    size = variables // count
    return [
        report(*entries[number * size : (number + 1) * size], number=number, more=number < count - 1)
        for number in range(count)
    ]


def values(readings: list[Reading]) -> dict[str, Any]:
    return {reading.described.row.key.removeprefix("Configuration."): reading.value for reading in readings}


@pytest.fixture
def model() -> DeviceModel:
    return DeviceModel(Catalogue())


def test_the_reports_of_these_tests_are_those_of_the_schema():
    for version in ("2.0.1", "2.1"):
        for payload in parts(80, 4):
            assert schemas(VERSIONS[version]).check_request("NotifyReport", payload) == ()


def test_a_model_in_shuffled_parts_is_the_same_as_in_order(model):
    told = parts()
    random.Random(7).shuffle(told)  # noqa: S311 - the same order every time
    reports, readings, complete = Reports(), [], []
    for payload in told:
        readings += model.report(payload)
        complete.append(reports.take("NotifyReport", payload, []) is not None)
    assert complete == [False] * 39 + [True]
    in_order = DeviceModel(Catalogue())
    assert values(readings) == values([reading for payload in parts() for reading in in_order.report(payload)])
    assert len(model) == 1000
    assert {reading.told for reading in readings} == {True}
    assert {reading.problem for reading in readings} == {""}


def test_every_attribute_that_is_there_is_a_point(model):
    found = model.report(
        report(
            entry(
                "Limit",
                data_type="decimal",
                attributes=[
                    {"type": "Actual", "value": "16", "mutability": "ReadOnly"},
                    {"type": "Target", "value": "20"},
                    {"type": "MinSet", "value": "6"},
                    {"type": "MaxSet", "value": "32"},
                ],
            ),
            entry("Plain", attributes=[{"value": "no type means Actual"}]),
            entry("Odd", attributes=[{"type": "Desired", "value": "?"}]),
        )
    )
    assert values(found) == {
        "Ctrlr.Limit": 16.0,
        "Ctrlr.Limit.Target": 20.0,
        "Ctrlr.Limit.MinSet": 6.0,
        "Ctrlr.Limit.MaxSet": 32.0,
        "Ctrlr.Plain": "no type means Actual",
    }
    writable = {reading.described.row.key: reading.described.row.writable for reading in found}
    assert writable["Configuration.Ctrlr.Limit"] is False
    assert writable["Configuration.Ctrlr.Limit.Target"] is True


def test_what_the_station_does_not_tell_has_a_point_and_no_value(model):
    found = model.report(
        report(
            entry("NotYet", None, data_type="integer"),
            entry("Key", attributes=[{"value": "secret", "mutability": "WriteOnly"}]),
            entry("BasicAuthPassword", "secret", "SecurityCtrlr"),
        )
    )
    assert [(reading.value, reading.told) for reading in found] == [(None, False)] * 3
    assert len(model) == 3


def test_a_value_that_cannot_be_read_says_why(model):
    (found,) = model.report(report(entry("Number", "many", data_type="integer")))
    assert (found.value, found.told) == (None, True)
    assert "'many' is not a number" in found.problem


def test_variables_whose_paths_would_be_the_same_are_told_apart(model):
    found = model.report(
        report(
            entry("a.b", "1"), entry("a_b", "2"), entry("a b", "3"), entry("a_b", "4"), entry("x", at={"instance": "1"})
        )
    )
    assert [reading.described.row.key for reading in found] == [
        "Configuration.Ctrlr.a_b",
        "Configuration.Ctrlr.a_b~2",
        "Configuration.Ctrlr.a_b~3",
        "Configuration.Ctrlr.a_b~2",
        "Configuration.Ctrlr.1.x",
    ]
    after = DeviceModel(Catalogue())
    after.restore(Catalogue().read(model.keep()))
    again = after.report(report(entry("a b", "9"), entry("a.b", "8")))
    assert values(again) == {"Ctrlr.a_b~3": "9", "Ctrlr.a_b": "8"}


def test_names_are_the_same_in_capital_and_small_letters(model):
    model.report(report(entry("Enabled", "true", "AuthCtrlr", "boolean")))
    named = {"component": {"name": "authctrlr"}, "variable": {"name": "ENABLED"}}
    key = "AuthCtrlr.Enabled"
    told = {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "false", **named}]}
    assert values(model.results(told)) == {key: False}
    (done,) = model.set(
        {"setVariableData": [{**named, "attributeValue": "true"}]},
        {"setVariableResult": [{"attributeStatus": "Accepted", **named, "component": {"name": "Ctrlr"}}]},
    )
    assert done.reading is None  # it is another component's
    (done,) = model.set(
        {"setVariableData": [{**named, "attributeValue": "true"}]},
        {"setVariableResult": [{**named, "attributeStatus": "Accepted", "component": {"name": "AuthCtrlr"}}]},
    )
    assert done.reading is not None
    assert values([done.reading]) == {key: True}
    found = model.event({**named, "actualValue": "false"})
    assert found is not None
    assert values([found]) == {key: False}
    assert values(model.report(report(entry("enabled", "true", "AUTHCTRLR", "boolean")))) == {key: True}
    assert len(model) == 1


def test_a_path_stays_with_its_variable_though_another_one_of_that_path_is_gone(model):
    first, second, third = entry("V", "1", "A b"), entry("V", "2", "A_b"), entry("V", "3", "A.b")
    model.report(report(first, second))
    second_key = "Configuration.A_b.V~2"
    assert model.forget({second_key}) == ["Configuration.A_b.V"]
    assert model.at("Configuration.A_b.V") is None
    assert model.forget({second_key}) == []
    restarted = DeviceModel(Catalogue())
    restarted.restore(Catalogue().read(model.keep()))
    for after in (model, restarted):
        assert after.at("Configuration.A_b.V") is None
        assert values(after.report(report(second))) == {"A_b.V~2": "2"}
        assert values(after.report(report(third))) == {"A_b.V~3": "3"}
        assert values(after.report(report(first))) == {"A_b.V": "1"}
        assert after.at("Configuration.A_b.V") is not None


def test_all_attributes_of_a_variable_have_the_same_number(model):
    both = [{"type": "Target", "value": "2"}, {"type": "Actual", "value": "3"}]
    found = model.report(report(entry("V", "1", "A b"), entry("V", None, "A_b", attributes=both)))
    assert values(found) == {"A_b.V": "1", "A_b.V~2.Target": "2", "A_b.V~2": "3"}


@pytest.mark.parametrize("order", [1, -1])
def test_what_has_the_name_of_an_attribute_or_a_property_has_a_path_that_no_order_changes(model, order):
    entries = [
        entry("V", attributes=[{"value": "7"}, {"type": "Target", "value": "8"}]),
        {**entry("V", "9"), "variable": {"name": "V", "instance": "target"}},
        {**entry("V", "10"), "variable": {"name": "V", "instance": "EURange"}},
        entry("EngineeringUnits", "11", at={"instance": "V"}),
    ]
    assert values(model.report(report(*entries[::order]))) == {
        "Ctrlr.V": "7",
        "Ctrlr.V.Target": "8",
        "Ctrlr.V.target_": "9",
        "Ctrlr.V.EURange_": "10",
        "Ctrlr.V.EngineeringUnits_": "11",
    }


def test_a_point_is_found_by_its_key_to_be_written(model):
    model.report(report(entry("Interval", "60", data_type="integer", minLimit=1, maxLimit=900)))
    described = model.at("Configuration.Ctrlr.Interval")
    assert described is not None
    request = set_request(described, 300)
    assert schemas(VERSIONS["2.0.1"]).check_request("SetVariables", request) == ()
    assert request["setVariableData"][0]["attributeValue"] == "300"
    assert schemas(VERSIONS["2.0.1"]).check_request("GetVariables", read_request(described)) == ()
    assert model.at("Configuration.Ctrlr.Other") is None


# --- what comes after the report


def event(name: str, value: str, component: str = "Ctrlr") -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": name}, "actualValue": value, "timestamp": NOW}


def test_an_event_changes_the_variable_that_it_speaks_of(model):
    model.report(report(entry("Temperature", "20", data_type="decimal")))
    found = model.event(event("Temperature", "61.5"))
    assert found is not None
    assert (found.described.row.key, found.value) == ("Configuration.Ctrlr.Temperature", 61.5)
    assert model.event(event("Unheard", "1")) is None
    assert model.event({}) is None


def test_an_answer_to_get_variables_changes_what_it_tells_and_makes_nothing_without_a_type(model):
    model.report(report(entry("Interval", "60", data_type="integer")))
    name = {"component": {"name": "Ctrlr"}, "variable": {"name": "Interval"}}
    new = {"component": {"name": "Other"}, "variable": {"name": "V"}}
    found = model.results(
        {
            "getVariableResult": [
                {"attributeStatus": "Accepted", "attributeValue": "61", **name},
                {"attributeStatus": "Accepted", "attributeValue": "x", **new},
                {"attributeStatus": "NotSupportedAttributeType", "attributeType": "Target", **name},
                {"attributeStatus": "Accepted", "attributeValue": "x", "component": {}},
            ]
        }
    )
    assert values(found) == {"Ctrlr.Interval": 61}
    model.report(report(entry("V", "5", component="Other", data_type="integer")))
    assert values(
        model.results({"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "6", **new}]})
    ) == {"Other.V": 6}


def test_a_report_without_characteristics_changes_nothing_but_the_value(model):
    model.report(report(entry("Limit", "16", data_type="decimal", unit="A", maximum=32)))
    bare = entry("Limit", "20")
    del bare["variableCharacteristics"]
    (reading,) = model.report(report(bare))
    assert (reading.value, reading.described.row.type, reading.described.row.unit) == (20.0, Type.DOUBLE, "A")


def set_entry(name: str, value: str, **more: Any) -> dict[str, Any]:
    return {"attributeValue": value, "component": {"name": "Ctrlr"}, "variable": {"name": name}, **more}


def set_result(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"attributeStatus": status, "component": {"name": "Ctrlr"}, "variable": {"name": name}, **more}


def test_a_variable_changes_when_the_station_confirms_that_it_was_set(model):
    model.report(report(*(entry(name, "1", data_type="integer") for name in "ABCD")))
    done = model.set(
        {"setVariableData": [set_entry(name, "2") for name in "ABCD"] + [set_entry("E", "2")]},
        {
            "setVariableResult": [
                set_result("D", "Accepted"),  # not in the order of the request
                set_result("A", "Accepted"),
                set_result("B", "RebootRequired"),
                set_result("C", "Rejected"),
                set_result("E", "UnknownVariable"),
            ]
        },
    )
    assert [result.status for result in done] == [
        "Accepted",
        "Accepted",
        "RebootRequired",
        "Rejected",
        "UnknownVariable",
    ]
    assert values([result.reading for result in done if result.reading]) == {"Ctrlr.D": 2, "Ctrlr.A": 2}


def test_attributes_are_set_each_by_itself(model):
    attributes = [{"type": "Actual", "value": "1"}, {"type": "Target", "value": "1"}]
    model.report(report(entry("A", data_type="integer", attributes=attributes)))
    done = model.set(
        {"setVariableData": [set_entry("A", "5", attributeType="Target")]},
        {"setVariableResult": [set_result("A", "Accepted", attributeType="Target")]},
    )
    assert values([result.reading for result in done if result.reading]) == {"Ctrlr.A.Target": 5}


def test_a_secret_that_was_set_is_not_shown(model):
    model.report(report(entry("BasicAuthPassword", None, "Ctrlr")))
    (done,) = model.set(
        {"setVariableData": [set_entry("BasicAuthPassword", "secret")]},
        {"setVariableResult": [set_result("BasicAuthPassword", "Accepted")]},
    )
    assert done.reading is not None
    assert (done.reading.value, done.reading.told) == (None, False)


def test_what_can_only_be_written_is_hidden(model):
    model.report(
        report(entry("Key", attributes=[{"mutability": "WriteOnly"}]), entry("BasicAuthPassword"), entry("Plain"))
    )
    names = ["Key", "KEY", "BasicAuthPassword", "Plain", "Unheard"]
    assert [model.hides(set_entry(name, "s")) for name in names] == [True, True, True, False, False]
    model.forget(set())
    assert model.hides(set_entry("Key", "s"))
    assert not model.hides({})


@pytest.mark.parametrize("odd", [None, 5, "x", {}, [None, 5, {}], [{"component": 5, "variable": []}]])
def test_what_makes_no_sense_changes_nothing(model, odd):
    assert model.report({"reportData": odd}) == []
    assert model.results({"getVariableResult": odd}) == []
    assert all(result.reading is None for result in model.set({"setVariableData": odd}, {"setVariableResult": odd}))
    assert len(model) == 0


# --- what it costs


def test_stations_that_report_the_same_share_their_rows():
    catalogue = Catalogue()
    models = [DeviceModel(catalogue) for _ in range(3)]
    rows = [[reading.described.row for payload in parts() for reading in model.report(payload)] for model in models]
    assert all(one is other for one, other in zip(rows[0], rows[2], strict=True))
    assert len(catalogue) == 1000


def test_a_station_cannot_have_more_points_than_there_may_be(model):
    found = [reading for payload in parts(3000, 40) for reading in model.report(payload)]
    assert len(found) == len(model) == MAX_POINTS
    assert model.left_out == 1000


def test_a_station_of_1000_variables_takes_less_than_1_mb_beside_what_is_shared():
    catalogue, layout = Catalogue(), build_layout("station", [])
    tree = Tree(layout)
    told = parts()
    for payload in told:
        DeviceModel(catalogue).report(payload)  # what is shared
    tracemalloc.start()
    try:
        model, group = DeviceModel(catalogue), tree.add_station("CP", "CP", layout)
        for payload in told:
            for reading in model.report(payload):
                slot = group.extend(reading.described.row)
                assert slot is not None
                tree.apply(group, [Update(slot, reading.value, 1.0)], 2.0)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 1_000_000
