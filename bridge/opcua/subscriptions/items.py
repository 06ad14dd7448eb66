"""Monitored items and their queues (OPC 10000-4 §5.13.1). Nothing here knows the time.

A queue holds encoded DataValues or event fields: nothing while it is empty, the bytes themselves for a single
one, a list from the second on. Where there is place for one value alone, it may also be what was read (`Reading`):
of ten that take each other's place within a publishing interval one is encoded.
"""

import enum
from collections.abc import Callable
from itertools import islice
from struct import Struct
from typing import Protocol

from asyncua import ua

from bridge.opcua.sources import Reading, Sampling, Source
from bridge.opcua.subscriptions.counts import Counts
from bridge.opcua.subscriptions.event_filters import EventFilter, encode_fields
from bridge.opcua.subscriptions.events import Event
from bridge.opcua.subscriptions.filters import DataFilter
from bridge.opcua.subscriptions.room import Room

_U32 = Struct("<I")
HANDLE_SIZE = _U32.size  # bytes in front of each notification
_OVERFLOW = 0x480  # DataValue, Overflow (OPC 10000-4 §7.39.1)


class Mode(enum.IntEnum):
    """MonitoringMode."""

    DISABLED = 0
    SAMPLING = 1
    REPORTING = 2


_DISABLED, _REPORTING = Mode.DISABLED, Mode.REPORTING


class Reporter(Protocol):
    """The subscription of an item. `room` is for what waits in queues, `links` counts those of all its items."""

    room: Room
    counts: Counts
    links: int

    @property
    def waits(self) -> Callable[["Item"], None]:
        """To be called with an item that has something to report."""

    def triggers(self, item: "Item") -> None:
        """The item has links, and something was queued in it."""


