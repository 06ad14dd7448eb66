"""Event items as their clients see them (OPC 10000-4 §7.22.3): what is selected, what passes, what is lost."""

import asyncio

import pytest
import pytest_asyncio
from asyncua import ua

from bridge.opcua.node import SERVER
from bridge.opcua.subscriptions.events import BASE, GENERAL_MODEL_CHANGE
from tests.unit.opcua.asking import Asking, events, item, notified
from tests.unit.opcua.helpers import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")

SYSTEM = ua.NodeId(ua.ObjectIds.SystemEventType)
Operator = ua.FilterOperator


@pytest_asyncio.fixture(loop_scope="session")
async def asking(client):
    return Asking(client)


@pytest_asyncio.fixture(loop_scope="session")
async def number(asking):
    """A subscription without items."""
    made = (await asking.subscribe()).SubscriptionId
    yield made
    await asking.ask("DeleteSubscriptions", SubscriptionIds=[made])


def field(name: str, type_: ua.NodeId = BASE) -> ua.SimpleAttributeOperand:
    path = [ua.QualifiedName(part, 0) for part in name.split("/")]
    return ua.SimpleAttributeOperand(type_, path, ua.AttributeIds.Value)


def literal(value: object, type_: ua.VariantType | None = None) -> ua.LiteralOperand:
    return ua.LiteralOperand(ua.Variant(value, type_))


def condition(operator: ua.FilterOperator, *operands: object) -> ua.ContentFilterElement:
    return ua.ContentFilterElement(operator, list(operands))


def event_filter(*select: ua.SimpleAttributeOperand, where: tuple = ()) -> ua.EventFilter:
    return ua.EventFilter(list(select), ua.ContentFilter(list(where)))


def event_item(wanted: object, node: str | ua.NodeId = SERVER, **more: object) -> ua.MonitoredItemCreateRequest:
    return item(node, attribute=ua.AttributeIds.EventNotifier, wanted=wanted, **more)


def emitter(site):
    return site.server._server.iserver.subscription_service.monitoring.events


def emit(site, *messages: str, type_: ua.NodeId = BASE, severity: int = 100) -> None:
    for message in messages:
        emitter(site).emit(emitter(site).make(type_, SERVER, "Server", message, severity=severity))


async def test_an_event_brings_the_fields_that_were_asked_for(site, asking, number):
    names = "EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity"
    (made,) = await asking.monitor(number, event_item(event_filter(*map(field, names))))
    assert made.StatusCode.name == "Good"
    emit(site, "It happened", severity=700)
    ((event_id, type_, source, name, time, received, message, severity),) = events(await asking.publish())
    assert (type_, source, name, message.Text, severity) == (BASE, SERVER, "Server", "It happened", 700)
    assert len(event_id) == 16
    assert time == received


async def test_a_field_of_another_type_is_null(site, asking, number):
    wanted = event_filter(field("Changes", GENERAL_MODEL_CHANGE), field("Message"))
    await asking.monitor(number, event_item(wanted))
    emit(site, "Nothing has changed")
    ((changes, message),) = events(await asking.publish())
    assert (changes, message.Text) == (None, "Nothing has changed")


async def test_data_and_events_come_in_one_message(site, asking, number):
    await asking.monitor(number, event_item(event_filter(field("Message"))), item(f"{site.station().path}.Info.Id"))
    emit(site, "E")
    result = await asking.publish()
    assert (len(notified(result)), len(events(result))) == (1, 1)


