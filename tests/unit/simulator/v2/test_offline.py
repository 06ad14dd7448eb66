"""What a simulated 2.x station does without a line, and when it comes back."""

import asyncio

from websockets.asyncio.server import serve

from bridge.simulator import Simulator
from tests.unit.simulator.helpers import FAST, LONELY, running


async def test_events_of_an_outage_come_late_and_say_so(csms, version):
    """OCPP 2.0.1 E04, B04"""
    async with running(
        Simulator(csms.url, 1, ocpp=version, connectors=1, **{**LONELY, "back_off": (0.2, 0.2), "meter_interval": 1.0})
    ) as simulator:
        await csms.hear("StatusNotification")
        transaction = await csms.start()
        csms.connections[-1].transport.abort()
        await csms.hear("TransactionEvent", 3, offline=True)
        await csms.command("RequestStopTransaction", {"transactionId": transaction})
        [ended] = await csms.hear("TransactionEvent", eventType="Ended")
        assert (simulator.counters.boots, len(csms.connections)) == (1, 2)
    events = csms.of("TransactionEvent")
    numbers = [event["seqNo"] for event in events]
    assert sorted(set(numbers)) == list(range(ended["seqNo"] + 1))
    assert numbers == sorted(numbers)
    assert len(csms.of("BootNotification")) == 1
    assert "offline" not in ended


async def test_a_session_that_ends_offline_is_told_afterwards(csms, version):
    async with serve(csms.serve, "127.0.0.1", 0, subprotocols=[f"ocpp{version}"]) as server:
        port = server.sockets[0].getsockname()[1]
        fast = {**FAST, "pause": 1e6, "back_off": (0.1, 0.1)}
        url, stopped = f"ws://127.0.0.1:{port}", asyncio.Event()

        def note(_station: str, event: str, _detail: str) -> None:
            if event == "stopped":
                stopped.set()

        simulator = Simulator(url, 1, ocpp=version, connectors=1, on_event=note, **fast)
        task = asyncio.create_task(simulator.run())
        await csms.hear("StatusNotification")
        await csms.start()
    try:
        await asyncio.wait_for(stopped.wait(), 30)
        async with serve(csms.serve, "127.0.0.1", port, subprotocols=[f"ocpp{version}"]):
            [ended] = await csms.hear("TransactionEvent", eventType="Ended")
            await csms.hear("StatusNotification", 2, connectorStatus="Available")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert ended["offline"] is True
    assert len(csms.of("BootNotification")) == 1


async def test_the_line_is_cut_now_and_then_where_it_is_set(csms, version):
    async with running(
        Simulator(csms.url, 1, ocpp=version, outage_every=0.3, outage=0.1, **{**LONELY, "back_off": (0.01, 0.02)})
    ):
        await csms.until(lambda: len(csms.connections) >= 3)
    assert len(csms.of("BootNotification")) == 1
