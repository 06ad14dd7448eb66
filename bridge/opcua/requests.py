"""A request as its handler gets it, and what many requests have in common."""

import asyncio
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, ClassVar, Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua.wire import Reader, malformed

_HEADER = struct.Struct("<qIIi")  # Timestamp, RequestHandle, ReturnDiagnostics, length of AuditEntryId


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


def request_header(reader: Reader) -> tuple[int, int, int]:
    """RequestHandle, ReturnDiagnostics and TimeoutHint of a RequestHeader, from behind its token on."""
    _, handle, diagnostics, audit = reader.fields(_HEADER)
    if audit < -1:
        raise malformed()
    reader.skip(max(audit, 0))
    timeout_hint = reader.uint32()
    reader.skip_extension_object()
    return handle, diagnostics, timeout_hint


#: What answers a request: the bytes behind the ResponseHeader, or None where `Channel.send` answers it later.
#: An awaitable runs beside all other requests, to its end; what is sliced too, as long as its client is there.
#: Raises ServiceError for a ServiceFault.
Handler = Callable[[Request], "bytes | Awaitable[bytes | None] | Sliced | None"]


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


def in_slices(steps: Steps) -> "bytes | Sliced":
    """The answer, if there is nothing to pause for; else what is still to be waited for."""
    try:
        next(steps)
    except StopIteration as end:
        return bytes(end.value)
    return Sliced(steps)


class Sliced:
    """The rest of a long request: of all of them, one does one slice in each turn of the event loop."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def finish(self, channel: Channel) -> bytes | None:
        """The answer. None: the client has gone, and the rest of the work with it."""
        line = _Line.of(asyncio.get_running_loop())
        while True:
            await line.turn()
            if channel.closing:
                self._steps.close()
                return None
            try:
                next(self._steps)
            except StopIteration as end:
                return bytes(end.value)


class _Line:
    """Who waits for a turn of the event loop, in order: however many there are, the others get theirs in between."""

    now: ClassVar["_Line | None"] = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._goes_on = False

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "_Line":
        if cls.now is None or cls.now._loop is not loop:
            cls.now = cls(loop)
        return cls.now

    def turn(self) -> asyncio.Future[None]:
        """Done when it is the caller's."""
        mine = self._loop.create_future()
        self._waiting.append(mine)
        if not self._goes_on:
            self._goes_on = True
            self._loop.call_soon(self._go)
        return mine

    def _go(self) -> None:
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():  # else its client has gone
                first.set_result(None)
                self._loop.call_soon(self._go)
                return
        self._goes_on = False


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
