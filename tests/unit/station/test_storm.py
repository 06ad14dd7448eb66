"""Many stations at once: boots are answered in the order in which they came, and all are told when the bridge stops."""

import asyncio
import json
from contextlib import AsyncExitStack

from websockets.exceptions import ConnectionClosed

STATIONS = 60
BOOT = json.dumps([2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}])


async def test_boots_are_answered_in_order_of_arrival(rig):
    """Of stations that are all new: each has to be written to the disk first."""
    answered: list[str] = []
    async with AsyncExitStack() as stack:
        names = [f"CP{number:02}" for number in range(STATIONS)]
        sockets = {name: await stack.enter_async_context(rig.socket(name)) for name in names}

        async def listen(name: str) -> None:
            assert json.loads(await sockets[name].recv())[2]["status"] == "Accepted"
            answered.append(name)

        listening = [asyncio.ensure_future(listen(name)) for name in names]
        for name in names:
            await sockets[name].send(BOOT)
        await asyncio.gather(*listening)
    assert answered == names


async def test_all_are_told_that_the_bridge_stops_and_others_have_their_turn_meanwhile(rig, monkeypatch):
    monkeypatch.setattr("bridge.ocpp.server.CLOSED_AT_ONCE", 10)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(rig.socket(f"CP{number:02}")) for number in range(STATIONS)]
        other = asyncio.ensure_future(others())
        await rig.ocpp.stop()
        other.cancel()
        codes = set()
        for socket in sockets:
            try:
                await socket.recv()
            except ConnectionClosed as closed:
                codes.add(closed.rcvd.code)
    assert codes == {1012}
    assert turns >= STATIONS / 10
    assert not any(rig.value(f"CP{number:02}.State.Connected") for number in range(STATIONS))


async def test_the_count_of_stations_is_right_through_all_of_it(rig):
    async with AsyncExitStack() as stack:
        for number in range(5):
            await stack.enter_async_context(rig.socket(f"CP{number}"))
        async with rig.socket("CP0"):  # replaces the first one
            await rig.until(lambda: rig.value("CP0.State.Reconnects") == 1)
            assert rig.value("Bridge.StationsConnected") == 5
        await rig.until(lambda: rig.value("Bridge.StationsConnected") == 4)
    await rig.until(lambda: rig.value("Bridge.StationsConnected") == 0)
