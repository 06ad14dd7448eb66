"""A client whose network fails again and again is back in at once, whatever its dead connections have left behind.

The connections here are lost without a word: nothing comes any more, and nobody closes them, as behind a router that
has lost its table. What the kernel finds out by itself after a minute is not waited for.
"""

import asyncio
import socket

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua import connection, crowd, guard, identity
from bridge.opcua.settings import Account, Limits
from tests.unit.opcua.asking import LONG, Asking, item
from tests.unit.opcua.certificates import party
from tests.unit.opcua.helpers import USERS, Site, read
from tests.unit.opcua.raw import Raw
from tests.unit.opcua.test_getting_in import activation, created, sealed, token

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _closed():
    yield
    await Raw.close_all()


async def works(site: Site) -> bool:
    async with site.client() as client:
        return (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def subscribed(site: Site) -> Raw:
    raw = await Raw.activated(site)
    created = await raw.ask(ua.CreateSubscriptionRequest(), ua.CreateSubscriptionResponse)
    created.ResponseHeader.ServiceResult.check()
    return raw


@pytest.mark.parametrize("how", ["connect", "open"])
@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
async def test_connections_that_are_dead_and_nobody_has_closed_keep_nobody_out(start_site, how, limit):
    """U22: dead before the channel, and before the login."""
    site = await start_site(limits=Limits(**{limit: 3}))
    for _ in range(10):
        await getattr(Raw, how)(site)
    assert await works(site)


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address", "max_sessions"])
async def test_sessions_whose_clients_are_silent_keep_nobody_out_once_their_timeout_is_over(start_site, limit):
    """U22: even where the kernel does not find out, as behind a proxy."""
    site = await start_site(limits=Limits(**{limit: 3}))
    internal = site.server._server.iserver
    internal.min_session_timeout_ms = internal.max_session_timeout_ms = 50
    for _ in range(3):
        await subscribed(site)
    async with asyncio.timeout(30):
        while any(session.is_activated() for session in internal.clients()):  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)
    internal.max_session_timeout_ms = 60_000
    assert await works(site)


async def test_a_client_that_is_heard_of_is_not_displaced_by_a_new_one(start_site):
    site = await start_site(limits=Limits(max_connections_per_address=2, max_sessions=2))
    used = [await Raw.activated(site) for _ in range(2)]
    assert await (await Raw.connect(site)).reader.read() == b""
    for raw in used:
        await raw.activate()


async def test_who_floods_displaces_itself_and_nobody_elsewhere():
    connections = [("10.0.0.2", 0), *(("10.0.0.1", number) for number in range(5))]
    assert crowd.first_to_go(connections, lambda one: one[0]) == ("10.0.0.1", 0)
    assert crowd.first_to_go([], lambda one: one) is None


async def test_a_connection_whose_session_has_ended_or_moved_is_closed_after_a_while(start_site, monkeypatch):
    """U22: else 200 networks that failed, in however many years, would keep a machine out."""
    monkeypatch.setattr(connection, "WITHOUT_SESSION", 0.05)
    site = await start_site()
    ended, moved = await Raw.activated(site), await Raw.activated(site)
    await site.server._server.iserver.lookup_external_session(ended.token).close_session()
    now = await Raw.open(site)
    now.token = moved.token
    await now.activate()
    async with asyncio.timeout(30):
        assert await ended.reader.read() == b""
        assert await moved.reader.read() == b""
    await now.activate()


async def test_the_kernel_is_asked_whether_a_silent_client_is_there(site, client):
    transport = site.server._server.bserver.clients[-1].transport
    kernel = transport.get_extra_info("socket")
    assert kernel.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
    probes = kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) * kernel.getsockopt(
        socket.IPPROTO_TCP, socket.TCP_KEEPCNT
    )
    assert kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) + probes <= 60


# What it had monitored


async def follows(site: Site, count: int) -> list[str]:
    """The codes that a client gets for monitoring so many points."""
    station = site.station(connectors=0)
    async with site.client() as client:
        asking = Asking(client)
        number = (await asking.subscribe()).SubscriptionId
        results = await asking.monitor(number, *[item(f"{station.path}.Info.Id", n) for n in range(count)])
        return sorted({result.StatusCode.name for result in results})


async def test_what_a_client_monitored_before_it_was_cut_does_not_count_when_it_is_back(start_site):
    """U21: its subscriptions live for an hour without it, and it makes new ones."""
    site = await start_site(limits=Limits(max_monitored_items=100, max_subscriptions=3), users={})
    station = site.station(connectors=0)
    for _ in range(10):
        client = site.client()
        await client.connect()
        asking = Asking(client)
        number = (await asking.subscribe(RequestedLifetimeCount=LONG)).SubscriptionId
        results = await asking.monitor(number, *[item(f"{station.path}.Info.Id", n) for n in range(100)])
        assert {result.StatusCode.name for result in results} == {"Good"}
        client.uaclient.protocol.transport.abort()
        await client.disconnect()
        async with asyncio.timeout(30):
            while site.server._server.bserver.clients:  # noqa: ASYNC110 - nobody tells when one has gone
                await asyncio.sleep(0.01)
    assert await follows(site, 100) == ["Good"]


