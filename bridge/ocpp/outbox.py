"""What is sent in one turn of the event loop, written together at its end."""

import asyncio
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

TOGETHER = 64
"""Messages that go out together at most: the first of them waits for what the others cost, some milliseconds."""

REST = 0.003
"""Seconds that the program rests after a turn in which it had little to send, when the one before is no longer ago."""
FEW = 8
"""Messages in such a turn, at most."""


class Outbox:
    """Writes what is sent in one turn of the event loop at its end, and then does what was to come after it.

    Who writes to a socket wakes whoever sleeps at its other end, which costs as much as all else about a short
    message. Behind a proxy thousands of stations are one such reader, and one waking is enough for all that is
    written before it sleeps again.

    At some hundred messages a second each of them would wake this program too, which costs five times as much as the
    message itself. So it rests for a moment, as a network card does with its interrupts, and finds several. A station
    that sends its next message when it has the answer to the last one does not wait for that.
    """

    def __init__(self) -> None:
        self._writes: list[tuple[asyncio.Transport, bytes]] = []
        self._after: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._ended = 0.0  # the last turn in which something was sent
        self._first: asyncio.Transport | None = None  # what it was sent to first

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Has the data written in its turn."""
        writes = self._writes
        if not writes and not self._after:
            asyncio.get_running_loop().call_soon(self._end)
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
        writes, before, again = self._writes, self._ended, self._first
        self.flush()
        self._ended = time.monotonic()
        if not writes:
            return
        self._first = writes[0][0]
        if len(writes) <= FEW and self._ended - before < REST and self._first is not again:
            asyncio.get_running_loop().call_soon(self._rest)

    def _rest(self) -> None:
        if not self._writes:
            time.sleep(REST)  # nothing else is to run either: who came meanwhile is read in one turn
            self._ended = time.monotonic()

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
