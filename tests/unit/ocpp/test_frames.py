"""Text to frame and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ocpp.frames import (
    MAX_DEPTH,
    Call,
    CallError,
    CallResult,
    FrameError,
    decode,
    encode_call,
    encode_error,
    encode_result,
)

HEAD = '[2,"id-1","DataTransfer",'


def nested(depth):
    """A CALL of `depth` levels in all: the frame, the payload, and arrays in it."""
    return HEAD + '{"a":' + "[" * (depth - 2) + "]" * (depth - 2) + "}]"


def refused(data):
    with pytest.raises(FrameError) as caught:
        decode(data)
    return caught.value


def test_a_call_is_decoded():
    frame = decode('[2, "id-1", "Heartbeat", {"a": [1, 2.5, "ä"]}]')
    assert isinstance(frame, Call)
    assert (frame.id, frame.action, frame.payload) == ("id-1", "Heartbeat", {"a": [1, 2.5, "ä"]})
    assert frame.flaw == ""


def test_a_result_is_decoded():
    assert decode('[3,"id-1",{"status":"Accepted"}]') == CallResult("id-1", {"status": "Accepted"})


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[4,"i","GenericError","why",{"a":1}]', CallError("i", "GenericError", "why", {"a": 1})),
        ('[4,"i","GenericError","why"]', CallError("i", "GenericError", "why", {})),
        ('[4,"i","GenericError"]', CallError("i", "GenericError", "", {})),
        ('[4,"i","GenericError",null,null]', CallError("i", "GenericError", "", {})),
        ('[4,"i","","",[]]', CallError("i", "", "", {})),
    ],
)
def test_an_error_is_decoded_though_its_description_or_details_are_missing(text, frame):
    assert decode(text) == frame


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ('[2,"i","Heartbeat",null]', "null"),
        ('[2,"i","Heartbeat"]', "missing"),
        ('[3,"i",null]', "null"),
        ('[3,"i"]', "missing"),
    ],
)
def test_a_payload_that_is_null_or_missing_counts_as_an_empty_one_and_is_told(text, flaw):
    frame = decode(text)
    assert isinstance(frame, Call | CallResult)
    assert frame.payload == {}
    assert flaw in frame.flaw


def test_bytes_are_read_as_utf_8():
    assert decode('[3,"i",{"a":"ä"}]'.encode()) == CallResult("i", {"a": "ä"})


@pytest.mark.parametrize(
    ("data", "kind", "message_id", "message_type"),
    [
        # not JSON
        ("", "frame", None, None),
        ("hello", "frame", None, None),
        ("[2,", "frame", None, None),
        (HEAD + "{}", "frame", "id-1", 2),
        (HEAD + "{}] x", "frame", "id-1", 2),
        (' [ 2 , "id-1" , "A", NaN]', "frame", "id-1", 2),
        (HEAD + '{"a":NaN}]', "frame", "id-1", 2),
        (HEAD + '{"a":Infinity}]', "frame", "id-1", 2),
        (HEAD + '{"a":1e999}]', "frame", "id-1", 2),
        (HEAD + '{"a":' + "9" * 5000 + "}]", "frame", "id-1", 2),
        (HEAD + '{"a":"\\ud800"}]', "frame", "id-1", 2),
        (HEAD + '{"a":"\ud800"}]', "frame", "id-1", 2),
        ('[2,"\ud800","A",{}]', "frame", None, None),
        (b'[2,"id-1","A",{"a":"\xff"}]', "frame", "id-1", 2),
        (b"\xff\xfe\x00", "frame", None, None),
        ("\ufeff" + HEAD + "{}]", "frame", "id-1", 2),
        ('[3,"id-1",{]', "frame", "id-1", 3),
        ('[2,"' + "x" * 37 + '",{]', "frame", None, None),
        # JSON, but no frame
        ("null", "frame", None, None),
        ("{}", "frame", None, None),
        ('"[]"', "frame", None, None),
        ("[]", "frame", None, None),
        # message type
        ('["2","id-1","A",{}]', "frame", "id-1", None),
        ('[true,"id-1","A",{}]', "frame", "id-1", None),
        ('[2.0,"id-1","A",{}]', "frame", "id-1", None),
        ('[9,"id-1",{}]', "message_type", "id-1", 9),
        ("[9]", "message_type", None, 9),
        ("[-1,{},{}]", "message_type", None, -1),
        # message id
        ("[2]", "frame", None, 2),
        ('[2,"","A",{}]', "frame", None, 2),
        ('[2,7,"A",{}]', "frame", None, 2),
        ('[2,null,"A",{}]', "frame", None, 2),
        ('[2,["x"],"A",{}]', "frame", None, 2),
        ('[2,"' + "x" * 37 + '","A",{}]', "frame", None, 2),
        # count of elements
        ('[2,"id-1"]', "frame", "id-1", 2),
        ('[2,"id-1","A",{},{}]', "frame", "id-1", 2),
        ('[3,"id-1",{},{}]', "frame", "id-1", 3),
        ('[4,"id-1"]', "frame", "id-1", 4),
        ('[4,"id-1","C","d",{},1]', "frame", "id-1", 4),
        # elements
        ('[2,"id-1",["A"],{}]', "frame", "id-1", 2),
        ('[2,"id-1",{"a":1},{}]', "frame", "id-1", 2),
        ('[2,"id-1",5,{}]', "frame", "id-1", 2),
        ('[2,"id-1","A",[]]', "formation", "id-1", 2),
        ('[2,"id-1","A","x"]', "formation", "id-1", 2),
        ('[3,"id-1",5]', "formation", "id-1", 3),
        ('[4,"id-1",5,"",{}]', "frame", "id-1", 4),
        # bounds
        (nested(MAX_DEPTH + 1), "frame", "id-1", 2),
        (HEAD + "[" * 100_000, "frame", "id-1", 2),
        ("[" * 100_000, "frame", None, None),
        ('{"a":' * 100_000, "frame", None, None),
    ],
)
def test_what_is_no_frame_is_refused_with_the_id_where_it_can_be_read(data, kind, message_id, message_type):
    """J25, J35, J36."""
    error = refused(data)
    assert (error.kind, error.message_id, error.message_type) == (kind, message_id, message_type)


@pytest.mark.parametrize(
    "text",
    [
        nested(MAX_DEPTH),
        HEAD + '{"a":[' + ",".join(["{}"] * 1000) + "]}]",
        HEAD + '{"a":{"x":1},"b":{"x":1}}]',
        HEAD + '{"a":"say \\"hello\\" \\u0022there\\u0022"}]',
        HEAD + '{"\\u0022":1,"a\\/b":2,"":3}]',
        HEAD + '{"a":1e30,"b":-9223372036854775809,"c":9223372036854775808}]',
        '[2,"' + "x" * 36 + '","A",{}]',
    ],
)
def test_what_is_unusual_but_right_is_decoded(text):
    """J40."""
    assert decode(text).payload == json.loads(text)[3]


def test_a_refusal_says_nothing_of_what_the_frame_held():
    """J34."""
    for text in ('[2,"id-1","A",{"secret":"s3cr3t"', '[2,"s3cr3t"]', '[2,"id-1","A","s3cr3t"]'):
        assert "s3cr3t" not in refused(text).description


def test_of_two_equal_keys_the_last_counts():
    """J35"""
    assert decode('[2,"id-1","A",{"a":1,"a":2}]').payload == {"a": 2}


def test_a_frame_that_is_sent_again_has_the_same_digest():
    first = decode('[2,"id-1","A",{"a":"ä","b":1}]')
    assert decode('[2,"id-1","A",{"a":"ä","b":1}]').digest == first.digest
    assert decode('[2,"id-1","A",{"a":"ä","b":2}]').digest != first.digest
    assert decode('[2,"id-1","B",{"a":"ä","b":1}]').digest != first.digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=5)
IDS = st.text(min_size=1, max_size=36)


@given(IDS, st.text(), OBJECTS)
def test_a_call_comes_back_as_it_was_sent(message_id, action, payload):
    """J45."""
    frame = decode(encode_call(message_id, action, payload))
    assert (frame.id, frame.action, frame.payload) == (message_id, action, payload)


@given(IDS, OBJECTS)
def test_a_result_comes_back_as_it_was_sent(message_id, payload):
    """J45."""
    assert decode(encode_result(message_id, payload)) == CallResult(message_id, payload)


@given(IDS, st.text(max_size=255), st.text(max_size=255), OBJECTS)
def test_an_error_comes_back_as_it_was_sent(message_id, code, description, details):
    frame = decode(encode_error(message_id, code, description, details))
    assert frame == CallError(message_id, code, description, details)


def test_an_error_description_is_cut_to_255_characters():
    """J34."""
    assert decode(encode_error("i", "GenericError", "ä" * 300)).description == "ä" * 255


@pytest.mark.parametrize("details", [{"a": {1, object}}, {"a": "\ud800"}, {"a": object()}])
def test_details_that_are_no_json_are_left_out(details):
    assert decode(encode_error("i", "GenericError", "why", details)) == CallError("i", "GenericError", "why", {})


def test_a_lone_surrogate_in_a_description_is_replaced():
    assert decode(encode_error("i", "GenericError", "a\ud800b")).description == "a?b"


@pytest.mark.parametrize("payload", [{"a": object()}, {"a": "\ud800"}, {object(): 1}])
def test_a_payload_that_is_no_json_is_not_encoded(payload):
    with pytest.raises((TypeError, ValueError)):
        encode_call("i", "DataTransfer", payload)
    with pytest.raises((TypeError, ValueError)):
        encode_result("i", payload)
