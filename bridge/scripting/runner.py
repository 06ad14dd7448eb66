"""What the bridge sees of its scripts: start, ask, stop. Where they run is the host's own affair."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog

from bridge.api import Answer, Request
from bridge.errors import Problem, ProjectError
from bridge.scripting.chain import Asking, Chains, OnError
from bridge.scripting.host import HookFailed, Host, How, Lost
from bridge.scripting.hosting import ProcessHost
from bridge.scripting.inline import InlineHost
from bridge.scripting.losses import Losses
from bridge.scripting.serving import Service
from bridge.scripting.sources import Bundle, Source, read_bundle
from bridge.scripting.states import ScriptState, States

log = structlog.get_logger(__name__)

Settings = Mapping[str, Mapping[str, Any]]


class Runner(Protocol):
    """Runs the scripts. Nothing but requests and answers crosses it, and those hold plain values."""

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


@dataclass(frozen=True, kw_only=True)
class Options:
    """How scripts are run. `timeout` and `pause` in seconds, `memory` in MB (0: no limit).

    `isolation`: in a process of their own, or in the bridge's. `shipped` is the folder of the shipped scripts.
    `settings`: script's name without .py → what it finds as `self.settings`. `services`: what scripts may ask the
    bridge for. `changed` hears of what there is to show of a script, `on_failure` of each failure, `replaced` why
    its process was replaced, `passed_over` of a script and a station about which it is not asked for a while.
    """

    timeout: float
    isolation: Literal["process", "inline"] = "process"
    shipped: Path | None = None
    on_error: OnError = "next"
    max_failures: int = 0
    pause: float = 300.0
    memory: int = 0
    settings: Settings = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    changed: Callable[[ScriptState], None] = lambda state: None
    on_failure: Callable[[str], None] = lambda text: None
    replaced: Callable[[str], None] = lambda why: None
    passed_over: Callable[[str, str], None] = lambda script, station: None
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class ScriptRunner:
    """Runs the scripts of `chains`; `find` gives a script's path by its name, or raises ProjectError."""

    def __init__(self, chains: Chains, find: Callable[[str], Path], options: Options) -> None:
        self.host = _host(options, self._hook_failed, self._lost)
        self.states = States(
            chains.names(),
            limit=options.max_failures,
            pause=options.pause,
            clock=options.clock,
            monotonic=options.monotonic,
            changed=options.changed,
            on_failure=options.on_failure,
        )
        self._names = chains.names()
        self._find = find
        self._shipped = options.shipped
        self._losses = Losses(limit=options.max_failures, pause=options.pause, monotonic=options.monotonic)
        self._asking = Asking(
            chains, self.host, self.states, self._losses, options.on_error, passed_over=options.passed_over
        )
        self._in_force: Bundle | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The scripts that run."""
        return self._names if self._in_force is not None else ()

    @property
    def errors(self) -> int:
        return self.states.errors

    @property
    def last_error(self) -> str:
        return self.states.last_error

    async def start(self) -> None:
        # All or none: without a script that refuses tokens, the next one of the chain may accept them.
        bundle, unread = read_bundle(self._names, self._find)
        if unread:
            raise ProjectError(list(unread.values()))
        await self.host.start(bundle)
        self._in_force = bundle
        for name in self._names:
            self.states.loaded(name)
        log.info("handlers.loaded", scripts=self._names)

    async def stop(self) -> None:
        if self._in_force is not None:
            self._in_force = None
            await self.host.stop()

    async def ask(self, method: str, request: Request) -> Answer | None:
        return await self._asking.ask(method, request)

    async def reload(self) -> None:
        """Puts the files in force as they are now, all but those that do not load: of these the last good ones stay.

        Calls that run end on the texts that they began with.
        """
        before = self._in_force
        if before is None:
            return
        bundle, wrong = await asyncio.to_thread(read_bundle, self._names, self._find_again, before)
        changed = [name for name in self._names if _differ(name, bundle, before)]
        problems = await self.host.reload(bundle) if changed else []
        found = _by_script(changed, bundle, problems)
        if found and len(found) < len(changed):  # the good ones do not wait for the others
            bundle = Bundle({**bundle.scripts, **{name: before.scripts[name] for name in found}}, bundle.modules)
            found |= _by_script(changed, bundle, await self.host.reload(bundle), all_of_them=True)
        if len(found) < len(changed):
            self._in_force = bundle
        self._show(wrong | found, [name for name in changed if name not in found])

    def _find_again(self, name: str) -> Path:
        """A site's own script that is gone for a moment is not replaced by the shipped one, which lets more in."""
        path, before = self._find(name), self._in_force
        if before is not None and self._shipped is not None:
            last = Path(before.scripts[name].path)
            if path != last and path.is_relative_to(self._shipped):
                what = "is gone: what was loaded stays in force, and the shipped script is only taken by a restart"
                raise ProjectError([Problem(str(last), "", what)])
        return path

    def _show(self, wrong: Mapping[str, Problem], loaded: Collection[str]) -> None:
        for name, problem in wrong.items():
            log.error("handlers.not_reloaded", script=name, where=problem.where, error=problem.what)
            place = f"{name}: {problem.where}" if problem.where else name
            self.states.broken(name, f"{place}: {problem.what}")
        for name in self._names:
            if name in loaded and name not in wrong:
                self._losses.forget(name)
                self.states.loaded(name)
            elif name not in wrong:
                self.states.mended(name)
        if loaded:
            log.info("handlers.reloaded", scripts=loaded)

    def _hook_failed(self, script: str, hook: str, failure: Any) -> None:
        self._asking.failed(script, hook, failure)

    def _lost(self, suspects: Collection[tuple[str, str]], how: How) -> None:
        self._asking.lost(suspects, how)


def _host(options: Options, hook_failed: HookFailed, lost: Lost) -> Host:
    if options.isolation == "inline":
        return InlineHost(options.timeout, options.settings, options.services, hook_failed)
    return ProcessHost(
        options.timeout,
        options.settings,
        options.services,
        hook_failed,
        lost=lost,
        memory=options.memory,
        replaced=options.replaced,
    )


def _differ(name: str, bundle: Bundle, before: Bundle) -> bool:
    """Whether a script, or a module that it may import, has another text."""
    return bundle.scripts[name] != before.scripts[name] or _helpers(bundle) != _helpers(before)


def _helpers(bundle: Bundle) -> dict[str, Source]:
    scripts = {source.path for source in bundle.scripts.values()}
    return {name: source for name, source in bundle.modules.items() if source.path not in scripts}


def _by_script(
    changed: Sequence[str], bundle: Bundle, problems: Sequence[Problem], *, all_of_them: bool = False
) -> dict[str, Problem]:
    """Script → the first of what is wrong with it; every changed one for what is wrong with none of them alone."""
    own = {name: [problem for problem in problems if problem.file == bundle.scripts[name].path] for name in changed}
    found = {name: its[0] for name, its in own.items() if its}
    if problems and (all_of_them or not found):
        return {name: found.get(name, problems[0]) for name in changed}
    return found
