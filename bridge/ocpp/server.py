"""The websockets that stations connect to (OCPP-J 1.6 §3): who may come in, and every frame's way in and out."""

import asyncio
import binascii
import re
from collections import deque
from collections.abc import Coroutine, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bridge.config import OcppConfig
from bridge.errors import Problem, ProjectError, StoreError
from bridge.ocpp.outbox import Outbox
from bridge.ocpp.versions import VERSIONS, negotiate
from bridge.ocpp.websocket import Connection, Reader
from bridge.station.credentials import Credentials
from bridge.station.registry import Stations
from bridge.station.session import Session

log = structlog.get_logger()

BACKLOG = 1024  # connections that wait to be accepted, when all stations come back at once
GOING = 1012, "the central system stops"
CLOSED_AT_ONCE = 100  # connections, before OPC UA clients have their turn
LOST_AT_ONCE = 50  # the same of connections that have ended: 200 points of each become uncertain
WORK_TIMEOUT = 1.0  # s that a script which is still deciding gets when its station has been disconnected
MAX_IDENTITY = 48  # OCPP 2.0.1 §4.1: identifierString[48]; 1.6 sets no limit
_IDENTITY = re.compile(r"[^\x00-\x1f\x7f/]+")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_identity(target: str, path: str) -> str | None:
    """The station's identity: the one segment of a request target behind `path`, percent-decoded.

    A trailing slash and a query are passed over. None for anything else that is no identity.
    """
    prefix = path.rstrip("/") + "/"
    plain = target.partition("?")[0]
    if not plain.startswith(prefix):
        return None
    segment = plain.removeprefix(prefix).removesuffix("/").encode("ascii", "surrogateescape")
    if _ESCAPE.search(segment):
        return None
    try:
        identity = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if identity in (".", "..") or len(identity) > MAX_IDENTITY or not _IDENTITY.fullmatch(identity):
        return None
    return identity


