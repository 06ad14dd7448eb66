"""Which clients' certificates are accepted (OPC 10000-4 §6.1.3), as folders that can be edited while the bridge runs.

pki/trusted/certs, crl    clients that are trusted, or authorities all of whose clients are; their revocation lists
pki/issuers/certs, crl    authorities that a chain may lead through, without being trusted themselves
pki/rejected              the last clients that were refused, to be trusted with a command
"""

import itertools
import os
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bridge.errors import Refused

log = structlog.get_logger()

TRUSTED, ISSUERS, REJECTED = Path("trusted", "certs"), Path("issuers", "certs"), Path("rejected")
_CRLS = (Path("trusted", "crl"), Path("issuers", "crl"))
KEY_SIZES = range(2048, 4097)  # bits (OPC 10000-7: of all policies that are offered)
MOST_REJECTED = 50  # files
MOST_OF_MACHINE = 10  # of these, from one machine: its next one takes the place of its own
MOST_IN_CHAIN = 5  # certificates: the client's own, and up to three authorities below a root
LARGEST_EXPONENT = 2**32  # of a public key; with a long one a signature costs a hundred times as much to check
MOST_FILE = 65_536  # bytes
_WEAK = (hashes.SHA1, hashes.MD5)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.@-]")

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate in one of the folders. `state`: trusted, issuer or rejected."""

    state: str
    certificate: x509.Certificate
    path: Path

    @property
    def thumbprint(self) -> str:
        return thumbprint(self.certificate)


@dataclass(frozen=True, slots=True)
class _Lists:
    """What is in the folders: trusted certificates as DER, these and the issuers' by subject, lists by issuer."""

    trusted: frozenset[bytes]
    by_subject: dict[x509.Name, list[x509.Certificate]]
    revocations: dict[x509.Name, list[x509.CertificateRevocationList]]


