"""A variable of a device model as a point."""

import pytest

from bridge.points.rows import Type
from bridge.points.values import parse_time
from bridge.station.v2.variables import (
    Characteristics,
    Variable,
    characteristics_of,
    describe,
    key_of,
    read,
    set_request,
    variable_of,
    write,
)


def variable(name="Enabled", component="AlignedDataCtrlr", instance="", evse=0, connector=0, name_instance=""):
    return Variable(component, instance, evse, connector, name, name_instance)


def point(data_type="string", attribute="Actual", of=None, **told):
    return describe(of or variable(), attribute, Characteristics(data_type=data_type, **told))


@pytest.mark.parametrize(
    ("named", "attribute", "key"),
    [
        (variable(), "Actual", "Configuration.AlignedDataCtrlr.Enabled"),
        (variable(), "Target", "Configuration.AlignedDataCtrlr.Enabled.Target"),
        (variable(instance="Main"), "Actual", "Configuration.AlignedDataCtrlr.Main.Enabled"),
        (variable(evse=1), "Actual", "Configuration.AlignedDataCtrlr.1.Enabled"),
        (variable(evse=2, connector=1), "MaxSet", "Configuration.AlignedDataCtrlr.2.1.Enabled.MaxSet"),
        (variable(instance="M", evse=2, connector=1), "Actual", "Configuration.AlignedDataCtrlr.M.2.1.Enabled"),
        (variable("ItemsPerMessage", name_instance="GetReport"), "Actual",
         "Configuration.AlignedDataCtrlr.ItemsPerMessage.GetReport"),
        (variable("a.b c", "Ä/x", "1.2"), "Actual", "Configuration.__x.1_2.a_b_c"),
        (variable("n" * 200), "Actual", "Configuration.AlignedDataCtrlr." + "n" * 100),
    ],
)  # fmt: skip
def test_the_path_is_component_instance_evse_connector_variable(named, attribute, key):
    assert key_of(named, attribute) == key
    assert describe(named, attribute, Characteristics()).row.key == key


@pytest.mark.parametrize(
    ("component", "name", "expected"),
    [
        ({"name": "C"}, {"name": "V"}, Variable("C", "", 0, 0, "V", "")),
        ({"name": "C", "instance": "I", "evse": {"id": 2, "connectorId": 3}}, {"name": "V", "instance": "J"},
         Variable("C", "I", 2, 3, "V", "J")),
        ({"name": "C", "evse": {"id": "2"}, "instance": 5}, {"name": "V"}, Variable("C", "", 0, 0, "V", "")),
        ({"name": ""}, {"name": "V"}, None),
        ({"name": "C"}, {"name": 5}, None),
        (None, {"name": "V"}, None),
        ({"name": "C"}, [], None),
    ],
)  # fmt: skip
def test_a_variable_is_read_off_component_and_variable(component, name, expected):
    assert variable_of(component, name) == expected


TYPES = [
    ("decimal", Type.DOUBLE, "3.5", 3.5),
    ("integer", Type.INT32, " 42 ", 42),
    ("boolean", Type.BOOLEAN, "true", True),
    ("boolean", Type.BOOLEAN, "False", False),
    ("dateTime", Type.DATETIME, "2026-01-01T00:00:00Z", parse_time("2026-01-01T00:00:00Z")),
    ("string", Type.STRING, " text ", " text "),
    ("OptionList", Type.STRING, "A", "A"),
    ("SequenceList", Type.STRING, "B,A", "B,A"),
    ("MemberList", Type.STRING, "", ""),
    ("Nonsense", Type.STRING, "x", "x"),
]


@pytest.mark.parametrize(("data_type", "type_", "text", "value"), TYPES)
def test_a_variable_has_a_type_of_its_own(data_type, type_, text, value):
    described = point(data_type)
    assert described.row.type is type_
    assert read(described, text) == value


@pytest.mark.parametrize(
    ("data_type", "text"),
    [("decimal", "much"), ("decimal", "NaN"), ("integer", "1.5"), ("integer", "3000000000"), ("boolean", "1"),
     ("dateTime", "yesterday"), ("integer", "")],
)  # fmt: skip
def test_a_value_of_another_type_cannot_be_read(data_type, text):
    with pytest.raises(ValueError, match="is"):
        read(point(data_type), text)


@pytest.mark.parametrize(
    ("data_type", "unit", "shown"),
    [("decimal", "W", "W"), ("integer", "s", "s"), ("decimal", "Celsius", "Celsius"), ("decimal", "Hertz", "Hz"),
     ("integer", "seconds", "s"), ("decimal", "kW", "kW"), ("integer", "parsec", "parsec"), ("decimal", "", ""),
     ("string", "W", "")],
)  # fmt: skip
def test_a_unit_is_the_points_and_no_value_is_converted(data_type, unit, shown):
    described = point(data_type, unit=unit)
    assert described.row.unit == shown
    if data_type == "decimal":
        assert (read(described, "2.5"), write(described, 2.5)) == (2.5, "2.5")


