"""Certificates as a service: SignCertificate → the request is checked and signed → CertificateSigned (OCPP whitepaper
on security A02, OCPP 2.0.1 A02 and A03).

What has been signed waits in the store until the station has taken it, also over a restart.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from bridge.commands.queue import CommandQueue, Done
from bridge.config import PkiConfig
from bridge.errors import BridgeError
from bridge.pki import Authority, ask_program, check_chain, check_length, check_request
from bridge.points.events import Event
from bridge.points.rows import Value
from bridge.station.context import Context
from bridge.station.known import Known
from bridge.station.registry import Stations
from bridge.store.logins import CertificateRequest

log = structlog.get_logger()

PAUSES = (0.0, 10.0, 60.0)
"""Seconds before each try to give a station its certificate."""
AT_LEAST = 10.0
"""Seconds from one request of a station to the next."""
AT_ONCE = 4
"""Requests that are being signed."""
OWN_TYPES = frozenset({"", "ChargingStationCertificate"})
"""What our own authority signs: it is none for ISO 15118."""
TYPES = OWN_TYPES | {"V2GCertificate", "V2G20Certificate"}
"""All that there are (OCPP 2.1 CertificateSigningUseEnumType)."""

AUTHORITY = Path("pki", "ocpp")
"""Where the site's own authority lies, below the project's state."""

USER = "bridge"
"""Who asks for CertificateSigned."""


async def sign(config: PkiConfig, folder: Path, request: CertificateRequest) -> str:
    """The chain for a station's request, by the program or by the authority in the folder.

    Raises ValueError that says what is wrong.
    """
    checked = check_request(request.csr, request.station, config.organization)
    if config.command:
        more = {"OCPP_BRIDGE_STATION": request.station, "OCPP_BRIDGE_CERTIFICATE_TYPE": request.type}
        printed = await ask_program(config.command, request.csr, more, config.timeout)
        return check_chain(printed, checked)
    try:
        return check_length(await asyncio.to_thread(lambda: Authority.load(folder).sign(checked, config.days)))
    except (BridgeError, OSError) as error:
        raise ValueError(str(error)) from None


class Certificates:
    """Takes stations' requests, and sees to it that what was signed gets to them.

    folder: of the authority.
    """

    def __init__(
        self, context: Context, stations: Stations, config: PkiConfig, folder: Path, queue: CommandQueue
    ) -> None:
        self._context = context
        self._stations = stations
        self._config = config
        self._folder = folder
        self._queue = queue
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._asked: dict[str, float] = {}  # station → when it last asked, by the monotonic clock
        self._signed: dict[tuple[str, str], CertificateRequest] = {}  # that wait for their station
        self._tries: dict[tuple[str, str], tuple[int, float]] = {}  # how many, and when the next may be
        self._giving: set[str] = set()
        context.sign_certificate = self.requested
        self.refresh()

    def refresh(self) -> None:
        """Another process may have signed requests (`ocpp-bridge pki sign`)."""
        waiting = [request for request in self._context.store.load_requests() if request.chain]
        self._signed = {(request.station, request.type): request for request in waiting}

    # What a station asks for

    async def requested(self, known: Known, payload: Mapping[str, Any], now: float) -> str:
        """The status of the answer to SignCertificate. Raises StoreError."""
        number = payload.get("requestId")
        request = CertificateRequest(
            station=known.id,
            type=str(payload.get("certificateType", "")),
            csr=str(payload.get("csr", "")),
            received=now,
            number=number if isinstance(number, int) else None,
        )
        if reason := self._refusal(known, request):
            self._failed(known, "Rejected", reason)
            return "Rejected"
        if self._config.sign == "ask":
            await self._context.store.put_request(request)
            self._show(known, "Pending")
        else:
            self._show(known, "Signing")
            self._context.spawn(self._sign(known, request))
        return "Accepted"

    def _refusal(self, known: Known, request: CertificateRequest) -> str:
        """Why a request is not taken; "" if it is."""
        config = self._config
        if config.sign == "never":
            return "no certificates are signed here ([pki] sign)"
        if not config.command and not (self._folder / "ca.key").exists():
            return "there is no certificate authority; `ocpp-bridge pki init` makes one"
        if request.type not in TYPES:
            return "there is no such type of certificate"
        if not config.command and request.type not in OWN_TYPES:
            return f"a {request.type} is nothing that our own authority signs"
        if not known.is_accepted:
            return "the station is not accepted"
        if known.session is None or known.session.profile < 2:
            return "it did not ask over TLS (security profile 2 or 3)"
        asked = self._asked.get(known.id)
        if asked is not None and self._context.monotonic() - asked < AT_LEAST:
            return f"it has asked within the last {AT_LEAST:g} s"
        self._asked[known.id] = self._context.monotonic()  # also for nothing: to look into a request costs the most
        try:
            check_request(request.csr, known.id, config.organization)
        except ValueError as error:
            return f"its request: {error}"
        return ""

    async def _sign(self, known: Known, request: CertificateRequest) -> None:
        try:
            async with self._gate:
                chain = await sign(self._config, self._folder, request)
            signed = replace(request, chain=chain)
            self._signed[request.station, request.type] = signed
            await self._context.store.put_request(signed)
        except (ValueError, BridgeError) as error:
            self._failed(known, "Failed", str(error))
        else:
            self.turn()

    # What a station gets

    def turn(self) -> None:
        """Once a second: gives stations that are connected what waits for them."""
        for key, request in list(self._signed.items()):
            known = self._stations.get(request.station)
            if known is None or known.session is None or not known.is_accepted or known.id in self._giving:
                continue
            if known.session.profile < 2:  # somebody on the line could give it another one; it comes back with TLS
                continue
            if self._context.monotonic() >= self._tries.get(key, (0, 0.0))[1]:
                self._giving.add(known.id)
                self._context.spawn(self._give(known, request))

    async def _give(self, known: Known, request: CertificateRequest) -> None:
        try:
            self._show(known, "Sent")
            command = known.model.station.commands["CertificateSigned"]
            payload = _payload(known, request)
            done = await self._queue.send(known.points, known.session, command, payload, USER, known.hides)
        except BridgeError as error:  # refused before it was sent
            done = Done(state="Failed", error=str(error))
        finally:
            self._giving.discard(known.id)
        if done.state == "Offline":
            return  # it gets it when it comes back
        key, reason = (request.station, request.type), done.error or done.status
        tries = self._tries.get(key, (0, 0.0))[0] + 1
        if done.state != "Accepted" and tries < len(PAUSES):
            self._tries[key] = tries, self._context.monotonic() + PAUSES[tries]
            self._show(known, "Sent", reason)
            return
        await self._forget(key, request)
        if done.state == "Accepted":
            self._show(known, "Accepted")
        else:
            self._failed(known, "Failed", f"the station did not take its certificate: {reason}")

    async def _forget(self, key: tuple[str, str], request: CertificateRequest) -> None:
        self._tries.pop(key, None)
        if self._signed.get(key) == request:
            del self._signed[key]
        try:
            await self._context.store.drop_request(request)
        except BridgeError as error:  # it comes again after a restart
            log.error("store.failed", station=request.station, error=str(error))

    # What is shown

    def _failed(self, known: Known, state: str, reason: str) -> None:
        self._show(known, state, reason)
        fields = {"Subject": known.id, "Reason": reason}
        message = f"no certificate for {known.id}: {reason}"
        emit, now = self._context.tree.emit, self._context.clock()
        emit(Event("CertificateRejected", known.points.path, message, now, fields))

    def _show(self, known: Known, state: str, error: str = "") -> None:
        values: dict[str, Value] = {"State": state, "Error": error, "Time": self._context.clock()}
        points = {f"Security.CertificateRequest.{name}": value for name, value in values.items()}
        self._context.set_points(known.points, points)
        log.info("certificate.request", station=known.id, state=state, reason=error)


def _payload(known: Known, request: CertificateRequest) -> dict[str, Any]:
    """CertificateSigned, as the station's version has it."""
    payload: dict[str, Any] = {"certificateChain": request.chain}
    if request.type and known.model.version.name != "1.6":
        payload["certificateType"] = request.type
    if request.number is not None and known.model.version.name == "2.1":
        payload["requestId"] = request.number
    return payload