class Item:
    """What all monitored items have in common. `prefix` is the ClientHandle as it is sent.

    `links` are the items that this one triggers, `linked_by` those that trigger it. `waiting`: the subscription
    is to report it; `released`: although it only samples, because it was triggered.
    """

    __slots__ = (
        "discard_oldest",
        "held",
        "id",
        "linked_by",
        "links",
        "mode",
        "prefix",
        "queue",
        "queue_size",
        "released",
        "subscription",
        "waiting",
    )

    def __init__(self, number: int, subscription: Reporter) -> None:
        self.id = number
        self.subscription = subscription
        self.mode = _DISABLED
        self.prefix = b""
        self.queue: bytes | list[bytes] | Reading | None = None
        self.held = 0  # bytes of a queue that is a list
        self.queue_size = 1
        self.discard_oldest = True
        self.waiting = self.released = False
        self.links: dict[Item, None] | None = None
        self.linked_by: dict[Item, None] | None = None

    def configure(self, client_handle: int, queue_size: int, discard_oldest: bool) -> None:
        """The parameters that creating and modifying have in common; what is queued too much goes."""
        self.settle()
        self.prefix = _U32.pack(client_handle)
        self.queue_size, self.discard_oldest = queue_size, discard_oldest
        if isinstance(self.queue, list):
            kept = self.queue[-queue_size:] if discard_oldest else self.queue[:queue_size]
            self._keep(kept, sum(map(len, kept)))

    def settle(self) -> None:
        """Encodes what was only read until now."""

    def put(self, data: bytes | Reading) -> None:
        """Queues a notification; a Reading where there is place for one alone."""
        queue = self.queue
        if queue is None or self.queue_size == 1:
            self.queue = data
        else:
            self._put_behind(queue, data)  # type: ignore[arg-type]
        if self.mode is _REPORTING and not self.waiting:
            self.waiting = True
            self.subscription.waits(self)
        if self.links is not None:
            self.subscription.triggers(self)

    def _put_behind(self, queue: bytes | list[bytes], data: bytes) -> None:
        """There is something in the queue, which has two places at least."""
        room, size = self.subscription.room, len(data)
        if type(queue) is list and len(queue) < self.queue_size and size <= room.left:
            queue.append(data)  # as nearly always
            room.left -= size
            self.held += size
            return
        entries: list[bytes] = queue if type(queue) is list else [queue]  # type: ignore[list-item]
        held = self.held if type(queue) is list else len(queue)
        if len(entries) < self.queue_size and room.has(held - self.held + size):
            entries.append(data)
            held += size
        else:
            goes = 0 if self.discard_oldest else -1
            while len(entries) > 1 and not room.has(held - len(entries[goes]) - self.held + size):
                held -= len(entries.pop(goes))
            held += self.overflow(entries, data)
        self._keep(entries, held)

    def _keep(self, entries: list[bytes], size: int) -> None:
        """This is the queue from now on, with so many bytes: to add them up takes as long as the queue is."""
        many = len(entries) > 1
        self.queue = entries if many else entries[0] if entries else None
        held = size if many else 0
        if held != self.held:
            self.subscription.room.give(self.held - held)
            self.held = held

    def overflow(self, entries: list[bytes], data: bytes) -> int:
        """There is no place, or no room, for one more: one of the entries goes.

        Returns how many bytes more they have.
        """
        raise NotImplementedError

    def drain(self, most: int, size: int) -> list[bytes]:
        """Takes the oldest notifications out of the queue: one at least, and no more than `size` bytes of others."""
        queue = self.queue
        if queue is None:
            return []
        if type(queue) is bytes:
            self.queue = None
            return [queue]
        if len(queue) <= most and self.held + len(queue) * HANDLE_SIZE <= size:
            self._keep([], 0)
            return queue  # type: ignore[return-value]
        most = max(1, _how_many(queue, most, size))  # type: ignore[arg-type]
        taken: list[bytes] = queue[:most]  # type: ignore[assignment]
        del queue[:most]  # type: ignore[union-attr]
        self._keep(queue, self.held - sum(map(len, taken)))  # type: ignore[arg-type]
        return taken

    def switch(self, mode: Mode) -> None:
        """SetMonitoringMode (§5.13.4): an item that is disabled forgets, one that comes back begins anew."""
        before, self.mode = self.mode, mode
        if mode is _DISABLED:
            self._keep([], 0)
        elif before is _DISABLED:
            self.begin()
        elif mode is _REPORTING and self.queue is not None and not self.waiting:
            self.waiting = True
            self.subscription.waits(self)

    def begin(self) -> None:
        """The item is no longer disabled."""

    @property
    def reports(self) -> bool:
        """There is something in it that is to be reported."""
        return self.queue is not None and (self.mode is _REPORTING or self.released)

    def link(self, other: "Item") -> None:
        """From now on this item triggers the other one."""
        if self.links is None:
            self.links = {}
        if other.linked_by is None:
            other.linked_by = {}
        self.subscription.links += other not in self.links
        self.links[other] = other.linked_by[self] = None

    def unlink(self, other: "Item") -> bool:
        """False: there is no such link."""
        if self.links is None or other not in self.links or other.linked_by is None:
            return False
        del self.links[other], other.linked_by[self]
        self.subscription.links -= 1
        self.links, other.linked_by = self.links or None, other.linked_by or None
        return True

    def close(self) -> None:
        """The item was deleted."""
        self.mode = _DISABLED
        self._keep([], 0)
        for other in tuple(self.links or ()):
            self.unlink(other)
        for other in tuple(self.linked_by or ()):
            other.unlink(self)


