"""What is looked after while the server runs: its certificate, and who is trusted no more."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bridge.opcua.certificate import Identity, renew
from bridge.opcua.guard import Guard
from bridge.opcua.trust import name_of, thumbprint

log = structlog.get_logger()

EVERY = 60.0  # s
DAY = 86_400.0  # s, from one warning to the next that a certificate ends


class Upkeep:
    """`replace` gives the server a new certificate, `end_strangers` ends the sessions of who may not be there."""

    def __init__(
        self,
        folder: Path,
        host: str,
        guard: Guard,
        *,
        replace: Callable[[Identity], None],
        end_strangers: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._host = host
        self._guard = guard
        self._replace = replace
        self._end_strangers = end_strangers
        self._clock = clock
        self._warned = 0.0

    async def run(self, identity: Identity | None) -> None:
        """For as long as the server runs. `identity` is its own, None without security."""
        files = self._guard.certificates.files()
        while True:
            try:
                if identity is not None:
                    identity = self.look_after(identity)
                if (now := self._guard.certificates.files()) != files:
                    files = now
                    self._end_strangers()
            except Exception:  # whatever is wrong this minute, the next one comes
                log.exception("opcua.upkeep_failed")
            await asyncio.sleep(EVERY)

    def look_after(self, identity: Identity) -> Identity:
        """The certificate, a new one where ours ends soon; of another one's end there is a warning each day."""
        now = self._clock()
        if not identity.ends_soon(datetime.fromtimestamp(now, UTC)):
            return identity
        if identity.is_ours:
            made = renew(self._folder, identity, self._host)
            self._replace(made)
            self._tell("CertificateRenewed", made, "was made anew with the same key; clients have to trust it")
            return made
        if now - self._warned >= DAY:
            self._warned = now
            self._tell("CertificateExpiring", identity, f"ends on {identity.certificate.not_valid_after_utc:%Y-%m-%d}")
        return identity

    def _tell(self, type_: str, identity: Identity, what: str) -> None:
        certificate = identity.certificate
        fields = {"Thumbprint": thumbprint(certificate), "Subject": certificate.subject.rfc4514_string()}
        self._guard.tell(type_, f"The OPC UA server's own certificate, {name_of(certificate)}, {what}", fields)
