"""`fleet`: 10,000 stations (`--stations`) that are connected and silent: what each costs.

Each has booted and reported every measurand of OCPP 1.6, so that ours keeps 200 points of it, all with a value, and one
OPC UA client monitors 1,000 points. Silent is what OCPP calls it: pings go on, as each server has them by default.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.ocpp.calls import client
from benchmarks.ocpp.servers import OCPP, OURS, server, share_cores, with_stations
from benchmarks.opcua.report import Row

TITLE = "Stations that are connected and silent"
SETTLED = 7.0  # s, until the last values are on disk
IDLE = 10.0  # s


class Fleet:
    def __init__(self, stations: int) -> None:
        self._stations = stations
        self.opened = Row("CPU until a station has booted and told its values", "µs")
        self.memory = Row("memory for each station", "KB", limit=25)
        self.idle = Row("CPU, all silent", "% of a core")

    def run(self, names: Sequence[str]) -> Sequence[Row]:
        for name in names:
            self._measure(name)
        self.memory.note = "resident memory of the process, growth from none to all; points, connection and session"
        return [self.memory, self.idle, self.opened]

    def _measure(self, name: str) -> None:
        with ExitStack() as stack:
            found = stack.enter_context(server(name))
            site = stack.enter_context(with_stations(found, self._stations))
            share_cores(stack, [found.child], [site.stations.child])
            before, cpu = found.child.rss(), found.cpu()
            # what the peers are told they forget, and a `full` boot takes the slow one half a minute
            site.stations.do("open", "full" if name == OURS else "boot", 0)
            self.opened.add(name, (found.cpu() - cpu) / self._stations * 1e6)
            if found.endpoint:
                stack.enter_context(client(site))
                site.stations.do("wait", SETTLED)
            self.memory.add(name, (found.child.rss() - before) / self._stations / 1e3)
            cpu, began = found.cpu(), time.monotonic()
            site.stations.do("wait", IDLE)
            self.idle.add(name, (found.cpu() - cpu) / (time.monotonic() - began) * 100)
        if name == OCPP:
            self.opened.note = "the peers' stations only boot and report three statuses"


def run(names: Sequence[str], stations: int) -> Sequence[Row]:
    return Fleet(stations).run(names)
