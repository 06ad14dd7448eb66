"""`way`: from a station's frame to a client that is notified: 100 stations of 12 points, one client on all of them.

Every message is a MeterValues whose 12 values are others each time, and every change is delivered: a monitored item
keeps as many as come between two publishings. The peer is `ocpp`, websockets and asyncua put together plainly.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic, sleep

from benchmarks.ocpp import scripts
from benchmarks.ocpp.client import monitoring
from benchmarks.ocpp.servers import OCPP, OURS, Site, plain, server, share_cores, with_stations
from benchmarks.opcua.report import Row, spread
from benchmarks.processes import Child

TITLE = "From the frame to the notified client: 100 stations, 12 points each"
STATIONS = 100
INTERVAL = 100.0  # ms, of publishing
QUEUE = 200  # values that may wait in an item
SECONDS, WARM = 3.0, 1.0
RATE = 400  # messages a second
LAST = 5.0  # s that the last notifications may take
GOAL = 20.0
FAST = f"{OCPP}-fast"  # the peer with another way to write a variable


@dataclass(frozen=True, slots=True)
class Way:
    site: Site
    client: Child


class Ways:
    def __init__(self) -> None:
        self.saturated = Row("CPU per message, as many as it can", "µs", goals={OCPP: GOAL})
        self.rate = Row("- messages", "/s", more_is_better=True)
        self.fast = Row("CPU per message, the peer in asyncua's fast way", "µs")
        self.paced = Row(f"CPU per message, {RATE} a second", "µs")

    def run(self, names: Sequence[str], rounds: int) -> Sequence[Row]:
        wanted = [each for each in (OURS, OCPP, FAST) if each.removesuffix("-fast") in names]
        with ExitStack() as stack:
            ways = {name: self._way(stack, name) for name in wanted}
            children = [way.site.server.child for way in ways.values()]
            others = [child for way in ways.values() for child in (way.client, way.site.stations.child)]
            share_cores(stack, children, others)
            for way in ways.values():
                _measure(way, "closed", "way", WARM)
            shares: dict[str, float] = {}
            for _ in range(rounds):
                for name, way in ways.items():
                    cpu, rate, shares[name] = _measure(way, "closed", "way", SECONDS)
                    if name != FAST:
                        self.saturated.add(name, cpu)
                        self.rate.add(name, rate)
                        self.paced.add(name, _measure(way, "paced", "way", SECONDS, RATE)[0])
                    if name != OCPP:
                        self.fast.add(OCPP if name == FAST else OURS, cpu)
        self.saturated.note = "; ".join(
            f"{name} {spread(self.saturated.rounds[name])} µs, stations and client {shares[name]:.0%} of a core"
            for name in wanted
            if name != FAST
        )
        return [self.saturated, self.fast, self.rate, self.paced]

    def _way(self, stack: ExitStack, name: str) -> Way:
        found = stack.enter_context(server(OURS) if name == OURS else plain(*(["--fast"] if name == FAST else [])))
        site = stack.enter_context(with_stations(found, STATIONS))
        site.stations.do("open", "full" if name == OURS else "boot", 0)
        paths = [path for station in range(STATIONS) for path in scripts.watched(station)]
        return Way(site, stack.enter_context(monitoring(found.endpoint, paths, INTERVAL, QUEUE)))


def _measure(way: Way, *order: object) -> tuple[float, float, float]:
    """CPU in µs per message, messages a second, and the others' share of a core; all was delivered, or it fails."""
    before, seen, began = way.site.server.cpu(), way.client.ask(do="count"), monotonic()
    done = way.site.stations.do(*order)
    expected = seen["count"] + done.calls * scripts.POINTS
    while (now := way.client.ask(do="count"))["count"] < expected:
        if monotonic() > began + done.seconds + LAST:
            raise RuntimeError(f"{way.site.server.name}: {now['count']} notifications of {expected}")
        sleep(INTERVAL / 1e3)
    cpu, seconds = way.site.server.cpu() - before, monotonic() - began
    return cpu / done.calls * 1e6, done.calls / done.seconds, (done.cpu + now["cpu"] - seen["cpu"]) / seconds


def run(names: Sequence[str], rounds: int) -> Sequence[Row]:
    return Ways().run(names, rounds)
