"""The central systems as processes: ours as a whole, `ocpp` with websockets, and ocpp-rpc where there is Node.js."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import npm
from benchmarks.ocpp.generator import Generator, generator
from benchmarks.processes import PROGRAM, Child, RunningBridge, bridge_of, cpu_time, free_port, module, running
from bridge.project import init

OURS, OCPP, RPC = "ours", "ocpp", "ocpp-rpc"
ALL = (OURS, OCPP, RPC)
NODE_FOLDER = Path(__file__).with_name("node")


@dataclass(frozen=True, slots=True)
class Server:
    """A central system. `url` is where its stations connect to, `endpoint` its OPC UA server, "" without one."""

    name: str
    child: Child
    url: str
    endpoint: str = ""

    def cpu(self) -> float:
        """CPU time so far in s, of all threads."""
        return cpu_time(self.child.pid)


@dataclass(frozen=True, slots=True)
class Site:
    """A server and its stations."""

    server: Server
    stations: Generator


def unavailable() -> str:
    """Why there is no ocpp-rpc here; "" if there is. Installs it when it is first asked for."""
    return npm.unavailable(NODE_FOLDER)


@contextmanager
def server(name: str) -> Iterator[Server]:
    """Runs one of them."""
    with ExitStack() as stack:
        if name == OURS:
            project = stack.enter_context(Project.made())
            yield shown(stack.enter_context(project.running()))
            return
        port = free_port()
        child = stack.enter_context(_peer(name, port))
        child.answer()
        yield Server(name, child, f"ws://127.0.0.1:{port}/")


@contextmanager
def plain(*options: str) -> Iterator[Server]:
    """`ocpp`, websockets and asyncua put together (plain.py)."""
    port, opcua = free_port(), free_port()
    with module("ocpp.plain", str(port), str(opcua), *options) as child:
        yield Server(OCPP, child, f"ws://127.0.0.1:{port}/", child.answer()["endpoint"])


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder and the ports of its bridge, which may be started again."""

    folder: Path
    ocpp: int
    opcua: int

    @classmethod
    @contextmanager
    def made(cls) -> Iterator["Project"]:
        with tempfile.TemporaryDirectory(prefix="ocpp-bridge-bench-") as scratch:
            folder = Path(scratch, "project")
            init(folder)
            yield cls(folder, free_port(), free_port())

    @contextmanager
    def running(self, program: Sequence[str] = PROGRAM) -> Iterator[RunningBridge]:
        with bridge_of(self.folder, self.ocpp, self.opcua, program=program) as started:
            yield started


def shown(found: RunningBridge) -> Server:
    return Server(OURS, found.process, found.ocpp, found.opcua)


@contextmanager
def with_stations(found: Server, stations: int) -> Iterator[Site]:
    with (
        tempfile.TemporaryDirectory(prefix="ocpp-bridge-bench-") as scratch,
        generator(found.url, stations, Path(scratch)) as made,
    ):
        yield Site(found, made)


def share_cores(stack: ExitStack, servers: Sequence[Child], others: Sequence[Child]) -> bool:
    """The servers on one core, everything else on another, which a third process keeps busy whenever it waits.

    Two cores are often two threads of one: a server would run faster while its stations have nothing to do. False
    where there are no two cores to choose from.
    """
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return False
    first, second = sorted(os.sched_getaffinity(0))[:2]
    filler = stack.enter_context(running([sys.executable, "-c", "while True: pass"]))
    filler.fill_in()
    for child, core in (*((each, first) for each in servers), *((each, second) for each in (filler, *others))):
        child.stay_on(core)
    return True


def _peer(name: str, port: int) -> AbstractContextManager[Child]:
    if name == OCPP:
        return module("central_system", str(port))
    node = shutil.which("node")
    assert node is not None
    return running([node, str(NODE_FOLDER / "server.js"), str(port)])