SEVERITY, MESSAGE = field("Severity"), field("Message")
PASSES = [
    ((condition(Operator.Equals, SEVERITY, literal(100)),), True),
    ((condition(Operator.Equals, SEVERITY, literal(101)),), False),
    ((condition(Operator.Equals, MESSAGE, literal("Door 7 open")),), True),
    ((condition(Operator.IsNull, field("Changes", GENERAL_MODEL_CHANGE)),), True),
    ((condition(Operator.IsNull, MESSAGE),), False),
    ((condition(Operator.GreaterThan, SEVERITY, literal(99)),), True),
    ((condition(Operator.GreaterThan, SEVERITY, literal(100)),), False),
    ((condition(Operator.GreaterThan, SEVERITY, literal("99")),), False),
    ((condition(Operator.LessThan, SEVERITY, literal(100)),), False),
    ((condition(Operator.GreaterThanOrEqual, SEVERITY, literal(100)),), True),
    ((condition(Operator.LessThanOrEqual, SEVERITY, literal(99.5)),), False),
    ((condition(Operator.Like, MESSAGE, literal("Door [0-9] %")),), True),
    ((condition(Operator.Like, MESSAGE, literal("Door [^0-9] %")),), False),
    ((condition(Operator.Between, SEVERITY, literal(100), literal(200)),), True),
    ((condition(Operator.Between, SEVERITY, literal(101), literal(200)),), False),
    ((condition(Operator.InList, SEVERITY, literal(1), literal(100)),), True),
    ((condition(Operator.InList, SEVERITY, literal(1), literal(2)),), False),
    ((condition(Operator.OfType, literal(SYSTEM)),), True),
    ((condition(Operator.OfType, literal(BASE)),), True),
    ((condition(Operator.OfType, literal(GENERAL_MODEL_CHANGE)),), False),
    (
        (
            condition(Operator.Not, ua.ElementOperand(1)),
            condition(Operator.Equals, SEVERITY, literal(100)),
        ),
        False,
    ),
    (
        (
            condition(Operator.And, ua.ElementOperand(1), ua.ElementOperand(2)),
            condition(Operator.GreaterThan, SEVERITY, literal(50)),
            condition(Operator.OfType, literal(SYSTEM)),
        ),
        True,
    ),
    (
        (
            condition(Operator.Or, ua.ElementOperand(1), ua.ElementOperand(2)),
            condition(Operator.GreaterThan, SEVERITY, literal(500)),
            condition(Operator.Equals, SEVERITY, literal(100)),
        ),
        True,
    ),
    (
        (
            condition(Operator.And, ua.ElementOperand(1), ua.ElementOperand(2)),
            condition(Operator.GreaterThan, SEVERITY, literal(50)),
            condition(Operator.Equals, field("Changes", GENERAL_MODEL_CHANGE), literal(1)),
        ),
        False,
    ),
]


@pytest.mark.parametrize(("where", "passes"), PASSES)
async def test_only_events_that_pass_the_where_clause_are_told(site, asking, number, where, passes):
    (made,) = await asking.monitor(number, event_item(event_filter(MESSAGE, where=where)))
    assert made.StatusCode.name == "Good"
    await asking.monitor(number, event_item(event_filter(SEVERITY)))
    emit(site, "Door 7 open", type_=SYSTEM)
    assert len(events(await asking.publish())) == 1 + passes


REFUSED = [
    (event_filter(), "BadEventFilterInvalid"),
    (None, "BadEventFilterInvalid"),
    (ua.DataChangeFilter(), "BadFilterNotAllowed"),
    (event_filter(field("Nonsense")), "BadEventFilterInvalid"),
    (event_filter(field("Message", ua.NodeId(ua.ObjectIds.FolderType))), "BadEventFilterInvalid"),
    (event_filter(MESSAGE, where=(condition(Operator.Equals, SEVERITY),)), "BadEventFilterInvalid"),
    (event_filter(MESSAGE, where=(condition(Operator.InView, literal(1)),)), "BadEventFilterInvalid"),
    (event_filter(MESSAGE, where=(condition(Operator.Not, ua.ElementOperand(0)),)), "BadEventFilterInvalid"),
    (event_filter(MESSAGE, where=(condition(Operator.Not, ua.ElementOperand(5)),)), "BadEventFilterInvalid"),
    (event_filter(MESSAGE, where=(condition(Operator.Not, ua.AttributeOperand()),)), "BadEventFilterInvalid"),
]


@pytest.mark.parametrize(("wanted", "expected"), REFUSED)
async def test_a_filter_that_makes_no_sense_is_refused(asking, number, wanted, expected):
    (made,) = await asking.monitor(number, event_item(wanted))
    assert made.StatusCode.name == expected


