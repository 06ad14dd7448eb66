"""Monitored items as their clients see them (OPC 10000-4 §5.13): filters, queues, modes, triggers, stations that go."""

import asyncio
import math

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua import requests
from bridge.opcua.settings import Limits
from bridge.opcua.subscriptions import item_handlers
from bridge.opcua.subscriptions.monitoring import MOST_PARTS
from bridge.points.tree import Quality, Update
from tests.unit.opcua.asking import Asking, codes, item, notified, settings, values
from tests.unit.opcua.helpers import MODEL, NOW

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENERGY_KEY = "MeterValues.Energy.Active.Import.Register"
ENERGY = f"Connector1.{ENERGY_KEY}"
STATE = "Connector1.Status.State"
LIMIT = "Config.HeartbeatInterval"
ABSOLUTE, PERCENT = ua.DeadbandType.Absolute, ua.DeadbandType.Percent
Mode = ua.MonitoringMode
Trigger = ua.DataChangeTrigger


@pytest_asyncio.fixture(loop_scope="session")
async def raw(client):
    return Asking(client)


@pytest_asyncio.fixture(loop_scope="session")
async def number(raw):
    """A subscription without items."""
    made = (await raw.subscribe()).SubscriptionId
    yield made
    await raw.ask("DeleteSubscriptions", SubscriptionIds=[made])


def data_filter(trigger=Trigger.StatusValue, kind=ua.DeadbandType.None_, deadband: float = 0.0) -> ua.DataChangeFilter:
    wanted = ua.DataChangeFilter()
    wanted.Trigger, wanted.DeadbandType, wanted.DeadbandValue = trigger, kind, deadband
    return wanted


def set_energy(site, station, *numbers: float, **more: object) -> None:
    for value in numbers:
        site.set(station.connectors["Connector1"], ENERGY_KEY, value, **more)


async def ticks(site, number: int, count: int = 2) -> None:
    """As many publishing intervals."""
    subscription = site.server._server.iserver.subscription_service.subscriptions[number]
    async with asyncio.timeout(10):
        for _ in range(count):
            due = subscription.due
            while subscription.due == due:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.005)


# ---------------------------------------------------------------------- what is reported


async def test_every_change_is_in_its_order(site, raw, number):
    station = site.station()
    await raw.follow(number, f"{station.path}.{ENERGY}", queue=100)
    set_energy(site, station, 1.0, 2.0, 1.0, 1.0)
    assert await raw.changes() == [(1, None), (1, 1.0), (1, 2.0), (1, 1.0)]


async def test_what_comes_back_between_two_samples_did_not_change(site, raw, number):
    station = site.station()
    set_energy(site, station, 1.0)
    paths = f"{station.path}.{ENERGY}", f"{station.path}.Info.Vendor"
    await raw.follow(number, *paths, queue=100, sampling=-1)
    assert await raw.changes() == [(1, 1.0), (2, None)]
    set_energy(site, station, 2.0, 1.0)
    site.set(station, "Info.Vendor", "V")
    assert await raw.changes() == [(2, "V")]


async def test_nan_does_not_change(site, raw, number):
    station = site.station()
    set_energy(site, station, math.nan)
    await raw.follow(number, f"{station.path}.{ENERGY}", queue=100)
    set_energy(site, station, math.nan, math.nan, 2.0)
    (_, first), (_, second) = await raw.changes()
    assert (math.isnan(first), second) == (True, 2.0)


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (Trigger.Status, [100.0, 200.0]),
        (Trigger.StatusValue, [100.0, 200.0, 200.0]),
        (Trigger.StatusValueTimestamp, [100.0, 100.0, 200.0, 200.0]),
    ],
)
async def test_the_trigger_says_what_has_to_change(site, raw, number, trigger, expected):
    station = site.station()
    set_energy(site, station, 100.0, time=NOW - 10)
    await raw.follow(number, f"{station.path}.{ENERGY}", queue=100, wanted=data_filter(trigger))
    set_energy(site, station, 100.0, time=NOW - 9)
    set_energy(site, station, 200.0, time=NOW - 9)
    set_energy(site, station, 200.0, time=NOW - 9, quality=Quality.SUBNORMAL)
    result = await raw.publish()
    assert [value for _, value in values(result)] == expected


