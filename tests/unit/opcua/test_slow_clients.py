"""A client that does not read, reads little at a time, or comes back: nobody else notices, and it loses nothing."""

import asyncio

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from bridge.opcua import connection
from bridge.opcua.subscriptions.publish_queue import BACKLOG
from bridge.opcua.subscriptions.subscription import MESSAGE_SIZE
from tests.unit.opcua.asking import LONG, Asking, item, values
from tests.unit.opcua.helpers import read
from tests.unit.opcua.raw import Raw

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATE = "Connector1.Status.State"


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _closed():
    yield
    await Raw.close_all()


def service(site):
    return site.server._server.iserver.subscription_service


def set_state(site, station, *numbers: int) -> None:
    for number in numbers:
        site.set(station.connectors["Connector1"], "Status.State", number)


async def subscribe(raw: Raw, lifetime: int = LONG) -> int:
    request = ua.CreateSubscriptionRequest()
    given = request.Parameters
    given.RequestedPublishingInterval, given.PublishingEnabled = 20.0, True
    given.RequestedLifetimeCount, given.RequestedMaxKeepAliveCount = lifetime, lifetime // 3
    return (await raw.ask(request, ua.CreateSubscriptionResponse)).Parameters.SubscriptionId


async def monitor(raw: Raw, number: int, path: str, count: int, **settings: object) -> None:
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = number
    request.Parameters.ItemsToCreate = [item(path, handle, **settings) for handle in range(count)]
    results = (await raw.ask(request, ua.CreateMonitoredItemsResponse)).Results
    assert {result.StatusCode.name for result in results} == {"Good"}


async def published(raw: Raw) -> tuple[ua.PublishResult, int]:
    """The next message, and how long it was."""
    raw.send(raw.encode(ua.PublishRequest()), 1)
    _, body = await raw.message()
    response = struct_from_binary(ua.PublishResponse, ua.utils.Buffer(body))
    response.ResponseHeader.ServiceResult.check()
    return response.Parameters, len(body)


@pytest.mark.parametrize(
    ("limits", "most"), [({"message": 20_000}, 20_000), ({"chunks": 2, "buffer": 8_192}, 2 * 8_192), ({}, MESSAGE_SIZE)]
)
async def test_no_message_is_larger_than_its_client_takes(site, limits, most):
    raw = await Raw.activated(site, **limits)
    number = await subscribe(raw)
    station = site.station()
    for _ in range(4):
        await monitor(raw, number, f"{station.path}.{STATE}", 500)
    heard, more = 0, True
    while more:
        result, size = await published(raw)
        assert size <= most
        heard, more = heard + len(values(result)), result.MoreNotifications
    assert heard == 2_000


async def test_one_text_that_is_too_long_for_its_client_costs_only_itself(site):
    raw = await Raw.activated(site, message=20_000)
    number = await subscribe(raw)
    station = site.station()
    site.set(station, "Info.Vendor", "x" * 50_000)
    await monitor(raw, number, f"{station.path}.Info.Vendor", 1)
    await monitor(raw, number, f"{station.path}.{STATE}", 1)
    assert await raw.status(raw.encode(ua.PublishRequest())) == "BadResponseTooLarge"
    assert values((await published(raw))[0]) == [(0, None)]


async def test_a_session_that_is_activated_on_another_connection_goes_on_there(site):
    first = await Raw.activated(site)
    number = await subscribe(first)
    station = site.station()
    await monitor(first, number, f"{station.path}.{STATE}", 1, queue=10)
    told, _ = await published(first)
    first.send(first.encode(ua.PublishRequest()), 7)  # waits, and is not answered any more
    set_state(site, station, 1)
    await first.message()
    await first.close()
    set_state(site, station, 2, 3)
    second = await Raw.open(site)
    second.token = first.token
    await second.activate()
    again = ua.RepublishRequest()
    again.Parameters.SubscriptionId, again.Parameters.RetransmitSequenceNumber = number, 2
    lost = (await second.ask(again, ua.RepublishResponse)).NotificationMessage
    assert [each.Value.Value.Value for each in lost.NotificationData[0].MonitoredItems] == [1]
    result, _ = await published(second)
    assert (told.NotificationMessage.SequenceNumber, result.NotificationMessage.SequenceNumber) == (1, 3)
    assert (values(result), result.AvailableSequenceNumbers) == ([(0, 2), (0, 3)], [1, 2, 3])


async def test_a_client_with_ten_thousand_items_that_stops_reading_costs_the_others_nothing(site, client, monkeypatch):
    """U28"""
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    station, subscriptions = site.station(), service(site)
    items, room = subscriptions.monitoring.count, subscriptions.room.used
    slow = await Raw.activated(site)
    served = site.server._server.bserver.clients[-1]
    number = await subscribe(slow, lifetime=6)
    for _ in range(20):  # in one chunk each
        await monitor(slow, number, f"{station.path}.{STATE}", 500, queue=100)
    for _ in range(50):
        slow.send(slow.encode(ua.PublishRequest()))
    other = Asking(client)
    own = (await other.subscribe()).SubscriptionId
    await other.follow(own, f"{station.path}.{STATE}", queue=100)
    assert await other.changes() == [(1, None)]
    state = 0
    async with asyncio.timeout(30):
        while not served.transport.is_closing():
            state += 1
            set_state(site, station, state)
            assert await other.changes() == [(1, state)]
            assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
            assert served.processor.backlog <= BACKLOG + 2 * MESSAGE_SIZE
            assert subscriptions.room.used - room <= subscriptions.limits.max_queued_bytes // 4
    assert state > 1
    async with asyncio.timeout(10):
        while number in subscriptions.subscriptions or subscriptions.monitoring.count > items + 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # its lifetime is over
    await other.ask("DeleteSubscriptions", SubscriptionIds=[own])
    async with asyncio.timeout(30):
        while subscriptions.room.used != room:  # noqa: ASYNC110 - items go one after the other
            await asyncio.sleep(0.01)
