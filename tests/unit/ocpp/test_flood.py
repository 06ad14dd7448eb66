"""A station that sends more than it may: it is slowed down, loses nothing, and is shown."""

import asyncio
import itertools
import json
import sys

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


GATE = asyncio.Event()  # what the script waits for
WAITS = """
async def data_transfer(self, request):
    import sys
    await sys.modules["tests.unit.ocpp.test_flood"].GATE.wait()
"""


async def test_what_waits_to_be_answered_is_bounded_in_bytes_and_nothing_is_lost(start, monkeypatch):
    gate = asyncio.Event()
    monkeypatch.setattr(sys.modules[__name__], "GATE", gate)
    rig = await start(WAITS)
    count, data = 60, "x" * 50_000
    async with rig.socket() as socket, rig.socket("CP2") as other:

        async def send() -> None:
            for number in range(count):
                await socket.send(json.dumps([2, f"{number}", "DataTransfer", {"vendorId": "V", "data": data}]))

        sending = asyncio.ensure_future(send())
        await rig.until(lambda: rig.value("CP1.State.Connected"))
        for _ in range(50):
            await other.send('[2,"1","Heartbeat",{}]')
            await other.recv()
        assert 0 < rig.known().received <= 4  # of 50 KB each
        gate.set()
        answered = [json.loads(await socket.recv())[1] for _ in range(count)]
        assert answered == [f"{number}" for number in range(count)]
        await sending
        assert rig.value("CP1.State.InvalidMessages") == 0


@on_both_loops
async def test_who_is_held_back_is_not_taken_for_dead_and_loses_nothing(host: Host):
    host.ping_interval = host.options["ping_timeout"] = 0.05
    async with connected(host) as peer:
        host.connections[0].hold()
        peer.text("x" * 3000)
        peer.text("y" * 3000)
        for _ in range(3):
            assert await peer.next() == (Opcode.PING, b"")
        assert host.messages == []
        host.connections[0].release()
        await host.until(lambda: len(host.messages) == 2)
        assert host.losses == []


@on_both_loops
async def test_what_has_to_wait_for_its_turn_comes_in_order_and_before_the_end(host: Host):
    """As where more stations have something to say at once than one turn of the loop has time for."""
    host.monkeypatch.setattr(host.turns, "is_full", lambda: True)
    async with connected(host) as peer:
        sent = [f"{number}" for number in range(300)]
        for text in sent:
            peer.text(text)
        peer.writer.write_eof()
        await host.all_gone()
    assert host.messages == sent
    assert host.problems == []
