"""Stations ask for certificates, and get them: SignCertificate, CertificateSigned."""

import asyncio
import os
import ssl
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.pki import Authority, check_request
from bridge.station import certificates
from bridge.station.certificates import AT_LEAST, AUTHORITY, PAUSES
from bridge.station.credentials import hash_password
from bridge.store import Store
from tests.unit.ocpp.secure import PASSWORD, Ca, basic, ec_key, living, rsa_key, secure, subject, tls, trusting
from tests.unit.station.rig import WAIT

HASH = hash_password(PASSWORD)
VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
REQUEST = "CP1.Security.CertificateRequest"


@pytest.fixture
def ca(tmp_path):
    """Who has signed the server's certificate."""
    return Ca(tmp_path)


@pytest.fixture
async def site(start, ca, tmp_path):
    """Starts a bridge with an authority of its own, which it trusts for profile 3."""
    folder = tmp_path / AUTHORITY
    Authority.create(folder, "Site CA")

    async def run(**pki):
        options = {**tls(ca.server()), "client_ca": str(folder / "ca.pem")}
        rig = await start(ocpp={"security_profile": 1, "tls": options}, pki=pki)
        await rig.store.set_password("CP1", HASH)
        return rig

    return run


def request(key=None, names=("CP1",), algorithm=None, **more):
    builder = x509.CertificateSigningRequestBuilder(subject(*names, **more))
    return builder.sign(key or ec_key(), algorithm or hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def shown(rig):
    return rig.value(f"{REQUEST}.State"), rig.value(f"{REQUEST}.Error")


async def asks(station, csr, **more):
    return (await station.call("SignCertificate", {"csr": csr, **more}))["status"]


@VERSIONS
@pytest.mark.parametrize("make", [ec_key, rsa_key], ids=["EC", "RSA"])
async def test_a_station_gets_a_certificate_and_connects_with_it(site, ca, tmp_path, version, make):
    """OCPP 2.0.1 A02: from profile 2 to profile 3."""
    rig, key = await site(), make()
    async with secure(rig, "CP1", trusting(ca), PASSWORD, subprotocols=[version]) as socket, living(socket) as station:
        assert await asks(station, request(key, organization="Depot")) == "Accepted"
        action, payload = await station.command()
        assert action == "CertificateSigned"
        await rig.until(lambda: shown(rig) == ("Accepted", ""))
        assert rig.value("CP1.Commands.CertificateSigned.Result.StateText") == "Accepted"
    found = x509.load_pem_x509_certificate(payload["certificateChain"].encode())
    assert found.subject == subject("CP1", organization="Depot")
    assert rig.store.load_requests() == []

    (tmp_path / "cp1.pem").write_text(payload["certificateChain"])
    (tmp_path / "cp1.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = trusting(ca)
    context.load_cert_chain(tmp_path / "cp1.pem", tmp_path / "cp1.key")
    async with secure(rig, "CP1", context, subprotocols=[version]) as socket:
        assert rig.value("CP1.State.SecurityProfile") == 3
        assert socket.subprotocol == version


def forged():
    """A request whose signature is of another key."""
    own, other = request(), request()
    der = bytearray(x509.load_pem_x509_csr(own.encode()).public_bytes(Encoding.DER))
    signature = x509.load_pem_x509_csr(other.encode()).signature
    der[-8:] = signature[-8:]
    return ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")


BAD = {
    "another station's name": (lambda: request(names=("CP2",)), "CN is CP2"),
    "no name": (lambda: request(names=()), "CN is missing"),
    "two names": (lambda: request(names=("CP1", "CP2")), "CN is CP1, CP2"),
    "a short key": (lambda: request(rsa_key(1024)), "1024 bits"),
    "a small curve": (lambda: request(ec.generate_private_key(ec.SECP192R1())), "secp192r1"),
    "a weak hash": (lambda: request(rsa_key(), algorithm=hashes.SHA224()), "SHA-256"),
    "a forged signature": (forged, "not signed"),
    "no request": (lambda: "PEM", "request"),
    "nothing": (lambda: "", "request"),
}


@pytest.mark.parametrize(("make", "reason"), BAD.values(), ids=BAD)
async def test_a_bad_request_is_rejected(site, ca, make, reason):
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert await asks(station, make()) == "Rejected"
        state, error = shown(rig)
        assert state == "Rejected"
        assert reason in error
        assert rig.events[-1].type == "CertificateRejected"
        assert station.commands.empty()


async def test_a_request_of_another_organization_is_rejected(site, ca):
    rig = await site(organization="Depot")
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert await asks(station, request(organization="Other")) == "Rejected"
        rig.idle += AT_LEAST
        assert await asks(station, request(organization="Depot")) == "Accepted"


async def test_nothing_is_signed_over_a_line_without_tls(site):
    """S06"""
    rig = await site()
    async with rig.socket(additional_headers=basic("CP1", PASSWORD)) as socket, living(socket) as station:
        assert await asks(station, request()) == "Rejected"
        assert "TLS" in shown(rig)[1]


async def test_without_an_authority_every_request_is_rejected(start, ca):
    rig = await start(ocpp={"security_profile": 1, "tls": tls(ca.server())})
    await rig.store.set_password("CP1", HASH)
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert await asks(station, request()) == "Rejected"
        assert "pki init" in shown(rig)[1]


async def test_our_own_authority_signs_nothing_for_iso_15118(site, ca):
    rig = await site()
    async with (
        secure(rig, "CP1", trusting(ca), PASSWORD, subprotocols=["ocpp2.0.1"]) as socket,
        living(socket) as station,
    ):
        assert await asks(station, request(), certificateType="V2GCertificate") == "Rejected"
        assert await asks(station, request(), certificateType="ChargingStationCertificate") == "Accepted"
        _, payload = await station.command()
        assert payload["certificateType"] == "ChargingStationCertificate"


async def test_a_number_of_a_request_comes_back(site, ca):
    """OCPP 2.1"""
    rig = await site()
    async with (
        secure(rig, "CP1", trusting(ca), PASSWORD, subprotocols=["ocpp2.1"]) as socket,
        living(socket) as station,
    ):
        assert await asks(station, request(), requestId=7) == "Accepted"
        assert (await station.command())[1]["requestId"] == 7


async def test_a_station_that_asks_without_end_is_rejected(site, ca):
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        answers = [await asks(station, request()) for _ in range(3)]
        assert answers == ["Accepted", "Rejected", "Rejected"]
        rig.idle += 60
        assert await asks(station, request()) == "Accepted"


async def test_a_station_that_asks_for_nonsense_without_end_does_not_keep_the_bridge_busy(site, ca, monkeypatch):
    """To look into a request takes longer than all else about it."""
    looked = []
    monkeypatch.setattr(certificates, "check_request", lambda *a: looked.append(a) or check_request(*a))
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert [await asks(station, "nonsense") for _ in range(20)] == ["Rejected"] * 20
        assert len(looked) == 1
        rig.idle += AT_LEAST
        assert await asks(station, request()) == "Accepted"


async def test_a_type_of_certificate_that_there_is_not_goes_nowhere(site, ca, tmp_path):
    """Neither into a program's environment nor into the store, of which it could fill a row each time."""
    ran = tmp_path / "ran"
    rig = await site(command=program(f"open({str(ran)!r}, 'w')"))
    async with (
        secure(rig, "CP1", trusting(ca), PASSWORD, subprotocols=["ocpp2.0.1"]) as socket,
        living(socket) as station,
    ):
        kind = "() { :; }; echo " + "x" * 100_000
        answer = await station.call("SignCertificate", {"csr": request(), "certificateType": kind})
        assert answer in ({"status": "Rejected"}, "PropertyConstraintViolation", "FormatViolation")
        assert not ran.exists()
        assert "no such type" in shown(rig)[1]
        assert "x" * 100 not in f"{rig.history}{rig.events}"
        assert rig.store.load_requests() == []


async def test_a_station_that_does_not_take_its_certificate_is_asked_again_and_then_no_more(site, ca):
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        station.answers["CertificateSigned"] = {"status": "Rejected"}
        await asks(station, request())
        async with asyncio.timeout(WAIT):
            while shown(rig)[0] != "Failed":
                rig.idle += max(PAUSES)
                rig.tick()
                await asyncio.sleep(0)
        assert station.commands.qsize() == len(PAUSES)
        assert rig.events[-1].type == "CertificateRejected"
        rig.idle += 1000
        rig.tick()
        await station.call("Heartbeat", {})
        assert station.commands.qsize() == len(PAUSES)
        assert rig.store.load_requests() == []


async def test_a_certificate_that_a_station_has_not_got_waits_over_a_restart(site, ca):
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        station.answers["CertificateSigned"] = None  # it hangs up instead
        await asks(station, request())
        await station.command()
    await rig.until(lambda: rig.value("CP1.Commands.CertificateSigned.Result.StateText") == "Offline")
    await rig.stop()
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        rig.tick()
        assert (await station.command())[0] == "CertificateSigned"
        await rig.until(lambda: shown(rig)[0] == "Accepted")


async def test_a_certificate_waits_until_its_station_comes_over_tls(site, ca):
    """S06: somebody on a plain line could give it another one."""
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        station.answers["CertificateSigned"] = None
        await asks(station, request())
        await station.command()
    await rig.until(lambda: rig.value("CP1.Commands.CertificateSigned.Result.StateText") == "Offline")
    await rig.store.set_profile("CP1", 1)
    async with rig.socket(additional_headers=basic("CP1", PASSWORD)) as socket, living(socket) as station:
        for _ in range(3):
            rig.tick()
            await station.call("Heartbeat", {})
        assert station.commands.empty()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        rig.tick()
        assert (await station.command())[0] == "CertificateSigned"


async def test_an_operator_is_asked_where_configured(site, ca, tmp_path):
    rig = await site(sign="ask")
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert await asks(station, request()) == "Accepted"
        assert shown(rig)[0] == "Pending"
        [waiting] = rig.store.load_requests("CP1")
        csr = x509.load_pem_x509_csr(waiting.csr.encode())
        with Store.edit(tmp_path / "bridge.db") as editor:
            assert editor.sign_request(waiting, Authority.load(tmp_path / AUTHORITY).sign(csr, 30))
        rig.certificates.refresh()
        rig.tick()
        assert (await station.command())[0] == "CertificateSigned"
        await rig.until(lambda: shown(rig)[0] == "Accepted")


async def test_nothing_is_signed_where_nothing_is_to_be_signed(site, ca):
    rig = await site(sign="never")
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert await asks(station, request()) == "Rejected"


# --- a program that signs ---

SIGNER = """
import os, sys
from pathlib import Path
from cryptography import x509
from bridge.pki import Authority, check_request
from bridge.station import certificates
assert os.environ["OCPP_BRIDGE_STATION"] == "CP1"
csr = x509.load_pem_x509_csr(sys.stdin.read().encode())
print(Authority.load(Path(sys.argv[1])).sign(csr, 30))
"""
PROGRAMS = {
    "fails": ("import sys; sys.exit('the HSM is away')", "ended with 1: the HSM is away"),
    "prints nonsense": ("print('nonsense')", "no certificate in PEM"),
    "never ends": ("import time; time.sleep(1000)", "longer than 1 s"),
    "prints without end": ("print('x' * 200_000)", "more than 100000 bytes"),
}


def program(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


async def test_a_program_signs_instead(site, ca, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.getcwd())  # noqa: PTH109
    rig = await site(command=program(SIGNER, tmp_path / AUTHORITY))
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert await asks(station, request()) == "Accepted"
        assert (await station.command())[0] == "CertificateSigned"
        await rig.until(lambda: shown(rig) == ("Accepted", ""))


@pytest.mark.parametrize(("code", "reason"), PROGRAMS.values(), ids=PROGRAMS)
async def test_a_program_that_fails_is_shown(site, ca, code, reason):
    rig = await site(command=program(code), timeout=1 if "sleep" in code else 30)
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        assert await asks(station, request()) == "Accepted"
        await rig.until(lambda: shown(rig)[0] == "Failed")
        assert reason in shown(rig)[1]
        assert station.commands.empty()


async def test_a_program_that_is_not_there_is_shown(site, ca):
    rig = await site(command=["/no/such/program"])
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        await asks(station, request())
        await rig.until(lambda: shown(rig)[0] == "Failed")
        assert "cannot be started" in shown(rig)[1]


async def test_a_certificate_of_another_key_does_not_reach_the_station(site, ca, tmp_path):
    other = ca.station("CP1").certificate
    rig = await site(command=program("print(open(__import__('sys').argv[1]).read())", other))
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        await asks(station, request())
        await rig.until(lambda: shown(rig)[0] == "Failed")
        assert "another key" in shown(rig)[1]


async def test_a_program_that_makes_a_station_an_authority_gives_it_nothing(site, ca, tmp_path, monkeypatch):
    """It copies what the request asks for, as `openssl ca` with copy_extensions does."""
    monkeypatch.setenv("PYTHONPATH", os.getcwd())  # noqa: PTH109
    made = tmp_path / "made.pem"
    code = f"""
import sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from datetime import datetime, timedelta
from tests.unit.ocpp.secure import ec_key
csr = x509.load_pem_x509_csr(sys.stdin.read().encode())
now = datetime.now()
builder = x509.CertificateBuilder(csr.subject, csr.subject, csr.public_key(), 1, now, now + timedelta(days=9))
for one in csr.extensions:
    builder = builder.add_extension(one.value, one.critical)
print(builder.sign(ec_key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode())
open({str(made)!r}, "w")
"""
    rig = await site(command=program(code))
    builder = x509.CertificateSigningRequestBuilder(subject("CP1"))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    csr = builder.sign(ec_key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket, living(socket) as station:
        await asks(station, csr)
        await rig.until(lambda: shown(rig)[0] == "Failed")
        assert "others could be signed" in shown(rig)[1]
        assert station.commands.empty()
        assert made.exists()


@VERSIONS
async def test_a_chain_that_is_too_long_for_ocpp_is_not_sent(site, ca, tmp_path, monkeypatch, version):
    monkeypatch.setenv("PYTHONPATH", os.getcwd())  # noqa: PTH109
    rig = await site(command=program(SIGNER + "print(open(sys.argv[2]).read() * 20)", tmp_path / AUTHORITY, ca.path))
    async with secure(rig, "CP1", trusting(ca), PASSWORD, subprotocols=[version]) as socket, living(socket) as station:
        await asks(station, request())
        await rig.until(lambda: shown(rig)[0] == "Failed")
        assert "10000 can be sent" in shown(rig)[1]
        assert station.commands.empty()


# --- what stations tell ---


@VERSIONS
@pytest.mark.parametrize(("kind", "severity"), [("StartupOfTheDevice", 600), ("TamperDetectionActivated", 800)])
async def test_a_security_event_is_an_event_and_points(rig, version, kind, severity):
    async with rig.socket(subprotocols=[version]) as socket, living(socket) as station:
        told = {"type": kind, "timestamp": "2027-01-15T08:00:00Z", "techInfo": "\x1b[2Jlid\nforged line"}
        assert await station.call("SecurityEventNotification", told) == {}
        await rig.until(lambda: rig.value("CP1.Security.LastEvent.Type") == kind)
        assert rig.value("CP1.Security.LastEvent.TechInfo") == told["techInfo"]
    [event] = [event for event in rig.events if event.type == "StationSecurityEvent"]
    assert (event.source, event.severity, event.fields["Kind"]) == ("CP1", severity, kind)
