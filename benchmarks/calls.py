"""`ocpp`: CPU time of a whole bridge per CALL of a station, beside a central system made of `ocpp`.

The same stations send the same frames to both, in turn: each round lets the one work and then the other. The
bridge keeps its tree, its store and its OPC UA server meanwhile; the peer answers and does nothing else. First
come whole charging sessions, then every action for itself: the figure of a mix is no better than the mix.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.figures import Figure, spread
from benchmarks.processes import Child, bridge, free_port, module, running
from benchmarks.traffic import MIX, SINGLE, TRANSACTIONS

TITLE = "CPU on the server per OCPP call"
STATIONS = 100
ROUNDS = 5
SESSIONS_OURS, SESSIONS_PEER = 1, 1  # of each station in a round
SECONDS = 0.5  # of a side in a round of one action; a process's CPU time counts in steps of 10 ms
GOAL = "at least 8 times"
LOOPS = (
    "The servers have one core, the stations the other, which is kept busy for both sides alike. Every process is as "
    "it comes: the bridge runs on uvloop, which it installs, the peer on asyncio, as the documentation of `ocpp` "
    "starts it."
)
DISK = (
    "ours puts every transaction on disk (fsync) before it answers; the peer stores nothing, here or in any other row."
)


@dataclass(frozen=True, slots=True)
class Side:
    """A server and its stations."""

    server: Child
    load: Child


@dataclass(frozen=True, slots=True)
class Used:
    """What a side used in a round."""

    per_call: float  # s of the server's CPU
    busy: float  # the server's share of a core
    load_busy: float  # the stations' share of a core


@dataclass(frozen=True, slots=True)
class Rounds:
    """What both sides used, round by round."""

    ours: Sequence[Used]
    peer: Sequence[Used]

    def figure(self, what: str, goal: str = "", note: str = "") -> Figure:
        mine, theirs = per_call(self.ours), per_call(self.peer)
        # of neighbouring rounds: what else the machine does slows both of them
        ratio = median(their / my for my, their in zip(mine, theirs, strict=True))
        return Figure(what, f"{median(mine) * 1e6:.0f} µs", f"{median(theirs) * 1e6:.0f} µs", ratio, goal, note)


def per_call(rounds: Sequence[Used]) -> list[float]:
    return [used.per_call for used in rounds]


def run() -> list[Figure]:
    with ExitStack() as stack:
        ours = stack.enter_context(bridge())
        port = free_port()
        peer = stack.enter_context(module("central_system", str(port)))
        peer.answer()
        sides = (
            Side(ours.process, _stations(stack, ours.ocpp)),
            Side(peer, _stations(stack, f"ws://127.0.0.1:{port}/")),
        )
        _share_cores(stack, sides)
        figures = [_mix(sides), *_actions(sides)]
        assert not ours.complaints(), ours.complaints()[:3]
    return figures


def _share_cores(stack: ExitStack, sides: Sequence[Side]) -> None:
    """The servers on one core, the stations on another, which a third process keeps busy whenever they are not.

    Two cores are often two threads of one: each is slower by a half and more while the other works. The stations of
    the faster server have more to do; without this the faster one would be measured on a slower core.
    """
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return
    first, second = sorted(os.sched_getaffinity(0))[:2]
    filler = stack.enter_context(running([sys.executable, "-c", "while True: pass"]))
    filler.fill_in()
    for child, core in ((filler, second), *((s.server, first) for s in sides), *((s.load, second) for s in sides)):
        child.stay_on(core)


def _stations(stack: ExitStack, url: str) -> Child:
    load = stack.enter_context(module("load", url, str(STATIONS)))
    booted = load.ask(do="boot")
    assert not booted["refused"], booted
    return load


def _mix(sides: Sequence[Side]) -> Figure:
    for side in sides:
        side.load.ask(do="calls", sessions=1)  # warm: schemas are compiled when they are first needed
    rounds = _measure(sides, *({"do": "calls", "sessions": number} for number in (SESSIONS_OURS, SESSIONS_PEER)))
    ours, peer = rounds.ours, rounds.peer
    note = (
        f"a session is {MIX}. Each call follows the answer to the one before at once. "
        f"Medians of {ROUNDS} rounds (ours {spread(per_call(ours), 1e6)}, peer {spread(per_call(peer), 1e6)} µs). "
        f"Share of a core: server {_share(used.busy for used in ours)} and {_share(used.busy for used in peer)}, "
        f"stations {_share(used.load_busy for used in ours)} and {_share(used.load_busy for used in peer)}. {LOOPS}"
    )
    return rounds.figure("CPU per call of a session", GOAL, note)


def _share(shares: Iterable[float]) -> str:
    return f"{median(shares):.0%}"


def _actions(sides: Sequence[Side]) -> list[Figure]:
    """Each action for itself, within a running transaction."""
    for side in sides:
        side.load.ask(do="start")
    figures = []
    for action in (*SINGLE, TRANSACTIONS):
        request = {"do": "repeat", "action": action, "seconds": SECONDS}
        figures.append(_measure(sides, request, request).figure(action, note=DISK if action == TRANSACTIONS else ""))
    return figures


def _measure(sides: Sequence[Side], *requests: Mapping[str, Any]) -> Rounds:
    rounds = [_round(sides, requests) for _ in range(ROUNDS)]
    return Rounds([ours for ours, _ in rounds], [peer for _, peer in rounds])


def _round(sides: Sequence[Side], requests: Sequence[Mapping[str, Any]]) -> list[Used]:
    """Lets one side work after the other.

    The CPU time of both is that of the whole round: what the bridge writes after it has answered counts too.
    """
    before = [side.server.cpu() for side in sides]
    done = [side.load.ask(**request) for side, request in zip(sides, requests, strict=True)]
    used = [side.server.cpu() - start for side, start in zip(sides, before, strict=True)]
    assert not any(each["errors"] for each in done), done
    return [
        Used(cpu / each["calls"], cpu / each["seconds"], each["cpu"] / each["seconds"])
        for cpu, each in zip(used, done, strict=True)
    ]