class OcppServer:
    """Accepts stations and gives each connection its session."""

    def __init__(self, settings: OcppConfig, stations: Stations, credentials: Credentials) -> None:
        self._settings = settings
        self._stations = stations
        self._credentials = credentials
        self._server: asyncio.Server | None = None
        self._outbox = Outbox()
        self._connections: set[Connection] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._lost: deque[tuple[Session, str]] = deque()
        self._stopping = False
        self._last_gone = asyncio.Event()

    @property
    def url(self) -> str:
        """Where stations connect to, less their identity; with the real port once it has started."""
        port = self._settings.port
        if self._server is not None and self._server.sockets:
            port = self._server.sockets[0].getsockname()[1]
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"ws://{host}:{port}{self._settings.path.rstrip('/')}/"

    async def start(self) -> None:
        """Listens. Raises ProjectError where the address cannot be used."""
        settings = self._settings
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._connection, settings.host, settings.port, backlog=BACKLOG
            )
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            what = f"cannot listen on {place}: {error.strerror or error}; is another program using the port?"
            raise ProjectError([Problem("config.toml", "ocpp.port", what)]) from None

    async def stop(self) -> None:
        """Takes no new station, closes the connections (1012) and waits until each has ended."""
        if self._server is None:
            return
        self._stopping = True
        self._server.close()
        for number, connection in enumerate(list(self._connections), 1):
            connection.close(*GOING)
            if number % CLOSED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if self._connections:
            await self._last_gone.wait()
        while self._lost:
            self._take_leave()
            await asyncio.sleep(0)
        if self._working:
            _, late = await asyncio.wait(self._working, timeout=WORK_TIMEOUT)
            for worker in late:  # its station is gone and sends again what was not answered
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _connection(self) -> Connection:
        settings = self._settings
        return Connection(
            self,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            max_size=settings.max_message_size,
            max_rate=settings.max_message_rate,
            compression=settings.compression,
            outbox=self._outbox,
        )

    # What a connection asks (websocket.Listener)

    def made(self, connection: Connection) -> None:
        """A TCP connection has been accepted."""
        self._connections.add(connection)
        if self._stopping:  # it had been accepted when the listening ended
            connection.close(*GOING)

    async def admit(self, connection: Connection, request: Request) -> Response | None:
        """The handshake: HTTP 404 for what is no station here, 401 for a wrong password."""
        identity = parse_identity(request.path, self._settings.path)
        remote = connection.remote
        if identity is None or not self._stations.admits(identity):
            log.warning("station.refused", path=request.path[:200], reason="unknown", remote=remote)
            return connection.refusal(HTTPStatus.NOT_FOUND, "There is no such station here.\n")
        try:
            trusted = not self._settings.security_profile or await self._authenticates(identity, request.headers)
        except StoreError as error:
            log.error("store.failed", station=identity, error=str(error))
            return connection.refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The credentials cannot be checked now.\n")
        if not trusted:
            log.warning("station.refused", station=identity, reason="credentials", remote=remote)
            response = connection.refusal(HTTPStatus.UNAUTHORIZED, "The credentials are wrong.\n")
            response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
            return response
        connection.identity = identity
        return None

    async def _authenticates(self, identity: str, headers: Headers) -> bool:
        sent = headers.get_all("Authorization")
        given = parse_basic(sent[0]) if len(sent) == 1 else None
        return await self._credentials.check(identity, *given) if given else False

    def choose(self, connection: Connection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The subprotocol: the first of the configured versions that the station offers (OCPP-J 1.6 §3.3)."""
        spoken = [name for name in self._settings.versions if _may_speak(connection.identity, name)]
        version = negotiate(offered, spoken)
        if version is not None:
            return Subprotocol(version.subprotocol)
        default = self._settings.default_version
        if not offered and default and _may_speak(connection.identity, default):
            return None
        names = ", ".join(VERSIONS[name].subprotocol for name in spoken)
        log.warning("station.refused", station=connection.identity, reason="subprotocol", offered=list(offered))
        raise NegotiationError(f"expected one of the subprotocols {names}")

    def opened(self, connection: Connection) -> Reader:
        """A station has connected."""
        version = next(
            (v.name for v in VERSIONS.values() if v.subprotocol == connection.subprotocol),
            self._settings.default_version,
        )
        session = self._stations.open(connection.identity, version, connection)
        session.begin(self._employ)
        return Reading(self, session)

    def lost(self, session: Session, reason: str) -> None:
        """A session's connection has ended. When all do at once, clients have their turn in between."""
        if not self._lost:
            asyncio.get_running_loop().call_soon(self._take_leave)
        self._lost.append((session, reason))

    def _take_leave(self) -> None:
        for _ in range(min(len(self._lost), LOST_AT_ONCE)):
            self._stations.close(*self._lost.popleft())
        if self._lost:
            asyncio.get_running_loop().call_soon(self._take_leave)

    def slowed(self, session: Session) -> None:
        """A station sends too much."""
        self._stations.slowed(session)

    def _employ(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        worker = asyncio.get_running_loop().create_task(work)
        self._working.add(worker)
        worker.add_done_callback(self._working.discard)
        return worker

    def gone(self, connection: Connection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)
        if self._stopping and not self._connections:
            self._last_gone.set()


class Reading:
    """Hands the messages of a connection to its session."""

    __slots__ = ("_server", "_session", "take")

    def __init__(self, server: OcppServer, session: Session) -> None:
        self._server = server
        self._session = session
        self.take = session.take

    def lost(self, reason: str) -> None:
        self._server.lost(self._session, reason)

    def slowed(self) -> None:
        self._server.slowed(self._session)


def _may_speak(identity: str, version: str) -> bool:
    """2.x has no colon in an identity: it would end the user's name of a login (OCPP-J 2.0.1 §3.1.1)."""
    return ":" not in identity or version == "1.6"


def parse_basic(header: str) -> tuple[str, bytes] | None:
    """User and password of an Authorization header (RFC 7617); the password need not be UTF-8."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, found, password = binascii.a2b_base64(encoded.strip(), strict_mode=True).partition(b":")
        return (user.decode("utf-8"), password) if found else None
    except (binascii.Error, ValueError):
        return None
