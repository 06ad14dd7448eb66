"""Rows, updates and files of rows as tests write them."""

from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ProjectError
from bridge.points.rows import Enumeration, Row, Type, Value
from bridge.points.tree import Group, Quality, Sample, Tree, Update

COLOURS = Enumeration("Colour", {"Red": 0, "Green": 1})


def row(key: str = "Folder.Point", type_: Type = Type.STRING, **fields: Any) -> Row:
    """A row; an enumeration makes it an Int32."""
    folder, _, name = key.rpartition(".")
    if "enumeration" in fields:
        type_ = Type.INT32
    return Row(folder=folder, name=name, type=type_, description=f"{name} of a test", **fields)


def slot_of(group: Group, key: str) -> int:
    """The slot of a point that the group has."""
    slot = group.slot(key)
    assert slot is not None, key
    return slot


def put(
    tree: Tree,
    group: Group,
    key: str,
    value: Value,
    now: float = 2000.0,
    *,
    time: float | None = None,
    quality: Quality = Quality.GOOD,
) -> list[int]:
    """Applies one update; returns the slots that changed."""
    return tree.apply(group, [Update(slot_of(group, key), value, time, quality)], now)


def read(group: Group, key: str) -> Sample:
    """What a reader of the point sees."""
    return group.sample(slot_of(group, key))


def problems_of(load, **changed) -> list[tuple[str, str, str]]:
    """(name of the file, place, what) of every problem."""
    with pytest.raises(ProjectError) as caught:
        load(**changed)
    return [(Path(problem.file).name, problem.where, problem.what) for problem in caught.value.problems]


def own(*points: str) -> str:
    return "for: [station]\npoints:\n" + "\n".join(f"  - {point}" for point in points)


def point(**fields: object) -> str:
    """A right row, but for these fields."""
    known = {"key": "Own.Point", "type": "String", "description": "a point", **fields}
    inside = ", ".join(f"{name}: {value}" for name, value in known.items() if value is not None)
    return "{" + inside + "}"
