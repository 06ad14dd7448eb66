"""The device model of one station: which points it has, and what messages say of their values.

    model.report(payload)          NotifyReport: every part by itself, in whatever order
    model.event(entry)             an entry of NotifyEvent
    model.results(…), model.set(…) the answers to GetVariables and SetVariables
    model.at(key)                  what a point's key stands for, to write it

Each gives readings: rows with the values that they have now. What a point is (row, type, limits) is shared by all
stations that report the same (`Catalogue`): a station of 1,000 variables keeps one reference for each.
"""

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from bridge.ocpp.echoes import public
from bridge.points.rows import Value
from bridge.station.v2.variables import (
    ACTUAL,
    ATTRIBUTES,
    Attribute,
    Characteristics,
    Described,
    Variable,
    characteristics_of,
    describe,
    key_of,
    named,
    read,
    variable_of,
)

MAX_POINTS = 2_000
"""Points of one station's device model; it is as many as a group of points can gain."""
MAX_SHARED = 50_000
"""Points that stations share; the station that comes beyond them pays for its own."""

_ATTRIBUTES: Mapping[Any, Attribute] = {None: ACTUAL, **dict(zip(ATTRIBUTES, ATTRIBUTES, strict=True))}


Kept = tuple[int, Variable, Attribute, Characteristics, bool]
"""A point as it is kept over a restart: which of the variables of the same path it is, what the station said, and
whether it is gone."""


class Reading(NamedTuple):
    """A point of the model and its value. `told`: the station said a value, which `problem` says could not be read."""

    described: Described
    value: Value = None
    told: bool = False
    problem: str = ""


class SetResult(NamedTuple):
    """What became of one attribute that was to be set: its status, and its reading if it has changed."""

    status: str
    reading: Reading | None


