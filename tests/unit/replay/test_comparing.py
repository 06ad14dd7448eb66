"""What of an answer counts as another one than was recorded."""

import pytest

from bridge.replay.comparing import changes, differences

ACCEPTED = [3, "1", {"transactionId": 5, "idTagInfo": {"status": "Accepted"}}]


@pytest.mark.parametrize(
    ("action", "answer", "recorded", "told"),
    [
        ("Heartbeat", [3, "1", {"currentTime": "a"}], [3, "1", {"currentTime": "b"}], []),
        ("StartTransaction", ACCEPTED, [3, "1", {**ACCEPTED[2], "transactionId": 9}], []),
        ("Authorize", ACCEPTED, None, []),
        ("Authorize", None, None, []),
        ("Authorize", None, ACCEPTED, ["no answer, was CALLRESULT"]),
        ("Authorize", [4, "1", "InternalError", "x", {}], ACCEPTED, ["CALLERROR InternalError, was CALLRESULT"]),
        ("Authorize", [4, "1", "A", "x", {}], [4, "1", "A", "y", {}], []),
        ("Authorize", [4, "1", "A", "x", {}], [4, "1", "B", "x", {}], ["CALLERROR A, was CALLERROR B"]),
        (
            "StartTransaction",
            ACCEPTED,
            [3, "1", {"transactionId": 5, "idTagInfo": {"status": "Blocked"}}],
            ["idTagInfo.status: 'Accepted', was 'Blocked'"],
        ),
        ("Authorize", [3, "1", {}], [3, "1", {"a": 1}], ["a: nothing, was 1"]),
        ("Authorize", [3, "1", {"a": 1}], [3, "1", {}], ["a: 1, was nothing"]),
        ("Authorize", [3, "1", {"a": [1]}], [3, "1", {"a": [2]}], ["a: [1], was [2]"]),
    ],
)
def test_a_difference_is_told_by_its_place_and_both_values(action, answer, recorded, told):
    assert differences(action, answer, recorded) == told


def test_a_call_may_have_another_request_id_and_nothing_else():
    assert changes({"requestId": 1, "a": 1}, {"requestId": 2, "a": 1}) == []
    assert changes({"requestId": 1, "a": 1}, {"requestId": 2, "a": 2}) == ["a: 1, was 2"]
    assert changes({"a": 1}, {"requestId": 2}) == ["a: 1, was nothing", "requestId: nothing, was 2"]
