"""The shipped rows, held to the protocol: the JSON schemas of OCPP 1.6 in the `ocpp` package."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import ocpp.v16
import pytest

from bridge.points.rows import Type
from bridge.points.rowspec import Source
from bridge.points.table import Table, load_table
from bridge.points.units import CONVERSIONS
from bridge.project import Project, shipped

SCHEMAS = Path(ocpp.v16.__file__).parent / "schemas"
VERSION = "1.6"
TABLE: Table = load_table(Project(shipped()).datapoints())

#: what a station sends (OCPP 1.6 §4, and the whitepaper on security §4)
MESSAGES = [
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
]

#: what the types of the schemas may become
TYPES = {
    "string": {Type.STRING, Type.DATETIME},
    "integer": {Type.INT32, Type.UINT32, Type.DOUBLE, Type.STRING},
    "number": {Type.DOUBLE, Type.STRING},
    "boolean": {Type.BOOLEAN, Type.STRING},
}


@cache
def schema(name: str) -> dict[str, Any]:
    found = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8-sig"))
    assert isinstance(found, dict)
    return found


def resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The node itself; an array is the same as its items, a reference is what it refers to."""
    while "$ref" in node or node.get("type") == "array":
        reference = node.get("$ref", "").rpartition("/")[2]
        node = root["definitions"][reference] if reference else node["items"]
    return node


