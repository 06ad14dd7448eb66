"""Requests for certificates, and chains, from stations and programs that mean harm."""

import random
from base64 import b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bridge.pki import Authority, check_chain, check_request
from bridge.pki.requests import LONGEST, LONGEST_CHAIN
from tests.unit.ocpp.secure import DAY, NOW, Ca, ec_key, rsa_key, subject

EVERYTHING = x509.KeyUsage(True, True, True, True, True, True, True, False, False)


def request(key=None, name=None, *extensions, algorithm=None):
    builder = x509.CertificateSigningRequestBuilder(subject("CP1") if name is None else name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    digest = algorithm or (None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return builder.sign(key or ec_key(), digest)


def pem(one):
    return one.public_bytes(Encoding.PEM).decode()


def refusal(text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - what it says is what the tests look at
        check_request(text, "CP1")
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "neither RSA nor EC"),
        (dsa.generate_private_key(2048), "neither RSA nor EC"),
        (rsa_key(1024), "1024 bits"),
        (rsa_key(2040), "2040 bits"),
        (ec.generate_private_key(ec.SECP224R1()), "secp224r1"),
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), "brainpoolP256r1"),
    ],
    ids=lambda found: found if isinstance(found, str) else "",
)
def test_a_key_that_is_weak_or_of_another_kind_is_refused(key, reason):
    assert reason in refusal(pem(request(key)))


NAMES = {
    "of another": subject("CP2"),
    "its own, and another": subject("CP1", "CP2"),
    "its own twice": subject("CP1", "CP1"),
    "other capitals": subject("cp1"),
    "with a blank": subject("CP1 "),
    "with more behind a zero": subject("CP1\0.other"),
    "empty": x509.Name([]),
    "its own in another field": x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, "CP1")]),
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_request_of_another_name_is_refused(name):
    assert "CN" in refusal(pem(request(None, name)))


def test_what_is_too_long_is_not_even_read():
    assert "longer" in refusal(pem(request()) + "\n" * LONGEST)


def test_whatever_the_bytes_are_nothing_but_a_refusal_comes_of_them():
    """Every byte of a good request changed, and many at once."""
    names = x509.SubjectAlternativeName([x509.DNSName("x"), x509.RFC822Name("a@b")])
    good = request(None, None, names).public_bytes(Encoding.DER)
    dice = random.Random(1)  # noqa: S311
    for number in range(3000):
        der = bytearray(good)
        places = [number % len(der)] if number < 2 * len(der) else dice.choices(range(len(der)), k=dice.randrange(1, 9))
        for place in places:
            der[place] ^= dice.randrange(1, 256)
        body = b64encode(bytes(der)).decode()
        text = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
        try:
            found = check_request(text, "CP1")
        except ValueError:
            continue
        assert found.is_signature_valid
        assert [one.value for one in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["CP1"]


def test_nothing_but_name_and_key_of_a_request_gets_into_the_certificate(tmp_path):
    """It asks to be an authority, a server, and another station as well."""
    authority = Authority.create(tmp_path / "ca", "Site CA")
    name = x509.Name([*subject("CP1", organization="Depot"), x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b")])
    wanted = (
        x509.BasicConstraints(ca=True, path_length=None),
        EVERYTHING,
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
        x509.SubjectAlternativeName([x509.DNSName("bridge.example"), x509.DNSName("CP2")]),
    )
    asked = request(None, name, *wanted)
    chain = authority.sign(check_request(pem(asked), "CP1"), 30)
    [found] = x509.load_pem_x509_certificates(chain.encode())
    assert found.subject == subject("CP1", organization="Depot")
    assert found.public_key() == asked.public_key()
    assert {type(one.value) for one in found.extensions} == {
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
    }
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not found.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]


# --- what a program has signed ---


def signed(asked, *extensions, until=NOW + DAY, key=None, name=None):
    """A certificate as a program may make it of a request."""
    own = ec_key()
    builder = x509.CertificateBuilder(
        issuer_name=subject("CA"), subject_name=name or asked.subject, public_key=key or asked.public_key()
    )
    builder = builder.serial_number(1).not_valid_before(NOW - 2 * DAY).not_valid_after(until)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return pem(builder.sign(own, hashes.SHA256()))


BAD_CHAINS = {
    "an authority's": (
        lambda asked: signed(asked, x509.BasicConstraints(ca=True, path_length=None)),
        "others could be",
    ),
    "one that may sign": (lambda asked: signed(asked, EVERYTHING), "others could be"),
    "one that has ended": (lambda asked: signed(asked, until=NOW - DAY), "has ended"),
    "of another key": (lambda asked: signed(asked, key=ec_key().public_key()), "another key"),
    "of another name": (lambda asked: signed(asked, name=subject("CP2")), "another name"),
    "of two names": (lambda asked: signed(asked, name=subject("CP1", "CP2")), "another name"),
    "too long": (lambda asked: signed(asked) * (LONGEST_CHAIN // 400), "10000 can be sent"),
    "nothing": (lambda asked: "", "no certificate in PEM"),
    "the request itself": (pem, "no certificate in PEM"),
}


@pytest.mark.parametrize(("make", "reason"), BAD_CHAINS.values(), ids=BAD_CHAINS)
def test_a_chain_that_must_not_get_to_a_station_is_refused(make, reason):
    asked = request()
    with pytest.raises(ValueError, match=reason):
        check_chain(make(asked), asked)


def test_a_chain_with_its_authority_is_taken_and_all_else_that_was_printed_is_left_out(tmp_path):
    asked = request()
    chain = signed(asked) + Ca(tmp_path).path.read_text()
    assert check_chain(f"a line of somebody's script\n{chain}\nmore", asked) == chain
