"""Sees that files have changed, by looking at them.

Not by the system's notices: those of a network drive or of a folder that is mounted into a container never come,
and a look at a folder's files costs some 50 µs.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

EVERY = 0.2  # s from one look to the next
Look = frozenset[tuple[str, int, int, int]]

log = structlog.get_logger()


def look(folders: Sequence[Path], suffix: str) -> Look:
    """The files of these folders that end so: name, size, time of change (ns) and inode of each."""
    found = set()
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(suffix):
                    with contextlib.suppress(OSError):  # gone meanwhile
                        about = entry.stat()
                        found.add((entry.path, about.st_size, about.st_mtime_ns, about.st_ino))
    return frozenset(found)


async def watch(folders: Sequence[Path], suffix: str, changed: Callable[[], Awaitable[None]]) -> None:
    """Calls `changed` whenever these files have changed and then stayed as they are for a moment; until cancelled.

    So a file that is being written is not read, nor one that an editor is about to put into another's place. A
    call that still runs when they have changed once more is cancelled.
    """
    seen: Look = frozenset()  # so that they are looked at once: they may have changed while the bridge started
    before = await asyncio.to_thread(look, folders, suffix)
    reloading: asyncio.Task[None] | None = None
    try:
        while True:
            await asyncio.sleep(EVERY)
            now = await asyncio.to_thread(look, folders, suffix)
            if now == before and now != seen:
                seen = now
                await _end(reloading)
                reloading = asyncio.create_task(_reload(changed))
            before = now
    finally:
        await _end(reloading)


async def _reload(changed: Callable[[], Awaitable[None]]) -> None:
    try:
        await changed()
    except Exception:  # whatever one change brings, the next one is looked at
        log.exception("reload.failed")


async def _end(reloading: asyncio.Task[None] | None) -> None:
    if reloading is not None:
        reloading.cancel()
        await asyncio.wait({reloading})
