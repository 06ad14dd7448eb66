"""Reads stations' sockets, in the order in which something came, as many in a turn of the loop as there is time for.

uvloop asks the kernel again and again for what can be read while 1,024 sockets at once have something, and lets no
timer and nobody else run meanwhile. Here the loop watches one file, the kernel's list of the sockets that are ready
(epoll(7)), and takes as much from it as it likes.
"""

import asyncio
import os
import select
import sys
from contextlib import suppress
from time import thread_time
from typing import Protocol

IN_A_TURN = 0.005
"""Seconds of CPU in one turn of the event loop."""
AT_ONCE = 16
"""Sockets between two looks at the clock."""
MOST = 16_384
"""Bytes that are read from one socket before the others have their turn."""


class Owner(Protocol):
    """Whose socket it is."""

    def take(self, data: bytes) -> None:
        """Something has come."""

    def eof_received(self) -> object:
        """Nothing more comes."""

    def lost_line(self, error: OSError) -> None:
        """It cannot be read."""

    def broken(self, error: Exception) -> None:
        """What came could not be taken."""


class Sockets:
    """Those that are read; each is its owner's, who closes it.

    The loop watches a gate and not the list itself: to watch a list anew the kernel looks at all that is in it.
    """

    def __init__(self) -> None:
        self._owners: dict[int, Owner] = {}
        self._resting: asyncio.TimerHandle | None = None
        if sys.platform == "linux":
            self._ready, self._gate = select.epoll(), select.epoll()
            self._gate.register(self._ready, select.EPOLLIN)

    @property
    def is_possible(self) -> bool:
        """Whether there is such a list on this system."""
        return sys.platform == "linux"

    def add(self, file: int, owner: Owner) -> None:
        """What comes is read from now on."""
        if self._owners.get(file) is owner:
            return
        if not self._owners:
            asyncio.get_running_loop().add_reader(self._gate.fileno(), self._read)
        self._owners[file] = owner
        self._ready.register(file, select.EPOLLIN)

    def remove(self, file: int, owner: Owner) -> None:
        """Nothing is read any more. The socket may have been closed, and its number be somebody else's by now."""
        if self._owners.get(file) is not owner:
            return
        del self._owners[file]
        with suppress(OSError):
            self._ready.unregister(file)
        if not self._owners:
            asyncio.get_running_loop().remove_reader(self._gate.fileno())

    def rest(self, seconds: float) -> None:
        """Reads nothing for a moment: who came meanwhile is read in one turn. Everything else goes on."""
        if self._owners and self._resting is None:
            self._gate.modify(self._ready, 0)
            self._resting = asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._resting = None
        self._gate.modify(self._ready, select.EPOLLIN)
        self._read()  # now, which saves a turn of the loop

    def holds_unread(self, file: int, owner: Owner) -> bool:
        """Whether something has come that there was no time for until now."""
        if self._owners.get(file) is not owner:
            return False
        looking = select.poll()
        looking.register(file, select.POLLIN)
        return bool(looking.poll(0))

    def _read(self) -> None:
        end = thread_time() + IN_A_TURN
        while True:
            ready = self._ready.poll(0, AT_ONCE)
            for file, _ in ready:
                owner = self._owners.get(file)
                if owner is not None:  # else it was removed by one before it
                    self._read_one(file, owner)
            if len(ready) < AT_ONCE or thread_time() > end:
                return

    def _read_one(self, file: int, owner: Owner) -> None:
        try:
            data = os.read(file, MOST)
        except BlockingIOError:  # what was there has gone
            return
        except OSError as error:
            self.remove(file, owner)
            owner.lost_line(error)
            return
        try:
            if data:
                owner.take(data)
            else:
                self.remove(file, owner)
                owner.eof_received()
        except Exception as error:  # noqa: BLE001 - the others are read all the same
            self.remove(file, owner)
            owner.broken(error)