async def test_slow_drift_leaves_a_deadband_in_the_end(site, raw, number):
    station = site.station()
    set_energy(site, station, 100.0)
    wanted = data_filter(kind=ABSOLUTE, deadband=10.0)
    await raw.follow(number, f"{station.path}.{ENERGY}", queue=100, wanted=wanted)
    set_energy(site, station, *(float(value) for value in range(105, 160, 5)))
    assert [value for _, value in await raw.changes()] == [100, 115, 130, 145]


async def test_a_percent_deadband_is_one_of_the_range(site, raw, number):
    station = site.station()
    low, high = MODEL.station.layout.rows[MODEL.station.layout.index[LIMIT]].range
    step = (high - low) // 10
    wanted = data_filter(kind=PERCENT, deadband=10.0)
    await raw.follow(number, f"{station.path}.{LIMIT}", queue=100, wanted=wanted)
    site.set(station, LIMIT, int(low))
    site.set(station, LIMIT, int(low + step))
    site.set(station, LIMIT, int(low + 3 * step))
    assert [value for _, value in await raw.changes()][-2:] == [low, low + 3 * step]


async def test_a_deadband_does_not_hide_that_a_station_has_gone(site, raw, number):
    """U29"""
    station = site.station()
    set_energy(site, station, 100.0)
    await raw.follow(number, f"{station.path}.{ENERGY}", queue=10, wanted=data_filter(kind=ABSOLUTE, deadband=10.0))
    site.tree.set_online(station, None)
    told = [(each.Value.StatusCode.name, each.Value.Value.Value) for each in notified(await raw.publish())]
    assert told == [("Good", 100.0), ("UncertainLastUsableValue", 100.0)]


FILTERS = [
    ("Info.Vendor", data_filter(kind=ABSOLUTE, deadband=1.0), "BadFilterNotAllowed"),
    ("State.Connected", data_filter(kind=ABSOLUTE, deadband=1.0), "BadFilterNotAllowed"),
    (f"{STATE}.ValueAsText", data_filter(kind=ABSOLUTE, deadband=1.0), "BadFilterNotAllowed"),
    (ENERGY, data_filter(kind=PERCENT, deadband=1.0), "BadMonitoredItemFilterUnsupported"),
    (LIMIT, data_filter(kind=PERCENT, deadband=101.0), "BadDeadbandFilterInvalid"),
    (LIMIT, data_filter(kind=PERCENT, deadband=1.0), "Good"),
    (ENERGY, data_filter(kind=ABSOLUTE, deadband=-1.0), "BadDeadbandFilterInvalid"),
    (ENERGY, data_filter(kind=ABSOLUTE, deadband=math.nan), "BadDeadbandFilterInvalid"),
    (ENERGY, data_filter(kind=7), "BadMonitoredItemFilterUnsupported"),
    (ENERGY, data_filter(trigger=7), "BadMonitoredItemFilterInvalid"),
    (ENERGY, ua.EventFilter(), "BadFilterNotAllowed"),
    (ENERGY, ua.AggregateFilter(), "BadMonitoredItemFilterUnsupported"),
    (ENERGY, data_filter(kind=ABSOLUTE, deadband=1.0), "Good"),
    (STATE, data_filter(kind=ABSOLUTE, deadband=1.0), "Good"),
    ("Info.Vendor", data_filter(), "Good"),
]


@pytest.mark.parametrize(("key", "wanted", "expected"), FILTERS)
async def test_a_filter_that_a_point_cannot_have_is_refused(site, raw, number, key, wanted, expected):
    path = f"{site.station().path}.{key}"
    (result,) = await raw.monitor(number, item(path, wanted=wanted))
    assert result.StatusCode.name == expected
    (plain,) = await raw.follow(number, path)
    assert await modified(raw, number, plain, settings(wanted=wanted)) == expected


async def modified(raw, number: int, monitored: int, parameters: ua.MonitoringParameters) -> str:
    request = ua.MonitoredItemModifyRequest(monitored, parameters)
    response = await raw.ask("ModifyMonitoredItems", SubscriptionId=number, ItemsToModify=[request])
    return response.Results[0].StatusCode.name


