"""Starts a process of scripts, and says what went wrong."""

import asyncio
import re

from bridge.errors import Problem
from bridge.scripting.host import Owner
from bridge.scripting.outcome import Failure
from bridge.scripting.process import Process
from bridge.scripting.remote import Gone, Worker
from bridge.scripting.sources import Bundle
from bridge.scripting.template import Template
from bridge.scripting.wire import Load

FORK_TIMEOUT = 30.0  # s


async def spawn(
    owner: Owner[Worker], template: Template, load: Load, seconds: float
) -> tuple[Worker | None, list[Problem]]:
    """A process that has loaded these scripts, in so many seconds from its start, or what is wrong with them."""
    try:
        async with asyncio.timeout(FORK_TIMEOUT):
            process = await Process.start(template)
    except OSError as error:
        if isinstance(error, TimeoutError):
            template.close()  # and all that it has forked: it would not tell when they end
        why = str(error) or f"no process within {FORK_TIMEOUT:g} s"
        return None, [Problem("", "", f"the scripts' process cannot be started: {why}")]
    worker = Worker(owner, process, load)
    owner.made(worker)
    try:
        async with asyncio.timeout(seconds):
            loaded = await asyncio.shield(worker.loaded)
    except TimeoutError:
        worker.end("loading takes too long", traced=True)
        await worker.ended.wait()
        return None, [_loading_problem(load.bundle, worker, f"does not load within {seconds:g} s")]
    except Gone:
        return None, [_loading_problem(load.bundle, worker, f"does not load: {worker.why}")]
    except asyncio.CancelledError:
        worker.end("it is not wanted any more")
        raise
    if loaded.problems:
        worker.end("its scripts do not load")
        await worker.ended.wait()
        return None, [Problem(*problem) for problem in loaded.problems]
    return worker, []


def hook_problem(bundle: Bundle, script: str, failure: Failure) -> Problem:
    """The `started` of a script has failed."""
    where = f"line {failure.line}" if failure.line else ""
    return Problem(bundle.scripts[script].path, where, f"started: {failure.what}")


async def why_ended(worker: Worker) -> list[Problem]:
    """Why a process has ended while `started` ran; nothing, if it has not."""
    if not worker.why:
        return []
    await worker.ended.wait()
    return [Problem("", "", f"started: {worker.why}")]


def _loading_problem(bundle: Bundle, worker: Worker, what: str) -> Problem:
    """`what` went wrong with the script that was being loaded."""
    paths = [source.path for source in bundle.scripts.values()]
    path = paths[max(worker.loading, 1) - 1] if paths else ""
    line = re.search(rf'File "{re.escape(path)}", (line \d+)', worker.trace)
    return Problem(path, line[1] if line else "", what)