async def test_what_a_client_monitors_that_is_there_is_not_given_up_for_another(start_site):
    site = await start_site(limits=Limits(max_monitored_items=100), users={})
    station = site.station(connectors=0)
    async with site.client() as client:
        asking = Asking(client)
        number = (await asking.subscribe()).SubscriptionId
        await asking.monitor(number, *[item(f"{station.path}.Info.Id", n) for n in range(99)])
        assert await follows(site, 2) == ["BadTooManyMonitoredItems", "Good"]
        assert number in site.server._server.iserver.subscription_service.subscriptions
    assert await follows(site, 100) == ["Good"]


# Logging in


async def test_a_login_that_was_cut_is_no_wrong_password(site):
    """However often a network fails in the midst of it."""
    for _ in range(12):
        raw = await Raw.open(site)
        nonce = (await created(raw)).ServerNonce
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = token(site, "olga", sealed(b"done", nonce))
        raw.send(raw.encode(request))
        await raw.writer.drain()
        await raw.close()
    slowdown = site.server._guard.slowdown
    assert slowdown._delay("127.0.0.1", "olga", ("127.0.0.1", "", "olga")) == 0
    assert not [record for record in site.audit if record.status != "Good"]


async def test_a_hmi_that_gives_up_waiting_gets_in_once_its_password_is_right(site):
    """Its patience is less than the wait: each try that it gives up brings it nearer all the same."""
    raw = await Raw.open(site)
    for _ in range(5):
        nonce = (await created(raw)).ServerNonce
        assert await activation(raw, token(site, "olga", sealed(b"wrong", nonce))) == "BadUserAccessDenied"
    async with asyncio.timeout(60):
        while True:
            again = await Raw.open(site)
            nonce = (await created(again)).ServerNonce
            try:
                async with asyncio.timeout(0.6):
                    assert await activation(again, token(site, "olga", sealed(b"done", nonce))) == "Good"
                break
            except TimeoutError:
                await again.close()


async def test_a_user_who_was_here_before_does_not_wait_behind_those_who_guess_beside_it(site, monkeypatch):
    """On the same machine, in the same name, in whatever queue they stand."""
    async with site.client("olga"):
        pass
    stuck, slowdown = asyncio.Event(), site.server._guard.slowdown
    monkeypatch.setattr(slowdown, "_sleep", lambda seconds: stuck.wait())
    guesses = []
    for _ in range(4):
        raw = await Raw.open(site)
        nonce = (await created(raw)).ServerNonce
        guesses.append(asyncio.create_task(activation(raw, token(site, "olga", sealed(b"wrong", nonce)))))
    async with asyncio.timeout(30):
        while sum(guess.done() for guess in guesses) < 3:  # noqa: ASYNC110 - the first three wait for nothing
            await asyncio.sleep(0.01)
    async with site.client("olga") as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
    assert not all(guess.done() for guess in guesses)
    stuck.set()
    assert set(await asyncio.gather(*guesses)) == {"BadUserAccessDenied"}


async def test_what_shows_at_once_is_no_way_to_guess_without_waiting(site, monkeypatch):
    """Not even the right password is taken at once when too many were tried."""
    async with site.client("olga"):
        pass
    monkeypatch.setattr(site.server._guard._glances, "_burst", 3)
    monkeypatch.setattr(site.server._guard._glances, "_each_second", 0.0)
    looked = []
    recognize = site.server._users.recognize
    monkeypatch.setattr(site.server._users, "recognize", lambda *given: looked.append(given) or recognize(*given))
    monkeypatch.setattr(site.server._guard.slowdown, "_sleep", lambda seconds: asyncio.sleep(0))
    for _ in range(6):
        raw = await Raw.open(site)
        nonce = (await created(raw)).ServerNonce
        assert await activation(raw, token(site, "olga", sealed(b"wrong", nonce))) == "BadUserAccessDenied"
    assert len(looked) == 3


async def test_a_password_that_was_changed_is_not_remembered(start_site):
    site = await start_site()
    async with site.client("olga"):
        pass
    site.server.set_users({**USERS, "olga": Account(role="operator", password_hash=USERS["emma"].password_hash)})
    with pytest.raises(ua.uaerrors.BadUserAccessDenied):
        await site.client("olga").connect()
    async with site.client("olga", "made"):
        pass
    assert [record.user for record in site.audit if record.status != "Good"] == ["olga"]  # the old one alone was wrong


async def cut_guess(site: Site, stuck: asyncio.Event, password: bytes) -> str:
    """Logs in as olga. Hangs up when it has to wait: "waits"."""
    stuck.clear()
    raw = await Raw.open(site)
    nonce = (await created(raw)).ServerNonce
    answer = asyncio.create_task(activation(raw, token(site, "olga", sealed(password, nonce))))
    waiting = asyncio.create_task(stuck.wait())
    async with asyncio.timeout(30):
        await asyncio.wait({answer, waiting}, return_when=asyncio.FIRST_COMPLETED)
    said = answer.result() if answer.done() else "waits"
    answer.cancel()
    waiting.cancel()
    await raw.close()
    return said


