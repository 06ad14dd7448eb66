"""Subscriptions as their clients see them (OPC 10000-4 §5.14): intervals, publishing, owners, what is lost."""

import asyncio
import gc
import math
import weakref

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua.settings import Limits
from bridge.opcua.subscriptions.service import SLOWEST
from bridge.opcua.subscriptions.subscription import LEFT_BEHIND
from bridge.points.tree import Update
from tests.unit.opcua.asking import LONG, Asking, codes, item, values
from tests.unit.opcua.helpers import NOW, Changes, point

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENERGY = "Connector1.MeterValues.Energy.Active.Import.Register"
STATE = "Connector1.Status.State"
FASTEST = Limits().min_publishing_interval


@pytest_asyncio.fixture(loop_scope="session")
async def raw(client):
    return Asking(client)


@pytest_asyncio.fixture(loop_scope="session")
async def other(site):
    """Another client than `client`."""
    async with site.client() as client:
        yield client


def service(site):
    return site.server._server.iserver.subscription_service


def set_state(site, station, *numbers: int) -> None:
    for number in numbers:
        site.set(station.connectors["Connector1"], "Status.State", number)


# ---------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("asked", "given", "counts"),
    [
        (1e-6, FASTEST, (10, 30)),
        (0.0, FASTEST, (10, 30)),
        (-5.0, FASTEST, (10, 30)),
        (math.nan, FASTEST, (10, 30)),
        (math.inf, SLOWEST, (1, 3)),
        (250.0, 250.0, (10, 30)),
    ],
)
async def test_a_publishing_interval_that_cannot_be_is_revised(site, raw, asked, given, counts):
    """U24"""
    station = site.station()
    made = await raw.subscribe(asked, RequestedLifetimeCount=1, RequestedMaxKeepAliveCount=10)
    assert (made.RevisedPublishingInterval, made.RevisedMaxKeepAliveCount, made.RevisedLifetimeCount) == (
        given,
        *counts,
    )
    if given != SLOWEST:
        await raw.follow(made.SubscriptionId, f"{station.path}.{STATE}")
        assert await raw.changes() == [(1, None)]
        set_state(site, station, 3)
        assert await raw.changes() == [(1, 3)]
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[made.SubscriptionId])


async def test_no_subscription_outlives_its_client_by_hours(raw):
    """U21"""
    made = await raw.subscribe(1000, RequestedLifetimeCount=2**32 - 1, RequestedMaxKeepAliveCount=2**32 - 1)
    assert made.RevisedLifetimeCount * made.RevisedPublishingInterval <= 3_600_000
    assert made.RevisedLifetimeCount >= 3 * made.RevisedMaxKeepAliveCount
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[made.SubscriptionId])


async def test_modify_subscription_changes_the_rhythm(site, raw):
    made = await raw.subscribe(SLOWEST)
    number = made.SubscriptionId
    station = site.station()
    await raw.follow(number, f"{station.path}.{STATE}")
    changed = await raw.ask(
        "ModifySubscription",
        SubscriptionId=number,
        RequestedPublishingInterval=20.0,
        RequestedLifetimeCount=300,
        RequestedMaxKeepAliveCount=7,
        MaxNotificationsPerPublish=5,
        Priority=3,
    )
    revised = changed.Parameters
    assert (revised.RevisedPublishingInterval, revised.RevisedMaxKeepAliveCount) == (20.0, 7)
    assert revised.RevisedLifetimeCount == 300
    assert await raw.changes() == [(1, None)]
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


# ---------------------------------------------------------------------- publishing


