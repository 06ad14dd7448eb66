"""The recordings of tests/fixtures: how they are made, and what of a replay is compared.

`python -m tests.unit.replay.recordings` makes them and their expectations anew; with names, only expectations of these.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from bridge.config import Config
from bridge.ocpp.versions import VERSIONS
from bridge.project import Project, shipped
from bridge.replay import Player, Step, World, read_recording
from bridge.simulator import Simulator
from bridge.station.recording.recorder import Recorder, Recording
from tests.unit.station.deviations import DEVIATIONS
from tests.unit.station.rig import Rig, Starter, ask
from tests.unit.station.test_tolerance import BOOT, frame

FOLDER = Path(__file__).parents[2] / "fixtures" / "recordings"
SIMULATED = "frames of a simulated station (ocpp-bridge simulate), not of a real one"
MADE = "frames made for the table of tolerated deviations, not of a real station"
#: points that are compared: what a message says, and not when or how often
COMPARED = ("Connector1.", "Info.", "State.InvalidMessages", "State.LastError", "State.Conformance")


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


async def steps(name: str, folder: Path) -> list[Step]:
    """A replay by the shipped project."""
    world = World(Project(shipped(), folder), Config(), folder)
    player = Player(world, read_recording(FOLDER / f"{name}.jsonl"))
    try:
        return [step async for step in player.play()]
    finally:
        await player.close()


def essence(found: list[Step]) -> list[dict[str, Any]]:
    """What is kept of a replay as an expectation."""
    return [
        {
            "station": step.station,
            "what": step.what,
            "answer": step.answer,
            "differences": step.differences,
            "points": {
                path: value
                for path, value in step.points.items()
                if path.partition(".")[2].startswith(COMPARED) and ".Commands." not in path
            },
        }
        for step in found
    ]


def expected(name: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (FOLDER / f"{name}.expected").read_bytes().splitlines()]


async def expect(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = essence(await steps(name, Path(folder)))
    (FOLDER / f"{name}.expected").write_bytes(b"".join(msgspec.json.encode(step) + b"\n" for step in found))


async def record(name: str, note: str, rig: Rig, work: Any) -> None:
    lines: list[bytes] = []
    recorder = Recorder(rig.context.clock, lambda: rig.stations)
    rig.context.listen = recorder.listen
    recording = Recording(frozenset(), lines.append, hide_tokens=False)
    recording.line({"recording": 1, "program": "ocpp-bridge", "tokens": "plain", "note": note})
    recorder.begin(recording)
    await work(rig)
    recorder.end(recording)
    (FOLDER / f"{name}.jsonl").write_bytes(b"".join(lines))


async def charge(rig: Rig, version: str) -> None:
    """One car comes, charges and goes."""
    simulator = Simulator(rig.ocpp.url.rstrip("/"), 1, connectors=1, prefix="SIM", speed=120.0, ocpp=version)
    running = asyncio.create_task(simulator.run())
    await rig.until(lambda: any(path.endswith("Transaction.Stop.Id") for path, _ in rig.history))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await rig.until(lambda: rig.known("SIM0001").session is None)


async def deviate(rig: Rig, version: str) -> None:
    """Each deviation of the version's table, each at a station of its own."""
    rows = [row for row in DEVIATIONS if version in row.versions]
    for place, row in enumerate(rows, 1):
        async with rig.socket(f"D{place:02}", subprotocols=[VERSIONS[version].subprotocol]) as socket:
            await ask(socket, [2, "boot", "BootNotification", BOOT[version]])
            for number, message in enumerate(row.messages):
                rig.now += 1.0
                await ask(socket, frame(number, *message))
            await ask(socket, [2, "settle", "Heartbeat", {}])
        await rig.until(lambda identity=f"D{place:02}": rig.known(identity).session is None)


async def make() -> None:
    FOLDER.mkdir(exist_ok=True)
    for version in VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            starter = Starter(Path(folder))
            rig = await starter(ocpp={"read_configuration": True})
            rig.context.clock = time.time
            await record(f"simulated-{version}", SIMULATED, rig, lambda rig, v=version: charge(rig, v))
            await starter.close()
        with tempfile.TemporaryDirectory() as folder:
            starter = Starter(Path(folder))
            await record(f"deviations-{version}", MADE, await starter(), lambda rig, v=version: deviate(rig, v))
            await starter.close()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        asyncio.run(make())
    for chosen in sys.argv[1:] or names():
        asyncio.run(expect(chosen))