class Catalogue:
    """What the points of all stations' device models are, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Variable, Attribute, Characteristics, int], Described] = {}
        self._characteristics: dict[Characteristics, Characteristics] = {}

    def __len__(self) -> int:
        return len(self._known)

    def describe(self, variable: Variable, attribute: Attribute, told: Characteristics, twin: int) -> Described:
        found = self._known.get((variable, attribute, told, twin))
        if found is None:
            told = self._characteristics.get(told, told)  # most variables are alike in these
            found = describe(variable, attribute, told, twin)
            if len(self._known) < MAX_SHARED:
                self._known[variable, attribute, told, twin] = found
                self._characteristics[told] = told
        return found

    def read(self, text: str) -> Mapping[str, Described]:
        """What `DeviceModel.keep` wrote. Raises msgspec.MsgspecError for what it did not write."""
        kept = msgspec.json.decode(text, type=list[Kept])
        points: dict[str, Described] = {}
        for twin, variable, attribute, told, gone in kept:
            described = self.describe(variable, attribute, told, twin)
            points[described.place] = described._replace(gone=True) if gone else described
        return MappingProxyType(points)


class DeviceModel:
    """The points of one station's device model. Those that are gone stay, so that no other takes their paths.

    `left_out`: attributes in reports that are no points, because there are too many.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._points: Mapping[str, Described] = MappingProxyType({})  # by place
        self.left_out = 0
        self.changed = False  # since it was last kept

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Described]:
        return iter(self._points.values())

    def at(self, key: str) -> Described | None:
        """What stands behind a point; None: it is none of the device model, or the station has it no more."""
        found = self._points.get(key.lower())
        return None if found is None or found.gone else found

    def hides(self, named: Mapping[str, Any]) -> bool:
        """Whether what a part of GetVariables or SetVariables names has a value that must not be shown."""
        variable, attribute = _name_of(named)
        described = None if variable is None or attribute is None else self._lookup(variable, attribute)
        return described is not None and not described.readable

    def describes(self, named: Mapping[str, Any]) -> bool:
        """Whether it has the attribute that a part of GetVariables or SetVariables names."""
        variable, attribute = _name_of(named)
        return variable is not None and attribute is not None and self.find(variable, attribute) is not None

    def keep(self) -> str:
        """What a restart must not lose, as JSON: stations that report the same give the same text."""
        self.changed = False
        kept: list[Kept] = [
            (_twin_of(place), found.variable, found.attribute, found.characteristics, found.gone)
            for place, found in sorted(self._points.items())
        ]
        return msgspec.json.encode(kept).decode()

    def restore(self, points: Mapping[str, Described]) -> None:
        """Takes back what was known before a restart (`Catalogue.read`), which stations share until one has another."""
        self._points = points

    def _put(self, described: Described) -> None:
        if not isinstance(self._points, dict):
            self._points = dict(self._points)
        self._points[described.place] = described
        self.changed = True

    def forget(self, reported: Container[str]) -> list[str]:
        """The station has told its whole model: what is not among the keys `reported` is gone, and returned."""
        gone = [found for found in self._points.values() if not found.gone and found.row.key not in reported]
        for found in gone:
            self._put(found._replace(gone=True))
        return [found.row.key for found in gone]

    def report(self, payload: Mapping[str, Any]) -> list[Reading]:
        """What a NotifyReport says (OCPP 2.0.1 §1.30): its variables, each with its attributes."""
        readings: list[Reading] = []
        for entry in _objects(payload.get("reportData")):
            variable = variable_of(entry.get("component"), entry.get("variable"))
            if variable is None:
                continue
            characteristics = entry.get("variableCharacteristics")
            before = None if isinstance(characteristics, dict) else self._characteristics(variable)
            for attribute in _objects(entry.get("variableAttribute")):
                told = characteristics_of(characteristics, attribute, before)
                described = self._add(variable, _ATTRIBUTES.get(attribute.get("type")), told)
                if described is not None:
                    readings.append(_reading(described, attribute.get("value")))
        return readings

    def event(self, entry: Mapping[str, Any]) -> Reading | None:
        """What an entry of NotifyEvent says of its variable (OCPP 2.0.1 §2.12); None: the variable is not known."""
        variable = variable_of(entry.get("component"), entry.get("variable"))
        described = None if variable is None else self.find(variable, ACTUAL)
        return None if described is None else _reading(described, entry.get("actualValue"))

    def value(self, variable: Variable, text: str) -> Reading | None:
        """A value that a variable has now; None: the variable is not known."""
        described = self.find(variable, ACTUAL)
        return None if described is None else _reading(described, text)

    def results(self, response: Mapping[str, Any]) -> list[Reading]:
        """What an answer to GetVariables says. A variable that no report has described has no type, so no point."""
        readings: list[Reading] = []
        for entry in _objects(response.get("getVariableResult")):
            variable = variable_of(entry.get("component"), entry.get("variable"))
            attribute = _ATTRIBUTES.get(entry.get("attributeType"))
            if variable is None or attribute is None or entry.get("attributeStatus") != "Accepted":
                continue
            found = self._lookup(variable, attribute)
            described = None if found is None else self._add(variable, attribute, found.characteristics)
            if described is not None:
                readings.append(_reading(described, entry.get("attributeValue")))
        return readings

    def set(self, request: Mapping[str, Any], response: Mapping[str, Any]) -> list[SetResult]:
        """What became of a SetVariables. Only what the station accepted has changed: RebootRequired is not yet."""
        sent = {_name_of(entry): entry.get("attributeValue") for entry in _objects(request.get("setVariableData"))}
        results: list[SetResult] = []
        for entry in _objects(response.get("setVariableResult")):
            variable = variable_of(entry.get("component"), entry.get("variable"))
            attribute = _ATTRIBUTES.get(entry.get("attributeType"))
            described = None if variable is None or attribute is None else self.find(variable, attribute)
            status = entry.get("attributeStatus")
            value = sent.get(_name_of(entry))
            changed = described is not None and status == "Accepted" and isinstance(value, str)
            reading = _reading(described, value) if described is not None and changed else None
            results.append(SetResult(status if isinstance(status, str) else "", reading))
        return results

    def find(self, variable: Variable, attribute: Attribute) -> Described | None:
        """The point of a variable's attribute."""
        found = self._lookup(variable, attribute)
        return None if found is None or found.gone else found

    def _lookup(self, variable: Variable, attribute: Attribute) -> Described | None:
        """The same, or the point that it had."""
        _, _, found = self._search(variable, attribute)
        return found

    def _search(self, variable: Variable, attribute: Attribute) -> tuple[int, Variable, Described | None]:
        """Which of the variables of the same path it is, the spelling that the station first gave it, and its point.

        All attributes of a variable have the same number, and no number becomes free.
        """
        folded, twin = variable.folded(), 1
        while True:
            found = self._points.get(key_of(variable, attribute, twin).lower())
            if found is not None and found.variable.folded() == folded:
                return twin, found.variable, found
            beside = next(self._beside(variable, twin), None) if found is None else found
            if beside is None or beside.variable.folded() == folded:
                return twin, variable if beside is None else beside.variable, None
            twin += 1

    def _beside(self, variable: Variable, twin: int) -> Iterator[Described]:
        """The attributes of whatever variable has this number."""
        for attribute in ATTRIBUTES:
            found = self._points.get(key_of(variable, attribute, twin).lower())
            if found is not None:
                yield found

    def _characteristics(self, variable: Variable) -> Characteristics | None:
        """What an earlier report said of a variable."""
        twin, _, found = self._search(variable, ACTUAL)
        found = found or next(self._beside(variable, twin), None)
        return None if found is None else found.characteristics

    def _add(self, variable: Variable, attribute: Attribute | None, told: Characteristics) -> Described | None:
        """The point of an attribute, with what the station says of it now; None: there are too many."""
        if attribute is None:
            return None
        twin, spelled, found = self._search(variable, attribute)
        if found is None and len(self._points) >= MAX_POINTS:
            self.left_out += 1
            return None
        described = self._catalogue.describe(spelled, attribute, told, twin)
        if found is not described and found != described:
            self._put(described)
        return described


def read_request(described: Described) -> dict[str, Any]:
    """The GetVariables request that reads a point's value."""
    return {"getVariableData": [named(described)]}


def _reading(described: Described, raw: Any) -> Reading:
    if not isinstance(raw, str) or not described.readable:
        return Reading(described)
    try:
        return Reading(described, read(described, public(raw)), told=True)
    except ValueError as error:
        return Reading(described, None, told=True, problem=str(error))


def _name_of(entry: Mapping[str, Any]) -> tuple[Variable | None, Attribute | None]:
    variable = variable_of(entry.get("component"), entry.get("variable"))
    return None if variable is None else variable.folded(), _ATTRIBUTES.get(entry.get("attributeType"))


def _twin_of(key: str) -> int:
    name = next((part for part in key.split(".") if "~" in part), "")
    return int(name.rpartition("~")[2]) if name else 1


def _objects(found: Any) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
