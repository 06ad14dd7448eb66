"""One process of scripts as the system sees it: how it is started, and how it is ended, whatever it does."""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

from bridge.scripting.claims import Claims
from bridge.scripting.printing import Printed
from bridge.scripting.template import POLL, Template

TRACED = 0.1  # s to say where it hangs, before it is killed
TRACE_LENGTH = 10_000  # characters


class Process:
    """A process that runs `worker.main`, with a socket and a page of memory between it and the bridge.

    `trace`: where it hung when it was killed.
    """

    def __init__(self, template: Template, pid: int, claims: Claims, ours: socket.socket, output: int) -> None:
        self.trace = ""
        self.pid = pid
        self.claims = claims
        self._template = template
        self._ours = ours
        self._reads = os.fdopen(output, "rb", 0)
        self._output = Printed()

    @classmethod
    async def start(cls, template: Template) -> "Process":
        """Raises OSError."""
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            claims = Claims.create()
            ours.callback(claims.close)
            here, there = socket.socketpair()
            ours.callback(here.close)
            theirs.callback(there.close)
            reads, writes = os.pipe()
            ours.callback(os.close, reads)
            theirs.callback(os.close, writes)
            pid = await template.fork(there.fileno(), claims.file, writes)
            ours.pop_all()
        return cls(template, pid, claims, here, reads)

    async def connect(self, protocol: asyncio.Protocol) -> None:
        """Begins to read its output, and gives the socket to `protocol`."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: self._output, self._reads)
        await loop.create_unix_connection(lambda: protocol, sock=self._ours)

    def starved(self) -> float:
        """The seconds for which it could have run, and there was no CPU free; 0.0 where the system does not say."""
        with contextlib.suppress(OSError, ValueError, IndexError), Path(f"/proc/{self.pid}/schedstat").open() as file:
            return int(file.read().split()[1]) / 1e9
        return 0.0

    async def end(self, *, traced: bool) -> int:
        """Ends it by force, and returns its exit code. `traced`: it says first where it hangs."""
        runs = await self._template.runs(self.pid)
        if traced and runs:
            self._output.traced = []
            self._template.kill(self.pid, signal.SIGUSR1)
            await asyncio.sleep(TRACED)
        elif runs:
            await asyncio.sleep(POLL)  # one that is about to end by itself has an exit code to tell
        self._template.kill(self.pid, signal.SIGKILL)
        code = await self._template.ended(self.pid)
        await self._output.close()
        self._reads.close()
        self.trace = "\n".join(self._output.traced or [])[:TRACE_LENGTH]
        self._ours.close()
        return code