async def test_the_first_keep_alive_comes_after_one_interval_and_has_the_next_number(site, raw):
    number = (await raw.subscribe(RequestedMaxKeepAliveCount=3)).SubscriptionId
    for _ in range(2):
        result = await raw.publish()
        assert (result.NotificationMessage.NotificationData, result.NotificationMessage.SequenceNumber) == ([], 1)
    await raw.follow(number, f"{site.station().path}.{STATE}")
    assert (await raw.publish()).NotificationMessage.SequenceNumber == 1
    assert (await raw.publish()).NotificationMessage.SequenceNumber == 2
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_no_more_notifications_than_the_client_likes_are_in_a_message(site, raw):
    number = (await raw.subscribe(MaxNotificationsPerPublish=2)).SubscriptionId
    station = site.station()
    await raw.follow(number, *[f"{station.path}.Info.{name}" for name in ("Id", "Vendor", "Model", "Iccid", "Imsi")])
    results = await asyncio.gather(*(raw.publish() for _ in range(3)))
    assert [(result.MoreNotifications, [handle for handle, _ in values(result)]) for result in results] == [
        (True, [1, 2]),
        (True, [3, 4]),
        (False, [5]),
    ]
    assert [result.NotificationMessage.SequenceNumber for result in results] == [1, 2, 3]
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_publishing_can_be_stopped_and_goes_on_with_what_was_queued(site, raw):
    number = (await raw.subscribe(PublishingEnabled=False, RequestedMaxKeepAliveCount=1)).SubscriptionId
    station = site.station()
    await raw.follow(number, f"{station.path}.{STATE}", queue=10)
    for _ in range(2):
        assert (await raw.publish()).NotificationMessage.NotificationData == []
    set_state(site, station, 1, 2)
    response = await raw.ask("SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[number, 999_999])
    assert codes(response) == ["Good", "BadSubscriptionIdInvalid"]
    result = await raw.publish()
    while not result.NotificationMessage.NotificationData:
        result = await raw.publish()
    assert values(result) == [(1, None), (1, 1), (1, 2)]
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


@pytest.mark.parametrize("leave", ["delete", "disable"])
async def test_what_was_left_over_and_has_gone_since_is_no_message(site, raw, leave):
    number = (await raw.subscribe(MaxNotificationsPerPublish=1)).SubscriptionId
    station = site.station()
    ids = await raw.follow(number, f"{station.path}.{STATE}", f"{station.path}.Info.Id", f"{station.path}.Info.Model")
    first = await raw.publish()
    assert (first.MoreNotifications, values(first)) == (True, [(1, None)])
    if leave == "delete":
        await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=ids[1:])
    else:
        disabled = ua.MonitoringMode.Disabled
        await raw.ask("SetMonitoringMode", SubscriptionId=number, MonitoringMode=disabled, MonitoredItemIds=ids[1:])
    waiting = asyncio.create_task(raw.publish())
    await _until(lambda: len(_session(site, number).publishing) == 1)
    set_state(site, station, 3)
    second = await waiting
    assert (second.NotificationMessage.SequenceNumber, values(second)) == (2, [(1, 3)])
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_no_more_acknowledgements_are_taken_than_there_can_be_messages(start_site):
    """U23"""
    site = await start_site(limits=Limits(max_subscriptions_per_session=1, max_retransmissions=2))
    async with site.client() as client:
        number = (await Asking(client).subscribe(RequestedMaxKeepAliveCount=1)).SubscriptionId
        assert len((await Asking(client).publish((number, 1), (number, 2))).Results) == 2
        with pytest.raises(ua.uaerrors.BadTooManyOperations):
            await Asking(client).publish((number, 1), (number, 2), (number, 3))


async def test_the_subscription_of_a_higher_priority_is_served_first(site, raw):
    station = site.station()
    made = [(await raw.subscribe(Priority=priority)).SubscriptionId for priority in (1, 200, 50)]
    for number in made:
        await raw.follow(number, f"{station.path}.{STATE}")
    await _until(lambda: all(service(site).subscriptions[number].wants for number in made))
    results = await asyncio.gather(*(raw.publish() for _ in range(3)))
    assert [result.SubscriptionId for result in results] == [made[1], made[2], made[0]]
    await raw.ask("DeleteSubscriptions", SubscriptionIds=made)


