"""How long the event loop is held by one thing, while stations and clients wait."""

import asyncio
from collections import deque
from collections.abc import Callable

INTERVAL = 0.01  # s; what a pause may be reckoned too short
RECENT = 10  # `recent` looks back over so many turns of `turn`


class Pauses:
    """Measures by a timer that comes late when the loop is held. `clock` is the loop's own unless a test sets it."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._now = 0.0  # the longest of the present turn
        self._turns: deque[float] = deque(maxlen=RECENT)
        self.longest = 0.0
        """Seconds, since the start."""

    @property
    def recent(self) -> float:
        """Seconds, the longest of the last turns and the present one."""
        return max(self._now, *self._turns, 0.0)

    def start(self) -> None:
        """Begins to measure."""
        loop = asyncio.get_running_loop()
        self._clock = self._clock or loop.time
        self._due = self._clock() + INTERVAL
        self._timer = loop.call_later(INTERVAL, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def turn(self) -> None:
        """What is recent moves on; once a second."""
        self._turns.append(self._now)
        self._now = 0.0

    def _look(self) -> None:
        assert self._clock is not None  # noqa: S101 - `start` has set it
        late = self._clock() - self._due
        self._now = max(self._now, late)
        self.longest = max(self.longest, late)
        self.start()
