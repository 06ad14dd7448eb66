"""A program of the site that signs requests: the request on its standard input, the chain on its standard output."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence

MOST_OUTPUT = 100_000
"""Bytes of a chain."""
MOST_SAID = 4096
"""Bytes of the last words on standard error."""
KILLED_WITHIN = 5.0
"""Seconds from the kill to the end, unless somebody else has the program's output open."""


async def ask_program(command: Sequence[str], request: str, more: Mapping[str, str], timeout: float) -> str:  # noqa: ASYNC109
    """What it prints. `more` are environment variables. Raises ValueError that says how it failed.

    It is started without a shell, and killed with all that it has started after `timeout` seconds, or when it prints
    more than a chain can be.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**os.environ, **more}, start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"{command[0]} cannot be started: {error}") from None
    is_done = False
    try:
        async with asyncio.timeout(timeout):
            out, said = await _talk(process, request)
            if len(out) <= MOST_OUTPUT:
                await process.wait()
                is_done = True
    except TimeoutError:
        raise ValueError(f"{command[0]} took longer than {timeout:g} s") from None
    finally:
        if not is_done:
            await _kill(process)
    if not is_done:
        raise ValueError(f"{command[0]} printed more than {MOST_OUTPUT} bytes")
    if process.returncode:
        words = said.decode(errors="replace").strip().splitlines()
        last = words[-1][:200] if words else "without a word"
        raise ValueError(f"{command[0]} ended with {process.returncode}: {last}")
    return out.decode(errors="replace")


async def _talk(process: Process, request: str) -> tuple[bytes, bytes]:
    """What it prints, no more than shows that it is too much, and its last words on standard error."""
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
    listening = asyncio.ensure_future(_last_of(process.stderr))
    try:
        process.stdin.write(request.encode())  # a pipe holds more than a request
        process.stdin.close()
        out = bytearray()
        while len(out) <= MOST_OUTPUT and (part := await process.stdout.read(65_536)):
            out += part
        return bytes(out), await listening if len(out) <= MOST_OUTPUT else b""
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _last_of(stream: asyncio.StreamReader) -> bytes:
    last = b""
    while part := await stream.read(65_536):
        last = (last + part)[-MOST_SAID:]
    return last


async def _kill(process: Process) -> None:
    """With its children: one that lives on holds the pipes open, and nobody would ever hear of the end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILLED_WITHIN):
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(65_536):
                    pass
            await process.wait()
