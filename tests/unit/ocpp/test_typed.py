"""Payloads as structs: they take nothing that the schema refuses, and give the same as the ordinary way."""

import copy
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ocpp.schemas import schemas
from bridge.ocpp.typed import NoStructError, call_decoder
from bridge.ocpp.versions import VERSIONS

SCHEMAS = schemas(VERSIONS["1.6"])
ACTIONS = ("Authorize", "BootNotification", "MeterValues", "StartTransaction", "StatusNotification", "StopTransaction")
DECODERS = {action: call_decoder(action, SCHEMAS.request(action)) for action in ACTIONS}

SAMPLE = {"value": "1", "context": "Sample.Clock", "measurand": "Voltage", "phase": "L1-N", "unit": "V"}
TELEGRAM = {"timestamp": "2026-11-21T10:00:00.5Z", "sampledValue": [SAMPLE, {"value": "2"}]}
GOOD: dict[str, dict[str, Any]] = {
    "Authorize": {"idTag": "x" * 20},
    "BootNotification": {"chargePointVendor": "v", "chargePointModel": "m", "iccid": "1"},
    "MeterValues": {"connectorId": 1, "transactionId": 2, "meterValue": [TELEGRAM]},
    "StartTransaction": {"connectorId": 1, "idTag": "x", "meterStart": 0, "timestamp": "2026-11-21T10:00:00+01:00"},
    "StatusNotification": {"connectorId": 0, "errorCode": "NoError", "status": "Available"},
    "StopTransaction": {
        "transactionId": 1,
        "meterStop": 2**31 - 1,
        "timestamp": "2026-11-21T10:00:00Z",
        "reason": "Local",
        "transactionData": [TELEGRAM],
    },
}
# What stations get wrong, and what looks nearly right.
WRONG: tuple[Any, ...] = (
    None, True, "", "x", "x" * 21, "x" * 51, -1, 0, 1.0, 1.5, 2**31, -(2**31) - 1, 10**30, [], {}, [None], [{}],
    {"value": 1}, "Sample.clock", "2026-11-21 10:00:00Z", "2026-11-21T10:00:00", "2026-11-21T10:00:00+0100",
    "2026-W47-6T10:00:00Z", "2026-11-21T10:00:00,5Z", "2026-02-30T10:00:00Z", "2026-11-21T24:00:00Z",
    "2026-11-21T10:00:60Z", "2026-11-21T10:00:00+24:00", "0000-01-01T00:00:00Z", "1999-01-01T00:00:00z",
)  # fmt: skip


def accepted(action: str, payload: Any) -> Any:
    """The struct of a payload; None for one that the ordinary way has to look at."""
    text = msgspec.json.encode([2, "id", action, payload]).decode()
    try:
        return DECODERS[action](text)[3]
    except (msgspec.MsgspecError, ValueError):
        return None


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


def changed(payload: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    payload = copy.deepcopy(payload)
    holder = payload
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return payload


@pytest.mark.parametrize("action", ACTIONS)
def test_usual_message_is_taken(action):
    assert SCHEMAS.check_request(action, GOOD[action]) == ()
    assert accepted(action, GOOD[action]) is not None


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_is_taken_that_the_schema_refuses(action):
    """Every place of the message gets everything that may be wrong there, and every field goes missing."""
    good = GOOD[action]
    broken = [changed(good, place, value) for place in places(good) for value in WRONG]
    for place in places(good):
        if place and isinstance(place[-1], str):
            less = copy.deepcopy(good)
            holder = less
            for key in place[:-1]:
                holder = holder[key]
            del holder[place[-1]]
            broken.append(less)
    fields = [place for place in places(good) if place and isinstance(place[-1], str)]
    broken += [changed(good, (*place[:-1], "vendorsOwn"), 1) for place in fields]
    taken = [payload for payload in broken if accepted(action, payload) is not None]
    assert [payload for payload in taken if SCHEMAS.check_request(action, payload)] == []


@given(st.text(alphabet="0123456789TtZz:+-. ,W", min_size=18, max_size=28) | st.datetimes().map(str))
def test_no_timestamp_is_taken_that_the_schema_refuses(text):
    payload = changed(GOOD["MeterValues"], ("meterValue", 0, "timestamp"), text)
    assert accepted("MeterValues", payload) is None or SCHEMAS.check_request("MeterValues", payload) == ()


@pytest.mark.parametrize(
    "text", ["2026-11-21T10:00:00Z", "2026-11-21T10:00:00.25+05:30", "1970-01-01T00:00:00.123456Z"]
)
def test_timestamp_becomes_its_moment(text):
    payload = accepted("MeterValues", changed(GOOD["MeterValues"], ("meterValue", 0, "timestamp"), text))
    assert payload.meterValue[0].timestamp == datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        '[3,"id","MeterValues",{}]',
        '[2,"","MeterValues",{}]',
        f'[2,"{"x" * 37}","MeterValues",{{}}]',
        '[2,"id","MeterValues"]',
        '[2,"id","Heartbeat",{}]',
        '[2,"id","MeterValues",null]',
        "",
        "[",
    ],
)
def test_what_is_no_such_call_is_refused(text):
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        DECODERS["MeterValues"](text)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "number", "multipleOf": 0.1}}},
        {"type": "object", "properties": {"a": {"type": "string", "format": "uri"}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}},
        {"type": "object", "properties": {}, "minProperties": 1},
    ],
)
def test_schema_that_no_struct_can_hold_to_has_none(schema):
    with pytest.raises(NoStructError):
        call_decoder("Any", schema)