# ---------------------------------------------------------------------- sampling and queues


@pytest.mark.parametrize(
    ("asked", "given"),
    [(0, 0.0), (-1, 20.0), (math.nan, 20.0), (20, 20.0), (1, 10.0), (250, 250.0), (1234, 1200.0), (1e12, 3_600_000.0)],
)
async def test_the_sampling_interval_is_revised(site, raw, number, asked, given):
    (result,) = await raw.monitor(number, item(f"{site.station().path}.{STATE}", sampling=asked))
    assert result.RevisedSamplingInterval == given


async def test_an_item_may_be_sampled_less_often_than_it_is_published(site, raw, number):
    station = site.station()
    paths = [f"{station.path}.{key}" for key in (ENERGY, "Info.Vendor")]
    results = await raw.monitor(number, item(paths[0], 1, sampling=300, queue=100), item(paths[1], 2))
    assert [result.RevisedSamplingInterval for result in results] == [300.0, 0.0]
    assert await raw.changes() == [(1, None), (2, None)]
    for value in range(3):
        set_energy(site, station, float(value))
        site.set(station, "Info.Vendor", str(value))
        assert await raw.changes() == [(2, str(value))]
    assert await raw.changes() == [(1, 2.0)]


@pytest.mark.parametrize(
    ("discard_oldest", "expected"),
    [
        (True, [(3.0, True), (4.0, False), (5.0, False)]),
        (False, [(1.0, False), (2.0, False), (5.0, True)]),
    ],
)
async def test_a_queue_that_overflows_says_where(site, raw, number, discard_oldest, expected):
    station = site.station()
    set_energy(site, station, 1.0)
    await raw.follow(number, f"{station.path}.{ENERGY}", queue=3, discard_oldest=discard_oldest)
    set_energy(site, station, 2.0, 3.0, 4.0, 5.0)
    told = [(each.Value.Value.Value, each.Value.StatusCode.value == 0x480) for each in notified(await raw.publish())]
    assert told == expected


async def test_a_queue_of_one_has_the_newest_and_no_overflow(site, raw, number):
    station = site.station()
    await raw.follow(number, f"{station.path}.{ENERGY}", queue=0, discard_oldest=False)
    set_energy(site, station, 2.0, 3.0)
    (told,) = notified(await raw.publish())
    assert (told.Value.Value.Value, told.Value.StatusCode.value) == (3.0, 0)


async def test_queues_are_bounded_each_and_together(start_site):
    site = await start_site(limits=Limits(max_queue_size=100, max_queued_notifications=120))
    async with site.client() as client:
        raw = Asking(client)
        number = (await raw.subscribe()).SubscriptionId
        path = f"{site.station().path}.{STATE}"
        results = await raw.monitor(number, *(item(path, handle, queue=2**32 - 1) for handle in range(3)))
        assert [result.RevisedQueueSize for result in results] == [100, 22, 1]
        await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=[results[0].MonitoredItemId])
        (result,) = await raw.monitor(number, item(path, queue=50))
        assert result.RevisedQueueSize == 50


async def test_there_are_as_many_items_as_the_server_allows(start_site):
    site = await start_site(limits=Limits(max_monitored_items=3, max_monitored_items_per_subscription=2))
    async with site.client() as client:
        raw = Asking(client)
        path = f"{site.station().path}.{STATE}"
        for expected in (["Good", "Good", "BadTooManyMonitoredItems"], ["Good", *["BadTooManyMonitoredItems"] * 2]):
            number = (await raw.subscribe()).SubscriptionId
            results = await raw.monitor(number, *(item(path) for _ in range(3)))
            assert [result.StatusCode.name for result in results] == expected


