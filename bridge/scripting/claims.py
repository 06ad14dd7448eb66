"""Who has a request: told through a page of memory that the bridge and the scripts' process share.

The process marks a request before it calls the script, the bridge marks one that it takes back. Each writes its
own mark first and looks at the other's then, so a request that was taken back is never begun, even by a process
that has been stuck for a while and comes back at that very moment. A frame could not promise that: it arrives
when the other side reads it.
"""

import mmap
import os
import tempfile

SLOTS = 1024
_SIZE = 2 * SLOTS + 1
_BEGUN, _SEEN = 1, 2


class Claims:
    """Two marks for each of `SLOTS` requests; `file` is what the other process opens the page by.

    `loading` is the number of the script that is being loaded, from 1 on.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        self._page = mmap.mmap(file, _SIZE)

    @property
    def loading(self) -> int:
        return self._page[_SIZE - 1]

    @loading.setter
    def loading(self, number: int) -> None:
        self._page[_SIZE - 1] = min(number, 255)

    @classmethod
    def create(cls) -> "Claims":
        """A new page, all free. Raises OSError."""
        if hasattr(os, "memfd_create"):  # a disk that is full holds up no scripts
            file = os.memfd_create("claims")
        else:
            with tempfile.TemporaryFile() as named:
                file = os.dup(named.fileno())
        try:
            os.truncate(file, _SIZE)
            return cls(file)
        except BaseException:
            os.close(file)
            raise

    def reset(self, slot: int) -> None:
        """The bridge, before it sends a request in this slot."""
        self._page[slot] = self._page[SLOTS + slot] = 0

    def begin(self, slot: int) -> bool:
        """The process, before it calls the script; False: the bridge has taken the request back."""
        self._page[slot] = _BEGUN
        return not self._page[SLOTS + slot]

    def wait(self, slot: int) -> None:
        """The process has come to the request, and has no thread free for it."""
        self._page[slot] = _SEEN

    def take_back(self, slot: int) -> bool:
        """The bridge; False: the script has it, or is just getting it."""
        self._page[SLOTS + slot] = 1
        return self._page[slot] != _BEGUN

    def begun(self, slot: int) -> bool:
        """Whether the script has the request."""
        return self._page[slot] == _BEGUN

    def seen(self, slot: int) -> bool:
        """Whether the process has come to the request."""
        return bool(self._page[slot])

    def give_up(self) -> None:
        """A copy of the process begins nothing, and leaves no marks."""
        self._page = mmap.mmap(-1, _SIZE)
        self._page[SLOTS:_SIZE] = b"\1" * (_SIZE - SLOTS)

    def close(self) -> None:
        """Gives the memory back."""
        self._page.close()
        os.close(self.file)
