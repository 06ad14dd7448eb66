"""Rows as a table for people, as CSV or as JSON; and how values look in them."""

import csv
import enum
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bridge.points.values import format_time

Cell = str | int | float | bool | None
UNLIMITED = 10_000  # columns: what goes into a file or a pipe is not cut to a screen's width


class Format(enum.StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def show(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]], form: Format) -> None:
    """Print the rows to stdout. An empty cell is empty in a table and in CSV, null in JSON."""
    match form:
        case Format.TABLE:
            _print(table(columns, rows))
        case Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            shown = printable if sys.stdout.isatty() else str  # a program gets all, a screen no terminal codes
            writer.writerows([shown(plain(row[column])) for column in columns] for row in rows)
        case Format.JSON:
            _show_json(columns, rows)


def _print(shown: Table) -> None:
    """Print to stdout: as wide as the screen, and in a file or a pipe as wide as its lines are."""
    screen = Console(highlight=False)
    if screen.is_terminal:
        screen.print(shown)
    else:
        print_plain(shown)


def print_plain(shown: RenderableType) -> None:
    """Print to stdout for a file or a pipe: no colours, no line cut to a width."""
    paper = Console(file=io.StringIO(), width=UNLIMITED, highlight=False, color_system=None)
    with paper.capture() as lines:
        paper.print(shown)
    for line in lines.get().splitlines():
        typer.echo(line.rstrip())


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        # Text, not str: a station's text may look like rich's markup
        shown.add_row(*(Text(printable(plain(row[column]))) for column in columns))
    return shown


def printable(text: str) -> str:
    """Without line breaks and terminal escapes, which a station could send to forge or hide lines."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def plain(value: Cell) -> str:
    """A value as text: no `True`, no `None`, and `1500` for 1500.0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def moment(seconds: float | None) -> str | None:
    """ISO 8601 in UTC."""
    return None if seconds is None else format_time(seconds)


def _show_json(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> None:
    """A list with one object a line, printed as it comes: a store holds years."""
    before = "[\n"
    for row in rows:
        typer.echo(before + " " + json.dumps({column: row[column] for column in columns}), nl=False)
        before = ",\n"
    typer.echo("[]" if before.startswith("[") else "\n]")
