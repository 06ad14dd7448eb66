"""`start`: a whole bridge with 10,000 known stations, from its command line to the first Browse that is answered."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.opcua import services
from benchmarks.opcua.report import Row
from benchmarks.opcua.servers import OURS, server
from benchmarks.opcua.wire import Channel, ProtocolError, node
from benchmarks.processes import PROGRAM, Child, free_port, running
from bridge import logs
from bridge.project import init
from bridge.store.records import StationRecord
from bridge.store.store import Store

TITLE = "Start-up with 10,000 known stations"
KNOWN = 10_000
PATIENCE = 60.0  # s
SAMPLE = 20  # stations of a peer, from which its figure is reckoned
ROUNDS = 3


def run(names: Sequence[str]) -> Sequence[Row]:
    row = Row("from the command to the first answered Browse", "s", limit=3.0, note=f"median of {ROUNDS} starts")
    with tempfile.TemporaryDirectory(prefix="ocpp-bridge-bench-") as scratch:
        folder = Path(scratch, "project")
        init(folder)
        asyncio.run(_know(folder))
        for _ in range(ROUNDS):
            row.add(OURS, _start(folder))
    peers = [name for name in names if name != OURS]
    for name in peers:
        with server(name) as peer:
            row.add(name, peer.make(SAMPLE) * KNOWN)
    row.reckoned = tuple(peers)
    if peers:
        row.note += f"; the peers': the CPU time to create {KNOWN:,} stations, reckoned from {SAMPLE}"
    return [row]


async def _know(folder: Path) -> None:
    """Puts the stations into the project's store."""
    logs.configure("warning")
    store = Store.open(folder / "bridge.db")
    for number in range(KNOWN):
        name = f"CP{number:05}"
        boot = {"chargePointVendor": "ACME", "chargePointModel": "M1"}
        seen = time.time()
        store.put_station_soon(
            StationRecord(id=name, name=name, version="1.6", first_seen=seen, last_seen=seen, boot=boot)
        )
    await store.close()


def _start(folder: Path) -> float:
    """Seconds until a client that knocks all the time has its answer."""
    port = free_port()
    endpoint = f"opc.tcp://127.0.0.1:{port}/ocpp-bridge"
    environment = {
        **os.environ,
        "OCPP_BRIDGE__OCPP__PORT": str(free_port()),
        "OCPP_BRIDGE__OPCUA__ENDPOINT": endpoint,
        "OCPP_BRIDGE__OPCUA__SECURITY": '["None"]',
    }
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "env": environment}
    began = time.perf_counter()
    with running([*PROGRAM, "run", "--project", str(folder), "--log-level", "error"], **options) as process:
        channel = _connected(endpoint, process)
        services.log_in(channel, endpoint)
        request = services.browse_request([node("Stations")], 1000)
        (found,) = services.browsed(channel.ask(services.BROWSE, request))
        taken = time.perf_counter() - began
        targets = list(found.targets)
        while found.rest:
            (found,) = services.browsed(channel.ask(services.BROWSE_NEXT, services.browse_next_request([found.rest])))
            targets += found.targets
        stations = {target for target in targets if target.startswith(node("CP00000")[:3]) and target[7:9] == b"CP"}
        assert len(stations) == KNOWN, len(stations)
        services.log_out(channel)
    return taken


def _connected(endpoint: str, process: Child) -> Channel:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not process.ended():
        try:
            return Channel(endpoint)
        except (OSError, ProtocolError):
            time.sleep(0.01)
    raise RuntimeError("the bridge does not start")
