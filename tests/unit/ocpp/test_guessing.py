"""Strangers at the OCPP port: guessers, crowds, and what is no handshake. The true stations get in all the same."""

import asyncio
import contextlib
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus, WebSocketException

from bridge.ocpp import server
from bridge.station import throttle
from bridge.station.credentials import hash_password
from tests.unit.ocpp.secure import PASSWORD, basic, living
from tests.unit.station.rig import WAIT

HASH = hash_password(PASSWORD)


def counted(rig, name):
    rig.admission.show()
    return rig.value(f"Bridge.Security.Stations.{name}")


@pytest.fixture
async def guarded(start, monkeypatch):
    """A bridge that wants passwords; who guesses does not wait long in a test."""
    monkeypatch.setattr(throttle, "LONGEST_WAIT", 0.1)
    rig = await start(ocpp={"security_profile": 1})
    for identity in ("CP1", "CP2"):
        await rig.store.set_password(identity, HASH)
    return rig


async def login(rig, password, identity="CP1"):
    """The HTTP status of a login."""
    try:
        async with rig.socket(identity, additional_headers=basic(identity, password)):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_who_guesses_is_slowed_and_the_true_station_still_gets_in(guarded):
    """J12: at the same address, whether it has been here before or not."""
    assert await login(guarded, PASSWORD, "CP1") == 101
    statuses = await asyncio.gather(*(login(guarded, f"guess {n}") for n in range(20)))
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 2 * throttle.FREE_TRIES
    assert counted(guarded, "RefusedLogins") == statuses.count(401)
    assert counted(guarded, "SlowedLogins") == statuses.count(429)
    assert await login(guarded, PASSWORD, "CP1") == 101
    assert await login(guarded, PASSWORD, "CP2") == 101


async def test_a_station_that_was_not_here_before_gets_in_when_its_guesser_has_to_wait(guarded):
    """J12"""
    await asyncio.gather(*(login(guarded, f"guess {n}") for n in range(20)))
    guarded.idle += throttle.LONGEST_GAP
    assert await login(guarded, PASSWORD) == 101


async def test_guessers_at_its_own_address_do_not_keep_a_station_out_after_a_restart(guarded, start):
    """J12: not even one that has never been here"""
    key = guarded.context.login_key
    for identity in ("CP1", "CP2"):
        await guarded.store.set_password(identity, hash_password(PASSWORD, key))
    await guarded.stop()
    again = await start(ocpp={"security_profile": 1})
    statuses = await asyncio.gather(*(login(again, f"guess {n}") for n in range(20)))
    assert 429 in statuses
    assert await login(again, "one guess more") == 429  # nobody gets a turn now
    assert await login(again, PASSWORD, "CP1") == 101
    assert await login(again, PASSWORD, "CP2") == 101


async def test_a_guesser_does_not_disturb_the_station_that_is_connected(guarded):
    """J13"""
    headers = basic("CP1", PASSWORD)
    async with guarded.socket("CP1", additional_headers=headers) as socket, living(socket) as station:
        await asyncio.gather(*(login(guarded, f"guess {n}") for n in range(10)))
        await station.call("Heartbeat", {})
        assert guarded.value("CP1.State.Reconnects") == 0


async def test_unknown_stations_are_counted_and_slowed(start, monkeypatch):
    """J06 J12"""
    monkeypatch.setattr(throttle, "LONGEST_WAIT", 0.1)
    rig = await start(stations={"unknown": "refuse"}, station=[{"id": "CP1"}])
    statuses = await asyncio.gather(*(login(rig, "x", f"X{number}") for number in range(60)))
    assert set(statuses) == {404, 429}
    assert counted(rig, "RefusedUnknown") == statuses.count(404)
    assert {event.type for event in rig.events} == {"StationUnknown", "StationLoginFailed"}
    async with rig.socket("CP1"):
        assert rig.value("CP1.State.Connected") is True


