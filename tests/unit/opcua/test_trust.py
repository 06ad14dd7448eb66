"""Whose certificates are accepted, and where the others go."""

import math
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from bridge.errors import Refused
from bridge.opcua import trust
from bridge.opcua.trust import MOST_IN_CHAIN, MOST_REJECTED, REJECTED, TRUSTED, TrustList, parse, thumbprint
from tests.unit.opcua import certificates
from tests.unit.opcua.certificates import DAY, key, party, signed_strangely


def put(pki, folder, name, content):
    (pki / folder).mkdir(parents=True, exist_ok=True)
    (pki / folder / name).write_bytes(content)


def status(certificates: TrustList, sent: bytes) -> str:
    try:
        certificates.check(sent)
    except Refused as error:
        return error.status
    return "Good"


def test_a_certificate_is_trusted_from_when_its_file_is_there_until_it_has_gone(tmp_path):
    client, certificates = party(), TrustList(tmp_path)
    assert status(certificates, client.der) == "BadCertificateUntrusted"
    put(tmp_path, TRUSTED, "a.der", client.der)
    assert status(certificates, client.der) == "Good"
    (tmp_path / TRUSTED / "a.der").unlink()
    assert status(certificates, client.der) == "BadCertificateUntrusted"


def test_a_file_may_be_pem_and_what_is_no_certificate_is_passed_over(tmp_path):
    client = party()
    put(tmp_path, TRUSTED, "a.pem", client.certificate.public_bytes(Encoding.PEM))
    put(tmp_path, TRUSTED, "readme.txt", b"nonsense")
    assert status(TrustList(tmp_path), client.der) == "Good"


def test_everybody_is_trusted_where_that_is_said_but_no_certificate_that_is_no_good(tmp_path):
    certificates = TrustList(tmp_path, everybody=True)
    assert status(certificates, party().der) == "Good"
    assert status(certificates, party(ends=timedelta(seconds=-1)).der) == "BadCertificateTimeInvalid"


WRONG = [
    ({"begins": DAY, "ends": 2 * DAY}, "BadCertificateTimeInvalid"),
    ({"begins": -2 * DAY, "ends": -DAY}, "BadCertificateTimeInvalid"),
    ({"size": 1024, "number": 7}, "BadCertificatePolicyCheckFailed"),
    ({"usage": False}, "BadCertificateUseNotAllowed"),
    ({"purpose": ExtendedKeyUsageOID.SERVER_AUTH}, "BadCertificateUseNotAllowed"),
]


@pytest.mark.parametrize(("changes", "expected"), WRONG)
def test_a_certificate_that_is_no_good_is_refused_though_it_is_trusted(tmp_path, changes, expected):
    """U09"""
    client = party(**changes)
    put(tmp_path, TRUSTED, "a.der", client.der)
    assert status(TrustList(tmp_path), client.der) == expected


def test_a_hash_that_can_be_forged_is_refused(tmp_path, monkeypatch):
    """The library signs with SHA-1 no more, so another hash stands for it here."""
    client = party()
    put(tmp_path, TRUSTED, "a.der", client.der)
    monkeypatch.setattr(trust, "_WEAK", (hashes.SHA256,))
    assert status(TrustList(tmp_path), client.der) == "BadCertificatePolicyCheckFailed"


def test_an_authority_vouches_for_its_clients_until_it_revokes_one(tmp_path):
    root = party("root", authority=True, number=1)
    good, bad = party("good", issuer=root), party("bad", issuer=root, number=2)
    put(tmp_path, TRUSTED, "root.der", root.der)
    certificates = TrustList(tmp_path)
    assert [status(certificates, each.der) for each in (good, bad)] == ["Good", "Good"]
    put(tmp_path, "trusted/crl", "root.crl", root.revokes(bad))
    assert [status(certificates, each.der) for each in (good, bad)] == ["Good", "BadCertificateRevoked"]


def test_a_revocation_list_that_the_authority_has_not_signed_means_nothing(tmp_path):
    root, other = party("root", authority=True, number=1), party("root", authority=True, number=3)
    client = party(issuer=root)
    put(tmp_path, TRUSTED, "root.der", root.der)
    put(tmp_path, "trusted/crl", "root.crl", other.revokes(client))
    assert status(TrustList(tmp_path), client.der) == "Good"


def test_a_chain_may_come_with_the_client_or_lie_among_the_issuers(tmp_path):
    root = party("root", authority=True, number=1)
    middle = party("middle", issuer=root, authority=True, number=2)
    client = party(issuer=middle)
    put(tmp_path, TRUSTED, "root.der", root.der)
    certificates = TrustList(tmp_path)
    assert status(certificates, client.der) == "BadCertificateUntrusted"
    assert status(certificates, client.der + middle.der) == "Good"
    put(tmp_path, "issuers/certs", "middle.der", middle.der)
    assert status(certificates, client.der) == "Good"


def test_an_issuer_is_not_trusted_by_itself(tmp_path):
    root = party("root", authority=True, number=1)
    put(tmp_path, "issuers/certs", "root.der", root.der)
    assert status(TrustList(tmp_path), party(issuer=root).der) == "BadCertificateUntrusted"


