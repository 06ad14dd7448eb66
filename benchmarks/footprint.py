"""A process that makes stations and prints what they cost: `python -m benchmarks.footprint KIND STATIONS`.

new       in the bridge's tree, before anything was reported
full      in the bridge's tree, with a value for every point
asyncua   as objects and variables of asyncua's Server, with a value for every variable
"""

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.server.server import Server

from benchmarks.processes import own_rss
from bridge.points.rows import Row, Type, Value
from bridge.points.table import load_table
from bridge.points.tree import Group, Station, Tree, Update
from bridge.project import Project, shipped
from bridge.station.model import Model, bridge_layout, build_models, layouts

POINTS = 200
NOW = 1_795_000_000.0

VARIANTS = {
    Type.BOOLEAN: ua.VariantType.Boolean,
    Type.INT32: ua.VariantType.Int32,
    Type.UINT32: ua.VariantType.UInt32,
    Type.DOUBLE: ua.VariantType.Double,
    Type.STRING: ua.VariantType.String,
    Type.DATETIME: ua.VariantType.DateTime,
}


class Stations:
    """Makes stations of POINTS points from the shipped rows."""

    def __init__(self) -> None:
        table = load_table(Project(shipped()).datapoints())
        models = build_models(table)
        self.model: Model = models["1.6"]
        self.layouts = layouts(table, models)
        self.tree = Tree(bridge_layout(table))
        keys = (f"MeterValues.{name}.L{phase}" for name in self.model.measurands.known for phase in (1, 2, 3))
        found = (self.model.measurands.row_of(key) for key in keys)
        self._phases = [row for row in found if row is not None]

    def make(self, number: int) -> Station:
        name = f"CP{number:05}"
        station = self.tree.add_station(name, name, self.model.station.layout)
        for connector in ("Connector1", "Connector2"):
            self.tree.add_connector(station, connector, self.model.connector.layout)
        return station

    def extend(self, station: Station) -> None:
        """Adds single phases, as meters do, until the station has all its points."""
        lacking = POINTS - sum(len(rows_of(group)) for group in station.groups())
        first, second = station.connectors.values()
        for number in range(lacking):
            (first if number % 2 else second).extend(self._phases[number // 2])

    def fill(self, station: Station, number: int) -> None:
        for group in station.groups():
            slots = ((group.slot(row.key), value_of(row, number)) for row in rows_of(group))
            self.tree.apply(group, [Update(slot, value, NOW) for slot, value in slots if slot is not None], NOW)


def rows_of(group: Group) -> list[Row]:
    """A group's points, less those of commands."""
    return [*group.layout.rows[: group.layout.dense], *group.extra_rows()]


def value_of(row: Row, number: int) -> Value:
    """A value such as a station would report, another one for each station and point."""
    if row.type is Type.STRING:
        return f"{row.name[:8]}-{number}"
    if row.type in (Type.DOUBLE, Type.DATETIME):
        return NOW + number / 8 + len(row.key)
    return True if row.type is Type.BOOLEAN else number % 8


async def ours(count: int, *, full: bool) -> dict[str, Any]:
    stations = Stations()

    async def make(number: int) -> None:
        station = stations.make(number)
        if full:
            stations.extend(station)
            stations.fill(station, number)

    used = await _cost(make, count)
    station = next(iter(stations.tree.stations.values()))
    points = sum(len(rows_of(group)) for group in station.groups())
    return {"bytes": used * POINTS / points, "points": POINTS}


async def asyncua(count: int) -> dict[str, Any]:
    server = Server()
    await server.init()
    stations = Stations()
    pattern = stations.make(0)
    stations.extend(pattern)

    async def make(number: int) -> None:
        nodes: dict[str, Any] = {}
        for group in pattern.groups():
            path = f"CP{number:05}" + group.path.removeprefix(pattern.path)
            nodes[path] = await _object(server, nodes, path)
            for row in rows_of(group):
                parent = await _object(server, nodes, f"{path}.{row.folder}")
                value = value_of(row, number)
                shown = datetime.fromtimestamp(float(value or 0), UTC) if row.type is Type.DATETIME else value
                variant = ua.Variant(shown, VARIANTS[row.type])
                node = _node_id(f"{path}.{row.key}")
                await parent.add_variable(node, ua.QualifiedName(row.name, 2), variant)

    used = await _cost(make, count)
    return {"bytes": used, "points": sum(len(rows_of(group)) for group in pattern.groups())}


def _node_id(path: str) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns=2;s={path}")


async def _object(server: Server, nodes: dict[str, Any], path: str) -> Any:
    """The node of a folder, made the first time with those above it."""
    if path not in nodes:
        above, _, name = path.rpartition(".")
        parent = await _object(server, nodes, above) if above else server.nodes.objects
        nodes[path] = await parent.add_object(_node_id(path), ua.QualifiedName(name, 2))
    return nodes[path]


async def _cost(make: Callable[[int], Awaitable[None]], count: int) -> float:
    """Bytes of resident memory that one station adds; the first, which pays for what all share, is left out."""
    await make(0)
    before = _rss()
    for number in range(1, count + 1):
        await make(number)
    return (_rss() - before) / count


def _rss() -> int:
    gc.collect()
    return own_rss()


def _kinds(count: int) -> Iterable[tuple[str, Callable[[], Awaitable[dict[str, Any]]]]]:
    yield "new", lambda: ours(count, full=False)
    yield "full", lambda: ours(count, full=True)
    yield "asyncua", lambda: asyncua(count)


async def main(kind: str, count: int) -> None:
    print(json.dumps(await dict(_kinds(count))[kind]()), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
