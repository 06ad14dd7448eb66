"""One station's connection: what comes in, and what goes out."""

import json
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.messages import unpack, validate_payload

from bridge.ocpp.frames import decode
from bridge.ocpp.peer import (
    MAX_ANSWERED,
    MAX_OPEN,
    Dropped,
    Peer,
    Received,
    ReceivedCall,
    ReceivedError,
    ReceivedResult,
    Reply,
)
from bridge.ocpp.versions import VERSIONS

V16 = VERSIONS["1.6"]
# What 1.6 has not: an error for unknown message types, an id for unreadable frames, an unserved action.
OTHER = replace(
    V16,
    name="other",
    from_station=V16.from_station - {"SignCertificate"},
    unsupported=frozenset({"SignCertificate"}),
    codes={**V16.codes, "frame": "RpcFrameworkError", "message_type": "MessageTypeNotSupported"},
    unknown_message_type="error",
    unreadable_id="-1",
)


def new_peer(validation="lenient", version=V16):
    numbers = count(1)
    return Peer(version, validation, lambda: f"ours-{next(numbers)}")


def call(action="Heartbeat", payload=None, message_id="s-1"):
    return json.dumps([2, message_id, action, {} if payload is None else payload])


def refusal(received: Received) -> tuple[str, str]:
    """(id, code) of the CALLERROR that is sent back."""
    assert isinstance(received, Reply)
    assert not received.repeated
    frame = json.loads(received.text)
    assert frame[0] == 4
    assert len(frame) == 5
    assert frame[4] == {}
    assert len(frame[3]) <= 255
    assert received.reason.startswith(frame[2])
    return frame[1], frame[2]


# --- the station's CALLs ---


def test_a_call_is_received_and_answered():
    peer = new_peer()
    assert peer.receive(call()) == ReceivedCall("s-1", "Heartbeat", {})
    assert json.loads(peer.answer("s-1", {"currentTime": "x"})) == [3, "s-1", {"currentTime": "x"}]


def test_a_call_is_received_and_refused():
    """J34."""
    peer = new_peer()
    peer.receive(call())
    text = peer.refuse("s-1", "InternalError", "y" * 300, {"a": 1})
    assert json.loads(text) == [4, "s-1", "InternalError", "y" * 255, {"a": 1}]


def test_a_call_is_answered_once_only():
    peer = new_peer()
    peer.receive(call())
    peer.answer("s-1", {})
    for again in (lambda: peer.answer("s-1", {}), lambda: peer.refuse("s-1", "InternalError", "")):
        with pytest.raises(RuntimeError):
            again()


def test_an_answer_that_is_no_json_leaves_the_call_to_be_refused():
    peer = new_peer()
    peer.receive(call())
    with pytest.raises(TypeError):
        peer.answer("s-1", {"a": object()})
    assert json.loads(peer.refuse("s-1", "InternalError", ""))[0] == 4


def test_the_stations_call_is_received_while_ours_is_outstanding():
    """J18."""
    peer = new_peer()
    ours = peer.call("Reset", {"type": "Soft"})
    assert isinstance(peer.receive(call()), ReceivedCall)
    peer.answer("s-1", {})
    assert isinstance(peer.receive(json.dumps([3, ours.id, {"status": "Accepted"}])), ReceivedResult)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("Nonsense", "NotImplemented"),
        ("", "NotImplemented"),
        ("heartbeat", "NotImplemented"),
        ("../Heartbeat", "NotImplemented"),
        ("NotifyEvent", "NotImplemented"),
        ("Reset", "NotSupported"),
        ("RemoteStartTransaction", "NotSupported"),
    ],
)
@pytest.mark.parametrize("validation", ["strict", "lenient", "off"])
def test_an_action_that_is_not_served_is_refused(validation, action, code):
    """J31."""
    assert refusal(new_peer(validation).receive(call(action))) == ("s-1", code)


def test_an_action_that_the_bridge_does_not_serve_is_not_supported():
    """J31."""
    received = new_peer(version=OTHER).receive(call("SignCertificate", {"csr": "x"}))
    assert refusal(received) == ("s-1", "NotSupported")


