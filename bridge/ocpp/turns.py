"""How much of what comes in is looked at in one turn of the event loop: others have theirs soon."""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from time import thread_time

DIRECT = 0.015
"""Seconds of CPU in one turn of the event loop for what comes; other data waits for one of the next."""
WAITED = 0.005
"""Seconds of CPU in one turn for what has waited."""
LOOK_EVERY = 16
"""Pieces of data between two looks at the clock."""
BEGUN = 4
"""Handshakes that begin in one turn of the event loop: each takes half a millisecond, in turns after that."""
LEFT = 0.005
"""Seconds of CPU in one turn for connections that have ended: 200 points of each become uncertain."""
ENDED = 100
"""Connections that are closed in one turn: uvloop takes 20 µs for each, in the next turn."""


class Later:
    """Something that waits for its turn."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work

    def cancel(self) -> None:
        """It has no turn any more."""
        self.work = None


class Few:
    """What is done in turns that are to come, in each of them `most` and no more than `seconds` of CPU."""

    def __init__(self, most: float = inf, seconds: float = inf) -> None:
        self._most = most
        self._seconds = seconds
        self._waiting: deque[Later] = deque()
        self._is_coming = False  # the turn of what waits

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def later(self, work: Callable[[], None]) -> Later:
        """Calls `work` in one of the next turns; who came first has the first."""
        if not self._is_coming:
            self._is_coming = True
            asyncio.get_running_loop().call_soon(self._go_on)
        waiting = Later(work)
        self._waiting.append(waiting)
        return waiting

    def _go_on(self) -> None:
        end, left = thread_time() + self._seconds, min(len(self._waiting), self._most)
        try:
            while left and thread_time() < end:
                left -= 1
                if (work := self._waiting.popleft().work) is not None:
                    work()
        finally:  # whatever one of them has raised
            self._is_coming = bool(self._waiting)
            if self._is_coming:
                asyncio.get_running_loop().call_soon(self._go_on)


class Turns:
    """Of all connections of a server.

    Connections that the event loop itself reads (those with TLS) come as many as are ready, and no timer and nothing
    else runs meanwhile (`sockets`). So what is too much is left in a queue, and its sockets unread.
    """

    def __init__(self) -> None:
        self._taken = 0  # pieces of data, in this turn
        self._until = 0.0
        self._is_full = False
        self._waiting = Few(seconds=WAITED)
        self.handshakes = Few(BEGUN)
        self.ends = Few(ENDED)
        self.leaves = Few(seconds=LEFT)

    def is_full(self) -> bool:
        """Whether so much has been read in this turn that the rest has to wait, or others wait already; counts it."""
        if self._waiting:
            return True
        taken = self._taken
        if not taken:
            asyncio.get_running_loop().call_soon(self._end)
            self._until = thread_time() + DIRECT
        self._taken = taken + 1
        if taken % LOOK_EVERY == LOOK_EVERY - 1 and not self._is_full:
            self._is_full = thread_time() > self._until
        return self._is_full

    def _end(self) -> None:
        self._taken, self._is_full = 0, False

    def later(self, work: Callable[[], None]) -> Later:
        """Calls `work` in one of the next turns; who came first has the first."""
        return self._waiting.later(work)
