"""The figures of all servers side by side, and whether the goals are met."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.opcua.servers import ALL, ASYNCUA, NODE, OURS

RESULTS = Path(__file__).with_name("results.json")
PEERS = (ASYNCUA, NODE)


@dataclass(slots=True)
class Row:
    """One figure of all servers, a number for each round.

    `goals` says how many times better than a peer ours should be, `limit` what ours should not exceed. A figure
    of a server in `reckoned` was not measured but reckoned from others, and is marked so.
    """

    what: str
    unit: str
    rounds: dict[str, list[float]] = field(default_factory=dict)
    more_is_better: bool = False
    goals: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    reckoned: Iterable[str] = ()
    note: str = ""

    def add(self, name: str, value: float) -> None:
        self.rounds.setdefault(name, []).append(value)

    def value(self, name: str) -> float | None:
        return median(self.rounds[name]) if self.rounds.get(name) else None

    def ratio(self, peer: str) -> float | None:
        """How many times better ours is, by the median of neighbouring rounds where there are as many of both."""
        ours, theirs = self.rounds.get(OURS, []), self.rounds.get(peer, [])
        if not ours or not theirs:
            return None
        if len(ours) != len(theirs):
            ours, theirs = [median(ours)], [median(theirs)]
        pairs = [(my, their) for my, their in zip(ours, theirs, strict=True) if min(my, their) > 0]
        return median(my / their if self.more_is_better else their / my for my, their in pairs) if pairs else None

    def missed(self) -> list[str]:
        """Which goals ours does not reach, and by how much."""
        found: list[str] = []
        value = self.value(OURS)
        if self.limit is not None and value is not None and value > self.limit:
            found.append(f"{value / self.limit:.1f} times the limit")
        for peer, goal in self.goals.items():
            ratio = self.ratio(peer)
            if ratio is not None and ratio < goal:
                found.append(f"{peer}: {digits(ratio)} of {digits(goal)}")
        return found


def show(title: str, rows: Sequence[Row], repeat: str) -> str:
    """Prints a table; returns it as text."""
    table = Table()
    for heading in ("", "ours", *PEERS, "x asyncua", "x node-opcua", "goal", "met"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=bool(heading))
    for row in rows:
        figures = [_figure(row, name) for name in ALL]
        ratios = ["" if (ratio := row.ratio(peer)) is None else digits(ratio) for peer in PEERS]
        table.add_row(row.what, *figures, *ratios, _goal(row), _met(row))
    console = Console(width=150, highlight=False, record=True)
    console.print(title, style="bold")
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"  {row.what}: {row.note}", soft_wrap=True)
        if missed := row.missed():
            console.print(f"  {row.what}: missed: {'; '.join(missed)}", soft_wrap=True)
    console.print(f"  Repeat: {repeat}\n", soft_wrap=True)
    return console.export_text()


def save(found: Mapping[str, Sequence[Row]]) -> None:
    """Keeps the rows of this run; those of other benchmarks stay."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    kept |= {name: [_saved(row) for row in rows] for name, rows in found.items()}
    RESULTS.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def digits(value: float) -> str:
    """Three digits, and thousands with a comma."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    return f"{digits(min(values))}-{digits(max(values))}"


def _saved(row: Row) -> dict[str, object]:
    ratios = {peer: row.ratio(peer) for peer in PEERS}
    return asdict(row) | {"reckoned": list(row.reckoned), "ratios": ratios, "missed": row.missed()}


def _figure(row: Row, name: str) -> str:
    value = row.value(name)
    if value is None:
        return ""
    return f"{'~' if name in row.reckoned else ''}{digits(value)} {row.unit}"


def _goal(row: Row) -> str:
    limit = [] if row.limit is None else [f"<= {digits(row.limit)} {row.unit}"]
    return ", ".join([*limit, *(f">= {digits(goal).removesuffix('.00')}x {peer}" for peer, goal in row.goals.items())])


def _met(row: Row) -> str:
    if row.limit is None and not any(row.rounds.get(peer) for peer in row.goals):
        return ""
    return "no" if row.missed() else "yes"
