"""The files' place on the disk: what is written to a file that has lost its name is lost with the process."""

import sqlite3
from pathlib import Path


class LogLost(sqlite3.OperationalError):
    """The WAL file or its index is not in its place, the database itself is."""


class Place:
    """Remembers which files are at `path`, which must be a database in WAL mode that is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = [path.with_name(f"{path.name}-{name}") for name in ("wal", "shm")]
        self._found = _identity(path), list(map(_identity, self._beside))

    def check(self) -> None:
        """Raises sqlite3.OperationalError when another file or none is there. Comes before and after each write: 5 µs.

        LogLost: what is committed is to be brought from the WAL file, which SQLite still has open, to the database
        before the process ends or another one takes the database for whole.
        """
        database, beside = self._found
        if _identity(self._path) != database:
            raise sqlite3.OperationalError(
                f"the file {self._path} was removed or replaced while the bridge runs; put it back, or start the "
                "bridge again to go on with what is there now"
            )
        for path, before in zip(self._beside, beside, strict=True):
            if _identity(path) != before:
                raise LogLost(f"the file {path} was removed or replaced while the bridge runs; start the bridge again")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
