"""What a request for a certificate has to be like before it is signed (OCPP whitepaper on security A00.FR.50x), and a
chain before it goes to a station.
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

LONGEST = 20_000
"""Characters of a request; one of RSA with 8,192 bits has 3,000."""
LONGEST_CHAIN = 10_000
"""Characters of a chain (`certificateChain` of CertificateSigned, in all versions of OCPP)."""
RSA_BITS = range(2048, 8193)
_CURVES = (SECP256R1, SECP384R1, SECP521R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
#: what `cryptography` raises about content that it does not understand
_ODD = (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion)


def check_request(pem: str, identity: str, organization: str = "") -> x509.CertificateSigningRequest:
    """The request, if it is one of this identity (and organization, where one is given).

    Raises ValueError that says what is wrong.
    """
    if len(pem) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        _check(request, identity, organization)
    except UnsupportedAlgorithm as error:
        raise ValueError(f"an algorithm that is not supported: {_first_line(error)}") from None
    except _ODD as error:
        raise ValueError(_first_line(error)) from None
    return request


def _check(request: x509.CertificateSigningRequest, identity: str, organization: str) -> None:
    _check_key(request)
    if not isinstance(request.signature_hash_algorithm, _HASHES):
        raise ValueError("signed with another algorithm than SHA-256, SHA-384 or SHA-512")
    if not request.is_signature_valid:
        raise ValueError("not signed with the key that it names")
    names = _values(request.subject, NameOID.COMMON_NAME)
    if names != [identity]:
        raise ValueError(f"its subject's CN is {', '.join(names) or 'missing'}, not the station's identity")
    organizations = _values(request.subject, NameOID.ORGANIZATION_NAME)
    if organization and organizations != [organization]:
        raise ValueError(f"its subject's O is {', '.join(organizations) or 'missing'}, not {organization}")


def check_chain(chain: str, request: x509.CertificateSigningRequest) -> str:
    """The certificates that somebody has signed for a request, the station's first. Raises ValueError."""
    try:
        found = x509.load_pem_x509_certificates(chain.encode())
    except ValueError as error:
        raise ValueError(f"no certificate in PEM: {_first_line(error)}") from None
    own = found[0]
    try:
        if own.public_key() != request.public_key():
            raise ValueError("the first certificate is of another key than the request")
        names = [_values(one.subject, NameOID.COMMON_NAME) for one in (own, request)]
        if names[0] != names[1]:
            raise ValueError("the first certificate is of another name than the request")
        if _may_sign(own):  # a program may copy what a request asks for; the station could be any other
            raise ValueError("with the first certificate others could be signed")
    except (UnsupportedAlgorithm, *_ODD) as error:
        raise ValueError(_first_line(error)) from None
    if own.not_valid_after_utc < datetime.now(UTC):
        raise ValueError("the first certificate has ended")
    return check_length(to_pem(found))


def check_length(chain: str) -> str:
    """A chain that fits into CertificateSigned. Raises ValueError."""
    if len(chain) > LONGEST_CHAIN:
        raise ValueError(f"the chain has {len(chain)} characters; {LONGEST_CHAIN} can be sent to a station")
    return chain


def to_pem(certificates: list[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether it is an authority's (RFC 5280 §4.2.1.3, §4.2.1.9)."""
    values = [extension.value for extension in certificate.extensions]
    return any(
        (isinstance(value, x509.BasicConstraints) and value.ca)
        or (isinstance(value, x509.KeyUsage) and (value.key_cert_sign or value.crl_sign))
        for value in values
    )


def _check_key(request: x509.CertificateSigningRequest) -> None:
    key = request.public_key()
    if isinstance(key, RSAPublicKey):
        if key.key_size not in RSA_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits; 2048 to 8192 are taken")
    elif not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("a key that is neither RSA nor EC")
    elif not isinstance(key.curve, _CURVES):
        raise ValueError(f"an EC key on {key.curve.name}; P-256, P-384 and P-521 are taken")


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(one.value) for one in name.get_attributes_for_oid(oid)]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
