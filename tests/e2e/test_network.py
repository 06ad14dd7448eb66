"""What networks do to stations' connections, and what the program makes of it, seen from outside."""

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import websockets
from ocpp.v16 import call

from tests.chaos.proxy import CALM, Proxy
from tests.e2e.parties import WAIT, Hmi, Program, Station, connected, hmi, now

BOOT = [2, "boot", "BootNotification", {"chargePointVendor": "Vendor", "chargePointModel": "Model"}]
PINGS = "ping_interval = 0.5\nping_timeout = 0.5"


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy(random.Random(1), CALM, messages=False)  # noqa: S311 - of no use to anybody
    await made.start()
    yield made
    await made.stop()


class Connected:
    """What a client is told of a station's State.Connected, in order."""

    def __init__(self) -> None:
        self.seen: list[bool] = []

    async def watch(self, client: Hmi, station: str) -> None:
        subscription = await client.client.create_subscription(20, self)
        node = client.node(f"{station}.State.Connected")
        await subscription.subscribe_data_change(node, queuesize=50, sampling_interval=0)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.seen.append(value)


async def through(proxy: Proxy, program: Program) -> str:
    """The URL of the program's stations through the proxy."""
    port = program.ocpp.split(":")[2].partition("/")[0]
    proxy.target, proxy.open = int(port), True
    return program.ocpp.replace(port, str(proxy.port))


async def test_a_half_open_connection_is_found_and_the_station_takes_over_in_order(run, proxy) -> None:
    """J14, J15, J16, J21, L05: the command in flight ends, the last values become uncertain."""
    program: Program = run(ocpp=PINGS + "\ncall_timeout = 600")
    await program.start()
    url, connections = await through(proxy, program), Connected()
    async with hmi(program.opcua) as client:
        async with connected(url) as station:
            await station.call(call.BootNotification("Model", "Vendor"))
            await connections.watch(client, "CP001")
            station.answers["ClearCache"] = asyncio.Event()
            await client.write("CP001.Commands.ClearCache.Execute", True)
            await client.until("CP001.Commands.ClearCache.Result.StateText", "Sent")
            proxy.freeze()
            await client.until("CP001.State.Connected", False)
            await client.until("CP001.Commands.ClearCache.Result.StateText", "Offline")
            assert await client.status("CP001.Info.Vendor") == "UncertainLastUsableValue"
        async with connected(url) as station:
            await station.call(call.BootNotification("Model", "Vendor"))
            await client.until("CP001.State.Connected", True)
            assert await client.status("CP001.Info.Vendor") == "Good"
    assert connections.seen == [True, False, True]


async def test_a_station_that_is_back_before_its_old_connection_is_missed_is_never_shown_as_gone(run, proxy) -> None:
    """J14, J15"""
    program: Program = run()
    await program.start()
    url, connections = await through(proxy, program), Connected()
    async with hmi(program.opcua) as client, connected(url) as old:
        await old.call(call.BootNotification("Model", "Vendor"))
        await connections.watch(client, "CP001")
        old.answers["ClearCache"] = asyncio.Event()
        await client.write("CP001.Commands.ClearCache.Execute", True)
        await client.until("CP001.Commands.ClearCache.Result.StateText", "Sent")
        proxy.freeze()
        async with connected(url) as new:
            await new.call(call.BootNotification("Model", "Vendor"))
            await client.until("CP001.Commands.ClearCache.Result.StateText", "Offline")
            await client.until("CP001.State.Reconnects", 1)
            proxy.shut()
        await client.until("CP001.State.Connected", False)
    assert [connections.seen[0], connections.seen[-1]] == [True, False]
    assert True not in connections.seen[connections.seen.index(False) :]


async def result(socket: Any) -> str:
    """The id of the next CALL that comes."""
    async with asyncio.timeout(WAIT):
        while True:
            frame = json.loads(await socket.recv())
            if frame[0] == 2:
                return str(frame[1])


