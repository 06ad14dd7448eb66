"""The longest pause of the event loop."""

import asyncio

from bridge.pauses import INTERVAL, RECENT, Pauses


async def test_what_holds_the_loop_is_measured():
    now = asyncio.get_running_loop().time()
    shown = [now]
    pauses = Pauses(lambda: shown[0])
    pauses.start()
    shown[0] += 0.5 + INTERVAL  # as if something had held the loop
    while not pauses.longest:  # noqa: ASYNC110 - the clock is the event
        await asyncio.sleep(INTERVAL)
    assert abs(pauses.longest - 0.5) < 1e-6
    assert pauses.recent == pauses.longest
    pauses.stop()


async def test_what_is_recent_passes_and_the_longest_stays():
    shown = [0.0]
    pauses = Pauses(lambda: shown[0])
    pauses.start()
    shown[0] = 1.0 + INTERVAL
    while not pauses.longest:  # noqa: ASYNC110 - the clock is the event
        await asyncio.sleep(INTERVAL)
    pauses.stop()
    for _ in range(RECENT):
        pauses.turn()
        assert pauses.recent == pauses.longest
    pauses.turn()
    assert pauses.recent == 0.0
    assert pauses.longest > 0.9
