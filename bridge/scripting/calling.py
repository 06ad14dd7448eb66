"""Runs one method of a script, and whatever it raises is an outcome, not an exception.

An `async def` runs as a task of the loop, a plain `def` in a thread, so that a blocking library stops nobody
but itself. What neither can do is end a script by force: an `async def` that blocks holds the loop, a thread
that hangs stays until it returns. Only a process can be killed.
"""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

THREADS = 64


class Outcome(NamedTuple):
    """What a method returned, or why it returned nothing."""

    value: Any = None
    error: BaseException | None = None


class TakenBack(Exception):  # noqa: N818 - named for what happened
    """The method was not called."""


class Calls:
    """Runs methods. `timeout` in seconds, for each; `threads` bounds the plain methods that run at once.

    `hung` is how many threads run whose outcome nobody waits for any more.
    """

    def __init__(self, timeout: float, *, threads: int = THREADS) -> None:
        self.timeout = timeout
        self.hung = 0
        self._free = asyncio.Semaphore(threads)
        self._late: set[asyncio.Task[Outcome]] = set()

    async def run(self, method: Callable[..., Any], *arguments: object) -> Outcome:
        """The outcome, after `timeout` at the latest; a result that comes later goes nowhere.

        Raises CancelledError only if the caller itself is cancelled.
        """
        # A task of its own: a script that catches our cancellation, or cancels itself, changes nothing here.
        task = asyncio.create_task(self.outcome(method, *arguments))
        try:
            await asyncio.wait({task}, timeout=self.timeout)
        finally:
            if not task.done():
                self._late.add(task)  # the loop holds tasks weakly
                task.add_done_callback(self._late.discard)
                task.cancel()
        if task.done():
            return task.result()
        return Outcome(error=TimeoutError(f"no answer within {self.timeout:g} s"))

    async def outcome(
        self,
        method: Callable[..., Any],
        *arguments: object,
        first: Callable[[], bool] = lambda: True,
        waits: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """The outcome whenever it comes, in the caller's own task.

        The method is not called if `first`, which is called just before, returns False; the error is TakenBack then.
        `waits` is called before it has to wait for a thread.
        """
        try:
            if inspect.iscoroutinefunction(method):
                return Outcome(await method(*arguments)) if first() else Outcome(error=TakenBack())
            if self._free.locked():
                waits()
            await self._free.acquire()
            if not first():
                self._free.release()
                return Outcome(error=TakenBack())
            value, error = await self._in_thread(method, arguments)
            # A plain function that returns a coroutine is how a decorated `async def` looks.
            return Outcome(await value if inspect.isawaitable(value) else value, error)
        # A script's sys.exit() would end the loop, and its CancelledError would pass for ours.
        except BaseException as error:  # noqa: BLE001
            return Outcome(error=error)

    async def _in_thread(self, method: Callable[..., Any], arguments: tuple[object, ...]) -> Outcome:
        """Gives the place in `_free`, which the caller has taken, back by itself."""
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[Outcome] = loop.create_future()
        context = contextvars.copy_context()

        def settle(outcome: Outcome) -> None:
            self._free.release()
            if not finished.done():
                finished.set_result(outcome)
            else:
                self.hung -= 1

        def work() -> None:
            try:
                outcome = Outcome(context.run(method, *arguments))
            except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for the outcome
                outcome = Outcome(error=error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, outcome)

        try:
            # A daemon, not an executor's thread: the interpreter waits for those at its end, hung ones too.
            threading.Thread(target=work, name="handler", daemon=True).start()
        except RuntimeError:  # the system has no thread left
            self._free.release()
            raise
        try:
            return await finished
        except asyncio.CancelledError:
            self.hung += 1
            raise
