"""Keeps the last values in the store, behind the traffic: what changed is noted, and written every few seconds."""

import asyncio
from collections.abc import Iterable, Iterator
from functools import lru_cache

import structlog

from bridge.points.layout import Layout
from bridge.points.tree import Group, Tree
from bridge.store.records import GroupRecord
from bridge.store.store import Store

#: customers' data, which no file is to keep
PRIVATE = frozenset({"Reports.CustomerInformation"})
log = structlog.get_logger()

#: told anew of every station each second
COUNTERS = ("State.LastMessage", "State.ClockOffset")
RARELY = 6  # of so many flushes one has the groups in which nothing but these has changed
SLICE = 10  # groups that are handed over without a pause, so that stations and clients don't wait


@lru_cache(maxsize=16)
def _minor(layout: Layout) -> frozenset[int]:
    """The slots of COUNTERS, and of what is not stored here at all."""
    return layout.kept.union(layout.index[key] for key in COUNTERS if key in layout.index)


class LastValues:
    """Notes which groups have changed. What the bridge itself keeps (`kept`) is not stored here."""

    def __init__(self, tree: Tree, store: Store) -> None:
        self._store = store
        self._tree = tree
        self._changed: dict[Group, None] = {}  # in the order of their first change
        self._counted: dict[Group, None] = {}  # those in which nothing but COUNTERS has
        self._flushes = 0
        self._written = 0.0  # Unix seconds of the last flush
        tree.listeners.append(self._note)

    def _note(self, group: Group, slots: list[int]) -> None:
        if group.station is None or group in self._changed or group.layout.kept.issuperset(slots):
            return
        if _minor(group.layout).issuperset(slots):
            self._counted[group] = None
        else:
            self._changed[group] = None

    async def flush(self, now: float) -> None:
        """Hands what has changed since the last time to the store, a slice at a time. `now`: Unix seconds."""
        self._written = self._written if self._written <= now else 0.0  # the clock was set back
        self._flushes += 1
        if self._flushes % RARELY == 0:
            self._take_counted()
        groups = list(self._changed)
        for start in range(0, len(groups), SLICE):
            # one slice leaves the notes at a time: what a stop interrupts is left for flush_all
            slice_ = groups[start : start + SLICE]
            for group in slice_:
                del self._changed[group]
            self._put(slice_)
            await asyncio.sleep(0)
        self._written = now

    def flush_all(self) -> None:
        """The same at once, for the end."""
        self._take_counted()
        self._put(self._changed)
        self._changed = {}

    def _take_counted(self) -> None:
        self._changed |= self._counted

    def _put(self, changed: Iterable[Group]) -> None:
        if records := list(self._records(changed)):
            self._store.put_values_soon(records)

    def _records(self, changed: Iterable[Group]) -> Iterator[GroupRecord]:
        for group in changed:
            try:
                record = self._record(group)
            except Exception:  # whatever is wrong with one group, the others are kept
                log.exception("store.values_lost", group=group.path)
                continue
            if record is not None:
                yield record

    def _record(self, group: Group) -> GroupRecord | None:
        owed = group in self._counted
        self._counted.pop(group, None)
        if group.station is None or self._tree.stations.get(group.station.path) is not group.station:
            return None  # the station has been removed since
        values = group.last_values()
        away = group.station.online_since is None
        if away and not owed and all(server_time < self._written for *_, server_time in values):
            return None  # the station went and its values became uncertain, but they are in the store already
        if any(group.value(key) is not None for key in PRIVATE):
            values = [value for value in values if value[0] not in PRIVATE]
        return GroupRecord(group.path, values)
