"""What is looked after while the server runs: its certificate, and who is trusted no more."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bridge.opcua.certificate import CERTIFICATE, KEY, Identity, read_identity, renew
from bridge.opcua.guard import Guard
from bridge.opcua.trust import name_of, thumbprint

log = structlog.get_logger()

EVERY = 5.0  # s between two looks at the files
TURNS = 12  # of these, until certificates are looked at again that are the same: one may have ended
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
        self._state: list[tuple[int, int, int]] = []  # of the files of the certificate and its key
        self._why_not = ""

    async def run(self, identity: Identity | None) -> None:
        """For as long as the server runs. `identity` is its own, None without security."""
        files = self._guard.certificates.files()
        with contextlib.suppress(OSError):  # it was read a moment ago, and reading a key holds all up for 40 ms
            self._state = self._files()
        for turn in itertools.count(1):
            try:
                if identity is not None:
                    identity = self.look_after(identity)
                if (now := self._guard.certificates.files()) != files or turn % TURNS == 0:
                    files = now
                    self._end_strangers()
            except Exception:  # whatever is wrong this minute, the next one comes
                log.exception("opcua.upkeep_failed")
            await asyncio.sleep(EVERY)

    def look_after(self, identity: Identity) -> Identity:
        """The certificate, a new one where ours ends soon; of another one's end there is a warning each day."""
        now, identity = self._clock(), self._as_in_folder(identity)
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

    def _as_in_folder(self, identity: Identity) -> Identity:
        """The one that somebody has put in its place; the same as long as that one is not whole."""
        try:
            state = self._files()
            if state == self._state:
                return identity
            found = read_identity(self._folder)
            self._state = state
        except (OSError, ValueError) as error:
            self._is_not_taken(str(error))
            return identity
        if found.certificate == identity.certificate:
            return identity
        if found.uri != identity.uri:
            self._is_not_taken(f"it names another application URI, {found.uri}, which needs a start")
            return identity
        self._replace(found)
        self._tell("CertificateRenewed", found, "was replaced; clients have to trust the new one")
        return found

    def _is_not_taken(self, why: str) -> None:
        if why != self._why_not:
            self._why_not = why
            log.warning("opcua.certificate_not_taken", why=why)

    def _files(self) -> list[tuple[int, int, int]]:
        files = [(self._folder / name).stat() for name in (CERTIFICATE, KEY)]
        return [(file.st_mtime_ns, file.st_size, file.st_ino) for file in files]

    def _tell(self, type_: str, identity: Identity, what: str) -> None:
        certificate = identity.certificate
        fields = {"Thumbprint": thumbprint(certificate), "Subject": certificate.subject.rfc4514_string()}
        self._guard.tell(type_, f"The OPC UA server's own certificate, {name_of(certificate)}, {what}", fields)