WRONG = [
    ("Authorize", {}, "OccurenceConstraintViolation"),
    ("Authorize", {"idTag": 5}, "TypeConstraintViolation"),
    ("Authorize", {"idTag": "x" * 21}, "PropertyConstraintViolation"),
    ("Authorize", {"idTag": "x", "more": 1}, "FormationViolation"),
    ("Authorize", {"more": 1}, "FormationViolation"),
]


@pytest.mark.parametrize(("action", "payload", "code"), WRONG)
def test_strict_refuses_what_the_schema_does_not_allow(action, payload, code):
    """J32, J33."""
    assert refusal(new_peer("strict").receive(call(action, payload))) == ("s-1", code)


@pytest.mark.parametrize(("action", "payload", "code"), WRONG)
def test_lenient_tells_what_the_schema_does_not_allow(action, payload, code):
    received = new_peer("lenient").receive(call(action, payload))
    assert isinstance(received, ReceivedCall)
    assert received.payload == {**payload, **({"idTag": "5"} if code == "TypeConstraintViolation" else {})}
    assert V16.codes[received.violations[0].kind] == code


@pytest.mark.parametrize(("action", "payload", "code"), WRONG)
def test_off_does_not_look(action, payload, code):
    assert new_peer("off").receive(call(action, payload)) == ReceivedCall("s-1", action, payload)


@pytest.mark.parametrize("text", ['[2,"s-1","Heartbeat",null]', '[2,"s-1","Heartbeat"]'])
def test_a_payload_that_is_null_or_missing_is_an_empty_one_but_for_strict(text):
    assert refusal(new_peer("strict").receive(text)) == ("s-1", "FormationViolation")
    lenient = new_peer("lenient").receive(text)
    assert isinstance(lenient, ReceivedCall)
    assert [violation.kind for violation in lenient.violations] == ["formation"]
    assert new_peer("off").receive(text) == ReceivedCall("s-1", "Heartbeat", {})


def test_the_refusal_names_the_first_violation_and_counts_the_others():
    received = new_peer("strict").receive(call("StartTransaction", {"idTag": "x"}))
    assert isinstance(received, Reply)
    description = json.loads(received.text)[3]
    assert description.endswith("is missing (and 2 more)")


def test_a_refused_call_can_be_sent_again_under_its_id():
    peer = new_peer("strict")
    assert refusal(peer.receive(call("Authorize", {}))) == ("s-1", "OccurenceConstraintViolation")
    assert isinstance(peer.receive(call("Authorize", {"idTag": "x"})), ReceivedCall)


# --- the same id again ---


def test_an_answered_call_that_comes_again_gets_the_same_answer():
    """J22."""
    peer = new_peer()
    peer.receive(call())
    answer = peer.answer("s-1", {"currentTime": "x"})
    for _ in range(2):
        received = peer.receive(call())
        assert isinstance(received, Reply)
        assert (received.text, received.repeated) == (answer, True)


def test_a_refused_call_that_comes_again_gets_the_same_refusal():
    """J22."""
    peer = new_peer()
    peer.receive(call())
    refused = peer.refuse("s-1", "GenericError", "no")
    received = peer.receive(call())
    assert isinstance(received, Reply)
    assert (received.text, received.repeated) == (refused, True)


def test_a_call_that_could_not_be_handled_for_now_is_handled_when_it_comes_again():
    """J22, J27: the same text under the same id, since the station was told to send it again."""
    peer = new_peer()
    peer.receive(call())
    refused = json.loads(peer.refuse_for_now("s-1", "InternalError", "later"))
    assert refused[:3] == [4, "s-1", "InternalError"]
    assert isinstance(peer.receive(call()), ReceivedCall)
    with pytest.raises(RuntimeError):
        new_peer().refuse_for_now("s-1", "InternalError", "later")


def test_a_call_that_comes_again_while_it_is_handled_is_answered_once():
    """J23."""
    peer = new_peer()
    peer.receive(call())
    assert isinstance(peer.receive(call()), Dropped)
    assert isinstance(peer.receive(call("Authorize", {"idTag": "x"})), Dropped)
    assert isinstance(peer.receive('[2,"s-1","Heartbeat",[]]'), Dropped)
    assert json.loads(peer.answer("s-1", {}))[0] == 3


