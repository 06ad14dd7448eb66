"""The file's place on the disk: what is written to a file that has lost its name is lost with the process."""

import sqlite3
from pathlib import Path


class Place:
    """Remembers which file is at `path`, which must exist."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._found()

    def check(self) -> None:
        """Raises sqlite3.OperationalError when another file or none is there. Comes before each write: 2 µs."""
        if self._found() != self._file:
            raise sqlite3.OperationalError(
                f"the file {self._path} was removed or replaced while the bridge runs; put it back, or start the "
                "bridge again to go on with what is there now"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
