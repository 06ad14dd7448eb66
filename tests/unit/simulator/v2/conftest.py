"""A central system on a real websocket, once for each version, and a quiet station at it."""

from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import serve

from bridge.simulator import Simulator
from tests.unit.simulator.helpers import LONELY, running
from tests.unit.simulator.v2.csms import Csms


@pytest.fixture(params=["2.0.1", "2.1"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def csms(version: str) -> AsyncIterator[Csms]:
    csms = Csms(version)
    async with serve(csms.serve, "127.0.0.1", 0, subprotocols=[f"ocpp{version}"]) as server:  # type: ignore[list-item]
        csms.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        yield csms
    assert csms.invalid == []


@pytest.fixture
async def lonely(csms: Csms) -> AsyncIterator[Simulator]:
    """A station that nobody comes to, after its boot."""
    async with running(Simulator(csms.url, 1, ocpp=csms.version, **LONELY)) as simulator:
        await csms.hear("StatusNotification", 2)
        yield simulator
    assert simulator.counters.errors == 0
