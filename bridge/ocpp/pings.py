"""When each connection is due for a ping: one timer for all, since one for each takes 700 bytes of memory."""

import asyncio
from typing import Protocol

TICK = 0.05
"""Seconds between two looks at who is due, at least."""
AT_ONCE = 100
"""Pings in one turn of the event loop: stations that came back together are due together."""


class Pinged(Protocol):
    """Who is due some time."""

    def ping(self) -> None:
        """It is time. Must not raise."""


class Pings:
    """Tells everybody who has been added once, `interval` seconds later; with interval 0 nobody."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due: dict[Pinged, float] = {}  # by the loop's clock; the first to be due comes first
        self._timer: asyncio.Handle | None = None

    def add(self, who: Pinged) -> None:
        """It is due after the interval."""
        if not self._interval:
            return
        loop = asyncio.get_running_loop()
        self._due[who] = loop.time() + self._interval
        if self._timer is None:
            self._timer = loop.call_later(max(self._interval, TICK), self._look)

    def remove(self, who: Pinged) -> None:
        """It is gone."""
        self._due.pop(who, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now, told = loop.time(), 0
        while self._due and told < AT_ONCE:
            who, due = next(iter(self._due.items()))
            if due > now:
                break
            del self._due[who]
            who.ping()
            told += 1
        self._timer = None
        if self._due:
            wait = 0.0 if told == AT_ONCE else max(next(iter(self._due.values())) - now, TICK)
            self._timer = loop.call_later(wait, self._look)
