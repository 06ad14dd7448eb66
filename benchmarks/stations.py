"""`stations`: 1,000 stations with two connectors each at one bridge: what they cost it.

First they are raw websockets in a process of their own: each boots and reports its connectors, then is silent
for a while; then all of them together send MeterValues at a steady rate. Then, at a new bridge, they are those of
`ocpp-bridge simulate`, which charge, and which must not have met a single error.
"""

import asyncio
import subprocess
import time
from dataclasses import dataclass

from asyncua.client.client import Client

from benchmarks.figures import Figure
from benchmarks.processes import PROGRAM, STOP_TIMEOUT, Child, RunningBridge, bridge, module
from benchmarks.processes import running as process

STATIONS = 1000
TITLE = f"{STATIONS:,} stations with two connectors each"
IDLE = 8.0  # s
BUSY, RATE = 8.0, 100  # s, MeterValues a second of all stations together
SIMULATED, CONNECT_RATE = 30.0, 200  # s, stations that connect in a second
CHARGING = 10.0  # s
CONNECTED_TIMEOUT = 15.0  # s
SETTLED = 1.0  # s, until what is written behind is on disk


@dataclass(frozen=True, slots=True)
class Use:
    """What the bridge used over a time: CPU in s, wall time in s, memory at its end in bytes."""

    cpu: float
    seconds: float
    memory: int

    @property
    def core(self) -> str:
        return f"{self.cpu / self.seconds:.1%} of a core"


def run() -> list[Figure]:
    return [*_raw(), *_simulated()]


def _raw() -> list[Figure]:
    # a station that was silent from its boot on has 300 s left to its first heartbeat
    with bridge() as running, module("load", running.ocpp, str(STATIONS)) as load:
        empty = running.process.rss()
        boot = _use(running, load, do="boot")
        asyncio.run(_all_connected(running))
        time.sleep(SETTLED)
        idle = _use(running, None)
        busy = _use(running, load, do="trickle", seconds=BUSY, rate=RATE)
        assert not running.complaints(), running.complaints()[:3]
    each = (idle.memory - empty) / STATIONS
    ms = boot.cpu / STATIONS * 1e3
    return [
        Figure("boot of all", f"{boot.seconds:.1f} s", note="BootNotification, 3 StatusNotifications each"),
        Figure("CPU for each boot", f"{ms:.1f} ms", note="connection, configuration and the store included"),
        Figure("memory of the bridge", f"{idle.memory / 1e6:.0f} MB", note=f"{empty / 1e6:.0f} MB without stations"),
        Figure("memory for each station", f"{each / 1e3:.0f} KB"),
        Figure("CPU, all silent", idle.core),
        Figure(f"CPU, {RATE} MeterValues/s", busy.core, note="of 10 samples each"),
        Figure("memory after that", f"{busy.memory / 1e6:.0f} MB"),
    ]


def _simulated() -> list[Figure]:
    options = ["--stations", STATIONS, "--connectors", 2, "--duration", SIMULATED, "--rate", CONNECT_RATE]
    with bridge() as running:
        command = [*PROGRAM, "simulate", running.ocpp, *map(str, options)]
        cpu, began = running.process.cpu(), time.perf_counter()
        with process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as simulator:
            asyncio.run(_all_connected(running))
            boot = Use(running.process.cpu() - cpu, time.perf_counter() - began, running.process.rss())
            cpu, began = running.process.cpu(), time.perf_counter()
            time.sleep(CHARGING)
            live = Use(running.process.cpu() - cpu, time.perf_counter() - began, running.process.rss())
            failed = simulator.wait(SIMULATED + STOP_TIMEOUT)
        assert not failed, f"ocpp-bridge simulate ended with {failed}: a station met an error"
        assert not running.complaints(), running.complaints()[:3]
    note = f"`ocpp-bridge simulate`, {CONNECT_RATE} a second; no error"
    return [
        Figure("simulated: CPU while all boot", boot.core, note=note),
        Figure("simulated: CPU while they charge", live.core),
        Figure("simulated: memory of the bridge", f"{live.memory / 1e6:.0f} MB"),
    ]


def _use(running: RunningBridge, load: Child | None, **request: object) -> Use:
    """What the bridge uses while the stations do something, or nothing."""
    cpu, began = running.process.cpu(), time.perf_counter()
    if load is None:
        time.sleep(IDLE)
    else:
        done = load.ask(**request)
        assert done["errors"] == done.get("refused", 0) == 0, done
    return Use(running.process.cpu() - cpu, time.perf_counter() - began, running.process.rss())


async def _all_connected(running: RunningBridge) -> None:
    """Waits until an OPC UA client sees that all of them are there. Raises TimeoutError."""
    async with Client(running.opcua) as client, asyncio.timeout(CONNECTED_TIMEOUT):
        connected = client.get_node("ns=2;s=Bridge.StationsConnected")
        while await connected.read_value() != STATIONS:  # noqa: ASYNC110 - the clock is the event
            await asyncio.sleep(0.2)