# ---------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("times", "source", "server"),
    [
        (ua.TimestampsToReturn.Source, True, False),
        (ua.TimestampsToReturn.Server, False, True),
        (ua.TimestampsToReturn.Both, True, True),
        (ua.TimestampsToReturn.Neither, False, False),
    ],
)
async def test_the_timestamps_are_those_that_were_asked_for(site, raw, number, times, source, server):
    station = site.station()
    set_energy(site, station, 1.0, time=NOW - 5)
    for node in (f"{station.path}.{ENERGY}", ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)):
        await raw.ask(
            "CreateMonitoredItems", SubscriptionId=number, TimestampsToReturn=times, ItemsToCreate=[item(node)]
        )
        (told,) = notified(await raw.publish())[:1]
        if isinstance(node, str):
            assert (told.Value.SourceTimestamp is not None, told.Value.ServerTimestamp is not None) == (source, server)
        assert told.Value.Value.Value is not None


async def test_other_timestamps_cannot_be_asked_for(raw, number):
    with pytest.raises(ua.uaerrors.BadTimestampsToReturnInvalid):
        await raw.ask("CreateMonitoredItems", SubscriptionId=number, TimestampsToReturn=9, ItemsToCreate=[item("x")])


async def test_an_item_can_be_modified(site, raw, number):
    station = site.station()
    set_energy(site, station, 1.0)
    (monitored,) = await raw.follow(number, f"{station.path}.{ENERGY}")
    assert await raw.changes() == [(1, 1.0)]
    wanted = settings(handle=42, wanted=data_filter(kind=ABSOLUTE, deadband=10.0), queue=5, sampling=-1)
    assert await modified(raw, number, monitored, wanted) == "Good"
    set_energy(site, station, 5.0)
    await ticks(site, number)
    set_energy(site, station, 20.0)
    assert await raw.changes() == [(42, 20.0)]
    assert await modified(raw, number, 999_999, settings()) == "BadMonitoredItemIdInvalid"


async def test_items_are_deleted_one_by_one(site, raw, number):
    station = site.station()
    path = f"{station.path}.{ENERGY}"
    made = await raw.follow(number, path, path, path)
    response = await raw.ask(
        "DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=[made[0], made[2], made[0], 999_999]
    )
    assert codes(response) == ["Good", "Good", "BadMonitoredItemIdInvalid", "BadMonitoredItemIdInvalid"]
    assert await raw.changes() == [(2, None)]


async def test_a_request_that_cannot_be_read_creates_nothing(site, raw, number):
    monitoring = site.server._server.iserver.subscription_service.monitoring
    before = monitoring.count
    bad = item("x")
    bad.RequestedParameters.Filter = ua.ExtensionObject(
        ua.NodeId(ua.ObjectIds.DataChangeFilter_Encoding_DefaultBinary), b"\0"
    )
    with pytest.raises(ua.uaerrors.BadDecodingError):
        await raw.monitor(number, item(f"{site.station().path}.{STATE}"), bad)
    assert monitoring.count == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"node": "Nothing.Info.Id"}, "BadNodeIdUnknown"),
        ({"node": ua.NodeId(4711, 0)}, "BadNodeIdUnknown"),
        ({"attribute": 77}, "BadAttributeIdInvalid"),
        ({"attribute": ua.AttributeIds.Executable}, "BadAttributeIdInvalid"),
        ({"mode": 3}, "BadMonitoringModeInvalid"),
        ({"encoding": "Default XML"}, "BadDataEncodingInvalid"),
        ({"range": "0:1"}, "BadIndexRangeNoData"),
        ({"range": "x"}, "BadIndexRangeInvalid"),
    ],
)
async def test_what_cannot_be_monitored_is_refused_by_itself(site, raw, number, change, expected):
    path = f"{site.station().path}.{ENERGY}"
    wrong = item(change.pop("node", path), **{k: v for k, v in change.items() if k in ("attribute", "mode")})
    wrong.ItemToMonitor.IndexRange = change.get("range")
    if "encoding" in change:
        wrong.ItemToMonitor.DataEncoding = ua.QualifiedName(change["encoding"], 0)
    results = await raw.monitor(number, wrong, item(path, 2))
    assert [result.StatusCode.name for result in results] == [expected, "Good"]
    assert await raw.changes() == [(2, None)]


async def test_a_part_of_an_array_can_be_monitored(raw, number):
    part = item(ua.NodeId(ua.ObjectIds.Server_NamespaceArray))
    part.ItemToMonitor.IndexRange = "0"
    await raw.monitor(number, part)
    assert await raw.changes() == [(1, ["http://opcfoundation.org/UA/"])]


