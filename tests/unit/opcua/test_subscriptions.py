"""Intervals, filters and owners of subscriptions: what stock asyncua gets wrong."""

import math

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua.subscriptions import FASTEST, SLOWEST
from bridge.points.tree import Update
from tests.unit.opcua.helpers import NOW, Changes, point

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENERGY = "Connector1.MeterValues.Energy.Active.Import.Register"
STATE = "Connector1.Status.State"
ABSOLUTE, PERCENT = ua.DeadbandType.Absolute, ua.DeadbandType.Percent


@pytest_asyncio.fixture(loop_scope="session")
async def other(site):
    """Another client than `client`."""
    async with site.client() as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def subscription(client):
    """A subscription of `client`, without items."""
    made = await client.create_subscription(20, Changes())
    yield made
    await made.delete()


def deadband(kind: ua.DeadbandType, value: float) -> ua.DataChangeFilter:
    wanted = ua.DataChangeFilter()
    wanted.Trigger, wanted.DeadbandType, wanted.DeadbandValue = ua.DataChangeTrigger.StatusValue, kind, value
    return wanted


async def create(client, subscription, path: str, wanted) -> ua.MonitoredItemCreateResult:
    item = ua.MonitoredItemCreateRequest(
        ua.ReadValueId(ua.NodeId(path, 2), ua.AttributeIds.Value),
        ua.MonitoringMode.Reporting,
        ua.MonitoringParameters(ClientHandle=1, Filter=wanted, QueueSize=1),
    )
    params = ua.CreateMonitoredItemsParameters(subscription.subscription_id, ItemsToCreate=[item])
    return (await client.uaclient.create_monitored_items(params))[0]


async def modify(client, subscription, number: int, wanted) -> ua.MonitoredItemModifyResult:
    item = ua.MonitoredItemModifyRequest(number, ua.MonitoringParameters(ClientHandle=1, Filter=wanted, QueueSize=1))
    params = ua.ModifyMonitoredItemsParameters(subscription.subscription_id, ItemsToModify=[item])
    return (await client.uaclient.modify_monitored_items(params))[0]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (1e-6, FASTEST),
        (0.0, FASTEST),
        (-5.0, FASTEST),
        (math.nan, FASTEST),
        (math.inf, SLOWEST),
        (250.0, 250.0),
    ],
)
async def test_a_publishing_interval_that_cannot_be_is_revised(site, client, asked, given):
    """U24"""
    station, changes = site.station(), Changes()
    made = await client.create_subscription(
        ua.CreateSubscriptionParameters(asked, RequestedLifetimeCount=1, RequestedMaxKeepAliveCount=10), changes
    )
    result = site.server._server.iserver.subscription_service.subscriptions[made.subscription_id].data
    assert (result.RevisedPublishingInterval, result.RevisedLifetimeCount) == (given, 30)
    if given != SLOWEST:
        await made.subscribe_data_change(point(client, f"{station.path}.{STATE}"))
        await changes.wait(1)
        site.set(station.connectors["Connector1"], "Status.State", 3)
        assert (await changes.wait(2))[1].Value.Value == 3
    await made.delete()


async def test_slow_drift_leaves_a_deadband_in_the_end(site, client):
    station, changes = site.station(), Changes()
    connector = station.connectors["Connector1"]
    site.set(connector, "MeterValues.Energy.Active.Import.Register", 100.0)
    made = await client.create_subscription(20, changes)
    await made.deadband_monitor(point(client, f"{station.path}.{ENERGY}"), 10, queuesize=100)
    await changes.wait(1)
    for value in range(105, 160, 5):
        site.set(connector, "MeterValues.Energy.Active.Import.Register", float(value))
    assert [value.Value.Value for value in await changes.wait(4)] == [100, 115, 130, 145]
    await made.delete()


async def test_a_deadband_does_not_hide_that_a_station_has_gone(site, client):
    """U29"""
    station, changes = site.station(), Changes()
    site.set(station.connectors["Connector1"], "MeterValues.Energy.Active.Import.Register", 100.0)
    made = await client.create_subscription(20, changes)
    await made.deadband_monitor(point(client, f"{station.path}.{ENERGY}"), 10, queuesize=100)
    await changes.wait(1)
    site.tree.set_online(station, None)
    values = await changes.wait(2)
    assert [(value.StatusCode.name, value.Value.Value) for value in values] == [
        ("Good", 100.0),
        ("UncertainLastUsableValue", 100.0),
    ]
    await made.delete()


FILTERS = [
    ("Info.Vendor", deadband(ABSOLUTE, 1.0), "BadFilterNotAllowed"),
    ("State.Connected", deadband(ABSOLUTE, 1.0), "BadFilterNotAllowed"),
    (ENERGY, deadband(PERCENT, 1.0), "BadMonitoredItemFilterUnsupported"),
    (ENERGY, deadband(ABSOLUTE, -1.0), "BadDeadbandFilterInvalid"),
    (ENERGY, deadband(ABSOLUTE, math.nan), "BadDeadbandFilterInvalid"),
    (ENERGY, ua.EventFilter(), "BadFilterNotAllowed"),
    (ENERGY, deadband(ABSOLUTE, 1.0), "Good"),
    (STATE, deadband(ABSOLUTE, 1.0), "Good"),
    ("Info.Vendor", deadband(ua.DeadbandType.None_, 0.0), "Good"),
]


