"""Many simulated stations in one process."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

from bridge.simulator.connection import live
from bridge.simulator.settings import Counters, OnEvent, SimulatedStation
from bridge.simulator.station import Station

SPARE_DESCRIPTORS = 100  # what a process needs besides its sockets


class Simulator:
    """Simulated stations against the central system at `url` (`ws://host:port/path`, the id is added).

    Their ids are `<prefix>0001`, `<prefix>0002` …; `settings` are more fields of SimulatedStation, the same
    for all. They connect `connect_rate` a second. `on_event(station, event, detail)` is told what happens:
    connected, disconnected, boot, started, stopped, refused, command, reset, delayed, error.
    """

    def __init__(
        self,
        url: str,
        stations: int,
        *,
        connectors: int = 2,
        prefix: str = "SIM",
        speed: float = 1.0,
        seed: int = 0,
        connect_rate: float = 100.0,
        on_event: OnEvent | None = None,
        **settings: Any,
    ) -> None:
        self.counters = Counters()
        self.stations = tuple(
            SimulatedStation(id=f"{prefix}{number:04d}", connectors=connectors, speed=speed, seed=seed, **settings)
            for number in range(1, stations + 1)
        )
        self._url = url
        self._connect_rate = connect_rate
        self._on_event = on_event

    async def run(self, duration: float | None = None) -> None:
        """Runs for so many seconds, or until it is cancelled."""
        raise_descriptor_limit(len(self.stations) + SPARE_DESCRIPTORS)
        try:
            async with asyncio.timeout(duration):
                await self._run_all(self.stations)
        except TimeoutError:
            return

    async def _run_all(self, stations: Iterable[SimulatedStation]) -> None:
        tls = ssl.create_default_context() if self._url.startswith("wss:") else None  # slow to make
        async with asyncio.TaskGroup() as tasks:
            for settings in stations:
                station = Station(settings, self.counters, self._on_event)
                tasks.create_task(live(station, self._url, tls))
                await asyncio.sleep(1.0 / self._connect_rate)


def raise_descriptor_limit(needed: int) -> None:
    """Lets the process open so many files and sockets, as far as it may."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
