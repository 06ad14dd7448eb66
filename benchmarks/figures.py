"""Figures, how they are shown, and how they are repeated."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `peer` is what the figure is compared with; `goal` is in words."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    note: str = ""


def show(name: str, title: str, figures: Sequence[Figure]) -> None:
    """Prints the figures of one benchmark, and the command that repeats them."""
    compared = any(figure.ratio is not None for figure in figures)
    table = Table()
    for heading in ("", "ours", "peer", "ratio", "goal") if compared else ("", "ours"):
        table.add_column(heading, justify="right" if heading else "left")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.1f}"
        table.add_row(*[figure.what, figure.ours, figure.peer, ratio, figure.goal][: len(table.columns)])
    console = Console(width=110, highlight=False)
    console.print(title, style="bold")
    console.print(table)
    for figure in figures:
        if figure.note:
            console.print(f"  {figure.what}: {figure.note}")
    console.print(f"  Repeat: make bench ARGS={name}\n", soft_wrap=True)


def save(results: dict[str, list[Figure]]) -> None:
    """Keeps the figures beside the benchmarks, for whoever compares two runs; those of other benchmarks stay."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    kept.update({name: [asdict(figure) for figure in figures] for name, figures in results.items()})
    RESULTS.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def p50_p99(seconds: Sequence[float]) -> tuple[str, str]:
    """Median and 99th percentile of many times."""
    return f"{median(seconds) * 1e3:.1f} ms", f"{quantiles(seconds, n=100)[98] * 1e3:.1f} ms"


def spread(values: Sequence[float], scale: float = 1.0, digits: int = 0) -> str:
    """The lowest and the highest of several rounds."""
    return f"{min(values) * scale:.{digits}f}-{max(values) * scale:.{digits}f}"
