"""What the tests of the chain share: small scripts, and a chain made of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.scripting.chain import Chain, OnError
from bridge.scripting.loading import load_script

Script = Callable[..., Path]

ACCEPTS = "async def authorize(self, request): return Authorization.accepted()"
BLOCKS = "async def authorize(self, request): return Authorization.blocked()"
PASSES = "async def authorize(self, request): return None"

LONG = 30.0  # a limit that no test reaches
SHORT = 0.05


def chain(*paths: Path, timeout: float = LONG, on_error: OnError = "next", **more: Any) -> Chain:
    return Chain([load_script(path) for path in paths], timeout=timeout, on_error=on_error, **more)
