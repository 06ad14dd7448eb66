"""The shipped rows, held to the protocol: the JSON schemas of every OCPP version in the `ocpp` package."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import ocpp
import pytest

from bridge.points.rows import Type
from bridge.points.rowspec import Source
from bridge.points.table import Table, load_table
from bridge.points.units import CONVERSIONS
from bridge.project import Project, shipped

SCHEMAS = Path(ocpp.__file__).parent
TABLE: Table = load_table(Project(shipped()).datapoints())

#: what a station sends (OCPP 1.6 §4, and the whitepaper on security §4; OCPP 2.0.1 and 2.1 part 2)
MESSAGES_16 = """
    Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat
    LogStatusNotification MeterValues SecurityEventNotification SignCertificate SignedFirmwareStatusNotification
    StartTransaction StatusNotification StopTransaction
"""
MESSAGES_201 = """
    Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification Get15118EVCertificate
    GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit NotifyCustomerInformation
    NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyReport
    PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate SecurityEventNotification
    SignCertificate StatusNotification TransactionEvent
"""
MESSAGES_21 = """
    BatterySwap ClosePeriodicEventStream GetCertificateChainStatus NotifyDERAlarm NotifyDERStartStop
    NotifyPeriodicEventStream NotifyPriorityCharging NotifySettlement OpenPeriodicEventStream PullDynamicScheduleUpdate
    ReportDERControl VatNumberValidation
"""
MESSAGES = {
    "1.6": sorted(MESSAGES_16.split()),
    "2.0.1": sorted(MESSAGES_201.split()),
    "2.1": sorted((MESSAGES_201 + MESSAGES_21).split()),
}
EACH_MESSAGE = pytest.mark.parametrize(
    ("version", "action"), [(version, action) for version, actions in MESSAGES.items() for action in actions]
)
EACH_VERSION = pytest.mark.parametrize("version", MESSAGES)

#: what the types of the schemas may become
TYPES = {
    "string": {Type.STRING, Type.DATETIME},
    "integer": {Type.INT32, Type.UINT32, Type.DOUBLE, Type.STRING},
    "number": {Type.DOUBLE, Type.STRING},
    "boolean": {Type.BOOLEAN, Type.STRING},
}


@cache
def schema(version: str, name: str) -> dict[str, Any]:
    """The schema of a request (`Heartbeat`) or an answer (`HeartbeatResponse`)."""
    folder = SCHEMAS / f"v{version.replace('.', '')}" / "schemas"
    file = next(file for file in (folder / f"{name}Request.json", folder / f"{name}.json") if file.exists())
    found = json.loads(file.read_text(encoding="utf-8-sig"))
    assert isinstance(found, dict)
    return found


def resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The node itself; an array is the same as its items, a reference is what it refers to."""
    while "$ref" in node or node.get("type") == "array":
        reference = node.get("$ref", "").rpartition("/")[2]
        node = root["definitions"][reference] if reference else node["items"]
    return node


