"""Whether what is on the disk can be read: the store's health has two sides."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bridge.errors import StoreError

log = structlog.get_logger("bridge.store")


class Reads:
    """Which kinds of reads fail. Each counts as failing until one of its kind succeeds: a page of one index may be bad
    while all others can be read.
    """

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Around a read; its StoreError passes."""
        try:
            yield
        except StoreError as error:
            if kind not in self._failing:
                log.error("store.unreadable", what=kind, error=str(error))
            self._failing[kind] = str(error)
            raise
        else:
            if self._failing and self._failing.pop(kind, ""):
                log.info("store.readable", what=kind)

    @property
    def error(self) -> str:
        """What the disk last said of a kind that still fails; empty for nothing."""
        return next(iter(self._failing.values()), "")
