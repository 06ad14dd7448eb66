"""Where there is no more room: who gives way to whom, and who to nobody.

Before the login nobody displaces anybody but others that have not logged in; after it, only what waits for a client
that has gone. A client that is there stays, however long it says nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua import memory, requests
from bridge.opcua.processor import MOST_LONG
from bridge.opcua.settings import Limits
from bridge.opcua.subscriptions import service
from tests.unit.opcua.asking import LONG, item
from tests.unit.opcua.helpers import Site
from tests.unit.opcua.raw import Raw
from tests.unit.opcua.test_getting_in import activation, created, sealed, token

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _closed():
    yield
    await Raw.close_all()


async def subscribe(raw: Raw) -> int:
    create = ua.CreateSubscriptionRequest()
    create.Parameters.RequestedLifetimeCount = create.Parameters.RequestedMaxKeepAliveCount = LONG
    made = await raw.ask(create, ua.CreateSubscriptionResponse)
    made.ResponseHeader.ServiceResult.check()
    return made.Parameters.SubscriptionId


async def monitor(raw: Raw, subscription: int, site: Site, count: int = 1) -> list[int]:
    """The items' ids."""
    path = f"{site.station(connectors=0).path}.Info.Id"
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscription
    request.Parameters.ItemsToCreate = [item(path, number) for number in range(count)]
    results = (await raw.ask(request, ua.CreateMonitoredItemsResponse)).Results
    for result in results:
        result.StatusCode.check()
    return [result.MonitoredItemId for result in results]


async def reads(raw: Raw) -> bool:
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId("Bridge.StationsKnown", 2), ua.AttributeIds.Value)]
    return (await raw.ask(request, ua.ReadResponse)).Results[0].StatusCode.name == "Good"


async def logged_in(site: Site, user: str = "olga", password: bytes = b"done") -> Raw:
    raw = await Raw.open(site)
    nonce = (await created(raw)).ServerNonce
    assert await activation(raw, token(site, user, sealed(password, nonce))) == "Good"
    return raw


async def left(site: Site, log_in: Callable[[Site], Awaitable[Raw]] = Raw.activated) -> Raw:
    """A client whose connection has gone; its session waits for it, because of its subscription."""
    raw = await log_in(site)
    await subscribe(raw)
    session = site.server._server.iserver.lookup_external_session(raw.token)
    await raw.close()
    async with asyncio.timeout(30):
        while session.channel is not None:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)
    return raw


async def comes_back(site: Site, before: Raw) -> str:
    raw = await Raw.open(site)
    raw.token = before.token
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
    return await raw.status(raw.encode(request))


async def refusal(site: Site) -> str:
    raw = await Raw.open(site)
    return await raw.status(raw.encode(ua.CreateSessionRequest()))


# Sessions


async def test_who_cannot_log_in_displaces_no_session_that_waits_for_its_client(start_site):
    """U22: neither by asking for sessions, nor by logging in wrongly."""
    site = await start_site(limits=Limits(max_sessions=2))
    waits = await left(site)
    await Raw.activated(site)
    for _ in range(5):
        stranger = await Raw.open(site)
        nonce = (await created(stranger)).ServerNonce
        assert await activation(stranger, token(site, "olga", sealed(b"wrong", nonce))) == "BadUserAccessDenied"
        site.server._guard.slowdown._exact._known.clear()
    assert await comes_back(site, waits) == "Good"


async def test_the_session_goes_whose_client_is_away_longest(start_site):
    site = await start_site(limits=Limits(max_sessions=2))
    early, late = await left(site), await left(site)
    session_of = site.server._server.iserver.lookup_external_session
    session_of(late.token)._last_activity = session_of(early.token)._last_activity - 1  # it had said nothing before
    assert await reads(await Raw.activated(site))
    assert await comes_back(site, late) == "BadSessionIdInvalid"
    assert await comes_back(site, early) == "Good"


async def test_a_client_that_is_there_is_displaced_by_nobody_however_long_it_says_nothing(start_site):
    site = await start_site(limits=Limits(max_sessions=2, max_connections=3))
    silent = [await Raw.activated(site) for _ in range(2)]
    for raw in silent:
        session = site.server._server.iserver.lookup_external_session(raw.token)
        session._last_activity -= 3_600  # its watch does not look before the timeout is over
        session.channel.session_last_activity -= 3_600
    assert await refusal(site) == "BadTooManySessions"
    for _ in range(5):
        await Raw.connect(site)
    assert [await reads(raw) for raw in silent] == [True, True]


async def test_anonymous_clients_leave_room_for_users_and_displace_none(start_site):
    site = await start_site(limits=Limits(max_sessions=10))
    waits = await left(site, logged_in)
    nobodies = [await Raw.activated(site) for _ in range(8)]
    one_more = await Raw.open(site)
    await created(one_more)
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
    assert await one_more.status(one_more.encode(request)) == "BadTooManySessions"
    users = [await logged_in(site, "emma", b"made"), await logged_in(site, "anna", b"kept")]
    assert [await reads(raw) for raw in (*nobodies, *users)] == [True] * 10
    assert site.server._server.iserver.lookup_external_session(waits.token) is None  # for anna


