"""One websocket connection: the Sans-I/O protocol of the websockets package between a transport and a listener.

What the package's asyncio layer adds (queues, a task and a timeout for each message) costs more than all that the
bridge does with a heartbeat; here a frame goes from the transport to its reader in one call.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from ssl import SSLObject
from typing import Any, Protocol, cast

import structlog
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from bridge.errors import StationOffline
from bridge.ocpp.framing import forget_request, is_between_messages, whole_text
from bridge.ocpp.outbox import Outbox
from bridge.ocpp.pings import Pings
from bridge.ocpp.sockets import Sockets
from bridge.ocpp.turns import Later, Turns

log = structlog.get_logger()

OPEN_TIMEOUT = 10.0
"""Seconds from the TCP connection to the end of the handshake."""
CLOSE_TIMEOUT = 5.0
"""Seconds from our close frame to the end of the TCP connection."""
WRITE_BUFFER = 65_536
"""Bytes that wait for a station that does not read; then nothing more is read from it either."""
MOST_UNKNOWN = 32_768
"""Bytes that are read before it is known who it is: the request, and what a station sends without waiting."""

_TEXT, _BINARY, _CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
_END_OF_HEAD = b"\r\n\r\n"


SLICE = 4096
"""Bytes that are read at a time, so that it shows how many messages are in them."""
TURN = 32
"""Frames of one connection in a turn of the event loop; others have theirs before more of it are looked at."""
BURST = 4.0
"""Seconds for which a station may save up what it did not send."""
SLOWED = 0.1, 1.0
"""Seconds that nothing is read from a station that sends too much, at least and at most."""
COMPRESSED_FROM = 512
"""Bytes of a message from which on it is worth compressing."""

_NOTHING = memoryview(b"")
#: the heads of short texts' frames (RFC 6455 §5.2), by their size
_SHORT = tuple(bytes((0x81, size)) for size in range(126))

#: with neither side's memory of earlier messages, which would be 300 KB for each connection
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=12,
    compress_settings={"memLevel": 5},
)


class Reader(Protocol):
    """Whoever reads an open connection."""

    def take(self, message: str | bytes) -> None:
        """A message: a text, or bytes that came as a binary one."""

    def lost(self, reason: str) -> None:
        """The connection is gone."""

    def slowed(self) -> None:
        """It sends too much: nothing is read from it for a moment."""


class Listener(Protocol):
    """Whoever accepts connections."""

    def made(self, connection: "Connection") -> None:
        """A TCP connection has been accepted."""

    async def admit(self, connection: "Connection", request: Request) -> Response | None:
        """The answer that refuses a handshake, None to accept it."""

    def choose(self, connection: "Connection", offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The subprotocol to speak. Raises NegotiationError."""

    def opened(self, connection: "Connection") -> Reader:
        """The handshake is done."""

    def gone(self, connection: "Connection") -> None:
        """The TCP connection is closed, whether it was opened or not."""


