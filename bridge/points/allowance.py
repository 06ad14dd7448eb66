"""How many of something are let through: so many at once, and so many a second from then on. The clock is given."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST = 10_000  # who is remembered; who was seen longest ago is forgotten first


class Allowance:
    """Of each key by itself. `clock` gives seconds."""

    def __init__(self, burst: int, each_second: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._each_second = each_second
        self._clock = clock
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # how many, and when that was so
        self._left_out: dict[Hashable, int] = {}

    def admit(self, key: Hashable) -> int | None:
        """How many were left out since the last one that was let through; None: this one is left out too."""
        now = self._clock()
        left, since = self._left.pop(key, (float(self._burst), now))
        left = min(left + max(now - since, 0.0) * self._each_second, self._burst)
        admitted = left >= 1
        self._left[key] = (left - 1 if admitted else left), now
        if len(self._left) > MOST:
            forgotten, _ = self._left.popitem(last=False)
            self._left_out.pop(forgotten, None)
        if admitted:
            return self._left_out.pop(key, 0)
        self._left_out[key] = self._left_out.get(key, 0) + 1
        return None

    def give_back(self, key: Hashable) -> None:
        """One that was let through does not count."""
        left, since = self._left.get(key, (float(self._burst), 0.0))
        if left < self._burst:
            self._left[key] = min(left + 1, self._burst), since
