"""Bridges that run in the test's own process, with real websockets and a real store."""

from collections.abc import AsyncIterator
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
