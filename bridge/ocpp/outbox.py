"""What is sent in one turn of the event loop, written together at its end."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

log = structlog.get_logger()

TOGETHER = 64
"""Messages that go out together at most: the first of them waits for what the others cost, some milliseconds."""

REST = 0.01
"""Seconds that stations are not read after a turn in which they were sent little, when the one before is no longer
ago."""
FEW = 24
"""Messages in such a turn, at most."""
REMEMBERED = 8
"""Turns in which none of the same stations may have been answered first."""


class Outbox:
    """Writes what is sent in one turn of the event loop at its end, and then does what was to come after it.

    Who writes to a socket wakes whoever sleeps at its other end, which costs as much as all else about a short
    message. Behind a proxy thousands of stations are one such reader, and one waking is enough for all that is
    written before it sleeps again.

    At some hundred messages a second each of them would wake this program too, which costs five times as much as the
    message itself. So stations `rest` for a moment, as a network card does with its interrupts, and then several have
    something. Those who send their next message when they have the answer to the last one do not wait for that.
    """

    def __init__(self, rest: Callable[[float], None]) -> None:
        """`rest` reads nothing from stations for so many seconds."""
        self._rest = rest
        self._writes: list[tuple[asyncio.Transport, bytes]] = []
        self._after: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._ended = 0.0  # the last turn in which something was sent
        self._sent = 0  # messages, in this turn
        self._first: deque[int] = deque(maxlen=REMEMBERED)  # ids of whom the last turns sent something first

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Has the data written in its turn."""
        writes = self._writes
        if not self._sent:
            asyncio.get_running_loop().call_soon(self._end)
        self._sent += 1
        writes.append((transport, data))
        if len(writes) >= TOGETHER:
            self.flush()

    def after(self, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
        """Calls `work`, which must not raise, when all has been written that was to be written before."""
        if not self._writes:
            work(*arguments)
        else:
            self._after.append((work, arguments))

    def _end(self) -> None:
        """The end of a turn in which something was to be sent."""
        before, writes = self._ended, self._writes
        sent, self._sent = self._sent, 0
        self.flush()
        self._ended = time.monotonic()
        if sent > FEW or not writes:
            return
        first = id(writes[0][0])
        if self._ended - before < REST and first not in self._first:
            self._rest(REST)
            self._ended += REST
        self._first.append(first)

    def flush(self) -> None:
        """Writes, and works, now."""
        writes, self._writes = self._writes, []
        after, self._after = self._after, []
        for transport, data in writes:
            if not transport.is_closing():
                transport.write(data)
        for work, arguments in after:
            try:
                work(*arguments)
            except Exception:  # the others' messages have been answered too, and are to be shown
                log.exception("tree.failed")
