"""What monitored items follow: something that has a value, and tells who monitors it when that changes.

It does the least: an item that wants every change takes it, one that samples is only marked.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any, ClassVar, Protocol

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from bridge.opcua.ranges import Slices, part_of
from bridge.opcua.variants import frame

_NO_DATA = int(ua.StatusCodes.BadIndexRangeNoData)
#: what a source has: value, quality, source time, server time. What is not a point's has a StatusCode for its quality.
Reading = tuple[Any, int, float | None, float | None]
#: an attribute of a node of asyncua's, and the IndexRange
ForeignKey = tuple[ua.NodeId, int, str]
TURN = 500  # who are told at a time


class Sampling(Protocol):
    """Where items wait until they are due."""

    @property
    def mark(self) -> Callable[[Any], None]:
        """To be called with an item whose source has changed since it was sampled."""


class Watcher(Protocol):
    """A monitored item, as its source sees it. `sampling` is None for one that wants every change."""

    place: int
    dirty: bool

    @property
    def sampling(self) -> Sampling | None: ...

    def settle(self) -> None:
        """The source is about to become another one: what was read of it has to be encoded now."""

    def take(self) -> None:
        """The source has changed: reports it, or not."""


class Source:
    """What items monitor. Encoded values are kept until the next change where several share them.

    `lasts`: what was read can be encoded later as well.
    """

    __slots__ = ("_encoded", "watchers")
    lasts: ClassVar[bool] = False

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []
        self._encoded: dict[int, bytes] | None = None

    def read(self) -> Reading:
        """Value, quality and times as they are now."""
        raise NotImplementedError

    def encode(self, sample: Reading, times: int) -> bytes:
        """The DataValue of what was read, with the timestamps that were asked for."""
        raise NotImplementedError

    def encoded(self, sample: Reading, times: int) -> bytes:
        """`encode`, of the last reading."""
        if len(self.watchers) < 2:
            return self.encode(sample, times)
        if self._encoded is None:
            self._encoded = {}
        found = self._encoded.get(times)
        if found is None:
            found = self._encoded[times] = self.encode(sample, times)
        return found

    def add(self, watcher: Watcher) -> None:
        watcher.place = len(self.watchers)
        self.watchers.append(watcher)

    def remove(self, watcher: Watcher) -> None:
        """The last one takes its place: their order means nothing, and 50,000 are gone in linear time."""
        last = self.watchers.pop()
        if last is not watcher:
            self.watchers[watcher.place] = last
            last.place = watcher.place

    def changed(self) -> None:
        """Tells who monitors it."""
        self._encoded = None
        tell(self.watchers)


def tell(watchers: Iterable[Watcher]) -> None:
    """Their source has changed."""
    for watcher in watchers:
        sampling = watcher.sampling
        if sampling is None:
            watcher.take()
        elif not watcher.dirty:
            watcher.dirty = True
            sampling.mark(watcher)


class Fixed(Source):
    """An attribute that hardly ever changes. `path` is what `Watch.fixed` was given.

    `slices` are those of an IndexRange: a part of an array is monitored.
    """

    __slots__ = ("_sample", "_variant", "path", "present", "slices", "variant_type")

    def __init__(self, value: ua.DataValue, path: str | None = None) -> None:
        super().__init__()
        self.path = path
        self.present = value
        self.slices: Slices = ()
        self.show(value)

    def show(self, value: ua.DataValue) -> None:
        """This is what it shows from now on; tells nobody."""
        variant = ua.Variant() if value.Value is None else value.Value
        code = 0 if value.StatusCode is None else int(value.StatusCode.value)
        if self.slices and variant.Value is not None:
            part = part_of(variant, self.slices)
            variant, code = (ua.Variant(), _NO_DATA) if part is None else (part, code)
        self.variant_type = variant.VariantType
        self._variant = bytes(variant_to_binary(variant))
        source, server = (None if time is None else time.timestamp() for time in _times(value))
        self._sample: Reading = (self._variant, code, source, server)

    def read(self) -> Reading:
        return self._sample

    def encode(self, sample: Reading, times: int) -> bytes:
        _, code, source, server = sample
        mask, tail = frame(int(code), source, server, times)
        return bytes((mask,)) + self._variant + tail


class Foreign(Fixed):
    """An attribute of asyncua's, or a part of it, for all who monitor it: asyncua tells when it is written.

    `key` is what `TreeAddressSpace.share` was given, `handle` that of `hear`.
    """

    __slots__ = ("handle", "key")

    def __init__(self, value: ua.DataValue, key: ForeignKey) -> None:
        super().__init__(value)
        self.key = key
        self.handle = 0

    async def hear(self, handle: int, value: ua.DataValue) -> None:
        """asyncua's callback. It may not pause: asyncua goes through its callbacks while others come and go."""
        self.show(value)
        self.changed()

    async def tell(self, value: ua.DataValue) -> None:
        """As `hear`, in slices: any number may monitor what has another value each second."""
        self.show(value)
        self._encoded = None
        watchers = tuple(self.watchers)
        for start in range(0, len(watchers), TURN):
            tell([each for each in watchers[start : start + TURN] if self._has(each)])
            await asyncio.sleep(0)

    def _has(self, watcher: Watcher) -> bool:
        """It has not left since."""
        return watcher.place < len(self.watchers) and self.watchers[watcher.place] is watcher


def _times(value: ua.DataValue) -> tuple[Any, Any]:
    """Both times, in UTC as asyncua means them."""
    times = value.SourceTimestamp, value.ServerTimestamp
    first, second = (time if time is None or time.tzinfo else time.replace(tzinfo=UTC) for time in times)
    return first, second