class DataItem(Item):
    """Monitors an attribute. `sampling` is None for one that takes every change.

    `value`, `quality` and `source_time` are those that were queued last. `times` is a TimestampsToReturn.
    """

    __slots__ = ("dirty", "filter", "place", "quality", "sampling", "source", "source_time", "times", "value")

    def __init__(self, number: int, subscription: Reporter, source: Source, times: int) -> None:
        super().__init__(number, subscription)
        self.source = source
        self.times = times
        self.filter: DataFilter | None = None
        self.sampling: Sampling | None = None
        self.dirty = False
        self.place = 0
        self._forget()

    def _forget(self) -> None:
        self.value: object = None
        self.quality: int | None = None
        self.source_time: float | None = None

    def take(self) -> None:
        """The source has changed, or is to be sampled: queues what differs from what was queued last."""
        if self.mode is _DISABLED:
            return
        source = self.source
        sample = source.read()
        value, quality, source_time, _ = sample
        last = self.value
        if self.filter is None:
            if quality == self.quality and (value == last or (value != value and last != last)):  # noqa: PLR0124 - NaN
                return
        elif self.quality is not None:
            before = last, self.quality, self.source_time, None
            if not self.filter.passes(before, sample):
                return
        self.value, self.quality, self.source_time = value, quality, source_time
        late = self.queue_size == 1 and source.lasts and len(source.watchers) < 2  # several share what one has encoded
        self.put(sample if late else source.encoded(sample, self.times))

    def settle(self) -> None:
        if isinstance(self.queue, tuple):
            alone = len(self.source.watchers) < 2  # else it may have kept what another one read since
            encode = self.source.encoded if alone else self.source.encode
            self.queue = encode(self.queue, self.times)

    def repeat(self) -> None:
        """Queues the present value, whether or not it was told before."""
        self._forget()
        self.take()

    def begin(self) -> None:
        self.repeat()

    def overflow(self, entries: list[bytes], data: bytes) -> int:
        self.subscription.counts.overflows += 1
        if self.discard_oldest and len(entries) > 1:
            gone = entries.pop(0)
            entries[0] = marked(entries[0])
            entries.append(data)
        else:
            gone, entries[-1] = entries[-1], marked(data)
        return len(data) - len(gone)


def _how_many(queue: list[bytes], most: int, size: int) -> int:
    """How many of the oldest notifications, `most` at most, have room in so many bytes."""
    for count, data in enumerate(islice(queue, most)):
        size -= len(data) + HANDLE_SIZE
        if size < 0:
            return count
    return min(len(queue), most)


def marked(data: bytes) -> bytes:
    """A DataValue with the Overflow bit in its StatusCode, which stands in front of the times."""
    end = len(data) - 8 * (data[0] >> 2 & 1) - 8 * (data[0] >> 3 & 1)
    code = int.from_bytes(data[end - 4 : end], "little") | _OVERFLOW
    return data[: end - 4] + _U32.pack(code) + data[end:]


class EventItem(Item):
    """Monitors a node's events. What does not fit is told by one event more (OPC 10000-4 §7.22.3).

    `hears_audit`: its user may know who did what (OPC 10000-5 §6.4.3); `sees_all`: and see what is personal.
    """

    __slots__ = ("filter", "hears_audit", "lost", "node_id", "sees_all")

    def __init__(
        self,
        number: int,
        subscription: Reporter,
        node_id: ua.NodeId,
        *,
        hears_audit: bool = False,
        sees_all: bool = True,
    ) -> None:
        super().__init__(number, subscription)
        self.hears_audit = hears_audit
        self.sees_all = sees_all
        self.node_id = node_id
        self.filter = EventFilter()
        self.lost: Event | None = None

    def tell(self, event: Event, lost: Callable[[], Event], told: dict[tuple[EventFilter, bool], bytes | None]) -> None:
        """An event of the node; `lost` makes the one that says that others were lost.

        `told`: what others with the same filter, and who see as much, got of this event, None where it does not pass.
        """
        if self.mode is _DISABLED or (event.is_audit and not self.hears_audit):
            return
        wanted, seen = self.filter, event if self.sees_all else event.masked or event
        key = wanted, self.sees_all
        if key not in told:
            told[key] = encode_fields(wanted, seen) if wanted.passes(seen) else None
        data = told[key]
        if data is None:
            return
        if self.queue is not None and (1 if type(self.queue) is bytes else len(self.queue)) >= self.queue_size:
            self.lost = self.lost or lost()
        self.put(data)

    def overflow(self, entries: list[bytes], data: bytes) -> int:
        self.subscription.counts.event_overflows += 1
        if not self.discard_oldest:
            return 0
        gone = entries.pop(0)
        entries.append(data)
        return len(data) - len(gone)

    def drain(self, most: int, size: int) -> list[bytes]:
        taken = super().drain(most, size)
        if self.lost is not None and taken:
            told = encode_fields(self.filter, self.lost)
            if self.discard_oldest:
                taken.insert(0, told)
                self.lost = None
            elif self.queue is None:
                taken.append(told)
                self.lost = None
        return taken