async def test_a_part_of_a_text_can_be_monitored(site, raw, number):
    station = site.station()
    before = len(site.server._aspace.watch)
    path = f"{station.path}.Info.Vendor"
    parts = [item(path, 1, queue=10), item(path, 2, queue=10), item(f"{path}", 3, queue=10)]
    for one, index_range in zip(parts, (None, "0:1", "3"), strict=True):
        one.ItemToMonitor.IndexRange = index_range
    made = await raw.monitor(number, *parts)
    assert [result.StatusCode.name for result in made] == ["Good"] * 3
    assert await raw.changes() == [(1, None), (2, None), (3, None)]
    for vendor in ("ACME", "AC", "ACME"):
        site.set(station, "Info.Vendor", vendor)
    told = [
        (each.ClientHandle, each.Value.Value and each.Value.Value.Value, each.Value.StatusCode.name)
        for each in notified(await raw.publish())
    ]
    no_data = (3, None, "BadIndexRangeNoData")
    assert [each for each in told if each[0] == 1] == [(1, text, "Good") for text in ("ACME", "AC", "ACME")]
    assert [each for each in told if each[0] == 2] == [(2, "AC", "Good")]
    assert [each for each in told if each[0] == 3] == [(3, "E", "Good"), no_data, (3, "E", "Good")]
    await raw.ask(
        "DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=[each.MonitoredItemId for each in made]
    )
    assert len(site.server._aspace.watch) == before


async def test_items_on_parts_of_texts_are_bounded(site, raw, number):
    monitoring = site.server._server.iserver.subscription_service.monitoring
    parts = [item(f"{site.station().path}.Info.Vendor", handle) for handle in range(MOST_PARTS + 1)]
    for part in parts:
        part.ItemToMonitor.IndexRange = "0:9"
    made = await raw.monitor(number, *parts)
    assert [result.StatusCode.name for result in made] == ["Good"] * MOST_PARTS + ["BadTooManyMonitoredItems"]
    ids = [result.MonitoredItemId for result in made[:-1]]
    await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=ids)
    assert monitoring._parts == 0