def test_an_id_with_other_content_is_a_new_call():
    peer = new_peer()
    peer.receive(call("Authorize", {"idTag": "a"}))
    peer.answer("s-1", {})
    for action, payload in (("Authorize", {"idTag": "b"}), ("Heartbeat", {}), ("Authorize", {"idTag": "a"})):
        assert isinstance(peer.receive(call(action, payload)), ReceivedCall)
        peer.answer("s-1", {})


def test_the_last_answers_are_kept_and_no_more():
    peer = new_peer()
    for number in range(MAX_ANSWERED + 1):
        peer.receive(call(message_id=str(number)))
        peer.answer(str(number), {})
    assert isinstance(peer.receive(call(message_id="1")), Reply)
    assert isinstance(peer.receive(call(message_id=str(MAX_ANSWERED))), Reply)
    assert isinstance(peer.receive(call(message_id="0")), ReceivedCall)


def test_an_answer_that_is_given_anew_counts_as_a_late_one():
    peer = new_peer()
    for number in range(MAX_ANSWERED):
        peer.receive(call(message_id=str(number)))
        peer.answer(str(number), {})
    peer.receive(call("Authorize", {"idTag": "a"}, message_id="0"))
    peer.answer("0", {})
    peer.receive(call(message_id="new"))
    peer.answer("new", {})
    assert isinstance(peer.receive(call("Authorize", {"idTag": "a"}, message_id="0")), Reply)


def test_a_station_that_asks_without_end_is_refused():
    peer = new_peer()
    for number in range(MAX_OPEN):
        assert isinstance(peer.receive(call(message_id=str(number))), ReceivedCall)
    assert refusal(peer.receive(call(message_id="more"))) == ("more", "InternalError")
    peer.answer("7", {})
    assert isinstance(peer.receive(call(message_id="more")), ReceivedCall)


# --- frames that cannot be read ---


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[2,"s-1"]', "FormationViolation"),
        ('[2,"s-1","Heartbeat",{},{}]', "FormationViolation"),
        ('[2,"s-1",["Heartbeat"],{}]', "FormationViolation"),
        ('[2,"s-1",7,{}]', "FormationViolation"),
        ('[2,"s-1","Heartbeat",[]]', "FormationViolation"),
        ('[2,"s-1","Heartbeat",{"a":NaN}]', "FormationViolation"),
        ('[2,"s-1","Heartbeat",{"a":"\\ud800"}]', "FormationViolation"),
        ('\ufeff[2,"s-1","Heartbeat",{}]', "FormationViolation"),
        ('[2,"s-1","Heartbeat",{"a":' + "9" * 5000 + "}]", "FormationViolation"),
        ('[2,"s-1","Heartbeat",' + "[" * 100_000, "FormationViolation"),
        ('["2","s-1","Heartbeat",{}]', "FormationViolation"),
    ],
)
@pytest.mark.parametrize("validation", ["strict", "lenient", "off"])
def test_a_call_that_cannot_be_read_is_answered_and_the_next_is_served(validation, text, code):
    """J35, J36."""
    peer = new_peer(validation)
    assert refusal(peer.receive(text)) == ("s-1", code)
    assert isinstance(peer.receive(call()), ReceivedCall)


