"""What a station looks like, as data: a line for every point, for tables, CSV, JSON and the documentation."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bridge.cli.output import Cell, moment
from bridge.points.layout import Layout
from bridge.points.measurands import Measurands
from bridge.points.rows import Row, Type
from bridge.station.configuration import FOLDER as CONFIGURATION
from bridge.station.configuration import configuration_row
from bridge.station.model import Model
from bridge.station.scripted import CUSTOM, custom_row
from bridge.station.v2.addressing import STATION, parse_name
from bridge.store.records import ValueRecord

#: stands for a station, or a connector's number, where a path is that of every one
ANY_STATION, ANY_CONNECTOR = "<Station>", "<n>"
NAMESPACE = 2  # urn:ocpp-bridge:points
COLUMNS = ("path", "node_id", "type", "unit", "access", "source", "description")
VALUE_COLUMNS = ("value", "quality", "time")

_CONNECTOR = re.compile(r"(Connector[1-9]\d*(?:_[1-9]\d*)?)\.(.+)")


@dataclass(frozen=True, slots=True)
class Line:
    """A point at its path. `last`: its last value that is in the store."""

    path: str
    row: Row
    last: ValueRecord | None = None

    @property
    def node_id(self) -> str:
        return f"ns={NAMESPACE};s={self.path}"

    @property
    def description(self) -> str:
        """What it is; for an enumeration also its numbers."""
        if self.row.enumeration is None:
            return self.row.description
        states = ", ".join(f"{number} {name}" for name, number in self.row.enumeration.numbers.items())
        return f"{self.row.description}: {states}"

    def cells(self) -> dict[str, Cell]:
        """COLUMNS and VALUE_COLUMNS; a DateTime is ISO 8601."""
        row, last = self.row, self.last
        value = None if last is None else last.value
        is_time = row.type is Type.DATETIME and isinstance(value, int | float)
        return {
            "path": self.path,
            "node_id": self.node_id,
            "type": row.type.value,
            "unit": row.unit,
            "access": "W" if row.writable else "R",
            "source": row.source,
            "description": self.description,
            "value": moment(value) if is_time else value,
            "quality": last.quality if last is not None else None,
            "time": moment(last.source_time or last.server_time) if last is not None else None,
        }


def any_station(model: Model) -> Iterator[Line]:
    """The points of every station, without those of its connectors."""
    yield from _lines(ANY_STATION, model.station.layout)


def any_connector(model: Model, name: str = f"Connector{ANY_CONNECTOR}") -> Iterator[Line]:
    """The points of every connector, or of the one called `name` (`Connector2`), of every station."""
    yield from _lines(f"{ANY_STATION}.{name}", model.connector.layout)


def the_bridge(layout: Layout) -> Iterator[Line]:
    """The bridge's own points."""
    yield from _lines("Bridge", layout)


def a_station(
    name: str, model: Model, connectors: Iterable[str], values: Iterable[ValueRecord]
) -> dict[str, list[Line]]:
    """The points of the station `name` by connector (`Connector1`), "" for its own, with the points that it got at
    run time.

    `connectors` are those that are known to exist, besides those that `values`, its last ones, speak of.
    """
    found: dict[str, dict[str, ValueRecord]] = {"": {}, **{connector: {} for connector in connectors}}
    for value in values:
        key = value.path.removeprefix(f"{name}.")
        if match := _CONNECTOR.fullmatch(key):
            found.setdefault(match[1], {})[match[2]] = value
        else:
            found[""][key] = value
    parts = {
        connector: model.connector if connector else model.station
        for connector in sorted(found, key=lambda connector: parse_name(connector) or STATION)
    }
    return {
        connector: list(
            _lines(f"{name}.{connector}" if connector else name, part.layout, found[connector], model.measurands)
        )
        for connector, part in parts.items()
    }


def _lines(
    prefix: str,
    layout: Layout,
    values: Mapping[str, ValueRecord] | None = None,
    measurands: Measurands | None = None,
) -> Iterator[Line]:
    last = values or {}
    for row in layout.rows:
        yield Line(f"{prefix}.{row.key}", row, last.get(row.key))
    if measurands is None:
        return
    for key in sorted(last.keys() - layout.index.keys()):
        found = _row_of(key, last[key].type, measurands)
        if found is not None:
            yield Line(f"{prefix}.{key}", found, last[key])


def _row_of(key: str, type_: str, measurands: Measurands) -> Row | None:
    """The row of a point that came at run time; None where nothing offers such a point any more."""
    if key.startswith(f"{CONFIGURATION}."):
        return configuration_row(key.removeprefix(f"{CONFIGURATION}."), writable=True)
    if key.startswith(CUSTOM):
        return custom_row(key.removeprefix(CUSTOM), Type(type_))
    return measurands.row_of(key)
