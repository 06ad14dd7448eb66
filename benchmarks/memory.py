"""`memory`: what a station of 200 points costs, beside the same station made of asyncua's own nodes.

200 points: a station, two connectors, and the values of single phases that its meters report, as the shipped
datapoints/ have them. The points of commands are left out on both sides: ours cost nothing until they are
written, and asyncua's would be 500 nodes more. Each figure is from processes of their own.
"""

from statistics import median
from typing import Literal

from benchmarks.figures import Figure, spread
from benchmarks.footprint import POINTS
from benchmarks.processes import module

TITLE = f"Memory of a station with {POINTS} points"
ROUNDS = 3
STATIONS = {"new": 1000, "full": 1000, "asyncua": 25}

Kind = Literal["new", "full", "asyncua"]


def run() -> list[Figure]:
    rounds = [{kind: _measure(kind) for kind in STATIONS} for _ in range(ROUNDS)]
    theirs = [found["asyncua"] for found in rounds]
    return [
        _figure("nothing reported yet", [found["new"] for found in rounds], theirs),
        _figure("every point has a value", [found["full"] for found in rounds], theirs),
    ]


def _measure(kind: str) -> float:
    """Bytes of resident memory for each station."""
    with module("footprint", kind, str(STATIONS[kind])) as child:
        answer = child.answer()
    assert answer["points"] == POINTS, answer
    return float(answer["bytes"])


def _figure(what: str, ours: list[float], theirs: list[float]) -> Figure:
    mine, peer = median(ours), median(theirs)
    note = (
        f"medians of {ROUNDS} rounds (ours {spread(ours, 1e-3, 1)}, "
        f"peer {spread(theirs, 1e-3)} KB); {STATIONS['full']} stations of ours, {STATIONS['asyncua']} of the peer's"
    )
    return Figure(what, f"{mine / 1e3:.1f} KB", f"{peer / 1e3:.0f} KB", peer / mine, "at least 50 times", note)
