"""`latency`: from a station's frame to the DataChange at a subscribed OPC UA client.

The client is asyncua's, with a publishing interval of 50 ms. It and the stations are in one process, so that
one clock tells both ends; its own time for a notification is in the figure.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from asyncua.client.client import Client

from benchmarks.figures import Figure, p50_p99
from benchmarks.processes import RunningBridge, bridge
from benchmarks.station import Station, booted
from benchmarks.traffic import meter_values

TITLE = "From a station's frame to the DataChange at a client (publishing interval 50 ms)"
INTERVAL = 50  # ms
STATIONS = 4
SAMPLES = 200  # of each station
TIMEOUT = 10.0  # s


class Watch:
    """One point and who waits for its next change."""

    def __init__(self) -> None:
        self.value: float | None = None
        self.seen: asyncio.Future[float] | None = None

    def changed(self, value: Any, at: float) -> None:
        if value == self.value and self.seen is not None and not self.seen.done():
            self.seen.set_result(at)


class Handler:
    """Takes the notifications of the subscription; `watches` by NodeId."""

    def __init__(self, watches: dict[str, Watch]) -> None:
        self._watches = watches

    def datachange_notification(self, node: Any, value: Any, _data: Any) -> None:
        self._watches[node.nodeid.Identifier].changed(value, time.perf_counter())


def run() -> list[Figure]:
    with bridge() as running:
        times = asyncio.run(_measure(running))
        assert not running.complaints(), running.complaints()[:3]
    p50, p99 = p50_p99(times)
    note = f"{len(times)} changes of {STATIONS} stations, evenly over the publishing interval"
    return [Figure("p50", p50, note=note), Figure("p99", p99)]


async def _measure(running: RunningBridge) -> list[float]:
    async with AsyncExitStack() as stack:
        names = [f"BENCH{number}" for number in range(STATIONS)]
        stations = [await stack.enter_async_context(booted(running.ocpp + name)) for name in names]
        client = await stack.enter_async_context(Client(running.opcua))
        paths = [f"{name}.Connector1.MeterValues.Energy.Active.Import.Register" for name in names]
        watches = {path: Watch() for path in paths}
        subscription = await client.create_subscription(INTERVAL, Handler(watches))
        await subscription.subscribe_data_change([client.get_node(f"ns=2;s={path}") for path in paths])
        watched = zip(stations, watches.values(), strict=True)
        rounds = await asyncio.gather(*(_samples(station, watch) for station, watch in watched))
        await subscription.delete()
    return [seconds for found in rounds for seconds in found]


async def _samples(station: Station, watch: Watch) -> list[float]:
    found: list[float] = []
    for number in range(1, SAMPLES + 1):
        # the golden ratio's multiples are spread over the interval as evenly as chance, and the same each time
        await asyncio.sleep(number * 0.618034 % 1 * INTERVAL / 1e3)
        watch.value, watch.seen = float(number), asyncio.get_running_loop().create_future()
        began = station.send(meter_values(1, 0, number, number % 20))
        async with asyncio.timeout(TIMEOUT):
            found.append(await watch.seen - began)
    return found
