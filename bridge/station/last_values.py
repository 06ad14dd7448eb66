"""Keeps the last values in the store, behind the traffic: what changed is noted, and written every few seconds."""

import asyncio
from collections.abc import Iterable

from bridge.points.tree import Group, Quality, Tree
from bridge.store.records import ValueRecord
from bridge.store.store import Store

SLICE = 50  # groups that are handed over without a pause, so that stations and clients don't wait


class LastValues:
    """Notes which live points have changed. What the bridge itself keeps (`kept`) is not stored here."""

    def __init__(self, tree: Tree, store: Store) -> None:
        self._store = store
        self._changed: dict[Group, set[int]] = {}
        self._written = 0.0  # Unix seconds of the last flush
        tree.listeners.append(self._note)

    def _note(self, group: Group, slots: list[int]) -> None:
        if group.station is not None:
            known = self._changed.get(group)
            if known is None:
                self._changed[group] = set(slots)
            else:
                known.update(slots)

    async def flush(self, now: float) -> None:
        """Hands what has changed since the last time to the store, a slice at a time. `now`: Unix seconds."""
        groups = list(self._changed)
        for start in range(0, len(groups), SLICE):
            # one slice leaves the notes at a time: what a stop interrupts is left for flush_all
            self._put([(group, self._changed.pop(group)) for group in groups[start : start + SLICE]])
            await asyncio.sleep(0)
        self._written = now

    def flush_all(self) -> None:
        """The same at once, for the end."""
        self._put(self._changed.items())
        self._changed = {}

    def _put(self, changed: Iterable[tuple[Group, set[int]]]) -> None:
        records = [
            record
            for group, slots in changed
            for slot in slots
            if (record := _record(group, slot, self._written)) is not None
        ]
        if records:
            self._store.put_values_soon(records)


def _record(group: Group, slot: int, written: float) -> ValueRecord | None:
    row = group.row(slot)
    if row.kept and row.folder != "Custom":
        return None
    value, quality, source_time, server_time = group.sample(slot)
    if quality is Quality.WAITING or server_time is None:
        return None
    away = group.station is not None and group.station.online_since is None
    if away and server_time < written:
        return None  # the station went and its values became uncertain, but they are in the store already
    return ValueRecord(
        path=f"{group.path}.{row.key}",
        type=row.type.value,
        value=value,
        quality=quality.name,
        source_time=source_time,
        server_time=server_time,
    )
