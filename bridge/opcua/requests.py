"""A request as its handler gets it, and what many requests have in common."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua.wire import Reader


class Channel(Protocol):
    """The connection that a request came over.

    `closing`: nothing more can be sent. `backlog`: bytes that wait for the client to read them. `largest`: bytes of
    the longest message that it takes.
    """

    @property
    def closing(self) -> bool: ...

    @property
    def backlog(self) -> int: ...

    @property
    def largest(self) -> int: ...

    def send(self, request: "Request", response_type_id: int, body: bytes) -> None:
        """Answers a request whose handler returned None: `body` is what stands behind the ResponseHeader."""

    def fault(self, request: "Request", code: int) -> None:
        """Answers a request with a ServiceFault."""


class Request:
    """One request of an activated session.

    `session` is a sessions.Session, of which each service knows its own part: that one knows all services.
    `body` stands behind the RequestHeader, `timeout_hint` is in ms (0: none), `received` is the event loop's
    time at which it came.
    """

    __slots__ = ("body", "channel", "handle", "received", "request_id", "return_diagnostics", "session", "timeout_hint")

    def __init__(
        self,
        session: Any,
        channel: Channel,
        request_id: int,
        header: tuple[int, int, int],
        body: Reader,
        received: float,
    ) -> None:
        """`header`: RequestHandle, ReturnDiagnostics, TimeoutHint."""
        self.session = session
        self.channel = channel
        self.request_id = request_id
        self.handle, self.return_diagnostics, self.timeout_hint = header
        self.body = body
        self.received = received


#: What answers a request: the bytes behind the ResponseHeader, or None where `Channel.send` answers it later.
#: An awaitable runs beside all other requests. Raises ServiceError for a ServiceFault.
Handler = Callable[[Request], bytes | Awaitable[bytes | None] | None]


def operations(body: Reader, most: int, smallest: int = 1) -> int:
    """How many operations a request has (OPC 10000-4 §7.38).

    Raises ServiceError: BadNothingToDo for none, BadTooManyOperations for more than `most` (0: no limit).
    """
    count = body.count(smallest)
    if not count:
        raise ServiceError(ua.StatusCodes.BadNothingToDo)
    if most and count > most:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    return count


SLICE = 0.004  # s, that one request keeps the others waiting at a time

#: the work for a request's answer, which yields where others may get their turn
Steps = Generator[None, None, bytes]


def in_slices(steps: Steps) -> bytes | Awaitable[bytes]:
    """The answer, if there is nothing to pause for; else what is still to be waited for."""
    try:
        next(steps)
    except StopIteration as end:
        return bytes(end.value)
    return _rest(steps)


async def _rest(steps: Steps) -> bytes:
    while True:
        await asyncio.sleep(0)
        try:
            next(steps)
        except StopIteration as end:
            return bytes(end.value)


class Clock:
    """Says when a slice is over."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self._end = time.perf_counter() + SLICE

    def is_over(self) -> bool:
        """Whether it is time to yield; from then on the next slice counts."""
        now = time.perf_counter()
        if now < self._end:
            return False
        self._end = now + SLICE
        return True
