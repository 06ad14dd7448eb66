"""What moves while it runs: a picture on a terminal; in a pipe or a file it stands there once, at the end."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from bridge.cli.output import print_plain

REFRESH = 0.25  # s


class Screen:
    """The terminal, if there is one."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self.moves = self._console.is_terminal and not self._console.is_dumb_terminal

    def say(self, line: str) -> None:
        """A line about something that the picture shows anyway, so only where there is none."""
        if not self.moves:
            typer.echo(line)

    async def watch(
        self,
        work: Coroutine[Any, Any, None],
        stopped: asyncio.Event,
        seconds: float | None,
        picture: Callable[[], RenderableType],
    ) -> None:
        """Run `work` until it ends, `seconds` are over or `stopped` is set; raises what it raises."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(stopped.wait())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._show_until({working, stopping}, picture)
        finally:
            stopping.cancel()
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
        self._leave(picture)

    async def _show_until(self, ends: set[asyncio.Task[Any]], picture: Callable[[], RenderableType]) -> None:
        if not self.moves:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while not any(end.done() for end in ends):
                live.update(picture(), refresh=True)
                await asyncio.wait(ends, timeout=REFRESH, return_when=asyncio.FIRST_COMPLETED)

    def _leave(self, picture: Callable[[], RenderableType]) -> None:
        """The last picture stays, whole also where it is higher than the screen."""
        if self.moves:
            self._console.print(picture())
        else:
            print_plain(picture())
