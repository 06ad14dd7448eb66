"""A program that signs: real ones, that do what they should not."""

import asyncio
import sys
from pathlib import Path

import pytest

from bridge.pki import ask_program
from bridge.pki.program import MOST_OUTPUT
from tests.unit.station.rig import WAIT

LONG = 1000.0
FILES = Path("/proc/self/fd")


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


async def ask(command, request="the request", timeout=LONG, **more):  # noqa: ASYNC109
    async with asyncio.timeout(WAIT):
        return await ask_program(command, request, more, timeout)


async def test_it_gets_the_request_and_what_it_prints_comes_back():
    echo = python("import sys; sys.stdout.write(sys.stdin.read() + '!')")
    assert await ask(echo, "x" * 20_000) == "x" * 20_000 + "!"


@pytest.mark.parametrize(
    "text", ["$(touch made)", "`touch made`", "; touch made", "| touch made", "\n touch made", "-v"]
)
async def test_nothing_that_a_station_says_is_taken_for_a_command(text, tmp_path, monkeypatch):
    """Where the program itself is a script of a shell."""
    monkeypatch.chdir(tmp_path)
    shell = ["/bin/sh", "-c", 'cat; printf "%s" "$OCPP_BRIDGE_STATION"', "x"]
    assert await ask(shell, text, OCPP_BRIDGE_STATION=text) == text + text
    assert list(tmp_path.iterdir()) == []


async def test_a_zero_in_the_environment_is_an_answer_and_no_fault():
    with pytest.raises(ValueError, match="cannot be started"):
        await ask(["/bin/cat"], OCPP_BRIDGE_STATION="CP\0")


def runs(number: int) -> bool:
    """Whether a process is there, and no mere entry that its parent has not fetched yet."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux tells what runs")
@pytest.mark.parametrize("lives", ["while its parent waits for it", "after its parent has ended"])
async def test_one_that_never_ends_is_killed_with_all_that_it_has_started(tmp_path, lives):
    """What it has started holds its output open."""
    file = tmp_path / "child"
    wait = "child.wait()" if "waits" in lives else ""
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
open({str(file)!r}, "w").write(str(child.pid))
{wait}
"""
    with pytest.raises(ValueError, match="took longer than"):
        await ask(python(code), timeout=3.0)
    child = int(file.read_text())
    async with asyncio.timeout(WAIT):
        while runs(child):  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)


async def test_one_that_prints_without_end_is_ended_and_not_read_to_its_end():
    """It would be gigabytes until its time is over."""
    with pytest.raises(ValueError, match=f"more than {MOST_OUTPUT} bytes"):
        await ask(["/bin/sh", "-c", "exec yes"])


async def test_one_that_complains_without_end_can_still_answer():
    code = "import sys; sys.stderr.write('y' * 1_000_000 + '\\nlast words'); print('chain')"
    assert await ask(python(code)) == "chain\n"
    with pytest.raises(ValueError, match="ended with 3: last words"):
        await ask(python(code + "; sys.exit(3)"))


async def test_one_that_does_not_listen_can_still_answer():
    assert await ask(python("import os; os.close(0); print('chain')"), "x" * 20_000) == "chain\n"


@pytest.mark.skipif(not FILES.exists(), reason="Linux tells what is open")
async def test_one_that_is_asked_in_vain_leaves_no_file_open():
    counts = []
    for _ in range(5):
        with pytest.raises(ValueError, match="more than"):
            await ask(["/bin/sh", "-c", "exec yes"])
        counts.append(len(list(FILES.iterdir())))  # noqa: ASYNC240 - of the kernel
    assert counts[0] == counts[-1]
