"""Who has been let in and has not said yet who it is: so many and no more."""

import resource
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

LEAST = 16


class Waiting(Generic[T]):
    """Those who wait, by where they come from. `most`: of all together, and of the files that may be open a quarter.

    Where one more comes, the oldest of those who have the most goes. So a flood from one address drives out itself.
    """

    def __init__(self, most: int) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = most if files == resource.RLIM_INFINITY else min(most, max(files // 4, LEAST))
        self._of: dict[str, dict[T, None]] = {}  # the oldest first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, one: T, origin: str) -> T | None:
        """One more waits; who has to go for it, and waits no more."""
        self._of.setdefault(origin, {})[one] = None
        self._count += 1
        if self._count <= self._most:
            return None
        crowd, same = max(self._of.items(), key=_size)
        oldest = next(iter(same))
        self.remove(oldest, crowd)
        return oldest

    def remove(self, one: T, origin: str) -> None:
        """It waits no more; it need not have waited."""
        same = self._of.get(origin)
        if same is None or one not in same:
            return
        del same[one]
        self._count -= 1
        if not same:
            del self._of[origin]


def _size(item: tuple[str, dict[T, None]]) -> int:
    return len(item[1])