async def test_an_address_has_so_many_connections_and_no_more(start, monkeypatch):
    monkeypatch.setattr(throttle, "is_loopback", lambda host: False)
    rig = await start(ocpp={"max_connections_per_address": 2})
    async with rig.socket("CP1"), rig.socket("CP2"):
        with pytest.raises((ConnectionError, WebSocketException)):
            async with rig.socket("CP3"):
                pass
        assert counted(rig, "RefusedConnections") == 1
        assert rig.stations.get("CP3") is None
    await rig.until(lambda: not rig.ocpp._connections)
    async with rig.socket("CP3"):
        assert rig.value("CP3.State.Connected") is True


async def test_of_too_many_who_say_nothing_the_oldest_goes(start, monkeypatch):
    monkeypatch.setattr(server, "MOST_OPENING", 2)
    rig = await start()
    async with raw(rig) as (oldest, _), raw(rig), raw(rig) as (newest, _):
        await ended(oldest)
        assert not newest.at_eof()
        async with rig.socket("CP1"):
            assert rig.value("CP1.State.Connected") is True


FLOODS = {
    "headers": b"GET /ocpp/CP1 HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(5000)) + b"\r\n",
    "one long header": b"GET /ocpp/CP1 HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    "a long path": b"GET /ocpp/" + b"y" * 200_000 + b" HTTP/1.1\r\n\r\n",
    "no line's end": b"y" * 1_000_000,
    "a body": b"POST /ocpp/CP1 HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"y" * 1_000_000,
    "nothing of HTTP": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("data", FLOODS.values(), ids=FLOODS)
async def test_a_flood_in_place_of_a_handshake_ends_the_connection(rig, data):
    async with raw(rig) as (reader, writer):
        writer.write(data)
        said = await ended(reader)
    assert b" 101 " not in said
    assert len(said) < 4096
    assert len(rig.stations) == 0


NAMES = [
    "../../etc/passwd",
    "..%2F..%2Fetc%2Fpasswd",
    "%2e%2e",
    "..",
    ".",
    "CP1%00",
    "CP1%0d%0aSet-Cookie:%20x",
    "CP1%0Aforged%20line",
    "%1b[2J",
    "%c2%9b2J",
    "CP1%e2%80%a8forged%20line",
    "%e2%80%ae1PC",
    "CP%e2%80%8b1",
    "%ef%bb%bfCP1",
    "%c0%ae%c0%ae",
    "%ed%b2%80",
    "%f4%90%80%80",
    "CP1/CP2",
    "CP1//",
    "%ff%fe",
    "%",
    "%zz",
    "x" * 49,
    "",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_path_is_no_way_anywhere_else(rig, name, tmp_path):
    """J07"""
    before = sorted(tmp_path.rglob("*"))
    async with raw(rig) as (reader, writer):
        writer.write(
            f"GET /ocpp/{name} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        said = await ended(reader)
    assert said.startswith(b"HTTP/1.1 404 ")
    assert b"Set-Cookie" not in said
    assert len(rig.stations) == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    ["'; DROP TABLE s; --", "*", "$(reboot)", "ns=2;s=Bridge", "~root", "%s%n", "{0}", "..\\..\\x", "%2e%2e", "..;"],
)
async def test_an_odd_identity_is_a_name_and_nothing_more(start, name):
    """J07: it is kept as it is, and its points have a path of letters."""
    rig = await start()
    async with rig.socket(quote(name, safe="")) as socket, living(socket):
        [known] = list(rig.stations)
        assert known.id == name
        assert set(known.points.path) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    await rig.stop()
    rig = await start()
    assert [known.id for known in rig.stations] == [name]


@contextlib.asynccontextmanager
async def raw(rig):
    port = int(rig.ocpp.url.split("/")[2].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader):
    """What comes until the bridge has ended a connection, in whatever way."""
    said = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(WAIT):
            while more := await reader.read(65536):
                said += more
    return said