def fields(version: str, name: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every field of a message with its schema; objects come before what is in them.

    customData is the vendor's own, in every object of 2.x.
    """
    root = schema(version, name)

    def below(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        for field, part in node.get("properties", {}).items():
            if field == "customData":
                continue
            inner = resolved(part, root)
            yield (*path, field), inner
            yield from below(inner, (*path, field))

    yield from below(resolved(root, root), ())


def leaves(version: str, name: str) -> list[str]:
    return [".".join(path) for path, node in fields(version, name) if "properties" not in node]


def sources(version: str) -> list[tuple[str, str, Source]]:
    return [
        (kind, found.row.key, source)
        for kind, rows in TABLE.rows.items()
        for found in rows
        for source in found.sources.get(version, ())
    ]


def name_of(source: Source) -> str:
    return f"{source.action}Response" if source.response else source.action


def rows_of(version: str, action: str, field: str) -> list[Any]:
    """The rows that a field fills."""
    return [
        found.row
        for rows in TABLE.rows.values()
        for found in rows
        for source in found.sources.get(version, ())
        if not source.response and source.action == action and is_below(field, ".".join(source.path))
    ]


def is_below(field: str, prefix: str) -> bool:
    return field == prefix or field.startswith(f"{prefix}.")


EACH_SOURCE = pytest.mark.parametrize(
    ("version", "kind", "key", "source"),
    [(version, *found) for version in MESSAGES for found in sources(version)],
    ids=str,
)


@EACH_VERSION
def test_the_messages_are_those_of_the_table(version):
    assert sorted(TABLE.messages[version]) == MESSAGES[version]


@EACH_MESSAGE
def test_every_field_of_every_message_is_mapped_or_says_why_not(version, action):
    spec = TABLE.messages[version][action]
    for leaf in leaves(version, action):
        listed = [prefix for prefix in (*spec.code, *spec.unmapped) if is_below(leaf, prefix)]
        mapped = rows_of(version, action, leaf)
        at_time = leaf == spec.time and Source(action, ("@time",)) in [source for _, _, source in sources(version)]
        assert listed or mapped or at_time, leaf


@EACH_MESSAGE
def test_a_field_is_mapped_or_unmapped_not_both(version, action):
    for prefix in TABLE.messages[version][action].unmapped:
        below = [leaf for leaf in leaves(version, action) if is_below(leaf, prefix)]
        assert [leaf for leaf in below if rows_of(version, action, leaf)] == []


@EACH_MESSAGE
def test_nothing_is_listed_that_the_message_lacks(version, action):
    spec = TABLE.messages[version][action]
    listed = {*spec.code, *spec.unmapped, *spec.defaults, spec.connector, spec.evse, spec.time} - {""}
    answers = {path for path in listed if path.startswith("response.")}
    known = {".".join(path) for path, _ in fields(version, action)}
    assert listed - answers <= known
    if answers:
        assert {path.removeprefix("response.") for path in answers} <= {
            ".".join(path) for path, _ in fields(version, f"{action}Response")
        }


@EACH_MESSAGE
def test_what_is_not_a_row_has_a_reason(version, action):
    spec = TABLE.messages[version][action]
    assert all(len(reason.split()) >= 2 for reason in (*spec.code.values(), *spec.unmapped.values()))


@EACH_MESSAGE
def test_connector_evse_and_time_are_those_of_the_schema(version, action):
    spec = TABLE.messages[version][action]
    top = {path[0]: node for path, node in fields(version, action) if len(path) == 1}
    assert spec.connector == ("connectorId" if "connectorId" in top else "")
    assert spec.evse == next((field for field in ("evseId", "evse") if field in top), "")
    if "timestamp" in top or not spec.time:
        assert spec.time == ("timestamp" if "timestamp" in top else "")
    assert not spec.time or top[spec.time]["format"] == "date-time"


@EACH_MESSAGE
def test_a_default_is_what_the_schema_allows(version, action):
    nodes = {".".join(path): node for path, node in fields(version, action)}
    required = schema(version, action).get("required", [])
    for field, value in TABLE.messages[version][action].defaults.items():
        assert field not in required
        assert value in nodes[field].get("enum", [value])


@EACH_SOURCE
def test_the_field_that_fills_a_point_is_in_the_schema(version, kind, key, source):
    assert source.action in MESSAGES[version]
    assert source.path == ("@time",) or source.path in [path for path, _ in fields(version, name_of(source))], key


@EACH_SOURCE
def test_the_type_of_a_point_fits_the_field(version, kind, key, source):
    found = next(found for found in TABLE.rows[kind] if found.row.key == key)
    if found.transform == "json":
        expected = {Type.STRING}
    elif source.path == ("@time",):
        expected = {Type.DATETIME}
    else:
        node = dict(fields(version, name_of(source)))[source.path]
        expected = {Type.DATETIME} if node.get("format") == "date-time" else TYPES[node["type"]]
    assert found.row.enumeration is not None or found.row.type in expected


@EACH_SOURCE
def test_a_point_of_a_connector_is_filled_by_messages_of_connectors(version, kind, key, source):
    # StopTransaction and NotifyPriorityCharging name the connector by its transaction, NotifyEvent by its component.
    spec = TABLE.messages[version][source.action]
    paths = [path for path, _ in fields(version, source.action)]
    by_another = ("transactionId",) in paths or ("eventData", "component", "evse") in paths
    assert kind != "connector" or spec.connector or spec.evse or by_another


def enumerated(version: str) -> list[tuple[str, str]]:
    """(point, Action.field) of every enumeration that a station's message fills."""
    return [
        (found.row.key, f"{source.action}.{'.'.join(source.path)}")
        for rows in TABLE.rows.values()
        for found in rows
        if found.row.enumeration is not None
        for source in found.sources.get(version, ())
    ]


@EACH_VERSION
def test_the_enumerations_that_messages_of_2_fill(version):
    if version != "1.6":
        assert set(enumerated(version)) == {
            ("State.FirmwareStatus", "FirmwareStatusNotification.status"),
            ("State.PublishFirmwareStatus", "PublishFirmwareStatusNotification.status"),
            ("State.LogStatus", "LogStatusNotification.status"),
            ("Status.State", "StatusNotification.connectorStatus"),
            ("Status.State", "TransactionEvent.transactionInfo.chargingState"),
        }


def test_the_enumerations_that_messages_of_16_fill():
    assert set(enumerated("1.6")) == {
        ("State.FirmwareStatus", "FirmwareStatusNotification.status"),
        ("State.FirmwareStatus", "SignedFirmwareStatusNotification.status"),
        ("State.DiagnosticsStatus", "DiagnosticsStatusNotification.status"),
        ("State.LogStatus", "LogStatusNotification.status"),
        ("Status.State", "StatusNotification.status"),
    }


#: chargingState → what `station.v2.status` makes of it
MADE = {"EVConnected", "Idle"}


@pytest.mark.parametrize(
    ("version", "key", "field"),
    sorted({(version, *found) for version in MESSAGES for found in enumerated(version)}),
)
def test_an_enumeration_has_every_state_that_a_station_may_send(version, key, field):
    action, _, name = field.partition(".")
    states = set(dict(fields(version, action))[tuple(name.split("."))]["enum"])
    row = next(found.row for rows in TABLE.rows.values() for found in rows if found.row.key == key)
    assert row.enumeration is not None
    assert states - MADE <= row.enumeration.numbers.keys()


@EACH_VERSION
def test_the_registration_has_the_states_of_our_answer(version):
    states = dict(fields(version, "BootNotificationResponse"))[("status",)]["enum"]
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

#: the messages that carry them; the schemas of 1.6 do not agree on how Celsius is spelled
CARRIERS = [
    ("1.6", "MeterValues", "meterValue"),
    ("1.6", "StopTransaction", "transactionData"),
    ("2.0.1", "MeterValues", "meterValue"),
    ("2.0.1", "TransactionEvent", "meterValue"),
    ("2.1", "MeterValues", "meterValue"),
    ("2.1", "TransactionEvent", "meterValue"),
]
SAMPLES = {
    (version, action): {
        path[-1]: node for path, node in fields(version, action) if path[:-1] == (array, "sampledValue")
    }
    for version, action, array in CARRIERS
}
EACH_CARRIER = pytest.mark.parametrize("carrier", SAMPLES, ids=" ".join)


def all_of(field: str) -> set[str]:
    return {value for sample in SAMPLES.values() for value in sample[field]["enum"]}


def test_the_table_has_every_measurand_phase_and_location_and_no_others():
    assert set(TABLE.measurands.known) == all_of("measurand")
    assert set(TABLE.measurands.phases) == all_of("phase")
    assert set(TABLE.measurands.locations) == all_of("location")


def test_the_measurands_of_16_have_points_everywhere_the_others_where_they_are_reported():
    usual = {name for name, found in TABLE.measurands.known.items() if found.usual}
    assert usual == set(SAMPLES["1.6", "MeterValues"]["measurand"]["enum"])


@EACH_CARRIER
def test_every_unit_that_a_station_may_send_is_converted(carrier):
    """J43"""
    if carrier[0] == "1.6":  # 2.x names units in a text of the standard, not in its schemas
        assert set(SAMPLES[carrier]["unit"]["enum"]) - CONVERSIONS.keys() == set()


#: part of the measurand's name → base unit
BASE_UNITS = {
    "Energy.Active": "Wh",
    "Energy.Reactive": "varh",
    "Energy.Apparent": "VAh",
    "EnergyRequest": "Wh",
    "Power.Import": "W",
    "Power.Export": "W",
    "Display": None,  # each its own
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
    assert units in ([TABLE.measurands.known[name].unit], [None])


def test_the_usual_location_is_the_outlet_and_the_car_for_what_the_car_says():
    usual = {name: found.location for name, found in TABLE.measurands.known.items()}
    of_the_car = {name for name in usual if name == "SoC" or name.startswith(("Display.", "EnergyRequest."))}
    assert {usual[name] for name in of_the_car} == {"EV"}
    assert {usual[name] for name in usual.keys() - of_the_car} == {"Outlet"}
