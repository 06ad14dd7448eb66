"""asyncua's own server, as its documentation starts it: `python -m benchmarks.opcua.stock`."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from asyncua import ua
from asyncua.server.server import Server

from benchmarks.footprint import VARIANTS
from benchmarks.opcua import site
from benchmarks.opcua.hosting import Slice, serve
from benchmarks.processes import free_port
from bridge.points.rows import Type


class Site:
    """asyncua's server with a node for every point."""

    def __init__(self) -> None:
        self.endpoint = f"opc.tcp://127.0.0.1:{free_port()}/"
        self.writes = self.calls = 0
        self._pattern = site.pattern()
        self._server = Server()

    async def start(self) -> None:
        await self._server.init()
        self._server.set_endpoint(self.endpoint)
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self._server.register_namespace("urn:ocpp-bridge:points")
        self._stations = await self._server.nodes.objects.add_object(_id("Stations"), _name("Stations"))
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def make(self, number: int, *, values: bool) -> None:
        path = site.station(number)
        nodes = {"": await self._stations.add_object(_id(path), _name(path))}
        for folder in self._pattern.folders[1:]:
            above, _, name = folder.rpartition(".")
            nodes[folder] = await nodes[above].add_object(_id(f"{path}.{folder}"), _name(name))
        for key, folder, name, kind in self._pattern.points:
            variant = _value(name, kind, number) if values else ua.Variant()
            await nodes[folder].add_variable(_id(f"{path}.{key}"), _name(name), variant)
        if number == 0:
            await self._command(path, nodes[""])

    def slices(self, items: int) -> Sequence[Slice]:
        points = [_id(path) for path in site.items(self._pattern, items)]
        size = -(-len(points) // site.SLICES)
        return [partial(self._change, points[at : at + size]) for at in range(0, len(points), size)]

    async def _change(self, points: Sequence[ua.NodeId], value: float) -> None:
        """asyncua's fast way; `Node.write_value` takes as much again."""
        now = datetime.now(UTC)
        for point in points:
            variant = ua.Variant(value, ua.VariantType.Double)
            await self._server.write_attribute_value(point, ua.DataValue(variant, SourceTimestamp=now))

    async def _command(self, path: str, station: Any) -> None:
        commands = await station.add_object(_id(f"{path}.Commands"), _name("Commands"))
        owner = await commands.add_object(_id(f"{path}.{site.COMMAND}"), _name("Reset"))
        request = await owner.add_variable(_id(f"{path}.{site.REQUEST}"), _name("Request"), "")
        await request.set_writable()
        # what a program in front of this server would do to hear of a write
        await (await self._server.create_subscription(10, self)).subscribe_data_change(request)
        strings = [[ua.VariantType.String] * len(names) for names in (site.ARGUMENTS, site.OUTPUTS)]
        await owner.add_method(_id(f"{path}.{site.METHOD}"), _name("Call"), self._called, *strings)

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.writes += 1

    async def _called(self, parent: Any, *arguments: Any) -> list[ua.Variant]:
        self.calls += 1
        return [ua.Variant(answer, ua.VariantType.String) for answer in site.ANSWER]


def _id(path: str) -> ua.NodeId:
    return ua.NodeId(path, 2)


def _name(name: str) -> ua.QualifiedName:
    return ua.QualifiedName(name, 2)


def _value(name: str, kind: str, number: int) -> ua.Variant:
    value = site.value(name, kind, number, time.time())
    shown = datetime.fromtimestamp(float(value or 0), UTC) if kind == "DATETIME" else value
    return ua.Variant(shown, VARIANTS[Type[kind]])


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # it remarks on every session
    asyncio.run(serve(Site()))
