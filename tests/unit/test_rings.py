"""Nothing that comes and goes leaves rings of objects: what has grown old is not looked through for them
(bridge.garbage), so they would stay."""

import asyncio
import gc
import inspect
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CoroutineType, FrameType, FunctionType, GeneratorType

import pytest
from asyncua import Client, ua

from bridge.app import Bridge
from bridge.config import load_config
from bridge.project import Project, init
from bridge.simulator import Simulator

WAIT = 30.0  # s
ROUNDS = 3
OURS = Path(inspect.getfile(Bridge)).parent
THEIRS = "simulator"
CODE_OF = {FunctionType: "__code__", CoroutineType: "cr_code", FrameType: "f_code", GeneratorType: "gi_code"}
CONFIG = """
[ocpp]
port = 0
[opcua]
endpoint = "opc.tcp://127.0.0.1:0/ocpp-bridge"
security = ["None"]
anonymous = "admin"
[handlers]
isolation = "inline"  # a process of scripts that is slow is replaced, and that leaves some
"""


@pytest.fixture
async def bridge(tmp_path):
    folder = tmp_path / "site"
    init(folder)
    (folder / "config.toml").write_text(CONFIG, "utf-8")
    project = Project(folder)
    found = Bridge(project, load_config(project))
    await found.start()
    found._garbage.stop()  # which would find the young ones
    gc.disable()
    yield found
    gc.enable()
    await found.stop()


def rings() -> Iterator[str]:
    """What of the bridge's lies in rings that nobody refers to."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        for thing in gc.garbage:
            kind = type(thing)  # `thing` itself may be a dead weakref.proxy, which may not be asked for anything
            if kind in CODE_OF:
                code = getattr(thing, CODE_OF[kind])
                if OURS in Path(code.co_filename).parents and THEIRS not in code.co_filename:
                    yield code.co_qualname
            elif kind.__module__.startswith("bridge.") and THEIRS not in kind.__module__:
                yield kind.__qualname__
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


async def until(condition) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def stations_come_and_go(bridge: Bridge) -> None:
    connected = bridge.tree.bridge
    simulator = Simulator(bridge.ocpp.url, 4, ocpp=("1.6", "2.0.1"), speed=100.0)
    running = asyncio.create_task(simulator.run())
    await until(lambda: simulator.counters.stopped >= 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await until(lambda: connected.value("StationsConnected") == 0)


async def clients_come_and_go(bridge: Bridge) -> None:
    async with Client(bridge.opcua.endpoint) as client:
        stations = client.get_node(ua.NodeId("Stations", 2))
        subscription = await client.create_subscription(100, Hearing())
        nodes = [client.get_node(ua.NodeId(f"Bridge.{name}", 2)) for name in ("StationsKnown", "RecentDelay")]
        for interval in (0, 100, 500):
            await subscription.subscribe_data_change(nodes, sampling_interval=interval)
        await subscription.subscribe_events()
        for station in await stations.get_children():
            await station.get_children()
        with pytest.raises(ua.UaError):
            await client.get_node(ua.NodeId("Nowhere", 2)).read_value()
        with pytest.raises(ua.UaError):
            await nodes[0].write_value(ua.Variant(1, ua.VariantType.UInt32))
    await until(lambda: not bridge.opcua._server.bserver.clients)


class Hearing:
    """A client's handler."""

    def datachange_notification(self, node, value, data) -> None:
        pass

    def event_notification(self, event) -> None:
        pass


@pytest.mark.parametrize("come_and_go", [stations_come_and_go, clients_come_and_go])
async def test_who_has_gone_leaves_no_rings(bridge, come_and_go):
    await come_and_go(bridge)  # what is made once stays
    Counter(rings())  # nor does what the tests before have left count
    for _ in range(ROUNDS):
        await come_and_go(bridge)
    found = Counter(rings())
    assert not found, dict(found)
