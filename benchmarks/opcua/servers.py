"""The three servers as processes: ours, asyncua's stock one, and node-opcua's where there is Node.js."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import npm
from benchmarks.opcua import site
from benchmarks.processes import Child, cpu_time, running

OURS, ASYNCUA, NODE = "ours", "asyncua", "node-opcua"
ALL = (OURS, ASYNCUA, NODE)
NODE_FOLDER = Path(__file__).with_name("node")
HEAP = 8192  # MB that node may use; its own limit would stop it at a million nodes


class Server:
    """A server process: what it used, and what it is told."""

    def __init__(self, name: str, child: Child, pid: int) -> None:
        self.name = name
        self.child = child
        self.endpoint: str = child.answer()["endpoint"]
        self._pid = pid
        self._schedule = Path(f"/proc/{pid}/schedstat")

    def cpu(self) -> float:
        """CPU time so far in s, of all threads."""
        return cpu_time(self._pid)

    def waited(self) -> float:
        """Time so far in s that it could have run but the core was another's; 0 where the system does not tell."""
        try:
            return int(self._schedule.read_text(encoding="ascii").split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0

    def make(self, count: int, *, values: bool = True) -> float:
        """Makes stations; the CPU time of each in s."""
        return float(self.child.ask(do="stations", count=count, values=values)["cpu"]) / count

    def memory(self) -> int:
        return int(self.child.ask(do="memory")["bytes"])


def unavailable() -> str:
    """Why there is no node-opcua here; "" if there is. Installs it when it is first asked for."""
    return npm.unavailable(NODE_FOLDER, "--omit=optional")


@contextmanager
def server(name: str) -> Iterator[Server]:
    """Runs one of them, without stations."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpp-bridge-bench-")))
        options = {"cwd": scratch, "env": _environment(name, scratch)}
        child = stack.enter_context(running(_command(name, scratch), **options))
        yield Server(name, child, child.pid)


def _command(name: str, scratch: Path) -> Sequence[str]:
    if name != NODE:
        return sys.executable, "-m", f"benchmarks.opcua.{'ours' if name == OURS else 'stock'}"
    described = scratch / "site.json"
    described.write_text(json.dumps(site.described(site.pattern())), encoding="utf-8")
    node = shutil.which("node")
    assert node is not None
    flags = ("--expose-gc", f"--max-old-space-size={HEAP}")
    return node, *flags, str(NODE_FOLDER / "server.js"), str(scratch / "pki"), str(described)


def _environment(name: str, scratch: Path) -> Mapping[str, Any]:
    if name == NODE:
        return {**os.environ, "HOME": str(scratch), "XDG_CONFIG_HOME": str(scratch)}
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def cores() -> tuple[int, int] | None:
    """The core of the servers and that of the client; None where there are no two to choose from."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return None
    first, second = sorted(os.sched_getaffinity(0))[:2]
    return first, second
