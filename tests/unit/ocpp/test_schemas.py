"""Payloads against their schemas."""

import math

import pytest

from bridge.ocpp.schemas import MAX_VIOLATIONS, Violation, resolved, schemas
from bridge.ocpp.versions import VERSIONS

V16 = VERSIONS["1.6"]
NOW = "2024-05-01T12:00:00Z"
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": NOW}


def meter(**sampled):
    return {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [{"value": "1"} | sampled]}]}


def profile(limit, **more):
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    } | more
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": schedule,
        },
    }


LIMIT = "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit"


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
def test_every_schema_of_the_version_compiles(version):
    known = schemas(version)
    for action in version.from_station | set(version.to_station):
        assert known.check_request(action, {"nonsense": 1}), action
        assert known.check_response(action, {"nonsense": 1}), action


def test_what_is_never_answered_has_a_request_and_no_response():
    known = schemas(VERSIONS["2.1"])
    assert known.check_request("NotifyPeriodicEventStream", {})
    with pytest.raises(KeyError):
        known.check_response("NotifyPeriodicEventStream", {})
    with pytest.raises(KeyError):
        schemas(VERSIONS["2.0.1"]).request("NotifyPeriodicEventStream")


def test_an_action_of_no_version_has_no_schema_and_never_becomes_a_file_name():
    known = schemas(V16)
    for action in ("Nonsense", "../v201/schemas/ResetRequest", "AuthorizeResponse", ""):
        with pytest.raises(KeyError):
            known.request(action)
        with pytest.raises(KeyError):
            known.check_response(action, {})


def test_schemas_are_loaded_once():
    assert schemas(V16) is schemas(V16)
    assert schemas(V16).request("Reset") is schemas(V16).request("Reset")


def test_a_reference_is_followed():
    schema = schemas(V16).request("GetLog")
    assert resolved(schema, schema["properties"]["logType"])["enum"] == ["DiagnosticsLog", "SecurityLog"]
    assert resolved(schema, schema["properties"]["requestId"]) is schema["properties"]["requestId"]


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", {}),
        ("StatusNotification", STATUS),
        ("StatusNotification", STATUS | {"timestamp": "2024-05-01T12:00:00.123456+02:00"}),  # J42
        ("StartTransaction", START),
        ("StopTransaction", {"transactionId": 1, "meterStop": 5, "timestamp": NOW}),  # J44
        ("MeterValues", meter(unit="Celcius")),  # J43
        ("MeterValues", meter(unit="Celsius")),
        ("SetChargingProfile", profile(16.1)),
        ("SetChargingProfile", profile(16)),
        ("SetChargingProfile", profile(0)),
        ("SetChargingProfile", profile(0.1 + 0.2)),
        ("SetChargingProfile", profile(16.100000381469727)),
        ("SetChargingProfile", profile(22000.099609375)),
        ("SetChargingProfile", profile(6, minChargingRate=8.1)),
        ("GetLog", {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://h/x"}}),
    ],
)
def test_a_right_request_has_no_violation(action, payload):
    assert schemas(V16).check_request(action, payload) == ()


@pytest.mark.parametrize(
    ("action", "payload", "kind", "path", "message"),
    [
        ("Heartbeat", [], "formation", "", "is not of type 'object'"),
        ("Heartbeat", {"a": 1}, "formation", "", "unexpected 'a'"),
        ("Heartbeat", {"a": 1, "b": 2, "c": 3}, "formation", "", "unexpected 'a' and 2 more"),
        ("Authorize", {}, "occurrence", "idTag", "is missing"),
        ("Authorize", {"idTag": 5}, "type", "idTag", "is not of type 'string'"),
        ("Authorize", {"idTag": None}, "type", "idTag", "is not of type 'string'"),
        ("Authorize", {"idTag": "x" * 21}, "property", "idTag", "is longer than 20 characters"),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": []},
            "occurrence",
            "meterValue",
            "has fewer than 1 elements",
        ),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": [{"timestamp": NOW}]},
            "occurrence",
            "meterValue[0].sampledValue",
            "is missing",
        ),
        (
            "MeterValues",
            meter(value=7),
            "type",
            "meterValue[0].sampledValue[0].value",
            "is not of type 'string'",
        ),
        (
            "MeterValues",
            meter(unit="Gallon"),
            "property",
            "meterValue[0].sampledValue[0].unit",
            "'Gallon' is none of the allowed values",
        ),
        (
            "MeterValues",
            meter(unit="x" * 500),
            "property",
            "meterValue[0].sampledValue[0].unit",
            f"'{'x' * 39}…' is none of the allowed values",
        ),
        (
            "StatusNotification",
            STATUS | {"timestamp": "yesterday"},
            "property",
            "timestamp",
            "is no date-time",
        ),
        ("StartTransaction", START | {"connectorId": 1.5}, "type", "connectorId", "is not of type 'integer'"),
        (
            "StartTransaction",
            START | {"connectorId": True},
            "type",
            "connectorId",
            "is not of type 'integer'",
        ),
        (
            "StartTransaction",
            START | {"meterStart": 2**63},
            "property",
            "meterStart",
            "is greater than 2147483647",
        ),
        (
            "StartTransaction",
            START | {"meterStart": -(10**4000)},
            "property",
            "meterStart",
            "is less than -2147483648",
        ),
        ("SetChargingProfile", profile(16.15), "property", LIMIT, "is not a multiple of 0.1"),
        ("SetChargingProfile", profile("16"), "type", LIMIT, "is not of type 'number'"),
        ("SetChargingProfile", profile(math.inf), "type", LIMIT, "is not of type 'number'"),
        ("Heartbeat", {"a": {1, 2}}, "formation", "", "cannot be written as JSON"),
        ("Authorize", {"idTag": {1, 2}}, "formation", "", "cannot be written as JSON"),
        ("Authorize", {1: 2}, "formation", "", "cannot be written as JSON"),
    ],
)
def test_a_wrong_request_is_told(action, payload, kind, path, message):
    """J34, J40, J41."""
    assert schemas(V16).check_request(action, payload) == (Violation(kind, path, message),)


