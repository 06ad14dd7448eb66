"""The immutable table of rows that all stations, or all connectors, of one OCPP version share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.points.extras import Extras
from bridge.points.rows import Method, Row, Type

#: sets of rows that came at run time and belong to many groups; a fleet has some dozens
MAX_SHARED = 256


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rows by slot, and the folders that they lie in.

    `rows[slot]` is a row, `index[key]` its slot. The first `dense` rows have a place in every station's
    arrays; the others (command points, of which few are ever written) are kept only where they have a
    value. `folders[key]` holds what lies directly below a folder, in order, as (name, key); the layout
    itself is the folder "". `twins[slot]` is the slot of the String twin of an enumeration, or -1. `types[key]`
    names the kind of thing that a folder is, where there are several of the kind (a command). `kept` are the slots
    of the rows that are.
    """

    kind: str
    rows: tuple[Row, ...]
    dense: int
    index: Mapping[str, int]
    twins: tuple[int, ...]
    folders: Mapping[str, tuple[tuple[str, str], ...]]
    descriptions: Mapping[str, str]
    methods: Mapping[str, Method]
    types: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[int] = frozenset()
    _shared: dict[tuple[int, ...], Extras] = field(default_factory=dict, repr=False)

    def shared(self, rows: Sequence[Row] = ()) -> Extras:
        """What all groups have that came to have these rows at run time, in this order."""
        key = tuple(map(id, rows))
        found = self._shared.get(key)
        if found is None:
            if len(self._shared) >= MAX_SHARED:
                self._shared.clear()
            found = self._shared[key] = Extras(len(self.rows), rows, shared=True)
        return found

    def relabel(self, rows: Mapping[str, Row]) -> None:
        """Takes rows that differ from its own in what is said of a point alone: every group shows that at once."""
        found = {row.key: row for row in with_twins(rows[row.key] for row in self.rows if row.key in rows)}
        # The one exception to its being frozen: where a point is does not change.
        object.__setattr__(self, "rows", tuple(found.get(row.key, row) for row in self.rows))


def build_layout(
    kind: str,
    dense: Sequence[Row],
    sparse: Sequence[Row] = (),
    methods: Sequence[Method] = (),
    descriptions: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
) -> Layout:
    """Builds the table; every enumeration gets its String twin `<Point>Text` behind it."""
    dense_rows = with_twins(dense)
    rows = (*dense_rows, *with_twins(sparse))
    index = {row.key: slot for slot, row in enumerate(rows)}
    if len(index) != len(rows):
        keys = [row.key for row in rows]
        raise ValueError(f"two rows of the {kind} have the key {next(k for k in keys if keys.count(k) > 1)}")
    texts = {row.twin_of: slot for slot, row in enumerate(rows) if row.twin_of}
    names = dict(descriptions or {})
    return Layout(
        kind=kind,
        rows=rows,
        dense=len(dense_rows),
        index=index,
        twins=tuple(texts.get(row.key, -1) for row in rows),
        folders=_folders(names, rows, methods),
        descriptions=names,
        methods={method.key: method for method in methods},
        types=dict(types or {}),
        kept=frozenset(slot for slot, row in enumerate(rows) if row.kept),
    )


def with_twins(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows, each enumeration followed by the String that shows its name, for HMIs that cannot."""
    found: list[Row] = []
    for row in rows:
        found.append(row)
        if row.enumeration is not None:
            found.append(text_twin(row, row.enumeration.names))
    return tuple(found)


def text_twin(row: Row, names: Mapping[int, str]) -> Row:
    """The String row beside an enumeration's row."""
    initial = names.get(row.initial) if isinstance(row.initial, int) else None
    return replace(
        row,
        name=row.name + "Text",
        type=Type.STRING,
        description=row.description + ", as text",
        enumeration=None,
        initial=initial,
        writable=False,
        twin_of=row.key,
    )


def _folders(
    named: Mapping[str, str], rows: Iterable[Row], methods: Iterable[Method]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Every folder with its children; folders come before points, each in the order of the rows."""
    children: dict[str, dict[str, str]] = {"": {}}

    def add_folder(key: str) -> None:
        if key in children:
            return
        parent, _, name = key.rpartition(".")
        add_folder(parent)
        children[key] = {}
        children[parent][name] = key

    entries: list[Row | Method] = [*rows, *methods]
    for key in (*named, *(entry.folder for entry in entries)):
        add_folder(key)
    for entry in entries:
        children[entry.folder][entry.name] = entry.key
    return {key: tuple(below.items()) for key, below in children.items()}
