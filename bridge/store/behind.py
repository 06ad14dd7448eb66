"""What may reach the disk a little later: coalesced by key, bounded, the oldest dropped first. No I/O."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Any

from bridge.store.rows import KINDS, Kind

Chunk = list[tuple[Kind, list[tuple[Hashable, Any]]]]
"""Records with their keys, by kind, in the order in which they are to be written."""


class Behind:
    """The writes that nobody waits for. Not thread-safe: the writer guards it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.dropped = 0
        self._waiting: dict[str, OrderedDict[Hashable, Any]] = {kind.name: OrderedDict() for kind in KINDS}
        self._discarded: set[tuple[str, Hashable]] = set()  # since the last chunk was taken, which may have them

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, kind: Kind, items: Iterable[tuple[Hashable, Any]]) -> None:
        """Records with their keys. A newer record of a key takes the place of the older one."""
        waiting = self._waiting[kind.name]
        for key, record in items:
            waiting[key] = record
            waiting.move_to_end(key)
        self._trim(waiting)

    def get(self, kind: Kind, key: Hashable) -> Any:
        """The record of this key that waits, or None."""
        return self._waiting[kind.name].get(key)

    def discard(self, kind: Kind, key: Hashable) -> None:
        """Forget a record that something newer replaces."""
        self._waiting[kind.name].pop(key, None)
        self._discarded.add((kind.name, key))

    def restore(self, chunk: Chunk) -> None:
        """Put back the last chunk, which could not be written, but for what something newer has replaced since."""
        for kind, items in chunk:
            waiting = self._waiting[kind.name]
            for key, record in reversed(items):
                if key not in waiting and (kind.name, key) not in self._discarded:
                    waiting[key] = record
                    waiting.move_to_end(key, last=False)
            self._trim(waiting)

    def take(self, count: int, prompt_only: bool) -> Chunk:
        """Take out up to `count` records, the oldest first; of the prompt kinds only, or of all."""
        chunk: Chunk = []
        self._discarded.clear()
        for kind in KINDS:
            waiting = self._waiting[kind.name]
            if not waiting or (prompt_only and not kind.prompt):
                continue
            items = [waiting.popitem(last=False) for _ in range(min(count, len(waiting)))]
            count -= len(items)
            if items:
                chunk.append((kind, items))
        return chunk

    def _trim(self, waiting: OrderedDict[Hashable, Any]) -> None:
        while len(waiting) > self.limit:
            waiting.popitem(last=False)
            self.dropped += 1
