"""The commands that run until they are stopped, as processes of their own: run, demo, simulate."""

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.demo import COLUMNS
from bridge.project import Project

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-c", "from bridge.cli import main; main()"]
PATIENCE = 60  # s, for a process to say or do what it will


def environment(**more: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OCPP_BRIDGE")}
    return {**ours, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **more}


@contextlib.contextmanager
def started(*arguments: object, cwd: Path, folder: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    with (
        (cwd / "stderr").open("w") as stderr,
        subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            cwd=folder or cwd,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def ended(*arguments: object, cwd: Path, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def said(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The first line of stdout that matches; fails when the process ends without it."""
    for line in process.stdout:
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"ended with {process.wait()} before it said {pattern}")


@pytest.fixture
def site(project: Project) -> Path:
    (project.folder / "config.toml").write_text(
        '[ocpp]\nport = 0\n[opcua]\nendpoint = "opc.tcp://127.0.0.1:0/ocpp-bridge"\nsecurity = ["None"]\n'
    )
    return project.folder


# run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_prints_its_addresses_and_stops_cleanly(site, number):
    with started("run", "--project", site, cwd=site) as bridge:
        assert int(said(bridge, r"ws://127\.0\.0\.1:(\d+)/ocpp/<station identity>$")[1]) > 0
        assert int(said(bridge, r"opc\.tcp://127\.0\.0\.1:(\d+)/ocpp-bridge$")[1]) > 0
        bridge.send_signal(number)
        assert bridge.wait(PATIENCE) == 0
    assert "Traceback" not in (site / "stderr").read_text()


def test_run_shows_every_frame_of_a_station_at_debug_and_lets_other_commands_look(site):
    with started("run", "--log-level", "debug", "--project", site, cwd=site) as bridge:
        url = said(bridge, r"(ws://\S+/)<station identity>")[1]
        simulated = ended("simulate", url, "--connectors", "1", "--speed", "100", "--duration", "3", cwd=site)
        assert (simulated.returncode, simulated.stderr) == (0, "")
        assert "stations: 1, OCPP 1.6" in simulated.stdout
        assert "all stations are accepted" in simulated.stdout
        assert "boots 1" in simulated.stdout
        listed = ended("stations", "list", "--format", "json", "--project", site, cwd=site)
        [station] = json.loads(listed.stdout)
        assert (station["id"], station["registration"]) == ("SIM0001", "Accepted")
        charged = ended("transactions", "--format", "json", "--project", site, cwd=site)
        assert json.loads(charged.stdout)[0]["station"] == "SIM0001"
        bridge.terminate()
        assert bridge.wait(PATIENCE) == 0
    frames = [line for line in (site / "stderr").read_text().splitlines() if '"debug"' in line]
    assert any("BootNotification" in frame and "SIM0001" in frame for frame in frames)
    assert any("currentTime" in frame for frame in frames)


def test_a_log_that_nobody_reads_holds_up_neither_stations_nor_a_stop(site):
    arguments = ["run", "--log-level", "debug", "--project", str(site)]
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=site,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as bridge:
        try:
            url = said(bridge, r"(ws://\S+/)<station identity>")[1]
            simulated = ended("simulate", url, "--stations", "10", "--speed", "100", "--duration", "5", cwd=site)
            assert (simulated.returncode, simulated.stderr) == (0, "")
            bridge.terminate()
            assert bridge.wait(PATIENCE) == 0
        finally:
            bridge.kill()
        assert "bridge.stopped" not in bridge.stderr.read()  # since there was no room for more


def test_second_signal_ends_run_at_once(site):
    (site / "handlers" / "default.py").write_text(
        "import asyncio, pathlib\n"
        "from bridge.api import RequestHandler\n"
        "class Handler(RequestHandler):\n"
        "    async def stopped(self) -> None:\n"
        f"        pathlib.Path({str(site / 'fifo')!r}).write_text('lingering')\n"
        "        await asyncio.sleep(3600)\n"
    )
    os.mkfifo(site / "fifo")
    with (site / "config.toml").open("a") as config:
        config.write("[handlers]\ntimeout = 3600\n")
    with started("run", "--project", site, cwd=site) as bridge:
        said(bridge, "opc.tcp://")
        bridge.terminate()
        assert (site / "fifo").read_text() == "lingering"
        bridge.terminate()
        assert bridge.wait(PATIENCE) == -signal.SIGTERM


def test_run_names_a_port_that_is_taken_and_a_store_that_is_used(site, tmp_path):
    with started("run", "--project", site, cwd=site) as bridge:
        port = said(bridge, r"ws://127\.0\.0\.1:(\d+)")[1]
        said(bridge, "opc.tcp://")
        same_store = ended("run", "--project", site, cwd=site)
        assert (same_store.returncode, len(same_store.stderr.splitlines())) == (1, 1)
        assert "another bridge" in same_store.stderr
        other = tmp_path / "other"
        assert ended("init", other, cwd=tmp_path).returncode == 0
        (other / "config.toml").write_text((site / "config.toml").read_text().replace("port = 0", f"port = {port}"))
        same_port = ended("run", "--project", other, cwd=other)
        assert same_port.returncode == 2
        assert f"ocpp.port: cannot listen on 127.0.0.1:{port}" in same_port.stderr
        assert "Traceback" not in same_port.stderr


def test_run_names_an_opc_ua_endpoint_that_is_taken(site):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        (site / "config.toml").write_text(f'[ocpp]\nport = 0\n[opcua]\nendpoint = "opc.tcp://{place}/ocpp-bridge"\n')
        done = ended("run", "--project", site, cwd=site)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"config.toml: opcua.endpoint: cannot listen on opc.tcp://{place}" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_refuses_what_is_open_to_others_unless_it_is_meant(site):
    (site / "config.toml").write_text('[ocpp]\nhost = "0.0.0.0"\nport = 0\n')
    refused = ended("run", "--project", site, cwd=site)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "allow_insecure = true if it is meant" in refused.stderr
    assert not (site / "bridge.db").exists()


# demo


def test_demo_charges_and_reads_back_in_a_pipe_until_ctrl_c(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with started("demo", "--stations", "3", cwd=tmp_path, folder=empty) as demo:
        assert said(demo, r"ws://127\.0\.0\.1:\d+/ocpp/<station identity>$")
        assert said(demo, r"opc\.tcp://127\.0\.0\.1:\d+/ocpp-bridge")
        charging = said(demo, r"^\d\d:\d\d:\d\d  (CP000\d  Connector\d)  Charging$")[1]
        said(demo, f"{charging}  (Finishing|Available)")
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(PATIENCE) == 0
    header, *rows, last = rest.splitlines()[-8:]
    assert all(column in header for column in COLUMNS)
    assert [row.split()[:4] for row in rows] == [
        [station, connector, version, "true"]
        for station, version in (("CP0001", "1.6"), ("CP0002", "2.0.1"), ("CP0003", "2.1"))
        for connector in ("Connector1", "Connector2")
    ]
    begun, stopped = re.match(r"(\d+) transactions, (\d+) of them have ended", last).groups()
    assert int(begun) >= int(stopped) >= 1
    assert "\x1b" not in rest
    assert (tmp_path / "stderr").read_text() == ""
    assert list(empty.iterdir()) == []


def test_demo_fails_when_nothing_was_charged(tmp_path):
    done = ended("demo", "--stations", "1", "--seconds", "0", cwd=tmp_path)
    assert (done.returncode, "nothing was charged" in done.stderr) == (1, True)


@pytest.mark.parametrize(("term", "moves"), [("xterm", True), ("dumb", False)])
def test_demo_on_a_terminal_leaves_its_last_table(tmp_path, term, moves):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "demo", "--stations", "1", "--seconds", "5"],
        cwd=tmp_path,
        env=environment(TERM=term, COLUMNS="120", LINES="40"),
        stdout=theirs,
    ) as demo:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(ours, 65536):
                shown += chunk
        assert demo.wait(PATIENCE) == 0
    os.close(ours)
    text = shown.decode()
    assert ("\x1b[" in text) is moves
    *_, row, last, rest = text.split("\r\n")
    assert re.search(r"CP0001 +Connector2 +1\.6 +true", row)
    assert ("changes of points" in last, rest) == (True, "")


# simulate


def test_simulate_that_reaches_nobody_fails(tmp_path):
    done = ended("simulate", "ws://127.0.0.1:1/ocpp", "--stations", "2", "--duration", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"SIM000\d: cannot connect: .*refused.*\n", done.stderr)
    assert "boots 0" in done.stdout


def test_simulate_wants_a_websocket_url(tmp_path):
    done = ended("simulate", "localhost:9000", cwd=tmp_path)
    assert (done.returncode, "ws://host:port/path" in done.stderr) == (2, True)
