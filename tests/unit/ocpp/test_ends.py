"""A connection that has ended leaves no ring of objects, which only the garbage collector would find."""

import asyncio
import gc
import weakref

import pytest

from bridge.ocpp.websocket import Connection
from bridge.station.session import Session


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_what_has_ended_is_gone_without_the_collector(rig, how):
    ended: list[weakref.ref[Connection] | weakref.ref[Session]] = []
    async with rig.socket() as socket:
        await socket.send('[2,"1","Heartbeat",{}]')
        await socket.recv()
        await socket.send('[2,"2","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]')
        await socket.recv()
        ended += [weakref.ref(connection) for connection in rig.ocpp._connections]
        ended.append(weakref.ref(rig.stations.get("CP1").session))
        gc.collect()
        gc.disable()
        try:
            if how == "abort":
                socket.transport.abort()
            await socket.close()
            await rig.until(lambda: not rig.value("CP1.State.Connected"))
            for _ in range(5):
                await asyncio.sleep(0)
            assert [each() for each in ended] == [None, None]
        finally:
            gc.enable()
