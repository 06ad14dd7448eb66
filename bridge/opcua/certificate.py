"""The application's own certificate: made at the first start, then kept."""

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from bridge.errors import Problem, ProjectError

CERTIFICATE = Path("own", "certs", "ocpp-bridge.der")
KEY = Path("own", "private", "ocpp-bridge.pem")
DAYS = 20 * 365


@dataclass(frozen=True, slots=True)
class Identity:
    """Certificate and key, and the application URI that the certificate speaks for (OPC 10000-6 §6.2.2)."""

    certificate: x509.Certificate
    key: RSAPrivateKey
    uri: str


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
            _make(certificate, key, host)
        return _read(certificate, key)
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        what = f"the application certificate and its key cannot be used: {error}"
        raise ProjectError([Problem(str(certificate), "", what)]) from error


def _read(certificate: Path, key: Path) -> Identity:
    found = x509.load_der_x509_certificate(certificate.read_bytes())
    private = load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, RSAPrivateKey) or private.public_key() != found.public_key():
        raise ValueError(f"{key} is not the key of {certificate}")
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if not uris:
        raise ValueError("the certificate names no application URI")
    return Identity(found, private, uris[0])


def _make(certificate: Path, key: Path, host: str) -> None:
    private = generate_private_key()
    made = generate_self_signed_app_certificate(
        private,
        f"ocpp-bridge@{socket.gethostname()}",
        {"organizationName": "ocpp-bridge"},
        _names(host),
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
        DAYS,
    )
    for path in (certificate, key):
        path.parent.mkdir(parents=True, exist_ok=True)
    key.touch(mode=0o600)
    key.write_bytes(dump_private_key_as_pem(private))
    certificate.write_bytes(made.public_bytes(Encoding.DER))


def _names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri())]
    addresses = {"127.0.0.1"}
    for name in dict.fromkeys((socket.gethostname(), "localhost", host)):
        try:
            addresses.add(str(ipaddress.ip_address(name.strip("[]"))))
        except ValueError:
            names.append(x509.DNSName(name))
    return [*names, *(x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(addresses))]
