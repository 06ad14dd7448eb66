"""The longest pause of the event loop."""

import asyncio

from bridge.pauses import INTERVAL, RECENT, Pauses


async def late(pauses: Pauses, clock: list[float], seconds: float) -> None:
    """The measuring timer comes so late."""
    clock[0] += INTERVAL + seconds
    while not pauses.delay:  # noqa: ASYNC110 - the clock is the event
        await asyncio.sleep(INTERVAL)


async def test_what_holds_the_loop_is_measured():
    clock, used = [100.0], [7.0]
    pauses = Pauses(lambda: clock[0], lambda: used[0])
    pauses.start()
    used[0] += 0.6
    await late(pauses, clock, 0.5)
    pauses.stop()
    assert abs(pauses.longest - 0.5) < 1e-6
    assert pauses.recent == pauses.longest
    assert abs(pauses.delay - 0.5) < 1e-6


async def test_while_others_have_the_processor_it_is_late_but_not_held():
    clock, used = [100.0], [7.0]
    pauses = Pauses(lambda: clock[0], lambda: used[0])
    pauses.start()
    used[0] += 0.002
    await late(pauses, clock, 0.5)
    pauses.stop()
    assert abs(pauses.delay - 0.5) < 1e-6
    assert abs(pauses.longest - 0.002) < 1e-6
    assert pauses.recent == pauses.longest


async def test_what_is_recent_passes_and_the_longest_stays():
    clock, used = [0.0], [0.0]
    pauses = Pauses(lambda: clock[0], lambda: used[0])
    pauses.start()
    used[0] = 2.0
    await late(pauses, clock, 1.0)
    pauses.stop()
    for _ in range(RECENT):
        pauses.turn()
        assert pauses.recent == pauses.longest
        assert pauses.delay > 0.9
    pauses.turn()
    assert pauses.recent == 0.0
    assert pauses.delay == 0.0
    assert pauses.longest > 0.9
