"""The bridge's side of the process that the scripts' processes are forked from."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path

from bridge.scripting.forking import ANSWER, FORK, LOOK, QUESTION, REAP, RUNS

POLL = 0.005  # s from one look whether a process has ended to the next

#: structlog imports rich where there is one, for colours that a pipe has no use for: a third of the time to start
_PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
sys.modules["rich"] = None
from bridge.scripting.forking import main
del sys.modules["rich"]
main(*map(int, sys.argv[2:]))
"""

Reply = asyncio.Future[tuple[int, int]]


class Template:
    """Forks processes, and tells how they have ended. It is started when it is first needed, and again when it has
    ended, and its processes with it.

    Not a fork of the bridge, which has threads and a database open: nothing of these is to be seen there.
    """

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._data = b""
        self._waiting: deque[Reply] = deque()
        self._forked: set[int] = set()  # whose numbers are their own
        self._unwanted: set[asyncio.Task[int]] = set()

    async def fork(self, *files: int) -> int:
        """The number of a new process, which has the files: a socket, a page of claims, where to write what it prints.

        Raises OSError.
        """
        reply = self._ask(FORK, 0, files)
        try:
            number, code = await asyncio.shield(reply)
        except asyncio.CancelledError:
            reply.add_done_callback(self._nobody_wants)
            raise
        if not number:
            raise OSError(code, os.strerror(code))
        return number

    async def runs(self, number: int) -> bool:
        """Whether a process has not ended."""
        return (await self._code(LOOK, number)) == RUNS

    def kill(self, number: int, what: signal.Signals) -> None:
        """Sends a process a signal; SIGKILL also to what it has started."""
        if number not in self._forked:
            return
        with contextlib.suppress(OSError):
            os.kill(number, what)
        if what == signal.SIGKILL:
            with contextlib.suppress(OSError):
                os.killpg(number, what)

    async def ended(self, number: int) -> int:
        """Waits for the end of a process; its exit code."""
        while (code := await self._code(REAP, number)) == RUNS:  # noqa: ASYNC110 - nothing tells when it ends
            await asyncio.sleep(POLL)
        self._forked.discard(number)
        return code

    def close(self) -> None:
        """Ends it, and all its processes that are left."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            self._popen = None
        while self._waiting:
            reply = self._waiting.popleft()
            if not reply.done():
                reply.set_exception(OSError(errno.ESRCH, os.strerror(errno.ESRCH)))
                reply.exception()  # seen, though nobody may wait for it
        self._data = b""
        self._forked.clear()

    async def _code(self, what: bytes, number: int) -> int:
        if number not in self._forked:
            return -signal.SIGKILL  # it has ended with the one that it was forked from
        try:
            return (await asyncio.shield(self._ask(what, number)))[1]
        except OSError:
            return -signal.SIGKILL

    def _ask(self, what: bytes, number: int, files: tuple[int, ...] = ()) -> Reply:
        connection = self._socket or self._start()
        try:
            socket.send_fds(connection, [QUESTION.pack(what, number)], files)
        except OSError:
            self.close()
            raise
        reply: Reply = asyncio.get_running_loop().create_future()
        self._waiting.append(reply)
        return reply

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        path = json.dumps([entry or str(Path.cwd()) for entry in sys.path])
        with contextlib.ExitStack() as stack:
            stack.callback(ours.close)
            with theirs:
                self._popen = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-P", "-c", _PROGRAM, path, str(theirs.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    env={**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"},
                )
            stack.pop_all()
        ours.setblocking(False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._read, ours)
        return ours

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._data += data
        while len(self._data) >= ANSWER.size:
            answer, self._data = self._data[: ANSWER.size], self._data[ANSWER.size :]
            reply, (number, code) = self._waiting.popleft(), ANSWER.unpack(answer)
            if number and code == RUNS:
                self._forked.add(number)
            if not reply.done():
                reply.set_result((number, code))

    def _nobody_wants(self, reply: Reply) -> None:
        """A process was forked for somebody who has gone: it ends by itself, as its socket is closed."""
        if reply.cancelled() or reply.exception() is not None or not reply.result()[0]:
            return
        task = asyncio.get_running_loop().create_task(self.ended(reply.result()[0]))
        self._unwanted.add(task)
        task.add_done_callback(self._unwanted.discard)
