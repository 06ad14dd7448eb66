"""OPC UA clients that were away, or read nothing for a while: they are told what is so now, and nothing old as new."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import Client
from ocpp.v16 import call

from tests.e2e.parties import WAIT, Station, connected, hmi

STATE = "CP001.Connector1.Status.StateText"
STATUSES = ("Preparing", "Charging", "SuspendedEV", "Finishing", "Faulted") * 20


class Told:
    """What a client is told of a point: values with their SourceTimestamps."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, datetime]] = []
        self._came = asyncio.Event()

    async def watch(self, client: Client, queue: int) -> None:
        subscription = await client.create_subscription(20, self)
        node = client.get_node(f"ns=2;s={STATE}")
        await subscription.subscribe_data_change(node, queuesize=queue, sampling_interval=0)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.seen.append((value, data.monitored_item.Value.SourceTimestamp))
        self._came.set()

    def status_change_notification(self, status: Any) -> None:
        """The subscription has ended."""

    async def until(self, said: tuple[str, datetime]) -> None:
        async with asyncio.timeout(2 * WAIT):
            while not self.seen or self.seen[-1] != said:
                self._came.clear()
                await self._came.wait()


@pytest.fixture
def tell() -> Callable[[Station, int, str], Awaitable[tuple[str, datetime]]]:
    """Has a station send a status; what it says, and when that began: the status of each number a second later."""
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)

    async def told(station: Station, number: int, status: str) -> tuple[str, datetime]:
        begun = first + timedelta(seconds=number)
        await station.call(call.StatusNotification(1, "NoError", status, timestamp=begun.isoformat()))
        return status, begun

    return told


async def test_a_client_that_reads_nothing_for_a_while_is_told_states_in_order_with_their_own_times(
    program, tell
) -> None:
    """U30: and of a queue of one it is told the last one."""
    one, many = Told(), Told()
    async with connected(program.ocpp) as station, hmi(program.opcua) as other, Client(program.opcua, WAIT) as client:
        await station.call(call.BootNotification("Model", "Vendor"))
        said = [await tell(station, 0, "Available")]
        await one.watch(client, 1)
        await many.watch(client, 500)
        await one.until(said[0])
        await many.until(said[0])
        client.uaclient.protocol.transport.pause_reading()
        said += [await tell(station, number, status) for number, status in enumerate(STATUSES, 1)]
        await other.until(STATE, STATUSES[-1])
        client.uaclient.protocol.transport.resume_reading()
        await one.until(said[-1])
        await many.until(said[-1])
    assert many.seen == said
    positions = [said.index(seen) for seen in one.seen]
    assert positions == sorted(set(positions))
    assert one.seen[-1] == said[-1]


async def test_a_client_that_comes_back_is_told_the_present_state_and_nothing_of_before(program, tell) -> None:
    """U30"""
    async with connected(program.ocpp) as station, hmi(program.opcua) as other:
        await station.call(call.BootNotification("Model", "Vendor"))
        available = await tell(station, 0, "Available")
        first = Client(program.opcua, WAIT)
        await first.connect()
        told = Told()
        await told.watch(first, 500)
        await told.until(available)
        first.uaclient.protocol.transport.abort()
        for number, status in enumerate(STATUSES[:9], 1):
            last = await tell(station, number, status)
        await other.until(STATE, last[0])
        again = Told()
        async with Client(program.opcua, WAIT) as client:
            await again.watch(client, 500)
            await again.until(last)
            newest = await tell(station, 50, "Available")
            await again.until(newest)
        assert again.seen == [last, newest]
