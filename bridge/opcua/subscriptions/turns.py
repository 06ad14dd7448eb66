"""Work in slices, so that what one subscription has to do keeps nobody else waiting."""

import asyncio
import heapq
import itertools
from collections.abc import Iterator

import structlog

log = structlog.get_logger()

TURN = 0.005  # s of work before others get their turn


class Turns:
    """Runs jobs, iterators that pause after each slice, the one with the highest priority first."""

    def __init__(self) -> None:
        self._jobs: list[tuple[int, int, Iterator[None]]] = []
        self._order = itertools.count()
        self._handle: asyncio.Handle | None = None

    def add(self, priority: int, job: Iterator[None]) -> None:
        heapq.heappush(self._jobs, (-priority, next(self._order), job))
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self._run)

    def stop(self) -> None:
        self._jobs.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + TURN
        while self._jobs:
            priority, _, job = heapq.heappop(self._jobs)
            try:
                next(job)
            except StopIteration:
                pass
            except Exception:  # one subscription's failure is not the others'
                log.exception("opcua.publishing_failed")
            else:  # behind those of its priority that wait
                heapq.heappush(self._jobs, (priority, next(self._order), job))
            if loop.time() > end:
                break
        self._handle = loop.call_soon(self._run) if self._jobs else None