async def test_a_message_is_kept_until_it_is_acknowledged(site, raw):
    number = (await raw.subscribe(RequestedMaxKeepAliveCount=1)).SubscriptionId
    station = site.station()
    await raw.follow(number, f"{station.path}.{STATE}")
    first = await raw.publish()
    assert first.AvailableSequenceNumbers == [1]
    again = await raw.ask("Republish", SubscriptionId=number, RetransmitSequenceNumber=1)
    assert again.NotificationMessage == first.NotificationMessage
    second = await raw.publish((number, 1), (number, 1), (number, 77), (999_999, 1))
    assert [code.name for code in second.Results] == [
        "Good",
        "BadSequenceNumberUnknown",
        "BadSequenceNumberUnknown",
        "BadSubscriptionIdInvalid",
    ]
    assert second.AvailableSequenceNumbers == []
    with pytest.raises(ua.uaerrors.BadMessageNotAvailable):
        await raw.ask("Republish", SubscriptionId=number, RetransmitSequenceNumber=1)
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_messages_that_nobody_acknowledges_are_bounded(start_site):
    site = await start_site(limits=Limits(max_retransmissions=3))
    async with site.client() as client:
        raw = Asking(client)
        number = (await raw.subscribe()).SubscriptionId
        station = site.station()
        await raw.follow(number, f"{station.path}.{STATE}")
        for state in range(6):
            result = await raw.publish()
            set_state(site, station, state + 1)
        assert result.AvailableSequenceNumbers == [4, 5, 6]


# ---------------------------------------------------------------------- publish requests


async def test_publish_without_a_subscription_is_refused(site, raw):
    with pytest.raises(ua.uaerrors.BadNoSubscription):
        await raw.publish()
    number = (await raw.subscribe(SLOWEST)).SubscriptionId
    waiting = asyncio.create_task(raw.publish())
    await _until(lambda: len(_session(site, number).publishing) == 1)
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])
    with pytest.raises(ua.uaerrors.BadNoSubscription):
        await waiting


async def test_too_many_publish_requests_cost_the_oldest(start_site):
    site = await start_site(limits=Limits(max_publish_requests=2))
    async with site.client() as client:
        raw = Asking(client)
        await raw.subscribe(SLOWEST)
        waiting = [asyncio.create_task(raw.publish()) for _ in range(3)]
        with pytest.raises(ua.uaerrors.BadTooManyPublishRequests):
            await waiting[0]
        assert not waiting[1].done()
        for task in waiting:
            task.cancel()


async def test_a_publish_request_whose_time_is_over_is_not_used(site, raw):
    number = (await raw.subscribe(RequestedMaxKeepAliveCount=2)).SubscriptionId
    await raw.publish()
    short, long = asyncio.create_task(raw.publish(hint=0.001)), asyncio.create_task(raw.publish())
    with pytest.raises(ua.uaerrors.BadTimeout):
        await short
    assert (await long).SubscriptionId == number
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_a_subscription_whose_client_does_not_publish_ends_and_says_so(site, raw):
    """U21"""
    kept = (await raw.subscribe(SLOWEST)).SubscriptionId
    made = await raw.subscribe(FASTEST, RequestedLifetimeCount=3, RequestedMaxKeepAliveCount=1)
    await raw.follow(made.SubscriptionId, f"{site.station().path}.{STATE}")
    items = service(site).monitoring.count
    await _until(lambda: made.SubscriptionId not in service(site).subscriptions)
    assert service(site).monitoring.count == items - 1
    result = await raw.publish()
    assert result.SubscriptionId == made.SubscriptionId
    assert [data.Status.name for data in result.NotificationMessage.NotificationData] == ["BadTimeout"]
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[kept])


# ---------------------------------------------------------------------- owners


