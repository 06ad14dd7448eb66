"""When garbage is looked for. Python's own way goes through all that lives, which holds the loop for a second at 10,000
stations, and it reckons with what is made less what goes, so that where values take the place of others the young
objects become a hundred thousand before it looks at them.

Here they are looked through four times a second, and more often while there are so many that it would take long. What
has grown old hardly ever is: nothing that comes and goes leaves rings of objects (tests/unit/test_rings.py).
"""

import asyncio
import gc
import os
import sys
import time
from pathlib import Path

import structlog

log = structlog.get_logger()

YOUNG_FOR = 0.25
"""s. What lives longer is frozen: it goes when nothing refers to it any more. With less a thousand busy stations would
have their last telegrams looked through before the next ones take their places."""
HELD = 0.003
"""s of CPU that one look at the young should take: the next one comes earlier or later by that."""
LONGER = 1.2
"""times the interval before, at most."""
BEAT = 0.05
"""s from one look at how many there are to the next, at most."""
SHORTEST = 0.01
"""s, at least."""
MANY = 3_000
"""Objects by which the young may grow until they are looked through at the next beat."""
LOOK_EVERY = 60
"""Turns from one look at the memory to the next."""
GROWN = 2.0
"""How much more memory there is, less what stations account for, when everything is looked through after all."""
USUAL = 1_000
"""Blocks of memory that a station may have without suspicion, with the connection and with what clients monitor of it;
200 points take some 500. The program itself has as many as a thousand stations."""
USUAL_BYTES = 200_000
"""The same of the memory in all: a few small objects may hold much that is no block."""


class Garbage:
    """Stands in for Python's own collector while the event loop runs."""

    def __init__(self) -> None:
        self._was_enabled = gc.isenabled()
        self._timer: asyncio.TimerHandle | None = None
        self._turns = 0
        self._waited = 0.0  # s since the young were looked through
        self._interval = YOUNG_FOR  # s until they are
        self._lives = 0, 0  # blocks and bytes that were left when everything was looked through

    def start(self) -> None:
        """From now on only what is young is looked through."""
        self._was_enabled = gc.isenabled()
        gc.disable()
        gc.collect()
        gc.freeze()
        self._lives = _memory()
        self._wait()

    def turn(self, stations: int) -> None:
        """Once a second. `stations` is how many there are."""
        self._turns += 1
        if self._turns % LOOK_EVERY:
            return
        usual = USUAL, USUAL_BYTES
        for found, before, of_one in zip(_memory(), self._lives, usual, strict=True):
            if found > before * GROWN and found > (stations + 1_000) * of_one:
                self._collect()
                return

    def stop(self) -> None:
        """Leaves the collector as it was."""
        if self._timer is not None:
            self._timer.cancel()
            gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def _wait(self) -> None:
        beat = max(min(BEAT, self._interval - self._waited), SHORTEST)
        self._waited += beat
        self._timer = asyncio.get_running_loop().call_later(beat, self._beat)

    def _beat(self) -> None:
        if self._waited >= self._interval or gc.get_count()[0] > MANY:
            began = time.thread_time()
            gc.collect(0)
            gc.freeze()
            took = max(time.thread_time() - began, 1e-6)
            self._interval = min(max(self._waited * HELD / took, SHORTEST), self._interval * LONGER, YOUNG_FOR)
            self._waited = 0.0
        self._wait()

    def _collect(self) -> None:
        began = time.perf_counter()
        gc.unfreeze()
        found = gc.collect()
        gc.freeze()
        self._lives = _memory()
        log.info("garbage.collected", objects=found, seconds=round(time.perf_counter() - began, 3))


def _memory() -> tuple[int, int]:
    """Blocks of objects, of up to 512 bytes each, and all bytes of the process (0 where the system does not tell)."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        pages = 0
    return sys.getallocatedblocks(), pages * os.sysconf("SC_PAGE_SIZE")
