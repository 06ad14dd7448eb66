"""The websockets that stations connect to (OCPP-J 1.6 §3): who may come in, and every frame's way in and out."""

import asyncio
import binascii
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote_to_bytes

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bridge.config import OcppConfig
from bridge.errors import Problem, ProjectError, StationOffline, StoreError
from bridge.ocpp.versions import VERSIONS, negotiate
from bridge.station.credentials import Credentials
from bridge.station.registry import Stations

log = structlog.get_logger()

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


class Link:
    """The websocket of a session."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._closing: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Timeout] = set()

    @property
    def remote(self) -> str:
        address = self._connection.remote_address
        return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else ""

    async def send(self, text: str) -> None:
        try:
            async with asyncio.timeout(0 if self._closing else None) as waiting:
                self._sending.add(waiting)
                try:
                    await self._connection.send(text)
                finally:
                    self._sending.discard(waiting)
        except (ConnectionClosed, TimeoutError):
            raise StationOffline("the connection to the station is closed") from None

    def close(self, code: int, reason: str) -> None:
        if self._closing is None:
            loop = asyncio.get_running_loop()
            self._closing = loop.create_task(self._connection.close(code, reason))
            for waiting in self._sending:  # a station that does not read would hold them until the close times out
                waiting.reschedule(loop.time())


class OcppServer:
    """Accepts stations and gives each connection its session."""

    def __init__(self, settings: OcppConfig, stations: Stations, credentials: Credentials) -> None:
        self._settings = settings
        self._stations = stations
        self._credentials = credentials
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """Where stations connect to, less their identity; with the real port once it has started."""
        port = self._settings.port
        if self._server is not None:
            port = next(iter(self._server.sockets)).getsockname()[1]
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"ws://{host}:{port}{self._settings.path.rstrip('/')}/"

    async def start(self) -> None:
        """Listens. Raises ProjectError where the address cannot be used."""
        settings = self._settings
        try:
            self._server = await serve(
                self._serve,
                settings.host,
                settings.port,
                process_request=self._admit,
                select_subprotocol=self._choose,
                compression=None,  # costs memory for each station, and some choke on it
                ping_interval=settings.ping_interval or None,
                ping_timeout=settings.ping_timeout,
                max_size=settings.max_message_size,
                close_timeout=5,
            )
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            what = f"cannot listen on {place}: {error.strerror or error}; is another program using the port?"
            raise ProjectError([Problem("config.toml", "ocpp.port", what)]) from None

    async def stop(self) -> None:
        """Takes no new station, closes the connections (1012) and waits until each has ended."""
        if self._server is None:
            return
        self._server.close(code=1012, reason="the central system stops")
        await self._server.wait_closed()

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """The handshake: HTTP 404 for what is no station here, 401 for a wrong password."""
        identity = parse_identity(request.path, self._settings.path)
        if identity is None or not self._stations.admits(identity):
            log.warning("station.refused", path=request.path[:200], reason="unknown", remote=_remote(connection))
            return connection.respond(HTTPStatus.NOT_FOUND, "There is no such station here.\n")
        try:
            trusted = not self._settings.security_profile or await self._authenticates(identity, request.headers)
        except StoreError as error:
            log.error("store.failed", station=identity, error=str(error))
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "The credentials cannot be checked now.\n")
        if not trusted:
            log.warning("station.refused", station=identity, reason="credentials", remote=_remote(connection))
            response = connection.respond(HTTPStatus.UNAUTHORIZED, "The credentials are wrong.\n")
            response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
            return response
        connection.identity = identity  # type: ignore[attr-defined]
        return None

    async def _authenticates(self, identity: str, headers: Headers) -> bool:
        sent = headers.get_all("Authorization")
        given = parse_basic(sent[0]) if len(sent) == 1 else None
        return await self._credentials.check(identity, *given) if given else False

    def _choose(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The subprotocol: the first of the configured versions that the station offers (OCPP-J 1.6 §3.3)."""
        version = negotiate(offered, self._settings.versions)
        if version is not None:
            return Subprotocol(version.subprotocol)
        if not offered and self._settings.default_version:
            return None
        names = ", ".join(VERSIONS[name].subprotocol for name in self._settings.versions)
        log.warning("station.refused", station=_identity(connection), reason="subprotocol", offered=list(offered))
        raise NegotiationError(f"expected one of the subprotocols {names}")

    async def _serve(self, connection: ServerConnection) -> None:
        """One connection, from the handshake to its end."""
        version = next(
            (v.name for v in VERSIONS.values() if v.subprotocol == connection.subprotocol),
            self._settings.default_version,
        )
        session = self._stations.open(_identity(connection), version, Link(connection))
        worker = asyncio.get_running_loop().create_task(session.work())
        reason = "closed"
        try:
            async for message in connection:
                await session.take(message)
        except ConnectionClosed as error:
            reason = str(error)
        except StationOffline as error:
            reason = str(error)
        finally:
            self._stations.close(session, f"{reason} ({connection.close_code})")
            await worker


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


def _identity(connection: ServerConnection) -> str:
    return cast("str", getattr(connection, "identity", ""))


def _remote(connection: ServerConnection) -> str:
    address = connection.remote_address
    return str(address[0]) if isinstance(address, tuple) else ""
