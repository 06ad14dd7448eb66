"""SIGTERM: whatever hangs, the program ends, and what it knew is on disk."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from asyncua import Client
from ocpp.v16 import call

from bridge.store import Store
from tests.e2e.disks import exited, silent
from tests.e2e.parties import WAIT, Program, connected, hmi, now

pytestmark = pytest.mark.timeout(300)
STATIONS = 1_000
AT_ONCE = 50
DRAINED = 10.0  # s that a stop may take
HANGS = """
import asyncio
from bridge.api import RequestHandler

class Handler(RequestHandler):
    async def authorize(self, request):
        if request.id_token == "HANGS":
            await asyncio.sleep(3600)
"""


async def join(program: Program, number: int) -> Any:
    """A station that has booted and told a status."""
    subprotocols = [websockets.Subprotocol("ocpp1.6")]
    socket = await websockets.connect(
        f"{program.ocpp}CP{number:04}", subprotocols=subprotocols, compression=None, ping_interval=None
    )
    for action, payload in (
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": f"{number}"}),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}),
    ):
        await socket.send(json.dumps([2, action, action, payload]))
        await socket.recv()
    return socket


@pytest.mark.timeout(240)
async def test_a_thousand_stations_a_client_that_hangs_and_a_script_that_hangs_hold_up_no_stop(
    run: Callable[..., Program],
) -> None:
    """B14: the stations are told 1012; what they said last and every transaction is in the store."""
    program = run(ocpp="call_timeout = 3600", scripts='["hangs.py"]\ntimeout = 3600')
    (program.project / "handlers" / "hangs.py").write_text(HANGS, "utf-8")
    await program.start()
    sockets: list[Any] = []
    for first in range(0, STATIONS, AT_ONCE):
        sockets += await asyncio.gather(*(join(program, n) for n in range(first, first + AT_ONCE)))
    async with hmi(program.opcua) as client:
        await client.until("Bridge.StationsConnected", STATIONS)
        hanging = await stuck(program.opcua)
        await sockets[0].send(json.dumps([2, "hangs", "Authorize", {"idTag": "HANGS"}]))
        await client.write("CP0001.Commands.ClearCache.Execute", True)  # whose answer never comes
        await client.until("CP0001.Commands.ClearCache.Result.StateText", "Sent")
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 7, "timestamp": now()}
        await sockets[2].send(json.dumps([2, "start", "StartTransaction", start]))
        assert json.loads(await sockets[2].recv())[2]["transactionId"] == 1
        program.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DRAINED):
            assert await program.ended() == 0
        for socket in sockets:
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await socket.recv()
        hanging.uaclient.protocol.transport.abort()
    assert {socket.close_code for socket in sockets} == {1012}
    with Store.peek(program.project / "bridge.db") as reader:
        assert len(list(reader.stations())) == STATIONS
        values = {value.path: value.value for value in reader.values()}
        assert [values[f"CP{n:04}.Info.FirmwareVersion"] for n in range(STATIONS)] == [str(n) for n in range(STATIONS)]
        assert [one.meter_start for one in reader.open_transactions()] == [7.0]
        assert [(one.action, one.state) for one in reader.last_commands()] == [("ClearCache", "Offline")]


async def stuck(url: str) -> Client:
    """An OPC UA client that subscribes to much and then reads nothing more."""
    client = Client(url, timeout=WAIT)
    await client.connect()
    subscription = await client.create_subscription(20, object())
    await subscription.subscribe_data_change(
        [client.get_node(f"ns=2;s=CP{n:04}.State.LastMessage") for n in range(100)]
    )
    client.uaclient.protocol.transport.pause_reading()
    return client


async def test_a_station_that_comes_while_the_program_stops_is_told_to_go(run: Callable[..., Program]) -> None:
    program = run()
    await program.start()
    url = program.ocpp
    async with connected(url) as station:
        await station.call(call.BootNotification("Model", "Vendor"))
        program.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT):
            assert await program.ended() == 0
    with pytest.raises((OSError, websockets.WebSocketException)):
        await websockets.connect(f"{url}CP002", subprotocols=[websockets.Subprotocol("ocpp1.6")])


LINGERS = """
import asyncio
from bridge.api import RequestHandler

class Handler(RequestHandler):
    async def {hook}(self):
        with open({told!r}, "w"):
            pass
        await asyncio.sleep(3600)
