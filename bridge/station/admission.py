"""Who may connect: identity, security profile, password or certificate of a station that knocks (OCPP whitepaper on
security A00, OCPP 2.0.1 A00)."""

import asyncio
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog

from bridge.config import Config
from bridge.errors import StoreError
from bridge.points.allowance import Allowance
from bridge.points.events import Event
from bridge.station.context import Context
from bridge.station.credentials import Credentials
from bridge.station.registry import Stations
from bridge.station.throttle import Throttle, network
from bridge.store.logins import Login

log = structlog.get_logger()

DAY = 86_400.0  # s
EXPIRING = 30 * DAY
"""Before the end of a station's certificate."""
TOLD, TOLD_EACH_SECOND = 100, 10.0
"""Events of one type at once, and from then on: who floods the port does not bury the rest."""
TOLD_OF_ADDRESS, TOLD_OF_ADDRESS_EACH_SECOND = 20, 0.2
"""The same of one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a station shows when it connects.

    identity: None where its address is none of a station. host: its IP address. secure: over TLS. certificate: as
    `ssl.SSLSocket.getpeercert` gives the one that it has shown, and that was found to be in order; None for none.
    login: user and password. web_page: whether it is a page in a browser that connects.
    """

    identity: str | None
    host: str
    secure: bool = False
    certificate: Mapping[str, Any] | None = None
    login: tuple[str, bytes] | None = field(default=None, repr=False)
    web_page: bool = False


class Admitted(NamedTuple):
    """The security profile of the connection, and when the station's certificate ends (Unix seconds)."""

    profile: int
    certificate_ends: float | None = None


class Refusal(NamedTuple):
    """How a station is refused: HTTP status, what is counted, why in words for the operator."""

    status: HTTPStatus
    counter: str
    reason: str


_UNKNOWN = Refusal(HTTPStatus.NOT_FOUND, "RefusedUnknown", "no such station here")
_PLAIN = Refusal(HTTPStatus.FORBIDDEN, "RefusedInsecure", "it has to connect over TLS")
_WEB_PAGE = Refusal(HTTPStatus.FORBIDDEN, "RefusedInsecure", "a web page in a browser ([ocpp] web_pages)")
_TOO_MANY = Refusal(HTTPStatus.TOO_MANY_REQUESTS, "SlowedLogins", "too many failed logins")


def _wrong(reason: str) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, "RefusedLogins", reason)


