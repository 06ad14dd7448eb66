"""Runs the bridge until it is stopped, and what else runs that way needs."""

import asyncio
import contextlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bridge import __version__, logs
from bridge.cli.options import ProjectOption, load
from bridge.config import Config, weaknesses
from bridge.project import Project

if TYPE_CHECKING:
    from bridge.app import Bridge

try:
    from uvloop import new_event_loop
except ImportError:  # there is none for Windows
    new_event_loop = None  # type: ignore[assignment]

T = TypeVar("T")

OPEN_FILES = 65_536
SIGNALS = (signal.SIGTERM, signal.SIGINT)
HANGS = 0.5
"""s after which a thread that has not ended is left behind, such as one that looks at files of a dead network drive."""


def run(
    project: ProjectOption = None,
    log_level: Annotated[
        logs.Level | None,
        typer.Option("--log-level", help="Instead of [log] level; debug shows every frame.", show_default=False),
    ] = None,
) -> None:
    """Run the bridge until SIGTERM or Ctrl-C, which stop it cleanly; a second one ends it at once."""
    found, config = load(project)
    logs.configure(log_level or config.log.level, config.log.format)
    for weakness in weaknesses(config, str(found.config_file)):
        typer.echo(f"warning: {weakness}", err=True)
    allow_many_sockets()
    run_async(_serve(_opened(found, config), found))


def _opened(project: Project, config: Config) -> "Bridge":
    """A signal ends the program at once meanwhile: nothing is promised yet, and a disk may never answer."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    from bridge.app import Bridge  # noqa: PLC0415 - asyncua is slow to import, and other commands do without

    return Bridge(project, config)


async def _serve(bridge: "Bridge", project: Project) -> None:
    stopped = stop_event()
    if not await _started(bridge.start(), stopped):
        return
    typer.echo(f"ocpp-bridge {__version__}, project {project.folder}")
    for url in bridge.ocpp.urls:
        typer.echo(f"stations connect to  {url}<station identity>")
    typer.echo(f"OPC UA clients to    {bridge.opcua.endpoint}")
    await stopped.wait()
    await bridge.stop()


async def _started(starting: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """False: it was stopped before it had begun, such as by somebody who sees that a script hangs."""
    start, stop = asyncio.create_task(starting), asyncio.create_task(stopped.wait())
    await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not start.done():
        start.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await start
    return not start.cancelled()


def stop_event() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second one ends the process at once."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stopped.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    return stopped


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop where there is one. Threads that hang are not waited for."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.get_loop().set_default_executor(_Threads())
        return runner.run(work)


class _Threads(ThreadPoolExecutor):
    """Those of `asyncio.to_thread`."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


def leave(code: object) -> None:
    """Ends the process with an exit code if a thread hangs, for which Python would wait for ever."""
    threads = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    waited_for = [thread for thread in threads if not thread.daemon]
    for thread in waited_for:
        thread.join(HANGS / len(waited_for))
    if any(thread.is_alive() for thread in waited_for):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def allow_many_sockets() -> None:
    """Every station is an open file, and the usual limit of a shell is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, OPEN_FILES)), hard))
