"""An OPC UA client that subscribes to every point, is cut off and comes back."""

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from asyncua import Client, ua

from tests.chaos.shown import Point, point

PATIENCE = 12.0  # s for an answer; longer each time that it was too short though the network was calm
LOST = (OSError, TimeoutError, asyncio.CancelledError, ua.UaError, ValueError)


class Hmi:
    """`seen` is what its subscription has told of each point, `broken` what it must never have told, `given` how many
    commands it has given to each station, `ends` how its last connections ended."""

    def __init__(self, name: str, url: Callable[[], str], paths: Callable[[], list[str]], rng: random.Random) -> None:
        self.name = name
        self.seen: dict[str, Point] = {}
        self.broken: list[str] = []
        self.given: Counter[str] = Counter()
        self.calm = False
        self.connections = 0
        self.ends: deque[str] = deque(maxlen=8)
        self._patience = PATIENCE
        self._doing = ""
        self._url = url
        self._paths = paths
        self._rng = rng
        self._received: dict[str, Any] = {}
        self._path_of: dict[Any, str] = {}
        self._changed = asyncio.Event()

    async def live(self) -> None:
        """Connects again and again, until it is cancelled."""
        task = asyncio.current_task()
        assert task is not None
        while not task.cancelling():
            started, was_calm = time.monotonic(), self.calm
            try:
                await self._connection()
            except LOST as error:
                self.ends.append(f"{time.monotonic() - started:.1f} s, {self._doing}: {error!r}")
                if was_calm and isinstance(error, TimeoutError):
                    self._patience *= 2
            else:
                self.ends.append(f"{time.monotonic() - started:.1f} s: it had enough")
            self.seen, self._received = {}, {}
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))

    async def until(self, points: dict[str, Point]) -> None:
        """Waits until what it was told is what the points are."""
        while not self.seen or self.differences(points):
            self._changed.clear()
            await self._changed.wait()

    def differences(self, points: dict[str, Point]) -> list[str]:
        """A new time alone is not told (OPC 10000-4 §7.22.2)."""
        both = [(path, seen, points[path]) for path, seen in self.seen.items()]
        return [f"{path}: {seen}, not {found}" for path, seen, found in both if seen[:2] != found[:2]]

    async def _connection(self) -> None:
        client = Client(self._url(), timeout=self._patience)
        try:
            self._doing = "connecting"
            await client.connect()
            self.connections += 1
            await self._use(client)
        finally:
            with contextlib.suppress(*LOST):
                await client.disconnect()

    async def _use(self, client: Client) -> None:
        paths = self._paths()
        self._doing = f"subscribing to {len(paths)} points"
        subscription = await client.create_subscription(self._rng.choice((20, 50, 200)), self)
        nodes = [client.get_node(f"ns=2;s={path}") for path in paths]
        self._path_of = {node.nodeid: path for node, path in zip(nodes, paths, strict=True)}
        await subscription.subscribe_data_change(nodes, queuesize=self._rng.choice((1, 10)))
        self._doing = "subscribed"
        while self.calm or self._rng.random() > 0.05:
            await client.read_attributes(self._rng.sample(nodes, min(5, len(nodes))), ua.AttributeIds.Value)
            if not self.calm and self._rng.random() < 0.3:
                await self._command(client, self._rng.choice(paths).partition(".")[0])
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))

    async def _command(self, client: Client, station: str) -> None:
        execute = client.get_node(f"ns=2;s={station}.Commands.ClearCache.Execute")
        self.given[station] += 1
        with contextlib.suppress(ua.UaStatusCodeError):  # the station is not there
            await execute.write_value(ua.DataValue(ua.Variant(True, ua.VariantType.Boolean)))

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """What asyncua calls for each notification."""
        path, found = self._path_of[node.nodeid], data.monitored_item.Value
        before = self._received.get(path)
        if before is not None and None not in (before, found.ServerTimestamp) and found.ServerTimestamp < before:
            self.broken.append(f"{self.name} was told {path} of {found.ServerTimestamp} after that of {before}")
        self._received[path] = found.ServerTimestamp
        self.seen[path] = point(found)
        self._changed.set()

    def status_change_notification(self, status: Any) -> None:
        """The subscription has ended: the next read fails."""
