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
_Written = tuple[str, str, bool | int | float | str, float | None]
"""Connector ("": the station itself), key, value, and when it was written."""
_PYTHON: dict[Type, type] = {Type.BOOLEAN: bool, Type.INT32: int, Type.DOUBLE: float, Type.STRING: str}


def keep(store: Store, station: Station, is_hidden: Callable[[Group, str], bool]) -> None:
    """Keeps what is written of a station's commands now, but for what is hidden: no secret is stored."""
    store.put_note_soon(station.id, PARAMETERS, to_json(list(_written(station, is_hidden))))


def _written(station: Station, is_hidden: Callable[[Group, str], bool]) -> Iterator[_Written]:
    for group in station.groups():
        connector = "" if group is station else group.path.rpartition(".")[2]
        for slot in group.slots():
            row, sample = group.row(slot), group.sample(slot)
            if _is_parameter(row) and sample.value is not None and not is_hidden(group, row.key):
                yield connector, row.key, sample.value, sample.server_time


def _is_parameter(row: Row) -> bool:
    return row.writable and row.folder.startswith(f"{FOLDER}.") and row.name not in (EXECUTE, REQUEST)


def restore(store: Store, tree: Tree, find: Find) -> None:
    """Puts back what was written. `find` gives the group of a station, or of one of its connectors."""
    for station, subject, text in store.load_notes():
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


def _fits(row: Row, value: Value) -> bool:
    """The parameter may have become another one with a newer version of the program."""
    return _is_parameter(row) and type(value) is _PYTHON.get(row.type)
