"""`storm`: the bridge is restarted, and 10,000 stations (`--stations`) that were connected come back, boot, and report.

They come evenly over half a minute (`--spread`), each anew after half a second where it was not let in; who is back
sends a Heartbeat every five seconds. An OPC UA client has been there from the start and monitors 1,000 points.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.ocpp import stalls
from benchmarks.ocpp.calls import client
from benchmarks.ocpp.client import read
from benchmarks.ocpp.servers import OURS, Project, Server, Site, share_cores, shown, with_stations
from benchmarks.opcua.report import Row
from benchmarks.processes import PROGRAM

TITLE = "Stations come back after a restart"
SPREAD = 30  # s
BEAT = 5  # s
TOLD = 3  # s


class Storm:
    def __init__(self, stations: int, spread: float, watched: bool) -> None:
        self._stations = stations
        self._spread = spread
        self._program = stalls.PROGRAM if watched else PROGRAM
        self.stopped = Row("the bridge stopped, all stations told (1012)", "s")
        self.started = Row("it listened again", "s")
        self.done = Row("all had booted and reported", "s", limit=60)
        self.p99 = Row("p99 of a Heartbeat's answer meanwhile", "s", limit=2)
        self.slowest = Row("- the slowest", "s")
        self.silence = Row("longest time without news for the OPC UA client", "s", limit=5)
        self.pause = Row("longest pause of the event loop", "ms", limit=20)
        self.cpu = Row("CPU for each station", "µs")

    def run(self, names: Sequence[str]) -> Sequence[Row]:
        if OURS not in names:
            return []
        with ExitStack() as stack:
            project = stack.enter_context(Project.made())
            with project.running() as first:
                site = stack.enter_context(with_stations(shown(first), self._stations))
                share_cores(stack, [first.process], [site.stations.child])
                site.stations.do("open", "full", 0)
                site.stations.begin("wait", TOLD)  # they answer the close
                began = time.monotonic()
            self.stopped.add(OURS, time.monotonic() - began)
            site.stations.end()
            began = time.monotonic()
            again = stack.enter_context(project.running(self._program))
            self.started.add(OURS, time.monotonic() - began)
            self._come_back(stack, shown(again), site, began)
            if self._program is stalls.PROGRAM:
                print(stalls.report(again.log.read_text(encoding="utf-8").splitlines()))
        rows = [self.stopped, self.started, self.done, self.p99, self.slowest, self.silence, self.pause, self.cpu]
        return [row for row in rows if row.rounds]

    def _come_back(self, stack: ExitStack, server: Server, site: Site, began: float) -> None:
        listener = stack.enter_context(client(Site(server, site.stations)))
        share_cores(stack, [server.child], [listener])
        cpu = server.cpu()
        done = site.stations.do("storm", "full", self._spread, BEAT, faultless=False)
        if done.connected != self._stations or done.errors:
            raise RuntimeError(f"{done}")
        self.done.add(OURS, time.monotonic() - began)
        self.done.note = f"of that {self._spread:g} s until the last one comes; stations {done.share:.0%} of a core"
        self.p99.add(OURS, done.p99)
        self.slowest.add(OURS, done.max)
        self.silence.add(OURS, listener.ask(do="count")["silence"])
        self.cpu.add(OURS, (server.cpu() - cpu) / self._stations * 1e6)
        self.pause.add(OURS, read(server.endpoint, "Bridge.LongestPause") * 1e3)


def run(names: Sequence[str], stations: int, spread: float, watched: bool) -> Sequence[Row]:
    return Storm(stations, spread, watched).run(names)
