"""Points that a station or connector gained at run time: phases of a meter, configuration keys."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bridge.points.rows import Row

#: telegrams whose slots are remembered
MAX_FOUND = 64


class Below(NamedTuple):
    """What came at run time directly below a folder: the slots of its points, the keys of its folders."""

    slots: list[int]
    folders: list[str]


class Places(NamedTuple):
    """Where the values of some rows are: slots, indices in their group's lists, and which of the rows a slot is of."""

    rows: tuple[Row, ...]
    slots: tuple[int, ...]
    indices: tuple[int, ...]
    place: Mapping[int, int]


class Extras:
    """Rows, whose slots begin at `first`; `index[key]` is a row's slot.

    A thousand stations with the same meter have the same rows: one that `is_shared` belongs to all their groups, and
    is never changed.
    """

    __slots__ = ("_below", "_found", "first", "index", "is_shared", "rows")

    def __init__(self, first: int, rows: Iterable[Row] = (), *, shared: bool = False) -> None:
        self.first = first
        self.rows = list(rows)
        self.index = {row.key: slot for slot, row in enumerate(self.rows, first)}
        self.is_shared = shared
        self._below: dict[str, Below] | None = None  # made when somebody browses
        self._found: dict[int, Places] = {}

    def add(self, row: Row) -> int:
        """The slot of one more row."""
        slot = self.index[row.key] = self.first + len(self.rows)
        self.rows.append(row)
        self._below = None
        return slot

    def replace(self, row: Row) -> None:
        """Says something else of a point that there is."""
        self.rows[self.index[row.key] - self.first] = row

    def below(self, folder: str) -> Below | None:
        """What lies directly below a folder ("": the group itself); None: nothing does."""
        if self._below is None:
            self._below = _folders(self.rows, self.first)
        return self._below.get(folder)

    def found(self, rows: tuple[Row, ...]) -> Places | None:
        """Where these rows are, if they were asked for before."""
        found = self._found.get(id(rows))
        return found if found is not None and found.rows is rows else None

    def remember(self, rows: tuple[Row, ...], slots: Sequence[int], dense: int) -> Places:
        """What `found` gives from now on. `dense`: of the layout, whose rows behind these have no place in arrays."""
        if len(self._found) >= MAX_FOUND:
            self._found.clear()
        gap = self.first - dense
        indices = tuple(slot if slot < dense else slot - gap for slot in slots)
        found = self._found[id(rows)] = Places(
            rows, tuple(slots), indices, {slot: place for place, slot in enumerate(slots)}
        )
        return found


def _folders(rows: Iterable[Row], first: int) -> dict[str, Below]:
    """Rows by their folders, and these by the folders that they are in; `first` is the slot of the first row."""
    found: dict[str, Below] = {}
    for slot, row in enumerate(rows, first):
        folder = row.folder
        below = found.get(folder)
        if below is None:
            below = _add_folder(found, folder)
        below.slots.append(slot)
    return found


def _add_folder(found: dict[str, Below], folder: str) -> Below:
    below = found[folder] = Below([], [])
    if folder:
        parent = folder.rpartition(".")[0]
        (found.get(parent) or _add_folder(found, parent)).folders.append(folder)
    return below
