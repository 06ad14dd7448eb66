"""Periodic event streams of 2.1: a monitor's values, a bundle in each SEND (OCPP 2.1 N11 to N13)."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from bridge.simulator.timing import happens, timestamp
from bridge.simulator.v2.monitors import Monitor
from bridge.simulator.v2.transaction import Payload


@dataclass(slots=True)
class Stream:
    """ConstantStreamDataType. `interval`: seconds between two bundles; `values`: at most so many in one."""

    id: int
    monitor: Monitor
    interval: float
    values: int
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def adjust(self, params: Payload) -> None:
        """PeriodicEventStreamParamsType; what it leaves out stays."""
        self.interval = float(params.get("interval", self.interval))
        self.values = int(params.get("values", self.values))
        self.changed.set()

    def describe(self) -> Payload:
        params = {"interval": round(self.interval), "values": self.values}
        return {"id": self.id, "params": params, "variableMonitoringId": self.monitor.id}


class Streams:
    """The streams of a station."""

    def __init__(self, station: Any) -> None:
        self._station = station
        self._held: dict[int, Stream] = {}

    def get(self, number: int) -> Stream | None:
        return self._held.get(number)

    def describe(self) -> list[Payload]:
        return [stream.describe() for stream in self._held.values()]

    async def run(self, monitor: Monitor, params: Payload) -> None:
        """Opens a stream for a monitor and feeds it until the monitor goes."""
        stream = Stream(len(self._held) + 1, monitor, 60.0, 10)
        stream.adjust(params)
        answer = await self._station.send("OpenPeriodicEventStream", {"constantStreamData": stream.describe()})
        if not isinstance(answer, dict) or answer.get("status") != "Accepted":
            return
        self._held[stream.id] = stream
        try:
            while not monitor.gone.is_set():
                await self._bundle(stream)
        finally:
            del self._held[stream.id]
        await self._station.send("ClosePeriodicEventStream", {"id": stream.id})

    async def _bundle(self, stream: Stream) -> None:
        """Collects values in the monitor's own period until there are enough, or it is time; then sends them."""
        begun, base = time.monotonic(), timestamp()
        data: list[Payload] = []
        while len(data) < max(stream.values, 1) and time.monotonic() - begun < stream.interval:
            if await happens(stream.monitor.gone, stream.monitor.value):
                return
            value = self._station.device.value(stream.monitor.key)
            data.append({"t": round(time.monotonic() - begun, 3), "v": value})
        line = self._station.line
        if line is not None and data and self._station.accepted.is_set():
            bundle = {"id": stream.id, "pending": 0, "basetime": base, "data": data}
            await line.notify("NotifyPeriodicEventStream", bundle)
