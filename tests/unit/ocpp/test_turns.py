"""What comes in at once is looked at a part in each turn of the event loop, in order."""

import asyncio

from bridge.ocpp import turns
from bridge.ocpp.turns import Turns


async def test_who_waits_has_a_turn_in_order_and_others_in_between(monkeypatch):
    monkeypatch.setattr(turns, "thread_time", iter(range(1000)).__next__)  # each look costs a second
    monkeypatch.setattr(turns, "WAITED", 1.5)
    waiting, history = Turns(), []
    for number in range(3):
        waiting.later(lambda number=number: history.append(number))
    for turn in ("a", "b", "c"):
        await asyncio.sleep(0)
        history.append(turn)
    assert history == [0, "a", 1, "b", 2, "c"]


async def test_who_is_gone_has_no_turn():
    waiting, history = Turns(), []
    first, _ = (waiting.later(lambda number=number: history.append(number)) for number in range(2))
    first.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert history == [1]


async def test_a_turn_is_full_when_its_time_is_up_and_the_next_is_not(monkeypatch):
    monkeypatch.setattr(turns, "DIRECT", -1.0)
    waiting = Turns()
    taken = [waiting.is_full() for _ in range(turns.LOOK_EVERY + 1)]
    assert taken == [False] * (turns.LOOK_EVERY - 1) + [True, True]
    await asyncio.sleep(0)
    assert not waiting.is_full()
