"""What is sent in one turn of the event loop goes out together, in order, before what was to come after it."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from bridge.ocpp.outbox import FEW, TOGETHER, Outbox


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


async def turn() -> None:
    await asyncio.sleep(0)


async def test_answers_go_out_at_the_end_of_the_turn_and_then_comes_what_follows_them(wire, history):
    outbox = Outbox()
    for number in range(3):
        outbox.write(wire, b"%d" % number)
        outbox.after(history.append, (number,))
    assert history == []
    await turn()
    assert history == [b"0", b"1", b"2", 0, 1, 2]


async def test_what_follows_nothing_comes_at_once(history):
    Outbox().after(history.append, (1,))
    assert history == [1]


async def test_many_do_not_wait_for_the_end_of_the_turn(wire, history):
    outbox = Outbox()
    for number in range(TOGETHER):
        outbox.write(wire, b"x")
        outbox.after(history.append, (number,))
    assert history == [b"x"] * TOGETHER + list(range(TOGETHER))
    outbox.write(wire, b"y")
    await turn()
    assert history[-1] == b"y"


async def test_a_flush_keeps_the_order(wire, history):
    outbox = Outbox()
    outbox.write(wire, b"answer")
    outbox.flush()
    history.append("close")
    await turn()
    assert history == [b"answer", "close"]


async def test_what_follows_may_send_more(wire, history):
    outbox = Outbox()
    write = cast("Callable[..., None]", outbox.write)
    outbox.write(wire, b"1")
    outbox.after(write, (wire, b"2"))
    await turn()
    await turn()
    assert history == [b"1", b"2"]


async def test_closed_connections_are_passed_over(wire, history):
    outbox, closed = Outbox(), Wire(history)
    outbox.write(cast("asyncio.Transport", closed), b"lost")
    outbox.write(wire, b"kept")
    closed.closing = True
    await turn()
    assert history == [b"kept"]


@pytest.fixture
def rests(monkeypatch, history) -> Callable[[], int]:
    """How often the program has rested; its clock stands still."""
    monkeypatch.setattr("bridge.ocpp.outbox.time.monotonic", lambda: 1.0)
    monkeypatch.setattr("bridge.ocpp.outbox.time.sleep", lambda seconds: history.append("rest"))
    return lambda: history.count("rest")


async def sent(outbox: Outbox, *wires: asyncio.Transport) -> None:
    """A turn in which these are sent something, and the next ones."""
    for wire in wires:
        outbox.write(wire, b"x")
    for _ in range(3):
        await turn()


async def test_turns_with_little_to_send_that_follow_each_other_are_rested_between(history, rests):
    outbox = Outbox()
    wires = [cast("asyncio.Transport", Wire(history)) for _ in range(FEW + 1)]
    outbox._ended = -1.0  # long ago
    await sent(outbox, wires[0])
    assert rests() == 0
    await sent(outbox, wires[1])
    assert history == [b"x", b"x", "rest"]
    await sent(outbox, wires[1])  # it was waiting for nothing but its answer
    await sent(outbox, *wires)
    assert rests() == 1


async def test_what_is_to_be_sent_meanwhile_is_not_kept_waiting(history, rests):
    outbox = Outbox()
    one, other = (cast("asyncio.Transport", Wire(history)) for _ in range(2))
    await sent(outbox, one)
    outbox.write(other, b"y")
    await turn()
    outbox.write(one, b"z")
    await turn()
    await turn()
    assert (rests(), history) == (1, [b"x", b"y", b"z", "rest"])
