"""`crowd`: 4,000 stations that all send as much as they can, which is far more than there is time for.

Each sends its next CALL when it has the answer to the last one. An OPC UA client monitors 1,000 points meanwhile.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.ocpp import stalls
from benchmarks.ocpp.calls import client
from benchmarks.ocpp.client import read
from benchmarks.ocpp.servers import OURS, Project, share_cores, shown, with_stations
from benchmarks.opcua.report import Row
from benchmarks.processes import PROGRAM

TITLE = "4,000 stations that send as much as they can"
STATIONS = 4000
SECONDS = 11  # longer than Bridge.RecentPause looks back


class Crowd:
    def __init__(self, watched: bool) -> None:
        self._program = stalls.PROGRAM if watched else PROGRAM
        self.cpu = Row("CPU per CALL", "µs")
        self.p50 = Row("p50 of an answer", "ms")
        self.p99 = Row("- p99", "ms")
        self.silence = Row("longest time without news for the OPC UA client", "s", limit=5)
        self.pause = Row("longest pause of the event loop", "ms", limit=20)

    def run(self, names: Sequence[str]) -> Sequence[Row]:
        if OURS not in names:
            return []
        with ExitStack() as stack:
            project = stack.enter_context(Project.made())
            started = stack.enter_context(project.running(self._program))
            server = shown(started)
            site = stack.enter_context(with_stations(server, STATIONS))
            site.stations.do("open", "full", 0)
            listener = stack.enter_context(client(site))
            share_cores(stack, [server.child], [site.stations.child, listener])
            listener.ask(do="count")
            cpu = server.cpu()
            done = site.stations.do("closed", "mix", SECONDS)
            self.cpu.add(OURS, (server.cpu() - cpu) / done.calls * 1e6)
            self.p50.add(OURS, done.p50 * 1e3)
            self.p99.add(OURS, done.p99 * 1e3)
            self.silence.add(OURS, listener.ask(do="count")["silence"])
            self.pause.add(OURS, read(server.endpoint, "Bridge.RecentPause") * 1e3)
            if self._program is stalls.PROGRAM:
                print(stalls.report(started.log.read_text(encoding="utf-8").splitlines()))
        return [self.cpu, self.p50, self.p99, self.silence, self.pause]


def run(names: Sequence[str], watched: bool) -> Sequence[Row]:
    return Crowd(watched).run(names)
