"""Where too many clients are connected, one makes room for a new one: nobody is kept out by connections that are dead.

A client that loses its network, again and again, leaves connections behind of which nobody here is told that they are
dead. The kernel is asked to find out; until it has, those that are most likely dead go first.
"""

import socket
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

SILENT = 600.0  # s without a request, after which a client may be taken for dead where another one needs the place
UNREACHABLE = 60  # s, after which the kernel ends a connection to a machine that does not answer


class Present(Protocol):
    """A connection or a session. `machine` is where its client is, `heard` when it was heard of last (monotonic)."""

    @property
    def machine(self) -> Hashable: ...

    @property
    def heard(self) -> float: ...


P = TypeVar("P", bound=Present)


def first_to_go(unused: Sequence[P], used: Sequence[P]) -> P | None:
    """Who makes room: of those that nobody uses the oldest from the machine that has most of them, so that who floods
    displaces itself; else whoever has been silent longest, if that is long. Both sequences: the oldest first.
    """
    if unused:
        many = Counter(one.machine for one in unused)
        return max(unused, key=lambda one: many[one.machine])
    quietest = min(used, key=lambda one: one.heard, default=None)
    return quietest if quietest is not None and time.monotonic() - quietest.heard > SILENT else None


def find_out_if_dead(connection: socket.socket) -> None:
    """Has the kernel ask a silent client's machine whether it is there, and not send to it for a quarter of an hour."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", UNREACHABLE // 3),
        ("TCP_KEEPINTVL", UNREACHABLE // 6),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", UNREACHABLE * 1000),
    ):
        if hasattr(socket, option):  # not every system has each
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
