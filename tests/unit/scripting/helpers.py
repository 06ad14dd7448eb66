"""What the tests of the chain share: small scripts, and a chain made of files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bridge.scripting.chain import Chains
from bridge.scripting.runner import Options, ScriptRunner

Script = Callable[..., Path]

ACCEPTS = "async def authorize(self, request): return Authorization.accepted()"
BLOCKS = "async def authorize(self, request): return Authorization.blocked()"
PASSES = "async def authorize(self, request): return None"

LONG = 30.0  # a limit that no test reaches
SHORT = 0.05


def inline(paths: Sequence[Path], **options: Any) -> ScriptRunner:
    """The scripts of these files in one chain, in the tests' own process, where they may meet the tests."""
    by_name = {path.name: path for path in paths}
    return ScriptRunner(Chains(tuple(by_name)), by_name.__getitem__, Options(isolation="inline", **options))


async def chain(*paths: Path, **options: Any) -> ScriptRunner:
    """The chain of these files, which has started."""
    runner = inline(paths, **{"timeout": LONG, **options})
    await runner.start()
    return runner
