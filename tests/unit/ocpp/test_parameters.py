"""The inputs of commands."""

import pytest

from bridge.ocpp.parameters import (
    Parameter,
    addresses_connector,
    check_value,
    connector_fields,
    parameters,
)
from bridge.ocpp.versions import VERSIONS

V16 = VERSIONS["1.6"]


def one(action, field):
    return next(parameter for parameter in parameters(V16, action) if parameter.field == field)


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("ClearCache", []),
        ("Reset", ["type!"]),
        ("RemoteStartTransaction", ["idTag!", "connectorId", "chargingProfile"]),
        ("ReserveNow", ["connectorId!", "expiryDate!", "idTag!", "reservationId!", "parentIdTag"]),
        ("GetLog", ["log!", "logType!", "requestId!", "retries", "retryInterval"]),
    ],
)
def test_the_required_fields_come_first_and_the_rest_in_the_schemas_order(action, fields):
    found = [parameter.field + "!" * parameter.required for parameter in parameters(V16, action)]
    assert found == fields


@pytest.mark.parametrize(
    ("action", "field", "parameter"),
    [
        (
            "Reset",
            "type",
            Parameter(field="type", name="Type", type="string", required=True, enum=("Hard", "Soft")),
        ),
        (
            "RemoteStartTransaction",
            "idTag",
            Parameter(field="idTag", name="IdTag", type="string", required=True, max_length=20),
        ),
        (
            "RemoteStartTransaction",
            "connectorId",
            Parameter(field="connectorId", name="ConnectorId", type="integer", required=False),
        ),
        (
            "SetChargingProfile",
            "csChargingProfiles",
            Parameter(field="csChargingProfiles", name="CsChargingProfiles", type="json", required=True),
        ),
        ("GetConfiguration", "key", Parameter(field="key", name="Key", type="json", required=False)),
        (
            "ReserveNow",
            "expiryDate",
            Parameter(field="expiryDate", name="ExpiryDate", type="string", required=True, format="date-time"),
        ),
        # behind a $ref
        (
            "GetLog",
            "logType",
            Parameter(
                field="logType",
                name="LogType",
                type="string",
                required=True,
                enum=("DiagnosticsLog", "SecurityLog"),
            ),
        ),
        ("GetLog", "log", Parameter(field="log", name="Log", type="json", required=True)),
    ],
)
def test_a_parameter_is_what_the_schema_says(action, field, parameter):
    assert one(action, field) == parameter


def test_every_command_has_parameters_of_different_names():
    for action in V16.to_station:
        names = [parameter.name for parameter in parameters(V16, action)]
        assert len(set(names)) == len(names)


def test_an_action_of_no_version_has_no_parameters():
    with pytest.raises(KeyError):
        parameters(V16, "Nonsense")


CONNECTOR = Parameter(field="c", name="C", type="integer", required=True)
RATIO = Parameter(field="r", name="R", type="number", required=True, minimum=0, maximum=100, multiple_of=0.1)
URL = Parameter(field="u", name="U", type="string", required=True, format="uri")
FLAG = Parameter(field="f", name="F", type="boolean", required=True)


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        (one("Reset", "type"), "Hard", None),
        (one("Reset", "type"), "hard", "must be one of Hard, Soft"),
        (one("Reset", "type"), 1, "must be a string"),
        (one("Reset", "type"), None, "must be a string"),
        (one("RemoteStartTransaction", "idTag"), "x" * 20, None),
        (one("RemoteStartTransaction", "idTag"), "x" * 21, "must have at most 20 characters"),
        (one("ReserveNow", "expiryDate"), "2024-05-01T12:00:00Z", None),
        (one("ReserveNow", "expiryDate"), "tomorrow", "must be a date-time"),
        (one("ReserveNow", "expiryDate"), "\ud800", "must be a date-time"),
        (URL, "ftp://user:word@host/folder", None),
        (URL, "no address", "must be a uri"),
        (CONNECTOR, 1, None),
        (CONNECTOR, -(2**31), None),
        (CONNECTOR, 2**31 - 1, None),
        (CONNECTOR, 2**31, "must be at most 2147483647"),
        (CONNECTOR, -(10**400), "must be at least -2147483648"),
        (CONNECTOR, 1.0, "must be an integer"),
        (CONNECTOR, True, "must be an integer"),
        (CONNECTOR, "1", "must be an integer"),
        (RATIO, 0, None),
        (RATIO, 16.1, None),
        (RATIO, 0.1 + 0.2, None),
        (RATIO, 16.15, "must be a multiple of 0.1"),
        (RATIO, -0.1, "must be at least 0"),
        (RATIO, 100.1, "must be at most 100"),
        (RATIO, 10**400, "must be at most 100"),
        (RATIO, float("inf"), "must be finite"),
        (RATIO, float("nan"), "must be finite"),
        (RATIO, False, "must be a number"),
        (FLAG, True, None),
        (FLAG, 1, "must be true or false"),
        (one("GetConfiguration", "key"), '["HeartbeatInterval"]', None),
        (one("GetConfiguration", "key"), "{}", None),
        (one("GetConfiguration", "key"), "5", "must be the JSON of an object or array"),
        (one("GetConfiguration", "key"), "[", "must be the JSON of an object or array"),
        (one("GetConfiguration", "key"), "[" * 100_000, "must be the JSON of an object or array"),
        (one("GetConfiguration", "key"), "\ud800", "must be the JSON of an object or array"),
        (one("GetConfiguration", "key"), ["HeartbeatInterval"], "must be the JSON of an object or array"),
    ],
)
def test_a_value_is_taken_or_the_reason_is_told(parameter, value, reason):
    assert check_value(parameter, value) == reason


AT_CONNECTOR = {
    "ChangeAvailability": ("connectorId",),
    "ClearChargingProfile": ("connectorId",),
    "ExtendedTriggerMessage": ("connectorId",),
    "GetCompositeSchedule": ("connectorId",),
    "RemoteStartTransaction": ("connectorId",),
    "RemoteStopTransaction": (),
    "ReserveNow": ("connectorId",),
    "SetChargingProfile": ("connectorId",),
    "TriggerMessage": ("connectorId",),
    "UnlockConnector": ("connectorId",),
}


@pytest.mark.parametrize("action", V16.to_station)
def test_a_command_stands_at_the_connector_if_it_has_one(action):
    assert addresses_connector(V16, action) is (action in AT_CONNECTOR)
    assert connector_fields(V16, action) == AT_CONNECTOR.get(action, ())
