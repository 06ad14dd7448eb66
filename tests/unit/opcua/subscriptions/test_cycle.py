"""The publishing state machine, row by row (OPC 10000-4 §5.14.1.2)."""

import pytest

from bridge.opcua.subscriptions.cycle import Action, Cycle, State

NORMAL, LATE, KEEP_ALIVE = State.NORMAL, State.LATE, State.KEEP_ALIVE

#: row, state, what else is so, an event with its arguments → what is done, the next state
ROWS = [
    (3, NORMAL, {"enabled": False, "more": True}, "request", {"available": True}, Action.QUEUE, NORMAL),
    (3, NORMAL, {}, "request", {"available": True}, Action.QUEUE, NORMAL),
    (4, NORMAL, {"more": True}, "request", {"available": True}, Action.NOTIFY, NORMAL),
    (5, NORMAL, {}, "expire", {"requested": True, "available": True}, Action.NOTIFY, NORMAL),
    (5, NORMAL, {"sent": True}, "expire", {"requested": True, "available": True}, Action.NOTIFY, NORMAL),
    (6, NORMAL, {}, "expire", {"requested": True, "available": False}, Action.KEEP_ALIVE, NORMAL),
    (6, NORMAL, {"enabled": False}, "expire", {"requested": True, "available": True}, Action.KEEP_ALIVE, NORMAL),
    (7, NORMAL, {}, "expire", {"requested": False, "available": False}, Action.NOTHING, LATE),
    (7, NORMAL, {"sent": True}, "expire", {"requested": False, "available": True}, Action.NOTHING, LATE),
    (8, NORMAL, {"sent": True}, "expire", {"requested": True, "available": False}, Action.NOTHING, KEEP_ALIVE),
    (8, NORMAL, {"sent": True}, "expire", {"requested": False, "available": False}, Action.NOTHING, KEEP_ALIVE),
    (
        8,
        NORMAL,
        {"sent": True, "enabled": False},
        "expire",
        {"requested": True, "available": True},
        Action.NOTHING,
        KEEP_ALIVE,
    ),
    (9, LATE, {}, "request", {"available": True}, Action.NOTIFY, NORMAL),
    (9, LATE, {"more": True}, "request", {"available": False}, Action.NOTIFY, NORMAL),
    (10, LATE, {}, "request", {"available": False}, Action.KEEP_ALIVE, KEEP_ALIVE),
    (10, LATE, {"enabled": False}, "request", {"available": True}, Action.KEEP_ALIVE, KEEP_ALIVE),
    (11, LATE, {}, "expire", {"requested": False, "available": True}, Action.NOTHING, LATE),
    (12, KEEP_ALIVE, {"sent": True}, "request", {"available": True}, Action.QUEUE, KEEP_ALIVE),
    (13, KEEP_ALIVE, {"sent": True}, "expire", {"requested": True, "available": True}, Action.NOTIFY, NORMAL),
    (
        14,
        KEEP_ALIVE,
        {"sent": True, "keep_alive": 1},
        "expire",
        {"requested": True, "available": False},
        Action.KEEP_ALIVE,
        KEEP_ALIVE,
    ),
    (15, KEEP_ALIVE, {"sent": True}, "expire", {"requested": True, "available": False}, Action.NOTHING, KEEP_ALIVE),
    (15, KEEP_ALIVE, {"sent": True}, "expire", {"requested": False, "available": False}, Action.NOTHING, KEEP_ALIVE),
    (
        16,
        KEEP_ALIVE,
        {"sent": True, "keep_alive": 1},
        "expire",
        {"requested": False, "available": False},
        Action.NOTHING,
        LATE,
    ),
    (16, KEEP_ALIVE, {"sent": True}, "expire", {"requested": False, "available": True}, Action.NOTHING, LATE),
    (27, NORMAL, {"lifetime": 1}, "expire", {"requested": False, "available": True}, Action.CLOSE, NORMAL),
    (27, LATE, {"lifetime": 1}, "expire", {"requested": False, "available": False}, Action.CLOSE, LATE),
]


@pytest.mark.parametrize(("row", "state", "given", "event", "arguments", "action", "after"), ROWS)
def test_a_row_of_the_table(row, state, given, event, arguments, action, after):
    cycle = Cycle(3, 9)
    cycle.state = state
    for name, value in given.items():
        setattr(cycle, name, value)
    assert (getattr(cycle, event)(**arguments), cycle.state) == (action, after)
    assert cycle.sent == (given.get("sent", False) or action in (Action.NOTIFY, Action.KEEP_ALIVE))


def test_keep_alives_come_after_their_count_of_intervals():
    cycle = Cycle(3, 100)
    told = [cycle.expire(requested=True, available=False) for _ in range(10)]
    nothing, alive = Action.NOTHING, Action.KEEP_ALIVE
    assert told == [alive, nothing, nothing, nothing, alive, nothing, nothing, alive, nothing, nothing]


def test_a_lifetime_counts_intervals_without_a_request():
    cycle = Cycle(1, 3)
    for _ in range(5):
        assert [cycle.expire(requested=False, available=False) for _ in range(2)] == [Action.NOTHING] * 2
        cycle.request(available=False)
    assert [cycle.expire(requested=False, available=False) for _ in range(3)][-1] is Action.CLOSE


def test_a_request_that_waits_is_a_sign_of_life():
    cycle = Cycle(1, 3)
    assert Action.CLOSE not in [cycle.expire(requested=True, available=False) for _ in range(10)]


def test_stopping_to_publish_forgets_what_was_left_over():
    """Row 17."""
    cycle = Cycle(1, 3)
    cycle.more, cycle.lifetime = True, 1
    cycle.enable(False)
    assert (cycle.more, cycle.enabled, cycle.lifetime) == (False, False, 3)


def test_a_late_subscription_is_served_by_a_request_that_could_not_be_answered_before():
    cycle = Cycle(1, 3)
    cycle.expire(requested=False, available=True)
    assert cycle.expire(requested=True, available=True) is Action.NOTIFY


def test_modified_counts_hold_from_now_on():
    cycle = Cycle(10, 30)
    cycle.revise(2, 6)
    assert (cycle.keep_alive, cycle.lifetime) == (2, 6)
