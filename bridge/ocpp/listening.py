"""Accepts connections with TLS. asyncio's own server tells nobody of a handshake that failed, or that never ends."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from bridge.ocpp.waiting import Waiting
from bridge.ocpp.websocket import CLOSE_TIMEOUT, OPEN_TIMEOUT, Connection

log = structlog.get_logger()

MOST_HANDSHAKES = 1024
"""TLS handshakes that may be under way; then one is given up (`Waiting`)."""
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
FULL_PAUSE = 1.0  # s until it is tried again, where the machine has no room for another connection


class Door(Protocol):
    """Whoever lets connections in."""

    def enters(self, host: str) -> bool:
        """Whether one more connection may come from an address; it is counted until `left`."""

    def left(self, host: str) -> None: ...

    def origin(self, host: str) -> str:
        """What an address counts as: the same for all that one stranger may have."""

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
        self._handshakes: Waiting[asyncio.Task[None]] = Waiting(MOST_HANDSHAKES)
        self._tasks: set[asyncio.Task[None]] = set()  # of them

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
        tasks = [*self._accepting, *self._tasks]
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
                await asyncio.sleep(FULL_PAUSE if error.errno in _FULL else 0)
                continue
            try:
                self._welcome(plain, address)
            except Exception:  # or nobody would be let in any more
                log.exception("ocpp.not_accepted")
                plain.close()
            await asyncio.sleep(0)  # who floods is not all that there is

    def _welcome(self, plain: socket.socket, address: tuple[Any, ...]) -> None:
        if not self._door.enters(address[0]):
            plain.close()
            return
        connection = self._make()
        connection.counted, connection.peer = True, address
        task = asyncio.get_running_loop().create_task(self._shake_hands(plain, connection))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, plain, connection))
        if (given_up := self._handshakes.add(task, self._door.origin(connection.host))) is not None:
            given_up.cancel()

    async def _shake_hands(self, plain: socket.socket, connection: Connection) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: connection,
            plain,
            ssl=self._door.context(),
            ssl_handshake_timeout=OPEN_TIMEOUT,
            ssl_shutdown_timeout=CLOSE_TIMEOUT,
        )

    def _ended(self, task: asyncio.Task[None], plain: socket.socket, connection: Connection) -> None:
        """A handshake is over; one that was given up may not even have begun."""
        host = connection.host
        self._tasks.discard(task)
        self._handshakes.remove(task, self._door.origin(host))
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return
        if connection.is_made:  # just then; it is counted until it is gone
            connection.abort()
            return
        if not isinstance(error, OSError | asyncio.CancelledError):
            log.error("ocpp.handshake_failed", exc_info=error)
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
