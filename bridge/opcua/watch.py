"""Who monitors which point, and the task that tells them what changed, in the order of the changes."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from asyncua import ua

from bridge.points.layout import Layout
from bridge.points.tree import Group

log = structlog.get_logger()

Callback = Callable[[int, ua.DataValue], Awaitable[None]]
Reader = Callable[[Group, int, bool], ua.DataValue]
#: handle → the change after which it was added, and whom to tell
Watchers = dict[int, tuple[int, Callback]]

BATCH = 100  # changes told before others get their turn


@dataclass(slots=True)
class _Point:
    """Those who monitor a point's value, and those who monitor its ValueAsText."""

    values: Watchers = field(default_factory=dict)
    texts: Watchers = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Watched:
    """The monitored points of a group: by key, and by the slots of its present layout."""

    layout: Layout
    keys: dict[str, _Point] = field(default_factory=dict)
    slots: dict[int, _Point] = field(default_factory=dict)

    def lay_out(self, group: Group) -> None:
        """The group's slots have moved (another OCPP version): keys are what stays."""
        self.layout = group.layout
        self.slots = {slot: point for key, point in self.keys.items() if (slot := group.slot(key)) is not None}


class Watch:
    """Costs nothing per point, only per monitored point. `read(group, slot, as_text)` gives the value to tell.

    A change is read and built once, when it happens, whoever monitors it.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._groups: dict[Group, _Watched] = {}
        self._places: dict[int, tuple[Group, str, bool]] = {}
        self._pending: deque[tuple[int, Watchers, ua.DataValue]] = deque()
        self._changes = 0
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """How many monitor something."""
        return len(self._places)

    def add(self, handle: int, group: Group, slot: int, *, as_text: bool, callback: Callback) -> None:
        """From now on `callback(handle, value)` hears of every change of the point in `slot`."""
        key = group.row(slot).key
        watched = self._groups.setdefault(group, _Watched(group.layout))
        point = watched.keys.setdefault(key, _Point())
        watched.slots[slot] = point
        # what happened before is in the value that the new item starts with
        (point.texts if as_text else point.values)[handle] = self._changes, callback
        self._places[handle] = group, key, as_text

    def remove(self, handle: int) -> bool:
        """Ends it; False where there is no such handle."""
        place = self._places.pop(handle, None)
        if place is None:
            return False
        group, key, as_text = place
        watched = self._groups[group]
        point = watched.keys[key]
        del (point.texts if as_text else point.values)[handle]
        if not point.values and not point.texts:
            del watched.keys[key]
            watched.slots = {slot: other for slot, other in watched.slots.items() if other is not point}
        if not watched.keys:
            del self._groups[group]
        return True

    def changed(self, group: Group, slots: list[int]) -> None:
        """The tree's listener: takes what changed as it is now."""
        watched = self._groups.get(group)
        if watched is None:
            return
        if watched.layout is not group.layout:
            watched.lay_out(group)
        for slot in slots:
            point = watched.slots.get(slot)
            if point is None:
                continue
            self._changes += 1
            for watchers, as_text in ((point.values, False), (point.texts, True)):
                if watchers:
                    self._pending.append((self._changes, watchers, self._read(group, slot, as_text)))
        if self._pending:
            self._wake.set()

    async def run(self) -> None:
        """Tells what changed, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                for _ in range(min(BATCH, len(self._pending))):
                    await self._tell(*self._pending.popleft())
                await asyncio.sleep(0)

    async def _tell(self, change: int, watchers: Watchers, value: ua.DataValue) -> None:
        for handle, (since, callback) in list(watchers.items()):
            if change <= since or handle not in watchers:
                continue
            try:
                await callback(handle, value)
            except Exception:  # one client's filter must not silence the others
                log.exception("opcua.notification_failed")
