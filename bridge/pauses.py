"""How long the event loop is held by one thing, while stations and clients wait."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

INTERVAL = 0.01  # s; by as much a pause may be reckoned too short or too long
RECENT = 10  # `recent` and `delay` look back over so many turns of `turn`

Clock = Callable[[], float]


class Pauses:
    """Measures by a timer that comes late when the loop is held.

    A timer is also late when other programs have the processor, or the host does not let the machine run: then this
    process has computed nothing meanwhile. So a pause is no longer than what it has computed. `clock` is the loop's
    own, and `used` the CPU time of all threads (s), unless a test sets them.
    """

    def __init__(self, clock: Clock | None = None, used: Clock = time.process_time) -> None:
        self._clock = clock
        self._used = used
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._before = 0.0
        self._now = 0.0, 0.0  # the longest pause and delay of the present turn
        self._turns: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self.longest = 0.0
        """Seconds, since the start."""

    @property
    def recent(self) -> float:
        """Seconds, the longest of the last turns and the present one."""
        return max(pause for pause, _ in (self._now, *self._turns))

    @property
    def delay(self) -> float:
        """Seconds that the loop was late at most in these turns, for whatever reason."""
        return max(late for _, late in (self._now, *self._turns))

    def start(self) -> None:
        """Begins to measure."""
        loop = asyncio.get_running_loop()
        self._clock = self._clock or loop.time
        self._due, self._before = self._clock() + INTERVAL, self._used()
        self._timer = loop.call_later(INTERVAL, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def turn(self) -> None:
        """What is recent moves on; once a second."""
        self._turns.append(self._now)
        self._now = 0.0, 0.0

    def _look(self) -> None:
        assert self._clock is not None  # noqa: S101 - `start` has set it
        late = max(self._clock() - self._due, 0.0)
        pause = min(late, self._used() - self._before)
        longest, latest = self._now
        self._now = max(longest, pause), max(latest, late)
        self.longest = max(self.longest, pause)
        self.start()