@pytest.mark.parametrize(
    ("action", "payload", "expected"),
    [
        ("Reset", {"status": "Accepted"}, ()),
        (
            "Reset",
            {"status": "Maybe"},
            (Violation("property", "status", "'Maybe' is none of the allowed values"),),
        ),
        ("GetLog", {}, (Violation("occurrence", "status", "is missing"),)),
        (
            "GetCompositeSchedule",
            {
                "status": "Accepted",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.1 + 0.2}],
                },
            },
            (),
        ),
        (
            "GetCompositeSchedule",
            {"status": "Accepted", "chargingSchedule": 5},
            (Violation("type", "chargingSchedule", "is not of type 'object'"),),
        ),
        (
            "GetCompositeSchedule",
            {
                "status": "Accepted",
                "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": 5},
            },
            (Violation("type", "chargingSchedule.chargingSchedulePeriod", "is not of type 'array'"),),
        ),
    ],
)
def test_a_response_is_checked_too(action, payload, expected):
    assert schemas(V16).check_response(action, payload) == expected


def test_a_number_that_no_integer_can_hold_is_told():
    """J40."""
    found = schemas(V16).check_request("StartTransaction", START | {"connectorId": 1e30})
    assert [str(violation) for violation in found] == [
        "connectorId: is not of type 'integer'",
        "connectorId: is greater than 2147483647",
    ]


def test_the_worst_violation_comes_first():
    found = schemas(V16).check_request("StartTransaction", {"idTag": "x" * 30, "connectorId": "1", "more": 1})
    kinds = [violation.kind for violation in found]
    assert kinds == ["formation", "occurrence", "occurrence", "type", "property"]


def test_few_of_many_violations_are_told():
    many = [{"timestamp": NOW, "sampledValue": [{"value": 1}]}] * 50
    found = schemas(V16).check_request("MeterValues", {"connectorId": 1, "meterValue": many})
    assert len(found) == MAX_VIOLATIONS


def test_a_large_payload_tells_its_first_violation_only():
    many = [{"timestamp": NOW, "sampledValue": [{"value": 1}]}] * 1000
    found = schemas(V16).check_request("MeterValues", {"connectorId": 1, "meterValue": many})
    path = "meterValue[0].sampledValue[0].value"
    assert found == (Violation("type", path, "is not of type 'string'"),)


def test_a_violation_reads_as_one_line():
    assert str(Violation("type", "idTag", "is missing")) == "idTag: is missing"
    assert str(Violation("formation", "", "unexpected 'a'")) == "unexpected 'a'"


@pytest.mark.parametrize(
    ("limit", "rounded"),
    [(0.1 + 0.2, 0.3), (16.100000381469727, 16.1), (16.1, 16.1), (16, 16), (0.0, 0.0), ("16", "16")],
)
def test_limits_are_rounded_to_what_the_schema_takes(limit, rounded):
    assert schemas(V16).round_limits("SetChargingProfile", profile(limit)) == profile(rounded)


def test_rounding_leaves_the_payload_of_the_caller_alone():
    payload = profile(0.1 + 0.2)
    schemas(V16).round_limits("SetChargingProfile", payload)
    assert payload == profile(0.1 + 0.2)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Reset", {"type": "Hard"}),
        ("RemoteStartTransaction", {"idTag": "TAG"}),
        ("SetChargingProfile", {"csChargingProfiles": {"chargingSchedule": [0.30000000000000004]}}),
        ("SetChargingProfile", profile(math.inf)),
    ],
)
def test_rounding_leaves_what_it_does_not_know_alone(action, payload):
    assert schemas(V16).round_limits(action, payload) == payload
