"""The websockets that stations connect to (OCPP-J 1.6 §3): who may come in, and every frame's way in and out."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from ssl import SSLContext
from typing import Any

import structlog
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bridge.config import OcppConfig
from bridge.errors import Problem, ProjectError, StoreError
from bridge.ocpp.handshake import MAX_IDENTITY, is_web_page, parse_basic, parse_identity
from bridge.ocpp.listening import TlsListener
from bridge.ocpp.outbox import Outbox
from bridge.ocpp.pings import Pings
from bridge.ocpp.sockets import Sockets
from bridge.ocpp.tls import Contexts, TlsFiles
from bridge.ocpp.turns import Turns
from bridge.ocpp.versions import VERSIONS, negotiate
from bridge.ocpp.waiting import Waiting
from bridge.ocpp.websocket import Connection, Reader
from bridge.station.admission import Admission, Arrival, Refusal
from bridge.station.registry import Stations
from bridge.station.session import Session
from bridge.station.throttle import Crowd, network

log = structlog.get_logger()

BACKLOG = 1024  # connections that wait to be accepted, when all stations come back at once
GOING = 1012, "the central system stops"
CLOSED_AT_ONCE = 100  # connections, before OPC UA clients have their turn
MOST_OPENING = 4096
"""Connections that have not said yet who they are; then one is given up (`Waiting`)."""
LOOK_EVERY = 1.0  # s, at most, at the files of TLS
WORK_TIMEOUT = 1.0  # s that a script which is still deciding gets when its station has been disconnected
MOST_SHOWN = 100  # characters of what a stranger says, in the log
GONE_WITHIN = 3.0  # s that stations have to say goodbye when the bridge stops


class OcppServer:
    """Accepts stations and gives each connection its session."""

    def __init__(
        self,
        settings: OcppConfig,
        stations: Stations,
        admission: Admission,
        *,
        plain: bool = True,
        resolve: Callable[[str], Path] = Path,
    ) -> None:
        """`plain`: whether stations may come without TLS. `resolve` finds the files that the configuration names."""
        self._settings = settings
        self._stations = stations
        self._admission = admission
        self._plain = plain
        self._resolve = resolve
        self._server: asyncio.Server | None = None
        self._tls: TlsListener | None = None
        self._contexts: Contexts
        self._looked = -math.inf  # at the files of TLS, by the loop's clock
        self._crowd = Crowd(settings.max_connections_per_address)
        self._turns = Turns()
        self._sockets = Sockets()
        self._outbox = Outbox(self._sockets.rest)
        self._pings = Pings(settings.ping_interval)
        self._connections: set[Connection] = set()
        self._opening: Waiting[Connection] = Waiting(MOST_OPENING)
        self._working: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._last_gone = asyncio.Event()

    @property
    def urls(self) -> list[str]:
        """Where stations connect to, less their identity; with the real ports once it has started."""
        settings, found = self._settings, []
        if self._plain:
            sockets = () if self._server is None else self._server.sockets
            port = sockets[0].getsockname()[1] if sockets else settings.port
            found.append(f"ws://{_host(settings.host)}:{port}")
        if settings.tls.certificates:
            port = settings.tls.port if self._tls is None else self._tls.port
            found.append(f"wss://{_host(settings.tls.host or settings.host)}:{port}")
        return [f"{url}{settings.path.rstrip('/')}/" for url in found]

    @property
    def url(self) -> str:
        """The first of them."""
        return self.urls[0]

    async def start(self) -> None:
        """Listens. Raises ProjectError where an address or a file of TLS cannot be used."""
        settings = self._settings
        if settings.tls.certificates:
            try:
                named = settings.tls
                names = named.certificates, named.keys, named.client_ca, named.crl
                self._contexts = Contexts(TlsFiles.named(self._resolve, *names))
            except (OSError, ValueError) as error:
                raise ProjectError([Problem("config.toml", "ocpp.tls", str(error))]) from None
            self._admission.tls_loaded(self._contexts.ends, again=False)
        loop = asyncio.get_running_loop()
        if self._plain:
            with _listening("ocpp.port", settings.host, settings.port):
                self._server = await loop.create_server(self._connection, settings.host, settings.port, backlog=BACKLOG)
        if settings.tls.certificates:
            tls = TlsListener(self, self._connection)
            host = settings.tls.host or settings.host
            with _listening("ocpp.tls.port", host, settings.tls.port):
                await tls.start(host, settings.tls.port, BACKLOG)
            self._tls = tls

    async def stop(self) -> None:
        """Takes no new station, closes the connections (1012) and waits until each has ended."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        if self._tls is not None:
            await self._tls.stop()
        for number, connection in enumerate(list(self._connections), 1):
            connection.close(*GOING)
            if number % CLOSED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if self._connections:
            await asyncio.wait([asyncio.ensure_future(self._last_gone.wait())], timeout=GONE_WITHIN)
            for connection in list(self._connections):
                connection.abort()
            await self._last_gone.wait()
        while self._turns.leaves:  # noqa: ASYNC110 - it is taken leave of some in each turn
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
            pings=self._pings,
            ping_timeout=settings.ping_timeout,
            max_size=settings.max_message_size,
            max_rate=settings.max_message_rate,
            compression=settings.compression,
            outbox=self._outbox,
            turns=self._turns,
            sockets=self._sockets,
        )

    # What a connection asks (websocket.Listener)

    def made(self, connection: Connection) -> None:
        """A TCP connection has been accepted."""
        self._connections.add(connection)
        if not connection.counted:
            connection.counted = self.enters(connection.host)
        if self._stopping or not connection.counted:  # it had been accepted when the listening ended
            connection.close(*GOING)
            return
        if (given_up := self._opening.add(connection, network(connection.host))) is not None:
            given_up.close(*GOING)

    async def admit(self, connection: Connection, request: Request) -> Response | None:
        """The handshake: HTTP 404 for what is no station here, 401 for a wrong password or certificate."""
        tls = connection.tls
        sent = request.headers.get_all("Authorization")
        login = parse_basic(sent[0]) if len(sent) == 1 else None
        identity = parse_identity(request.path, self._settings.path)
        connection.flaw = self._flaw(request.path, identity)
        if identity is not None and connection.flaw and self._stations.is_strict(identity):
            identity = None
        arrival = Arrival(
            identity=None if identity is None else self._stations.identity(identity),
            host=connection.host,
            secure=tls is not None,
            certificate=(tls.getpeercert() or None) if tls is not None else None,
            login=None if login is None else (self._stations.identity(login[0]), login[1]),
            web_page=is_web_page(request.headers),
        )
        try:
            decided = await self._admission.admit(arrival)
        except StoreError as error:
            log.error("store.failed", station=arrival.identity, error=str(error))
            return connection.refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The credentials cannot be checked now.\n")
        if isinstance(decided, Refusal):
            response = connection.refusal(decided.status, f"{decided.status.phrase}.\n")
            if decided.status is HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
            return response
        assert arrival.identity is not None  # noqa: S101 - else it was refused
        connection.identity = arrival.identity
        connection.profile, connection.certificate_ends = decided
        return None

    def _flaw(self, path: str, identity: str | None) -> str:
        """What is wrong with the path of a handshake though it is understood."""
        if identity is None:
            return ""
        known = self._stations.identity(identity)
        named = "" if known == identity else f"{identity[:MAX_IDENTITY]} is {known}"
        slash = "a slash behind the identity" if path.partition("?")[0].endswith("/") else ""
        return "; ".join(filter(None, (named, slash)))

    def choose(self, connection: Connection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The subprotocol: the first of the configured versions that the station offers (OCPP-J 1.6 §3.3)."""
        spoken = [name for name in self._settings.versions if _may_speak(connection.identity, name)]
        version = negotiate(offered, spoken)
        if version is not None:
            return Subprotocol(version.subprotocol)
        default = self._settings.default_version
        if not offered and default in spoken and not self._stations.is_strict(connection.identity):
            connection.flaw = "; ".join(filter(None, (connection.flaw, f"no subprotocol, taken for OCPP {default}")))
            return None
        names = ", ".join(VERSIONS[name].subprotocol for name in spoken)
        shown = ", ".join(offered)[:MOST_SHOWN]
        log.warning("station.refused", station=connection.identity, reason="subprotocol", offered=shown)
        raise NegotiationError(f"expected one of the subprotocols {names}")

    def opened(self, connection: Connection) -> Reader:
        """A station has connected."""
        version = next(
            (v.name for v in VERSIONS.values() if v.subprotocol == connection.subprotocol),
            self._settings.default_version,
        )
        self._opening.remove(connection, network(connection.host))
        session = self._stations.open(connection.identity, version, connection)
        session.begin(self._employ)
        if connection.flaw:
            session.complain(f"handshake: {connection.flaw}")
        return Reading(self, session)

    def lost(self, session: Session, reason: str) -> None:
        """A session's connection has ended. When all do at once, clients have their turn in between."""
        self._turns.leaves.later(partial(self._stations.close, session, reason))

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
        self._opening.remove(connection, network(connection.host))
        if connection.counted:
            self.left(connection.host)
        if self._stopping and not self._connections:
            self._last_gone.set()

    # What the TLS listener asks (listening.Door)

    def enters(self, host: str) -> bool:
        """Whether one more connection may come from an address."""
        if self._crowd.enter(host):
            return True
        self._admission.refused("RefusedConnections", host, None, "too many connections from there")
        return False

    def left(self, host: str) -> None:
        """A connection from an address has ended."""
        self._crowd.leave(host)

    def origin(self, host: str) -> str:
        """What an address counts as."""
        return network(host)

    def failed(self, host: str, reason: str) -> None:
        """A TLS handshake has failed."""
        if self._stopping:
            return
        self._admission.refused("FailedHandshakes", host, None, reason)

    def context(self) -> SSLContext:
        """For the next connection: from the files as they are now, where those are of any use."""
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            try:
                if self._contexts.renew():
                    self._admission.tls_loaded(self._contexts.ends, again=True)
            except (OSError, ValueError) as error:
                self._admission.tls_unusable(str(error))
        return self._contexts.current


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


@contextmanager
def _listening(key: str, host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"cannot listen on {host}:{port}: {error.strerror or error}; is another program using the port?"
        raise ProjectError([Problem("config.toml", key, what)]) from None


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _may_speak(identity: str, version: str) -> bool:
    """2.x has no colon in an identity: it would end the user's name of a login (OCPP-J 2.0.1 §3.1.1)."""
    return ":" not in identity or version == "1.6"
