"""Processes that a benchmark starts: each is measured from outside, and ends with its `with` block."""

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from bridge.project import init

#: what the script `ocpp-bridge` does, with this interpreter
PROGRAM: Sequence[str] = (sys.executable, "-c", "from bridge.cli import main; main()")
START_TIMEOUT = 30.0  # s
STOP_TIMEOUT = 15.0  # s
CPU_CLOCK = 2  # CPUCLOCK_SCHED (clock_getcpuclockid(3))


class Child:
    """A running process that may be asked, a line of JSON each way."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid
        self._measured = psutil.Process(process.pid)

    def cpu(self) -> float:
        """CPU time so far in s, user and system, of the process and of those that it started."""
        times = [process.cpu_times() for process in self._all()]
        return float(sum(found.user + found.system for found in times))

    def rss(self) -> int:
        """Resident memory in bytes, of the process and of those that it started."""
        return sum(int(process.memory_info().rss) for process in self._all())

    def tell(self, **request: Any) -> None:
        """Gives the process something to do."""
        self.write(json.dumps(request))

    def write(self, line: str) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(line + "\n")
        stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next line that the process prints. Raises RuntimeError when it has ended instead."""
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """`tell` and `answer`."""
        self.tell(**request)
        return self.answer()

    def wait(self, timeout: float) -> int:
        """Waits until the process has ended by itself; its exit code. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def stay_on(self, core: int) -> None:
        """Keeps the process, with all the threads that it has, on one core."""
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})

    def fill_in(self) -> None:
        """Lets the process run only where nobody else wants to."""
        os.sched_setscheduler(self._process.pid, os.SCHED_IDLE, os.sched_param(0))

    def _all(self) -> list[psutil.Process]:
        return [self._measured, *self._measured.children(recursive=True)]


@dataclass(frozen=True, slots=True)
class RunningBridge:
    """A bridge in a process of its own: its addresses, and its log."""

    process: Child
    ocpp: str
    opcua: str
    log: Path

    def complaints(self) -> list[str]:
        """What the log has against a station, and every error."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [
            line
            for line in lines
            if '"level": "error"' in line or ('"level": "warning"' in line and '"station": ' in line)
        ]


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[Child]:
    """Runs a command with pipes to it (unless the options say otherwise) and ends it."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
    process = subprocess.Popen(list(command), text=True, **pipes)
    try:
        yield Child(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def module(name: str, *arguments: str) -> Iterator[Child]:
    """Runs `python -m benchmarks.<name>`."""
    with running([sys.executable, "-m", f"benchmarks.{name}", *arguments]) as child:
        yield child


@contextmanager
def bridge(settings: Mapping[str, str] | None = None) -> Iterator[RunningBridge]:
    """A bridge with the shipped configuration on free ports; `settings` are environment variables."""
    with tempfile.TemporaryDirectory(prefix="ocpp-bridge-bench-") as scratch:
        folder = Path(scratch, "project")
        init(folder)
        with bridge_of(folder, free_port(), free_port(), settings) as started:
            yield started


@contextmanager
def bridge_of(
    folder: Path,
    ocpp: int,
    opcua: int,
    settings: Mapping[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
) -> Iterator[RunningBridge]:
    """A bridge of a project folder on these ports; its log lies beside the folder."""
    log = folder.with_name("bridge.jsonl")
    endpoint = f"opc.tcp://127.0.0.1:{opcua}/ocpp-bridge"
    environment = {
        **os.environ,
        "OCPP_BRIDGE__OCPP__PORT": str(ocpp),
        "OCPP_BRIDGE__OPCUA__ENDPOINT": endpoint,
        "OCPP_BRIDGE__LOG__FORMAT": "json",
        **(settings or {}),
    }
    with log.open("w", encoding="utf-8") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "env": environment}
        with running([*program, "run", "--project", str(folder)], **options) as process:
            _wait_until_started(process, log)
            yield RunningBridge(process, f"ws://127.0.0.1:{ocpp}/ocpp/", endpoint, log)


def cpu_time(pid: int) -> float:
    """CPU time of a process so far in s, of all threads: what /proc/<pid>/stat counts in steps of 10 ms, to the ns."""
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)


def own_rss() -> int:
    """Resident memory of this process in bytes."""
    return int(psutil.Process().memory_info().rss)


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def allow_many_files() -> None:
    """Raises the limit of open files as far as it goes; the processes that are started inherit it."""
    _, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))


def _wait_until_started(process: Child, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while '"bridge.started"' not in log.read_text(encoding="utf-8"):
        if process.ended() or time.monotonic() > deadline:
            raise RuntimeError(f"the bridge does not start:\n{log.read_text(encoding='utf-8')[-4000:]}")
        time.sleep(0.05)
