"""`answers`: what a server does for a single request: Read, Browse, Write, Call."""

import time
from collections.abc import Sequence
from statistics import median, quantiles

from benchmarks.opcua import services, site
from benchmarks.opcua.report import Row
from benchmarks.opcua.servers import NODE, Server
from benchmarks.opcua.wire import Channel, Reader, node

TITLE = "Requests, one after the other"
MANY = 1000  # points in one Read
SINGLE_READS, LARGE_READS = 500, 30
REFERENCES = 100_000
COMMANDS = 500


class Answers:
    """All rows, round after round. An answer is looked into when the clock has stopped."""

    def __init__(self, stations: int) -> None:
        pattern = site.pattern()
        self._paths = site.items(pattern, MANY)
        folders = [
            [node(f"{site.station(number)}.{folder}".removesuffix(".")) for folder in pattern.folders]
            for number in range(stations)
        ]
        self._browses = [services.browse_request(nodes) for nodes in folders]
        ahead = {NODE: 1.0}
        self.one = Row("CPU of a Read of one point", "µs", goals=ahead)
        self.many = Row(f"CPU of a Read of {MANY:,} points, each", "µs", goals=ahead)
        self.browse = Row(f"CPU of Browse, each of {REFERENCES:,} references", "µs", goals=ahead)
        self.write = (Row("write -> taken by the program, p50", "µs"), Row("write -> taken by the program, p99", "µs"))
        self.call = (Row("method call -> answer, p50", "µs"), Row("method call -> answer, p99", "µs"))
        self._shares: dict[str, list[float]] = {}

    def warm(self, server: Server) -> None:
        """A short round that does not count: what is compiled or cached at first use is so then."""
        self._measure(server, REFERENCES // 4)
        for row in (self.one, self.many, self.browse, *self.write, *self.call):
            row.rounds.pop(server.name)

    def round(self, server: Server) -> None:
        self._measure(server, REFERENCES)

    def _measure(self, server: Server, references: int) -> None:
        channel = Channel(server.endpoint)
        services.log_in(channel, server.endpoint)
        self._read(server, channel)
        self._browse(server, channel, references)
        self._commands(server, channel)
        services.log_out(channel)

    def finished(self) -> Sequence[Row]:
        shares = "; ".join(f"{name} {median(shares):.0%}" for name, shares in self._shares.items())
        self.many.note = f"the client's own share of a core meanwhile: {shares}"
        self.browse.note = "20 folders in a request, hierarchical references with all that is known of their targets"
        self.write[0].note = "a String; taken: in ours the writer has it, in the peers the node's value or handler"
        return [self.one, self.many, self.browse, *self.write, *self.call]

    def _read(self, server: Server, channel: Channel) -> None:
        for row, paths, times in ((self.one, self._paths[:1], SINGLE_READS), (self.many, self._paths, LARGE_READS)):
            request = services.read_request(paths)
            channel.ask(services.READ, request)
            own, began = time.process_time(), time.monotonic()
            cpu, answers = _cost(server, channel, services.READ, [request] * times)
            share = (time.process_time() - own) / (time.monotonic() - began)
            found = services.read_values(answers[-1])
            assert len(found) == len(paths), f"{server.name}: {len(found)} values"
            assert all(status == 0 and value is not None for status, value in found), f"{server.name}: {found[:3]}"
            row.add(server.name, cpu / times / len(paths) * 1e6)
        self._shares.setdefault(server.name, []).append(share)

    def _browse(self, server: Server, channel: Channel, wanted: int) -> None:
        """Passes over the folders of all stations, until there were so many references."""
        cpu, references = 0.0, 0
        while references < wanted:
            used, answers = _cost(server, channel, services.BROWSE, self._browses)
            results = [result for answer in answers for result in services.browsed(answer)]
            assert not any(result.rest for result in results), f"{server.name}: a folder in parts"
            cpu += used
            references += sum(len(result.targets) for result in results)
        self.browse.add(server.name, cpu / references * 1e6)

    def _commands(self, server: Server, channel: Channel) -> None:
        before = server.child.ask(do="taken")
        first = site.station(0)
        texts = [f'{{"type":"Soft","number":{number}}}' for number in range(COMMANDS)]  # an equal one is no change
        writes = [services.write_request(f"{first}.{site.REQUEST}", text) for text in texts]
        call = services.call_request(f"{first}.{site.COMMAND}", f"{first}.{site.METHOD}", "Soft")
        written, times = _timed(channel, services.WRITE, writes)
        assert all(services.written(answer) == [0] for answer in written), server.name
        _add(self.write, server.name, times)
        called, times = _timed(channel, services.CALL, [call] * COMMANDS)
        assert all(services.called(answer) == [(0, list(site.ANSWER))] for answer in called), server.name
        _add(self.call, server.name, times)
        after = server.child.ask(do="taken")
        assert after["calls"] - before["calls"] == COMMANDS, after
        assert after["writes"] > before["writes"], after  # asyncua's may come together


def _cost(server: Server, channel: Channel, service: int, requests: Sequence[bytes]) -> tuple[float, list[Reader]]:
    """The server's CPU time in s for the requests, and their answers."""
    began = server.cpu()
    answers = [channel.ask(service, request) for request in requests]
    return server.cpu() - began, answers


def _timed(channel: Channel, service: int, requests: Sequence[bytes]) -> tuple[list[Reader], list[float]]:
    """The answers, and the seconds that each took."""
    answers: list[Reader] = []
    times: list[float] = []
    for request in requests:
        began = time.perf_counter()
        answers.append(channel.ask(service, request))
        times.append(time.perf_counter() - began)
    return answers, times


def _add(rows: tuple[Row, Row], name: str, times: Sequence[float]) -> None:
    p50, p99 = rows
    p50.add(name, median(times) * 1e6)
    p99.add(name, quantiles(times, n=100)[98] * 1e6)