async def test_the_result_says_which_clause_is_wrong(asking, number):
    wanted = event_filter(
        MESSAGE,
        field("Nonsense"),
        where=(condition(Operator.Equals, SEVERITY, literal(1)), condition(Operator.Cast, SEVERITY, literal(1))),
    )
    (made,) = await asking.monitor(number, event_item(wanted))
    assert made.StatusCode.name == "BadEventFilterInvalid"
    assert [code.name for code in made.FilterResult.SelectClauseResults] == ["Good", "BadNodeIdUnknown"]
    elements = made.FilterResult.WhereClauseResult.ElementResults
    assert [element.StatusCode.name for element in elements] == ["Good", "BadFilterOperatorUnsupported"]


async def test_one_field_that_no_event_has_does_not_spoil_the_others(site, asking, number):
    (made,) = await asking.monitor(number, event_item(event_filter(field("Nonsense"), MESSAGE)))
    assert made.StatusCode.name == "Good"
    assert [code.name for code in made.FilterResult.SelectClauseResults] == ["BadNodeIdUnknown", "Good"]
    emit(site, "E")
    ((nonsense, message),) = events(await asking.publish())
    assert (nonsense, message.Text) == (None, "E")


@pytest.mark.parametrize("value", ["x" * 4_000, ua.Variant([1, 2], ua.VariantType.Int32)], ids=["long", "array"])
async def test_events_are_compared_with_short_literals_alone(asking, number, value):
    operand = ua.LiteralOperand(value) if isinstance(value, ua.Variant) else literal(value)
    wanted = event_filter(MESSAGE, where=(condition(Operator.Equals, MESSAGE, operand),))
    (made,) = await asking.monitor(number, event_item(wanted))
    assert made.StatusCode.name == "BadEventFilterInvalid"
    (element,) = made.FilterResult.WhereClauseResult.ElementResults
    assert [code.name for code in element.OperandStatusCodes] == ["Good", "BadFilterLiteralInvalid"]


async def test_a_filter_is_bounded(asking, number):
    """U23"""
    for wanted, expected in (
        (event_filter(field("/".join("a" * 101))), ua.uaerrors.BadTooManyOperations),
        (event_filter(*[field("Message")] * 201), ua.uaerrors.BadTooManyOperations),
        (event_filter(*[field("x" * 1_000)] * 40), ua.uaerrors.BadEncodingLimitsExceeded),
    ):
        with pytest.raises(expected):
            await asking.monitor(number, event_item(wanted))
    (made,) = await asking.monitor(number, event_item(event_filter(MESSAGE, field("/".join("a" * 100)))))
    assert made.StatusCode.name == "Good"


