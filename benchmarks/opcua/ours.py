"""Our server over a real tree, in a process of its own: `python -m benchmarks.opcua.ours`."""

import gc
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.footprint import Stations, rows_of
from benchmarks.opcua import site
from benchmarks.opcua.hosting import Slice, serve
from bridge import logs
from bridge.cli.running import run_async
from bridge.opcua.server import OpcUaServer
from bridge.opcua.settings import OpcUaSettings
from bridge.points.roles import Roles
from bridge.points.rows import Method, Value
from bridge.points.tree import Group, Station, Update


class Site:
    """The server as the bridge puts it together, and a writer that only counts."""

    def __init__(self, pki: Path) -> None:
        self._stations = Stations()
        self.writes = self.calls = 0
        settings = OpcUaSettings(
            endpoint="opc.tcp://127.0.0.1:0/ocpp-bridge",
            security=("None",),
            anonymous="admin",
            pki_dir=pki,
            roles=Roles({}, {}),
        )
        self._server = OpcUaServer(
            self._stations.tree,
            self,
            settings,
            software_version="0",
            layouts=self._stations.layouts,
            dynamic=self._stations.model.measurands.row_of,
        )

    @property
    def endpoint(self) -> str:
        return self._server.endpoint

    async def start(self) -> None:
        await self._server.start()
        gc.collect()
        gc.freeze()  # as the bridge does

    async def stop(self) -> None:
        await self._server.stop()

    async def make(self, number: int, *, values: bool) -> None:
        station = self._stations.make(number)
        if values:
            self._stations.extend(station)
            self._fill(station, number, time.time())

    def _fill(self, station: Station, number: int, now: float) -> None:
        tree = self._stations.tree
        tree.set_online(station, now)
        for group in station.groups():
            found = ((group.slot(row.key), row) for row in rows_of(group))
            updates = [
                Update(slot, site.value(row.name, row.type.name, number, now), now)
                for slot, row in found
                if slot is not None
            ]
            tree.apply(group, updates, now)

    def slices(self, items: int) -> Sequence[Slice]:
        points = [self._find(path) for path in site.items(site.pattern(), items)]
        size = -(-len(points) // site.SLICES)
        return [partial(self._change, self._by_group(points[at : at + size])) for at in range(0, len(points), size)]

    async def _change(self, groups: Sequence[tuple[Group, Sequence[int]]], value: float) -> None:
        now = time.time()
        apply = self._stations.tree.apply
        for group, slots in groups:
            apply(group, [Update(slot, value, now) for slot in slots], now)

    def _find(self, path: str) -> tuple[Group, int]:
        found = self._stations.tree.find(path)
        assert found is not None, path
        slot = found[0].slot(found[1])
        assert slot is not None, path
        return found[0], slot

    def _by_group(self, points: Sequence[tuple[Group, int]]) -> list[tuple[Group, list[int]]]:
        groups: dict[Group, list[int]] = {}
        for group, slot in points:
            groups.setdefault(group, []).append(slot)
        return list(groups.items())

    def write(self, group: Group, slot: int, value: Value, user: str) -> None:
        self.writes += 1

    def shown(self, group: Group, slot: int, value: Value) -> str:
        return str(value)

    def shown_arguments(self, group: Group, method: Method, arguments: Sequence[Value]) -> str:
        return str(arguments)

    async def call(self, group: Group, method: Method, arguments: Sequence[Value], user: str) -> Sequence[Value]:
        self.calls += 1
        return site.ANSWER


async def main() -> None:
    logs.configure("warning")
    with tempfile.TemporaryDirectory(prefix="ocpp-bridge-bench-") as scratch:
        await serve(Site(Path(scratch)))


if __name__ == "__main__":
    run_async(main())
