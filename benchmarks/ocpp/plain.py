"""The peer of the whole way, `ocpp`, websockets and asyncua together: `python -m benchmarks.ocpp.plain OCPP OPCUA`.

A station's variables are made when it connects; a MeterValues writes each of its values to one, with `Node.write_value`
as asyncua's documentation shows it, or with `--fast` as `Server.write_attribute_value`, which it recommends for speed.
"""

import asyncio
import contextlib
import json
import logging
import sys
from typing import Any

import websockets
from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from ocpp.v16.enums import Action

from benchmarks.central_system import ChargePoint, on
from benchmarks.ocpp import scripts


class Shown(ChargePoint):
    """A station whose meter values are variables."""

    def __init__(self, name: str, connection: Any, opcua: Server, *, fast: bool) -> None:
        super().__init__(name, connection)
        self._opcua = opcua
        self._fast = fast
        self._points: dict[str, Node] = {}

    async def show(self) -> None:
        """Makes its variables."""
        folder = await self._opcua.nodes.objects.add_object(ua.NodeId(self.id, 2), ua.QualifiedName(self.id, 2))
        for measurand in list(scripts.PLAIN)[: scripts.POINTS]:
            node_id = ua.NodeId(f"{self.id}.Connector1.MeterValues.{measurand}", 2)
            self._points[measurand] = await folder.add_variable(node_id, ua.QualifiedName(measurand, 2), 0.0)

    @on(Action.meter_values)
    async def on_meter_values(  # type: ignore[override]
        self, meter_value: Any, **_: Any
    ) -> Any:
        for value in meter_value:
            for sample in value["sampled_value"]:
                point = self._points.get(sample["measurand"])
                if point is not None:
                    await self._write(point, float(sample["value"]))
        return super().on_meter_values()

    async def _write(self, point: Node, value: float) -> None:
        if self._fast:
            variant = ua.Variant(value, ua.VariantType.Double)
            await self._opcua.write_attribute_value(point.nodeid, ua.DataValue(variant))
        else:
            await point.write_value(value)


async def main(ocpp: int, opcua: int, *, fast: bool) -> None:
    server = Server()
    await server.init()
    endpoint = f"opc.tcp://127.0.0.1:{opcua}/"
    server.set_endpoint(endpoint)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("urn:ocpp-bridge:points")
    await server.start()

    async def connected(connection: websockets.ServerConnection) -> None:
        assert connection.request is not None
        station = Shown(connection.request.path.strip("/"), connection, server, fast=fast)
        await station.show()
        with contextlib.suppress(websockets.ConnectionClosed):
            await station.start()

    stations = await websockets.serve(connected, "127.0.0.1", ocpp, subprotocols=[websockets.Subprotocol("ocpp1.6")])
    print(json.dumps({"endpoint": endpoint}), flush=True)
    await stations.wait_closed()


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # it remarks on every session
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), fast="--fast" in sys.argv))
