"""What is kept for all clients together: whoever keeps most of it goes, and not who asks for one thing."""

import asyncio
from collections.abc import Callable

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua import connection, memory
from bridge.opcua.settings import Limits
from tests.unit.opcua.helpers import Site
from tests.unit.opcua.raw import Raw, status_of
from tests.unit.opcua.test_making_room import logged_in, long_request, reads

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHUNK = 60_000  # bytes


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _closed():
    yield
    await Raw.close_all()


def kept(site: Site, size: Callable[[memory.Kept], int]) -> int:
    """Bytes, for all clients together."""
    connections = site.server._server.iserver.connections
    return sum(size(connection) for connection in connections if not connection.closing)


async def test_the_halves_of_messages_are_bounded_for_all_clients_together(start_site, monkeypatch):
    """U25: each by itself is no more than is allowed, and who sends little gets through."""
    monkeypatch.setattr(memory, "LARGE", 0)
    site = await start_site(limits=Limits(max_message_size=300_000))
    modest = await Raw.activated(site)
    body = long_request(modest, 100)
    modest.writer.write(modest.chunk(body[:1_000], 7, b"MSGC"))
    flood = [await Raw.activated(site) for _ in range(10)]
    for raw in flood:
        for _ in range(4):
            raw.writer.write(raw.chunk(bytes(60_000), 7, b"MSGC"))
            await raw.writer.drain()
            assert kept(site, memory.arriving) <= 4 * 300_000 + 60_000
    modest.writer.write(modest.chunk(body[1_000:], 7))
    assert (await modest.message())[0] == 7
    async with asyncio.timeout(30):
        while len(site.server._server.iserver.connections) > 7:
            assert kept(site, memory.arriving) <= 4 * 300_000 + 60_000
            await asyncio.sleep(0.01)
    assert await reads(modest)


async def test_what_clients_do_not_read_is_bounded_for_all_of_them_together(start_site, monkeypatch):
    """U28: each by itself has no more waiting than is allowed, and who reads is answered."""
    monkeypatch.setattr(memory, "LARGE", 0)
    monkeypatch.setattr(memory, "MOST_BACKLOG", 1)
    site = await start_site(limits=Limits(max_backlog=2_000_000))
    reader = await Raw.activated(site)
    deaf = [await Raw.activated(site) for _ in range(12)]
    for raw in deaf:
        raw.writer.transport.pause_reading()
    large = ua.NodeId(ua.ObjectIds.OpcUa_BinarySchema)  # 200 KB: the kernel takes some, and the rest waits here
    async with asyncio.timeout(60):
        while len(site.server._server.iserver.connections) == 13:
            for number, raw in enumerate(deaf):
                raw.send(long_request(raw, number % 6 + 3, large))
            assert await reads(reader)
            assert kept(site, memory.backlog) <= 2_000_000


def long_text(raw: Raw, size: int) -> bytes:
    """A request of so many bytes that asks for next to nothing."""
    request = ua.ReadRequest()
    request.RequestHeader.AuditEntryId = "x" * size
    request.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId("Bridge.StationsKnown", 2), ua.AttributeIds.Value)]
    return raw.encode(request)


async def begins(site: Site, raw: Raw, size: int) -> None:
    """Sends so many bytes of a message that does not end."""
    most = kept(site, memory.arriving) + size
    for start in range(0, size, CHUNK):
        raw.writer.write(raw.chunk(bytes(min(CHUNK, size - start)), 7, b"MSGC"))
        await raw.writer.drain()
    async with asyncio.timeout(30):
        while kept(site, memory.arriving) < most:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)


async def in_chunks(raw: Raw, body: bytes) -> str:
    """The answer's ServiceResult."""
    *parts, last = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    for part in parts:
        raw.writer.write(raw.chunk(part, 7, b"MSGC"))
        await raw.writer.drain()
    raw.writer.write(raw.chunk(last, 7))
    return status_of((await raw.message())[1])


async def test_many_small_halves_of_one_owner_go_before_anothers_one_large_message(start_site):
    """U25: each of them has less than what is looked at by itself."""
    site = await start_site(limits=Limits(max_message_size=2_000_000))
    user = await logged_in(site)
    for _ in range(8):
        await begins(site, await Raw.activated(site), 990_000)
    for _ in range(3):
        assert await in_chunks(user, long_text(user, 1_500_000)) == "Good"
        assert kept(site, memory.arriving) <= 4 * 2_000_000
    assert kept(site, memory.arriving) >= 6 * 990_000  # and no more of them went than had to


async def test_small_halves_are_bounded_as_they_come(start_site):
    """U25"""
    site = await start_site(limits=Limits(max_message_size=200_000))
    flood = [await Raw.activated(site) for _ in range(12)]
    for raw in flood:
        for _ in range(2):
            raw.writer.write(raw.chunk(bytes(CHUNK), 7, b"MSGC"))
    async with asyncio.timeout(30):
        while len(site.server._server.iserver.connections) > 6:
            assert kept(site, memory.arriving) <= 4 * 200_000 + CHUNK
            await asyncio.sleep(0.01)


async def test_what_a_connection_with_many_sessions_sends_counts_once(start_site):
    site = await start_site(limits=Limits(max_message_size=2_000_000))
    raw = await Raw.activated(site)
    for _ in range(9):
        other = await Raw.activated(site)
        raw.token = other.token
        await raw.activate()
        await other.close()
    assert await in_chunks(raw, long_text(raw, 1_500_000)) == "Good"


async def test_what_a_connection_has_sent_counts_when_its_session_has_moved_on(start_site):
    """U25: else each session could leave as much behind as it likes."""
    site = await start_site(limits=Limits(max_message_size=200_000))
    before = await Raw.activated(site)
    await begins(site, before, 180_000)
    after = await Raw.open(site)
    after.token = before.token
    await after.activate()
    assert kept(site, memory.arriving) == 180_000
    assert await reads(after)


async def test_a_message_that_does_not_go_on_is_ended(start_site, monkeypatch):
    """U25"""
    monkeypatch.setattr(connection, "UNFINISHED", 0.2)
    site = await start_site()
    raw, other = await Raw.activated(site), await Raw.activated(site)
    await begins(site, raw, 1_000)
    assert await raw.error() == "BadTimeout"
    assert await reads(other)


async def test_a_long_message_over_a_slow_network_goes_on_as_long_as_it_grows(start_site):
    site = await start_site()
    raw = await Raw.activated(site)
    (served,) = site.server._server.bserver.clients
    body = long_text(raw, 300_000)
    for start in range(0, 240_000, 80_000):  # two chunks, and the time is over
        for part in (body[start : start + 40_000], body[start + 40_000 : start + 80_000]):
            raw.writer.write(raw.chunk(part, 7, b"MSGC"))
        async with asyncio.timeout(30):
            while served.processor.arriving < start + 80_000:  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.01)
        served._unfinished.cancel()
        served._look_what_arrived()
    raw.writer.write(raw.chunk(body[240_000:280_000], 7, b"MSGC"))
    raw.writer.write(raw.chunk(body[280_000:], 7))
    assert status_of((await raw.message())[1]) == "Good"
    assert served._unfinished is None
    assert await reads(raw)
