"""One server for most tests: it takes two seconds to start. Each test adds stations of its own."""

import pytest
import pytest_asyncio

from bridge.opcua.slowdown import Slowdown
from tests.unit.opcua.helpers import Site, make_site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _shared(tmp_path_factory):
    site = make_site(tmp_path_factory.mktemp("opcua"))
    await site.server.start()
    yield site
    await site.server.stop()


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.writer.writes.clear()
    _shared.writer.calls.clear()
    _shared.writer.refusals.clear()
    _shared.writer.started.clear()
    _shared.audit.clear()
    guard = _shared.server._guard  # another test's failures slow nobody here, and use up nothing
    guard.slowdown = Slowdown()
    limited = (guard._refusals, guard._visits, guard._lines, guard._rejected)
    for allowance in (*limited, guard._glances, guard._glances_of_machine):
        allowance._left.clear()
        allowance._left_out.clear()
    return _shared


@pytest_asyncio.fixture(loop_scope="session")
async def client(site: Site):
    async with site.client() as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def start_site(tmp_path):
    """Starts another server with settings of its own."""
    started = []

    async def start(**changes: object) -> Site:
        site = make_site(tmp_path, **changes)
        await site.server.start()
        started.append(site)
        return site

    yield start
    for site in started:
        await site.server.stop()
