"""Puts the last values that a store kept back into the tree, when the bridge starts."""

from collections.abc import Callable, Iterable, Iterator

from bridge.points.rows import Row, Value
from bridge.points.tree import Group, Quality, Stamp, Tree
from bridge.store.records import LastValue

_QUALITIES = dict(Quality.__members__)

DynamicRow = Callable[[str, str], Row | None]


def restore_values(tree: Tree, group: Group, values: Iterable[LastValue], dynamic: DynamicRow) -> None:
    """`dynamic` finds the row of a point that came at run time by its key and type. What has no row any more, or
    one of another type, is left out.
    """
    tree.restore_all(group, _found(group, values, dynamic))


def _found(group: Group, values: Iterable[LastValue], dynamic: DynamicRow) -> Iterator[tuple[int, Value, Stamp]]:
    index, rows = group.layout.index, group.layout.rows
    said: tuple[str, float | None, float] | None = None
    stamp: Stamp = (Quality.LAST, None, None)
    for key, kind, value, quality, source, received in values:
        slot = index.get(key)
        if slot is None:
            made = dynamic(key, kind)
            slot = None if made is None else group.extend(made)
            if slot is None:
                continue
        row = rows[slot] if slot < len(rows) else group.row(slot)
        if row.type == kind:
            if (quality, source, received) != said:  # the points that one message changed share their stamp
                said = quality, source, received
                stamp = _QUALITIES.get(quality, Quality.LAST), source, received
            yield slot, value, stamp
