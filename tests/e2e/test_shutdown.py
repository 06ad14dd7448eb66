"""SIGTERM: whatever hangs, the program ends, and what it knew is on disk."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from asyncua import Client
from ocpp.v16 import call

from bridge.store import Store
from tests.e2e.parties import WAIT, Program, connected, hmi, now

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
