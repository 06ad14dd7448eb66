"""What clients have written to parameters of commands stands after a restart as before.

A command without one of them means something else: ClearChargingProfile without a connector clears those of all.
"""

from collections.abc import Callable, Iterator

import msgspec
import structlog

from bridge.commands.table import EXECUTE, FOLDER, REQUEST
from bridge.points.rows import Row, Type, Value
from bridge.points.tree import Group, Quality, Sample, Station, Tree
from bridge.points.values import to_json
from bridge.store.records import PARAMETERS
from bridge.store.store import Store

log = structlog.get_logger()

Find = Callable[[str, str | None], Group | None]
Hidden = Callable[[Group, str], bool]
"""Whether a group's point, by its key, does not show what was written."""
_Written = tuple[str, str, bool | int | float | str, float | None]
"""Connector ("": the station itself), key, value, and when it was written."""
_PYTHON: dict[Type, type] = {Type.BOOLEAN: bool, Type.INT32: int, Type.DOUBLE: float, Type.STRING: str}


class Prepared:
    """Keeps parameters in the store. `is_hidden` tells which hold a secret: those are not kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spent: set[tuple[str, str]] = set()  # group's path and parameter's key

    def written(self, group: Group, row: Row, is_hidden: Hidden) -> None:
        """A parameter of a command has been written. With a new id tag its others are kept again, but for old tags."""
        self._spent.discard((group.path, row.key))
        if row.personal:
            others = (other for other in _parameters(group, row.folder) if not other.personal)
            self._spent.difference_update((group.path, kept.key) for kept in others)
        self._keep(group, is_hidden)

    def sent(self, group: Group, folder: str, is_hidden: Hidden) -> None:
        """The command has been sent with its parameters. With an id tag among them none is kept any more: a command
        that wants one is refused without it.
        """
        rows = list(_parameters(group, folder))
        if any(row.personal and group.value(row.key) for row in rows):
            self._spent.update((group.path, row.key) for row in rows)
            self._keep(group, is_hidden)

    def _keep(self, group: Group, is_hidden: Hidden) -> None:
        if group.station is not None:
            written = to_json(list(self._written(group.station, is_hidden)))
            self._store.put_note_soon(group.station.id, PARAMETERS, written)

    def _written(self, station: Station, is_hidden: Hidden) -> Iterator[_Written]:
        for group in station.groups():
            connector = "" if group is station else group.path.rpartition(".")[2]
            for slot in group.slots():
                row, sample = group.row(slot), group.sample(slot)
                if not _is_parameter(row) or (group.path, row.key) in self._spent:
                    continue
                if sample.value is not None and not is_hidden(group, row.key):
                    yield connector, row.key, sample.value, sample.server_time

    def restore(self, tree: Tree, find: Find) -> None:
        """Puts back what was written. `find` gives the group of a station, or of one of its connectors."""
        for station, subject, text in self._store.load_notes():
            if subject != PARAMETERS:
                continue
            try:
                found = msgspec.json.decode(text, type=list[_Written])
            except msgspec.MsgspecError as error:
                log.warning("note.not_restored", station=station, subject=subject, error=str(error))
                continue
            for connector, key, value, time in found:
                group = find(station, connector or None)
                slot = None if group is None else group.slot(key)
                if group is not None and slot is not None and _fits(group.row(slot), value):
                    tree.restore(group, slot, Sample(value, Quality.GOOD, time, time))


def _parameters(group: Group, folder: str) -> Iterator[Row]:
    rows = (group.row(slot) for slot in group.slots())
    return (row for row in rows if row.folder == folder and _is_parameter(row))


def _is_parameter(row: Row) -> bool:
    return row.writable and row.folder.startswith(f"{FOLDER}.") and row.name not in (EXECUTE, REQUEST)


def _fits(row: Row, value: Value) -> bool:
    """The parameter may have become another one with a newer version of the program."""
    return _is_parameter(row) and type(value) is _PYTHON.get(row.type)
