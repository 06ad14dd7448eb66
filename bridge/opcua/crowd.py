"""Who makes room where there are too many: what nobody has logged in on, for others of which nobody knows more.

A client that is there is never displaced, however long it is silent. Which are not there any more the kernel is asked
to find out: a client that loses its network, again and again, leaves connections behind of which nobody is told.
"""

import socket
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

UNREACHABLE = 60  # s, after which the kernel ends a connection to a machine that does not answer


P = TypeVar("P")


def first_to_go(unused: Iterable[P], owner: Callable[[P], Hashable]) -> P | None:
    """Of what nobody uses, the oldest first, the oldest of the owner that has most: who floods displaces itself."""
    found = list(unused)
    many = Counter(map(owner, found))
    return max(found, key=lambda one: many[owner(one)], default=None)


def for_everybody(most: int, *, has_users: bool) -> int:
    """How many of so many may be taken by clients without a name: the last tenth is for users, where there are any."""
    return most - most // 10 if has_users else most


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
