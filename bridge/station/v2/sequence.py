"""Sequence numbers: which ones have come, in whatever order, and how many are missing between them."""

from bisect import bisect_right

import msgspec

MAX_RANGES = 128
"""Gaps that are told apart; a station whose numbers make no sense costs no more."""


class Sequence(msgspec.Struct):
    """The numbers that have come, as ascending ranges [first, last] that do not touch."""

    ranges: list[list[int]] = []

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.ranges, number, key=lambda found: found[0]) - 1
        return index >= 0 and number <= self.ranges[index][1]

    def add(self, number: int) -> bool:
        """Takes a number in; False: it has come before."""
        if number in self:
            return False
        index = bisect_right(self.ranges, number, key=lambda found: found[0])
        before = self.ranges[index - 1] if index > 0 and self.ranges[index - 1][1] == number - 1 else None
        after = self.ranges[index] if index < len(self.ranges) and self.ranges[index][0] == number + 1 else None
        if before is not None and after is not None:
            before[1] = after[1]
            del self.ranges[index]
        elif before is not None:
            before[1] = number
        elif after is not None:
            after[0] = number
        else:
            self.ranges.insert(index, [number, number])
            if len(self.ranges) > MAX_RANGES:  # the oldest gap is given up
                self.ranges[:2] = [[self.ranges[0][0], self.ranges[1][1]]]
        return True

    @property
    def last(self) -> int | None:
        """The highest number; None before the first."""
        return self.ranges[-1][1] if self.ranges else None

    def missing(self, first: int) -> int:
        """How many numbers from `first` to the highest have not come."""
        last = self.last
        if last is None or last < first:
            return 0
        come = sum(high - max(low, first) + 1 for low, high in self.ranges if high >= first)
        return last - first + 1 - come
