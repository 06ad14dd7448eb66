"""A certificate authority of the site's own: a folder with its key, its certificate, what it has issued and revoked."""

import ipaddress
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bridge.errors import Problem, ProjectError
from bridge.pki.requests import to_pem

KeyKind = Literal["ec", "rsa"]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CA_DAYS = 20 * 365
CRL_DAYS = CA_DAYS  # it is written when something is revoked, and nobody writes it again before it ends
SERVER_DAYS = 825
_EARLIER = timedelta(hours=1)  # a station's clock may be behind
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was issued; `serial` is hexadecimal."""

    serial: str
    name: str
    ends: datetime
    server: bool
    revoked: bool


class Authority:
    """The authority in a folder. `now` is for what it signs."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: Key) -> None:
        self.folder = folder
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, folder: Path, name: str, kind: KeyKind = "ec", organization: str = "") -> "Authority":
        """Makes a new authority. Raises ProjectError where there is one already."""
        if (folder / "ca.key").exists():
            raise ProjectError([Problem(str(folder / "ca.key"), "", "there is an authority already")])
        key, now = _make_key(kind), datetime.now(UTC)
        subject = _subject(name, organization)
        usage = _usage(signs=True)
        certificate = (
            _builder(subject, subject, key.public_key(), now, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / "ca.key", _key_pem(key), secret=True)
            _write(folder / "ca.pem", to_pem([certificate]).encode())
            made = cls(folder, certificate, key)
            made._write_crl([])
        except OSError as error:
            raise ProjectError([Problem(str(folder), "", f"cannot be written: {error.strerror}")]) from None
        return made

    @classmethod
    def load(cls, folder: Path) -> "Authority":
        """Raises ProjectError where there is none, or it is of no use."""
        path = folder / "ca.pem"
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        except FileNotFoundError:
            what = "no certificate authority yet; `ocpp-bridge pki init` makes one"
            raise ProjectError([Problem(str(folder), "", what)]) from None
        except (OSError, ValueError, TypeError) as error:
            raise ProjectError([Problem(str(path), "", f"cannot be used: {error}")]) from None
        if not isinstance(key, Key) or key.public_key() != certificate.public_key():
            raise ProjectError([Problem(str(path), "", "ca.key is not its key")])
        return cls(folder, certificate, key)

    def sign(self, request: x509.CertificateSigningRequest, days: int) -> str:
        """A station's certificate for a request that has been checked. What else the request asks for is left out."""
        names, organizations = (
            request.subject.get_attributes_for_oid(oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        )
        subject = x509.Name([*names, *organizations])
        return self._issue(subject, request.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH, days)

    def issue_server(self, hosts: Sequence[str], kind: KeyKind = "ec") -> tuple[Path, Path]:
        """A certificate and a key for the OCPP port, which stations reach by these names or addresses: their files.

        Raises ProjectError.
        """
        for host in hosts:
            if not _HOST.fullmatch(host) and not _is_address(host):
                raise ProjectError([Problem(host, "", "expected a host name or an IP address")])
        key = _make_key(kind)
        alternative = x509.SubjectAlternativeName([_general(host) for host in hosts])
        subject = _subject(hosts[0], "")
        chain = self._issue(subject, key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, SERVER_DAYS, alternative)
        return self._keep(f"server-{hosts[0].replace(':', '_')}-{kind}", chain, key)

    def issue_station(
        self, identity: str, days: int, kind: KeyKind = "ec", organization: str = ""
    ) -> tuple[Path, Path]:
        """A certificate and a key for a station that does not ask for one itself: their files."""
        key = _make_key(kind)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        chain = self._issue(_subject(identity, organization), key.public_key(), usage, days)
        number = x509.load_pem_x509_certificate(chain.encode()).serial_number
        return self._keep(f"station-{number:x}", chain, key)  # an identity may be anything but a file's name

    def _keep(self, stem: str, chain: str, key: Key) -> tuple[Path, Path]:
        certificate, secret = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        _write(secret, _key_pem(key), secret=True)
        _write(certificate, chain.encode())
        return certificate, secret

    def issued(self) -> Iterator[Issued]:
        """What it has issued, the newest last."""
        revoked = {one.serial_number for one in self._crl()}
        for one in sorted(self._certificates(), key=lambda one: one.not_valid_before_utc):
            names = one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            usage = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            yield Issued(
                serial=f"{one.serial_number:x}",
                name=str(names[0].value) if names else "",
                ends=one.not_valid_after_utc,
                server=ExtendedKeyUsageOID.SERVER_AUTH in usage,
                revoked=one.serial_number in revoked,
            )

    def revoke(self, name: str) -> list[str]:
        """Revokes every certificate of this name or serial number (hexadecimal); the serials of those that it was."""
        before = list(self._crl())
        known = {one.serial_number for one in before}
        fresh = [one for one in self.issued() if name in (one.name, one.serial) and int(one.serial, 16) not in known]
        if fresh:
            now = datetime.now(UTC)
            added = [
                x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16)).revocation_date(now).build()
                for one in fresh
            ]
            self._write_crl([*before, *added])
        return [one.serial for one in fresh]

    def _issue(
        self,
        subject: x509.Name,
        key: CertificatePublicKeyTypes,
        purpose: x509.ObjectIdentifier,
        days: int,
        alternative: x509.SubjectAlternativeName | None = None,
    ) -> str:
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(subject, self.certificate.subject, key, datetime.now(UTC), days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(enciphers=isinstance(key, rsa.RSAPublicKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
        )
        if alternative is not None:
            builder = builder.add_extension(alternative, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        chain = to_pem([certificate])
        folder = self.folder / "issued"
        folder.mkdir(exist_ok=True)
        _write(folder / f"{certificate.serial_number:x}.pem", chain.encode())
        return chain

    def _certificates(self) -> Iterator[x509.Certificate]:
        for path in (self.folder / "issued").glob("*.pem"):
            yield x509.load_pem_x509_certificate(path.read_bytes())

    def _crl(self) -> list[x509.RevokedCertificate]:
        path = self.folder / "crl.pem"
        return list(x509.load_pem_x509_crl(path.read_bytes())) if path.exists() else []

    def _write_crl(self, revoked: list[x509.RevokedCertificate]) -> None:
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - _EARLIER).next_update(now + timedelta(days=CRL_DAYS))
        for one in revoked:
            builder = builder.add_revoked_certificate(one)
        crl = builder.sign(self._key, hashes.SHA256())
        _write(self.folder / "crl.pem", crl.public_bytes(Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool = False, enciphers: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=enciphers,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str, organization: str) -> x509.Name:
    more = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *more])


def _make_key(kind: KeyKind) -> Key:
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 3072)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _general(host: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(host)) if _is_address(host) else x509.DNSName(host)


def _write(path: Path, data: bytes, *, secret: bool = False) -> None:
    """As a whole: who reads it meanwhile finds the old file or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
