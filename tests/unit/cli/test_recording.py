"""`ocpp-bridge record` beside a running bridge, and `ocpp-bridge replay` without one."""

import json
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.unit.cli.helpers import ocpp_bridge
from tests.unit.cli.test_running import PATIENCE, ended, said, site, started

__all__ = ["site"]

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings"
BOOT = '[2,"boot","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
START = '[2,"1","StartTransaction",{"connectorId":1,"idTag":"%s","meterStart":0,"timestamp":"2027-01-15T08:00:00Z"}]'


def ask(socket, text: str) -> list:
    socket.send(text)
    while True:
        frame = json.loads(socket.recv(PATIENCE))
        if frame[0] != 2:
            return frame
        socket.send(json.dumps([3, frame[1], {"configurationKey": []}]))  # GetConfiguration


def recording(process: subprocess.Popen[str], cwd: Path) -> None:
    """Waits until `record` says that it records."""
    for _ in range(PATIENCE * 20):
        if "Ctrl-C ends it" in (cwd / "stderr").read_text():
            return
        assert process.poll() is None, (cwd / "stderr").read_text()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError("it does not record")


@pytest.mark.parametrize("hidden", [False, True])
def test_what_is_recorded_beside_a_running_bridge_is_replayed_without_one(site, tmp_path, hidden):
    output, options = tmp_path / "frames.jsonl", ["--hide-tokens"] if hidden else []
    aside = tmp_path / "aside"
    aside.mkdir()
    with started("run", "--project", site, cwd=site) as bridge:
        url = said(bridge, r"(ws://\S+/)<station identity>")[1]
        said(bridge, "opc.tcp://")
        command = ["record", "--station", "CP1", "--output", output, "--project", site, *options]
        with started(*command, cwd=aside) as record:
            recording(record, aside)
            for identity in ("CP1", "CP2"):
                with connect(url + identity, subprotocols=["ocpp1.6"]) as socket:
                    assert ask(socket, BOOT)[0] == 3
                    assert ask(socket, START % f"TOKEN-{identity}")[0] == 3
            record.send_signal(signal.SIGINT)
            assert record.wait(PATIENCE) == 0
        bridge.terminate()
        assert bridge.wait(PATIENCE) == 0
    text = output.read_text()
    head, *lines = map(json.loads, text.splitlines())
    assert head["tokens"] == ("hidden" if hidden else "plain")
    assert {line["station"] for line in lines} == {"CP1"}
    assert ("TOKEN-CP1" in text) is not hidden
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    replayed = ended("replay", output, "--project", site, cwd=tmp_path)
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert "  CP1.Connector1.Transaction.Active = true" in replayed.stdout.splitlines()


def test_a_recording_that_cannot_be_written_ends_and_the_bridge_goes_on(site, tmp_path):
    with started("run", "--project", site, cwd=site) as bridge:
        url = said(bridge, r"(ws://\S+/)<station identity>")[1]
        said(bridge, "opc.tcp://")
        full = ended("record", "--output", "/dev/full", "--project", site, cwd=tmp_path)
        assert full.returncode == 1
        assert "/dev/full: cannot be written: No space left on device" in full.stderr
        nowhere = ended("record", "--output", tmp_path / "no" / "file", "--project", site, cwd=tmp_path)
        assert nowhere.returncode == 1
        with connect(url + "CP1", subprotocols=["ocpp1.6"]) as socket:
            assert ask(socket, BOOT)[0] == 3


def test_a_recording_ends_after_its_time_and_at_its_size(site, tmp_path):
    with started("run", "--project", site, cwd=site) as bridge:
        url = said(bridge, r"(ws://\S+/)<station identity>")[1]
        said(bridge, "opc.tcp://")
        timed = ended("record", "--seconds", "0.2", "--project", site, cwd=tmp_path)
        assert (timed.returncode, len(timed.stdout.splitlines())) == (0, 1)
        with started("record", "--max-size", "1", "--project", site, cwd=tmp_path) as record:
            recording(record, tmp_path)
            text = json.dumps([2, "1", "DataTransfer", {"vendorId": "V", "data": "x" * 100_000}])
            with connect(url + "CP1", subprotocols=["ocpp1.6"]) as socket:
                assert ask(socket, BOOT)[0] == 3
                for _ in range(11):
                    ask(socket, text)
            out, _ = record.communicate(timeout=PATIENCE)
        assert record.returncode == 0
        assert 800_000 < len(out) <= 1_000_000


def test_without_a_bridge_there_is_nothing_to_record(site):
    ended_at_once = ocpp_bridge("record", "--project", site)
    assert ended_at_once.code == 2
    assert "no bridge runs on this project" in ended_at_once.err


def test_a_replay_in_json_is_one_step_a_line():
    done = ocpp_bridge("replay", RECORDINGS / "simulated-1.6.jsonl", "--format", "json")
    assert done.code == 0, done.err
    steps = [json.loads(line) for line in done.out.splitlines()]
    assert steps[0]["what"] == "open"
    assert any(step.get("points", {}).get("SIM0001.Connector1.Transaction.Active") for step in steps)
    assert not any("differences" in step for step in steps)


def test_a_replay_prints_every_answer_and_every_point_that_changed():
    """The one format has what the other has."""
    recording = RECORDINGS / "deviations-2.1.jsonl"
    text, steps = (ocpp_bridge("replay", recording, "--format", form).out.splitlines() for form in ("text", "json"))
    told = [json.loads(step) for step in steps]
    answers = [f"  answer  {json.dumps(step['answer'])}" for step in told if step.get("answer")]
    assert [line for line in text if line.startswith("  answer")] == answers
    points = [path for step in told for path in step.get("points", {})]
    assert [line.split(" = ")[0].strip() for line in text if line.startswith("  D")] == points
    assert len(answers) > 30
    assert len(points) > 300


def test_a_replay_marks_what_is_answered_otherwise_than_it_was(project):
    """A script that has been changed since: it blocks every token."""
    (project.folder / "handlers" / "default.py").write_text(
        "from bridge.api import *\n"
        "class Handler(RequestHandler):\n"
        "    async def start_transaction(self, request):\n"
        "        return Authorization.invalid()\n"
    )
    done = ocpp_bridge("replay", RECORDINGS / "simulated-1.6.jsonl", "--project", project.folder)
    assert done.code == 1
    assert "  DIFFERS idTagInfo.status: 'Invalid', was 'Accepted'" in done.out.splitlines()
    assert "1 differ from the recording" in done.err
    assert not list(project.folder.glob("*.db"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("[]", "line 1"),
        ('{"recording":2}', "line 1"),
        ('{"recording":1}\n{"time":"now"}', "line 2"),
        ('{"recording":1}\n{"time":1,"station":"A","version":"9"}', "version: expected one of 1.6"),
        ('{"recording":1}\nnonsense', "line 2"),
    ],
)
def test_what_is_no_recording_is_named_with_its_line(tmp_path, text, told):
    (tmp_path / "x.jsonl").write_text(text)
    done = ocpp_bridge("replay", tmp_path / "x.jsonl")
    assert done.code == 2
    assert told in done.err
