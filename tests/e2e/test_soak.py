"""The same day again and again, in the test's own process: nothing of the days before is left, and nobody starves."""

import asyncio
import gc
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from asyncua import Client, ua

from bridge.app import Bridge
from bridge.cli.options import load
from bridge.project import init
from bridge.station.v2 import transactions
from tests.e2e.conftest import write_config
from tests.e2e.parties import WAIT
from tests.e2e.wire import booted

STATIONS = 24
VERSIONS = ("1.6", "2.0.1", "2.1")
WARM, DAYS = 3, 4
BUSY, CALLS = 60, 200


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    folder = tmp_path / "site"
    init(folder)
    write_config(folder)
    interval = sys.getswitchinterval()
    running = Bridge(*load(folder))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
        sys.setswitchinterval(interval)
        gc.unfreeze()


async def station_day(bridge: Bridge, number: int, day: int) -> None:
    """A station comes, charges, is asked something, and goes, in one of three ways."""
    identity, version = f"CP{number}", VERSIONS[number % 3]
    async with booted(bridge.ocpp.url, identity, version) as station:
        await station.status("Available" if station.is_16 else "Occupied")
        transaction = await station.start(1000 * day, "Authorized")
        await station.call("Heartbeat", {})
        await station.stop(transaction, 1000 * day + 500, "Local")
        if number % 4 == 0:
            station.hang_up()


async def client_day(bridge: Bridge, number: int) -> None:
    """A client subscribes, reads, writes a command, and goes, or is gone."""
    client = Client(bridge.opcua.endpoint, timeout=WAIT)
    await client.connect()
    subscription = await client.create_subscription(50, object())
    nodes = [client.get_node(f"ns=2;s=CP{n}.State.Connected") for n in range(STATIONS)]
    await subscription.subscribe_data_change(nodes)
    await client.read_values(nodes)
    execute = client.get_node(f"ns=2;s=CP{number}.Commands.GetLocalListVersion.Execute")
    with suppress(ua.UaStatusCodeError):  # the station has gone already
        await execute.write_value(ua.DataValue(ua.Variant(True, ua.VariantType.Boolean)))
    await client.disconnect()


async def day(bridge: Bridge, number: int) -> None:
    await asyncio.gather(*(station_day(bridge, n, number) for n in range(STATIONS)))
    await asyncio.gather(*(client_day(bridge, n) for n in range(3)))


class Left:
    """What there is of what could pile up."""

    def __init__(self) -> None:
        gc.unfreeze()  # the bridge freezes what is old (garbage)
        gc.collect()
        objects = Counter(
            f"{type(one).__module__}.{type(one).__qualname__}"
            for one in gc.get_objects()
            if str(type(one).__module__).startswith(("bridge.", "asyncua.server", "websockets."))
        )
        self.objects: Counter[str] = objects
        self.tasks = Counter(f"task {task.get_coro().__qualname__}" for task in asyncio.all_tasks())  # type: ignore[union-attr]
        self.descriptors = len(list(Path("/proc/self/fd").iterdir()))
        self.threads = threading.active_count()

    def more_than(self, other: "Left") -> dict[str, int]:
        """What there is more of by one a day, or by more."""
        found = {**(self.objects - other.objects), **(self.tasks - other.tasks)}
        found |= {"descriptors": self.descriptors - other.descriptors, "threads": self.threads - other.threads}
        return {name: count for name, count in found.items() if count >= DAYS}


@pytest.mark.timeout(600)
async def test_nothing_piles_up_from_day_to_day(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """L04: objects, tasks, descriptors and threads."""
    monkeypatch.setattr(transactions, "MAX_ENDED", WARM - 1)  # so many are remembered, and no more
    for number in range(1, WARM + 1):
        await day(bridge, number)
    before = Left()
    for number in range(WARM + 1, WARM + DAYS + 1):
        await day(bridge, number)
    more: dict[str, int] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while more := Left().more_than(before):  # noqa: ASYNC110 - nothing tells that the last of it is gone
                await asyncio.sleep(0.2)
    assert not more


async def keep_calling(
    bridge: Bridge, number: int, ready: asyncio.Barrier, answered: Counter[int], first: asyncio.Event
) -> None:
    """Sends a CALL as soon as the last one was answered, until a station has had all its answers."""
    async with booted(bridge.ocpp.url, f"CP{number}", VERSIONS[number % 3]) as station:
        await ready.wait()
        while not first.is_set():
            await station.status("Unavailable")
            answered[number] += 1
            if answered[number] == CALLS:
                first.set()


async def test_no_station_waits_much_longer_than_the_others_while_all_are_busy(bridge: Bridge) -> None:
    """L02: when the first has had all its answers, the last has had a good part of them."""
    answered: Counter[int] = Counter()
    ready, first = asyncio.Barrier(BUSY), asyncio.Event()
    await asyncio.gather(*(keep_calling(bridge, number, ready, answered, first) for number in range(BUSY)))
    assert len(answered) == BUSY
    assert min(answered.values()) >= CALLS // 4