async def test_long_texts_in_a_queue_are_bounded_by_their_bytes(start_site):
    site = await start_site(limits=Limits(max_queued_bytes=4_000_000))
    async with site.client() as client:
        raw = Asking(client)
        number = (await raw.subscribe(PublishingEnabled=False)).SubscriptionId
        station = site.station()
        (made,) = await raw.monitor(number, item(f"{station.path}.Info.Vendor", queue=1_000))
        assert made.RevisedQueueSize == 1_000
        service = site.server._server.iserver.subscription_service
        for count in range(200):
            site.set(station, "Info.Vendor", f"{count:03}" * 20_000)
            assert service.room.used <= 1_000_000
        await raw.ask("SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[number])
        told = notified(await raw.publish())
        assert [each.Value.Value.Value[:3] for each in told] == [f"{count:03}" for count in range(184, 200)]
        assert [bool(each.Value.StatusCode.value & 0x480) for each in told] == [True] + [False] * 15
        await raw.ask("DeleteSubscriptions", SubscriptionIds=[number])
        assert service.room.used == 0


# ---------------------------------------------------------------------- modes and triggers


async def test_an_item_that_is_disabled_forgets_and_begins_anew(site, raw, number):
    station = site.station()
    (monitored,) = await raw.follow(number, f"{station.path}.{ENERGY}", queue=10, mode=Mode.Disabled)
    set_energy(site, station, 1.0, 2.0)
    response = await set_mode(raw, number, Mode.Reporting, monitored, 999_999)
    assert codes(response) == ["Good", "BadMonitoredItemIdInvalid"]
    assert await raw.changes() == [(1, 2.0)]
    await set_mode(raw, number, Mode.Disabled, monitored)
    await set_mode(raw, number, Mode.Reporting, monitored)
    assert await raw.changes() == [(1, 2.0)]


async def test_an_item_that_samples_only_keeps_its_queue_until_it_reports(site, raw, number):
    station = site.station()
    (monitored,) = await raw.follow(number, f"{station.path}.{ENERGY}", queue=10, mode=Mode.Sampling)
    (other,) = await raw.follow(number, f"{station.path}.Info.Vendor")
    set_energy(site, station, 1.0, 2.0)
    assert await raw.changes() == [(1, None)]
    await set_mode(raw, number, Mode.Sampling, other)
    await set_mode(raw, number, Mode.Reporting, monitored)
    assert await raw.changes() == [(1, None), (1, 1.0), (1, 2.0)]


async def set_mode(raw, number: int, mode: ua.MonitoringMode, *items: int):
    return await raw.ask("SetMonitoringMode", SubscriptionId=number, MonitoringMode=mode, MonitoredItemIds=list(items))


async def test_another_mode_does_not_exist(raw, number):
    with pytest.raises(ua.uaerrors.BadMonitoringModeInvalid):
        await set_mode(raw, number, 3, 1)


async def test_a_trigger_reports_what_samples_only(site, raw, number):
    station = site.station()
    keys = ("Info.Vendor", "Info.Model", ENERGY)
    items = [item(f"{station.path}.{key}", handle) for handle, key in enumerate(keys, 1)]
    items[1] = item(f"{station.path}.{keys[1]}", 2, mode=Mode.Sampling)
    items[2] = item(f"{station.path}.{keys[2]}", 3, mode=Mode.Sampling, queue=10, sampling=-1)
    made = [result.MonitoredItemId for result in await raw.monitor(number, *items)]
    assert await raw.changes() == [(1, None)]
    response = await raw.ask(
        "SetTriggering", SubscriptionId=number, TriggeringItemId=made[0], LinksToAdd=[made[1], made[2], 999_999]
    )
    assert [code.name for code in response.Parameters.AddResults] == ["Good", "Good", "BadMonitoredItemIdInvalid"]
    set_energy(site, station, 1.0)
    await ticks(site, number)
    site.set(station, "Info.Vendor", "V")
    set_energy(site, station, 2.0)
    assert await raw.changes() == [(1, "V"), (2, None), (3, None), (3, 1.0), (3, 2.0)]
    response = await raw.ask(
        "SetTriggering", SubscriptionId=number, TriggeringItemId=made[0], LinksToRemove=[made[2], made[2]]
    )
    assert [code.name for code in response.Parameters.RemoveResults] == ["Good", "BadMonitoredItemIdInvalid"]
    set_energy(site, station, 3.0)
    site.set(station, "Info.Model", "M")
    site.set(station, "Info.Vendor", "W")
    assert await raw.changes() == [(1, "W"), (2, "M")]


async def test_the_links_of_a_subscription_are_bounded(site, raw, number, monkeypatch):
    monkeypatch.setattr(item_handlers, "MOST_LINKS", 3)
    first, *others = await raw.follow(number, *[f"{site.station().path}.{ENERGY}"] * 5)

    async def link(trigger: int, *added: int, removed: tuple[int, ...] = ()) -> list[str]:
        response = await raw.ask(
            "SetTriggering",
            SubscriptionId=number,
            TriggeringItemId=trigger,
            LinksToAdd=list(added),
            LinksToRemove=list(removed),
        )
        return [code.name for code in response.Parameters.AddResults]

    assert await link(first, *others) == ["Good", "Good", "Good", "BadTooManyMonitoredItems"]
    assert await link(others[3], first, removed=(others[2],)) == ["BadTooManyMonitoredItems"]
    assert await link(first, others[3], removed=(others[0],)) == ["Good"]
    await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=[first])
    assert await link(others[0], *others[1:]) == ["Good"] * 3


async def test_a_request_for_many_items_keeps_nobody_waiting(site, raw, number, monkeypatch):
    made = await raw.follow(number, *[f"{site.station().path}.{ENERGY}"] * 2_000)
    monkeypatch.setattr(requests, "SLICE", -1.0)
    answered = []

    async def ask(service: str, **parameters: object) -> None:
        await raw.ask(service, SubscriptionId=number, MonitoredItemIds=made, **parameters)
        answered.append(service)

    async def look() -> None:
        await raw.client.get_node(ua.NodeId("Bridge.StationsKnown", 2)).read_value()
        answered.append("Read")

    await asyncio.gather(ask("SetMonitoringMode", MonitoringMode=Mode.Sampling), look())
    assert answered == ["Read", "SetMonitoringMode"]


