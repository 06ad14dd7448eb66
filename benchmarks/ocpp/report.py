"""The figures of all central systems side by side, and whether the goals are met."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ocpp.servers import ALL, OCPP, OURS
from benchmarks.opcua.report import Row, digits

RESULTS = Path(__file__).with_name("results.json")
PEERS = [name for name in ALL if name != OURS]


def show(title: str, rows: Sequence[Row], repeat: str) -> None:
    """Prints a table, the notes below it and the command that repeats it."""
    table = Table()
    for heading in ("", *ALL, *(f"x {peer}" for peer in PEERS), "goal", "met"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=bool(heading))
    for row in rows:
        ratios = ["" if (ratio := row.ratio(peer)) is None else digits(ratio) for peer in PEERS]
        table.add_row(row.what, *(_figure(row, name) for name in ALL), *ratios, _goal(row), _met(row))
    console = Console(width=150, highlight=False)
    console.print(title, style="bold")
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"  {row.what}: {row.note}", soft_wrap=True)
        if missed := row.missed():
            console.print(f"  {row.what}: missed: {'; '.join(missed)}", soft_wrap=True)
    console.print(f"  Repeat: {repeat}\n", soft_wrap=True)


def save(found: Mapping[str, Sequence[Row]]) -> None:
    """Keeps the rows of this run; those of other benchmarks stay."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    kept |= {name: [_saved(row) for row in rows] for name, rows in found.items()}
    RESULTS.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _saved(row: Row) -> dict[str, object]:
    ratios = {peer: row.ratio(peer) for peer in PEERS}
    return asdict(row) | {"reckoned": list(row.reckoned), "ratios": ratios, "missed": row.missed()}


def _figure(row: Row, name: str) -> str:
    value = row.value(name)
    return "" if value is None else f"{digits(value)} {row.unit}".strip()


def _goal(row: Row) -> str:
    limit = [] if row.limit is None else [f"<= {digits(row.limit)} {row.unit}"]
    return ", ".join([*limit, *(_of_peer(peer, goal) for peer, goal in row.goals.items())])


def _of_peer(peer: str, goal: float) -> str:
    shown = digits(goal).removesuffix(".0").removesuffix(".00")
    return f">= {shown}x {peer}" if peer == OCPP else f"<= {1 / goal:.1f} of {peer}"


def _met(row: Row) -> str:
    if row.value(OURS) is None or (row.limit is None and not any(row.rounds.get(peer) for peer in row.goals)):
        return ""
    return "no" if row.missed() else "yes"