"""


def lingering(program: Program, hook: str) -> asyncio.Task[str]:
    """Gives the program a script whose hook does not end; the task ends when it has begun."""
    told = program.project / "told"
    os.mkfifo(told)
    (program.project / "handlers" / "lingers.py").write_text(LINGERS.format(hook=hook, told=str(told)), "utf-8")
    return asyncio.create_task(asyncio.to_thread(told.read_text))


async def test_a_script_that_does_not_stop_and_a_client_that_waits_hold_up_no_stop(run: Callable[..., Program]) -> None:
    """H06"""
    program = run(ocpp="call_timeout = 3600", scripts='["lingers.py"]\ntimeout = 3600')
    begun = lingering(program, "stopped")
    await program.start()
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await station.call(call.BootNotification("Model", "Vendor"))
        station.answers["ClearCache"] = asyncio.Event()  # which is never set
        waiting = asyncio.create_task(client.call("CP001.Commands.ClearCache.Call"))
        await station.next_asked("ClearCache")
        program.send_signal(signal.SIGTERM)
        async with asyncio.timeout(2 * WAIT):
            assert await program.ended() == 0
            await begun
            await asyncio.wait([waiting])
        assert waiting.exception() is not None
    with Store.peek(program.project / "bridge.db") as reader:
        assert [(one.action, one.state) for one in reader.last_commands()] == [("ClearCache", "Offline")]


async def test_a_program_that_a_script_holds_up_can_be_stopped_before_it_has_started(
    run: Callable[..., Program],
) -> None:
    program = run(scripts='["lingers.py"]\ntimeout = 3600')
    begun = lingering(program, "started")
    starting = asyncio.create_task(program.start())
    async with asyncio.timeout(2 * WAIT):
        await begun
        program.send_signal(signal.SIGTERM)
        with pytest.raises(AssertionError, match="it ended"):
            await starting
        assert await program.ended() == 0


async def test_a_folder_of_scripts_that_does_not_answer_holds_up_no_stop(run: Callable[..., Program]) -> None:
    """As one on a network drive whose server has gone: the thread that looks at it never comes back."""
    program = run()
    program.code = (
        "import threading; from bridge.scripting import watching; "
        "watching.look = lambda *_: (print('hangs', flush=True), threading.Event().wait()); " + program.code
    )
    await program.start()
    async with asyncio.timeout(4 * WAIT):
        while not any("hangs" in line for line in program.lines):  # noqa: ASYNC110 - its lines come without an event
            await asyncio.sleep(0.02)
        program.send_signal(signal.SIGTERM)
        assert await program.ended() == 0
    assert any("bridge.stopped" in line for line in program.lines)


async def test_a_store_that_never_opens_holds_up_no_stop(run: Callable[..., Program]) -> None:
    program = run()
    program.code = (
        "import threading; from bridge.store import store; "
        "store.migrate = lambda *_: (print('hangs', flush=True), threading.Event().wait()); " + program.code
    )
    starting = asyncio.create_task(program.start())
    async with asyncio.timeout(2 * WAIT):
        while not any("hangs" in line for line in program.lines):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.02)
        program.send_signal(signal.SIGTERM)
        with pytest.raises(AssertionError, match="it ended"):
            await starting
        assert await program.ended() == -signal.SIGTERM


async def test_a_disk_that_does_not_answer_holds_up_no_stop(run: Callable[..., Program]) -> None:
    """D02: the stations are told, what was acknowledged is there when the disk is back, and the exit code says it."""
    program = run()
    (program.project / "disk").mkdir()
    with (program.project / "config.toml").open("a", encoding="utf-8") as file:
        file.write('\n[store]\npath = "disk/bridge.db"\n')
    await program.start()
    subprotocols = [websockets.Subprotocol("ocpp1.6")]
    async with websockets.connect(f"{program.ocpp}CP001", subprotocols=subprotocols) as socket:
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 7, "timestamp": now()}
        await socket.send(json.dumps([2, "1", "StartTransaction", start]))
        assert json.loads(await socket.recv())[2]["transactionId"] == 1
        with silent(program):
            await socket.send(json.dumps([2, "2", "StartTransaction", {**start, "meterStart": 8}]))
            await socket.send(json.dumps([2, "3", "Heartbeat", {}]))
            program.send_signal(signal.SIGTERM)
            async with asyncio.timeout(2 * WAIT):
                await exited(program)
                await socket.wait_closed()
        assert await program.ended() == 1
    assert socket.close_code == 1012
    assert any("the disk does not answer" in line for line in program.lines)
    with Store.peek(program.project / "disk" / "bridge.db") as reader:
        assert next(one.id for one in reader.open_transactions()) == 1