async def test_results_for_nobody_come_to_nothing_and_are_counted(run) -> None:
    """J19, J20: too late, twice, and for a CALL that never was."""
    program: Program = run(ocpp="call_timeout = 1")
    await program.start()
    async with (
        hmi(program.opcua) as client,
        websockets.connect(f"{program.ocpp}CP001", subprotocols=[websockets.Subprotocol("ocpp1.6")]) as socket,
    ):
        await socket.send(json.dumps(BOOT))
        await client.until("CP001.State.Connected", True)
        execute, shown = "CP001.Commands.ClearCache.Execute", "CP001.Commands.ClearCache.Result"
        await client.write(execute, True)
        late = await result(socket)
        await client.until(f"{shown}.StateText", "Timeout")
        await client.write(execute, True)
        second = await result(socket)
        await socket.send(json.dumps([3, late, {"status": "Rejected"}]))
        await socket.send(json.dumps([3, "nobody", {"status": "Rejected"}]))
        await socket.send(json.dumps([4, "nobody", "GenericError", "", {}]))
        await client.until("CP001.State.InvalidMessages", 3)
        assert await client.value(f"{shown}.StateText") == "Sent"
        await socket.send(json.dumps([3, second, {"status": "Accepted"}]))
        await client.until(f"{shown}.StateText", "Accepted")
        await socket.send(json.dumps([3, second, {"status": "Rejected"}]))
        await client.until("CP001.State.InvalidMessages", 4)
        assert await client.value(f"{shown}.StateText") == "Accepted"
        await socket.send(json.dumps([2, "after", "Heartbeat", {}]))
        await client.until("CP001.State.LastHeartbeat", "Good")


def transactions(program: Program) -> list[int]:
    """The meter values that transactions in the store began with."""
    with contextlib.closing(sqlite3.connect(f"file:{program.project / 'bridge.db'}?mode=ro", uri=True)) as db:
        return [int(row[0]) for row in db.execute("SELECT meter_start FROM transactions")]


async def test_a_program_that_stood_still_goes_on_with_the_connections_that_it_had(run: Callable[..., Program]) -> None:
    """L07: pings were due meanwhile, and messages wait; whoever is there has not gone."""
    program = run(ocpp=PINGS)
    await program.start()
    async with connected(program.ocpp) as first, connected(program.ocpp, "CP002") as other:
        for station in (first, other):
            await station.call(call.BootNotification("Model", "Vendor"))
        await pinged(other)
        program.send_signal(signal.SIGSTOP)
        asked = asyncio.create_task(first.call(call.StartTransaction(1, "TAG1", 1234, now())))
        await asyncio.sleep(3)  # six times as long as a station may take for its answer to a ping
        program.send_signal(signal.SIGCONT)
        answer = await asked
        await first.call(call.StopTransaction(1300, now(), answer.transaction_id))
        await pinged(other)
        async with hmi(program.opcua) as client:
            await client.until("CP001.Connector1.Transaction.Stop.Energy", 66.0)
            for name in ("CP001", "CP002"):
                assert await client.value(f"{name}.State.Connected")
                assert await client.value(f"{name}.State.Reconnects") == 0
    assert transactions(program) == [1234]


async def pinged(station: Station) -> None:
    """Lets time pass in which the station is pinged."""
    for _ in range(3):
        await station.call(call.Heartbeat())
        await asyncio.sleep(0.4)


IDLE = 1_500


async def test_connections_that_say_nothing_lock_no_station_out_and_are_ended(run: Callable[..., Program]) -> None:
    """L11"""
    program = run()
    await program.start()
    host, _, port = program.ocpp.removeprefix("ws://").partition("/")[0].partition(":")
    idle = [await asyncio.open_connection(host, int(port)) for _ in range(IDLE)]
    async with connected(program.ocpp) as station:
        await station.call(call.BootNotification("Model", "Vendor"))
    async with asyncio.timeout(4 * WAIT):
        ends = await asyncio.gather(*(reader.read() for reader, _ in idle), return_exceptions=True)
    assert {end for end in ends if not isinstance(end, ConnectionError)} <= {b""}
    for _, writer in idle:
        writer.close()
    async with connected(program.ocpp) as station:
        assert (await station.call(call.Heartbeat())).current_time
