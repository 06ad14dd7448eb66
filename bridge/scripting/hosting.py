"""Scripts in processes of their own: `ProcessHost` keeps these."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import structlog

from bridge.api import Request, Station
from bridge.errors import Problem, ProjectError
from bridge.scripting.host import Care, HookFailed, How, Lost
from bridge.scripting.losses import SUSPECT
from bridge.scripting.outcome import Failure, Result
from bridge.scripting.remote import Moved, Worker
from bridge.scripting.serving import Service
from bridge.scripting.sources import Bundle
from bridge.scripting.spawning import hook_problem, spawn, why_ended
from bridge.scripting.template import Template
from bridge.scripting.wire import NOTHING, Load, request_fields

LOAD_TIMEOUT = 30.0  # s
RELOAD_TIMEOUT = 10.0  # s, while somebody waits for what has been saved
NOT_AGAIN = "not begun: such a request has ended or blocked its process, and there is no spare one"
LONGEST_CARE = 0.8  # of its time a request that may end the process waits until there is a spare one
RETRY = 1.0  # s from a process that could not be started to the next try; doubled each time
RETRY_LIMIT = 60.0
STARTS, STARTS_WITHIN = 50, 60.0  # as many within so many seconds are followed by a pause
REST = 4.0  # times what the last start has taken
FULL = 0.05  # s, before a process that reads nothing is asked again
STOPPED_WITHIN = 1.5  # s that calls and `stopped` have when the bridge stops
LEAVING = 4  # processes that may finish their calls at once

log = structlog.get_logger()


class ProcessHost:
    """Scripts in a process: one that serves, and a spare one that has loaded them and takes over at once.

    The spare takes over when the one that serves ends, is worn, or leaves a request waiting that it does not begin.
    What had begun stays with the old process until it is through or its time is over, and is never begun again; what
    had not goes with the spare. The old one then runs `stopped` and ends, by force where it must.
    """

    def __init__(
        self,
        timeout: float,
        settings: Mapping[str, Mapping[str, Any]],
        services: Mapping[str, Service],
        hook_failed: HookFailed,
        *,
        lost: Lost = lambda suspects, how: None,
        memory: int = 0,
        load_timeout: float = LOAD_TIMEOUT,
        replaced: Callable[[str], None] = lambda why: None,
    ) -> None:
        self.timeout = timeout
        self.services = services
        self._settings = {name: dict(table) for name, table in settings.items()}
        self._hook_failed = hook_failed
        self._lost = lost
        self.load_timeout = load_timeout
        self._memory = memory
        self._replaced = replaced
        self._template = Template()
        self._bundle = Bundle({}, {})
        self._methods: Mapping[str, list[str]] = {}
        self._active: Worker | None = None
        self._spare: Worker | None = None
        self._risky: Worker | None = None  # has a request that may end it
        self._workers: set[Worker] = set()
        self._leaving: dict[Worker, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._respawning: asyncio.Task[None] | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._stations: dict[str, Station] = {}
        self._starts: list[float] = []
        self._took = 0.0  # s, the last start of a process
        self._why_none = ""  # another process cannot be started, at the moment
        self._stopped = True

    def has(self, script: str, method: str) -> bool:
        return method in self._methods.get(script, ())

    def station(self, identity: str) -> Station | None:
        return self._stations.get(identity)

    # Start and stop

    async def start(self, bundle: Bundle) -> None:
        self._stopped = False
        worker, problems = await self._spawn(bundle, self.load_timeout)
        if worker is not None:
            await self._open(worker)
            problems = await why_ended(worker)
        if worker is None or problems:
            self._stopped = True
            self._template.close()
            raise ProjectError(problems)
        self._put_in_force(bundle, worker)

    async def stop(self) -> None:
        self._stopped = True
        if self._respawning is not None:
            self._respawning.cancel()
        if self._spare is not None:
            self._spare.end("it is not needed any more")
        if self._active is not None:
            self._let_go(self._active)
        for worker in self._workers - self._leaving.keys():
            worker.end("the bridge stops")
        await self._all_ended(STOPPED_WITHIN)
        for worker in tuple(self._workers):
            worker.end("its scripts take too long to stop", traced=True)
        await self._all_ended(None)
        self._active = self._spare = None
        self._template.close()

    async def _all_ended(self, seconds: float | None) -> None:
        waiting = [asyncio.ensure_future(worker.ended.wait()) for worker in self._workers]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=seconds)
            for one in late:
                one.cancel()

    async def reload(self, bundle: Bundle) -> list[Problem]:
        worker, problems = await self._spawn(bundle, min(self.load_timeout, RELOAD_TIMEOUT))
        if worker is None:
            return problems
        try:
            failed = await self._tell(worker, "started")
            problems = [hook_problem(bundle, script, failure) for script, failure in failed.items()]
            if problems:
                await self._tell(worker, "stopped", but=failed)
                worker.leave()
            problems = problems or await why_ended(worker)
        except asyncio.CancelledError:
            worker.end("it is not wanted any more")
            raise
        if not problems:
            worker.opened.set()
            self._put_in_force(bundle, worker)
        return problems

    async def check(self, bundle: Bundle) -> list[Problem]:
        """Loads scripts in a process that is ended again; what is wrong with them. `stop` comes after the last one."""
        worker, problems = await self._spawn(bundle, self.load_timeout)
        if worker is not None:
            worker.end("it was only to be checked")
            await worker.ended.wait()
        return problems

    def _put_in_force(self, bundle: Bundle, worker: Worker) -> None:
        self._bundle, before, spare = bundle, self._active, self._spare
        self._spare = None
        if spare is not None:
            spare.end("it has the old scripts")
        self._serve_by(worker)
        if before is not None:
            self._let_go(before)
        self._respawn()

    async def _spawn(self, bundle: Bundle, seconds: float) -> tuple[Worker | None, list[Problem]]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await spawn(self, self._template, Load(bundle, self._memory, self._settings), seconds)
        finally:
            self._took = loop.time() - began

    # Asking

    async def run(self, script: str, method: str, request: Request, *, careful: Care = lambda: 0.0) -> Result:
        loop = asyncio.get_running_loop()
        deadline, fields = loop.time() + self.timeout, request_fields(request)
        self._stations[request.station.id] = request.station
        careful_until = 0.0
        while (left := deadline - loop.time()) > 0:
            care = careful()  # anew each time: another one may have cost the process where this one has waited
            if care:
                careful_until = careful_until or loop.time() + min(care, LONGEST_CARE * left)
                await self._until(self._is_safe, careful_until - loop.time())
                if care == SUSPECT and not self._is_safe():
                    return Result(failure=Failure(f"RuntimeError: {NOT_AGAIN}", blame=False))
            worker = await self._serving(max(deadline - loop.time(), 0.001))
            if worker is None and self._why_none:
                return Result(failure=Failure(self._why_none, blame=False))
            if worker is None:
                break
            self._risky = worker if care else self._risky
            try:
                return await worker.run(script, method, fields, request.station, max(deadline - loop.time(), 0.001))
            except Moved:
                if worker is self._active:
                    await asyncio.sleep(FULL)
            finally:
                if care and self._risky is worker:
                    self._risky = None
                    self._changed.set()
        return Result(failure=Failure(f"TimeoutError: not begun within {self.timeout:g} s", blame=False))

    async def _serving(self, seconds: float) -> Worker | None:
        """The process that serves; None: there is none in time, or `_why_none`."""
        await self._until(lambda: self._is_open() or self._is_hopeless(), seconds)
        return self._active if self._is_open() else None

    def _is_safe(self) -> bool:
        """Whether nobody else has to wait for long where a request ends the process."""
        return self._is_hopeless() or (self._spare is not None and self._risky is not self._active)

    def _is_hopeless(self) -> bool:
        """Whether there is no process, and will not be one soon."""
        return self._active is None and bool(self._why_none)

    def _is_open(self) -> bool:
        return self._active is not None and self._active.opened.is_set()

    async def _until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Waits until something about the processes holds, so many seconds at most."""
        if holds():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()

    # Who serves

    def lost(self, worker: Worker, suspects: Collection[tuple[str, str]], how: How) -> None:
        if worker not in {self._active, self._spare}:
            suspects = {pair for pair in suspects if pair[1]}
        elif how == "ended" and not suspects:  # a thread or a task that one of them has left
            suspects = {(script, "") for script in self._bundle.scripts}
        self._lost(suspects, how)

    def stuck(self, worker: Worker) -> None:
        if worker is self._active and self._spare is not None:
            self._take_over("a script blocks it")

    def worn(self, worker: Worker, why: str) -> None:
        if worker is self._active and self._spare is not None:  # else it says so again
            self._take_over(why)

    def made(self, worker: Worker) -> None:
        self._workers.add(worker)

    def gone(self, worker: Worker) -> None:
        self._workers.discard(worker)

    def ending(self, worker: Worker) -> None:
        if worker is self._spare:
            self._spare = None
            self._respawn()
        elif worker is self._active and not self._stopped:
            self._take_over(worker.why)

    def _take_over(self, why: str) -> None:
        """The spare process serves from now on, if there is one; else as soon as there is."""
        before, worker = self._active, self._spare
        self._active = None
        log.warning("handlers.replaced", why=why)
        self._replaced(why)
        self._spare = None
        if worker is not None:
            self._serve_by(worker)
        if before is not None:
            before.take_back_all()
            self._let_go(before)
        self._respawn()

    def _serve_by(self, worker: Worker) -> None:
        self._active = worker
        self._methods = worker.loaded.result().methods
        task = asyncio.create_task(self._open(worker))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, worker: Worker) -> None:
        if not worker.opened.is_set():
            self._say("started", await self._tell(worker, "started"))
            worker.opened.set()
        self._changed.set()

    async def _tell(self, worker: Worker, hook: str, but: Collection[str] = ()) -> dict[str, Failure]:
        """Runs a hook of all scripts but some; script → why it failed."""
        failed: dict[str, Failure] = {}
        for script, methods in worker.loaded.result().methods.items():
            if hook in methods and script not in but:
                try:
                    result = await worker.run(script, hook, bytes(NOTHING), None, self.timeout)
                except Moved:  # it has ended, which is told elsewhere
                    break
                if result.failure is not None:
                    failed[script] = result.failure
        return failed

    def _say(self, hook: str, failed: Mapping[str, Failure]) -> None:
        for script, failure in failed.items():
            self._hook_failed(script, hook, failure)

    def _let_go(self, worker: Worker) -> None:
        """Lets a process finish what it has begun, and end."""
        if worker not in self._leaving and not worker.ended.is_set():
            while len(self._leaving) >= LEAVING:
                oldest = next(iter(self._leaving))
                self._leaving.pop(oldest)
                oldest.end("too many others finish their calls", traced=True)
            task = self._leaving[worker] = asyncio.create_task(self._finish(worker))
            task.add_done_callback(lambda _: self._leaving.pop(worker, None))

    async def _finish(self, worker: Worker) -> None:
        while worker.asked and not worker.ended.is_set():
            await asyncio.wait({asked.future for asked in worker.asked.values()})
            await asyncio.sleep(0)
        if not worker.ended.is_set():
            self._say("stopped", await self._tell(worker, "stopped"))
            worker.leave()
        await worker.ended.wait()

    def _respawn(self) -> None:
        if not self._stopped and (self._respawning is None or self._respawning.done()):
            self._respawning = asyncio.create_task(self._make_spare())

    async def _not_too_often(self) -> None:
        """A script that ends its process each time must not make the bridge start processes all the time."""
        now = asyncio.get_running_loop().time()
        self._starts = [start for start in self._starts if start > now - STARTS_WITHIN]
        if len(self._starts) >= STARTS:
            await asyncio.sleep(min(REST * self._took, RETRY))
        self._starts.append(now)

    async def _make_spare(self) -> None:
        pause = RETRY
        while self._spare is None and not self._stopped:
            await self._not_too_often()
            bundle = self._bundle
            worker, problems = await self._spawn(bundle, self.load_timeout)
            self._why_none = "; ".join(map(str, problems))
            self._changed.set()
            if worker is None:
                log.error("handlers.not_started", problems=[str(problem) for problem in problems], retry=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_LIMIT)
            elif bundle is not self._bundle:
                worker.end("it has the old scripts")
            elif self._active is None:
                self._serve_by(worker)
            else:
                self._spare = worker
                self._changed.set()
