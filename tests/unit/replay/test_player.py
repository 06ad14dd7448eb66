"""Recordings written by hand, run through a bridge without its servers."""

import json
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from bridge.config import load_config
from bridge.project import Project
from bridge.replay import Player, Step, World, read_recording
from tests.unit.station.rig import SCRIPT, START, at

BOOT = [2, "b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


@pytest.fixture
def play(project: Project, tmp_path: Path) -> Any:
    """Plays lines, given as (what, frame); `script` is the body of the site's Handler class."""

    async def run(*lines: tuple[str, Any], script: str = "") -> list[Step]:
        if script:
            (project.folder / "handlers" / "default.py").write_text(SCRIPT + indent(script, "    "))
        about = {"station": "CP1", "version": "1.6"}
        told = [{"event": what} if frame is None else {"direction": what, "frame": frame} for what, frame in lines]
        rows = [{"recording": 1}, *({"time": START + place, **about, **line} for place, line in enumerate(told))]
        path = tmp_path / "recording.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / "world").mkdir()
        player = Player(World(project, load_config(project, {}), tmp_path / "world"), read_recording(path))
        try:
            return [step async for step in player.play()]
        finally:
            await player.close()

    return run


def points(steps: list[Step]) -> dict[str, Any]:
    """What shows in the end."""
    return {path: value for step in steps for path, value in step.points.items()}


async def test_the_recorded_time_is_the_clock(play):
    steps = await play(("open", None), ("in", BOOT))
    assert steps[1].answer is not None
    assert steps[1].answer[2]["currentTime"] == "2027-01-15T08:00:01.000Z"
    assert steps[1].points["CP1.State.LastBoot"] == START + 1


async def test_a_transaction_keeps_together_though_it_has_another_number_now(play):
    start = {"connectorId": 1, "idTag": "A", "meterStart": 100, "timestamp": at()}
    stop = {"transactionId": 4711, "meterStop": 600, "timestamp": at(60)}
    steps = await play(
        ("open", None),
        ("in", [2, "1", "StartTransaction", start]),
        ("out", [3, "1", {"transactionId": 4711, **ACCEPTED}]),
        ("in", [2, "2", "StopTransaction", stop]),
        ("out", [3, "2", {}]),
        ("in", [2, "3", "StopTransaction", {**stop, "transactionId": 1}]),  # of before the recording
    )
    assert [step.differences for step in steps] == [[], [], [], []]
    shown = points(steps)
    assert (shown["CP1.Connector1.Transaction.Stop.Id"], shown["CP1.Connector1.Transaction.Stop.Energy"]) == (
        "1",
        500.0,
    )


async def test_a_command_that_was_recorded_gets_the_answer_that_was_recorded(play):
    steps = await play(
        ("open", None),
        ("out", [2, "ours-9", "GetConfiguration", {}]),
        ("in", [3, "ours-9", {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}]}]),
    )
    assert [(step.what, step.differences) for step in steps] == [("open", []), ("sent", []), ("received", [])]
    assert points(steps)["CP1.Configuration.HeartbeatInterval"] == "60"


async def test_a_script_that_asks_its_station_gets_the_recorded_answer(play):
    """The station says something else in between, which is answered afterwards."""
    steps = await play(
        ("open", None),
        ("in", [2, "1", "Authorize", {"idTag": "A"}]),
        ("out", [2, "ours-1", "DataTransfer", {"vendorId": "V"}]),
        ("in", [2, "2", "Heartbeat", {}]),
        ("in", [3, "ours-1", {"status": "Rejected"}]),
        ("out", [3, "1", {"idTagInfo": {"status": "Blocked"}}]),
        ("out", [3, "2", {"currentTime": at()}]),
        script="async def authorize(self, request):\n"
        '    found = await request.station.call("DataTransfer", {"vendorId": "V"})\n'
        '    return Authorization.blocked() if found["status"] == "Rejected" else Authorization.accepted()\n',
    )
    assert [step.differences for step in steps if step.differences] == []
    answers = [step.answer for step in steps if step.answer is not None]
    assert [answer[:2] for answer in answers] == [[3, "1"], [3, "2"]]
    assert answers[0][2] == {"idTagInfo": {"status": "Blocked"}}


async def test_what_was_answered_then_and_is_not_now_differs(play):
    steps = await play(
        ("open", None),
        ("in", [2, "1", "Authorize", {"idTag": "A"}]),
        ("out", [3, "1", {"idTagInfo": {"status": "Blocked"}}]),
        ("in", [2, "2", "Reset", {"type": "Hard"}]),
        ("out", [3, "2", {}]),
    )
    assert [step.differences for step in steps] == [
        [],
        ["idTagInfo.status: 'Accepted', was 'Blocked'"],
        ["CALLERROR NotSupported, was CALLRESULT"],
    ]


async def test_a_command_of_the_bridge_that_was_not_recorded_differs(play):
    """It asks for the configuration after a boot, and something else was recorded."""
    steps = await play(
        ("open", None),
        ("in", BOOT),
        ("out", [2, "ours-1", "ClearCache", {}]),
        ("in", [3, "ours-1", {"status": "Accepted"}]),
    )
    assert steps[2].differences == ["GetConfiguration was sent, which is not in the recording"]


async def test_a_reconnect_closes_the_connection_before(play):
    steps = await play(("open", None), ("in", BOOT), ("open", None), ("in", [2, "1", "Heartbeat", {}]), ("close", None))
    assert [step.what for step in steps] == ["open", "received", "open", "received", "close"]
    assert steps[3].answer is not None
    assert points(steps)["CP1.State.Reconnects"] == 1
    assert points(steps)["CP1.State.Connected"] is False


async def test_frames_that_cannot_be_replayed_are_said_to_be_skipped(play, tmp_path):
    path = tmp_path / "hidden.jsonl"
    about = {"time": START, "station": "CP1", "version": "1.6", "direction": "in"}
    path.write_text(
        '{"recording":1}\n' + json.dumps({**about, "hidden": 20}) + "\n" + json.dumps({**about, "text": "x"})
    )
    project = Project.find(None, {}, tmp_path)
    (tmp_path / "w").mkdir()
    player = Player(World(project, load_config(project, {}), tmp_path / "w"), read_recording(path))
    assert [step.what async for step in player.play()] == ["skipped", "received"]
    await player.close()