class Connection(asyncio.Protocol):
    """A station's connection. `identity`, `profile` (its OCPP security profile), `certificate_ends` (Unix seconds),
    `counted` and `flaw` are for the listener to set. `peer` is the socket address that it comes from.

    pings: when it is due for one. ping_timeout: seconds. max_size: bytes of a message, uncompressed. max_rate:
    frames a second, 0 for any number. compression: whether permessage-deflate is agreed on where it is offered
    (RFC 7692). outbox, turns, sockets: of all connections of the listener; sockets that are read there are so from
    the end of the handshake on.
    """

    __slots__ = (
        "__weakref__",
        "_allowed",
        "_closing",
        "_direct",
        "_early",
        "_error",
        "_failed",
        "_file",
        "_full",
        "_handshake",
        "_heard",
        "_held",
        "_is_text",
        "_listener",
        "_max_rate",
        "_max_size",
        "_outbox",
        "_parts",
        "_ping_timeout",
        "_pings",
        "_protocol",
        "_reader",
        "_room",
        "_since",
        "_slow",
        "_sockets",
        "_tail",
        "_timer",
        "_transport",
        "_turns",
        "_writable",
        "certificate_ends",
        "counted",
        "flaw",
        "identity",
        "peer",
        "profile",
    )

    def __init__(
        self,
        listener: Listener,
        *,
        pings: Pings,
        ping_timeout: float,
        max_size: int,
        max_rate: float,
        compression: bool,
        outbox: Outbox,
        turns: Turns,
        sockets: Sockets,
    ) -> None:
        self.identity = ""
        self.flaw = ""  # what of the handshake was tolerated
        self.counted = False  # among those of its address
        self.peer: tuple[Any, ...] = ()
        self.profile = 0
        self.certificate_ends: float | None = None
        self._outbox = outbox
        self._turns = turns
        self._sockets = sockets
        self._file = -1  # where `sockets` read it and not the transport
        self._error: Exception | None = None  # why it has ended, where the transport does not know
        self._listener = listener
        self._pings = pings
        self._ping_timeout = ping_timeout
        self._max_size = max_size
        self._protocol = ServerProtocol(
            max_size=max_size,
            extensions=[_DEFLATE] if compression else None,
        )
        self._protocol.select_subprotocol = self._choose  # type: ignore[method-assign, assignment]
        self._max_rate = max_rate
        self._allowed = max_rate * BURST if max_rate else math.inf  # frames
        self._since = 0.0  # when `_allowed` was reckoned
        self._held = _NOTHING  # of what was read, what has to wait
        self._slow: asyncio.Handle | Later | None = None  # until then nothing is read
        self._full = False  # nor until the reader wants more
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | Later | None = None
        self._reader: Reader | None = None
        self._room = MOST_UNKNOWN
        self._tail = b""  # of the request's head: its end may come in two pieces
        self._early = b""  # what came with the request, before it was answered
        self._parts = bytearray()  # of a message that comes in fragments, any number of which may be empty
        self._is_text = True
        self._failed = False
        self._direct = False  # the next frame may pass the protocol by
        self._heard = True
        self._writable: asyncio.Future[None] | None = None

    @property
    def is_made(self) -> bool:
        """Whether there is a line, with TLS one whose handshake has ended well."""
        return hasattr(self, "_transport")

    @property
    def host(self) -> str:
        """The station's address; "" where it has none."""
        return str(self.peer[0]) if self.peer else ""

    @property
    def tls(self) -> SSLObject | None:
        """What is known of its TLS; None without."""
        found: SSLObject | None = self._transport.get_extra_info("ssl_object")
        return found

    @property
    def remote(self) -> str:
        """The station's address and port."""
        return f"{self.peer[0]}:{self.peer[1]}" if self.peer else ""

    @property
    def subprotocol(self) -> Subprotocol | None:
        return self._protocol.subprotocol

    def refusal(self, status: int, text: str) -> Response:
        """A response that refuses the handshake."""
        return self._protocol.reject(status, text)

    # What the bridge does

    def write(self, text: str) -> None:
        """Sends a message, in this turn of the loop. Raises StationOffline when the connection is closed or closing."""
        if self._protocol.state is not State.OPEN or self._transport.is_closing():
            raise StationOffline("the connection to the station is closed")
        payload = text.encode()
        size = len(payload)
        if size < 126:
            self._outbox.write(self._transport, _SHORT[size] + payload)
        elif size < 65_536 and not (self._protocol.extensions and size >= COMPRESSED_FROM):
            self._outbox.write(self._transport, bytes((0x81, 126, size >> 8, size & 0xFF)) + payload)
        else:
            self._protocol.send_text(payload)
            self._flush()

    def after(self, work: Callable[..., None], *arguments: object) -> None:
        """Calls `work`, which must not raise, once what was written until now has gone out."""
        self._outbox.after(work, arguments)

    async def drain(self) -> None:
        """Waits while the station does not read. Raises StationOffline when the connection closes meanwhile."""
        while self._writable is not None:
            await asyncio.shield(self._writable)

    def hold(self) -> None:
        """Reads nothing more until `release`."""
        if not self._full and not self._transport.is_closing():
            self._full = True
            self._pause()

    def release(self) -> None:
        """Reads again what was held back, and then what else comes."""
        if self._full:
            self._full = False
            if self._slow is None and not self._transport.is_closing():
                self._slow = self._turns.later(self._go_on)

    def close(self, code: int, reason: str) -> None:
        """Begins to close the connection; returns at once. What waits in `drain` ends now."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
            self._expect_close()
        elif self._protocol.state is State.CONNECTING:
            self._transport.abort()
        self._release(StationOffline("the connection to the station is closed"))

    def abort(self) -> None:
        """Ends the TCP connection, whatever the station has still to be sent."""
        self._transport.abort()

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one but in name
        if not self.peer:  # with TLS it was known before
            address = transport.get_extra_info("peername")
            self.peer = address if isinstance(address, tuple) else ()
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(OPEN_TIMEOUT, self._transport.abort)
        self._since = loop.time()
        self._listener.made(self)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._reader is None:
            self._room -= len(data)
            self._feed(data) if self._room >= 0 else self._refuse_flood()
            return
        if self._turns.is_full():
            self._keep(data)
        else:
            self.take(data)

    def take(self, data: bytes) -> None:
        """What has been read of an open connection."""
        self._heard = True
        if self._held or self._slow is not None:
            self._keep(data)
            return
        payload = whole_text(data, self._max_size) if self._direct else None
        if payload is not None:
            self._allowed -= 1
            if self._allowed < 0:
                self._slow_down()
            self._give(payload, is_text=True)
        elif len(data) <= SLICE:
            self._feed(data)
        else:
            self._held = memoryview(data)
            self._go_on()

    def _refuse_flood(self) -> None:
        """Sends no handshake but a flood."""
        if self._handshake is None and self._protocol.state is State.CONNECTING:
            self._protocol.send_response(self.refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Too much.\n"))
            self._flush()
        self._transport.abort() if self._handshake is not None else self._transport.close()

    def _keep(self, data: bytes) -> None:
        """Keeps the data for a later turn of the loop. One piece may wait unpunished: to stop reading is dear."""
        if self._held:
            self._pause()
        self._held = memoryview(bytes(self._held) + data if self._held else data)
        if self._slow is None and not self._full:
            self._slow = self._turns.later(self._go_on)

    def _feed(self, data: bytes) -> int:
        """Takes the frames in the data; how many there were."""
        self._protocol.receive_data(data if self._reader is not None else self._head(data))
        events = self._protocol.events_received()
        if self._protocol.writes:
            self._flush()  # pongs, the answer to a close
        self._direct = self._reader is not None and is_between_messages(self._protocol)
        self._allowed -= len(events)
        if self._allowed < 0:
            self._slow_down()
        for event in events:
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Request):
                self._pause()  # until it has been answered
                self._handshake = self._turns.handshakes.later(partial(self._begin, event))
        if self._protocol.close_expected():
            self._expect_close()
        return len(events)

    def _slow_down(self) -> None:
        """More has come than may: reads nothing for a moment, unless the station has saved up enough."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._allowed = min(self._max_rate * BURST, self._allowed + (now - self._since) * self._max_rate)
        self._since = now
        if self._allowed < 0 and self._slow is None and not self._transport.is_closing():
            least, most = SLOWED
            self._slow = loop.call_later(min(max(least, -self._allowed / self._max_rate), most), self._go_on)
            self._pause()
            if self._reader is not None:
                self._reader.slowed()

    def _go_on(self) -> None:
        """Takes what had to wait, as much as in one turn of the loop may be, and then reads on."""
        self._slow, self._heard = None, True  # nothing was read, so nothing could be heard
        if self._allowed < 0:
            self._slow_down()
        taken = 0
        while self._held and self._slow is None and not self._full and not self._transport.is_closing():
            data, self._held = bytes(self._held[:SLICE]), self._held[SLICE:]
            payload = whole_text(data, self._max_size) if self._direct else None
            if payload is None:
                taken += self._feed(data)
            else:
                taken += 1
                self._allowed -= 1
                if self._allowed < 0:
                    self._slow_down()
                self._give(payload, is_text=True)
            if taken >= TURN and self._held and self._slow is None:
                self._pause()
                self._slow = self._turns.later(self._go_on)
        self._read_on()

    def _read_on(self) -> None:
        """Reads again, unless there is still a reason not to."""
        if self._slow is None and not self._full and self._writable is None and self._handshake is None:
            self._resume()

    def _pause(self) -> None:
        if self._file < 0:
            self._transport.pause_reading()
        else:
            self._sockets.remove(self._file, self)

    def _resume(self) -> None:
        if self._file < 0:
            self._transport.resume_reading()
        elif not self._transport.is_closing():  # or the number may be another socket's
            self._sockets.add(self._file, self)

    def eof_received(self) -> bool:
        """Thousands may go at once: what there is to do has its turn. TLS closes the connection by itself, and now."""
        if self.tls is not None:
            self._take_eof()
            return False
        self._turns.later(self._take_eof)
        return True

    def _take_eof(self) -> None:
        held, self._held = self._held, _NOTHING
        try:
            if held:
                self._feed(bytes(held))  # it came before the end
            self._protocol.receive_eof()
            self._direct = False
            self._flush()
        finally:  # whatever it was: nobody else ends the connection
            self._expect_close()  # the transport is not closed while the station reads nothing
            if self._reader is None:
                self._transport.close()  # a handshake that is under way is given up
            else:
                self._turns.ends.later(self._transport.close)

    def lost_line(self, error: OSError) -> None:
        """Its socket cannot be read."""
        self._error = error
        self._transport.abort()

    def broken(self, error: Exception) -> None:
        """What came could not be taken."""
        self._error = error
        told = {"message": "a message could not be taken", "exception": error, "protocol": self}
        asyncio.get_running_loop().call_exception_handler(told)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._file >= 0:
            self._sockets.remove(self._file, self)
        self._turns.later(partial(self._end, exc or self._error))  # ten thousand may go at once

    def _end(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._closing, self._slow):
            if timer is not None:
                timer.cancel()
        if self._handshake is not None:
            self._handshake.cancel()
        self._pings.remove(self)
        self._protocol.receive_eof()
        self._release(StationOffline("the connection to the station is closed"))
        try:
            if self._reader is not None:
                self._reader.lost(str(self._protocol.close_exc) if exc is None else str(exc))
        finally:
            self._listener.gone(self)
            self.forget()

    def forget(self) -> None:
        """Opens the rings of objects that refer to each other: all goes now, and nothing waits for a collection."""
        self._reader, self._held, self._slow, self._error = None, _NOTHING, None, None
        self._timer = self._closing = self._handshake = None
        self._protocol.parser.close()
        self._protocol.parser_exc = None
        self._protocol.select_subprotocol = None  # type: ignore[method-assign, assignment]

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()
        self._pause()

    def resume_writing(self) -> None:
        self._heard = True  # while it did not read we did not read either: its answer to a ping may be waiting
        self._release(None)
        if not self._transport.is_closing():
            self._read_on()

    # How it goes on

    def _begin(self, request: Request) -> None:
        self._handshake = asyncio.get_running_loop().create_task(self._open(request))

    async def _open(self, request: Request) -> None:
        try:
            await self._shake_hands(request)
        except Exception:
            log.exception("handshake.failed", remote=self.remote)
            self._transport.abort()

    async def _shake_hands(self, request: Request) -> None:
        response = await self._listener.admit(self, request)
        if self._transport.is_closing():
            return  # given up meanwhile
        if response is None:
            response = self._protocol.accept(request)
        self._protocol.send_response(response)
        self._flush()
        self._handshake = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._protocol.state is not State.OPEN:
            self._transport.close()
            return
        forget_request(self._protocol)
        self._protocol.select_subprotocol = None  # type: ignore[method-assign, assignment]
        self._reader = self._listener.opened(self)
        self._direct = is_between_messages(self._protocol)
        self._pings.add(self)
        if self._sockets.is_possible and self.tls is None:  # the transport reads no more, and never begins again
            self._file = self._transport.get_extra_info("socket").fileno()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)  # before what comes after it
        if not self._transport.is_closing():
            self._read_on()

    def _choose(self, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return self._listener.choose(self, offered)

    def _head(self, data: bytes) -> bytes:
        """What of the data belongs to the request; the rest is kept until the request has been answered.

        The protocol would take it for frames at once, and answer them before the request.
        """
        seen = self._tail + data
        end = seen.find(_END_OF_HEAD)
        if end < 0:
            self._tail = seen[1 - len(_END_OF_HEAD) :]
            return data
        length = end + len(_END_OF_HEAD) - len(self._tail)
        self._early = data[length:]
        return data[:length]

    def _take(self, frame: Frame) -> None:
        if self._failed:
            return  # RFC 6455 §7.1.7: nothing more is read
        opcode = frame.opcode
        if opcode is _TEXT and frame.fin:
            self._give(frame.data, is_text=True)
        elif opcode in (_TEXT, _BINARY, _CONTINUATION):
            self._parts += frame.data
            if opcode is not _CONTINUATION:
                self._is_text = opcode is _TEXT
            if frame.fin:
                whole, self._parts = self._parts, bytearray()
                self._give(whole, is_text=self._is_text)

    def _give(self, data: bytes | bytearray | memoryview, *, is_text: bool) -> None:
        assert self._reader is not None  # noqa: S101 - before, the protocol gets nothing but the request
        if not is_text:
            self._reader.take(bytes(data))
            return
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            self._fail(1007, "a text that is not UTF-8")
            return
        self._reader.take(text)

    def ping(self) -> None:
        """Looks whether the station is still there."""
        if self._protocol.state is State.OPEN:
            self._heard = False
            self._protocol.send_ping(b"")
            self._flush()
            self._timer = asyncio.get_running_loop().call_later(self._ping_timeout, self._judge)

    def _judge(self) -> None:
        """Any sign of life after a ping will do: some stations never answer one."""
        self._timer = None
        if self._heard or self._full or self._sockets.holds_unread(self._file, self):
            self._pings.add(self)
        else:
            self._fail(1011, "nothing was heard after a ping")

    def _fail(self, code: int, reason: str) -> None:
        self._failed = True
        self._protocol.fail(code, reason)
        self._flush()
        self._expect_close()

    def _expect_close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _release(self, error: Exception | None) -> None:
        waiting, self._writable = self._writable, None
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)
            waiting.exception()  # nobody may be waiting

    def _flush(self) -> None:
        """Sends what the protocol has to say, behind what was written before."""
        self._direct = self._direct and self._protocol.state is State.OPEN
        self._outbox.flush()
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                with contextlib.suppress(OSError):  # the station has gone, as connection_lost is about to say
                    self._transport.write_eof()
            else:  # TLS has no half of a connection that could be closed
                self._transport.close()
