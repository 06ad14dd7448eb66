"""Reports in several messages, and the numbers of NotifyEvent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.points.values import MAX_TEXT
from bridge.station.v2.reports import MAX_OPEN, EventNumbers, Reports, json_of


def part(number, count, request=1):
    return {"requestId": request, "seqNo": number, "tbc": number < count - 1}


@given(st.permutations(range(7)), st.lists(st.integers(0, 6), max_size=5))
def test_a_report_is_complete_when_all_parts_have_come_whatever_their_order(order, again):
    reports = Reports()
    for number in [*again[:2], *order[:-1], *again[2:]]:
        if number != order[-1]:
            assert reports.take("NotifyReport", part(number, 7), [number]) is None
    report = reports.take("NotifyReport", part(order[-1], 7), [order[-1]])
    assert report is not None
    assert report.items() == list(range(7))


def test_what_is_missing_is_known():
    reports = Reports()
    for number in (0, 3, 5):
        reports.take("NotifyReport", part(number, 6), [])
    report = reports.open("NotifyReport", 1)
    assert report is not None
    assert report.missing == [1, 2, 4]
    assert reports.open("NotifyReport", 2) is None


def test_a_report_without_numbers_is_complete_when_no_more_is_to_come():
    reports = Reports()
    assert reports.take("NotifyDisplayMessages", {"requestId": 1, "tbc": True}, ["a"]) is None
    report = reports.take("NotifyDisplayMessages", {"requestId": 1}, ["b"])
    assert report is not None
    assert report.items() == ["a", "b"]


def test_reports_of_different_requests_and_actions_do_not_mix():
    reports = Reports()
    assert reports.take("NotifyReport", part(0, 2, request=1), ["a"]) is None
    assert reports.take("NotifyReport", part(1, 2, request=2), ["b"]) is None
    assert reports.take("NotifyMonitoringReport", part(1, 2, request=1), ["c"]) is None
    report = reports.take("NotifyReport", part(1, 2, request=1), ["d"])
    assert report is not None
    assert report.items() == ["a", "d"]


def test_a_part_behind_the_last_one_is_none():
    reports = Reports()
    reports.take("NotifyReport", part(1, 2), ["b"])
    reports.take("NotifyReport", part(5, 9), ["odd"])
    report = reports.take("NotifyReport", part(0, 2), ["a"])
    assert report is not None
    assert report.items() == ["a", "b"]
    reports.take("NotifyReport", part(5, 9), ["odd"])
    reports.take("NotifyReport", part(1, 2), ["b"])
    report = reports.take("NotifyReport", part(0, 2), ["a"])
    assert report is not None
    assert report.items() == ["a", "b"]


@pytest.mark.parametrize("payload", [{}, {"requestId": "1", "seqNo": "0", "tbc": "no"}, {"requestId": None}])
def test_a_report_that_says_nothing_of_its_parts_has_one(payload):
    report = Reports().take("NotifyReport", payload, ["a"])
    assert report is not None
    assert report.items() == ["a"]


def test_reports_that_are_never_complete_cost_no_more():
    reports = Reports()
    for request in range(100):
        reports.take("NotifyReport", part(0, 2, request), ["a"])
    assert len([request for request in range(100) if reports.open("NotifyReport", request)]) == MAX_OPEN
    reports.take("NotifyReport", {"requestId": 500, "seqNo": 10**9, "tbc": True}, ["a"])
    report = reports.open("NotifyReport", 500)
    assert report is not None
    assert report.missing == []


def test_a_report_keeps_no_more_than_a_point_can_show_and_whole_entries_of_it():
    reports = Reports()
    small, large = {"n": 1}, {"text": "x" * (MAX_TEXT - 30)}
    for number in range(50):
        assert reports.take("R", part(number, 51), [large, small]) is None
    report = reports.take("R", part(50, 51), [small])
    assert report is not None
    kept = report.items()
    assert kept[:2] == [large, small]
    assert len(json.dumps(kept)) < MAX_TEXT + 100
    assert len(json_of(kept)) <= MAX_TEXT
    for number in range(3):
        text = reports.take("T", part(number, 3), ["y" * 50_000])
    assert text is not None
    assert "".join(text.items()) == "y" * MAX_TEXT


def test_json_of_entries_has_those_that_there_is_room_for():
    entries = [{"a": 1}, "x" * MAX_TEXT, [None], "y" * 60_000, "z" * 10_000]
    assert json.loads(json_of(entries)) == [{"a": 1}, [None], "y" * 60_000]
    assert json_of([]) == "[]"


def test_what_was_given_up_does_not_come_back():
    reports = Reports()
    reports.take("R", part(0, 2), ["a"])
    reports.clear()
    assert reports.open("R", 1) is None
    assert reports.take("R", part(1, 2), ["b"]) is None


@pytest.mark.parametrize(
    ("numbers", "missed"),
    [
        ([(0, False)] * 3, [0, 0, 0]),  # batches of one message
        ([(0, True), (1, True), (2, False), (0, False)], [0, 0, 0, 0]),
        ([(5, False), (6, False), (7, False)], [0, 0, 0]),  # counted on and on
        ([(5, False), (8, False), (8, False)], [0, 2, 0]),
        ([(0, True), (3, False)], [0, 2]),
        ([(0, True), (1, True), (0, False)], [0, 0, 1]),  # the rest of the first batch never came
        ([(3, False), (2, False)], [0, 2]),
        ([(0, False), ("1", False), (-1, False), (True, False), (1, False)], [0, 0, 0, 0, 0]),
    ],
)
def test_messages_that_are_missing_between_events_are_counted(numbers, missed):
    events = EventNumbers()
    assert [events.take(number, more=more) for number, more in numbers] == missed
