"""Certificates of clients and authorities, and clients that have one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

URI = "urn:test:client"
POLICIES = {
    "Basic256Sha256": SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": SecurityPolicyAes256Sha256RsaPss,
}
DAY = timedelta(days=1)
_keys: dict[tuple[int, int], rsa.RSAPrivateKey] = {}


def key(number: int = 0, size: int = 2048) -> rsa.RSAPrivateKey:
    """Making one takes a while: tests share them."""
    if (number, size) not in _keys:
        _keys[number, size] = rsa.generate_private_key(65537, size)
    return _keys[number, size]


@dataclass
class Party:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def save(self, folder: Path, name: str = "client") -> tuple[Path, Path]:
        certificate, secret = folder / f"{name}.der", folder / f"{name}.pem"
        folder.mkdir(parents=True, exist_ok=True)
        certificate.write_bytes(self.der)
        secret.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, secret

    async def secure(
        self, client: Client, folder: Path, policy: str = "Basic256Sha256", mode: str = "SignAndEncrypt"
    ) -> Client:
        """Gives a client this certificate."""
        client.application_uri = URI
        own = self.save(folder)
        await client.set_security(POLICIES[policy], *own, mode=ua.MessageSecurityMode[mode])
        return client

    def revokes(self, *others: "Party") -> bytes:
        """A revocation list (DER) of this authority."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, now - DAY, now + DAY)
        for other in others:
            entry = x509.RevokedCertificateBuilder(other.certificate.serial_number, now - DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def party(
    name: str = "client",
    *,
    issuer: Party | None = None,
    number: int = 0,
    size: int = 2048,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
    uri: str = URI,
    digest: hashes.HashAlgorithm | None = None,
    usage: bool = True,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    authority: bool = False,
) -> Party:
    """Somebody with a certificate; without an issuer it has made that itself."""
    own = key(number, size)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        names = [x509.UniformResourceIdentifier(uri)]
        flags = dict.fromkeys(
            ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False
        )
        only = {**flags, "encipher_only": False, "decipher_only": False}
        key_usage = x509.KeyUsage(digital_signature=usage, key_encipherment=True, **only)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(key_usage, critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    signer = own if issuer is None else issuer.key
    return Party(builder.sign(signer, digest or hashes.SHA256()), own)


def signed_strangely(party: Party) -> bytes:
    """Its certificate (DER), signed with an algorithm that nobody knows."""
    with_sha256 = bytes.fromhex("06092a864886f70d01010b")  # sha256WithRSAEncryption (RFC 8017 appendix C)
    assert party.der.count(with_sha256) == 2
    return party.der.replace(with_sha256, with_sha256[:-1] + b"\x63")
