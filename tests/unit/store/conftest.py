"""Real files, real threads: a store in a fresh folder."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = Store.open(path, flush_interval=0.02)
    yield opened
    await opened.close()


@pytest.fixture
def rows(path: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """What another program sees in the file."""

    def query(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(sql).fetchall()

    return query


@pytest.fixture
def reopen(path: Path) -> Iterator[Callable[[], Store]]:
    """Open the store of `path`; closed at the end."""
    opened: list[Store] = []

    def open_again() -> Store:
        opened.append(Store.open(path, flush_interval=0.02))
        return opened[-1]

    yield open_again
    for one in opened:
        one.close_sync()
