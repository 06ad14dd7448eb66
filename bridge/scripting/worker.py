"""The process that scripts run in: `main` is all that it does.

It loads what it is sent, calls what it is asked to call, and ends when the bridge does. It decides nothing:
the order of scripts, time limits and what a failure means are the bridge's (chain, hosting).
"""

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from functools import partial
from typing import Any

import msgspec

from bridge.scripting.calling import THREADS, Calls, Outcome, TakenBack
from bridge.scripting.claims import Claims
from bridge.scripting.client import Access, Client, RemoteStation
from bridge.scripting.loading import LoadedScript, load_all
from bridge.scripting.outcome import Failure, checked, failure_of
from bridge.scripting.printing import configure
from bridge.scripting.sources import Neighbours
from bridge.scripting.wire import (
    FROM_BRIDGE,
    NOTHING,
    REQUESTS,
    Cancel,
    Cancelled,
    Ended,
    Frame,
    Frames,
    Leave,
    Load,
    Loaded,
    Refused,
    Reply,
    Run,
    ToScripts,
    encode,
    frame,
    make_request,
)

MAX_HUNG = 16  # threads that do not come back
MAX_TASKS = 1_000  # of the loop
MAX_THREADS = 2 * THREADS
MAX_FILES = 0.8  # of what a process may open
LOOKED_AT = 64  # calls from one look at what scripts have left to the next
#: what a script fails with where there is no more to be had
USED_UP = ("MemoryError", "RuntimeError: can't start new thread", "OSError: [Errno 24]")
STACK = 2 * 1024 * 1024  # bytes of a thread's
_PR_SET_PDEATHSIG = 1


def main(connection: int, claims: int, parent: int) -> None:
    """Serves the bridge over the socket `connection` until it closes that. All three are numbers of the system's."""
    tie_to(parent)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)  # where is it, when it hangs?
    for number in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C and systemd mean the bridge, which still asks scripts
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which a script's own children would inherit
    for file in (connection, claims):  # a program that a script starts would keep them open, and the bridge waiting
        os.set_inheritable(file, False)
    threading.stack_size(STACK)
    configure()
    try:
        # Not uvloop: it would keep an answer until the loop's next turn, which a script may keep from coming.
        asyncio.run(_serve(socket.socket(fileno=connection), Claims(claims)))
    except BaseException:  # noqa: BLE001 - a script's task may raise SystemExit, which ends a loop
        traceback.print_exc()
    os._exit(1)


def tie_to(parent: int) -> None:
    """Dies with the process that has started this one, also while a script holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


async def _serve(connection: socket.socket, claims: Claims) -> None:
    loop = asyncio.get_running_loop()
    serving = Serving(claims)
    _keep_from_children(loop, connection.fileno(), claims)
    await loop.create_unix_connection(lambda: serving, sock=connection)
    await serving.closed
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(0)  # threads that hang, and what scripts left for the interpreter's end, keep nobody waiting


def _keep_from_children(loop: asyncio.AbstractEventLoop, connection: int, claims: Claims) -> None:
    """A child that a script forks (multiprocessing does) is not a second one that takes requests and answers them, and
    the bridge sees this process end though the child lives on.
    """
    nothing = os.open(os.devnull, os.O_RDWR)

    def forked() -> None:
        os.dup2(nothing, connection, inheritable=False)
        claims.give_up()
        loop.call_soon(os._exit, 0)  # if it comes back to the loop, which it shares with this process

    os.register_at_fork(after_in_child=forked)


class Serving(asyncio.Protocol):
    """The process's side of the pipe."""

    def __init__(self, claims: Claims) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._claims = claims
        self._frames = Frames(ToScripts, FROM_BRIDGE)
        self._transport: asyncio.WriteTransport | None = None
        self._scripts: dict[str, LoadedScript] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._client = Client(self._send)
        self._calls = Calls(0)
        self._worn = ""
        self._until_look = LOOKED_AT

    # The pipe

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            self._take(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self, message: Frame) -> None:
        if self._transport is not None:
            self._transport.write(frame(message))

    def _take(self, message: ToScripts) -> None:
        if isinstance(message, Run):
            running = self._running[message.number] = asyncio.get_running_loop().create_task(self._run(message))
            running.add_done_callback(lambda _: self._running.pop(message.number, None))
        elif isinstance(message, Reply):
            self._client.settle(message)
        elif isinstance(message, Cancel):
            task = self._running.pop(message.number, None)  # if it stays all the same, it is one that was left
            if task is not None:
                task.cancel()
            self._send(Cancelled(message.number, self._wear()))
        elif isinstance(message, Load):
            self._load(message)
        elif isinstance(message, Leave):
            self.connection_lost(None)

    # Scripts

    def _load(self, message: Load) -> None:
        if message.memory:
            size = message.memory * 1024 * 1024 + THREADS * STACK
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))
        Neighbours(message.bundle.modules).install()
        access = Access(self._client.want)
        self._scripts, problems = load_all(
            message.bundle, message.settings, access, partial(setattr, self._claims, "loading")
        )
        found = [(problem.file, problem.where, problem.what) for problem in problems]
        gc.freeze()
        self._send(Loaded({name: script.methods() for name, script in self._scripts.items()}, found))

    async def _run(self, message: Run) -> None:
        """One call, in one task: its outcome is on its way before the next call can block the loop."""
        script = self._scripts[message.script]
        outcome = await self._outcome(script, message)
        if isinstance(outcome.error, TakenBack):
            self._send(Refused(message.number))
        elif outcome.error is not None:
            failure = failure_of(script.path, outcome.error)
            self._send(Ended(message.number, NOTHING, failure, self._wear(failure)))
        else:
            answer = NOTHING if outcome.value is None else msgspec.Raw(encode(outcome.value))
            self._send(Ended(message.number, answer, None, self._wear()))

    async def _outcome(self, script: LoadedScript, message: Run) -> Outcome:
        method, fields = script.method(message.method), bytes(message.request)
        if method is None:
            return Outcome()
        arguments: list[Any] = []
        kind = REQUESTS.get(message.method)
        if kind is not None:
            station = RemoteStation(self._client, message.station, message.area)
            arguments = [make_request(kind, station, fields)]
        # Claimed at the last moment: requests behind one that blocks the loop can still be taken back.
        first, waits = partial(self._claims.begin, message.slot), partial(self._claims.wait, message.slot)
        return checked(message.method, await self._calls.outcome(method, *arguments, first=first, waits=waits))

    # Wear

    def _wear(self, failure: Failure | None = None) -> str:
        """Why this process should be replaced; "": it should not."""
        self._until_look -= 1
        if failure is not None and failure.what.startswith(USED_UP):
            self._worn = f"its scripts have used up what they may: {failure.what}"
        elif self._calls.hung >= MAX_HUNG:
            self._worn = f"{self._calls.hung} threads of its scripts hang"
        elif self._until_look <= 0:
            self._until_look = LOOKED_AT
            self._worn = self._left_behind() or self._worn
        return self._worn

    def _left_behind(self) -> str:
        """What scripts have left in such a number that it will soon be too much."""
        if len(asyncio.all_tasks()) - len(self._running) > MAX_TASKS:
            return f"its scripts have left more than {MAX_TASKS} tasks"
        if threading.active_count() > MAX_THREADS:
            return f"its scripts have more than {MAX_THREADS} threads"
        if _open_files() > MAX_FILES * resource.getrlimit(resource.RLIMIT_NOFILE)[0]:
            return "its scripts have left too many files open"
        return ""


def _open_files() -> int:
    """At least so many: the lowest number that is free."""
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return sys.maxsize
    os.close(number)
    return number
