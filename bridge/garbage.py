"""When garbage is looked for. Python's own way goes through all that lives, which holds the loop for a second at 10,000
stations: here that happens only once in a long while, and otherwise only what is young is looked through.
"""

import gc
import time

import structlog

log = structlog.get_logger()

YOUNG = 5_000
"""Objects that are made until the youngest are looked through, which takes a few milliseconds."""
MIDDLE = 5
NEVER = 1_000_000
ENDS = 20_000
"""Connections of stations that have ended until everything is looked through after all."""
PERIOD = 6 * 3600
"""Turns after which it is in any case: what OPC UA clients, scripts and libraries leave behind adds up over months."""


class Garbage:
    """Looks after the collector. What has lived for a second is frozen: it goes when nothing refers to it any more, and
    only rings of such objects have to wait for the great collection.
    """

    def __init__(self) -> None:
        self._thresholds = gc.get_threshold()
        self._ends = 0
        self._turns = 0

    def start(self) -> None:
        """From now on nothing is looked through but what is young."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)

    def turn(self, ends: int) -> None:
        """Once a second. `ends` is how many connections have ended since the start."""
        self._turns += 1
        if ends - self._ends >= ENDS or self._turns >= PERIOD:
            self._ends, self._turns = ends, 0
            self._collect()
        gc.freeze()

    def stop(self) -> None:
        """Leaves the collector as it was."""
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def _collect(self) -> None:
        began = time.perf_counter()
        gc.unfreeze()
        found = gc.collect()
        log.info("garbage.collected", objects=found, seconds=round(time.perf_counter() - began, 3))
