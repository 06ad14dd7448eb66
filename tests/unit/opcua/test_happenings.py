"""What happens and who did what, as OPC UA events."""

import time

import pytest
from asyncua import Client, ua

from bridge.points.events import EVENT_TYPES, Event
from tests.unit.opcua.asking import Asking, events, item
from tests.unit.opcua.helpers import text, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVER = ua.NodeId(ua.ObjectIds.Server)


def wanted(*fields: str, of: ua.NodeId | None = None) -> ua.EventFilter:
    clauses = [
        ua.SimpleAttributeOperand(
            TypeDefinitionId=of or ua.NodeId(ua.ObjectIds.BaseEventType),
            BrowsePath=[ua.QualifiedName(field, 0)],
            AttributeId=ua.AttributeIds.Value,
        )
        for field in fields
    ]
    return ua.EventFilter(SelectClauses=clauses)


async def listen(client: Client, node: ua.NodeId, *fields: str, of: ua.NodeId | None = None) -> Asking:
    asking = Asking(client)
    number = (await asking.subscribe()).SubscriptionId
    wish = item(node, attribute=ua.AttributeIds.EventNotifier, wanted=wanted(*fields, of=of), queue=100)
    (result,) = await asking.monitor(number, wish)
    result.StatusCode.check()
    return asking


def connected(station) -> Event:
    return Event("StationConnected", station.path, "It is here", time.time(), {"OcppVersion": "1.6"})


@pytest.mark.parametrize("where", ["Server", "Stations", "Stations/Depot", "Stations/Depot/Hall 1", "station"])
async def test_an_event_is_heard_at_its_station_and_all_that_is_above(site, client, where):
    station = site.station("Depot/Hall 1")
    path = station.path if where == "station" else where
    node = SERVER if where == "Server" else ua.NodeId(path, 2)
    asking = await listen(client, node, "Message", "SourceName", "Severity")
    site.tree.emit(connected(station))
    (fields,) = events(await asking.publish())
    assert (fields[0].Text, *fields[1:]) == ("It is here", station.path, 100)


async def test_an_event_has_the_fields_of_its_type(site, client):
    type_ = ua.NodeId("StationConnectedEventType", 3)
    asking = await listen(client, SERVER, "OcppVersion", "RemoteAddress", of=type_)
    site.tree.emit(connected(site.station()))
    assert ["1.6", None] in events(await asking.publish())


PERSONAL = [
    Event("HandlerFailed", "", "'DEADBEEF'", time.time(), {"Script": "a.py", "Reason": "KeyError: 'DEADBEEF'"}),
    Event("StationSecurityEvent", "", "Tampered", time.time(), {"Kind": "Tampered", "TechInfo": "card DEADBEEF"}),
]


@pytest.mark.parametrize("event", PERSONAL, ids=lambda event: event.type)
async def test_an_observer_hears_of_an_event_without_what_may_hold_an_id_tag(site, event):
    names, type_ = (*EVENT_TYPES[event.type].fields, "Message"), ua.NodeId(f"{event.type}EventType", 3)
    async with site.client("otto") as observer, site.client("olga") as operator:
        heard = [await listen(client, SERVER, *names, of=type_) for client in (operator, observer)]
        site.tree.emit(event)
        (everything,), (rest,) = [events(await each.publish()) for each in heard]
    assert "DEADBEEF" in repr(everything)
    assert "DEADBEEF" not in repr(rest)
    assert rest[0] == everything[0] in ("a.py", "Tampered")


async def test_every_type_of_event_can_be_browsed_from_opc_uas_own(client):
    for row in EVENT_TYPES.values():
        node = client.get_node(ua.NodeId(f"{row.name}EventType", 3))
        assert (await node.read_browse_name()).Name == f"{row.name}EventType"
        parents = await node.get_referenced_nodes(ua.ObjectIds.HasSubtype, ua.BrowseDirection.Inverse)
        assert [parent.nodeid for parent in parents] == [ua.NodeId(getattr(ua.ObjectIds, row.supertype))]
        assert {(await child.read_browse_name()).Name for child in await node.get_properties()} == row.fields.keys()


async def test_who_did_what_is_told_to_engineers_and_to_nobody_below(site):
    """U19"""
    station = site.station()
    path = f"{station.path}.Commands.Reset.Type"
    async with site.client("emma") as engineer, site.client("olga") as operator:
        audit = ua.NodeId(ua.ObjectIds.AuditWriteUpdateEventType)
        heard = await listen(engineer, SERVER, "ClientUserId", "Status", "NewValue", "SourceNode", of=audit)
        not_heard = await listen(operator, SERVER, "Message")
        await write(operator, (path, text("Soft")))
        assert events(await heard.publish()) == [["olga", True, "'Soft'", ua.NodeId(path, 2)]]
        site.tree.emit(connected(station))
        assert [fields[0].Text for fields in events(await not_heard.publish())] == ["It is here"]


async def test_a_login_that_fails_is_told(site):
    async with site.client("emma") as engineer:
        heard = await listen(engineer, SERVER, "User", "Reason", "Status", of=ua.NodeId("LoginFailedEventType", 3))
        with pytest.raises(ua.UaError):
            await site.client("olga", "wrong").connect()
        found = [fields for fields in events(await heard.publish()) if fields[0] is not None]
        assert [fields[:2] for fields in found] == [["olga", "BadUserAccessDenied"]]
