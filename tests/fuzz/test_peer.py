"""The peer against frames from the schemas of every version."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ocpp.peer import Dropped, Peer, ReceivedCall, ReceivedError, ReceivedResult, ReceivedSend, Reply
from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS, Version
from tests.fuzz import frames

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS.values(), ids=list(VERSIONS))


def new_peer(version: Version, validation: Any = "lenient") -> Peer:
    return Peer(version, validation, (f"ours-{number}" for number in itertools.count(1)).__next__)


def called(data: str | bytes) -> str | None:
    """The id of a frame that is a CALL, whatever else is in it: its head is good, and it is JSON."""
    if isinstance(data, bytes):
        return None
    try:
        items = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
    head = isinstance(items, list) and len(items) > 1 and type(items[0]) is int and items[0] == 2
    return items[1] if head and isinstance(items[1], str) and 0 < len(items[1]) <= 36 else None


@EVERY_VERSION
@given(data=st.data())
def test_what_the_schema_allows_is_accepted_by_the_strictest(version, data):
    action = data.draw(st.sampled_from(sorted(version.from_station)))
    payload = data.draw(frames.valid(version, action))
    received = new_peer(version, "strict").receive(json.dumps([2, "a", action, payload]))
    assert received == ReceivedCall("a", action, payload)


@EVERY_VERSION
@given(data=st.data())
def test_what_the_schema_forbids_is_refused_by_the_strictest_and_told_by_the_lenient(version, data):
    action = data.draw(st.sampled_from(sorted(version.from_station)))
    payload = data.draw(frames.nearly_valid(version, action))
    text = json.dumps([2, "a", action, payload])
    strict, lenient = new_peer(version, "strict").receive(text), new_peer(version).receive(text)
    assert isinstance(lenient, ReceivedCall)
    if schemas(version).check_request(action, payload):
        assert isinstance(strict, Reply)
        assert json.loads(strict.text)[:2] == [4, "a"]
        assert lenient.violations
    else:
        assert strict == lenient == ReceivedCall("a", action, payload)


@EVERY_VERSION
@given(data=st.data())
def test_every_call_has_one_answer_and_nothing_else_has_a_result(version, data):
    """L08, J35, J36: and a CALL that comes again gets the same answer."""
    peer = new_peer(version, data.draw(st.sampled_from(["strict", "lenient", "off"])))
    for number in range(data.draw(st.integers(1, 6))):
        frame = data.draw(frames.frames(version, f"id-{number}"))
        message_id, received = called(frame), peer.receive(frame)
        match received:
            case ReceivedCall():
                assert received.id == message_id
                answer = peer.answer(received.id, {})
                assert json.loads(answer)[:2] == [3, message_id]
                assert peer.receive(frame) == Reply(answer, f"a CALL that was answered before: {message_id}", True)
            case Reply():
                kind, answered, *rest = json.loads(received.text)
                assert kind == 4
                assert answered in (message_id, version.unreadable_id) or message_id is None
                assert len(rest[1]) <= 255
            case Dropped():
                assert message_id is None
                assert received.reason
            case ReceivedSend():
                assert version.sends
            case ReceivedResult() | ReceivedError():
                raise AssertionError("nobody has asked")