async def test_a_trigger_that_is_not_there_or_has_nothing_to_do_is_a_fault(raw, number):
    with pytest.raises(ua.uaerrors.BadMonitoredItemIdInvalid):
        await raw.ask("SetTriggering", SubscriptionId=number, TriggeringItemId=999_999, LinksToAdd=[1])
    with pytest.raises(ua.uaerrors.BadNothingToDo):
        await raw.ask("SetTriggering", SubscriptionId=number, TriggeringItemId=999_999)


# ---------------------------------------------------------------------- stations that come and go


async def test_a_station_that_is_removed_takes_its_nodes_along_and_its_items_live_again_with_it(site, raw, number):
    station = site.station()
    name = station.path
    set_energy(site, station, 1.0)
    await raw.monitor(
        number,
        item(f"{name}.{ENERGY}", 1),
        item(f"{name}.{STATE}.ValueAsText", 2),
        item(f"{name}.{STATE}", 3, attribute=ua.AttributeIds.DisplayName),
    )
    assert [handle for handle, _ in await raw.changes()] == [1, 2, 3]
    site.tree.remove_station(station)
    told = notified(await raw.publish())
    assert sorted(each.ClientHandle for each in told) == [1, 2, 3]
    assert {each.Value.StatusCode.name for each in told} == {"BadNodeIdUnknown"}
    (refused,) = await raw.monitor(number, item(f"{name}.{ENERGY}"))
    assert refused.StatusCode.name == "BadNodeIdUnknown"
    back = site.tree.add_station(name, name, MODEL.station.layout)
    site.tree.add_connector(back, "Connector1", MODEL.connector.layout)
    told = notified(await raw.publish())
    assert {each.ClientHandle: each.Value.StatusCode.name for each in told} == {
        1: "BadWaitingForInitialData",
        2: "BadWaitingForInitialData",
        3: "Good",
    }
    site.tree.apply(back.connectors["Connector1"], [Update(back.connectors["Connector1"].slot(ENERGY_KEY), 7.0)], NOW)
    assert await raw.changes() == [(1, 7.0)]


async def test_a_node_version_is_told_when_it_changes(site, raw, number):
    station = site.station()
    paths = ("Stations", "Stations/North", "Stations/North/Dock", station.path)
    made = await raw.monitor(number, *(item(f"{path}.NodeVersion", 9) for path in paths[:2]))
    assert [result.StatusCode.name for result in made] == ["Good", "BadNodeIdUnknown"]
    ((_, version),) = await raw.changes()
    first = site.station("North/Dock")
    assert await raw.changes() == [(9, str(int(version) + 1))]
    await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=[made[0].MonitoredItemId])
    await raw.follow(number, *[f"{path}.NodeVersion" for path in paths[1:]])
    await raw.monitor(number, item("Stations/North/Dock", 5, attribute=ua.AttributeIds.DisplayName))
    versions = dict(await raw.changes())
    site.tree.add_connector(station, "Connector2", MODEL.connector.layout)
    assert await raw.changes() == [(3, str(int(versions[3]) + 1))]
    second = site.station("North/Dock")
    assert await raw.changes() == [(2, str(int(versions[2]) + 1))]
    site.tree.remove_station(first)
    assert await raw.changes() == [(2, str(int(versions[2]) + 2))]
    site.tree.remove_station(second)
    gone = {each.ClientHandle: each.Value.StatusCode.name for each in notified(await raw.publish())}
    assert gone.pop(1) == "BadNodeIdUnknown"
    assert gone == {2: "BadNodeIdUnknown", 5: "BadNodeIdUnknown"}


async def test_items_of_a_station_that_was_removed_can_be_deleted(site, raw, number):
    station = site.station()
    watch = site.server._aspace.watch
    before = len(watch)
    made = await raw.follow(number, f"{station.path}.{ENERGY}", f"{station.path}.Info.Id")
    site.tree.remove_station(station)
    assert len(watch) == before + 2
    await raw.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=made)
    assert len(watch) == before
    assert station.path not in watch._gone