async def test_items_with_the_same_filter_share_what_they_are_told(site, asking, number):
    same, other = event_filter(MESSAGE), event_filter(MESSAGE, SEVERITY)
    await asking.ask("SetPublishingMode", PublishingEnabled=False, SubscriptionIds=[number])
    made = await asking.monitor(number, *(event_item(wanted) for wanted in (same, same, other)))
    await asking.monitor(number, event_item(same))
    emit(site, "E")
    items = list(site.server._server.iserver.subscription_service.subscriptions[number].items.values())
    async with asyncio.timeout(10):
        while items[-1].queue is None:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
    assert [one.queue is items[0].queue for one in items] == [True, True, False, True]
    assert {result.StatusCode.name for result in made} == {"Good"}
    await asking.ask("SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[number])
    assert sorted(map(len, events(await asking.publish()))) == [1, 1, 1, 2]


async def test_a_node_without_events_cannot_be_monitored_for_them(site, asking, number):
    path = f"{site.station().path}.Info.Id"
    wanted = event_filter(MESSAGE)
    results = await asking.monitor(number, event_item(wanted, path), event_item(wanted, "Nothing"))
    assert [result.StatusCode.name for result in results] == ["BadAttributeIdInvalid", "BadNodeIdUnknown"]


@pytest.mark.parametrize("discard_oldest", [True, False])
async def test_events_that_do_not_fit_are_told_by_one_more(site, asking, number, discard_oldest):
    wanted = event_item(event_filter(MESSAGE, field("EventType")), queue=12, discard_oldest=discard_oldest)
    (made,) = await asking.monitor(number, wanted)
    assert made.RevisedQueueSize == 12
    emit(site, *map(str, range(15)))
    told = [(message.Text, type_.Identifier) for message, type_ in events(await asking.publish())]
    overflow = ua.ObjectIds.EventQueueOverflowEventType
    assert [type_ == overflow for _, type_ in told] == (
        [True, *[False] * 12] if discard_oldest else [*[False] * 12, True]
    )
    assert [text for text, type_ in told if type_ != overflow] == [
        str(number) for number in (range(3, 15) if discard_oldest else range(12))
    ]
    emit(site, "later")
    assert [message.Text for message, _ in events(await asking.publish())] == ["later"]


async def test_what_is_disabled_or_deleted_hears_nothing(site, asking, number):
    made = await asking.monitor(number, *(event_item(event_filter(MESSAGE)) for _ in range(3)))
    ids = [result.MonitoredItemId for result in made]
    await asking.ask("DeleteMonitoredItems", SubscriptionId=number, MonitoredItemIds=ids[:1])
    disabled = ua.MonitoringMode.Disabled
    await asking.ask("SetMonitoringMode", SubscriptionId=number, MonitoringMode=disabled, MonitoredItemIds=ids[1:2])
    emit(site, "E")
    assert len(events(await asking.publish())) == 1


async def test_stations_that_come_and_go_are_an_event(site, asking, number):
    wanted = event_filter(field("EventType"), field("Changes", GENERAL_MODEL_CHANGE))
    await asking.monitor(number, event_item(wanted))
    before = site.server._aspace.space.versions.of("Stations")
    station = site.station()
    ((type_, changes),) = events(await asking.publish())
    assert type_ == GENERAL_MODEL_CHANGE
    told = {change.Affected.Identifier: change.Verb for change in changes}
    assert told == {station.path: 1 | 4, f"{station.path}.Connector1": 1, "Stations": 4}
    site.tree.add_connector(station, "Connector2", MODEL.connector.layout)
    ((_, changes),) = events(await asking.publish())
    assert {change.Affected.Identifier: change.Verb for change in changes} == {
        f"{station.path}.Connector2": 1,
        station.path: 4,
    }
    site.tree.remove_station(station)
    ((_, changes),) = events(await asking.publish())
    assert {change.Affected.Identifier: change.Verb for change in changes}[station.path] & 2
    assert site.server._aspace.space.versions.of("Stations") != before


async def test_who_listens_to_an_area_or_a_station_hears_of_what_changes_in_there(site, asking, number):
    wanted = event_filter(field("Changes", GENERAL_MODEL_CHANGE))
    own = site.station("South")
    for handle, node in enumerate((SERVER, "Stations", "Stations/South", own.path), 1):
        (result,) = await asking.monitor(number, event_item(wanted, node, handle=handle))
        assert result.StatusCode.name == "Good"
    other = site.station("West/Row 1", connectors=0)
    site.tree.add_connector(own, "Connector2", MODEL.connector.layout)
    within = {f"{own.path}.Connector2": 1, own.path: 4}
    areas = {"Stations": 4, "Stations/West": 5, "Stations/West/Row 1": 5}
    assert await told(asking) == [
        (1, {**within, **areas, other.path: 1}),
        (2, {**within, **areas, other.path: 1}),
        (3, within),
        (4, within),
    ]
    site.tree.remove_station(other)
    gone = {"Stations": 8, "Stations/West": 10, "Stations/West/Row 1": 10, other.path: 2}
    assert await told(asking) == [(1, gone), (2, gone)]


async def told(asking) -> list[tuple[int, dict[str, int]]]:
    """ClientHandle and changes of each event; a keep-alive may come before them."""
    events: list[ua.EventFieldList] = []
    while not events:
        data = (await asking.publish()).NotificationMessage.NotificationData
        events = [event for each in data if isinstance(each, ua.EventNotificationList) for event in each.Events]
    return sorted(
        (event.ClientHandle, {change.Affected.Identifier: change.Verb for change in event.EventFields[0].Value})
        for event in events
    )


async def test_stations_are_below_the_server_object_as_a_notifier(client):
    notifiers = await client.nodes.server.get_referenced_nodes(ua.ObjectIds.HasNotifier, ua.BrowseDirection.Forward)
    assert [node.nodeid for node in notifiers] == [ua.NodeId("Stations", 2)]
    above = await notifiers[0].get_referenced_nodes(ua.ObjectIds.HasNotifier, ua.BrowseDirection.Inverse)
    assert [node.nodeid for node in above] == [SERVER]
