"""What the bridge sees of its scripts: start, ask, stop. Where they run is the runner's own affair."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from bridge.api import Answer, Request
from bridge.errors import Problem, ProjectError
from bridge.scripting.chain import Chain, OnError
from bridge.scripting.loading import LoadedScript, load_script

log = structlog.get_logger(__name__)


class Runner(Protocol):
    """Runs the scripts. Nothing but requests and answers crosses it, and those hold plain values."""

    @property
    def names(self) -> tuple[str, ...]:
        """The scripts that are asked, in order."""

    @property
    def errors(self) -> int:
        """How many calls and hooks have failed since the start."""

    @property
    def last_error(self) -> str:
        """The last failure: script, line, method, what was raised; empty: none."""

    async def start(self) -> None:
        """Loads the scripts and runs their `started`. Raises ProjectError with all that is wrong."""

    async def stop(self) -> None:
        """Runs the scripts' `stopped`."""

    async def ask(self, method: str, request: Request) -> Answer | None:
        """The answer of the first script that has one, of the type that `RequestHandler.answers` says.

        None: nobody decided. Returns in bounded time, and raises nothing but CancelledError.
        """


class InlineRunner:
    """Runs the scripts in the bridge's own process: `[handlers] isolation = "inline"`.

    A plain `def` has a thread, so it may block; an `async def` that blocks stops the bridge with it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        timeout: float,
        on_error: OnError = "next",
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._chain = Chain((), timeout=timeout, on_error=on_error, on_failure=on_failure)
        self._running = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(script.name for script in self._chain.scripts)

    @property
    def errors(self) -> int:
        return self._chain.errors

    @property
    def last_error(self) -> str:
        return self._chain.last_error

    @staticmethod
    def check(paths: Sequence[Path]) -> list[Problem]:
        """Loads every script and says what is wrong with them, without asking or starting any."""
        return _load(paths)[1]

    async def start(self) -> None:
        scripts, problems = _load(self._paths)
        # All or none: without a script that refuses tokens, the next one of the chain may accept them.
        if problems:
            raise ProjectError(problems)
        self._chain.scripts = tuple(scripts)
        self._running = True
        log.info("handlers.loaded", scripts=self.names)
        await self._chain.tell("started")

    async def stop(self) -> None:
        if self._running:
            self._running = False
            await self._chain.tell("stopped")

    async def ask(self, method: str, request: Request) -> Answer | None:
        return await self._chain.ask(method, request)


def _load(paths: Sequence[Path]) -> tuple[list[LoadedScript], list[Problem]]:
    scripts: list[LoadedScript] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            scripts.append(load_script(path))
        except ProjectError as error:
            problems.extend(error.problems)
    return scripts, problems