async def test_another_session_cannot_touch_a_subscription(site, raw, other):
    """U20"""
    number = (await raw.subscribe(SLOWEST)).SubscriptionId
    path = f"{site.station().path}.{STATE}"
    (mine,) = await raw.follow(number, path)
    thief = Asking(other)
    own = (await thief.subscribe(RequestedMaxKeepAliveCount=1)).SubscriptionId
    assert codes(await thief.ask("DeleteSubscriptions", SubscriptionIds=[number])) == ["BadSubscriptionIdInvalid"]
    response = await thief.ask("SetPublishingMode", PublishingEnabled=False, SubscriptionIds=[number])
    assert codes(response) == ["BadSubscriptionIdInvalid"]
    taken = await thief.ask("TransferSubscriptions", SubscriptionIds=[number], SendInitialValues=True)
    assert [result.StatusCode.name for result in taken.Parameters.Results] == ["BadUserAccessDenied"]
    assert [code.name for code in (await thief.publish((number, 1))).Results] == ["BadSubscriptionIdInvalid"]
    for service_name, parameters in (
        ("CreateMonitoredItems", {"ItemsToCreate": [item(path)]}),
        ("ModifyMonitoredItems", {"ItemsToModify": [ua.MonitoredItemModifyRequest(mine)]}),
        ("DeleteMonitoredItems", {"MonitoredItemIds": [mine]}),
        ("SetMonitoringMode", {"MonitoredItemIds": [mine]}),
        ("SetTriggering", {"TriggeringItemId": mine, "LinksToAdd": [mine]}),
        ("ModifySubscription", {"RequestedPublishingInterval": 10.0}),
        ("Republish", {"RetransmitSequenceNumber": 1}),
    ):
        with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
            await thief.ask(service_name, SubscriptionId=number, **parameters)
    assert len(service(site).subscriptions[number].items) == 1
    await thief.ask("DeleteSubscriptions", SubscriptionIds=[own])
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


@pytest.mark.parametrize("initial_values", [True, False])
async def test_a_user_takes_a_subscription_to_another_session(site, initial_values):
    station = site.station()
    set_state(site, station, 3)
    async with site.client("olga") as before, site.client("olga") as after:
        old, new = Asking(before), Asking(after)
        number = (await old.subscribe()).SubscriptionId
        await old.follow(number, f"{station.path}.{STATE}")
        assert await old.changes() == [(1, 3)]
        told = asyncio.create_task(old.publish())
        taken = await new.ask("TransferSubscriptions", SubscriptionIds=[number], SendInitialValues=initial_values)
        assert [(result.StatusCode.name, result.AvailableSequenceNumbers) for result in taken.Parameters.Results] == [
            ("Good", [1])
        ]
        (data,) = (await told).NotificationMessage.NotificationData
        assert data.Status.name == "GoodSubscriptionTransferred"
        if not initial_values:
            set_state(site, station, 5)
        assert await new.changes() == [(1, 3 if initial_values else 5)]
        with pytest.raises(ua.uaerrors.BadNoSubscription):
            await old.publish()
        assert codes(await new.ask("DeleteSubscriptions", SubscriptionIds=[number])) == ["Good"]


async def test_a_session_without_subscriptions_has_nothing_to_wait_for(site):
    station = site.station()
    async with site.client("olga") as before, site.client("olga") as after:
        old, new = Asking(before), Asking(after)
        number = (await old.subscribe()).SubscriptionId
        await old.follow(number, f"{station.path}.{STATE}")
        assert await old.changes() == [(1, None)]
        asked = [asyncio.create_task(old.publish()) for _ in range(3)]
        await _until(lambda: len(_session(site, number).publishing) == 3)
        await new.ask("TransferSubscriptions", SubscriptionIds=[number], SendInitialValues=True)
        told, *others = await asyncio.gather(*asked, return_exceptions=True)
        assert told.NotificationMessage.NotificationData[0].Status.name == "GoodSubscriptionTransferred"
        assert [type(other) for other in others] == [ua.uaerrors.BadNoSubscription] * 2
        message = await new.publish()
        assert (message.NotificationMessage.SequenceNumber, message.AvailableSequenceNumbers) == (2, [1, 2])
        await new.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_a_session_takes_over_no_more_subscriptions_than_it_may_create(start_site):
    site = await start_site(limits=Limits(max_subscriptions_per_session=1))
    async with site.client("olga") as before, site.client("olga") as after:
        number = (await Asking(before).subscribe()).SubscriptionId
        await Asking(after).subscribe()
        taken = await Asking(after).ask("TransferSubscriptions", SubscriptionIds=[number], SendInitialValues=False)
        assert [result.StatusCode.name for result in taken.Parameters.Results] == ["BadTooManySubscriptions"]
        assert codes(await Asking(before).ask("DeleteSubscriptions", SubscriptionIds=[number])) == ["Good"]


