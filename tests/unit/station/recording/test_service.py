"""Recordings of stations that are connected to a running bridge, through its socket."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.station.recording import service
from bridge.station.recording.recorder import Recorder
from bridge.station.recording.service import SOCKET, RecordingService
from tests.unit.station.rig import START, WAIT, Rig, ask

BOOT = [2, "boot", "BootNotification", {"chargePointVendor": "Vendor", "chargePointModel": "Model"}]


@asynccontextmanager
async def recording_of(rig: Rig, folder: Path) -> AsyncIterator[Recorder]:
    recorder = Recorder(lambda: rig.now, lambda: rig.stations)
    rig.context.listen = recorder.listen
    served = RecordingService(folder, recorder)
    await served.start()
    try:
        yield recorder
    finally:
        await served.stop()


@asynccontextmanager
async def listening(folder: Path, **asked: Any) -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_unix_connection(folder / SOCKET)
    writer.write(json.dumps(asked).encode() + b"\n")
    head = await line(reader)
    assert head["recording"] == 1
    try:
        yield reader
    finally:
        writer.close()


async def line(reader: asyncio.StreamReader) -> dict[str, Any]:
    async with asyncio.timeout(WAIT):
        found = json.loads(await reader.readline())
    assert isinstance(found, dict)
    return found


async def test_the_frames_of_a_station_are_told_in_their_order(rig, tmp_path):
    broken = '[2,"1","Heartbeat",{'
    async with recording_of(rig, tmp_path), listening(tmp_path) as reader:
        async with rig.socket() as socket:
            booted = await ask(socket, BOOT)
            refused = await ask(socket, broken)
        lines = [await line(reader) for _ in range(6)]
    assert all((told.pop("time"), told.pop("station"), told.pop("version")) == (START, "CP1", "1.6") for told in lines)
    assert lines == [
        {"event": "open", "registration": None, "boot": {}},
        {"direction": "in", "frame": BOOT},
        {"direction": "out", "frame": booted},
        {"direction": "in", "text": broken},
        {"direction": "out", "frame": refused},
        {"event": "close"},
    ]


async def test_only_the_stations_that_were_asked_for_are_recorded(rig, tmp_path):
    async with (
        recording_of(rig, tmp_path),
        listening(tmp_path, stations=["CP2"]) as reader,
        rig.socket("CP1") as first,
        rig.socket("CP2") as second,
    ):
        await ask(first, BOOT)
        await ask(second, BOOT)
        assert (await line(reader))["station"] == "CP2"
        assert rig.known("CP1").tap is None


async def test_a_station_that_is_connected_begins_as_one_that_has_just_connected(rig, tmp_path):
    async with recording_of(rig, tmp_path), rig.socket() as socket:
        await ask(socket, BOOT)
        async with listening(tmp_path) as reader:
            opened = await line(reader)
            assert (opened["event"], opened["boot"]) == ("open", BOOT[3])
            await ask(socket, [2, "1", "Heartbeat", {}])
            assert (await line(reader))["frame"] == [2, "1", "Heartbeat", {}]
        async with asyncio.timeout(WAIT):
            number = 2
            while rig.known().tap is not None:  # the bridge hears a moment later that the command has ended
                assert (await ask(socket, [2, str(number), "Heartbeat", {}]))[0] == 3
                number += 1


async def test_a_command_that_reads_nothing_costs_lines_and_no_memory(rig, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "MAX_BACKLOG", 100_000)
    found: list[dict[str, Any]] = []

    async def read_on(reader: asyncio.StreamReader) -> None:
        while True:
            found.append(json.loads(await reader.readline()))

    async with recording_of(rig, tmp_path), listening(tmp_path) as reader, rig.socket() as socket:
        for number in range(40):  # 2.4 MB, more than both ends of the socket hold
            data = {"vendorId": "V", "data": "x" * 60_000}
            assert (await ask(socket, [2, str(number), "DataTransfer", data]))[0] == 3
        reading = asyncio.create_task(read_on(reader))
        async with asyncio.timeout(WAIT):
            while not any(told.get("event") == "lost" for told in found):
                await ask(socket, [2, "more", "Heartbeat", {}])
        reading.cancel()
    assert 0 < sum(told.get("lines", 0) for told in found) < 80


async def test_a_killed_bridges_socket_is_replaced_and_ours_is_the_owners_alone(rig, tmp_path):
    (tmp_path / SOCKET).touch()
    async with recording_of(rig, tmp_path):
        mode = (tmp_path / SOCKET).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (tmp_path / SOCKET).exists()


async def test_a_bridge_that_cannot_listen_runs_without_recordings(rig, tmp_path):
    folder = tmp_path / "x" / "y"
    async with recording_of(rig, folder), rig.socket() as socket:  # there is no such folder
        assert (await ask(socket, BOOT))[0] == 3


@pytest.mark.parametrize("request_line", [b"nonsense\n", b"[]\n", b'{"stations": 7}\n'])
async def test_a_request_that_is_none_is_refused(rig, tmp_path, request_line):
    async with recording_of(rig, tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET)
        writer.write(request_line)
        async with asyncio.timeout(WAIT):
            assert await reader.read() == b""
        writer.close()


async def test_only_so_many_recordings_run_at_once(rig, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "MAX_RECORDINGS", 1)
    async with recording_of(rig, tmp_path), listening(tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET)
        writer.write(b"{}\n")
        assert await line(reader) == {"error": "1 recordings run already"}
        writer.close()
