"""OCPP's security profiles 2 and 3 over real TLS: who gets in, and every wrong way in."""

import shutil
import ssl

import pytest
from websockets.exceptions import InvalidStatus

from bridge.errors import ProjectError
from bridge.ocpp import listening, server
from bridge.ocpp.tls import CIPHERS
from bridge.station.credentials import hash_password
from tests.unit.ocpp.secure import (
    DAY,
    NOW,
    ON_BOTH_LOOPS,
    PASSWORD,
    Ca,
    basic,
    counted,
    ended,
    half_open,
    lives,
    refused,
    rsa_key,
    run_on,
    secure,
    tls,
    trusting,
)
from tests.unit.station.rig import ask

VERSIONS = pytest.mark.parametrize(
    ("version", "name"), [("ocpp1.6", "1.6"), ("ocpp2.0.1", "2.0.1"), ("ocpp2.1", "2.1")]
)
HASH = hash_password(PASSWORD)


@pytest.fixture
def ca(tmp_path):
    return Ca(tmp_path)


@pytest.fixture
async def site(start, ca):
    """Starts a bridge with TLS where CP1 has a password."""

    async def run(profile: int = 2, station=(), pki=None, certificates=None, **more):
        options = tls(*(certificates or [ca.server()]), ca=ca if profile == 3 else None, **more)
        rig = await start(ocpp={"security_profile": profile, "tls": options}, station=list(station), pki=pki or {})
        await rig.store.set_password("CP1", HASH)
        return rig

    return run


# --- profile 2 ---


@VERSIONS
async def test_a_station_with_tls_and_its_password_gets_in(site, ca, version, name):
    rig = await site()
    async with secure(rig, "CP1", trusting(ca), PASSWORD, subprotocols=[version]) as socket:
        await lives(socket)
        assert rig.values("CP1.State", "SecurityProfile", "OcppVersion") == {"SecurityProfile": 2, "OcppVersion": name}


@pytest.mark.parametrize("password", [None, "wrong", b"\xff"])
async def test_tls_alone_lets_nobody_in(site, ca, password):
    """J08"""
    rig = await site()
    assert await refused(rig, trusting(ca), password) == 401
    assert rig.stations.get("CP1") is None
    assert counted(rig, "RefusedLogins") == 1
    assert [event.type for event in rig.events] == ["StationLoginFailed"]


async def test_where_all_need_tls_there_is_no_other_port(site):
    """S01"""
    rig = await site()
    assert [url.partition(":")[0] for url in rig.ocpp.urls] == ["wss"]


async def test_a_station_that_needs_tls_is_refused_without_it(site, ca):
    """S01: a LAN's stations come with a password alone, this one does not."""
    rig = await site(1, [{"id": "CP1", "security_profile": 2}])
    await rig.store.set_password("CP2", HASH)
    with pytest.raises(InvalidStatus) as caught:
        async with rig.socket("CP1", additional_headers=basic("CP1", PASSWORD)):
            pass
    assert caught.value.response.status_code == 403
    assert counted(rig, "RefusedInsecure") == 1
    async with rig.socket("CP2", additional_headers=basic("CP2", PASSWORD)) as socket:
        await lives(socket)
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket:
        await lives(socket)


async def test_a_profile_that_a_station_has_shown_is_not_lowered(site, ca, start):
    """OCPP 2.0.1 A05: also after a restart; only the operator lowers it."""
    rig = await site(1)
    async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket:
        await lives(socket)

    async def over_plain(rig):
        async with rig.socket("CP1", additional_headers=basic("CP1", PASSWORD)) as socket:
            await lives(socket)

    with pytest.raises(InvalidStatus, match="403"):
        await over_plain(rig)
    await rig.stop()
    rig = await start(ocpp={"security_profile": 1})
    with pytest.raises(InvalidStatus, match="403"):
        await over_plain(rig)
    await rig.stop()
    await over_plain(await start(ocpp={"security_profile": 1}, station=[{"id": "CP1", "security_profile": 1}]))


