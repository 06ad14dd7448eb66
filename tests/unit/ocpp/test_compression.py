"""permessage-deflate (RFC 7692): agreed on where it is configured and offered, and bounded."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate

SUBPROTOCOL = "ocpp1.6"


def compressed(rig, identity="CP1"):
    return connect(rig.ocpp.url + identity, subprotocols=[SUBPROTOCOL], compression="deflate")


def long_call(size: int) -> str:
    return json.dumps([2, "1", "DataTransfer", {"vendorId": "x", "data": "a" * size}])


async def test_messages_are_compressed_where_both_want_it(start):
    """J39"""
    rig = await start(ocpp={"compression": True})
    async with compressed(rig) as socket:
        (extension,) = socket.protocol.extensions
        assert isinstance(extension, PerMessageDeflate)
        await socket.send(long_call(10_000))
        assert json.loads(await socket.recv())[:2] == [3, "1"]


async def test_no_memory_of_earlier_messages_is_kept(start):
    """It would be 300 KB for each connection."""
    rig = await start(ocpp={"compression": True})
    async with compressed(rig) as socket:
        offered = socket.response.headers["Sec-WebSocket-Extensions"]
        assert "server_no_context_takeover" in offered
        assert "client_no_context_takeover" in offered


async def test_a_station_that_does_not_offer_it_is_served_without(start):
    """J39"""
    rig = await start(ocpp={"compression": True})
    async with connect(rig.ocpp.url + "CP1", subprotocols=[SUBPROTOCOL], compression=None) as socket:
        assert socket.protocol.extensions == []
        await socket.send('[2,"1","Heartbeat",{}]')
        assert json.loads(await socket.recv())[:2] == [3, "1"]


async def test_a_message_that_would_grow_too_large_closes_the_connection(start):
    """A bomb: 10 MB of one letter are 10 KB on the wire."""
    rig = await start(ocpp={"compression": True, "max_message_size": 4096})
    async with compressed(rig) as socket:
        await socket.send(long_call(10_000_000))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_fragments_that_would_grow_too_large_together_close_the_connection(start):
    """Each of them is unpacked to less than a message may have."""
    rig = await start(ocpp={"compression": True, "max_message_size": 4096})
    async with compressed(rig) as socket:
        await socket.send(["a" * 3000] * 3)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_long_answers_are_compressed_and_short_ones_are_not(start):
    script = "async def data_transfer(self, request): return DataTransferAnswer(status='Accepted', data='b' * 5000)"
    rig = await start(script, ocpp={"compression": True})
    async with compressed(rig) as socket:
        seen = []
        extension = socket.protocol.extensions[0]
        decode = extension.decode
        extension.decode = lambda frame, **more: seen.append(frame.rsv1) or decode(frame, **more)
        await socket.send('[2,"1","Heartbeat",{}]')
        await socket.recv()
        await socket.send(long_call(1))
        assert "b" * 100 in await socket.recv()
        assert seen == [False, True]
