"""What is sent in one turn of the event loop goes out together, in order, before what was to come after it."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from bridge.ocpp.outbox import FEW, REMEMBERED, REST, TOGETHER, Outbox


class Wire:
    """A transport that notes what is written, beside everything else that happens."""

    def __init__(self, history: list[object]) -> None:
        self.history = history
        self.closing = False

    def write(self, data: bytes) -> None:
        self.history.append(data)

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def history() -> list[object]:
    return []


@pytest.fixture
def wire(history: list[object]) -> asyncio.Transport:
    return cast("asyncio.Transport", Wire(history))


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(lambda seconds: None)


async def turn() -> None:
    await asyncio.sleep(0)


async def test_answers_go_out_at_the_end_of_the_turn_and_then_comes_what_follows_them(outbox, wire, history):
    for number in range(3):
        outbox.write(wire, b"%d" % number)
        outbox.after(history.append, (number,))
    assert history == []
    await turn()
    assert history == [b"0", b"1", b"2", 0, 1, 2]


async def test_what_follows_nothing_comes_at_once(outbox, history):
    outbox.after(history.append, (1,))
    assert history == [1]


async def test_many_do_not_wait_for_the_end_of_the_turn(outbox, wire, history):
    for number in range(TOGETHER):
        outbox.write(wire, b"x")
        outbox.after(history.append, (number,))
    assert history == [b"x"] * TOGETHER + list(range(TOGETHER))
    outbox.write(wire, b"y")
    await turn()
    assert history[-1] == b"y"


async def test_a_flush_keeps_the_order(outbox, wire, history):
    outbox.write(wire, b"answer")
    outbox.flush()
    history.append("close")
    await turn()
    assert history == [b"answer", "close"]


async def test_what_follows_may_send_more(outbox, wire, history):
    write = cast("Callable[..., None]", outbox.write)
    outbox.write(wire, b"1")
    outbox.after(write, (wire, b"2"))
    await turn()
    await turn()
    assert history == [b"1", b"2"]


async def test_closed_connections_are_passed_over(outbox, wire, history):
    closed = Wire(history)
    outbox.write(cast("asyncio.Transport", closed), b"lost")
    outbox.write(wire, b"kept")
    closed.closing = True
    await turn()
    assert history == [b"kept"]


@pytest.fixture
def resting(monkeypatch, history) -> Outbox:
    """One whose rests are noted; its clock stands still."""
    monkeypatch.setattr("bridge.ocpp.outbox.time.monotonic", lambda: 1.0)
    outbox = Outbox(lambda seconds: history.append("rest"))
    outbox._ended = 1.0
    return outbox


async def sent(outbox: Outbox, *wires: asyncio.Transport) -> None:
    """A turn in which these are sent something, and the next one. As if it had come just after the last rest."""
    outbox._ended = min(outbox._ended, 1.0)
    for wire in wires:
        outbox.write(wire, b"x")
    for _ in range(2):
        await turn()


async def test_stations_rest_between_turns_with_little_to_send_that_follow_each_other(resting, history):
    wires = [cast("asyncio.Transport", Wire(history)) for _ in range(FEW + 2)]
    resting._ended = -1.0  # long ago
    await sent(resting, wires[0])
    assert history == [b"x"]
    await sent(resting, wires[1])
    assert history == [b"x", b"x", "rest"]
    await sent(resting, *wires[1:])
    assert history.count("rest") == 1


async def test_stations_that_wait_for_nothing_but_their_answers_have_no_rest(resting, history):
    wires = [cast("asyncio.Transport", Wire(history)) for _ in range(REMEMBERED)]
    for _ in range(3):
        for wire in wires:
            await sent(resting, wire)
    assert history.count("rest") == REMEMBERED  # when they came first


async def test_after_a_turn_with_much_to_send_nobody_rests(resting, history):
    """Also where most of it has gone out within the turn."""
    wires = [cast("asyncio.Transport", Wire(history)) for _ in range(TOGETHER + 2)]
    await sent(resting, *wires)
    assert history == [b"x"] * len(wires)


async def test_the_time_of_a_rest_is_not_that_between_two_turns(monkeypatch, history):
    now = [1.0]
    monkeypatch.setattr("bridge.ocpp.outbox.time.monotonic", lambda: now[0])
    outbox = Outbox(lambda seconds: history.append("rest"))
    wires = [cast("asyncio.Transport", Wire(history)) for _ in range(4)]
    outbox.write(wires[0], b"0")
    await turn()
    now[0] += REST / 2
    for number, wire in enumerate(wires[1:], 1):
        outbox.write(wire, b"%d" % number)
        await turn()
        now[0] += REST + 0.001
    assert history == [b"0", b"1", "rest", b"2", "rest", b"3", "rest"]
