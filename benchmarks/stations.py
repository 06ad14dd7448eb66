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
SIMULATED, CONNECT_RATE = 20.0, 200  # s, stations that connect in a second
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
        time.sleep(SETTLED)
        _check(running)
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
            time.sleep(STATIONS / CONNECT_RATE + SETTLED)
            _check(running)
            boot = Use(running.process.cpu() - cpu, time.perf_counter() - began, running.process.rss())
            cpu, began = running.process.cpu(), time.perf_counter()
            time.sleep(SIMULATED - boot.seconds - SETTLED)
            live = Use(running.process.cpu() - cpu, time.perf_counter() - began, running.process.rss())
            failed = simulator.wait(STOP_TIMEOUT)
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


def _check(running: RunningBridge) -> None:
    """All of them are there: as an OPC UA client sees it."""
    connected = asyncio.run(_read(running, "Bridge.StationsConnected"))
    assert connected == STATIONS, f"{connected} stations are connected"


async def _read(running: RunningBridge, path: str) -> object:
    async with Client(running.opcua) as client:
        value: object = await client.get_node(f"ns=2;s={path}").read_value()
    return value
