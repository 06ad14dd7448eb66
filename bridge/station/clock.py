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

    @property
    def offset(self) -> float | None:
        """The station's clock minus ours in seconds; None before the first timestamp."""
        known = [offset for offset in (self._best, self._before) if offset is not None]
        return max(known) if known else None

    def heard(self, time: float, now: float) -> float | None:
        """Takes a timestamp into account; returns it, or None when the clock is too far off to be believed."""
        if self._best is None or abs(now - self._since) > WINDOW:
            self._before, self._best, self._since = self._best, time - now, now
        else:
            self._best = max(self._best, time - now)
        offset = self._best if self._before is None else max(self._best, self._before)
        if abs(offset) > self._max_skew or time - now > self._max_skew:
            return None
        return time
