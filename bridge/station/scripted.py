"""What a handler script may do with the station that it was asked about (bridge.api.Station)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from bridge.errors import StationOffline
from bridge.points.rows import INTEGER_RANGES, Row, Type, Value
from bridge.points.tree import Tree, Update
from bridge.station.known import Known

CUSTOM = "Custom."
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class ScriptedStation:
    """A station as a script sees it; see bridge.api.Station for the contract."""

    __slots__ = ("_clock", "_known", "_tree")

    def __init__(self, known: Known, tree: Tree, clock: Callable[[], float]) -> None:
        self._known = known
        self._tree = tree
        self._clock = clock

    @property
    def id(self) -> str:
        return self._known.id

    @property
    def area(self) -> str:
        return self._known.points.area

    async def read(self, path: str) -> Value:
        found = self._tree.find(f"{self._known.points.path}.{path}")
        slot = None if found is None else found[0].slot(found[1])
        if found is None or slot is None:
            raise KeyError(f"{self.id} has no point {path}")
        return found[0].sample(slot).value

    async def write(self, path: str, value: Value) -> None:
        name = path.removeprefix(CUSTOM)
        if not path.startswith(CUSTOM) or not _NAME.fullmatch(name) or not all(name.split(".")):
            raise ValueError(f"a script may write Custom.<Name> (letters, digits, _ - .) and not {path!r}")
        points = self._known.points
        slot = points.slot(path)
        if slot is None:
            slot = points.extend(_custom_row(name, value))
        if slot is None:
            raise ValueError(f"{self.id} has too many points: {path} cannot be made")
        now = self._clock()
        self._tree.apply(points, [Update(slot, _as(points.row(slot), value), now)], now)

    async def call(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        session = self._known.session
        if session is None:
            raise StationOffline(f"{self.id} is not connected")
        session.check_call(action, payload)
        return await session.call(action, payload)


def _custom_row(name: str, value: Value) -> Row:
    return custom_row(name, _type_of(value))


def custom_row(name: str, type_: Type) -> Row:
    """The row of a point below Custom."""
    return Row(
        folder="Custom",
        name=name,
        type=type_,
        description="Made by a handler script",
        kept=True,
        source="a handler script",
    )


def _type_of(value: Value) -> Type:
    if isinstance(value, bool):
        return Type.BOOLEAN
    if isinstance(value, int):
        low, high = INTEGER_RANGES[Type.INT32]
        return Type.INT32 if low <= value <= high else Type.DOUBLE
    return Type.DOUBLE if isinstance(value, float) else Type.STRING


def _as(row: Row, value: Value) -> Value:
    """The value in the type of the point. A whole number may be written to a Double, nothing else is mixed."""
    if value is None:
        return None
    if row.type is Type.DOUBLE and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if _type_of(value) is not row.type or not isinstance(value, bool | int | float | str):
        raise ValueError(f"{row.key} is a {row.type.value}: {value!r} does not fit")
    return value
