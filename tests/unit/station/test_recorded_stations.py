"""Frames of stations, replayed through websocket, peer, session and tree; `tests/fixtures/stations/README.md`."""

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bridge.ocpp.frames import FrameError, decode
from bridge.points.tree import Quality
from tests.unit.station.rig import WAIT, Rig, Starter

STATIONS = Path(__file__).parents[2] / "fixtures" / "stations"
NAMES = sorted(path.stem for path in STATIONS.glob("*.jsonl"))
VOLATILE = {"State.RemoteAddress", "State.ClockOffset"}
JUDGED = {"State.InvalidMessages", "State.LastError"}  # what the bridge itself shows and a station is to blame for


async def replay(rig: Rig, name: str, version: str) -> None:
    """Sends the frames; each that is a call with a readable id has to be answered."""
    async with rig.socket(name, subprotocols=[f"ocpp{version}"]) as socket:
        for line in (STATIONS / f"{name}.jsonl").read_text("utf-8").splitlines():
            await socket.send(line)
            try:
                expected = decode(line).id
            except FrameError:
                continue
            async with asyncio.timeout(WAIT):
                while json.loads(await socket.recv())[1] != expected:
                    pass
        rig.tick()


def shown(rig: Rig) -> dict[str, Any]:
    """Every point that the station's frames have given a value, by path."""
    [station] = rig.tree.stations.values()
    return {
        f"{group.path}.{row.key}".removeprefix(f"{station.path}."): sample.value
        for group in station.groups()
        for row, sample in ((group.row(slot), group.sample(slot)) for slot in sorted(group.slots()))
        if sample.quality is not Quality.WAITING and row.key not in VOLATILE and (not row.kept or row.key in JUDGED)
    }


@pytest.mark.parametrize("name", NAMES)
async def test_frames_of_a_station_show_as_its_points(start, name):
    expected = json.loads((STATIONS / f"{name}.points.json").read_text("utf-8"))
    rig = await start()
    await replay(rig, name, expected["ocpp"])
    assert shown(rig) == expected["points"]


def test_every_fixture_is_named_in_the_readme():
    text = (STATIONS / "README.md").read_text("utf-8")
    assert [name for name in NAMES if f"| {name} |" not in text] == []


async def _write(name: str, version: str) -> None:
    with TemporaryDirectory() as folder:
        starter = Starter(Path(folder))
        rig = await starter()
        await replay(rig, name, version)
        text = json.dumps({"ocpp": version, "points": shown(rig)}, indent=1, ensure_ascii=False)
        await starter.close()
    (STATIONS / f"{name}.points.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(_write(*sys.argv[1:3]))
