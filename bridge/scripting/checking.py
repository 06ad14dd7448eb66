"""Says what is wrong with scripts, without asking or starting any: each is loaded in a process of its own.

So one that hangs while it is imported, or ends the program, is a problem like any other.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.errors import Problem
from bridge.scripting.hosting import LOAD_TIMEOUT, ProcessHost
from bridge.scripting.sources import Bundle, read_bundle


async def check_scripts(
    names: Sequence[str],
    find: Callable[[str], Path],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    load_timeout: float = LOAD_TIMEOUT,
) -> list[Problem]:
    """The problems of these scripts, in their order. `find` and `settings` are as for the runner."""
    bundle, unread = read_bundle(names, find)
    host = ProcessHost(1.0, settings, {}, lambda *_: None, load_timeout=load_timeout)

    async def check(name: str) -> list[Problem]:
        if name in unread:
            return [unread[name]]
        return await host.check(Bundle({name: bundle.scripts[name]}, bundle.modules))

    try:
        found = await asyncio.gather(*(check(name) for name in dict.fromkeys(names)))
    finally:
        await host.stop()
    return [problem for problems in found for problem in problems]
