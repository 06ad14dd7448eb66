"""All at once: the stations of a depot after a restart, and as many clients as the Standard UA Server profile wants."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import websockets
from asyncua import Client
from ocpp.v16 import call

from tests.e2e.parties import Program, connected, hmi

STATIONS = 1_000
WAIT = 240.0  # s, on a machine that has other things to do
SESSIONS, SUBSCRIPTIONS, ITEMS = 50, 225, 56_250  # of the profile
FIRST = "CP01.Connector1.Status.StateText"


async def come_back(url: str, number: int, version: str) -> tuple[Any, str]:
    """A station connects, tries again while it is told to, and boots; its socket, and what it is answered."""
    protocol = websockets.Subprotocol(version)
    while True:
        try:
            socket = await websockets.connect(
                f"{url}CP{number:04}", subprotocols=[protocol], compression=None, ping_interval=None, open_timeout=WAIT
            )
            break
        except (OSError, websockets.InvalidStatus):
            await asyncio.sleep(0.1)
    station = {"vendorName": "V", "model": "M"}
    boot = {"reason": "PowerUp", "chargingStation": station} if version != "ocpp1.6" else {}
    await socket.send(
        json.dumps([2, "b", "BootNotification", boot or {"chargePointVendor": "V", "chargePointModel": "M"}])
    )
    return socket, json.loads(await socket.recv())[2]["status"]


@pytest.mark.timeout(600)
async def test_a_thousand_stations_that_come_back_at_once_after_a_kill_are_all_taken(
    run: Callable[..., Program],
) -> None:
    """L01: those of 1.6 and of 2.0.1, and a client sees them all come."""
    program = run()
    await program.start()
    for _ in range(2):  # as strangers, and as stations that are known
        async with asyncio.timeout(WAIT), hmi(program.opcua) as client:
            coming = (
                come_back(program.ocpp, number, "ocpp2.0.1" if number % 5 == 0 else "ocpp1.6")
                for number in range(STATIONS)
            )
            came = await asyncio.gather(*coming)
            assert {status for _, status in came} == {"Accepted"}
            await client.until("Bridge.StationsConnected", STATIONS)
        await program.kill()
        for socket, _ in came:
            await socket.wait_closed()
        await program.start()


class Told:
    """What a subscription is told."""

    def __init__(self) -> None:
        self.count = 0
        self.last: Any = None
        self.came = asyncio.Event()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.count += 1
        if node.nodeid.Identifier == FIRST:
            self.last = value
        self.came.set()

    async def until(self, condition: Callable[["Told"], bool]) -> None:
        while not condition(self):
            self.came.clear()
            await self.came.wait()


@pytest.mark.timeout(600)
async def test_fifty_clients_with_56250_items_in_225_subscriptions_are_all_told(run: Callable[..., Program]) -> None:
    """L03"""
    stations = "\n".join(f'[[station]]\nid = "CP{number:02}"\nconnectors = 2' for number in range(1, 11))
    program = run(stations=stations)
    await program.start()
    each = ITEMS // SUBSCRIPTIONS
    async with asyncio.timeout(WAIT), AsyncExitStack() as stack:
        station = await stack.enter_async_context(connected(program.ocpp, "CP01"))
        await station.call(call.BootNotification("Model", "Vendor"))
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        # asyncua gives a connection up that does not answer within its watchdog's second: here fifty of its clients
        # share a thread, and the machine has other things to do
        patient = {"timeout": WAIT, "watchdog_intervall": WAIT}
        clients = [await stack.enter_async_context(Client(program.opcua, **patient)) for _ in range(SESSIONS)]
        points = await paths(clients[0])
        told = []
        for number in range(SUBSCRIPTIONS):
            client, told_ = clients[number % SESSIONS], Told()
            subscription = await client.create_subscription(500, told_)
            start = number * (each - 1) % (len(points) - each)
            nodes = [client.get_node(f"ns=2;s={path}") for path in (FIRST, *points[start : start + each - 1])]
            await subscription.subscribe_data_change(nodes)
            told.append(told_)
        for one in told:
            await one.until(lambda one: one.count >= each)
        await station.call(call.StatusNotification(1, "NoError", "Charging"))
        for one in told:
            await one.until(lambda one: one.last == "Charging")


async def paths(client: Client) -> list[str]:
    """The points of all stations but the first one's status, by the folders that they are in."""
    found, folders = [], [client.get_node("ns=2;s=Stations")]
    while folders:
        for node in await folders.pop().get_children():
            path, kind = str(node.nodeid.Identifier), await node.read_node_class()
            if kind.name == "Variable" and path != FIRST:
                found.append(path)
            elif kind.name == "Object" and ".Commands" not in path:
                folders.append(node)
    return found
