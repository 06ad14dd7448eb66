"""How much may be kept for all clients together: what each may have by itself would be too much if all had it."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Protocol

import structlog

log = structlog.get_logger()

LARGE = 65_536  # bytes; less than this of one client is not worth looking at the others
AT_ONCE = 4  # long answers that are made, of all clients
MOST_ARRIVING, MOST_BACKLOG = 4, 4  # messages, or backlogs, of the greatest length that one client may have


class Kept(Protocol):
    """A connection. `arriving`: bytes of a message that is not complete, `backlog`: those that wait to be read."""

    @property
    def closing(self) -> bool: ...

    @property
    def owner(self) -> Hashable:
        """Whose it is, as far as that can be told."""

    @property
    def arriving(self) -> int: ...

    @property
    def backlog(self) -> int: ...

    def cut(self) -> None:
        """Ends the connection at once, and all that waits for it."""


def bound(connections: Iterable[Kept], size: Callable[[Kept], int], most: int) -> None:
    """Where all together have more than so many bytes: ends the largest connection of the owner that has most in all.

    Many connections with a little each keep as much as one with much, and it is not who asks for one thing that goes.
    """
    found = [connection for connection in connections if not connection.closing]
    if sum(map(size, found)) > most:
        owned: defaultdict[Hashable, list[Kept]] = defaultdict(list)
        for connection in found:
            owned[connection.owner].append(connection)
        largest = max(max(owned.values(), key=lambda own: sum(map(size, own))), key=size)
        log.warning("opcua.connection_cut", kept=size(largest), why="too much is kept for all clients together")
        largest.cut()


def arriving(connection: Kept) -> int:
    return connection.arriving


def backlog(connection: Kept) -> int:
    return connection.backlog
