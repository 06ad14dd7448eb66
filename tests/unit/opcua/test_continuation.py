"""Browse in parts: RequestedMaxReferencesPerNode, BrowseNext, and where continuation points end."""

import asyncio
import struct

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from bridge.opcua import encoding, processor, requests
from bridge.opcua.settings import Limits
from tests.unit.opcua.helpers import read
from tests.unit.opcua.raw import Raw, status_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATIONS = ua.NodeId("Stations", 2)


def parameters(*nodes: ua.NodeId, most: int = 0) -> ua.BrowseParameters:
    return ua.BrowseParameters(
        RequestedMaxReferencesPerNode=most,
        NodesToBrowse=[
            ua.BrowseDescription(
                NodeId=node, ReferenceTypeId=ua.NodeId(33), IncludeSubtypes=True, BrowseDirection=0, ResultMask=63
            )
            for node in nodes
        ],
    )


async def browse(client, *nodes: ua.NodeId, most: int = 0) -> list[ua.BrowseResult]:
    return await client.uaclient.browse(parameters(*nodes, most=most))


async def browse_next(client, *points: bytes, release: bool = False) -> list[ua.BrowseResult]:
    params = ua.BrowseNextParameters(ReleaseContinuationPoints=release, ContinuationPoints=list(points))
    return await client.uaclient.browse_next(params)


def identifiers(results: list[ua.BrowseResult]) -> list[str]:
    return [reference.NodeId.Identifier for result in results for reference in result.References]


async def rest_of(client, first: ua.BrowseResult) -> list[ua.BrowseResult]:
    parts = [first]
    while parts[-1].ContinuationPoint:
        parts += await browse_next(client, parts[-1].ContinuationPoint)
    return parts


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("node", ["Stations", "{}", "{}.Connector1.Status", "i=2253"])
async def test_in_parts_or_at_once_it_is_the_same(site, client, node, most):
    path = site.station(connectors=3).path
    node_id = ua.NodeId(2253) if node == "i=2253" else ua.NodeId(node.format(path), 2)
    whole = (await browse(client, node_id))[0]
    assert not whole.ContinuationPoint
    parts = await rest_of(client, (await browse(client, node_id, most=most))[0])
    assert [part.StatusCode.name for part in parts] == ["Good"] * len(parts)
    assert all(len(part.References) == most for part in parts[:-1])
    assert 0 < len(parts[-1].References) <= most
    assert identifiers(parts) == identifiers([whole])


async def test_exactly_as_many_as_there_are_leave_nothing_for_later(site, client):
    node = ua.NodeId(f"{site.station().path}.Info", 2)
    whole = (await browse(client, node))[0]
    again = (await browse(client, node, most=len(whole.References)))[0]
    assert identifiers([again]) == identifiers([whole])
    assert not again.ContinuationPoint


async def test_each_node_of_a_request_has_its_own_continuation_point(site, client):
    nodes = [ua.NodeId(site.station().path, 2) for _ in range(3)]
    first = await browse(client, *nodes, most=1)
    points = [result.ContinuationPoint for result in first]
    assert len(set(points)) == 3
    second = await browse_next(client, *points)
    assert [len(result.References) for result in second] == [1, 1, 1]
    whole = await browse(client, *nodes)
    for number in range(3):
        assert identifiers([first[number], second[number]]) == identifiers([whole[number]])[:2]


async def test_a_continuation_point_is_good_once(site, client):
    first = (await browse(client, ua.NodeId(site.station().path, 2), most=1))[0]
    known, unknown = await browse_next(client, first.ContinuationPoint, b"nothing")
    assert (known.StatusCode.name, unknown.StatusCode.name) == ("Good", "BadContinuationPointInvalid")
    again = (await browse_next(client, first.ContinuationPoint))[0]
    assert again.StatusCode.name == "BadContinuationPointInvalid"


async def test_a_released_continuation_point_is_gone(site, client):
    first = (await browse(client, ua.NodeId(site.station().path, 2), most=1))[0]
    released = (await browse_next(client, first.ContinuationPoint, release=True))[0]
    assert (released.StatusCode.name, released.References) == ("Good", [])
    assert (await browse_next(client, first.ContinuationPoint))[0].StatusCode.name == "BadContinuationPointInvalid"


async def test_another_session_cannot_use_a_continuation_point(site, client):
    first = (await browse(client, ua.NodeId(site.station().path, 2), most=1))[0]
    async with site.client() as other:
        foreign = (await browse_next(other, first.ContinuationPoint))[0]
        assert foreign.StatusCode.name == "BadContinuationPointInvalid"
    assert (await browse_next(client, first.ContinuationPoint))[0].StatusCode.name == "Good"


async def test_a_session_has_so_many_continuation_points_and_no_more(start_site):
    site = await start_site(limits=Limits(max_continuation_points=2))
    nodes = [ua.NodeId(site.station().path, 2) for _ in range(3)]
    async with site.client() as client:
        results = await browse(client, *nodes, most=1)
        assert [result.StatusCode.name for result in results] == ["Good", "Good", "BadNoContinuationPoints"]
        assert results[2].References == []
        await browse_next(client, results[0].ContinuationPoint, release=True)
        assert (await browse(client, nodes[2], most=1))[0].StatusCode.name == "Good"
        async with site.client() as other:
            assert (await browse(other, nodes[0], most=1))[0].StatusCode.name == "Good"


