"""The tokens by which a user says who it is (OPC 10000-4 §7.41): what is in them, and whether it can be believed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.errors import Refused
from bridge.opcua import trust
from bridge.opcua.users import ANONYMOUS, MOST_PASSWORD

MOST_NAME = 64  # characters of a user's name that are shown: somebody may have typed a password there
MOST_CIPHER = 1_024  # bytes: each block of a key's size costs a private operation of it

#: how a password may be encrypted: RSA PKCS 1.5, which asyncua takes too, tells who asks often what is in it
_DECRYPT: Mapping[str, Callable[[Any, bytes], bytes]] = {
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep": uacrypto.decrypt_rsa_oaep,
    "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256,
}
#: how a user's certificate may sign: with no SHA-1
_VERIFY: Mapping[str, Callable[[x509.Certificate, bytes, bytes], None]] = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": uacrypto.verify_sha256,
    "http://opcfoundation.org/UA/security/rsa-pss-sha2-256": uacrypto.verify_pss_sha256,
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a token has to answer to: the server's certificate (DER) and key, the last nonce of the session.

    `plain`: a password may come as it is, because the channel encrypts it or because that is allowed.
    """

    certificate: bytes
    key: RSAPrivateKey | None
    nonce: bytes
    plain: bool


def is_anonymous(token: Any) -> bool:
    """A token that is null or empty means an anonymous client (OPC 10000-4 §5.7.3)."""
    if token is None or isinstance(token, ua.AnonymousIdentityToken):
        return True
    return isinstance(token, ua.ExtensionObject) and token.TypeId.is_null()


def shown_name(token: Any) -> str:
    """Who somebody says that it is, as far as it may be shown: a longer name may be a password."""
    if isinstance(token, ua.X509IdentityToken):
        try:
            return f"certificate {trust.thumbprint(trust.parse(token.CertificateData or b'')[0])}"
        except Refused:
            return "certificate"
    if is_anonymous(token):
        return ANONYMOUS
    return str(getattr(token, "UserName", None) or type(token).__name__)[:MOST_NAME]


def password_of(token: ua.UserNameIdentityToken, challenge: Challenge) -> str | None:
    """The password (OPC 10000-4 §7.41.4). Raises ServiceError for one that may not come like this.

    An encrypted one stands before the session's nonce, so that what was overheard is worth nothing later. None: it
    cannot be decrypted, or is none; the client hears no more than of a wrong one, and no sooner.
    """
    secret = token.Password or b""
    if not token.EncryptionAlgorithm:
        if not challenge.plain:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        return _text(secret)
    decrypt = _DECRYPT.get(token.EncryptionAlgorithm)
    if decrypt is None or challenge.key is None or len(secret) > MOST_CIPHER:
        raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
    try:
        block = challenge.key.key_size // 8
        plain = b"".join(decrypt(challenge.key, secret[at : at + block]) for at in range(0, len(secret), block))
    except Exception:  # noqa: BLE001 - whatever is wrong with what came, it is no password
        return None
    size, nonce = int.from_bytes(plain[:4], "little"), challenge.nonce
    if len(nonce) < 32 or size != len(plain) - 4 or size < len(nonce) or plain[-len(nonce) :] != nonce:
        return None
    return _text(plain[4 : -len(nonce)])


def _text(secret: bytes) -> str | None:
    try:
        return secret.decode() if len(secret) <= MOST_PASSWORD else None
    except UnicodeDecodeError:
        return None


def certificate_of(token: ua.X509IdentityToken, signature: Any, challenge: Challenge) -> bytes:
    """The user's certificate (DER), whose key has signed the challenge (§7.41.5). Raises ServiceError."""
    verify = _VERIFY.get(getattr(signature, "Algorithm", None) or "")
    if verify is None or not signature.Signature:
        raise ServiceError(ua.StatusCodes.BadUserSignatureInvalid)
    try:
        certificate = trust.parse(token.CertificateData or b"")[0]
        trust.check_alone(certificate, datetime.now(UTC))
    except Refused:
        raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid) from None
    try:
        verify(certificate, challenge.certificate + challenge.nonce, signature.Signature)
    except Exception:  # noqa: BLE001 - each algorithm fails in its own way
        raise ServiceError(ua.StatusCodes.BadUserSignatureInvalid) from None
    return certificate.public_bytes(Encoding.DER)
