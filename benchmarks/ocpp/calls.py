"""`calls`: 1,000 stations that charge: CPU for each CALL, CALLs a second, and how long an answer takes.

Ours is the whole program: 1,000 stations of 200 points, a store, and an OPC UA client that monitors 1,000 of the points
that the stations change. The peers answer and keep nothing. One works at a time; each round measures all of them.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack

from benchmarks.ocpp import scripts
from benchmarks.ocpp.client import monitoring
from benchmarks.ocpp.generator import Done
from benchmarks.ocpp.servers import OCPP, RPC, Site, server, share_cores, with_stations
from benchmarks.opcua.report import Row, spread
from benchmarks.processes import Child

TITLE = "1,000 stations that charge"
STATIONS = 1000
WATCHED = 1000  # points that the OPC UA client monitors, of as many stations
INTERVAL = 500.0  # ms, its publishing interval
SATURATED, PACED = 2.5, 3.0  # s of one side in a round
WARM = 1.0  # s
RATE = 1000  # CALLs a second
FLOOD = 10_000  # Heartbeats a second of one station


class Calls:
    """All rows, round after round."""

    def __init__(self) -> None:
        at_once = {OCPP: 15.0, RPC: 1 / 0.9}
        self.saturated = _rows("as many as it can", at_once)
        self.paced = _rows(f"{RATE:,} CALLs/s", {OCPP: 6.0})
        self.beside = [
            Row(f"p99 of the others, {RATE:,} CALLs/s, while one station floods", "ms"),
            Row("- frames of the flood that were taken", "/s"),
        ]

    def run(self, names: Sequence[str], rounds: int) -> Sequence[Row]:
        with ExitStack() as stack:
            sites = [self._site(stack, name) for name in names]
            others = [site.stations.child for site in sites]
            others += [stack.enter_context(client(site)) for site in sites if site.server.endpoint]
            share_cores(stack, [site.server.child for site in sites], others)
            for site in sites:
                site.stations.do("closed", "mix", WARM)
            saturated = [[_measure(site, "closed", "mix", SATURATED) for site in sites] for _ in range(rounds)]
            paced = [[_measure(site, "paced", "mix", PACED, RATE) for site in sites] for _ in range(rounds)]
            flooded = [site.stations.do("flood", "mix", PACED, RATE, FLOOD, faultless=False) for site in sites]
        self._fill(self.saturated, names, saturated)
        self._fill(self.paced, names, paced)
        for name, done in zip(names, flooded, strict=True):
            self.beside[0].add(name, done.p99 * 1e3)
            self.beside[1].add(name, done.flooded / PACED)
        return [*self.saturated, *self.paced, *self.beside]

    def _site(self, stack: ExitStack, name: str) -> Site:
        site = stack.enter_context(with_stations(stack.enter_context(server(name)), STATIONS))
        site.stations.do("open", "full", 0)
        return site

    def _fill(self, rows: Sequence[Row], names: Sequence[str], rounds: Sequence[Sequence[tuple[float, Done]]]) -> None:
        for found in rounds:
            for name, (cpu, done) in zip(names, found, strict=True):
                values = cpu / done.calls * 1e6, done.calls / done.seconds, done.p50 * 1e3, done.p99 * 1e3
                for row, value in zip(rows, values, strict=True):
                    row.add(name, value)
        shares: Mapping[str, Sequence[float]] = {
            name: [found[place][1].share for found in rounds] for place, name in enumerate(names)
        }
        rows[0].note = "; ".join(
            f"{name} {spread(rows[0].rounds[name])} µs, stations {max(shares[name]):.0%} of a core" for name in names
        )


def _rows(load: str, goals: Mapping[str, float]) -> list[Row]:
    return [
        Row(f"CPU per CALL, {load}", "µs", goals=goals),
        Row("- answered", "/s", more_is_better=True),
        Row("- p50", "ms"),
        Row("- p99", "ms"),
    ]


def client(site: Site) -> AbstractContextManager[Child]:
    """An OPC UA client that monitors 1,000 points of the stations."""
    watched = range(min(WATCHED, site.stations.stations))
    paths = [f"{scripts.identity(number)}.Connector1.MeterValues.{scripts.ENERGY}" for number in watched]
    return monitoring(site.server.endpoint, [*paths, "Bridge.MessagesPerSecond"], INTERVAL)


def _measure(site: Site, *order: object) -> tuple[float, Done]:
    """The server's CPU in s, and what the stations did."""
    before = site.server.cpu()
    done = site.stations.do(*order)
    return site.server.cpu() - before, done


def run(names: Sequence[str], rounds: int) -> Sequence[Row]:
    return Calls().run(names, rounds)