class TrustList:
    """The folders below `pki`. Without `everybody` a client is refused whose certificate is not trusted.

    What is wrong with a certificate by itself (it has ended, its key is short) is refused in either case.
    """

    def __init__(self, pki: Path, *, everybody: bool = False, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._pki = pki
        self.everybody = everybody
        self._clock = clock
        self._state: tuple[tuple[str, int, int], ...] | None = None
        self._lists = _Lists(frozenset(), {}, {})
        self._rejected: OrderedDict[str, deque[Path]] = OrderedDict()  # files that came from each machine

    def check(self, sent: bytes) -> x509.Certificate:
        """The certificate that a client has sent, with its chain behind it perhaps. Raises Refused."""
        chain = parse(sent)
        leaf = chain[0]
        now = self._clock()
        _check_alone(leaf, now)
        if not self.everybody:
            lists = self._load()
            _check_trust(leaf, _vouched(chain[1:], lists), lists, now)
        return leaf

    def has_rejected(self, sent: bytes) -> bool:
        """It lies already where it can be trusted from."""
        return (self._pki / REJECTED / file_name(parse(sent)[0])).exists()

    def keep_rejected(self, sent: bytes, machine: str) -> None:
        """Puts what was refused where it can be trusted from, in place of the oldest there perhaps. Raises Refused.

        What a machine has sent too much takes the place of what it sent itself.
        """
        certificate = parse(sent)[0]
        folder = self._pki / REJECTED
        target = folder / file_name(certificate)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._make_room(machine, target)
            found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
            for old in found[: max(len(found) - MOST_REJECTED + 1, 0)]:
                old.unlink()
            target.write_bytes(certificate.public_bytes(Encoding.DER))
        except OSError as error:
            log.warning("opcua.rejected_not_kept", file=str(target), error=str(error))

    def _make_room(self, machine: str, target: Path) -> None:
        own = self._rejected.setdefault(machine, deque())
        self._rejected.move_to_end(machine)
        if len(self._rejected) > MOST_REJECTED:  # the oldest one's files have long been replaced by the others'
            self._rejected.popitem(last=False)
        if len(own) >= MOST_OF_MACHINE:
            own.popleft().unlink(missing_ok=True)
        own.append(target)

    # What a command does

    def listed(self) -> Iterator[Listed]:
        """All certificates in the folders."""
        for state, folder in (("trusted", TRUSTED), ("issuer", ISSUERS), ("rejected", REJECTED)):
            for path, certificate in _certificates(self._pki / folder):
                yield Listed(state, certificate, path)

    def trust(self, listed: Listed) -> Path:
        """A certificate is trusted from now on."""
        return self._move(listed, TRUSTED)

    def reject(self, listed: Listed) -> Path:
        """A certificate is trusted no more."""
        return self._move(listed, REJECTED)

    def _move(self, listed: Listed, folder: Path) -> Path:
        target = self._pki / folder / file_name(listed.certificate)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target != listed.path:
            listed.path.replace(target)
        return target

    # Trust

    def files(self) -> tuple[tuple[str, int, int], ...]:
        """The files that say who is trusted: name, time of the last change in ns, size."""
        found: list[tuple[str, int, int]] = []
        for folder in (TRUSTED, ISSUERS, *_CRLS):
            try:
                with os.scandir(self._pki / folder) as entries:
                    found += [(e.path, e.stat().st_mtime_ns, e.stat().st_size) for e in entries if e.is_file()]
            except OSError:  # there is no such folder, or a file has just gone
                continue
        return tuple(sorted(found))

    def _load(self) -> _Lists:
        state = self.files()
        if state != self._state:
            trusted = [certificate for _, certificate in _certificates(self._pki / TRUSTED)]
            issuers = [certificate for _, certificate in _certificates(self._pki / ISSUERS)]
            by_subject: dict[x509.Name, list[x509.Certificate]] = {}
            for certificate in (*trusted, *issuers):
                by_subject.setdefault(certificate.subject, []).append(certificate)
            revocations: dict[x509.Name, list[x509.CertificateRevocationList]] = {}
            for revoked in itertools.chain.from_iterable(_revocations(self._pki / folder) for folder in _CRLS):
                revocations.setdefault(revoked.issuer, []).append(revoked)
            known = frozenset(certificate.public_bytes(Encoding.DER) for certificate in trusted)
            self._lists, self._state = _Lists(known, by_subject, revocations), state
        return self._lists


def _check_trust(leaf: x509.Certificate, vouched: Sequence[x509.Certificate], lists: _Lists, now: datetime) -> None:
    """Follows the chain upwards. Raises Refused where nothing in it is trusted, or something is wrong."""
    trusted = leaf.public_bytes(Encoding.DER) in lists.trusted
    certificate = leaf
    for _ in range(MOST_IN_CHAIN):
        if certificate.issuer == certificate.subject:
            break
        candidates = [*lists.by_subject.get(certificate.issuer, ()), *vouched]
        issuer = _issuer_of(certificate, sorted(candidates, key=lambda each: not _may_vouch(each, now)))
        if issuer is None:
            break
        _check_issuer(issuer, now)
        _check_revocation(certificate, issuer, lists)
        trusted = trusted or issuer.public_bytes(Encoding.DER) in lists.trusted
        certificate = issuer
    if not trusted:
        raise Refused("BadCertificateUntrusted", "the certificate is not in the trust list")


def _vouched(sent: Sequence[x509.Certificate], lists: _Lists) -> list[x509.Certificate]:
    """Of the authorities' certificates that a client has sent those that lead to one in the folders.

    So a stranger's keys, whatever they are, are never computed with.
    """
    found: list[x509.Certificate] = []
    for certificate in reversed(sent):  # the nearest to the root comes last
        if _issuer_of(certificate, [*lists.by_subject.get(certificate.issuer, ()), *found]) is not None:
            found.append(certificate)
    return found


def parse(sent: bytes) -> list[x509.Certificate]:
    """The certificates of a chain, the client's own first. Raises Refused(BadCertificateInvalid)."""
    found: list[x509.Certificate] = []
    try:
        while sent:
            if len(found) == MOST_IN_CHAIN:
                raise ValueError("the chain is too long")  # noqa: TRY301 - told like the others
            size = _length_of(sent)
            found.append(x509.load_der_x509_certificate(sent[:size]))
            sent = sent[size:]
    except Exception as error:  # noqa: BLE001 - whatever is wrong with what came, it is no certificate
        raise Refused("BadCertificateInvalid", f"this is no certificate: {error}") from None
    if not found:
        raise Refused("BadCertificateInvalid", "there is no certificate")
    return found


def _length_of(der: bytes) -> int:
    """How many bytes the DER object at the beginning has (X.690 §8.1.3)."""
    if len(der) < 2 or der[0] != 0x30:
        raise ValueError("this is not DER")
    if der[1] < 0x80:
        return 2 + der[1]
    count = der[1] & 0x7F
    if not 0 < count <= 4:
        raise ValueError("this is not DER")
    return 2 + count + int.from_bytes(der[2 : 2 + count], "big")


def thumbprint(certificate: x509.Certificate) -> str:
    """As OPC UA tools show it: SHA-1 in hexadecimal. It names a certificate, it proves nothing."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - OPC 10000-4 §7.1.4 says SHA-1


def name_of(certificate: x509.Certificate) -> str:
    """The CommonName, or the whole subject."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def file_name(certificate: x509.Certificate) -> str:
    return f"{_UNSAFE.sub('_', name_of(certificate))[:60].lstrip('.')} [{thumbprint(certificate)}].der"


def application_uris(certificate: x509.Certificate) -> list[str]:
    """The application URIs that a certificate speaks for (OPC 10000-6 §6.2.2)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def check_alone(certificate: x509.Certificate, now: datetime) -> None:
    """What is wrong with a key or a certificate whoever has it: size, hash, validity. Raises Refused."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("BadCertificateInvalid", f"its key cannot be read: {error}") from None
    if not isinstance(key, RSAPublicKey) or key.key_size not in KEY_SIZES:
        raise Refused("BadCertificatePolicyCheckFailed", "an RSA key of 2048 to 4096 bits is expected")
    if key.public_numbers().e > LARGEST_EXPONENT:
        raise Refused("BadCertificatePolicyCheckFailed", "the exponent of its key is too long")
    if _is_weak(certificate):
        raise Refused("BadCertificatePolicyCheckFailed", "it is signed with a hash that can be forged")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused("BadCertificateTimeInvalid", "it is not valid yet, or no more")


def _is_weak(certificate: x509.Certificate) -> bool:
    """It is signed with a hash that can be forged. Raises Refused where nobody knows how it is signed."""
    try:
        return isinstance(certificate.signature_hash_algorithm, _WEAK)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("BadCertificateInvalid", f"its signature cannot be read: {error}") from None


def _check_alone(certificate: x509.Certificate, now: datetime) -> None:
    check_alone(certificate, now)
    try:
        _check_usage(certificate)
    except ValueError as error:
        raise Refused("BadCertificateInvalid", f"its extensions cannot be read: {error}") from None


def _check_usage(certificate: x509.Certificate) -> None:
    """An application's certificate says what it is for; one that says nothing is taken for everything."""
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage) and not (value.digital_signature and value.key_encipherment):
            raise Refused("BadCertificateUseNotAllowed", "its key usage lacks digitalSignature or keyEncipherment")
        if isinstance(value, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.CLIENT_AUTH not in value:
            raise Refused("BadCertificateUseNotAllowed", "its extended key usage lacks clientAuth")


def _issuer_of(certificate: x509.Certificate, candidates: Iterable[x509.Certificate]) -> x509.Certificate | None:
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return candidate
    return None


def _may_vouch(issuer: x509.Certificate, now: datetime) -> bool:
    """Of an authority that was renewed with the same key the old certificate fits too, but is refused."""
    try:
        _check_issuer(issuer, now)
    except Exception:  # noqa: BLE001 - Refused, or what cannot be read at all: another one may do
        return False
    return True


def _check_issuer(issuer: x509.Certificate, now: datetime) -> None:
    if not issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc:
        raise Refused("BadCertificateIssuerTimeInvalid", "its issuer's certificate is not valid yet, or no more")
    if _is_weak(issuer):
        raise Refused("BadCertificatePolicyCheckFailed", "its issuer is signed with a hash that can be forged")
    try:
        is_authority = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        is_authority = False
    if not is_authority:
        raise Refused("BadCertificateIssuerUseNotAllowed", "its issuer is no authority")


def _check_revocation(certificate: x509.Certificate, issuer: x509.Certificate, lists: _Lists) -> None:
    for revoked in lists.revocations.get(certificate.issuer, ()):
        if not revoked.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
            continue
        if revoked.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise Refused("BadCertificateRevoked", "it was revoked by its issuer")


def _read(folder: Path) -> Iterator[tuple[Path, bytes]]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return
    for path in paths:
        try:
            content = path.read_bytes() if path.stat().st_size <= MOST_FILE else b""
        except OSError:
            continue
        yield path, content


def _certificates(folder: Path) -> Iterator[tuple[Path, x509.Certificate]]:
    for path, content in _read(folder):
        try:
            is_text = content.lstrip().startswith(b"-----")
            load = x509.load_pem_x509_certificate if is_text else x509.load_der_x509_certificate
            yield path, load(content)
        except ValueError as error:
            log.warning("opcua.no_certificate", file=str(path), error=str(error))


def _revocations(folder: Path) -> Iterator[x509.CertificateRevocationList]:
    for path, content in _read(folder):
        try:
            is_text = content.lstrip().startswith(b"-----")
            yield (x509.load_pem_x509_crl if is_text else x509.load_der_x509_crl)(content)
        except ValueError as error:
            log.warning("opcua.no_revocation_list", file=str(path), error=str(error))
