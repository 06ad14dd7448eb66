"""`ocpp-bridge simulate --ocpp` as a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
PATIENCE = 60  # s, for the process to say or do what it will


async def test_simulate_says_how_it_goes_and_hangs_up_on_sigterm(csms, version, tmp_path):
    arguments = ["simulate", csms.url, "--ocpp", version, "--stations", "2", "--speed", "50"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from bridge.cli import main; main()",
        *arguments,
        "--boot-reason",
        "Watchdog",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        first = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
        second = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
        await csms.hear("TransactionEvent")
        process.send_signal(signal.SIGTERM)
        rest, complaints = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
    assert first == f"stations: 2, OCPP {version}, connecting to {csms.url} (Ctrl-C ends it)\n"
    assert second.endswith("  all stations are accepted\n")
    assert "errors 0" in rest.decode().splitlines()[-1]
    assert (process.returncode, complaints) == (0, b"")
    assert [connection.close_code for connection in csms.connections] == [1001, 1001]
    assert {boot["reason"] for boot in csms.of("BootNotification")} == {"Watchdog"}