async def test_what_is_ones_own_cannot_be_transferred(raw):
    number = (await raw.subscribe()).SubscriptionId
    taken = await raw.ask("TransferSubscriptions", SubscriptionIds=[number, 999_999], SendInitialValues=True)
    assert [result.StatusCode.name for result in taken.Parameters.Results] == [
        "BadNothingToDo",
        "BadSubscriptionIdInvalid",
    ]
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_a_session_that_closes_takes_its_subscriptions_along_if_it_says_so(site):
    station = site.station()
    numbers = {}
    for deletes in (True, False):
        async with site.client("olga") as client:
            raw = Asking(client)
            numbers[deletes] = (await raw.subscribe()).SubscriptionId
            await raw.follow(numbers[deletes], f"{station.path}.{STATE}")
            await client.uaclient.close_session(deletes)
    assert numbers[True] not in service(site).subscriptions
    async with site.client("olga") as client:
        raw = Asking(client)
        taken = await raw.ask("TransferSubscriptions", SubscriptionIds=[numbers[False]], SendInitialValues=True)
        assert [result.StatusCode.name for result in taken.Parameters.Results] == ["Good"]
        assert await raw.changes() == [(1, None)]


async def test_a_client_that_is_cut_off_goes_on_where_it_was(site):
    """U21"""
    station = site.station()
    async with site.client("olga") as after:
        before = site.client("olga")
        await before.connect()
        number = (await Asking(before).subscribe(RequestedLifetimeCount=LONG)).SubscriptionId
        await Asking(before).follow(number, f"{station.path}.{STATE}", queue=10)
        before.uaclient.protocol.transport.abort()
        set_state(site, station, 1, 2)
        await Asking(after).ask("TransferSubscriptions", SubscriptionIds=[number], SendInitialValues=False)
        assert await Asking(after).changes() == [(1, None), (1, 1), (1, 2)]


async def test_a_session_that_is_late_loses_its_publish_requests_and_keeps_its_subscriptions(site):
    async with site.client("olga") as client:
        raw = Asking(client)
        number = (await raw.subscribe(SLOWEST)).SubscriptionId
        session = _session(site, number)
        waiting = asyncio.create_task(raw.publish())
        await _until(lambda: len(session.publishing) == 1)
        session.session_timeout = 0.0
        await session._timeout_loop()
        with pytest.raises(ua.uaerrors.BadSessionClosed):
            await waiting
        assert not session.is_activated()
        assert number in service(site).subscriptions
        service(site).delete(service(site).subscriptions[number])


# ---------------------------------------------------------------------- limits, and what is left


async def test_there_are_as_many_subscriptions_as_the_server_allows(start_site):
    site = await start_site(limits=Limits(max_subscriptions=3, max_subscriptions_per_session=2))
    async with site.client() as first, site.client() as second:
        for client, expected in ((first, 2), (second, 1)):
            for _ in range(expected):
                await Asking(client).subscribe()
            with pytest.raises(ua.uaerrors.BadTooManySubscriptions):
                await Asking(client).subscribe()


async def test_nothing_is_left_of_subscriptions_that_are_deleted(site, client):
    station = site.station()
    watch, monitoring = site.server._aspace.watch, service(site).monitoring
    before = len(watch), len(service(site).subscriptions), monitoring.count, monitoring._queued
    for _ in range(5):
        made = await client.create_subscription(20, Changes())
        keys = (STATE, f"{STATE}.ValueAsText", "Info.Id", "Connector1.MeterValues.Power.Active.Import.L1")
        await made.subscribe_data_change([point(client, f"{station.path}.{key}") for key in keys], queuesize=10)
        await made.delete()
    assert (len(watch), len(service(site).subscriptions), monitoring.count, monitoring._queued) == before
    assert station.connectors["Connector1"] not in watch._groups


