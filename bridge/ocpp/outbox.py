"""What is sent in one turn of the event loop, written together at its end."""

import asyncio
from collections.abc import Callable

TOGETHER = 64
"""Messages that go out together at most: the first of them waits for what the others cost, some milliseconds."""


class Outbox:
    """Writes what is sent in one turn of the event loop at its end, and then does what was to come after it.

    Who writes to a socket wakes whoever sleeps at its other end, which costs as much as all else about a short
    message. Behind a proxy thousands of stations are one such reader, and one waking is enough for all that is
    written before it sleeps again.
    """

    def __init__(self) -> None:
        self._writes: list[tuple[asyncio.Transport, bytes]] = []
        self._after: list[tuple[Callable[..., None], tuple[object, ...]]] = []

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Has the data written in its turn."""
        writes = self._writes
        if not writes and not self._after:
            asyncio.get_running_loop().call_soon(self.flush)
        writes.append((transport, data))
        if len(writes) >= TOGETHER:
            self.flush()

    def after(self, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
        """Calls `work`, which must not raise, when all has been written that was to be written before."""
        if not self._writes:
            work(*arguments)
        else:
            self._after.append((work, arguments))

    def flush(self) -> None:
        """Writes, and works, now."""
        writes, self._writes = self._writes, []
        after, self._after = self._after, []
        for transport, data in writes:
            if not transport.is_closing():
                transport.write(data)
        for work, arguments in after:
            work(*arguments)
