"""TLS of the OCPP port: what is offered to stations, from files that may change while the bridge runs."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509

#: OCPP whitepaper on security (2022), A00.FR.318; those with RSA and forward secrecy are ours. TLS 1.3 has its own.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate chains with their keys, one of each kind of key; who signs clients' certificates, and what they
    have revoked.
    """

    certificates: Sequence[tuple[Path, Path]]
    client_ca: Path | None = None
    crl: Path | None = None

    @classmethod
    def named(
        cls, resolve: Callable[[str], Path], certificates: Sequence[str], keys: Sequence[str], client_ca: str, crl: str
    ) -> Self:
        """Those of [ocpp.tls]; `resolve` knows where they lie."""
        pairs = [(resolve(one), resolve(key)) for one, key in zip(certificates, keys, strict=True)]
        return cls(pairs, resolve(client_ca) if client_ca else None, resolve(crl) if crl else None)

    def __iter__(self) -> Iterator[Path]:
        for pair in self.certificates:
            yield from pair
        yield from (path for path in (self.client_ca, self.crl) if path is not None)


class Contexts:
    """The context for new connections. Raises ValueError where the files are of no use."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = self._look()
        self.current = make_context(files)
        self.ends = _ends(files)
        """When the first of the certificates ends (Unix seconds)."""

    def renew(self) -> bool:
        """Loads the files anew where one has changed; whether it has. Raises ValueError, and all stays as it was.

        A file that is only half there is looked at again when it changes again.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        context, ends = make_context(self._files), _ends(self._files)
        self.current, self.ends = context, ends
        return True

    def _look(self) -> tuple[object, ...]:
        return tuple(map(_stamp, self._files))


def make_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 and 1.3. With a `client_ca` a client may show a certificate, which then has to be in order.

    Raises ValueError that names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(CIPHERS))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    for certificate, key in files.certificates:
        try:
            context.load_cert_chain(certificate, key, _no_password)
        except (OSError, ValueError) as error:
            raise ValueError(f"{certificate} and {key}: {_why(error)}") from None
    if files.client_ca is not None:
        _trust(context, files.client_ca, files.crl)
    return context


def _trust(context: ssl.SSLContext, client_ca: Path, crl: Path | None) -> None:
    context.verify_mode = ssl.CERT_OPTIONAL
    # The authority of the stations alone may be trusted, not all that its own root has ever signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # What is resumed is not checked again: a revoked certificate could live on.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    for path in (client_ca, crl):
        if path is not None:
            try:
                context.load_verify_locations(cafile=path)
            except (OSError, ValueError) as error:
                raise ValueError(f"{path}: {_why(error)}") from None
    if crl is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _ends(files: TlsFiles) -> float:
    found = [x509.load_pem_x509_certificate(path.read_bytes()) for path, _ in files.certificates]
    return min((one.not_valid_after_utc.timestamp() for one in found), default=0.0)


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one that is not, readable by the bridge alone")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no PEM files that belong together ({error.reason or error})"
    return str(getattr(error, "strerror", None) or error)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
