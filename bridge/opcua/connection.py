"""The TCP side of the OPC UA server: chunks out of bytes, one after the other, and how far a client may go."""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog
from asyncua import ua
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol

from bridge.opcua import memory
from bridge.opcua.chunks import FRAME
from bridge.opcua.crowd import find_out_if_dead, first_to_go
from bridge.opcua.processor import Processor
from bridge.opcua.sessions import BridgeInternalServer
from bridge.opcua.slowdown import machine

log = structlog.get_logger()

MAX_WAITING = 262_144  # bytes of requests that may wait before no more are read
TURN = 0.005  # s, that a client with many requests keeps the others waiting at a time
PATIENCE = 60.0  # s, after which a client that reads nothing is disconnected
LEAVING = 2.0  # s, in which a client may read what is left for it when the server stops
UNFINISHED = 30.0  # s, in which a message becomes whole, or longer by memory.LARGE at least
WITHOUT_SESSION = 30.0  # s, until a connection is closed that has no session, or has none any more


class Protocol(OPCUAProtocol):
    """One connection. Requests are answered as they come in; only what has to wait gets a task."""

    iserver: BridgeInternalServer
    processor: Processor | None
    transport: asyncio.Transport | None
    _buffer: bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._waiting: deque[bytes] = deque()
        self._size = 0  # of what waits
        self._is_busy = False
        self._is_full = False
        self._give_up: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._unfinished: asyncio.TimerHandle | None = None
        self._had = 0  # bytes of a message that is not complete, when it was looked at last
        self._was_unused = True  # when it was looked at last
        self._loop = asyncio.get_running_loop()
        address = transport.get_extra_info("peername")
        self.machine = machine(str(address[0])) if address else ""
        if not self._has_room():
            self.iserver.guard.log("opcua.connection_refused", self.machine, why="too many connections")
            transport.close()
            return
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, transport, self.limits)
            self.processor.set_policies(self.policies)
            self.processor.go_on = self._serve
            self.iserver.connections.add(self.processor)
            find_out_if_dead(transport.get_extra_info("socket"))
            self._look = self._loop.call_later(WITHOUT_SESSION, self._look_whether_used)

    @property
    def is_used(self) -> bool:
        """Somebody has logged in over it, and has the session still."""
        return self.processor is not None and self.processor.has_session()

    def _has_room(self) -> bool:
        """Whether one more connection is taken. Where there are too many of its machine, or of all, another one goes
        on which nobody has logged in (OPC 10000-4 §5.6.2.1), so that who only holds connections open keeps nobody out.
        """
        limits, others = self.iserver.limits, [other for other in self.clients if isinstance(other, Protocol)]
        here = [other for other in others if other.machine == self.machine]
        if len(here) >= limits.max_connections_per_address:
            return self._displaces_one_of(here)
        return len(others) < limits.max_connections or self._displaces_one_of(others)

    def _displaces_one_of(self, others: "Sequence[Protocol]") -> bool:
        goes = first_to_go((one for one in others if not one.is_used), lambda one: one.machine)
        if goes is None:
            return False
        self.iserver.guard.log("opcua.connection_displaced", goes.machine, by=self.machine)
        if goes.transport is not None:
            goes.transport.abort()
        self.clients.remove(goes)
        return True

    def _look_whether_used(self) -> None:
        """Ends a connection on which nobody has logged in, and one whose session has ended or moved away."""
        is_unused = not self.is_used
        if is_unused and self._was_unused:
            self._abort()
            return
        self._was_unused = is_unused
        self._look = self._loop.call_later(WITHOUT_SESSION, self._look_whether_used)

    def connection_lost(self, ex: BaseException | None) -> None:
        self._waiting.clear()
        if self.processor is not None:
            self.processor.is_read.set()
            self.iserver.connections.discard(self.processor)
        for timer in (self._give_up, self._look, self._unfinished):
            if timer is not None:
                timer.cancel()
        super().connection_lost(ex)

    def data_received(self, data: bytes) -> None:
        if self.processor is None or self.transport is None or self.transport.is_closing():
            return
        buffer = self._buffer + data if self._buffer else data
        position, largest = 0, self.processor._limits.max_recv_buffer
        while len(buffer) - position >= FRAME.size:
            _, size = FRAME.unpack_from(buffer, position)
            if not FRAME.size < size <= largest:
                self.processor.end(ua.StatusCodes.BadTcpMessageTooLarge)
                self.transport.close()
                return
            if len(buffer) - position < size:
                break
            self._waiting.append(buffer[position : position + size])
            self._size += size
            position += size
        self._buffer = buffer[position:]
        self._serve()

    def pause_writing(self) -> None:
        """The client does not read: nothing more is answered, and so nothing more is read, until it does."""
        self._is_full = True
        if self.processor is not None:
            self.processor.is_read.clear()
        self._give_up = self._loop.call_later(PATIENCE, self._does_not_read)
        self._hold()

    def resume_writing(self) -> None:
        self._is_full = False
        if self.processor is not None:
            self.processor.is_read.set()
        if self._give_up is not None:
            self._give_up.cancel()
            self._give_up = None
        self._serve()

    def _does_not_read(self) -> None:
        log.warning("opcua.client_does_not_read", client=str(self.peer_name))
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _serve(self) -> None:
        """Answers what has come, in order, as long as nothing has to be waited for."""
        if self.processor is None:
            return
        end = self._loop.time() + TURN
        while self._waiting and not self._is_busy and not self._is_full and not self.processor.has_enough:
            if self._loop.time() > end:
                self._is_busy = True
                self._loop.call_soon(self._go_on)
                break
            frame = self._waiting.popleft()
            self._size -= len(frame)
            going_on = self.processor.receive(frame)
            if isinstance(going_on, bool):
                if not going_on:
                    self._end()
                    return
            else:
                self._is_busy = True
                self._task = self._loop.create_task(going_on)
                self._task.add_done_callback(self._waited)
        self._hold()

    def _go_on(self) -> None:
        self._is_busy = False
        self._serve()

    def _waited(self, task: asyncio.Task[bool]) -> None:
        if task.cancelled():  # the connection has gone
            return
        if task.result():
            self._watch_what_arrives()
            self._go_on()
        else:
            self._end()

    def _watch_what_arrives(self) -> None:
        """Whoever begins a message does not keep it half for ever."""
        processor = self.processor
        is_unfinished = processor is not None and not processor.closing and processor.arriving > 0
        if is_unfinished and self._unfinished is None:
            self._had = 0
            self._unfinished = self._loop.call_later(UNFINISHED, self._look_what_arrived)
        elif not is_unfinished and self._unfinished is not None:
            self._unfinished.cancel()
            self._unfinished = None

    def _look_what_arrived(self) -> None:
        """Ends the connection, unless more has come, slow as the network may be, or it was not read from."""
        self._unfinished = None
        if self.processor is None or not self.processor.arriving:
            return
        if not self._is_full:
            if self.processor.arriving < self._had + memory.LARGE:
                self.processor.end(ua.StatusCodes.BadTimeout)
                self._end()
                return
            self._had = self.processor.arriving
        self._unfinished = self._loop.call_later(UNFINISHED, self._look_what_arrived)

    def _end(self) -> None:
        self._waiting.clear()
        if self.transport is not None:
            self.transport.close()

    def _hold(self) -> None:
        """Reads on, or no more for now."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._is_full or self._size > MAX_WAITING:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    async def _process_received_message_loop(self) -> None:
        """asyncua starts this for every connection; `_serve` stands for it."""


class Listener(BinaryServer):
    """asyncua's TCP server with our protocol."""

    iserver: BridgeInternalServer

    async def stop(self) -> None:
        """As asyncua's, but not for as long as somebody does not read."""
        timer = asyncio.get_running_loop().call_later(LEAVING, self._cut)
        try:
            await super().stop()
        finally:
            timer.cancel()

    def _cut(self) -> None:
        for client in list(self.clients):
            if client.transport is not None:
                client.transport.abort()

    def _make_protocol(self) -> OPCUAProtocol:
        return Protocol(self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)
