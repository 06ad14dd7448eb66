"""Subscriptions hear of every change, in order, with its quality."""

import asyncio

import pytest
from asyncua import ua

from bridge.points.tree import Update
from tests.unit.opcua.helpers import NOW, Changes, point

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATE = "Connector1.Status.State"


async def subscribe(client, *paths: str, queue: int = 1):
    """Items that want every change."""
    changes = Changes()
    subscription = await client.create_subscription(20, changes)
    nodes = [point(client, path) for path in paths]
    await subscription.subscribe_data_change(nodes, queuesize=queue, sampling_interval=0)
    await changes.wait(len(paths))
    changes.values.clear()
    return subscription, changes


async def test_the_first_notification_is_the_present_value(site, client):
    station = site.station()
    site.set(station.connectors["Connector1"], "Status.State", 3)
    changes = Changes()
    subscription = await client.create_subscription(20, changes)
    await subscription.subscribe_data_change(point(client, f"{station.path}.{STATE}"))
    assert [value.Value.Value for value in await changes.wait(1)] == [3]
    await subscription.delete()


async def test_changes_come_in_their_order(site, client):
    station = site.station()
    subscription, changes = await subscribe(client, f"{station.path}.{STATE}", queue=10)
    numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    for number in numbers:
        site.set(station.connectors["Connector1"], "Status.State", number)
    assert [value.Value.Value for value in await changes.wait(len(numbers))] == numbers
    await subscription.delete()


async def test_a_station_that_goes_makes_its_points_uncertain(site, client):
    """U29"""
    station = site.station()
    site.set(station.connectors["Connector1"], "Status.State", 3)
    subscription, changes = await subscribe(client, f"{station.path}.{STATE}")
    site.tree.set_online(station, None)
    values = await changes.wait(1)
    assert [(value.StatusCode.name, value.Value.Value) for value in values] == [("UncertainLastUsableValue", 3)]
    await subscription.delete()


async def test_an_enumeration_can_be_followed_as_text(site, client):
    station = site.station()
    path = f"{station.path}.{STATE}"
    subscription, changes = await subscribe(client, f"{path}.ValueAsText", f"{path}Text")
    site.set(station.connectors["Connector1"], "Status.State", 3)
    await changes.wait(2)
    shown = {path: value.Value.Value for path, value in changes.values}
    assert shown == {f"{path}.ValueAsText": ua.LocalizedText("Charging"), f"{path}Text": "Charging"}
    await subscription.delete()


async def test_a_phase_can_be_followed_before_it_was_ever_reported(site, client):
    station = site.station()
    group = station.connectors["Connector1"]
    key = "MeterValues.Current.Import.L1"
    subscription, changes = await subscribe(client, f"{group.path}.{key}")
    site.tree.apply(group, [Update(group.slot(key), 16.0)], NOW)
    assert [value.Value.Value for value in await changes.wait(1)] == [16.0]
    await subscription.delete()


async def test_two_subscriptions_hear_the_same(site, client):
    station = site.station()
    async with site.client() as other:
        followed = [await subscribe(each, f"{station.path}.{STATE}") for each in (client, other)]
        site.set(station.connectors["Connector1"], "Status.State", 5)
        for subscription, changes in followed:
            assert [value.Value.Value for value in await changes.wait(1)] == [5]
            await subscription.delete()


async def test_other_attributes_can_be_monitored(site, client):
    station = site.station()
    changes = Changes()
    subscription = await client.create_subscription(20, changes)
    await subscription.subscribe_data_change(point(client, station.path), attr=ua.AttributeIds.DisplayName)
    assert [value.Value.Value.Text for value in await changes.wait(1)] == [station.path]
    await subscription.delete()


@pytest.mark.parametrize(
    ("key", "attribute", "code"),
    [
        ("Info.Nothing", ua.AttributeIds.Value, "BadNodeIdUnknown"),
        ("Info", ua.AttributeIds.Value, "BadAttributeIdInvalid"),
    ],
)
async def test_what_is_not_there_cannot_be_monitored(site, client, key, attribute, code):
    station = site.station()
    subscription = await client.create_subscription(20, Changes())
    with pytest.raises(ua.UaStatusCodeError) as caught:
        await subscription.subscribe_data_change(point(client, f"{station.path}.{key}"), attr=attribute)
    assert type(caught.value).__name__ == code
    await subscription.delete()


async def test_nothing_is_left_of_a_subscription_that_was_deleted(site, client):
    watch = site.server._aspace.watch
    before = len(watch)
    station = site.station()
    subscription, _ = await subscribe(client, f"{station.path}.{STATE}", f"{station.path}.Info.Vendor")
    assert len(watch) == before + 2
    await subscription.delete()
    assert len(watch) == before


async def test_an_item_that_was_deleted_hears_nothing_more(site, client):
    station = site.station()
    changes = Changes()
    subscription = await client.create_subscription(20, changes)
    nodes = [point(client, f"{station.path}.{key}") for key in (STATE, "Info.Vendor")]
    handles = await subscription.subscribe_data_change(nodes)
    await changes.wait(2)
    changes.values.clear()
    await subscription.unsubscribe(handles[0])
    site.set(station.connectors["Connector1"], "Status.State", 3)
    site.set(station, "Info.Vendor", "V")
    assert [value.Value.Value for value in await changes.wait(1)] == ["V"]
    await subscription.delete()


async def test_the_servers_clock_can_be_followed(client):
    changes = Changes()
    subscription = await client.create_subscription(20, changes)
    await subscription.subscribe_data_change(client.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)))
    await changes.wait(2)
    await subscription.delete()
    await asyncio.sleep(0)