def test_an_issuer_that_is_no_authority_or_has_ended_vouches_for_nobody(tmp_path):
    plain, old = party("plain", number=1), party("old", authority=True, number=2, begins=-2 * DAY, ends=-DAY)
    for number, issuer in enumerate((plain, old)):
        put(tmp_path, TRUSTED, f"{number}.der", issuer.der)
    certificates = TrustList(tmp_path)
    assert status(certificates, party(issuer=plain).der) == "BadCertificateIssuerUseNotAllowed"
    assert status(certificates, party(issuer=old).der) == "BadCertificateIssuerTimeInvalid"


@pytest.mark.parametrize("names", [("old", "renewed"), ("renewed", "old")])
@pytest.mark.parametrize("wrong", [{"begins": -2 * DAY, "ends": -DAY}, {"authority": False}])
def test_of_an_authority_that_was_renewed_with_the_same_key_the_old_certificate_does_no_harm(tmp_path, names, wrong):
    """U09: in whatever order the files lie in the folder."""
    old, renewed = party("root", number=1, **{"authority": True, **wrong}), party("root", authority=True, number=1)
    for name, root in zip(names, (old, renewed), strict=True):
        put(tmp_path, TRUSTED, f"{sorted(names).index(name)}.der", root.der)
    assert status(TrustList(tmp_path), party(issuer=renewed, number=2).der) == "Good"


def test_of_which_nobody_knows_how_it_is_signed_is_refused_and_so_is_who_it_vouches_for(tmp_path):
    """U09"""
    root = party("root", authority=True, number=1)
    put(tmp_path, TRUSTED, "root.der", signed_strangely(root))
    certificates = TrustList(tmp_path)
    assert status(certificates, party(issuer=root).der) == "BadCertificateInvalid"
    assert status(certificates, signed_strangely(party())) == "BadCertificateInvalid"


def test_a_forged_issuer_vouches_for_nobody(tmp_path):
    root, forged = party("root", authority=True, number=1), party("root", authority=True, number=2)
    put(tmp_path, TRUSTED, "root.der", root.der)
    assert status(TrustList(tmp_path), party(issuer=forged).der + forged.der) == "BadCertificateUntrusted"


def test_with_the_keys_of_strangers_nothing_is_computed(tmp_path, monkeypatch):
    """However long they are: a chain of authorities of its own leads nowhere, though it names one that is known."""
    root, forged = party("root", authority=True, number=1), party("root", authority=True, number=2)
    middle = party("middle", issuer=forged, authority=True, number=3)
    put(tmp_path, TRUSTED, "root.der", root.der)
    used = []
    issuer_of = trust._issuer_of
    monkeypatch.setattr(trust, "_issuer_of", lambda of, among: used.extend(among) or issuer_of(of, among))
    sent = party(issuer=middle).der + middle.der + forged.der
    assert status(TrustList(tmp_path), sent) == "BadCertificateUntrusted"
    assert used
    assert {thumbprint(each) for each in used} == {thumbprint(root.certificate)}


def test_a_key_with_a_long_exponent_is_refused(tmp_path):
    """What it signs costs a hundred times as much to check."""
    numbers = key().private_numbers()
    p, q, e = numbers.p, numbers.q, 2**1024 + 1
    while math.gcd(e, (p - 1) * (q - 1)) != 1:
        e += 2
    d = pow(e, -1, math.lcm(p - 1, q - 1))
    parts = (p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    odd = rsa.RSAPrivateNumbers(*parts, rsa.RSAPublicNumbers(e, p * q)).private_key()
    certificates._keys[8, 2048] = odd
    client = party(number=8)
    put(tmp_path, TRUSTED, "a.der", client.der)
    assert status(TrustList(tmp_path), client.der) == "BadCertificatePolicyCheckFailed"


@pytest.mark.parametrize("sent", [b"", b"\x30", b"\x30\x82\xff\xff", b"nonsense", b"\x30\x84" + b"\xff" * 8])
def test_what_is_no_certificate_is_refused(tmp_path, sent):
    assert status(TrustList(tmp_path, everybody=True), sent) == "BadCertificateInvalid"


def test_a_chain_without_end_is_refused(tmp_path):
    client = party()
    assert len(parse(client.der * MOST_IN_CHAIN)) == MOST_IN_CHAIN
    assert status(TrustList(tmp_path, everybody=True), client.der * (MOST_IN_CHAIN + 1)) == "BadCertificateInvalid"


def test_a_rejected_certificate_is_trusted_by_moving_it_and_back(tmp_path):
    client, certificates = party("../../x y"), TrustList(tmp_path)
    certificates.keep_rejected(client.der, "10.0.0.1")
    (found,) = certificates.listed()
    assert (found.state, found.thumbprint) == ("rejected", thumbprint(client.certificate))
    assert found.path.parent == tmp_path / REJECTED
    certificates.trust(found)
    assert status(certificates, client.der) == "Good"
    (found,) = certificates.listed()
    certificates.reject(found)
    assert status(certificates, client.der) == "BadCertificateUntrusted"
    assert [each.state for each in certificates.listed()] == ["rejected"]


def test_the_rejected_ones_are_bounded_and_the_newest_stay(tmp_path):
    certificates = TrustList(tmp_path)
    clients = [party(f"c{number}") for number in range(MOST_REJECTED + 5)]
    for number, client in enumerate(clients):
        certificates.keep_rejected(client.der, f"10.0.0.{number}")
    files = list((tmp_path / REJECTED).iterdir())
    assert len(files) == MOST_REJECTED
    assert any(thumbprint(clients[-1].certificate) in file.name for file in files)
