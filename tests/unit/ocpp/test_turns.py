"""What comes in at once is looked at a part in each turn of the event loop, in order."""

import asyncio

from bridge.ocpp import turns
from bridge.ocpp.turns import Few, Turns


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


async def test_nobody_overtakes_who_waits():
    waiting = Turns()
    waiting.later(lambda: None)
    assert waiting.is_full()
    await asyncio.sleep(0)
    assert not waiting.is_full()


async def test_who_begins_something_long_does_so_a_few_in_a_turn():
    waiting, history = Few(2), []
    first, *_ = [waiting.later(lambda number=number: history.append(number)) for number in range(5)]
    first.cancel()
    for turn in ("a", "b", "c"):
        await asyncio.sleep(0)
        history.append(turn)
    assert history == [1, "a", 2, 3, "b", 4, "c"]


async def test_who_fails_keeps_nobody_from_having_a_turn():
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))
    history = []
    for waiting in (Turns(), Few(1)):
        waiting.later(lambda: 1 / 0)
        waiting.later(lambda: history.append("its turn"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert history == ["its turn"] * 2
    assert len(failed) == 2