@pytest.mark.parametrize(
    ("data_type", "low", "high", "shown"),
    [("decimal", 0.0, 32.0, (0.0, 32.0)), ("integer", 1.0, 9.0, (1.0, 9.0)), ("decimal", None, 32.0, None),
     ("decimal", 5.0, 5.0, None), ("decimal", 9.0, 1.0, None), ("string", 0.0, 50.0, None)],
)  # fmt: skip
def test_limits_on_both_sides_are_the_range(data_type, low, high, shown):
    assert point(data_type, minimum=low, maximum=high).row.range == shown


@pytest.mark.parametrize(
    ("mutability", "constant", "readable", "writable"),
    [("ReadOnly", False, True, False), ("ReadWrite", False, True, True), ("WriteOnly", False, False, True),
     ("ReadWrite", True, True, False)],
)  # fmt: skip
def test_what_may_be_read_and_written_is_what_the_station_says(mutability, constant, readable, writable):
    described = point(mutability=mutability, constant=constant)
    assert (described.row.readable, described.readable, described.row.writable) == (readable, readable, writable)


def test_a_password_is_never_shown():
    described = point(of=variable("BasicAuthPassword", "SecurityCtrlr"))
    assert described.row.writable
    assert not described.readable


def test_the_values_of_a_list_are_told():
    options = characteristics_of({"dataType": "OptionList", "valuesList": "A, B,C"}, {}).options
    assert options == ("A", "B", "C")
    assert point("OptionList", options=options).row.description.endswith("; one of A, B, C")
    assert point("MemberList", options=options).row.description.endswith("; any of A, B, C")


def test_characteristics_are_read():
    told = {
        "dataType": "decimal",
        "unit": "A",
        "minLimit": 6,
        "maxLimit": 32.5,
        "supportsMonitoring": True,
    }
    assert characteristics_of(told, {"mutability": "ReadOnly", "constant": True}) == Characteristics(
        "decimal", "A", 6.0, 32.5, (), True, "ReadOnly", True
    )
    assert characteristics_of(None, {}) == Characteristics()
    odd = {"dataType": 5, "unit": [], "minLimit": "6", "maxLimit": 10**400, "valuesList": None}
    assert characteristics_of(odd, {"mutability": 5}) == Characteristics()


WRITES = [
    (point("boolean"), True, "true"),
    (point("boolean"), False, "false"),
    (point("integer"), 7, "7"),
    (point("decimal"), 16.0, "16"),
    (point("decimal"), 16.1, "16.1"),
    (point("decimal", minimum=0.0, maximum=32.0), 32.0, "32"),
    (point("dateTime"), 0.0, "1970-01-01T00:00:00.000Z"),
    (point("string"), "x", "x"),
    (point("string", maximum=3.0), "abc", "abc"),
    (point("OptionList", options=("A", "B")), "B", "B"),
    (point("MemberList", options=("A", "B")), "B,A", "B,A"),
    (point("SequenceList", options=("A", "B")), "A, B", "A, B"),
    (point("MemberList", options=("A", "B")), "", ""),
    (point("OptionList"), "anything", "anything"),
]


@pytest.mark.parametrize(("described", "value", "text"), WRITES)
def test_a_value_is_written_as_the_station_reads_it(described, value, text):
    assert write(described, value) == text
    assert set_request(described, value)["setVariableData"][0]["attributeValue"] == text


@pytest.mark.parametrize(
    ("described", "value", "reason"),
    [
        (point(mutability="ReadOnly"), "x", "does not let it be written"),
        (point("integer"), None, "expected a Int32"),
        (point("decimal", minimum=6.0), 5.9, "at least 6"),
        (point("decimal", maximum=32.0), 33.0, "at most 32"),
        (point("decimal"), float("nan"), "finite"),
        (point("string", maximum=3.0), "abcd", "at most 3 characters"),
        (point("OptionList", options=("A", "B")), "C", "must be of A, B"),
        (point("OptionList", options=("A", "B")), "A,B", "must be of A, B"),
        (point("OptionList", options=("A", "B")), "", "must be of A, B"),
        (point("MemberList", options=("A", "B")), "A,C", "must be of A, B"),
    ],
)
def test_what_may_not_be_set_is_refused_with_what_is_expected(described, value, reason):
    with pytest.raises(ValueError, match=reason):
        write(described, value)


def test_the_request_names_the_variable_as_the_station_does():
    described = describe(variable("V", "C", "I", 2, 3, "J"), "Target", Characteristics("integer"))
    assert set_request(described, 5) == {
        "setVariableData": [
            {
                "attributeType": "Target",
                "attributeValue": "5",
                "component": {"name": "C", "instance": "I", "evse": {"id": 2, "connectorId": 3}},
                "variable": {"name": "V", "instance": "J"},
            }
        ]
    }
    plain = set_request(describe(variable(), "Actual", Characteristics()), "x")
    assert plain["setVariableData"][0] == {
        "attributeValue": "x",
        "component": {"name": "AlignedDataCtrlr"},
        "variable": {"name": "Enabled"},
    }
