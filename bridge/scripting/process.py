"""One process of scripts as the system sees it: how it is started, and how it is ended, whatever it does."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from bridge.scripting.claims import Claims
from bridge.scripting.printing import Printed

TRACED = 0.1  # s to say where it hangs, before it is killed
POLL = 0.005  # s from one look whether it has ended to the next
TRACE_LENGTH = 10_000  # characters

#: structlog imports rich where there is one, for colours that a pipe has no use for: a third of the time to start
_PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
sys.modules["rich"] = None
from bridge.scripting.worker import main
del sys.modules["rich"]
main(*map(int, sys.argv[2:]))
"""


class Process:
    """A process that runs `worker.main`, with a socket and a page of memory between it and the bridge.

    `trace`: where it hung when it was killed. Not a fork: the bridge has threads and a database open, and nothing of
    these is to be seen there. It is in a session of its own, so that Ctrl-C goes past it.
    """

    def __init__(self) -> None:
        """Starts it. Raises OSError."""
        self.trace = ""
        self.claims = Claims.create()
        self._ours, theirs = socket.socketpair()
        self._output = Printed()
        path = json.dumps([entry or str(Path.cwd()) for entry in sys.path])
        files = theirs.fileno(), self.claims.file
        try:
            with theirs:
                self._popen = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-P", "-c", _PROGRAM, path, *map(str, files), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=files,
                    start_new_session=True,
                    env={**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"},
                )
        except OSError:
            self._ours.close()
            self.claims.close()
            raise

    @property
    def pid(self) -> int:
        return self._popen.pid

    async def connect(self, protocol: asyncio.Protocol) -> None:
        """Begins to read its output, and gives the socket to `protocol`."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: self._output, self._popen.stdout)
        await loop.create_unix_connection(lambda: protocol, sock=self._ours)

    def starved(self) -> float:
        """The seconds for which it could have run, and there was no CPU free; 0.0 where the system does not say."""
        with contextlib.suppress(OSError, ValueError, IndexError), Path(f"/proc/{self.pid}/schedstat").open() as file:
            return int(file.read().split()[1]) / 1e9
        return 0.0

    async def end(self, *, traced: bool) -> int:
        """Ends it by force, and returns its exit code. `traced`: it says first where it hangs."""
        if traced and self._runs():
            self._output.traced = []
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGUSR1)
            await asyncio.sleep(TRACED)
        elif self._runs():
            await asyncio.sleep(POLL)  # one that is about to end by itself has an exit code to tell
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)  # with what its scripts have started
        code = await self._exit_code()
        await self._output.close()
        self.trace = "\n".join(self._output.traced or [])[:TRACE_LENGTH]
        self._ours.close()
        return code

    def _runs(self) -> bool:
        """Without taking its exit code: its number stays its own until then, and that of what it has started."""
        if not hasattr(os, "waitid"):
            return True
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # where SIGCHLD is ignored, the system itself has taken the exit code
            return False

    async def _exit_code(self) -> int:
        while (code := self._popen.poll()) is None:  # noqa: ASYNC110 - nothing tells when it ends
            await asyncio.sleep(POLL)
        return code
