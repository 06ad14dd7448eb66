"""How much may be kept for clients that have not fetched it yet. Pure."""

BLOCK = 65_536  # bytes that a room gets at a time from the one above


class Room:
    """A number of bytes for queues and unacknowledged messages; `above` is what this is a part of.

    `left` is what can be had at once, and whoever takes of it after `has` counts it down.
    """

    __slots__ = ("_above", "_lent", "_most", "left")

    def __init__(self, most: int, above: "Room | None" = None) -> None:
        self._most = most
        self._above = above
        self._lent = most if above is None else 0
        self.left = self._lent

    @property
    def used(self) -> int:
        return self._lent - self.left

    def has(self, size: int) -> bool:
        """There is room for so many bytes more."""
        return size <= self.left or self._borrow(size)

    def _borrow(self, size: int) -> bool:
        above = self._above
        if above is None:
            return False
        block = min(max(size - self.left, BLOCK), self._most - self._lent, above.left)
        if self.left + block < size:
            return False
        above.left -= block
        self._lent += block
        self.left += block
        return True

    def give(self, size: int) -> None:
        """So many bytes are not kept any more; what is not needed soon goes back."""
        self.left += size
        if self._above is not None and self.left > 2 * BLOCK:
            self._give_back(self.left - BLOCK)

    def close(self) -> None:
        """Nothing is kept here any more."""
        if self._above is not None:
            self._give_back(self._lent)

    def _give_back(self, size: int) -> None:
        self.left -= size
        self._lent -= size
        if self._above is not None:
            self._above.left += size
