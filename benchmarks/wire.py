"""A station's end of a websocket, as cheap as it can be: frames are bytes that were made beforehand.

Clients mask their frames (RFC 6455 §5.3). The key here is zero, which leaves the payload as it is; a server
has the same work with it as with any other.
"""

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    else:
        head = bytes((0x80 | opcode, 0xFE)) + length.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


class Socket(asyncio.Protocol):
    """An open websocket. `received` gets the payload of each text frame; `lost` is set when it has closed."""

    def __init__(self, target: str, host: str) -> None:
        self._request = _UPGRADE.format(path=target, host=host).encode()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._upgraded = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()
        self.received: Callable[[bytes], None] = lambda payload: None

    def send(self, payload: bytes) -> None:
        """Sends a text frame."""
        assert self._transport is not None
        self._transport.write(frame(payload))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed during the handshake"))

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._upgraded and not self._upgrade():
            return
        while self._next_frame():
            pass

    def _upgrade(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            self.opened.set_exception(ConnectionError(head.split(b"\r\n", 1)[0].decode()))
            self.close()
            return False
        self._upgraded, self._buffer = True, rest
        self.opened.set_result(None)
        return True

    def _next_frame(self) -> bool:
        """Takes one frame out of the buffer; servers do not mask theirs, and these are short."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        start, length = 2, buffer[1]
        if length == 126:
            start, length = 4, int.from_bytes(buffer[2:4], "big")
        elif length == 127:
            start, length = 10, int.from_bytes(buffer[2:10], "big")
        end = start + length
        if len(buffer) < end:
            return False
        self._buffer = buffer[end:]
        self._take(buffer[0] & 0xF, buffer[start:end])
        return True

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self.received(payload)
        elif opcode == PING and self._transport is not None:
            self._transport.write(frame(payload, PONG))
        elif opcode == CLOSE:
            self.close()


async def connect(url: str) -> Socket:
    """Opens a websocket (`ws://host:port/path`) as an OCPP 1.6 station. Raises ConnectionError."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, opened = await loop.create_connection(
        lambda: Socket(parts.path, parts.netloc), parts.hostname or "", parts.port or 80
    )
    await opened.opened
    return opened
