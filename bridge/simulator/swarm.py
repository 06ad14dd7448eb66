"""Many simulated stations in one process."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

from bridge.simulator.connection import Opener, live
from bridge.simulator.settings import Counters, OnEvent, SimulatedStation, Version
from bridge.simulator.station import Station
from bridge.simulator.v2 import Link, Station21, Station201
from bridge.simulator.v16 import ChargePoint, Station16

SPARE_DESCRIPTORS = 100  # what a process needs besides its sockets
STATIONS: Mapping[Version, tuple[type[Station], Opener]] = {
    "1.6": (Station16, ChargePoint),
    "2.0.1": (Station201, Link),
    "2.1": (Station21, Link),
}


class Simulator:
    """Simulated stations against the central system at `url` (`ws://host:port/path`, the id is added).

    Their ids are `<prefix>0001`, `<prefix>0002` …; `ocpp` is the version of all, or several that they have in turn;
    `settings` are more fields of SimulatedStation, the same for all. They connect `connect_rate` a second. `tls`: whom
    they trust, and the certificate that they show, where the URL is wss.
    `on_event(station, event, detail)` is told what happens: connected, disconnected, boot, started, stopped, refused,
    command, reset, delayed, error.
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
        ocpp: Version | Sequence[Version] = "1.6",
        on_event: OnEvent | None = None,
        tls: ssl.SSLContext | None = None,
        **settings: Any,
    ) -> None:
        self.counters = Counters()
        each = (ocpp,) if isinstance(ocpp, str) else ocpp
        same: dict[str, Any] = {"connectors": connectors, "speed": speed, "seed": seed, **settings}
        self.stations = tuple(
            SimulatedStation(id=f"{prefix}{number:04d}", ocpp=version, **same)
            for number, version in zip(range(1, stations + 1), cycle(each))
        )
        self._url = url
        self._connect_rate = connect_rate
        self._on_event = on_event
        self._tls = tls

    async def run(self, duration: float | None = None) -> None:
        """Runs for so many seconds, or until it is cancelled."""
        raise_descriptor_limit(len(self.stations) + SPARE_DESCRIPTORS)
        try:
            async with asyncio.timeout(duration):
                await self._run_all(self.stations)
        except TimeoutError:
            return

    async def _run_all(self, stations: Iterable[SimulatedStation]) -> None:
        tls = (self._tls or ssl.create_default_context()) if self._url.startswith("wss:") else None  # slow to make
        async with asyncio.TaskGroup() as tasks:
            for settings in stations:
                kind, opener = STATIONS[settings.ocpp]
                station = kind(settings, self.counters, self._on_event)
                tasks.create_task(live(station, opener, self._url, tls))
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