UNREADABLE = [
    "",
    "x",
    "[]",
    "{}",
    "[2]",
    "[" * 100_000,
    '[2,"","A",{}]',
    '[2,7,"A",{}]',
    f'[2,"{"x" * 37}","A",{{}}]',
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_frame_without_a_readable_id_is_dropped_in_16(text):
    """J25."""
    received = new_peer().receive(text)
    assert isinstance(received, Dropped)
    assert len(received.reason) < 100


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_frame_without_a_readable_id_is_answered_where_the_version_has_an_id_for_it(text):
    """J25, J27."""
    assert refusal(new_peer(version=OTHER).receive(text)) == ("-1", "RpcFrameworkError")


@pytest.mark.parametrize("text", ['[9,"s-1",{}]', "[9]", '[6,"s-1","Heartbeat",{}]', '[-2,"s-1","Heartbeat",{}]'])
def test_an_unknown_message_type_is_ignored_in_16(text):
    """J28."""
    assert isinstance(new_peer().receive(text), Dropped)


def test_an_unknown_message_type_is_an_error_where_the_version_says_so():
    """J28."""
    assert refusal(new_peer(version=OTHER).receive('[9,"s-1",{}]')) == ("s-1", "MessageTypeNotSupported")


@pytest.mark.parametrize("data", [b"", b"\x00\xff", call().encode()])
@pytest.mark.parametrize("version", [V16, OTHER], ids=lambda version: version.name)
def test_a_binary_frame_is_dropped_whatever_it_holds(version, data):
    """J37."""
    assert new_peer(version=version).receive(data) == Dropped("a binary frame")


# --- our CALLs ---


def test_our_call_is_answered():
    peer = new_peer()
    ours = peer.call("Reset", {"type": "Soft"})
    assert json.loads(ours.text) == [2, ours.id, "Reset", {"type": "Soft"}]
    received = peer.receive(json.dumps([3, ours.id, {"status": "Accepted"}]))
    assert received == ReceivedResult(ours.id, "Reset", {"status": "Accepted"})


def test_our_call_is_refused_by_the_station():
    peer = new_peer()
    ours = peer.call("Reset", {"type": "Soft"})
    received = peer.receive(json.dumps([4, ours.id, "NotSupported", "never", {"a": 1}]))
    assert received == ReceivedError(ours.id, "Reset", "NotSupported", "never", {"a": 1})


def test_one_call_at_a_time_is_outstanding():
    """J17."""
    peer = new_peer()
    ours = peer.call("Reset", {"type": "Soft"})
    with pytest.raises(RuntimeError):
        peer.call("ClearCache", {})
    peer.receive(json.dumps([3, ours.id, {"status": "Accepted"}]))
    assert peer.call("ClearCache", {}).id != ours.id


@pytest.mark.parametrize("action", ["Heartbeat", "Nonsense", ""])
def test_an_action_that_the_version_has_not_is_not_sent(action):
    peer = new_peer()
    with pytest.raises(ValueError, match=r"1\.6"):
        peer.call(action, {})
    assert [violation.kind for violation in peer.check_call(action, {})] == ["formation"]
    peer.call("ClearCache", {})


def test_a_payload_that_is_no_json_is_not_sent():
    peer = new_peer()
    with pytest.raises(TypeError):
        peer.call("DataTransfer", {"vendorId": object()})
    peer.call("ClearCache", {})


def test_our_call_can_be_checked_before():
    peer = new_peer()
    assert peer.check_call("Reset", {"type": "Soft"}) == ()
    assert [str(violation) for violation in peer.check_call("Reset", {})] == ["type: is missing"]


async def test_limits_go_out_as_a_station_that_checks_them_takes_them():
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.1 + 0.2}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    ours = new_peer().call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
    assert '"limit":0.3}' in ours.text
    await validate_payload(unpack(ours.text), "1.6")  # raises where the ocpp package's stations would refuse it


@pytest.mark.parametrize(
    "answer",
    [[3, "{id}", {"status": "Accepted"}], [4, "{id}", "GenericError", "", {}], [3, "{id}"]],
)
def test_an_answer_after_the_timeout_is_dropped_and_not_given_to_the_next_call(answer):
    """J19."""
    peer = new_peer()
    late = peer.call("Reset", {"type": "Soft"})
    peer.expire("another")
    peer.expire(late.id)
    peer.expire(late.id)
    following = peer.call("ClearCache", {})
    assert isinstance(peer.receive(json.dumps(answer).replace("{id}", late.id)), Dropped)
    received = peer.receive(json.dumps([3, following.id, {"status": "Rejected"}]))
    assert received == ReceivedResult(following.id, "ClearCache", {"status": "Rejected"})


def test_an_answer_is_taken_once():
    peer = new_peer()
    ours = peer.call("ClearCache", {})
    text = json.dumps([3, ours.id, {"status": "Accepted"}])
    assert isinstance(peer.receive(text), ReceivedResult)
    assert isinstance(peer.receive(text), Dropped)


