"""When garbage is looked for. Python's own way goes through all that lives, which holds the loop for a second at 10,000
stations, and it reckons with what is made less what goes, so that where values take the place of others the young
objects become a hundred thousand before it looks at them.

Here they are looked through four times a second, and twenty times while there are more and more of them. What has
grown old hardly ever is: nothing that comes and goes leaves rings of objects (tests/unit/test_rings.py).
"""

import asyncio
import gc
import sys
import time

import structlog

log = structlog.get_logger()

BEAT = 0.05
"""s."""
YOUNG_FOR = 5
"""Beats. What lives longer is frozen: it goes when nothing refers to it any more. With less of them a thousand busy
stations would have their last telegrams looked through before the next ones take their places."""
MANY = 3_000
"""Objects by which the young may grow until they are looked through at the next beat."""
LOOK_EVERY = 60
"""Turns from one look at the memory to the next."""
GROWN = 2.0
"""How much more memory there is, less what stations account for, when everything is looked through after all."""
USUAL = 1_000
"""Blocks of memory that a station may have without suspicion, with the connection and with what clients monitor of it;
200 points take some 500. The program itself has as many as a thousand stations."""


class Garbage:
    """Stands in for Python's own collector while the event loop runs."""

    def __init__(self) -> None:
        self._was_enabled = gc.isenabled()
        self._timer: asyncio.TimerHandle | None = None
        self._turns = 0
        self._beats = 0
        self._lives = 0  # blocks that were left when everything was looked through

    def start(self) -> None:
        """From now on only what is young is looked through."""
        self._was_enabled = gc.isenabled()
        gc.disable()
        gc.collect()
        gc.freeze()
        self._lives = sys.getallocatedblocks()
        self._wait()

    def turn(self, stations: int) -> None:
        """Once a second. `stations` is how many there are."""
        self._turns += 1
        if self._turns % LOOK_EVERY:
            return
        blocks = sys.getallocatedblocks()
        if blocks > self._lives * GROWN and blocks > (stations + 1_000) * USUAL:
            self._collect()

    def stop(self) -> None:
        """Leaves the collector as it was."""
        if self._timer is not None:
            self._timer.cancel()
            gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def _beat(self) -> None:
        self._beats += 1
        if self._beats >= YOUNG_FOR or gc.get_count()[0] > MANY:
            self._beats = 0
            gc.collect(0)
            gc.freeze()
        self._wait()

    def _collect(self) -> None:
        began = time.perf_counter()
        gc.unfreeze()
        found = gc.collect()
        gc.freeze()
        self._lives = sys.getallocatedblocks()
        log.info("garbage.collected", objects=found, seconds=round(time.perf_counter() - began, 3))
