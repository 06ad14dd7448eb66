"""A central system on a real websocket, and a quiet station at it."""

from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import serve

from bridge.simulator import Simulator
from tests.unit.simulator.helpers import LONELY, CentralSystem, running


@pytest.fixture
async def system() -> AsyncIterator[CentralSystem]:
    system = CentralSystem()
    async with serve(system.serve, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as server:  # type: ignore[list-item]
        system.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        yield system
        system.closing.set()


@pytest.fixture
async def lonely(system: CentralSystem) -> AsyncIterator[Simulator]:
    """A station that nobody comes to, after its boot."""
    async with running(Simulator(system.url, 1, **LONELY)) as simulator:
        await system.hear("StatusNotification", 3)
        yield simulator
