"""How much one request may ask for (OPC 10000-4 §7.38): what is published is what is enforced."""

import asyncio

import pytest
from asyncua import ua

from bridge.opcua import requests
from bridge.opcua.reading import Reading
from bridge.opcua.settings import Limits
from tests.unit.opcua.helpers import text

pytestmark = pytest.mark.asyncio(loop_scope="session")

POINT = ua.NodeId("Bridge.StationsKnown", 2)


def read(count: int) -> ua.ReadRequest:
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [ua.ReadValueId(POINT, ua.AttributeIds.Value)] * count
    return request


def write(count: int) -> ua.WriteRequest:
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(POINT, ua.AttributeIds.Value, None, ua.DataValue(text("")))
    ] * count
    return request


def call(count: int) -> ua.CallRequest:
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [ua.CallMethodRequest(POINT, POINT, [])] * count
    return request


def browse(count: int) -> ua.BrowseRequest:
    request = ua.BrowseRequest()
    request.Parameters.NodesToBrowse = [ua.BrowseDescription(NodeId=POINT)] * count
    return request


def browse_next(count: int) -> ua.BrowseNextRequest:
    request = ua.BrowseNextRequest()
    request.Parameters.ContinuationPoints = [b"none"] * count
    return request


def translate(count: int) -> ua.TranslateBrowsePathsToNodeIdsRequest:
    request = ua.TranslateBrowsePathsToNodeIdsRequest()
    request.Parameters.BrowsePaths = [ua.BrowsePath(POINT, ua.RelativePath([]))] * count
    return request


def register(count: int) -> ua.RegisterNodesRequest:
    request = ua.RegisterNodesRequest()
    request.Parameters.NodesToRegister = [POINT] * count
    return request


def unregister(count: int) -> ua.UnregisterNodesRequest:
    request = ua.UnregisterNodesRequest()
    request.Parameters.NodesToUnregister = [POINT] * count
    return request


SERVICES = [
    (read, "max_nodes_per_read", "MaxNodesPerRead"),
    (write, "max_nodes_per_write", "MaxNodesPerWrite"),
    (call, "max_nodes_per_method_call", "MaxNodesPerMethodCall"),
    (browse, "max_nodes_per_browse", "MaxNodesPerBrowse"),
    (browse_next, "max_nodes_per_browse", "MaxNodesPerBrowse"),
    (translate, "max_nodes_per_translate", "MaxNodesPerTranslateBrowsePathsToNodeIds"),
    (register, "max_nodes_per_register", "MaxNodesPerRegisterNodes"),
    (unregister, "max_nodes_per_register", "MaxNodesPerRegisterNodes"),
]


@pytest.mark.parametrize(("make", "limit", "published"), SERVICES, ids=lambda value: getattr(value, "__name__", ""))
async def test_more_operations_than_the_limit_are_refused(start_site, make, limit, published):
    """U23"""
    site = await start_site(limits=Limits(**{limit: 3}))
    async with site.client() as client:
        send = client.uaclient.protocol.send_request
        await send(make(3))
        with pytest.raises(ua.uaerrors.BadTooManyOperations):
            await send(make(4))
        with pytest.raises(ua.uaerrors.BadNothingToDo):
            await send(make(0))
        name = f"Server_ServerCapabilities_OperationLimits_{published}"
        assert await client.get_node(ua.NodeId(getattr(ua.ObjectIds, name))).read_value() == 3


async def test_many_long_requests_of_one_client_are_made_one_after_the_other(start_site, monkeypatch):
    """Each may have 16 MB: all at once they would take a hundred times as much."""
    site = await start_site()
    busy, most = set(), 0
    results = Reading._results

    def watched(self, *arguments):
        nonlocal most
        steps = results(self, *arguments)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                busy.discard(steps)
                return end.value
            yield
            busy.add(steps)
            most = max(most, len(busy))

    monkeypatch.setattr(Reading, "_results", watched)
    monkeypatch.setattr(requests, "SLICE", 0.0)
    items = [ua.ReadValueId(ua.NodeId("Stations", 2), ua.AttributeIds.Description)] * 50
    async with site.client() as client:
        answers = await asyncio.gather(
            *(client.uaclient.read(ua.ReadParameters(NodesToRead=items)) for _ in range(20)),
        )
        assert [len(answer) for answer in answers] == [50] * 20
    assert most == 1