def fields(name: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every field of a message with its schema; objects come before what is in them."""
    root = schema(name)

    def below(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        for field, part in node.get("properties", {}).items():
            inner = resolved(part, root)
            yield (*path, field), inner
            yield from below(inner, (*path, field))

    yield from below(resolved(root, root), ())


def leaves(name: str) -> list[str]:
    return [".".join(path) for path, node in fields(name) if "properties" not in node]


def sources() -> list[tuple[str, str, Source]]:
    return [
        (kind, found.row.key, source)
        for kind, rows in TABLE.rows.items()
        for found in rows
        for source in found.sources.get(VERSION, ())
    ]


def rows_of(action: str, field: str) -> list[Any]:
    """The rows that a field fills."""
    return [
        found.row
        for rows in TABLE.rows.values()
        for found in rows
        for source in found.sources.get(VERSION, ())
        if not source.response and source.action == action and ".".join(source.path) == field
    ]


def is_below(field: str, prefix: str) -> bool:
    return field == prefix or field.startswith(f"{prefix}.")


def test_the_messages_are_those_of_the_table():
    assert sorted(TABLE.messages[VERSION]) == MESSAGES


@pytest.mark.parametrize("field", [f"{action}.{leaf}" for action in MESSAGES for leaf in leaves(action)])
def test_every_field_of_every_message_is_mapped_or_says_why_not(field):
    action, _, leaf = field.partition(".")
    spec = TABLE.messages[VERSION][action]
    listed = [prefix for prefix in (*spec.code, *spec.unmapped) if is_below(leaf, prefix)]
    mapped = rows_of(action, leaf)
    at_time = leaf == spec.time and [key for _, key, source in sources() if source == Source(action, ("@time",))]
    assert listed or mapped or at_time


@pytest.mark.parametrize("action", MESSAGES)
def test_a_field_is_mapped_or_unmapped_not_both(action):
    for prefix in TABLE.messages[VERSION][action].unmapped:
        assert [leaf for leaf in leaves(action) if is_below(leaf, prefix) and rows_of(action, leaf)] == []


@pytest.mark.parametrize("action", MESSAGES)
def test_nothing_is_listed_that_the_message_lacks(action):
    known = {".".join(path) for path, _ in fields(action)}
    spec = TABLE.messages[VERSION][action]
    listed = {*spec.code, *spec.unmapped, *spec.defaults, spec.connector, spec.time} - {""}
    assert listed <= known


@pytest.mark.parametrize("action", MESSAGES)
def test_what_is_not_a_row_has_a_reason(action):
    spec = TABLE.messages[VERSION][action]
    assert all(len(reason.split()) >= 2 for reason in (*spec.code.values(), *spec.unmapped.values()))


@pytest.mark.parametrize("action", MESSAGES)
def test_connector_and_time_are_those_of_the_schema(action):
    spec = TABLE.messages[VERSION][action]
    top = {path[0]: node for path, node in fields(action) if len(path) == 1}
    assert spec.connector == ("connectorId" if "connectorId" in top else "")
    assert spec.time == ("timestamp" if "timestamp" in top else "")
    if spec.time:
        assert top[spec.time]["format"] == "date-time"


@pytest.mark.parametrize("action", MESSAGES)
def test_a_default_is_what_the_schema_allows(action):
    nodes = {".".join(path): node for path, node in fields(action)}
    required = schema(action).get("required", [])
    for field, value in TABLE.messages[VERSION][action].defaults.items():
        assert field not in required
        assert value in nodes[field].get("enum", [value])


@pytest.mark.parametrize(("key", "source"), [(f"{kind}: {key}", source) for kind, key, source in sources()], ids=str)
def test_the_field_that_fills_a_point_is_in_the_schema(key, source):
    assert source.action in MESSAGES
    name = f"{source.action}Response" if source.response else source.action
    assert source.path == ("@time",) or source.path in [path for path, _ in fields(name)], key


@pytest.mark.parametrize(("kind", "key", "source"), sources(), ids=str)
def test_the_type_of_a_point_fits_the_field(kind, key, source):
    if source.path == ("@time",):
        expected = {Type.DATETIME}
    else:
        name = f"{source.action}Response" if source.response else source.action
        node = dict(fields(name))[source.path]
        expected = {Type.DATETIME} if node.get("format") == "date-time" else TYPES[node["type"]]
    found = next(found.row for found in TABLE.rows[kind] if found.row.key == key)
    assert found.enumeration is not None or found.type in expected


@pytest.mark.parametrize(
    ("kind", "key", "source"),
    [(kind, key, source) for kind, key, source in sources() if kind == "connector"],
    ids=str,
)
def test_a_point_of_a_connector_is_filled_by_messages_of_connectors(kind, key, source):
    # StopTransaction names the connector by its transaction.
    spec = TABLE.messages[VERSION][source.action]
    assert spec.connector or "transactionId" in [path[0] for path, _ in fields(source.action)]


def enumerated() -> list[tuple[str, str]]:
    """(point, Action.field) of every enumeration that a station's message fills."""
    return [
        (found.row.key, f"{source.action}.{'.'.join(source.path)}")
        for rows in TABLE.rows.values()
        for found in rows
        if found.row.enumeration is not None
        for source in found.sources.get(VERSION, ())
    ]


def test_the_enumerations_that_messages_fill():
    assert set(enumerated()) == {
        ("State.FirmwareStatus", "FirmwareStatusNotification.status"),
        ("State.FirmwareStatus", "SignedFirmwareStatusNotification.status"),
        ("State.DiagnosticsStatus", "DiagnosticsStatusNotification.status"),
        ("State.LogStatus", "LogStatusNotification.status"),
        ("Status.State", "StatusNotification.status"),
    }


@pytest.mark.parametrize(("key", "field"), sorted(set(enumerated())))
def test_an_enumeration_has_every_state_that_a_station_may_send(key, field):
    action, _, name = field.partition(".")
    states = set(dict(fields(action))[(name,)]["enum"])
    row = next(found.row for rows in TABLE.rows.values() for found in rows if found.row.key == key)
    assert row.enumeration is not None
    assert states <= row.enumeration.numbers.keys()


def test_the_registration_has_the_states_of_our_answer():
    states = dict(fields("BootNotificationResponse"))[("status",)]["enum"]
    assert list(TABLE.enumerations["RegistrationStatus"].numbers) == states


# --- rows that no field fills


@pytest.mark.parametrize(
    ("kind", "found"),
    [(kind, found) for kind, rows in TABLE.rows.items() for found in rows],
    ids=lambda part: part if isinstance(part, str) else part.row.key,
)
def test_a_row_says_what_it_is_and_where_it_comes_from(kind, found):
    assert len(found.row.description.split()) >= 2
    assert found.row.source.strip()


@pytest.mark.parametrize("kind", ["station", "connector", "bridge"])
def test_every_folder_of_a_row_is_described(kind):
    named = TABLE.folders[kind]
    folders = {found.row.folder for found in TABLE.rows[kind]} - {""}
    assert folders <= named.keys()
    assert all(named.values())


# --- meter values

#: the two messages that carry them; their schemas do not agree on how Celsius is spelled
SAMPLES = {
    action: {path[-1]: node for path, node in fields(action) if path[:-1] == (array, "sampledValue")}
    for action, array in (("MeterValues", "meterValue"), ("StopTransaction", "transactionData"))
}


@pytest.mark.parametrize("action", SAMPLES)
def test_every_measurand_is_in_the_table(action):
    assert set(TABLE.measurands.known) == set(SAMPLES[action]["measurand"]["enum"])


@pytest.mark.parametrize("action", SAMPLES)
def test_every_phase_and_location_is_in_the_table(action):
    assert set(TABLE.measurands.phases) == set(SAMPLES[action]["phase"]["enum"])
    assert set(TABLE.measurands.locations) == set(SAMPLES[action]["location"]["enum"])


@pytest.mark.parametrize("action", SAMPLES)
def test_every_unit_that_a_station_may_send_is_converted(action):
    """J43"""
    assert set(SAMPLES[action]["unit"]["enum"]) - CONVERSIONS.keys() == set()


#: part of the measurand's name → base unit
BASE_UNITS = {
    "Energy.Active": "Wh",
    "Energy.Reactive": "varh",
    "Power.Active": "W",
    "Power.Offered": "W",
    "Power.Reactive": "var",
    "Power.Factor": "",
    "Current": "A",
    "Voltage": "V",
    "Frequency": "Hz",
    "Temperature": "Celsius",
    "SoC": "Percent",
    "RPM": "rpm",
}


@pytest.mark.parametrize("name", TABLE.measurands.known)
def test_a_measurand_is_shown_in_its_base_unit(name):
    units = [unit for prefix, unit in BASE_UNITS.items() if is_below(name, prefix)]
    assert [TABLE.measurands.known[name].unit] == units


def test_the_usual_location_is_the_outlet_and_the_cars_for_its_battery():
    usual = {name: found.location for name, found in TABLE.measurands.known.items()}
    assert usual.pop("SoC") == "EV"
    assert set(usual.values()) == {"Outlet"}
