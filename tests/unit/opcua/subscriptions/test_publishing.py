"""The Publish requests that wait, the messages that are kept, the rhythm, and work in turns."""

import asyncio
from dataclasses import dataclass, field

import pytest
from asyncua import ua

from bridge.opcua.requests import Request
from bridge.opcua.settings import Limits
from bridge.opcua.subscriptions.cycle import Cycle
from bridge.opcua.subscriptions.publish_queue import BACKLOG, PublishQueue, PublishRequest
from bridge.opcua.subscriptions.service import _following, revised_counts
from bridge.opcua.subscriptions.subscription import LAST_NUMBER, Subscription, following
from bridge.opcua.subscriptions.turns import Turns
from bridge.opcua.wire import Reader


@dataclass
class Channel:
    closing: bool = False
    backlog: int = 0
    told: list[tuple[int, int]] = field(default_factory=list)

    def send(self, request: Request, response_type_id: int, body: bytes) -> None:
        self.told.append((request.handle, 0))

    def fault(self, request: Request, code: int) -> None:
        self.told.append((request.handle, code))


def waiting(channel: Channel, handle: int, deadline: float = 0.0) -> PublishRequest:
    return PublishRequest(Request(None, channel, 1, (handle, 0, 0), Reader(b""), 0.0), (), deadline)


def test_a_client_that_does_not_read_gets_nothing_more_until_it_has():
    queue, channel = PublishQueue(5), Channel()
    queue.add(waiting(channel, 1))
    channel.backlog = BACKLOG + 1
    assert not queue.ready(0.0)
    channel.backlog = BACKLOG
    assert queue.ready(0.0)
    channel.closing = True
    assert not queue.ready(0.0)


def test_what_waits_on_another_channel_is_dropped():
    old, new, queue = Channel(), Channel(), PublishQueue(5)
    queue.add(waiting(old, 1))
    queue.add(waiting(new, 2))
    queue.answer(1, (), False, b"")
    assert (len(queue), old.told, new.told) == (0, [], [(2, 0)])


def test_a_session_that_has_moved_answers_nothing_on_its_old_channel():
    queue = PublishQueue(5)
    queue.add(waiting(Channel(), 1))
    queue.leave()
    assert (len(queue), queue.ready(0.0)) == (0, False)


def test_requests_are_answered_in_their_order_and_those_that_are_too_old_with_a_fault():
    queue, channel = PublishQueue(3), Channel()
    for handle, deadline in ((1, 0.0), (2, 10.0), (3, 30.0), (4, 0.0)):
        queue.add(waiting(channel, handle, deadline))
    assert queue.ready(20.0)
    queue.answer(1, (), False, b"")
    queue.fail(ua.StatusCodes.BadNoSubscription)
    codes = ua.StatusCodes
    assert channel.told == [
        (1, codes.BadTooManyPublishRequests),
        (2, codes.BadTimeout),
        (3, 0),
        (4, codes.BadNoSubscription),
    ]


def subscription(**limits: int) -> Subscription:
    return Subscription(1, Cycle(1, 3), 100.0, 0.0, Limits(**limits), lambda *_: None)


def test_sequence_numbers_start_again_at_one():
    assert [following(number) for number in (0, 1, LAST_NUMBER - 1, LAST_NUMBER)] == [1, 2, LAST_NUMBER, 1]


def test_messages_that_are_kept_are_bounded_by_number_and_by_size():
    few = subscription(max_retransmissions=2)
    for _ in range(5):
        few.next_message(0.0)
    assert few.numbers() == [4, 5]
    assert few.counts.discarded == 3
    small = subscription(max_queued_bytes=4 * 40)
    for _ in range(5):
        small.next_message(0.0)  # 16 bytes
    assert (small.numbers(), small.room.used) == ([4, 5], 32)
    small.forget()
    assert (small.numbers(), small.room.used) == ([], 0)


def test_a_message_is_kept_for_its_client_and_a_keep_alive_is_not():
    one = subscription()
    made = one.next_message(0.0)
    one.keep_alive(0.0)
    assert (one.numbers(), one.retained(1)) == ([1], made)
    assert (one.acknowledge(1), one.acknowledge(1), one.retained(1)) == (True, False, None)


@pytest.mark.parametrize(
    ("due", "now", "expected"), [(10.0, 10.0, 10.5), (10.0, 10.4, 10.5), (10.0, 11.6, 12.0), (10.0, 10.5, 11.0)]
)
def test_a_rhythm_does_not_drift_and_what_was_missed_is_not_made_up_for(due, now, expected):
    assert _following(due, 0.5, now) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("interval", "keep_alive", "lifetime", "given"),
    [
        (100.0, 10, 100, (10, 100)),
        (100.0, 10, 5, (10, 30)),
        (100.0, 0, 0, (5_000, 15_000)),
        (10_000.0, 2**32 - 1, 2**32 - 1, (120, 360)),
        (3_600_000.0, 10, 30, (1, 3)),
    ],
)
def test_counts_are_revised(interval, keep_alive, lifetime, given):
    assert revised_counts(interval, keep_alive, lifetime) == given


async def test_work_is_done_in_turns_the_most_urgent_first():
    turns, done = Turns(), []

    def job(name: str, slices: int):
        for number in range(slices):
            done.append(f"{name}{number}")
            yield

    for priority, name in ((0, "a"), (5, "b"), (5, "c")):
        turns.add(priority, job(name, 2))
    while turns._jobs:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(0)
    assert done == ["b0", "c0", "b1", "c1", "a0", "a1"]


async def test_one_jobs_failure_is_not_the_others():
    turns, done = Turns(), []

    def fails():
        raise RuntimeError
        yield

    def works():
        done.append(1)
        yield

    turns.add(1, fails())
    turns.add(0, works())
    while turns._jobs:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(0)
    assert done == [1]
