"""How the store's disk is: Bridge.ServiceLevel, and the events that say why."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bridge.points.events import Event

GOOD, DEGRADED = 255, 100  # ServiceLevel: 100 is degraded (OPC 10000-4 §6.6.2.4.2)
NEARLY_FULL = 100_000_000  # bytes that are left
LOOK_EVERY = 60  # turns from one look at the disk's room to the next


class Written(Protocol):
    """What is written to (`Store`)."""

    @property
    def healthy(self) -> bool: ...

    @property
    def last_error(self) -> str: ...


class Health:
    """Watches a store whose file is in `folder`. `clock` gives Unix seconds."""

    def __init__(self, store: Written, folder: Path, emit: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._store = store
        self._folder = folder
        self._emit = emit
        self._clock = clock
        self._healthy = True
        self._room = True
        self._turns = 0

    def turn(self) -> int:
        """Looks once more, and tells what has changed; the ServiceLevel."""
        healthy = self._store.healthy
        if healthy != self._healthy:
            self._healthy = healthy
            if healthy:
                self._tell("StoreRecovered", "the store can be used again")
            else:
                reason = self._store.last_error
                self._tell("StoreFailed", f"the store cannot be used: {reason}", Reason=reason)
        if self._turns % LOOK_EVERY == 0:
            self._look()
        self._turns += 1
        return GOOD if healthy else DEGRADED

    def _look(self) -> None:
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return  # the store itself says more
        if self._room and free < NEARLY_FULL:
            self._room = False
            self._tell("StoreNearlyFull", f"{free / 1e6:.0f} MB are left for the store", FreeBytes=float(free))
        elif free > 2 * NEARLY_FULL:
            self._room = True

    def _tell(self, type_: str, message: str, **fields: str | float) -> None:
        self._emit(Event(type_, "", message, self._clock(), fields))
