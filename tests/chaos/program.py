"""The bridge as a process of its own, which is killed again and again."""

import asyncio
import json
import os
import re
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Collection
from pathlib import Path

WAIT = 300.0  # s until the bridge has to have started or stopped, on however busy a machine

# Importing takes longer than everything else that it does before it listens: the next one gets ready meanwhile.
CODE = """
import sys
import bridge.app, bridge.cli
sys.stdin.readline()
bridge.cli.main()
"""
CONFIG = """
[ocpp]
port = 0
ping_interval = 0.6
ping_timeout = 2
call_timeout = 1

[opcua]
endpoint = "opc.tcp://127.0.0.1:0/ocpp-bridge"
security = ["None"]
anonymous = "admin"

[log]
format = "json"
"""


#: what is an error in its log, and right where the disk takes nothing; the limit that stands for that holds for shared
#: memory too, without which no process of scripts begins
STARVING = frozenset({"store.failing", "store.failed", "StoreFailed", "handlers.not_started"})


class Program:
    """`ocpp-bridge run` on a project folder. `logs` are the last lines of its log, `errors` what must not be there,
    `starved`: its disk has refused what it wrote, in this life of it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.ocpp = self.opcua = 0  # ports
        self.opcua_url = ""
        self.starts = 0
        self.started_at = 0.0
        self.logs: deque[str] = deque(maxlen=200)
        self.errors: list[str] = []
        self.starved = False
        self._spare: asyncio.subprocess.Process | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def store(self) -> Path:
        return self.project / "bridge.db"

    async def prepare(self) -> None:
        """Has the next process import what it needs, if none is waiting."""
        if self._spare is None:
            self._spare = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", CODE, "run", "--project", str(self.project)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "NO_COLOR": "1"},
            )

    async def launch(self) -> None:
        """Lets it begin."""
        await self.prepare()
        self._process, self._spare = self._spare, None
        assert self._process is not None
        assert self._process.stdin is not None
        self.starts += 1
        self.started_at = time.time()
        self._ready.clear()
        self.starved = False
        self.ocpp = self.opcua = 0
        self._reading = asyncio.create_task(self._read())
        self._process.stdin.write(b"\n")

    async def ready(self) -> None:
        """Waits until it listens."""
        async with asyncio.timeout(WAIT):
            await self._ready.wait()
        assert self.ocpp, "the bridge has ended"
        assert self.opcua, "the bridge has ended"

    async def kill(self) -> None:
        """SIGKILL: it has no time to do anything."""
        self._signal(signal.SIGKILL)
        await self.ended()

    def terminate(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)

    async def pause(self, seconds: float) -> None:
        """SIGSTOP: the machine is busy, or its disk is; and SIGCONT."""
        self._signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._signal(signal.SIGCONT)

    def starve(self) -> None:
        """The disk takes nothing more: the kernel lets none of its files grow (EFBIG, to SQLite an I/O error)."""
        self.starved = True
        self._limit(0)

    def feed(self) -> None:
        """The disk is well again."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Waits for its end; its exit code."""
        assert self._process is not None
        assert self._reading is not None
        async with asyncio.timeout(WAIT):
            code = await self._process.wait()
            await self._reading
        return code

    async def close(self) -> None:
        for process in (self._spare, self._process):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            self.logs.append(line)
            if found := re.search(r"ws://[\d.]+:(\d+)/\S*<", line):
                self.ocpp = int(found[1])
            elif found := re.search(r"clients to +(opc\.tcp://[\d.]+:(\d+)\S*)", line):
                self.opcua_url, self.opcua = found[1], int(found[2])
                self._ready.set()
            if _is_error(line, STARVING if self.starved else frozenset()):
                self.errors.append(line)
        self._ready.set()


def _is_error(line: str, expected: Collection[str]) -> bool:
    if not line.startswith("{"):
        return "Traceback" in line or "Error" in line
    entry = json.loads(line)
    if entry.get("event") in expected:
        return False
    return entry.get("level") in ("error", "critical") or "exception" in entry
