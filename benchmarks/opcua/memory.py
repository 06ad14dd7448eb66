"""`memory`: what points cost that nobody reads, and what it costs to create them.

Each figure is from a process of its own, in which the server runs already, as growth over its first station. Of
the peers a million points take minutes and gigabytes: theirs are reckoned from 100,000.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.footprint import POINTS, Stations, rows_of
from benchmarks.opcua.report import Row
from benchmarks.opcua.servers import ASYNCUA, OURS, Server, server

TITLE = "Points that nobody reads, in stations of 200"
SIZES = (10_000, 100_000, 1_000_000)
PEERS_UP_TO = 100_000


class Memory:
    """All rows, in one round."""

    def __init__(self) -> None:
        self.full = [
            Row(f"memory of each of {size:,} points, with a value", "B", limit=100, goals={ASYNCUA: 70})
            for size in SIZES
        ]
        self.empty = [Row(f"memory of each of {size:,} points, never reported", "B", limit=100) for size in SIZES]
        self.bare = Row("CPU to create a station of 200 points", "µs", goals={ASYNCUA: 500})
        self.filled = Row("CPU to create one and give each point a value", "µs")

    def run(self, names: Sequence[str]) -> Sequence[Row]:
        peers = [name for name in names if name != OURS]
        with ExitStack() as stack:
            running = [stack.enter_context(server(name)) for name in peers]
            before = [_first(peer) for peer in running]
            # the slow ones work while ours is measured
            for peer in running:
                _tell(peer, SIZES[0] // POINTS - 1)
            self._ours(values=True)
            self._ours(values=False)
            for at, size in enumerate(SIZES[:2]):
                for peer, start in zip(running, before, strict=True):
                    made = peer.child.answer()
                    self.full[at].add(peer.name, _each(peer, start, size))
                    if size == PEERS_UP_TO:
                        self._created(peer.name, made["cpu"] / (size - SIZES[0]) * POINTS)
                    else:
                        _tell(peer, (PEERS_UP_TO - size) // POINTS)
        for name in peers:
            self.full[2].add(name, self.full[1].rounds[name][0])
        self.full[0].note = "resident memory; of node-opcua what V8 has in use"
        self.full[2].reckoned = tuple(peers)
        self.full[2].note = "the peers' is that of 100,000 points: nodes of theirs cost what they cost, however many"
        self.bare.note = "the peers' nodes have a value from the first, in both rows"
        return [*self.full, *self.empty, self.bare, self.filled]

    def _ours(self, *, values: bool) -> None:
        rows = self.full if values else self.empty
        points = POINTS if values else _unreported()
        with server(OURS) as ours:
            start, made = _first(ours, values=values), 1
            for row, size in zip(rows, SIZES, strict=True):
                wanted = size // points
                cpu = ours.make(wanted - made, values=values)
                made = wanted
                row.add(OURS, (ours.memory() - start) / ((made - 1) * points))
            if values:
                self.filled.add(OURS, cpu * 1e6)
            else:
                self.bare.add(OURS, cpu * 1e6 * POINTS / points)

    def _created(self, name: str, cpu: float) -> None:
        for row in (self.bare, self.filled):
            row.add(name, cpu * 1e6)


def _first(of: Server, *, values: bool = True) -> int:
    """Memory with one station, which pays for what all share."""
    of.make(1, values=values)
    return of.memory()


def _tell(peer: Server, stations: int) -> None:
    peer.child.tell(do="stations", count=stations, values=True)


def _each(of: Server, start: int, size: int) -> float:
    """Bytes of each point but the first station's."""
    return (of.memory() - start) / (size - POINTS)


def _unreported() -> int:
    """How many points a station has that never reported: single phases come with their first value."""
    return sum(len(rows_of(group)) for group in Stations().make(0).groups())
