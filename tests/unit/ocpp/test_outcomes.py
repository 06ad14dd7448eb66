"""Which status means yes."""

from collections.abc import Iterator
from typing import Any

import pytest

from bridge.ocpp.outcomes import LISTED, NO, STATUSLESS, YES, outcome
from bridge.ocpp.schemas import resolved, schemas
from bridge.ocpp.versions import VERSIONS, Version

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)


def statuses(schema: dict[str, Any], node: dict[str, Any]) -> Iterator[str]:
    """The values of every field `status` and `attributeStatus`, however deep."""
    node = resolved(schema, node)
    for name, child in node.get("properties", {}).items():
        if name in ("status", "attributeStatus"):
            yield from resolved(schema, child).get("enum", ())
        yield from statuses(schema, child)
    if "items" in node:
        yield from statuses(schema, node["items"])


@EVERY_VERSION
def test_every_status_of_every_response_is_in_one_table(version: Version):
    known = schemas(version)
    found = {
        status
        for action in version.from_station | set(version.to_station)
        for status in statuses(known.response(action), known.response(action))
    }
    assert found <= YES | NO
    assert not YES & NO


def test_the_tables_hold_nothing_that_no_version_has():
    found = {
        status
        for version in VERSIONS.values()
        for action in version.from_station | set(version.to_station)
        for status in statuses(schemas(version).response(action), schemas(version).response(action))
    }
    assert found >= YES | NO


@EVERY_VERSION
def test_the_actions_without_a_status_are_those_of_the_schemas(version: Version):
    known = schemas(version)
    without = {action for action in version.to_station if "status" not in known.response(action).get("properties", {})}
    assert without <= STATUSLESS | LISTED.keys()


def test_an_action_is_without_a_status_in_some_version():
    for action in STATUSLESS | LISTED.keys():
        versions = [version for version in VERSIONS.values() if action in version.to_station]
        assert any("status" not in schemas(version).response(action).get("properties", {}) for version in versions)


@EVERY_VERSION
@pytest.mark.parametrize("action", LISTED)
def test_the_lists_of_statuses_are_those_of_the_schemas(version: Version, action: str):
    if action not in version.to_station:
        return
    name, field = LISTED[action]
    schema = schemas(version).response(action)
    assert field in resolved(schema, schema["properties"][name]["items"])["required"]


@pytest.mark.parametrize(
    ("action", "response", "expected"),
    [
        ("Reset", {"status": "Accepted"}, (True, "Accepted")),
        ("Reset", {"status": "Rejected"}, (False, "Rejected")),
        ("ChangeAvailability", {"status": "Scheduled"}, (True, "Scheduled")),
        ("ChangeConfiguration", {"status": "RebootRequired"}, (True, "RebootRequired")),
        ("ChangeConfiguration", {"status": "NotSupported"}, (False, "NotSupported")),
        ("UnlockConnector", {"status": "Unlocked"}, (True, "Unlocked")),
        ("UnlockConnector", {"status": "UnlockFailed"}, (False, "UnlockFailed")),
        ("ClearChargingProfile", {"status": "Unknown"}, (False, "Unknown")),
        ("GetInstalledCertificateIds", {"status": "NotFound"}, (False, "NotFound")),
        ("GetLog", {"status": "AcceptedCanceled", "filename": "x"}, (True, "AcceptedCanceled")),
        ("SignedUpdateFirmware", {"status": "AcceptedCanceled"}, (True, "AcceptedCanceled")),
        ("TriggerMessage", {"status": "NotImplemented"}, (False, "NotImplemented")),
        ("GetConfiguration", {"configurationKey": []}, (True, "")),
        ("GetLocalListVersion", {"listVersion": 3}, (True, "")),
        ("UpdateFirmware", {}, (True, "")),
        ("GetDiagnostics", {}, (True, "")),
        ("UnpublishFirmware", {"status": "Unpublished"}, (True, "Unpublished")),
        ("GetBaseReport", {"status": "EmptyResultSet"}, (False, "EmptyResultSet")),
        ("CostUpdated", {}, (True, "")),
        ("SetVariables", {"setVariableResult": [{"attributeStatus": "Accepted"}]}, (True, "Accepted")),
        (
            "SetVariables",
            {"setVariableResult": [{"attributeStatus": "Accepted"}, {"attributeStatus": "RebootRequired"}]},
            (True, "RebootRequired"),
        ),
        (
            "SetVariables",
            {"setVariableResult": [{"attributeStatus": "RebootRequired"}, {"attributeStatus": "UnknownVariable"}]},
            (False, "UnknownVariable"),
        ),
        ("GetVariables", {"getVariableResult": [{"attributeStatus": "Rejected"}]}, (False, "Rejected")),
        ("SetVariableMonitoring", {"setMonitoringResult": [{"status": "Duplicate"}]}, (False, "Duplicate")),
        ("ClearVariableMonitoring", {"clearMonitoringResult": [{"id": 1, "status": "Accepted"}]}, (True, "Accepted")),
        ("ClearTariffs", {"clearTariffsResult": [{"status": "NoTariff"}]}, (False, "NoTariff")),
        ("SetVariables", {"setVariableResult": []}, (False, "")),
        ("SetVariables", {"setVariableResult": ["odd", {"attributeStatus": 5}]}, (False, "")),
        ("SetVariables", {"status": "Accepted"}, (False, "")),
        # what no standard knows
        ("UpdateFirmware", {"status": "Rejected"}, (False, "Rejected")),
        ("Reset", {"status": "MaybeLater"}, (False, "MaybeLater")),
        ("Reset", {"status": 5}, (False, "")),
        ("Reset", {}, (False, "")),
    ],
)
def test_a_response_means_yes_or_no(action, response, expected):
    assert outcome(action, response) == expected