@pytest.fixture
def stuck(site, monkeypatch) -> asyncio.Event:
    """Somebody has to wait, and does so for ever."""
    event = asyncio.Event()

    async def sleep(seconds: float) -> None:
        event.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(site.server._guard.slowdown, "_sleep", sleep)
    return event


async def test_who_guesses_where_the_user_was_before_and_hangs_up_is_noted_and_gets_not_far(site, stuck):
    """U19: that it has to wait says that the password was wrong."""
    async with site.client("olga"):
        pass
    failed = site.tree.bridge.value("Security.Clients.FailedLogins") or 0
    said = [await cut_guess(site, stuck, b"wrong") for _ in range(guard.GLANCES)]
    assert said == ["BadUserAccessDenied"] * 3 + ["waits"] * (guard.GLANCES - 3)
    refused = [record for record in site.audit if record.status == "BadUserAccessDenied"]
    assert [(record.action, record.user) for record in refused] == [("login", "olga")] * guard.GLANCES
    assert site.tree.bridge.value("Security.Clients.FailedLogins") == failed + guard.GLANCES
    assert await cut_guess(site, stuck, b"done") == "waits"


async def test_a_user_is_known_at_once_only_where_it_was_before(start_site, tmp_path):
    """Not on another channel, from where somebody may guess."""
    site = await start_site(trusts_everybody=False)
    own = party()
    folder = tmp_path / "pki" / "trusted" / "certs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.der").write_bytes(own.der)
    async with await own.secure(site.client("olga"), tmp_path / "own"):
        pass
    waited, slowdown = [], site.server._guard.slowdown
    slept = slowdown._sleep
    slowdown._sleep = lambda seconds: waited.append(seconds) or slept(0)
    for password in (b"wrong", b"wrong", b"wrong", b"done"):
        raw = await Raw.open(site)
        nonce = (await created(raw)).ServerNonce
        await activation(raw, token(site, "olga", sealed(password, nonce)))
    assert len(waited) == 1


async def test_with_the_names_of_strangers_the_key_is_used_once(site, monkeypatch):
    used, password_of = [], identity.password_of
    monkeypatch.setattr(identity, "password_of", lambda *given: used.append(given) or password_of(*given))
    raw = await Raw.open(site)
    nonce = (await created(raw)).ServerNonce
    assert await activation(raw, token(site, "stranger", sealed(b"wrong", nonce))) == "BadUserAccessDenied"
    assert len(used) == 1


async def test_one_name_after_the_other_shows_no_more_of_a_machine(site, monkeypatch):
    watch, place = site.server._guard, ("10.0.0.1", "")
    monkeypatch.setattr(watch._glances_of_machine, "_each_second", 0.0)
    names = [f"user{number}" for number in range(100)]
    monkeypatch.setattr(site.server._users, "_good", {(place, name): b"" for name in names})
    assert sum(watch.may_glance(place, name) for name in names) == guard.GLANCES_OF_MACHINE


async def test_a_client_with_a_certificate_of_its_own_does_not_wait_for_another_ones_failures(start_site, tmp_path):
    """Both are behind one address, and log in as the same user."""
    site = await start_site(trusts_everybody=False, security=("Basic256Sha256",))
    watch = site.server._guard
    right, wrong = party(), party("other", number=1)
    place = watch.place("10.0.0.1", "AA")
    assert place == ("10.0.0.1", "AA")
    folder = tmp_path / "pki" / "trusted" / "certs"
    folder.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate((right, wrong)):
        (folder / f"{number}.der").write_bytes(each.der)
    for _ in range(3):
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await (await wrong.secure(site.client("olga", "wrong"), tmp_path / "wrong")).connect()
    waited = []
    slept = watch.slowdown._sleep
    watch.slowdown._sleep = lambda seconds: waited.append(seconds) or slept(seconds)
    async with await right.secure(site.client("olga"), tmp_path / "right") as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
    assert waited == []


async def monitors(raw: Raw, path: str, count: int) -> list[str]:
    """The codes that it gets for a subscription to so many points."""
    create = ua.CreateSubscriptionRequest()
    create.Parameters.RequestedLifetimeCount = LONG
    made = await raw.ask(create, ua.CreateSubscriptionResponse)
    made.ResponseHeader.ServiceResult.check()
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = made.Parameters.SubscriptionId
    request.Parameters.ItemsToCreate = [item(path, number) for number in range(count)]
    return [result.StatusCode.name for result in (await raw.ask(request, ua.CreateMonitoredItemsResponse)).Results]


async def test_a_hmi_that_loses_its_network_a_hundred_times_is_back_each_time(start_site):
    """U21, U22: with limits so low that it would be kept out ten times over."""
    site = await start_site(
        limits=Limits(max_connections_per_address=10, max_sessions=8, max_subscriptions=6, max_monitored_items=20)
    )
    path = f"{site.station(connectors=0).path}.Info.Id"
    for _ in range(100):
        raw = await Raw.activated(site)
        assert await monitors(raw, path, 5) == ["Good"] * 5
        await raw.close()
    assert await works(site)
