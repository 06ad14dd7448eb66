"""Accepts connections with TLS. asyncio's own server tells nobody of a handshake that failed, or that never ends."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from bridge.ocpp.websocket import CLOSE_TIMEOUT, OPEN_TIMEOUT, Connection

log = structlog.get_logger()

MOST_HANDSHAKES = 1024
"""TLS handshakes that may be under way; then the oldest is given up. True stations take less than a second."""
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
FULL_PAUSE = 1.0  # s until it is tried again, where the machine has no room for another connection


class Door(Protocol):
    """Whoever lets connections in."""

    def enters(self, host: str) -> bool:
        """Whether one more connection may come from an address; it is counted until `left`."""

    def left(self, host: str) -> None: ...

    def context(self) -> ssl.SSLContext:
        """For the next connection."""

    def failed(self, host: str, reason: str) -> None:
        """A handshake has failed."""


class TlsListener:
    """Listens at an address; `make` makes the protocol of a connection."""

    def __init__(self, door: Door, make: Callable[[], Connection]) -> None:
        self._door = door
        self._make = make
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: dict[asyncio.Task[None], None] = {}  # the oldest first

    @property
    def port(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    async def start(self, host: str, port: int, backlog: int) -> None:
        """Raises OSError where the address cannot be used."""
        loop = asyncio.get_running_loop()
        try:
            for family, kind, number, _, address in await loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                self._sockets.append(_listen(socket.socket(family, kind, number), address, backlog))
        except OSError:
            self._close()
            raise
        self._accepting = [loop.create_task(self._accept(one)) for one in self._sockets]

    async def stop(self) -> None:
        """No new connections; handshakes that are under way are given up."""
        tasks = [*self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close()

    def _close(self) -> None:
        for one in self._sockets:
            one.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                plain, address = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _FULL:
                    log.error("ocpp.full", error=str(error))
                    await asyncio.sleep(FULL_PAUSE)
                continue
            if not self._door.enters(address[0]):
                plain.close()
                continue
            task = loop.create_task(self._shake_hands(plain, address[0]))
            self._handshakes[task] = None
            task.add_done_callback(lambda ended: self._handshakes.pop(ended, None))
            if len(self._handshakes) > MOST_HANDSHAKES:
                next(iter(self._handshakes)).cancel()

    async def _shake_hands(self, plain: socket.socket, host: str) -> None:
        connection = self._make()
        connection.counted = True
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                plain,
                ssl=self._door.context(),
                ssl_handshake_timeout=OPEN_TIMEOUT,
                ssl_shutdown_timeout=CLOSE_TIMEOUT,
            )
        except (OSError, asyncio.CancelledError) as error:
            plain.close()
            connection.forget()
            self._door.left(host)
            self._door.failed(host, _why(error))


def _listen(one: socket.socket, address: tuple[Any, ...], backlog: int) -> socket.socket:
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(backlog)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "no TLS").replace("_", " ").lower()
    return "the handshake took too long" if isinstance(error, TimeoutError | asyncio.CancelledError) else "it hung up"
