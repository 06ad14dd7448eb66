"""Strangers at the port with TLS who know what they do: sockets and handshakes by hand."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from contextlib import AsyncExitStack, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from bridge.ocpp import listening, server, websocket
from bridge.station import throttle
from bridge.station.credentials import hash_password
from tests.unit.ocpp.secure import (
    CLIENT,
    DAY,
    NOW,
    ON_BOTH_LOOPS,
    PASSWORD,
    Ca,
    Files,
    address,
    basic,
    counted,
    ec_key,
    ended,
    eventually,
    half_open,
    lives,
    living,
    refused,
    run_on,
    secure,
    subject,
    tls,
    trusting,
)
from tests.unit.ocpp.wires import RESET, Opcode, framed
from tests.unit.station.rig import WAIT

HASH = hash_password(PASSWORD)
REQUEST = (
    "GET /ocpp/{identity} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


@pytest.fixture
def ca(tmp_path):
    return Ca(tmp_path)


@pytest.fixture
async def site(start, ca):
    """Starts a bridge that knows the authority of the stations, and the password of CP1."""

    async def run(profile: int = 3, station=(), **more):
        options = tls(ca.server(), ca=ca, **more)
        rig = await start(ocpp={"security_profile": profile, "tls": options}, station=list(station))
        await rig.store.set_password("CP1", HASH)
        return rig

    return run


# --- the handshake ---


@pytest.mark.skipif(shutil.which("openssl") is None, reason="Python's ssl cannot ask for it")
async def test_a_station_cannot_renegotiate(site, ca):
    """One that does it without end would keep the bridge busy with its keys."""
    rig = await site(2)
    host, port = address(rig)
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2", "-CAfile", str(ca.path)]

    def ask(sent):
        return subprocess.run(command, input=sent, capture_output=True, timeout=WAIT, check=False, text=True)

    ended = await asyncio.to_thread(ask, "R\n")
    assert "Verify return code: 0 (ok)" in ended.stdout
    assert "RENEGOTIATING" in ended.stderr + ended.stdout
    assert "no renegotiation" in ended.stderr


def visit(where, context, identity, session=None):
    """The HTTP status of a connection with TLS 1.2, whether it resumed an earlier session, and its own."""
    with (
        socket.create_connection(where, WAIT) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as line,
    ):
        line.sendall(REQUEST.format(identity=identity).encode())
        status = int(line.recv(4096).split()[1])
        found = status, line.session_reused, line.session
        with suppress(OSError):
            line.unwrap()  # or OpenSSL forgets the session
        return found


async def test_a_certificate_that_has_ended_is_not_good_for_longer_by_a_resumed_session(site, ca):
    """What is resumed is not verified again."""
    rig = await site()
    context = trusting(ca, ca.station("CP1"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    rig.now = NOW.timestamp()
    status, _, session = await asyncio.to_thread(visit, address(rig), context, "CP1")
    assert status == 101
    status, resumed, session = await asyncio.to_thread(visit, address(rig), context, "CP1", session)
    assert (status, resumed) == (101, True)
    rig.now += 91 * DAY.total_seconds()
    status, resumed, _ = await asyncio.to_thread(visit, address(rig), context, "CP1", session)
    assert (status, resumed) == (401, True)


@pytest.mark.parametrize("what", ["revoked", "of an authority that was replaced"])
async def test_no_session_is_resumed_with_a_certificate_that_is(site, ca, tmp_path, monkeypatch, what):
    monkeypatch.setattr(server, "LOOK_EVERY", 0.0)
    rig = await site(crl=str(ca.crl))
    shown = ca.station("CP1")
    context = trusting(ca, shown)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    status, _, session = await asyncio.to_thread(visit, address(rig), context, "CP1")
    assert status == 101
    if what == "revoked":
        ca.revoke(shown)
    else:
        other = Ca(tmp_path, "New CA")
        shutil.copy(other.crl, ca.crl)
        shutil.copy(other.path, ca.path)
    with pytest.raises((ssl.SSLError, ConnectionError, IndexError)):
        await asyncio.to_thread(visit, address(rig), context, "CP1", session)
    await rig.until(lambda: counted(rig, "FailedHandshakes"))


async def test_a_station_cannot_sign_a_certificate_for_another_one(site, ca, tmp_path):
    """S04"""
    rig = await site()
    own = ca.station("CP1")
    key, signer = ec_key(), load_pem_private_key(own.key.read_bytes(), None)
    builder = x509.CertificateBuilder(own.x509.subject, subject("CP2"), key.public_key(), 5, NOW - DAY, NOW + DAY)
    builder = builder.add_extension(x509.ExtendedKeyUsage([CLIENT]), critical=False)
    forged = Files(tmp_path / "forged", builder.sign(signer, hashes.SHA256()), key)
    forged.certificate.write_bytes(forged.certificate.read_bytes() + own.x509.public_bytes(Encoding.PEM))
    assert await refused(rig, trusting(ca, forged), identity="CP2") is None
    await rig.until(lambda: counted(rig, "FailedHandshakes") == 1)


async def test_during_a_change_of_authorities_stations_of_both_get_in(site, ca, tmp_path, monkeypatch):
    """The new one beside the old one, then the new one alone; no restart."""
    monkeypatch.setattr(server, "LOOK_EVERY", 0.0)
    rig = await site()
    new = Ca(tmp_path, "New CA")
    old_text, trusted = ca.path.read_text(), trusting(ca)

    def shows(files):
        context = ssl.create_default_context(cadata=old_text)
        context.load_cert_chain(files.certificate, files.key)
        return context

    ca.path.write_text(old_text + new.path.read_text())
    for identity, authority in (("CP1", ca), ("CP2", new)):
        async with secure(rig, identity, shows(authority.station(identity))) as one:
            await lives(one)
    ca.path.write_text(new.path.read_text())
    assert await refused(rig, shows(ca.station("CP1"))) is None
    async with secure(rig, "CP2", shows(new.station("CP2"))) as one:
        await lives(one)
    assert await refused(rig, trusted, identity="CP2") == 401


# --- lower profiles ---


@pytest.mark.parametrize("least", [2, 3])
async def test_a_station_does_not_get_in_over_the_plain_port_of_others(start, ca, least):
    """S01: whatever it sends."""
    options = tls(ca.server(), ca=ca)
    rig = await start(ocpp={"security_profile": 1, "tls": options}, station=[{"id": "CP1", "security_profile": least}])
    await rig.store.set_password("CP1", HASH)
    plain = rig.ocpp.urls[0].split("/")[2].split(":")
    for identity in ("CP1", "cp1", "CP1/", "CP%31", "%20CP1", "CP1?x=1"):
        reader, writer = await asyncio.open_connection(*plain)
        [(name, value)] = basic("CP1", PASSWORD).items()
        request = REQUEST.format(identity=identity).replace("Host:", f"{name}: {value}\r\nHost:", 1)
        writer.write(request.encode())
        assert (await reader.readline()).split()[1] == b"403", identity
        writer.close()
    assert counted(rig, "RefusedInsecure") == 6
    assert rig.value("CP1.State.Connected") is not True


@pytest.mark.parametrize("least", [2, 3])
async def test_a_certificate_of_another_station_makes_no_password_right(site, ca, least):
    rig = await site(least)
    assert await refused(rig, trusting(ca, ca.station("CP2")), PASSWORD) == 401
    assert counted(rig, "RefusedLogins") == 1


async def test_nobody_takes_over_a_station_with_half_of_what_it_needs(site, ca):
    """J13: its password without its certificate, its certificate with nothing else of it."""
    rig = await site()
    async with secure(rig, "CP1", trusting(ca, ca.station("CP1"))) as one, living(one) as station:
        assert await refused(rig, trusting(ca), PASSWORD) == 401
        assert await refused(rig, trusting(ca, ca.station("CP2")), PASSWORD) == 401
        assert await refused(rig, trusting(ca, ca.station("CP1")), identity="CP2") == 401
        await station.call("Heartbeat", {})
        assert rig.value("CP1.State.Reconnects") == 0


# --- floods ---


@ON_BOTH_LOOPS
def test_a_flood_of_handshakes_from_elsewhere_does_not_drive_out_a_slow_station(loop, tmp_path, monkeypatch):
    """Some chargers need seconds for their keys."""
    monkeypatch.setattr(listening, "MOST_HANDSHAKES", 6)

    async def test(rig, ca):
        async with AsyncExitStack() as stack:
            slow = socket.create_connection(address(rig))
            for _ in range(20):
                await stack.enter_async_context(half_open(rig, local_addr=("127.0.0.2", 0)))
            await rig.until(lambda: counted(rig, "FailedHandshakes") == 20 + 1 - 6)
            context = trusting(ca, ca.station("CP1"))
            async with secure(rig, "CP1", context, sock=slow) as one:
                await lives(one)

    run_on(loop, tmp_path, test)


@ON_BOTH_LOOPS
def test_a_flood_of_silent_lines_from_elsewhere_does_not_drive_out_a_slow_station(loop, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "MOST_OPENING", 6)

    async def test(rig, ca):
        context = trusting(ca, ca.station("CP1"))
        reader, writer = await asyncio.open_connection(*address(rig), ssl=context, server_hostname="localhost")
        await eventually(lambda: len(rig.ocpp._opening) == 1)
        async with AsyncExitStack() as stack:
            for _ in range(20):
                options = {"ssl": trusting(ca), "server_hostname": "localhost", "local_addr": ("127.0.0.2", 0)}
                await stack.enter_async_context(half_open(rig, **options))
            writer.write(REQUEST.format(identity="CP1").encode())
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

    run_on(loop, tmp_path, test)


HOWS = {"closes": b"", "breaks off": RESET}


@pytest.mark.parametrize("how", HOWS)
@ON_BOTH_LOOPS
def test_who_has_gone_counts_no_more_among_those_of_his_address(loop, tmp_path, monkeypatch, how):
    """Or a site whose lines break off again and again would be kept out some day, for good."""
    monkeypatch.setattr(throttle, "is_loopback", lambda host: False)

    async def test(rig, ca):
        crowd, entered = rig.ocpp._crowd, []
        enter = crowd.enter
        crowd.enter = lambda host: entered.append(host) or enter(host)
        plain = rig.ocpp.urls[0].split("/")[2].split(":")
        for where in (plain, address(rig)):
            for sent in (b"", b"\x16\x03\x01", REQUEST.format(identity="CP1").encode()):
                with socket.create_connection((where[0], int(where[1]))) as line:
                    line.sendall(sent)
                    await eventually(lambda: entered)
                    entered.clear()
                    if how == "breaks off":
                        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                await eventually(lambda: not crowd._count)
        context = trusting(ca, ca.station("CP1"))
        async with secure(rig, "CP1", context) as one:
            await lives(one)
            assert crowd._count
            if how == "breaks off":
                one.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.transport.abort()
        await eventually(lambda: not rig.ocpp._crowd._count)

    run_on(loop, tmp_path, test, security_profile=1)


@ON_BOTH_LOOPS
def test_who_dribbles_the_head_of_a_request_is_disconnected(loop, tmp_path, monkeypatch):
    monkeypatch.setattr(websocket, "OPEN_TIMEOUT", 0.2)

    async def test(rig, ca):
        options = {"ssl": trusting(ca, ca.station("CP1")), "server_hostname": "localhost"}
        reader, writer = await asyncio.open_connection(*address(rig), **options)

        async def dribble():
            with suppress(ConnectionError):
                while True:
                    writer.write(b"GET /ocpp/CP1 HTTP/1.1\r\n" if not sent else b"X: y\r\n")
                    sent.append(1)
                    await writer.drain()
                    await asyncio.sleep(0.02)

        sent = []
        dribbling = asyncio.create_task(dribble())
        await ended(reader)
        dribbling.cancel()
        assert 0 < len(sent) < 120
        await eventually(lambda: not rig.ocpp._connections)
        writer.transport.abort()

    run_on(loop, tmp_path, test)


@ON_BOTH_LOOPS
def test_pongs_for_who_does_not_read_take_no_memory_without_end(loop, tmp_path):
    """With TLS, whose layers have buffers of their own."""

    async def test(rig, ca):
        options = {"ssl": trusting(ca, ca.station("CP1")), "server_hostname": "localhost"}
        reader, writer = await asyncio.open_connection(*address(rig), limit=1024, **options)
        writer.write(REQUEST.format(identity="CP1").encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        [connection] = rig.ocpp._connections
        flood, largest = framed(Opcode.PING, b"x" * 125) * 1000, 0
        for _ in range(400):
            writer.write(flood)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await writer.drain()
            largest = max(largest, connection._transport.get_write_buffer_size())
            if connection._writable is not None and writer.transport.get_write_buffer_size() > 1_000_000:
                break
        assert connection._writable is not None
        assert largest < 2_000_000
        writer.transport.abort()

    run_on(loop, tmp_path, test, max_message_rate=0)
