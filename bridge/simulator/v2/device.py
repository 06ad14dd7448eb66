"""A station's device model: the variables that are the same for all such stations, and the values of this one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bridge.simulator.timing import timestamp
from bridge.simulator.v2.variables import Key, Row, rows, without_nones

CLOCK = Key.named("ClockCtrlr.DateTime")
SUMMARY = frozenset({"Active", "AvailabilityState", "Available", "Enabled", "Problem", "Tripped"})


class DeviceModel:
    """Values are texts. `on_change(key, value)` is told of every Actual that is put or written."""

    def __init__(self, version: str, evses: int, connectors: int) -> None:
        self._rows = rows(version, evses, connectors)
        self._values: dict[tuple[Key, str], str] = {}
        self.on_change: Callable[[Key, str], None] = lambda _key, _value: None

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, key: Key) -> Row | None:
        return self._rows.get(key)

    def value(self, key: Key, attribute: str = "Actual") -> str:
        """Raises KeyError."""
        if key == CLOCK:
            return timestamp()
        changed = self._values.get((key, attribute))
        return self._rows[key].attributes[attribute] if changed is None else changed

    def text(self, name: str) -> str:
        """A variable of the station by its name (see Key.named)."""
        return self.value(Key.named(name))

    def number(self, name: str) -> float:
        return float(self.text(name))

    def is_true(self, name: str) -> bool:
        return self.text(name) == "true"

    def members(self, name: str) -> frozenset[str]:
        """The members of a list."""
        return frozenset(self.text(name).split(","))

    def put(self, name: str, value: str, evse: int | None = None, connector: int | None = None) -> None:
        """The station itself changes an Actual."""
        key = Key.named(name, evse, connector)
        if self.value(key) != value:
            self._values[key, "Actual"] = value
            self.on_change(key, value)

    def unknown(self, key: Key) -> str:
        """Why a variable is not there."""
        known = any(key[:4] == other[:4] for other in self._rows)
        return "UnknownVariable" if known else "UnknownComponent"

    def read(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """GetVariableDataType → GetVariableResultType (OCPP 2.0.1 B06)."""
        key, attribute = Key.of(asked), str(asked.get("attributeType", "Actual"))
        status, value = self._read(key, attribute)
        answer = {"attributeStatus": status, "attributeType": asked.get("attributeType"), "attributeValue": value}
        return {**without_nones(answer), **key.json()}

    def _read(self, key: Key, attribute: str) -> tuple[str, str | None]:
        row = self._rows.get(key)
        if row is None:
            return self.unknown(key), None
        if attribute not in row.attributes:
            return "NotSupportedAttributeType", None
        if row.mutability(attribute) == "WriteOnly":
            return "Rejected", None
        return "Accepted", self.value(key, attribute)

    def write(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """SetVariableDataType → SetVariableResultType (OCPP 2.0.1 B05)."""
        key, attribute = Key.of(wanted), str(wanted.get("attributeType", "Actual"))
        status, why = self._write(key, attribute, str(wanted["attributeValue"]))
        info = {"reasonCode": why} if why else None
        answer = {"attributeStatus": status, "attributeType": wanted.get("attributeType"), "attributeStatusInfo": info}
        return {**without_nones(answer), **key.json()}

    def _write(self, key: Key, attribute: str, value: str) -> tuple[str, str]:
        row = self._rows.get(key)
        if row is None:
            return self.unknown(key), ""
        if attribute not in row.attributes:
            return "NotSupportedAttributeType", ""
        if row.mutability(attribute) == "ReadOnly":
            return "Rejected", "ReadOnly"
        if not row.takes(value):
            return "Rejected", "InvalidValue"
        self._values[key, attribute] = value
        if attribute == "Actual":
            self.on_change(key, value)
        return ("RebootRequired" if row.reboot else "Accepted"), ""

    def report(self, base: str) -> list[dict[str, Any]]:
        """The ReportData of a GetBaseReport (OCPP 2.0.1 B07)."""
        wanted: Mapping[str, Callable[[Key, Row], bool]] = {
            "ConfigurationInventory": lambda _, row: row.access != "ReadOnly" or len(row.attributes) > 1,
            "FullInventory": lambda _key, _row: True,
            "SummaryInventory": lambda key, _: key.variable in SUMMARY,
        }
        return [self._data(key, row) for key, row in self._rows.items() if wanted[base](key, row)]

    def select(self, asked: Iterable[Mapping[str, Any]], criteria: Iterable[str]) -> list[dict[str, Any]]:
        """The ReportData of a GetReport (B08): of these components and variables, all when none are named, that have
        one of the criteria's variables and do not say false there."""
        places, wanted = list(asked), set(criteria)
        return [
            self._data(key, row)
            for key, row in self._rows.items()
            if (not places or any(_is_asked(key, place) for place in places))
            and (not wanted or any(self._holds(key, criterion) for criterion in wanted))
        ]

    def _holds(self, key: Key, criterion: str) -> bool:
        flag = key._replace(variable=criterion, variable_instance=None)
        return flag in self._rows and self.value(flag) != "false"

    def _data(self, key: Key, row: Row) -> dict[str, Any]:
        return {
            **key.json(),
            "variableAttribute": [self._attribute(key, row, name) for name in row.attributes],
            "variableCharacteristics": row.characteristics(),
        }

    def _attribute(self, key: Key, row: Row, name: str) -> dict[str, Any]:
        mutability = row.mutability(name)
        found = {
            "type": name,
            "value": None if mutability == "WriteOnly" else self.value(key, name),
            "mutability": mutability,
            "persistent": mutability != "ReadOnly" or row.constant,
            "constant": row.constant,
        }
        return without_nones(found)


def _is_asked(key: Key, place: Mapping[str, Any]) -> bool:
    """A ComponentVariable names it; what that leaves out may be anything."""
    component, variable = place["component"], place.get("variable", {})
    evse = component.get("evse", {})
    asked = (component["name"], component.get("instance"), evse.get("id"), evse.get("connectorId"))
    named = (variable.get("name"), variable.get("instance"))
    return all(want is None or want == have for want, have in zip((*asked, *named), key, strict=True))
