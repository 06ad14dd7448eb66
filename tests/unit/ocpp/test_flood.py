"""A station that sends more than it may: it is slowed down, loses nothing, and is shown."""

import asyncio
import itertools
import json

from websockets.frames import Opcode

from bridge.ocpp.websocket import SLICE
from tests.unit.ocpp.wires import Host, connected, on_both_loops


@on_both_loops
async def test_who_sends_too_much_is_slowed_and_loses_nothing(host: Host):
    host.options["max_rate"] = 1000
    async with connected(host) as peer:
        sent = [f"{number}" for number in range(5500)]  # 4000 are saved up
        for text in sent:
            peer.text(text)
        await host.until(lambda: host.slowed_count)
        assert len(host.messages) < len(sent)
        await host.until(lambda: len(host.messages) == len(sent))
        assert host.messages == sent


@on_both_loops
async def test_pings_count_as_well(host: Host):
    host.options["max_rate"] = 100
    async with connected(host) as peer:
        for _ in range(450):
            peer.frame(Opcode.PING)
        await host.until(lambda: host.slowed_count)


@on_both_loops
async def test_others_have_their_turn_while_much_of_one_waits(host: Host):
    """What comes at once is not looked at in one turn of the loop."""
    turns: list[int] = []
    running = True

    def turn() -> None:
        turns.append(len(host.messages))
        if running:
            asyncio.get_running_loop().call_soon(turn)

    async with connected(host) as peer:
        asyncio.get_running_loop().call_soon(turn)
        for number in range(5000):
            peer.text(f"{number}")
        await host.until(lambda: len(host.messages) == 5000)
        running = False
    steps = [after - before for before, after in itertools.pairwise(turns)]
    assert max(steps) <= 2 * (SLICE // 7)  # the end of what waited, and what is read then; a frame has 7 bytes


async def test_a_flood_is_shown_until_it_has_ended(start):
    rig = await start(ocpp={"max_message_rate": 50})
    async with rig.socket() as socket:
        for number in range(250):
            await socket.send(json.dumps([2, f"{number}", "Heartbeat", {}]))
        await rig.until(lambda: rig.value("CP1.State.Throttled"))
        answered = [json.loads(await socket.recv())[1] for _ in range(250)]
        assert answered == [f"{number}" for number in range(250)]
        rig.idle += 10.0
        rig.tick()
        assert rig.value("CP1.State.Throttled") is False


async def test_a_station_that_goes_is_no_longer_throttled(start):
    rig = await start(ocpp={"max_message_rate": 50})
    async with rig.socket() as socket:
        for number in range(250):
            await socket.send(json.dumps([2, f"{number}", "Heartbeat", {}]))
        await rig.until(lambda: rig.value("CP1.State.Throttled"))
    await rig.until(lambda: not rig.value("CP1.State.Connected"))
    assert rig.value("CP1.State.Throttled") is False


async def test_without_a_limit_nobody_is_slowed(start):
    rig = await start(ocpp={"max_message_rate": 0})
    async with rig.socket() as socket:
        for number in range(3000):
            await socket.send(json.dumps([2, f"{number}", "Heartbeat", {}]))
        for _ in range(3000):
            await socket.recv()
        assert rig.value("CP1.State.Throttled") is False
