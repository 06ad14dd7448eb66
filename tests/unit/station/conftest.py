"""Bridges that run in the test's own process, with real websockets and a real store."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.unit.station.rig import Rig, Starter


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    """Starts a bridge; called again on the same store after `stop`, it is a restart."""
    starter = Starter(tmp_path)
    yield starter
    await starter.close()


@pytest.fixture
async def rig(start: Starter) -> Rig:
    """A bridge as it is shipped."""
    return await start()


def copy(folder: Path) -> Path:
    """The store in its own folder, with what has been committed."""
    target = folder / "copy"
    target.mkdir()
    for file in folder.glob("bridge.db*"):
        if not file.name.endswith(".lock"):
            shutil.copy(file, target / file.name)
    return target


@pytest.fixture
async def killed(tmp_path):
    """Starts a bridge on what is on the disk now, as if the first one had been killed; its clock goes on."""
    async with AsyncExitStack() as stack:

        async def again(first: Rig, **config) -> Rig:
            starter = Starter(copy(tmp_path))
            stack.push_async_callback(starter.close)
            second = await starter(**config)
            second.now = first.now
            return second

        yield again
