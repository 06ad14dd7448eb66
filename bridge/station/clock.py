"""A station's clock, judged by the timestamps in its messages."""

WINDOW = 900.0  # s


class StationClock:
    """Estimates how far a station's clock is off, and says which of its timestamps to believe.

    A message is never newer than the clock that stamped it, only older (it waited, or was kept while the
    station was offline). So the largest difference of the last minutes is the clock's own.
    """

    __slots__ = ("_before", "_best", "_max_skew", "_since")

    def __init__(self, max_skew: float) -> None:
        self._max_skew = max_skew
        self._best: float | None = None
        self._before: float | None = None
        self._since = 0.0

    def restore(self, offset: float) -> None:
        """Takes an estimate of before a restart. The first message may be an old one, which says little."""
        self._before = offset

    def shift(self, seconds: float) -> None:
        """The station's timestamps are read otherwise from now on, by so many seconds more."""
        self._best = None if self._best is None else self._best + seconds
        self._before = None if self._before is None else self._before + seconds

    @property
    def offset(self) -> float | None:
        """The station's clock minus ours in seconds; None before the first timestamp."""
        if self._best is None or self._before is None:
            return self._before if self._best is None else self._best
        return max(self._best, self._before)

    def heard(self, time: float, now: float) -> float | None:
        """Takes a timestamp into account; returns it, or None when the clock is too far off to be believed."""
        ahead, best = time - now, self._best
        if best is None:
            self._best, self._since = ahead, now
        elif abs(now - self._since) > WINDOW:
            self._before, self._best, self._since = best, ahead, now
        elif ahead > best:
            self._best = ahead
        return self.believed(time, now)

    def believed(self, time: float, now: float) -> float | None:
        """As `heard`, of a timestamp that was taken into account before."""
        offset = self.offset
        if offset is not None and abs(offset) > self._max_skew:
            return None
        return None if time - now > self._max_skew else time