def test_answers_nobody_asked_for_are_dropped_and_the_next_command_works():
    """J20."""
    peer = new_peer()
    for number in range(5000):
        assert isinstance(peer.receive(f'[3,"x{number}",{{}}]'), Dropped)
    ours = peer.call("ClearCache", {})
    assert isinstance(peer.receive(json.dumps([3, ours.id, {"status": "Accepted"}])), ReceivedResult)


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (",{},{}]", "FormationViolation"),
        (",[]]", "FormationViolation"),
        (',{"status":NaN}]', "FormationViolation"),
    ],
)
@pytest.mark.parametrize("version", [V16, replace(V16, unreadable_id="-1")], ids=["dropped", "answered"])
def test_an_answer_that_cannot_be_read_fails_its_call_and_is_never_answered(version, rest, code):
    peer = new_peer(version=version)
    ours = peer.call("Reset", {"type": "Soft"})
    assert isinstance(peer.receive(f'[3,"foreign"{rest}'), Dropped)
    assert isinstance(peer.receive("[3]"), Dropped)
    received = peer.receive(f'[3,"{ours.id}"{rest}')
    assert isinstance(received, ReceivedError)
    assert (received.id, received.action, received.code) == (ours.id, "Reset", code)
    peer.call("ClearCache", {})


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("{}", "OccurenceConstraintViolation"),
        ("null", "FormationViolation"),
        ('{"status":"Maybe"}', "PropertyConstraintViolation"),
        ('{"status":"Accepted","more":1}', "FormationViolation"),
    ],
)
def test_an_answer_against_its_schema_fails_in_strict_and_is_told_in_lenient(payload, code):
    strict, lenient, off = (new_peer(validation) for validation in ("strict", "lenient", "off"))
    results = []
    for peer in (strict, lenient, off):
        ours = peer.call("Reset", {"type": "Soft"})
        results.append(peer.receive(f'[3,"{ours.id}",{payload}]'))
    failed, told, unseen = results
    assert isinstance(failed, ReceivedError)
    assert failed.code == code
    assert isinstance(told, ReceivedResult)
    assert V16.codes[told.violations[0].kind] == code
    assert unseen == ReceivedResult("ours-1", "Reset", json.loads(payload) or {})


# --- anything ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=10), children, max_size=5),
    max_leaves=15,
)
NAMES = st.sampled_from([*sorted(V16.from_station), "Reset", "Nonsense"])
FRAMES = st.one_of(
    st.lists(JSON, max_size=6),
    st.tuples(st.sampled_from([2, 3, 4, 5, 9]), st.sampled_from(["a", "b", "ours-1"]) | JSON, NAMES | JSON, JSON),
    st.tuples(st.just(3), st.sampled_from(["ours-1", "a"]), JSON),
    st.tuples(st.just(4), st.sampled_from(["ours-1", "a"]), JSON, JSON, JSON),
    st.tuples(
        st.just(2),
        st.sampled_from(["a", "b"]),
        st.just("StartTransaction"),
        st.fixed_dictionaries({}, optional={"connectorId": JSON, "idTag": JSON, "meterStart": JSON, "timestamp": JSON}),
    ),
)
DATA = st.text() | st.binary() | FRAMES.map(json.dumps) | FRAMES.map(lambda frame: json.dumps(frame)[:-2])


@given(
    st.sampled_from(["strict", "lenient", "off"]),
    st.sampled_from([V16, OTHER]),
    st.lists(st.tuples(DATA, st.sampled_from(["answer", "refuse", "wait"])), max_size=8),
)
def test_whatever_comes_is_understood_answered_or_dropped(validation, version, frames):
    peer = new_peer(validation, version)
    peer.call("Reset", {"type": "Soft"})
    settled = 0
    for data, then in frames:
        received = peer.receive(data)
        match received:
            case ReceivedCall():
                assert received.action in version.from_station
                if then == "answer":
                    assert decode(peer.answer(received.id, received.payload)).payload == received.payload
                elif then == "refuse":
                    assert decode(peer.refuse(received.id, "GenericError", "")).id == received.id
            case ReceivedResult() | ReceivedError():
                assert (received.id, received.action) == ("ours-1", "Reset")
                settled += 1
            case Reply():
                assert received.repeated or json.loads(received.text)[0] == 4
            case Dropped():
                assert received.reason
    assert settled <= 1
