"""What a payload that breaks its schema was meant to say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ocpp.repair import repaired
from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS

SCHEMA: dict[str, Any] = {
    "type": "object",
    "definitions": {"Sample": {"type": "object", "properties": {"value": {"type": "string"}}}},
    "properties": {
        "text": {"type": "string"},
        "word": {"type": "string", "enum": ["Accepted", "L1-N"]},
        "count": {"type": "integer"},
        "number": {"type": "number"},
        "yes": {"type": "boolean"},
        "samples": {"type": "array", "items": {"$ref": "#/definitions/Sample"}},
        "names": {"type": "array", "items": {"type": "string"}},
        "open": {},
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("came", "meant"),
    [
        ({"text": 5}, {"text": "5"}),
        ({"text": 1.5}, {"text": "1.5"}),
        ({"text": True}, {"text": "true"}),
        ({"count": "5"}, {"count": 5}),
        ({"count": " -5 "}, {"count": -5}),
        ({"count": "5.0"}, {"count": 5}),
        ({"count": 5.0}, {"count": 5}),
        ({"count": "9007199254740993"}, {"count": 9007199254740993}),
        ({"number": "1.5"}, {"number": 1.5}),
        ({"number": "1e3"}, {"number": 1000.0}),
        ({"yes": "True"}, {"yes": True}),
        ({"yes": 0}, {"yes": False}),
        ({"samples": {"value": 5}}, {"samples": [{"value": "5"}]}),
        ({"names": "x"}, {"names": ["x"]}),
        ({"word": "ACCEPTED"}, {"word": "Accepted"}),
        ({"word": " l1-n"}, {"word": "L1-N"}),
        ({"TEXT": "x"}, {"text": "x"}),
        ({"text": None, "samples": None}, {}),
    ],
)
def test_what_leaves_no_doubt_is_put_right(came, meant):
    before = json.dumps(came)
    assert repaired(SCHEMA, came) == meant
    assert json.dumps(came) == before


@pytest.mark.parametrize(
    "payload",
    [
        {"count": "five"},
        {"count": "1_000"},
        {"count": "9" * 41},
        {"count": 1.5},
        {"count": True},
        {"number": "inf"},
        {"number": "nan"},
        {"number": ""},
        {"yes": "maybe"},
        {"yes": 2},
        {"text": ["x"]},
        {"text": {"a": 1}},
        {"word": "Perhaps"},
        {"samples": [5, None]},
        {"TEXT": "x", "text": "y"},
        {"more": None},
        {"open": {"any": None}},
    ],
)
def test_what_cannot_be_understood_stays_as_it_came(payload):
    assert repaired(SCHEMA, payload) == payload


@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), JSON))
def test_whatever_comes_something_comes_out_that_is_json(payload):
    json.dumps(repaired(SCHEMA, payload))


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_what_is_right_is_left_alone(version):
    payload = {"evseId": 1, "meterValue": [{"timestamp": "2027-01-15T08:00:00Z", "sampledValue": [{"value": 1.5}]}]}
    if version.name == "1.6":
        payload["meterValue"] = [{"timestamp": "2027-01-15T08:00:00Z", "sampledValue": [{"value": "1.5"}]}]
        payload["connectorId"] = payload.pop("evseId")
    assert schemas(version).check_request("MeterValues", payload) == ()
    assert repaired(schemas(version).request("MeterValues"), payload) == payload