async def test_where_there_are_no_users_all_sessions_are_for_clients_without_a_name(start_site):
    site = await start_site(limits=Limits(max_sessions=10), users={})
    assert [await reads(await Raw.activated(site)) for _ in range(10)] == [True] * 10
    assert await refusal(site) == "BadTooManySessions"


# Subscriptions


def subscriptions(site: Site) -> set[int]:
    return set(site.server._server.iserver.subscription_service.subscriptions)


async def test_of_subscriptions_those_without_items_go_first_and_those_of_clients_that_are_there_last(start_site):
    site = await start_site(limits=Limits(max_subscriptions=4))
    used = await Raw.activated(site)
    kept = await subscribe(used)
    await monitor(used, kept, site)
    gone = await Raw.activated(site)
    filled, empty = await subscribe(gone), await subscribe(gone)
    await monitor(gone, filled, site)
    session = site.server._server.iserver.lookup_external_session(gone.token)
    await gone.close()
    async with asyncio.timeout(30):
        while not session.is_left:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)
    other = await Raw.activated(site)
    own = []
    for expected in ({kept, filled, empty}, {kept, filled}):  # one place was free
        own.append(await subscribe(other))
        await monitor(other, own[-1], site)
        assert subscriptions(site) == {*expected, *own}
    own.append(await subscribe(other))
    await monitor(other, own[-1], site)
    assert subscriptions(site) == {kept, *own}
    assert await other.status(other.encode(ua.CreateSubscriptionRequest())) == "BadTooManySubscriptions"
    assert await reads(used)


async def test_who_makes_subscriptions_for_nothing_displaces_its_own(start_site, monkeypatch):
    """Once they have been of no use for a while."""
    monkeypatch.setattr(service, "UNUSED", -1.0)
    site = await start_site(limits=Limits(max_subscriptions=5))
    beginner = await Raw.activated(site)
    begun = await subscribe(beginner)
    flood = await Raw.activated(site)
    for _ in range(20):
        await subscribe(flood)
    assert begun in subscriptions(site)
    await monitor(beginner, begun, site)


async def test_no_items_are_won_by_ending_subscriptions_without_any(start_site):
    site = await start_site(limits=Limits(max_monitored_items=5))
    used = await Raw.activated(site)
    own, empty = await subscribe(used), await subscribe(used)
    await monitor(used, own, site, 5)
    await left(site)
    before = subscriptions(site)
    with pytest.raises(ua.uaerrors.BadTooManyMonitoredItems):
        await monitor(used, empty, site)
    assert subscriptions(site) == before


# Work


def long_request(raw: Raw, count: int, node: ua.NodeId | None = None) -> bytes:
    read = ua.ReadRequest()
    node_id = node or ua.NodeId("Bridge.StationsKnown", 2)
    read.Parameters.NodesToRead = [ua.ReadValueId(node_id, ua.AttributeIds.Value)] * count
    return raw.encode(read)


async def test_the_answers_of_a_connection_that_has_gone_are_not_made(site, monkeypatch):
    """Somebody asks for as much as may be asked for at once, and goes: what it costs ends with the connection."""
    monkeypatch.setattr(requests, "SLICE", 0.0)
    turns = []
    turn = requests._Line.turn
    monkeypatch.setattr(requests._Line, "turn", lambda line: turns.append(1) or turn(line))
    raw = await Raw.activated(site)
    browse = ua.BrowseRequest()
    browse.Parameters.NodesToBrowse = [ua.BrowseDescription(NodeId=ua.NodeId("Stations", 2))] * 1_000
    calls = site.server._server.iserver.calls
    before = set(calls)
    for number in range(0, MOST_LONG + 2, 2):
        raw.send(long_request(raw, 1_000), number)
        raw.send(raw.encode(browse), number + 1)
    async with asyncio.timeout(30):
        while len(calls) < len(before) + MOST_LONG:  # noqa: ASYNC110 - nobody tells when they have begun
            await asyncio.sleep(0)
    begun = len(turns)
    await raw.close()
    async with asyncio.timeout(30):
        while calls - before:  # noqa: ASYNC110 - nobody tells when they have ended
            await asyncio.sleep(0)
    assert len(turns) - begun < 500  # of some 4,000


async def test_of_one_client_few_long_answers_are_begun_at_a_time_and_all_come_in_the_end(site, monkeypatch):
    monkeypatch.setattr(requests, "SLICE", 0.0)
    raw = await Raw.activated(site)
    calls = site.server._server.iserver.calls
    before, most = len(calls), 0
    answered = []

    async def listen() -> None:
        while len(answered) < 30:
            answered.append((await raw.message())[0])

    for number in range(30):
        raw.send(long_request(raw, 300), number)
    listening = asyncio.create_task(listen())
    async with asyncio.timeout(60):
        while not listening.done():
            most = max(most, len(calls) - before)
            await asyncio.sleep(0)
    await listening
    assert answered == list(range(30))
    assert 1 < most <= MOST_LONG


# Memory


def kept(site: Site, size: Callable[[memory.Kept], int]) -> int:
    """Bytes, for all clients together."""
    connections = site.server._server.iserver.channels()
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
        while len(site.server._server.iserver.channels()) > 7:
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
        while len(site.server._server.iserver.channels()) == 13:
            for number, raw in enumerate(deaf):
                raw.send(long_request(raw, number % 6 + 3, large))
            assert await reads(reader)
            assert kept(site, memory.backlog) <= 2_000_000
