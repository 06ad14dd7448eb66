"""Scripts in the bridge's own process, to debug them."""

from collections.abc import Collection, Mapping
from typing import Any

from bridge.api import Request
from bridge.errors import Problem, ProjectError
from bridge.scripting.calling import Calls
from bridge.scripting.client import Access
from bridge.scripting.host import Care, HookFailed
from bridge.scripting.loading import LoadedScript, load_all
from bridge.scripting.outcome import Failure, Result, checked, failure_of
from bridge.scripting.serving import Service
from bridge.scripting.sources import Bundle, Neighbours
from bridge.scripting.spawning import hook_problem
from bridge.scripting.wire import make_request, request_fields


class InlineHost:
    """Scripts in the bridge's own process: an `async def` that blocks stops the bridge with it."""

    def __init__(
        self,
        timeout: float,
        settings: Mapping[str, Mapping[str, Any]],
        services: Mapping[str, Service],
        hook_failed: HookFailed,
    ) -> None:
        self.scripts: dict[str, LoadedScript] = {}
        self.calls = Calls(timeout)
        self._settings = settings
        self._services = services
        self._hook_failed = hook_failed
        self._neighbours = Neighbours({})

    @property
    def timeout(self) -> float:
        return self.calls.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self.calls.timeout = seconds

    def has(self, script: str, method: str) -> bool:
        found = self.scripts.get(script)
        return found is not None and found.method(method) is not None

    async def start(self, bundle: Bundle) -> None:
        neighbours = Neighbours(bundle.modules)
        neighbours.install()
        scripts, problems = load_all(bundle, self._settings, Access(self._want))
        if problems:
            neighbours.remove()
            raise ProjectError(problems)
        self.scripts, self._neighbours = scripts, neighbours
        self._say("started", await self._tell(scripts, "started"))

    async def stop(self) -> None:
        scripts, self.scripts = self.scripts, {}
        self._say("stopped", await self._tell(scripts, "stopped"))
        self._neighbours.remove()

    async def run(self, script: str, method: str, request: Request, *, careful: Care = lambda: 0.0) -> Result:
        copy = make_request(type(request), request.station, request_fields(request))
        return await self._run(self.scripts[script], method, copy)

    async def reload(self, bundle: Bundle) -> list[Problem]:
        neighbours, is_good = Neighbours(bundle.modules), False
        self._neighbours.remove()
        neighbours.install()
        try:
            scripts, problems = load_all(bundle, self._settings, Access(self._want))
            failed = {} if problems else await self._tell(scripts, "started")
            if failed:
                await self._tell(scripts, "stopped", but=failed)
                problems = [hook_problem(bundle, script, failure) for script, failure in failed.items()]
            is_good = not problems
        finally:
            if not is_good:
                neighbours.remove()
                self._neighbours.install()
        if is_good:
            before, self.scripts, self._neighbours = self.scripts, scripts, neighbours
            self._say("stopped", await self._tell(before, "stopped"))
        return problems

    async def _want(self, operation: str, *arguments: Any) -> Any:
        return await self._services[operation](*arguments)

    async def _tell(
        self, scripts: Mapping[str, LoadedScript], hook: str, but: Collection[str] = ()
    ) -> dict[str, Failure]:
        """Runs a hook of all scripts but some; script → why it failed."""
        results = {name: await self._run(script, hook) for name, script in scripts.items() if name not in but}
        return {name: result.failure for name, result in results.items() if result.failure is not None}

    def _say(self, hook: str, failed: Mapping[str, Failure]) -> None:
        for script, failure in failed.items():
            self._hook_failed(script, hook, failure)

    async def _run(self, script: LoadedScript, name: str, *arguments: Any) -> Result:
        method = script.method(name)
        if method is None:
            return Result()
        value, error = checked(name, await self.calls.run(method, *arguments))
        return Result(value) if error is None else Result(failure=failure_of(script.path, error))
