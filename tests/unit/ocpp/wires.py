"""A listener for connections over real sockets, and stations that send it bytes; on asyncio's loop and on uvloop."""

import asyncio
import contextlib
import functools
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from websockets.frames import Close, Frame, Opcode

from bridge.ocpp import websocket
from bridge.ocpp.outbox import Outbox
from bridge.ocpp.pings import Pings
from bridge.ocpp.sockets import Sockets
from bridge.ocpp.turns import Turns
from bridge.ocpp.websocket import Connection
from tests.unit.station.rig import WAIT

LOOPS = {"asyncio": asyncio.new_event_loop}
with contextlib.suppress(ImportError):  # it does not exist everywhere
    from uvloop import new_event_loop

    LOOPS["uvloop"] = new_event_loop

SOON = 0.05  # s; what a timeout is set to where the test waits for it

REQUEST = (
    b"GET /x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # SO_LINGER: a close sends RST

Test = Callable[..., Awaitable[None]]


def on_both_loops(test: Test) -> Any:
    """Runs a test of `host` on each loop."""

    @pytest.mark.parametrize("loop", LOOPS)
    @functools.wraps(test)
    def run(loop: str, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(2 * WAIT), hosting(monkeypatch) as host:
                await test(host, **arguments)

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(bounded())

    run.__signature__ = _signature(test)  # type: ignore[attr-defined]
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


def _signature(test: Test) -> inspect.Signature:
    own = [p for p in inspect.signature(test).parameters.values() if p.name != "host"]
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("loop", "monkeypatch")]
    return inspect.Signature([*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *more])


class Host:
    """A listener that notes what it hears."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.options: dict[str, Any] = {
            "ping_timeout": SOON,
            "max_size": 4096,
            "max_rate": 0,
            "compression": False,
        }
        self.turns = Turns()
        self.sockets = Sockets()
        self.outbox = Outbox(self.sockets.rest)
        self.ping_interval = 0.0
        self.pings: Pings | None = None
        self.connections: list[Connection] = []
        self.messages: list[str | bytes] = []
        self.losses: list[str] = []
        self.made_count = self.opened_count = self.gone_count = self.slowed_count = 0
        self.answer: Callable[[Connection], Awaitable[Any]] | None = None
        self.choice: Callable[[], Any] = lambda: None
        self.on_open: Callable[[], Any] = lambda: None
        self.on_message: Callable[[str | bytes], Any] = lambda message: None
        self.on_loss: Callable[[], Any] = lambda: None
        self.problems: list[dict[str, Any]] = []  # what reached the loop's exception handler
        self._changed = asyncio.Event()
        self.port = 0

    def timeouts(self, **seconds: float) -> None:
        for name, value in seconds.items():
            self.monkeypatch.setattr(websocket, name, value)

    def protocol(self) -> Connection:
        if self.pings is None:
            self.pings = Pings(self.ping_interval)
        shared = {"outbox": self.outbox, "turns": self.turns, "sockets": self.sockets, "pings": self.pings}
        return Connection(self, **shared, **self.options)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def all_gone(self) -> None:
        await self.until(lambda: self.gone_count == self.made_count > 0)

    # websocket.Listener and websocket.Reader

    def made(self, connection: Connection) -> None:
        self.connections.append(connection)
        self.made_count += 1
        self._changed.set()

    async def admit(self, connection: Connection, request: Any) -> Any:
        return await self.answer(connection) if self.answer else None

    def choose(self, connection: Connection, offered: Sequence[Any]) -> Any:
        return self.choice()

    def opened(self, connection: Connection) -> Any:
        self.opened_count += 1
        self._changed.set()
        self.on_open()
        return self

    def gone(self, connection: Connection) -> None:
        self.connections.remove(connection)
        self.gone_count += 1
        self._changed.set()

    def take(self, message: str | bytes) -> None:
        self.messages.append(message)
        self._changed.set()
        self.on_message(message)

    def slowed(self) -> None:
        self.slowed_count += 1
        self._changed.set()

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self._changed.set()
        self.on_loss()


@contextlib.asynccontextmanager
async def hosting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    host = Host(monkeypatch)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: host.problems.append(context))
    server = await loop.create_server(host.protocol, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for connection in list(host.connections):
            connection._transport.abort()
        if host.made_count:
            await host.all_gone()


class Peer:
    """A station that sends bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def frame(self, opcode: Opcode, data: bytes = b"", fin: bool = True) -> None:
        self.send(framed(opcode, data, fin))

    def text(self, text: str) -> None:
        self.frame(Opcode.TEXT, text.encode())

    async def head(self) -> bytes:
        async with asyncio.timeout(WAIT):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def next(self) -> tuple[Opcode, bytes]:
        """The next frame of the bridge."""
        async with asyncio.timeout(WAIT):
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length > 125:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            return Opcode(first & 0x0F), await self.reader.readexactly(length)

    async def code(self) -> int:
        """The code of the close frame that comes next."""
        opcode, data = await self.next()
        assert opcode is Opcode.CLOSE
        return Close.parse(data).code

    async def ended(self) -> bytes:
        """What comes until the bridge has ended the connection, in whatever way."""
        data = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT):
                while more := await self.reader.read(65536):
                    data += more
        return data


def framed(opcode: Opcode, data: bytes = b"", fin: bool = True) -> bytes:
    return bytes(Frame(opcode, data, fin).serialize(mask=True))


@contextlib.asynccontextmanager
async def raw(host: Host) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", host.port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(host: Host) -> AsyncIterator[Peer]:
    async with raw(host) as peer:
        peer.send(REQUEST)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        yield peer


@contextlib.asynccontextmanager
async def deaf(host: Host) -> AsyncIterator[socket.socket]:
    """The socket of a station that has connected and reads nothing from now on; what it can hold is small."""
    loop = asyncio.get_running_loop()
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)
        await loop.sock_connect(plain, ("127.0.0.1", host.port))
        await loop.sock_sendall(plain, REQUEST)
        await host.until(lambda: host.opened_count == 1)
        yield plain


def fill(connection: Connection) -> int:
    """Writes until the station's side takes no more; returns the number of messages."""
    count = 0
    while connection._writable is None:
        connection.write(f"{count:>60000}")
        count += 1
    return count
