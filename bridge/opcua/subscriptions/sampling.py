"""When items are sampled that do not want every change (OPC 10000-4 §5.13.1.2)."""

from collections.abc import Callable

from bridge.opcua.subscriptions.items import DataItem


class Sampling:
    """The items of one sampling interval that have changed since they were sampled.

    `mark` is called for each change: it is the list's own method.
    """

    __slots__ = ("dirty", "mark")

    def __init__(self) -> None:
        self.dirty: list[DataItem] = []
        self.mark = self.dirty.append

    def sample(self, most: int) -> bool:
        """Samples some of them; whether there are more."""
        dirty = self.dirty
        batch = dirty[:most]
        del dirty[:most]
        for item in batch:
            item.dirty = False
            item.take()
        return bool(dirty)

    def close(self) -> None:
        """Forgets its items."""
        self.dirty.clear()
        self.mark = self.dirty.append


class TimedSampling(Sampling):
    """One with a timer of its own, which `wake` sets when the first of its items has changed."""

    __slots__ = ("_wake", "interval", "start")

    def __init__(self, interval: float, start: float, wake: "Callable[[TimedSampling], None]") -> None:
        """`interval` in seconds; `start` on the clock of `due`."""
        super().__init__()
        self.interval, self.start = interval, start
        self._wake = wake
        self.mark = self._mark

    def _mark(self, item: DataItem) -> None:
        if not self.dirty:
            self._wake(self)
        self.dirty.append(item)

    def due(self, now: float) -> float:
        """The next moment of its rhythm."""
        return now + self.interval - (now - self.start) % self.interval