class Admission:
    """Decides about each connection, and counts whom it refuses."""

    def __init__(self, context: Context, stations: Stations, config: Config, credentials: Credentials) -> None:
        self._context = context
        self._stations = stations
        self._credentials = credentials
        self._throttle = Throttle(context.monotonic)
        self._least = config.ocpp.security_profile
        self._own = {station.id: station.security_profile for station in config.station}
        self._organization = config.pki.organization
        self._web_pages = config.ocpp.web_pages
        self._told = Allowance(TOLD, TOLD_EACH_SECOND, context.monotonic)
        self._told_of = Allowance(TOLD_OF_ADDRESS, TOLD_OF_ADDRESS_EACH_SECOND, context.monotonic)
        tls = config.ocpp.tls
        context.least_profile = self.least
        context.best_profile = 3 if tls.client_ca else 2 if tls.certificates else 1
        self._ends = math.inf  # the server's certificate, by the clock
        self._ending_told = -math.inf
        self._counts: dict[str, int] = {}
        self._shown: dict[str, int] = {}

    def least(self, identity: str) -> int:
        """The lowest security profile that a station may connect with. Raises StoreError.

        That of its own table, else that of all, but no lower than it has shown before (OCPP 2.0.1 A00.FR.006).
        """
        return self._least_of(identity, self._context.store.login(identity))

    def _least_of(self, identity: str, login: Login) -> int:
        own = self._own.get(identity, -1)
        return own if own >= 0 else max(self._least, login.profile)

    async def admit(self, arrival: Arrival) -> Admitted | Refusal:
        """Whether a station gets in. Takes its time where somebody may be guessing. Raises StoreError."""
        decided = await self._decide(arrival)
        if isinstance(decided, Admitted) and not decided.profile and arrival.web_page and not self._web_pages:
            decided = _WEB_PAGE  # whoever looks at a page need not know what it does, and loopback keeps no browser out
        if isinstance(decided, Refusal):
            if decided.counter not in {"SlowedLogins", "RefusedLogins"}:  # those have waited
                seconds = self._throttle.wait(arrival.host, None)
                if seconds is None:
                    decided = _TOO_MANY
                elif seconds:
                    await asyncio.sleep(seconds)
            self.refused(decided.counter, arrival.host, arrival.identity, decided.reason)
        return decided

    async def _decide(self, arrival: Arrival) -> Admitted | Refusal:
        identity = arrival.identity
        if identity is None or not self._stations.admits(identity):
            return _UNKNOWN
        login = self._context.store.login(identity)
        least = self._least_of(identity, login)
        if least >= 2 and not arrival.secure:
            return _PLAIN
        if arrival.certificate is not None:
            return await self._by_certificate(identity, arrival, arrival.certificate, login)
        if least == 3:
            return _wrong("it shows no certificate")
        if least == 0 and (arrival.login is None or not login.hashes):
            return Admitted(0)
        return await self._by_password(identity, arrival, login, least)

    async def _by_certificate(
        self, identity: str, arrival: Arrival, certificate: Mapping[str, Any], login: Login
    ) -> Admitted | Refusal:
        """The certificate's chain and dates are known to be good; this is whose it is (A00.FR.412, A00.FR.413)."""
        subject = [pair for names in certificate.get("subject", ()) for pair in names]
        names = [value for key, value in subject if key == "commonName"]
        organizations = [value for key, value in subject if key == "organizationName"]
        if names != [identity]:
            return _wrong(f"its certificate is of {', '.join(names) or 'nobody'}")
        if self._organization and organizations != [self._organization]:
            return _wrong(f"its certificate is of the organization {', '.join(organizations) or '(none)'}")
        ends = ssl.cert_time_to_seconds(certificate["notAfter"])
        if ends < self._context.clock():  # OpenSSL does not look again at that of a session that is resumed
            return _wrong("its certificate has ended")
        if ends - self._context.clock() < EXPIRING:
            self._emit("CertificateExpiring", identity, f"{identity}'s certificate ends soon", {"Subject": identity})
        await self._keep_profile(identity, login, 3)
        return Admitted(3, ends)

    async def _by_password(self, identity: str, arrival: Arrival, login: Login, least: int) -> Admitted | Refusal:
        profile = 2 if arrival.secure else 1
        user, password = arrival.login or ("", b"")
        fitting = marked = None
        if arrival.login is not None and self._throttle.glance(arrival.host, identity):
            fitting = marked = self._credentials.recognize(identity, user, password)
        if fitting is None:
            seconds = self._throttle.wait(arrival.host, identity)
            if seconds is None:
                return _TOO_MANY if least else Admitted(0)
            if seconds:
                await asyncio.sleep(seconds)
            fitting, marked = await self._credentials.check(identity, user, password) or (None, None)
        if fitting is None or marked is None:
            if not least:
                return Admitted(0)
            return _wrong("no password" if arrival.login is None else "a wrong user or password")
        self._throttle.passed(arrival.host, identity)
        if fitting in login.pending:
            await self._settle(identity, fitting)
        if marked != fitting:
            await self._mark(identity, fitting, marked)
        await self._keep_profile(identity, login, profile)
        return Admitted(profile)

    async def _settle(self, identity: str, fitting: str) -> None:
        """The station has taken the password that it was sent: the one before is right no more."""
        try:
            if await self._context.store.settle_password(identity, fitting):
                log.info("station.password_changed", station=identity)
        except StoreError as error:  # both stay right; it is tried again with the next login
            log.error("store.failed", station=identity, error=str(error))

    async def _mark(self, identity: str, fitting: str, marked: str) -> None:
        """From now on the password is known at once."""
        try:
            await self._context.store.mark_password(identity, fitting, marked)
        except StoreError as error:  # it is right as before, only slower to check
            log.error("store.failed", station=identity, error=str(error))

    async def _keep_profile(self, identity: str, login: Login, profile: int) -> None:
        if profile <= login.profile:
            return
        try:
            await self._context.store.set_profile(identity, profile)
        except StoreError as error:
            log.error("store.failed", station=identity, error=str(error))
        log.info("station.profile", station=identity, profile=profile, before=login.profile)

    # Who was refused

    def refused(self, counter: str, host: str, identity: str | None, reason: str) -> None:
        """Counts a connection that was refused, and says so, as far as somebody can read it."""
        self._counts[counter] = self._counts.get(counter, 0) + 1
        name, fields = identity or "", {"RemoteAddress": host, "Reason": reason}
        if counter == "RefusedUnknown":
            named = name or "what is no station"
            self._tell("StationUnknown", "", f"{named} is unknown here", {"Identity": name, "RemoteAddress": host})
        elif identity is None:
            self._tell("AccessRefused", "", f"a connection from {host} was refused: {reason}", fields)
        else:
            self._tell("StationLoginFailed", name, f"{name} was refused: {reason}", fields)

    def _tell(self, type_: str, identity: str, message: str, fields: Mapping[str, str]) -> None:
        of_address = self._told_of.admit((type_, network(fields["RemoteAddress"])))
        of_all = None if of_address is None else self._told.admit(type_)
        if of_address is None or of_all is None:
            return
        left_out = f"; {of_address} more from there" * bool(of_address) + f"; {of_all} more elsewhere" * bool(of_all)
        self._emit(type_, identity, message + left_out, fields)

    def tls_loaded(self, ends: float, *, again: bool) -> None:
        """The files of TLS were loaded, or loaded anew; the certificate ends then (Unix seconds)."""
        if again:
            what = {"What": "ocpp.tls"}
            self._emit("ConfigurationReloaded", "", "the OCPP server's TLS files were loaded anew", what)
        self._ends, self._ending_told = ends, -math.inf
        self._tell_ending()
        self._context.set_points(self._context.tree.bridge, {"Security.Stations.CertificateEnds": ends})

    def _tell_ending(self) -> None:
        """Once a day."""
        now = self._context.clock()
        if self._ends - now < EXPIRING and not 0 <= now - self._ending_told < DAY:
            self._ending_told = now
            self._emit("CertificateExpiring", "", "the OCPP server's certificate ends soon", {"Subject": "ocpp.tls"})

    def tls_unusable(self, reason: str) -> None:
        """The files of TLS have changed, and are of no use; the bridge goes on with those of before."""
        self._emit("ConfigurationInvalid", "", f"the OCPP server's TLS files: {reason}", {"What": "ocpp.tls"})

    def show(self) -> None:
        """Once a second: Bridge.Security.Stations.*"""
        self._tell_ending()
        if self._counts != self._shown:
            self._shown = dict(self._counts)
            values = {f"Security.Stations.{name}": count & 0xFFFFFFFF for name, count in self._counts.items()}
            self._context.set_points(self._context.tree.bridge, values)

    def _emit(self, type_: str, identity: str, message: str, fields: Mapping[str, str]) -> None:
        known = self._stations.get(identity)
        source = "" if known is None else known.points.path
        self._context.tree.emit(Event(type_, source, message, self._context.clock(), fields))
