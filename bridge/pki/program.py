"""A program of the site that signs requests: the request on its standard input, the chain on its standard output."""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence

MOST_OUTPUT = 100_000
"""Bytes of a chain."""


async def ask_program(command: Sequence[str], request: str, more: Mapping[str, str], timeout: float) -> str:  # noqa: ASYNC109
    """What it prints. `more` are environment variables. Raises ValueError that says how it failed.

    It is started without a shell, and killed after `timeout` seconds.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **more},
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"{command[0]} cannot be started: {error}") from None
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(request.encode())
    except TimeoutError:
        raise ValueError(f"{command[0]} took longer than {timeout:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip().splitlines()
        raise ValueError(
            f"{command[0]} ended with {process.returncode}: {said[-1][:200] if said else 'without a word'}"
        )
    if len(out) > MOST_OUTPUT:
        raise ValueError(f"{command[0]} printed more than {MOST_OUTPUT} bytes")
    return out.decode(errors="replace")
