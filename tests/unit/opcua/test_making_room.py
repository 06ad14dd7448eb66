"""Where there is no more room: who gives way to whom, and who to nobody.

Before the login nobody displaces anybody but others that have not logged in; after it, only what waits for a client
that has gone. A client that is there stays, however long it says nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua import requests
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


async def test_sessions_that_were_left_for_another_one_do_not_pile_up(start_site):
    """U22: a client makes a session on the one connection and goes on there with that of the other, again and again."""
    site = await start_site(limits=Limits(max_sessions=10))
    clients = site.server._server.iserver.clients
    here, there = await Raw.activated(site), await Raw.open(site)
    own = here.token
    for _ in range(20):
        await created(there)
        there.token = own
        await there.activate()
        here, there = there, here
    assert [session.auth_token for session in clients()] == [own]
    assert await reads(here)
    await here.close()
    await there.close()
    async with asyncio.timeout(30):
        while clients():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)


async def test_a_session_with_subscriptions_waits_for_its_client_when_another_one_takes_its_connection(start_site):
    """It counts as one whose client has gone: it gives way, and is not in the way."""
    site = await start_site(limits=Limits(max_sessions=2))
    session_of = site.server._server.iserver.lookup_external_session
    first, second = await Raw.activated(site), await Raw.activated(site)
    await subscribe(second)
    waits = Raw(second.reader, second.writer, second.token)
    second.token = first.token
    await second.activate()
    assert await reads(second)
    assert session_of(waits.token).is_left
    assert await comes_back(site, waits) == "Good"
    await subscribe(second)
    await second.close()
    assert await reads(await Raw.activated(site))
    assert session_of(second.token) is None


async def test_no_more_sessions_are_tried_for_than_there_may_be_connections(start_site):
    site = await start_site(limits=Limits(max_connections=3))
    waiting = [site.server._server.iserver.create_session("nobody's", external=True) for _ in range(3)]
    assert await refusal(site) == "BadTooManySessions"
    await waiting[0].close_session()
    assert await refusal(site) == "Good"


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


async def goes_away(site: Site, raw: Raw) -> None:
    """Its network has gone; its session waits for it."""
    session = site.server._server.iserver.lookup_external_session(raw.token)
    await raw.close()
    async with asyncio.timeout(30):
        while not session.is_left:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)


async def test_a_subscription_that_is_given_other_items_stays_however_old_it_is(start_site, monkeypatch):
    site = await start_site(limits=Limits(max_subscriptions=3))
    hmi, other = await Raw.activated(site), await Raw.activated(site)
    own, unused = await subscribe(hmi), await subscribe(hmi)
    items = await monitor(hmi, own, site)
    await subscribe(other)
    monkeypatch.setattr(service, "UNUSED", 3_600.0)
    for one in site.server._server.iserver.subscription_service.subscriptions.values():
        one.emptied -= 7_200
    delete = ua.DeleteMonitoredItemsRequest()
    delete.Parameters.SubscriptionId, delete.Parameters.MonitoredItemIds = own, items
    assert (await hmi.ask(delete, ua.DeleteMonitoredItemsResponse)).Results[0].name == "Good"
    delete.Parameters.SubscriptionId = unused  # what has none is not used by that
    assert (await hmi.ask(delete, ua.DeleteMonitoredItemsResponse)).Results[0].name == "BadMonitoredItemIdInvalid"
    for _ in range(2):
        await subscribe(other)
    assert await other.status(other.encode(ua.CreateSubscriptionRequest())) == "BadTooManySubscriptions"
    assert own in subscriptions(site)
    assert unused not in subscriptions(site)
    await monitor(hmi, own, site)


async def blinked(site: Site) -> set[int]:
    """A user whose network has gone for a moment: one subscription with four items, and one with none."""
    emma = await logged_in(site, "emma", b"made")
    own = await subscribe(emma), await subscribe(emma)
    await monitor(emma, own[0], site, 4)
    await goes_away(site, emma)
    return set(own)


async def test_clients_without_a_name_end_no_subscription_of_a_user_for_one_of_theirs(start_site):
    site = await start_site(limits=Limits(max_subscriptions=4), anonymous="observer")
    kept = await blinked(site)
    nobody = await Raw.activated(site)
    own = {await subscribe(nobody), await subscribe(nobody)}
    assert await nobody.status(nobody.encode(ua.CreateSubscriptionRequest())) == "BadTooManySubscriptions"
    assert subscriptions(site) == kept | own
    anna = await logged_in(site, "anna", b"kept")
    new = {await subscribe(anna), await subscribe(anna)}  # one user makes room for the other
    assert subscriptions(site) == new | own


async def test_clients_without_a_name_end_no_subscription_of_a_user_for_their_items(start_site):
    site = await start_site(limits=Limits(max_monitored_items=9), anonymous="observer")
    kept = await blinked(site)
    nobody = await Raw.activated(site)
    own = await subscribe(nobody)
    await monitor(nobody, own, site, 5)
    with pytest.raises(ua.uaerrors.BadTooManyMonitoredItems):
        await monitor(nobody, own, site)
    assert subscriptions(site) == {*kept, own}
    anna = await logged_in(site, "anna", b"kept")
    new = await subscribe(anna)
    await monitor(anna, new, site)
    assert own in subscriptions(site)
    assert len(kept & subscriptions(site)) == 1  # the one without items: one user makes room for the other


async def test_a_user_takes_the_place_of_what_a_client_without_a_name_has_left(start_site):
    site = await start_site(limits=Limits(max_monitored_items=5))
    gone = await Raw.activated(site)
    before = await subscribe(gone)
    await monitor(gone, before, site, 5)
    await goes_away(site, gone)
    emma = await logged_in(site, "emma", b"made")
    own = await subscribe(emma)
    await monitor(emma, own, site, 5)
    assert subscriptions(site) == {own}


async def test_clients_without_a_name_leave_the_last_tenth_of_subscriptions_and_items_to_users(start_site):
    site = await start_site(limits=Limits(max_subscriptions=10, max_monitored_items=20))
    nobody, emma = await Raw.activated(site), await logged_in(site, "emma", b"made")
    own = [await subscribe(nobody) for _ in range(9)]
    assert await nobody.status(nobody.encode(ua.CreateSubscriptionRequest())) == "BadTooManySubscriptions"
    await monitor(nobody, own[0], site, 18)
    with pytest.raises(ua.uaerrors.BadTooManyMonitoredItems):
        await monitor(nobody, own[0], site)
    hers = await subscribe(emma)
    await monitor(emma, hers, site, 2)
    with pytest.raises(ua.uaerrors.BadTooManyMonitoredItems):
        await monitor(emma, hers, site)
    assert subscriptions(site) == {*own, hers}


async def test_where_there_are_no_users_all_subscriptions_and_items_are_for_clients_without_a_name(start_site):
    site = await start_site(limits=Limits(max_subscriptions=10, max_monitored_items=20), users={})
    nobody = await Raw.activated(site)
    own = [await subscribe(nobody) for _ in range(10)]
    await monitor(nobody, own[0], site, 20)
    assert await nobody.status(nobody.encode(ua.CreateSubscriptionRequest())) == "BadTooManySubscriptions"
    with pytest.raises(ua.uaerrors.BadTooManyMonitoredItems):
        await monitor(nobody, own[0], site)


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
