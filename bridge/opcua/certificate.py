"""The application's own certificate: made at the first start, kept, and made anew with the same key before it ends."""

import ipaddress
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from bridge.errors import Problem, ProjectError
from bridge.opcua.trust import application_uris, thumbprint

log = structlog.get_logger()

CERTIFICATE = Path("own", "certs", "ocpp-bridge.der")
KEY = Path("own", "private", "ocpp-bridge.pem")
DAYS = 20 * 365
SOON = timedelta(days=60)
_ORGANIZATION = "ocpp-bridge"
_ANY = ("0.0.0.0", "::")  # noqa: S104 - every address of this machine, which no certificate can name


@dataclass(frozen=True, slots=True)
class Identity:
    """Certificate and key, and the application URI that the certificate speaks for (OPC 10000-6 §6.2.2)."""

    certificate: x509.Certificate
    key: RSAPrivateKey
    uri: str

    def ends_soon(self, now: datetime) -> bool:
        return self.certificate.not_valid_after_utc - now < SOON

    @property
    def is_ours(self) -> bool:
        """It was made here; another one is the site's own, and only the site can renew it."""
        subject = self.certificate.subject
        names = subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
        return subject == self.certificate.issuer and [name.value for name in names] == [_ORGANIZATION]


def application_uri() -> str:
    """The URI of a bridge on this machine."""
    return f"urn:{socket.gethostname()}:ocpp-bridge"


def load_identity(folder: Path, host: str) -> Identity:
    """The identity in the folder, made if there is none. `host` is the endpoint's. Raises ProjectError.

    The URI is the certificate's: a machine that was renamed, or a site's own certificate, keeps matching.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    try:
        if not certificate.exists() and not key.exists():
            _write_key(key, generate_private_key())
            _make(folder, _read_key(key), host, application_uri())
        if key.stat().st_mode & 0o077:
            log.warning("opcua.key_can_be_read_by_others", file=str(key))
        return read_identity(folder)
    except (OSError, ValueError) as error:
        what = f"the application certificate and its key cannot be used: {error}"
        raise ProjectError([Problem(str(certificate), "", what)]) from error


def renew(folder: Path, identity: Identity, host: str) -> Identity:
    """The same key and URI with a new certificate; the old one is kept beside it. Raises OSError."""
    certificate = folder / CERTIFICATE
    certificate.replace(certificate.with_name(f"{certificate.stem} [{thumbprint(identity.certificate)}].old"))
    _make(folder, identity.key, host, identity.uri)
    return read_identity(folder)


def read_identity(folder: Path) -> Identity:
    """The identity in the folder. Raises OSError, ValueError."""
    certificate, key = folder / CERTIFICATE, folder / KEY
    found = x509.load_der_x509_certificate(certificate.read_bytes())
    private = _read_key(key)
    if private.public_key() != found.public_key():
        raise ValueError(f"{key} is not the key of {certificate}")
    uris = application_uris(found)
    if not uris:
        raise ValueError("the certificate names no application URI")
    return Identity(found, private, uris[0])


def _read_key(key: Path) -> RSAPrivateKey:
    private = load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, RSAPrivateKey):
        raise ValueError(f"{key} is no RSA key")
    return private


def _write_key(path: Path, private: RSAPrivateKey) -> None:
    """Nobody else can read it at any time, whatever the umask is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(dump_private_key_as_pem(private))


def _make(folder: Path, private: RSAPrivateKey, host: str, uri: str) -> None:
    made = generate_self_signed_app_certificate(
        private,
        f"ocpp-bridge@{socket.gethostname()}",
        {"organizationName": _ORGANIZATION},
        _names(host, uri),
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
        DAYS,
    )
    path = folder / CERTIFICATE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.public_bytes(Encoding.DER))


def _names(host: str, uri: str) -> list[x509.GeneralName]:
    """The URI, and all names and addresses that clients may reach this machine by."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    addresses = {"127.0.0.1"}
    given = host.strip("[]")
    reached = _own_addresses() if given in _ANY else [given]
    for name in dict.fromkeys((socket.gethostname(), socket.getfqdn(), "localhost", *reached)):
        try:
            addresses.add(str(ipaddress.ip_address(name)))
        except ValueError:
            names.append(x509.DNSName(name))
    return [*names, *(x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(addresses))]


def _own_addresses() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(address[0]).partition("%")[0] for *_, address in found]
