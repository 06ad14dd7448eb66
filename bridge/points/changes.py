"""What has changed between two tables of datapoints/*.yaml, and whether it can be shown without a restart."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bridge.points.layout import Layout
from bridge.points.rows import Row
from bridge.points.rowspec import TableRow
from bridge.points.table import Table


def needs_restart(before: Table, after: Table) -> list[str]:
    """Why the second table cannot take the place of the first while stations are connected; []: it can.

    The descriptions and the limits of points can change. What a point is (its type, unit, place, what fills it) is
    built into every station that is in the tree.
    """
    return [*_rows(before, after), *(f"the {name} are others" for name in _others(before, after))]


def relabel(layouts: Iterable[Layout], table: Table) -> None:
    """Shows the descriptions and limits of a table for which `needs_restart` finds no reason."""
    rows = {str(kind): {found.row.key: found.row for found in listed} for kind, listed in table.rows.items()}
    for layout in layouts:
        layout.relabel(rows[layout.kind])


def _rows(before: Table, after: Table) -> Iterator[str]:
    for kind, rows in before.rows.items():
        old = {found.row.key: _essence(found) for found in rows}
        new = {found.row.key: _essence(found) for found in after.rows[kind]}
        yield from (f"{key} of the {kind} is new" for key in new if key not in old)
        yield from (f"{key} of the {kind} is gone" for key in old if key not in new)
        yield from (f"{key} of the {kind} is another" for key in new if key in old and old[key] != new[key])
        if list(old) != list(new) and old.keys() == new.keys():
            yield f"the points of the {kind} have another order"


def _essence(found: TableRow) -> tuple[Row, object, str]:
    return replace(found.row, description="", range=None), found.sources, found.transform


def _others(before: Table, after: Table) -> Iterator[str]:
    for name in ("enumerations", "messages", "folders"):
        if getattr(before, name) != getattr(after, name):
            yield name
    old, new = before.measurands, after.measurands
    if (old.known, old.phases, old.locations) != (new.known, new.phases, new.locations):
        yield "measurands"
    if (before.roles.points, before.roles.commands) != (after.roles.points, after.roles.commands):
        yield "roles"