@pytest.mark.parametrize(("key", "wanted", "expected"), FILTERS)
async def test_a_filter_that_a_point_cannot_have_is_refused(site, client, subscription, key, wanted, expected):
    path = f"{site.station().path}.{key}"
    assert (await create(client, subscription, path, wanted)).StatusCode.name == expected
    plain = await create(client, subscription, path, None)
    assert (await modify(client, subscription, plain.MonitoredItemId, wanted)).StatusCode.name == expected


async def test_an_item_that_is_not_there_cannot_be_modified(client, subscription):
    assert (await modify(client, subscription, 999_999, None)).StatusCode.name == "BadMonitoredItemIdInvalid"


async def test_another_session_cannot_touch_a_subscription(site, client, other, subscription):
    """U20"""
    path, number = f"{site.station().path}.{STATE}", subscription.subscription_id
    mine = await create(client, subscription, path, None)
    uaclient = other.uaclient
    assert [code.name for code in await uaclient.delete_subscriptions([number])] == ["BadSubscriptionIdInvalid"]
    mode = ua.SetPublishingModeParameters(PublishingEnabled=False, SubscriptionIds=[number])
    assert [code.name for code in await uaclient.set_publishing_mode(mode)] == ["BadSubscriptionIdInvalid"]
    taken = await uaclient.transfer_subscriptions(ua.TransferSubscriptionsParameters([number]))
    assert [result.StatusCode.name for result in taken] == ["BadUserAccessDenied"]
    for attempt in (
        create(other, subscription, path, None),
        modify(other, subscription, mine.MonitoredItemId, None),
        uaclient.delete_monitored_items(ua.DeleteMonitoredItemsParameters(number, [mine.MonitoredItemId])),
        uaclient.set_monitoring_mode(
            ua.SetMonitoringModeParameters(number, ua.MonitoringMode.Disabled, [mine.MonitoredItemId])
        ),
        uaclient.session.republish(number, 1),
    ):
        with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
            await attempt
    assert (await modify(client, subscription, mine.MonitoredItemId, None)).StatusCode.name == "Good"


async def test_a_user_takes_a_subscription_to_another_session(site):
    station, changes = site.station(), Changes()
    async with site.client("olga") as before, site.client("olga") as after:
        made = await before.create_subscription(20, changes)
        await made.subscribe_data_change(point(before, f"{station.path}.{STATE}"))
        await changes.wait(1)
        heard = Changes()
        own = await after.create_subscription(20, heard)  # makes the client publish
        taken = await after.uaclient.transfer_subscriptions(
            ua.TransferSubscriptionsParameters([made.subscription_id], SendInitialValues=False)
        )
        assert [result.StatusCode.name for result in taken] == ["Good"]
        service = site.server._server.iserver.subscription_service
        after_id = service.subscriptions[own.subscription_id].session_id
        assert service.subscriptions[made.subscription_id].session_id == after_id
        codes = await after.uaclient.delete_subscriptions([made.subscription_id])
        assert [code.name for code in codes] == ["Good"]


async def test_a_message_that_is_gone_is_not_published_again(client, subscription):
    with pytest.raises(ua.uaerrors.BadMessageNotAvailable):
        await client.uaclient.session.republish(subscription.subscription_id, 4711)


async def test_nothing_is_left_of_subscriptions_that_are_deleted(site, client):
    station = site.station()
    server = site.server._server.iserver
    before = len(site.server._aspace.watch), len(server.subscription_service.subscriptions)
    for _ in range(5):
        made = await client.create_subscription(20, Changes())
        keys = (STATE, f"{STATE}.ValueAsText", "Info.Id", "Connector1.MeterValues.Power.Active.Import.L1")
        await made.subscribe_data_change([point(client, f"{station.path}.{key}") for key in keys])
        await made.delete()
    assert (len(site.server._aspace.watch), len(server.subscription_service.subscriptions)) == before
    assert station.connectors["Connector1"] not in site.server._aspace.watch._groups


async def test_the_servers_service_level_is_the_bridges(site, client):
    slot = site.tree.bridge.slot("ServiceLevel")
    changes = Changes()
    made = await client.create_subscription(20, changes)
    await made.subscribe_data_change(client.get_node(ua.NodeId(ua.ObjectIds.Server_ServiceLevel)))
    await changes.wait(1)
    for level in (100, 255):
        site.tree.apply(site.tree.bridge, [Update(slot, level)], NOW)
    values = [value.Value for value in await changes.wait(3)]
    assert values[0] == ua.Variant(255, ua.VariantType.Byte)
    assert values[-1] == ua.Variant(255, ua.VariantType.Byte)
    assert ua.Variant(100, ua.VariantType.Byte) in values
    await made.delete()
