"""What a peer of OCPP 2.x does otherwise than one of 1.6."""

import json

import pytest

from bridge.ocpp.peer import Dropped, ReceivedCall, ReceivedError, ReceivedResult, ReceivedSend
from bridge.ocpp.versions import VERSIONS
from tests.unit.ocpp.test_peer import call, new_peer, refusal

V201, V21 = VERSIONS["2.0.1"], VERSIONS["2.1"]
BOTH = pytest.mark.parametrize("version", [V201, V21], ids=lambda version: version.name)
STREAM = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "16"}]}


def send(payload=STREAM, action="NotifyPeriodicEventStream", message_id="s-1"):
    return json.dumps([6, message_id, action, payload])


@BOTH
@pytest.mark.parametrize("text", ["[2,", "", "{}", "[]", '[2,5,"Heartbeat",{}]', '["2","a","Heartbeat",{}]x'])
def test_a_frame_whose_id_cannot_be_read_is_refused_under_minus_one(version, text):
    """J27."""
    assert refusal(new_peer(version=version).receive(text)) == ("-1", "RpcFrameworkError")


@BOTH
def test_a_frame_that_breaks_off_is_refused_under_its_own_id(version):
    assert refusal(new_peer(version=version).receive('[2,"a","Heartbeat",{')) == ("a", "RpcFrameworkError")


@BOTH
@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Heartbeat", [], "FormatViolation"),
        ("Heartbeat", {"more": 1}, "FormatViolation"),
        ("BootNotification", {"reason": "PowerUp"}, "OccurrenceConstraintViolation"),
        (
            "StatusNotification",
            {"timestamp": "2026-01-01T00:00:00Z", "connectorStatus": "Available", "evseId": "1", "connectorId": 1},
            "TypeConstraintViolation",
        ),
        ("FirmwareStatusNotification", {"status": "Perhaps"}, "PropertyConstraintViolation"),
        ("Nonsense", {}, "NotImplemented"),
        ("StartTransaction", {}, "NotImplemented"),
        ("Reset", {}, "NotSupported"),
    ],
)
def test_the_codes_are_those_of_2x(version, action, payload, code):
    """J31, J32, J33."""
    peer = new_peer("strict", version)
    assert refusal(peer.receive(json.dumps([2, "a", action, payload]))) == ("a", code)


@pytest.mark.parametrize("frame", [[9, "a", {}], [6, "a", "NotifyPeriodicEventStream", {}], [6, "a"], [5, "a", "X"]])
def test_201_refuses_a_message_type_that_it_has_not(frame):
    """J28."""
    assert refusal(new_peer(version=V201).receive(json.dumps(frame))) == ("a", "MessageTypeNotSupported")


@pytest.mark.parametrize("version", [VERSIONS["1.6"], V21], ids=lambda version: version.name)
def test_16_and_21_ignore_a_message_type_that_they_have_not(version):
    """J28."""
    frames = [[9, "a", {}]] if version is V21 else [[9, "a", {}], [6, "a", "Heartbeat", {}], [5, "a", "X"]]
    for frame in frames:
        assert new_peer(version=version).receive(json.dumps(frame)) == Dropped("unknown message type")


# --- SEND


def test_a_send_is_received_and_nothing_is_to_be_answered():
    """J29."""
    peer = new_peer(version=V21)
    assert peer.receive(send()) == ReceivedSend("NotifyPeriodicEventStream", STREAM)
    with pytest.raises(RuntimeError):
        peer.answer("s-1", {})


def test_a_send_that_breaks_the_schema_is_taken_with_what_is_wrong_or_dropped():
    broken = STREAM | {"id": "one"}
    received = new_peer("lenient", V21).receive(send(broken))
    assert isinstance(received, ReceivedSend)
    assert [str(violation) for violation in received.violations] == ["id: is not of type 'integer'"]
    assert new_peer("off", V21).receive(send(broken)) == ReceivedSend("NotifyPeriodicEventStream", broken)
    dropped = new_peer("strict", V21).receive(send(broken))
    assert dropped == Dropped("NotifyPeriodicEventStream: id: is not of type 'integer'")


@pytest.mark.parametrize(
    "text",
    [send({}, "Heartbeat"), send({}, "Nonsense"), '[6,"a"]', '[6,5,"NotifyPeriodicEventStream",{}]', send([])],
)
def test_a_send_is_never_answered_whatever_is_wrong_with_it(text):
    """J29."""
    for validation in ("strict", "lenient", "off"):
        assert isinstance(new_peer(validation, V21).receive(text), Dropped)


def test_a_call_of_an_action_that_is_sent_is_not_answered_as_one():
    peer = new_peer(version=V21)
    assert refusal(peer.receive(call("NotifyPeriodicEventStream", STREAM)))[1] == "NotSupported"


# --- CALLRESULTERROR


def test_a_callresulterror_fails_our_call():
    """J30."""
    peer = new_peer(version=V21)
    peer.call("ClearCache", {})
    received = peer.receive('[5,"ours-1","FormatViolation","bad",{"a":1}]')
    assert received == ReceivedError("ours-1", "ClearCache", "FormatViolation", "bad", {"a": 1})
    assert isinstance(peer.receive('[3,"ours-1",{"status":"Accepted"}]'), Dropped)


def test_a_station_that_cannot_use_our_answer_is_told_of_and_not_answered():
    peer = new_peer(version=V21)
    assert isinstance(peer.receive(call()), ReceivedCall)
    peer.answer("s-1", {"currentTime": "x"})
    received = peer.receive('[5,"s-1","PropertyConstraintViolation","currentTime",{}]')
    assert received == Dropped("the station cannot use an answer of ours: PropertyConstraintViolation: currentTime")
    assert peer.receive('[5,"who","GenericError","",{}]') == Dropped("a CALLRESULTERROR for no answer of ours")


def test_a_station_of_21_learns_that_its_answer_cannot_be_used():
    peer = new_peer("strict", V21)
    peer.call("ClearCache", {})
    received = peer.receive('[3,"ours-1",{"status":"Perhaps"}]')
    assert isinstance(received, ReceivedError)
    assert json.loads(received.reply)[:3] == [5, "ours-1", "PropertyConstraintViolation"]
    peer.call("ClearCache", {})
    received = peer.receive('[3,"ours-2",5]')
    assert isinstance(received, ReceivedError)
    assert json.loads(received.reply)[:3] == [5, "ours-2", "FormatViolation"]


@pytest.mark.parametrize("name", ["1.6", "2.0.1"])
def test_older_versions_have_nothing_to_say_to_an_answer(name):
    peer = new_peer("strict", VERSIONS[name])
    peer.call("ClearCache", {})
    received = peer.receive('[3,"ours-1",{"status":"Perhaps"}]')
    assert isinstance(received, ReceivedError)
    assert received.reply == ""


@BOTH
def test_an_answer_in_2x_settles_our_call(version):
    peer = new_peer("strict", version)
    peer.call("RequestStopTransaction", {"transactionId": "T1"})
    received = peer.receive('[3,"ours-1",{"status":"Accepted"}]')
    assert received == ReceivedResult("ours-1", "RequestStopTransaction", {"status": "Accepted"})


@pytest.mark.parametrize("data", [5, "text", None, True, [1, {"aB": 2}], {"aB": {"C_d": 1.5}}])
def test_data_of_any_type_arrives_unchanged(data):
    """J45."""
    payload = {"vendorId": "V", "data": data, "customData": {"vendorId": "V", "aB": 1}}
    assert new_peer("strict", V201).receive(call("DataTransfer", payload)) == ReceivedCall(
        "s-1", "DataTransfer", payload
    )