async def test_nothing_is_left_of_thousands_of_items(site, raw):
    """L03"""
    path = f"{site.station().path}.{STATE}"
    watch, monitoring = site.server._aspace.watch, service(site).monitoring
    before = len(watch), monitoring.count
    number = (await raw.subscribe()).SubscriptionId
    results = await raw.monitor(number, *(item(path, handle) for handle in range(4_000)))
    assert {result.StatusCode.name for result in results} == {"Good"}
    assert len({result.MonitoredItemId for result in results}) == 4_000
    assert sorted(handle for handle, _ in await raw.changes()) == list(range(4_000))
    gone = [result.MonitoredItemId for result in results[:2_000]]
    response = await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=gone)
    assert set(codes(response)) == {"Good"}
    assert monitoring.count == before[1] + 2_000
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])
    await _until(lambda: (len(watch), monitoring.count) == before)


@pytest.mark.parametrize("sampling", [0.0, -1.0, 3_600_000.0])
async def test_items_that_are_deleted_unread_do_not_pile_up(site, raw, sampling):
    """L03"""
    station = site.station()
    number = (await raw.subscribe(SLOWEST, PublishingEnabled=False)).SubscriptionId
    await raw.follow(number, f"{station.path}.Info.Id")
    for state in range(4):
        made = await raw.follow(number, *[f"{station.path}.{STATE}"] * 400, sampling=sampling)
        set_state(site, station, state)
        await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=made)
    subscription = service(site).subscriptions[number]
    samplings = subscription._publishing, *subscription._samplings.values()
    for kept in (subscription._waiting, *(each.dirty for each in samplings)):
        assert len(kept) <= LEFT_BEHIND + 400
    assert subscription.available()
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])


async def test_nothing_waits_for_an_hour_to_sample_what_is_deleted(site, raw):
    """L03"""
    station = site.station()
    number = (await raw.subscribe()).SubscriptionId
    await raw.follow(number, f"{station.path}.{STATE}", sampling=3_600_000)
    left = weakref.ref(service(site).subscriptions[number])
    set_state(site, station, 3)
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])
    await _until(lambda: gc.collect() >= 0 and left() is None)


async def test_many_subscriptions_that_end_at_once_let_their_items_go_in_turns(site, raw):
    path = f"{site.station().path}.{STATE}"
    monitoring = service(site).monitoring
    before = monitoring.count
    ended = []
    for _ in range(3):
        number = (await raw.subscribe()).SubscriptionId
        await raw.follow(number, *[path] * 100)
        ended.append(service(site).subscriptions[number])
    for subscription in ended:
        service(site).delete(subscription)
    assert monitoring.count == before  # others may have as many at once
    assert [len(subscription.items) for subscription in ended] == [100, 100, 100]
    await _until(lambda: not any(subscription.items for subscription in ended))
    assert monitoring.count == before


async def test_the_servers_service_level_is_the_bridges(site, client):
    slot = site.tree.bridge.slot("ServiceLevel")
    changes = Changes()
    made = await client.create_subscription(20, changes)
    level = client.get_node(ua.NodeId(ua.ObjectIds.Server_ServiceLevel))
    await made.subscribe_data_change(level, queuesize=10, sampling_interval=0)
    await changes.wait(1)
    for number in (100, 255):
        site.tree.apply(site.tree.bridge, [Update(slot, number)], NOW)
    values = [value.Value for value in await changes.wait(3)]
    assert values == [ua.Variant(number, ua.VariantType.Byte) for number in (255, 100, 255)]
    await made.delete()


def _session(site, number: int):
    return service(site).subscriptions[number].owner


async def _until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.005)