async def test_the_server_gives_no_more_than_it_wants_to_at_a_time(start_site):
    site = await start_site(limits=Limits(max_references_per_node=3))
    path = site.station().path
    async with site.client() as client:
        for most in (0, 100):
            first = (await browse(client, ua.NodeId(path, 2), most=most))[0]
            assert len(first.References) == 3
            assert len(identifiers(await rest_of(client, first))) > 3


async def test_stations_that_come_and_go_between_two_parts_do_no_harm(site, client):
    gone = site.station()
    first = (await browse(client, STATIONS, most=1))[0]
    new = site.station()
    del site.tree.stations[gone.path]
    parts = await rest_of(client, first)
    assert all(part.StatusCode.name == "Good" for part in parts)
    assert new.path in identifiers(await browse(client, STATIONS))
    assert gone.path not in identifiers(await browse(client, STATIONS))
    assert (await browse(client, ua.NodeId(gone.path, 2)))[0].StatusCode.name == "BadNodeIdUnknown"


async def test_a_view_that_there_is_not_is_refused(client):
    params = parameters(STATIONS)
    params.View.ViewId = ua.NodeId("View", 2)
    with pytest.raises(ua.uaerrors.BadViewIdUnknown):
        await client.uaclient.browse(params)


async def test_a_large_browse_keeps_nobody_waiting(start_site, monkeypatch):
    """Others are answered while it goes on."""
    monkeypatch.setattr(requests, "SLICE", 0.0)
    site = await start_site()
    for _ in range(700):
        site.station()
    async with site.client() as client:
        large = asyncio.create_task(browse(client, *[STATIONS] * 20))
        await asyncio.sleep(0)
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
        assert not large.done()
        assert [len(result.References) for result in await large] == [701] * 20  # and the NodeVersion


async def test_a_large_read_keeps_nobody_waiting(site, client, monkeypatch):
    monkeypatch.setattr(requests, "SLICE", 0.0)
    items = [ua.ReadValueId(ua.NodeId("Bridge.StationsKnown", 2), ua.AttributeIds.Value)] * 10_000
    large = asyncio.create_task(client.uaclient.read(ua.ReadParameters(NodesToRead=items)))
    await asyncio.sleep(0)
    assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
    assert not large.done()
    assert {value.StatusCode.name for value in await large} == {"Good"}


async def test_a_browse_that_is_malformed_keeps_no_continuation_points(start_site):
    site = await start_site(limits=Limits(max_continuation_points=1))
    raw = await Raw.activated(site)
    path = site.station().path
    rest = struct.pack("<i", 0) + b"\0\x21" + struct.pack("<?II", True, 0, 63)
    head = b"\0\0" + bytes(12) + struct.pack("<I", 1)
    bad = head + encoding.count(2) + encoding.point_id(path) + rest + bytes([9]) * 17
    good = head + encoding.count(1) + encoding.point_id(path) + rest
    assert await raw.status(raw.header("Browse") + bad) == "BadDecodingError"
    raw.send(raw.header("Browse") + good)
    _, body = await raw.message()
    assert struct.unpack_from("<iI", body, 28) == (1, 0), "a result, which is Good"
    await Raw.close_all()


async def test_a_browse_next_that_is_too_large_loses_nothing(site):
    raw = await Raw.activated(site, message=20_000)
    node = ua.NodeId(site.station(connectors=3).path, 2)

    async def ask(request: object, response: type) -> list[ua.BrowseResult] | str:
        raw.send(raw.encode(request))
        body = (await raw.message())[1]
        status = status_of(body)
        if status != "Good":
            return status
        answer = struct_from_binary(response, ua.utils.Buffer(body))
        return answer.Results if isinstance(answer, ua.BrowseResponse) else answer.Parameters.Results

    async def first_of(count: int) -> list[ua.BrowseResult] | str:
        request = ua.BrowseRequest()
        request.Parameters = parameters(*[node] * count, most=4)
        return await ask(request, ua.BrowseResponse)

    async def following(parts: list[ua.BrowseResult]) -> list[ua.BrowseResult] | str:
        request = ua.BrowseNextRequest()
        request.Parameters = ua.BrowseNextParameters(False, [each.ContinuationPoint for each in parts])
        return await ask(request, ua.BrowseNextResponse)

    for _ in range(2):
        assert await first_of(100) == "BadResponseTooLarge"
    first = await first_of(50) + await first_of(50)  # each has room, both together have not
    for _ in range(2):
        assert await following(first) == "BadResponseTooLarge"
    second = await following(first[:50])
    third = await following(second)
    async with site.client() as client:
        expected = identifiers(await browse(client, node))[4:12]
    for result, rest in zip(second, third, strict=True):
        assert identifiers([result, rest]) == expected
    await Raw.close_all()


async def test_a_browse_next_that_there_is_no_room_for_loses_nothing(site, client, monkeypatch):
    node = ua.NodeId(site.station().path, 2)
    first = (await browse(client, node, most=1))[0]
    with monkeypatch.context() as patched:
        patched.setattr(requests, "SLICE", 0.0)
        patched.setattr(processor, "MAX_CALLS", 0)
        with pytest.raises(ua.uaerrors.BadTooManyOperations):
            await browse_next(client, first.ContinuationPoint)
    assert identifiers(await rest_of(client, first)) == identifiers(await browse(client, node))
