"""`ocpp`: CPU time of a whole bridge per CALL of a station, beside a central system made of `ocpp`.

The same stations send the same frames to both, in turn: each round lets the one work and then the other. The
bridge keeps its tree, its store and its OPC UA server meanwhile; the peer answers and does nothing else.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from benchmarks.figures import Figure, spread
from benchmarks.processes import Child, bridge, free_port, module
from benchmarks.traffic import MIX

TITLE = "CPU on the server per OCPP call"
STATIONS = 20
ROUNDS = 7
SESSIONS_OURS, SESSIONS_PEER = 8, 2  # of each station in a round


@dataclass
class Side:
    """A server, its stations, and what was measured in each round."""

    server: Child
    load: Child
    sessions: int
    per_call: list[float] = field(default_factory=list)  # s of CPU
    busy: list[float] = field(default_factory=list)  # the server's share of a core
    load_busy: list[float] = field(default_factory=list)  # the stations' share of a core

    def round(self) -> None:
        before = self.server.cpu()
        done = self.load.ask(do="calls", sessions=self.sessions)
        used = self.server.cpu() - before
        assert not done["errors"], done
        self.per_call.append(used / done["calls"])
        self.busy.append(used / done["seconds"])
        self.load_busy.append(done["cpu"] / done["seconds"])


def run() -> list[Figure]:
    with ExitStack() as stack:
        ours = stack.enter_context(bridge())
        port = free_port()
        peer = stack.enter_context(module("central_system", str(port)))
        peer.answer()
        sides = [
            Side(ours.process, _stations(stack, ours.ocpp), SESSIONS_OURS),
            Side(peer, _stations(stack, f"ws://127.0.0.1:{port}/"), SESSIONS_PEER),
        ]
        for side in sides:
            side.load.ask(do="calls", sessions=1)  # warm: schemas are compiled when they are first needed
        for _ in range(ROUNDS):
            for side in sides:
                side.round()
        assert not ours.complaints(), ours.complaints()[:3]
    return [_figure(*sides)]


def _stations(stack: ExitStack, url: str) -> Child:
    load = stack.enter_context(module("load", url, str(STATIONS)))
    booted = load.ask(do="boot")
    assert not booted["refused"], booted
    return load


def _figure(ours: Side, peer: Side) -> Figure:
    mine, theirs = median(ours.per_call), median(peer.per_call)
    # of neighbouring rounds: what else the machine does slows both of them
    ratio = median(their / my for my, their in zip(ours.per_call, peer.per_call, strict=True))
    note = (
        f"a session is {MIX}; medians of {ROUNDS} rounds "
        f"(ours {spread(ours.per_call, 1e6)}, peer {spread(peer.per_call, 1e6)} µs). "
        f"Share of a core: server {median(ours.busy):.0%} and {median(peer.busy):.0%}, "
        f"stations {median(ours.load_busy):.0%} and {median(peer.load_busy):.0%}."
    )
    shown = f"{mine * 1e6:.0f} µs", f"{theirs * 1e6:.0f} µs"
    return Figure("CPU per call", *shown, ratio, "at least 8 times", note)