async def test_tls_1_1_is_refused(site, ca):
    """S02"""
    rig = await site()
    context = trusting(ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert await refused(rig, context, PASSWORD) is None
    await rig.until(lambda: counted(rig, "FailedHandshakes") == 1)


@pytest.mark.parametrize("cipher", CIPHERS)
async def test_the_cipher_suites_of_the_whitepaper_are_spoken(site, ca, cipher):
    """S03: with a certificate of each kind of key."""
    rig = await site(certificates=[ca.server(), ca.server(key=rsa_key())])
    context = trusting(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    async with secure(rig, "CP1", context, PASSWORD) as socket:
        await lives(socket)
        assert socket.transport.get_extra_info("cipher")[0] == cipher


@pytest.mark.parametrize("cipher", ["DHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA", "AES128-SHA", "NULL-SHA256"])
async def test_other_cipher_suites_are_refused(site, ca, cipher):
    """S03"""
    rig = await site(certificates=[ca.server(key=rsa_key())])
    context = trusting(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    assert await refused(rig, context, PASSWORD) is None


# --- profile 3 ---


@VERSIONS
async def test_a_station_with_its_certificate_gets_in(site, ca, version, name):
    rig = await site(3)
    shown = ca.station("CP1")
    async with secure(rig, "CP1", trusting(ca, shown), subprotocols=[version]) as socket:
        await lives(socket)
        assert rig.value("CP1.State.SecurityProfile") == 3
        ends = shown.x509.not_valid_after_utc.timestamp()
        assert rig.value("CP1.Security.Certificate.NotAfter") == ends


async def test_an_identity_is_spelled_in_utf_8(site, ca):
    rig = await site(3)
    async with secure(rig, "S%C3%A4ule%201", trusting(ca, ca.station("Säule 1"))) as socket:
        await lives(socket)
    assert rig.stations.get("Säule 1") is not None


WRONG = {
    "none": lambda ca, other: None,
    "of another station": lambda ca, other: ca.station("CP2"),
    "other capitals": lambda ca, other: ca.station("cp1"),
    "two names": lambda ca, other: ca.station("CP1", "CP2"),
    "nobody's": lambda ca, other: ca.station(),
}
BROKEN = {
    "unknown authority": lambda ca, other: other.station("CP1"),
    "expired": lambda ca, other: ca.station("CP1", until=NOW - DAY / 24),
    "not yet valid": lambda ca, other: ca.station("CP1", since=NOW + DAY),
    "a server's": lambda ca, other: ca.server(),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
async def test_a_certificate_of_somebody_else_is_refused(site, ca, tmp_path, make):
    """S04: whatever the password."""
    rig = await site(3)
    assert await refused(rig, trusting(ca, make(ca, None)), PASSWORD) == 401
    assert counted(rig, "RefusedLogins") == 1
    assert rig.stations.get("CP1") is None


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
async def test_a_certificate_that_is_not_in_order_is_refused(site, ca, tmp_path, make):
    """S04"""
    rig = await site(3)
    assert await refused(rig, trusting(ca, make(ca, Ca(tmp_path, "Other CA"))), PASSWORD) is None
    await rig.until(lambda: rig.events)
    assert rig.events[0].type == "AccessRefused"
    assert counted(rig, "FailedHandshakes") == 1


async def test_a_certificate_of_another_organization_is_refused(site, ca):
    """S04"""
    rig = await site(3, pki={"organization": "Depot Ltd"})
    assert await refused(rig, trusting(ca, ca.station("CP1", organization="Other Ltd"))) == 401
    async with secure(rig, "CP1", trusting(ca, ca.station("CP1", organization="Depot Ltd"))) as socket:
        await lives(socket)


async def test_a_revoked_certificate_is_refused_as_soon_as_the_list_says_so(site, ca, monkeypatch):
    """S04: the list is read again without a restart."""
    monkeypatch.setattr(server, "LOOK_EVERY", 0.0)
    rig = await site(3, crl=str(ca.crl))
    good, stolen = ca.station("CP1"), ca.station("CP1")
    async with secure(rig, "CP1", trusting(ca, stolen)) as socket:
        await lives(socket)
    ca.revoke(stolen)
    assert await refused(rig, trusting(ca, stolen)) is None
    async with secure(rig, "CP1", trusting(ca, good)) as socket:
        await lives(socket)


async def test_a_wrong_certificate_does_not_disturb_the_true_station(site, ca):
    """J13"""
    rig = await site(3)
    async with secure(rig, "CP1", trusting(ca, ca.station("CP1"))) as socket:
        assert await refused(rig, trusting(ca, ca.station("CP2"))) == 401
        await lives(socket)
        assert rig.value("CP1.State.Reconnects") == 0


async def test_a_certificate_that_ends_soon_is_an_event(site, ca):
    rig = await site(3)
    rig.now = NOW.timestamp()
    async with secure(rig, "CP1", trusting(ca, ca.station("CP1", until=NOW + 3 * DAY))) as socket:
        await lives(socket)
    assert "CertificateExpiring" in [event.type for event in rig.events]


# --- files that change ---


async def test_an_authority_is_replaced_without_a_restart(site, ca, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "LOOK_EVERY", 0.0)
    rig = await site(3)
    other = Ca(tmp_path, "New CA")
    async with secure(rig, "CP1", trusting(ca, ca.station("CP1"))) as before:
        shutil.copy(other.path, ca.path.with_name("copy.pem"))
        trusted = trusting(ca)  # the server's own certificate stays
        new = other.station("CP2")
        trusted.load_cert_chain(new.certificate, new.key)
        old = trusting(ca, ca.station("CP3"))
        ca.path.with_name("copy.pem").replace(ca.path)
        async with secure(rig, "CP2", trusted) as socket:
            await lives(socket)
        assert await refused(rig, old, identity="CP3") is None
        await lives(before)
    assert "ConfigurationReloaded" in [event.type for event in rig.events]


async def test_a_new_server_certificate_is_shown_to_who_comes_next(site, ca, monkeypatch):
    monkeypatch.setattr(server, "LOOK_EVERY", 0.0)
    first, second = ca.server(), ca.server()
    rig = await site(certificates=[first])

    async def shown():
        async with secure(rig, "CP1", trusting(ca), PASSWORD) as socket:
            return int(socket.transport.get_extra_info("peercert")["serialNumber"], 16)

    assert await shown() == first.x509.serial_number
    shutil.copy(second.key, first.key)  # the files are replaced one after the other
    assert await shown() == first.x509.serial_number
    shutil.copy(second.certificate, first.certificate)
    assert await shown() == second.x509.serial_number
    told = [event.type for event in rig.events if event.type.startswith("Configuration")]
    assert told == ["ConfigurationInvalid", "ConfigurationReloaded"]


@pytest.mark.parametrize("broken", ["certificates", "keys", "client_ca", "crl"])
@pytest.mark.parametrize("content", [None, "no PEM"])
async def test_files_that_are_of_no_use_are_named_at_the_start(start, ca, tmp_path, broken, content):
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    options = {**tls(ca.server(), ca=ca, crl=str(ca.crl)), broken: [str(bad)] if broken[-1] == "s" else str(bad)}
    with pytest.raises(ProjectError, match=r"ocpp\.tls: .*bad\.pem"):
        await start(ocpp={"security_profile": 2, "tls": options})


# --- bounds ---


@ON_BOTH_LOOPS
def test_a_handshake_that_never_ends_is_given_up(loop, tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "OPEN_TIMEOUT", 0.05)

    async def test(rig, ca):
        async with half_open(rig) as reader:
            await ended(reader)
        await rig.until(lambda: counted(rig, "FailedHandshakes") == 1)
        assert len(rig.ocpp._tls._handshakes) == 0

    run_on(loop, tmp_path, test)


@ON_BOTH_LOOPS
def test_of_too_many_handshakes_the_oldest_is_given_up(loop, tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "MOST_HANDSHAKES", 2)

    async def test(rig, ca):
        async with half_open(rig) as oldest, half_open(rig), half_open(rig) as newest:
            await ended(oldest)
            assert not newest.at_eof()
            async with secure(rig, "CP1", trusting(ca, ca.station("CP1"))) as socket:
                await lives(socket)

    run_on(loop, tmp_path, test)


@ON_BOTH_LOOPS
def test_what_is_no_tls_is_refused(loop, tmp_path):
    async def test(rig, ca):
        async with half_open(rig, b"GET /ocpp/CP1 HTTP/1.1\r\n\r\n") as reader:
            await ended(reader)
        await rig.until(lambda: counted(rig, "FailedHandshakes") == 1)

    run_on(loop, tmp_path, test)


@ON_BOTH_LOOPS
def test_long_messages_pass_and_a_stop_closes_the_connection(loop, tmp_path):
    async def test(rig, ca):
        async with secure(rig, "CP1", trusting(ca, ca.station("CP1"))) as socket:
            for size in (100, 5_000, 70_000, 900_000):
                answer = await ask(socket, [2, str(size), "DataTransfer", {"vendorId": "x", "data": "y" * size}])
                assert answer == [3, str(size), {"status": "UnknownVendorId"}]
            await rig.ocpp.stop()
            await socket.wait_closed()
            assert socket.close_code == 1012

    run_on(loop, tmp_path, test)


@ON_BOTH_LOOPS
def test_a_message_that_is_too_long_closes_the_connection(loop, tmp_path):
    """J38"""

    async def test(rig, ca):
        async with secure(rig, "CP1", trusting(ca, ca.station("CP1"))) as socket:
            await socket.send("x" * (1_048_576 + 1))
            await socket.wait_closed()
            assert socket.close_code == 1009

    run_on(loop, tmp_path, test)
