"""The rows of the device model, and what identifies a variable."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from bridge.simulator.timing import parse_time

ACCESS = {"R": "ReadOnly", "W": "WriteOnly", "RW": "ReadWrite"}
NAME = re.compile(r"(\w+)(?:\[(\w+)])?\.(\w+)(?:\[(\w+)])?")


class Key(NamedTuple):
    """A variable of a component (ComponentType, VariableType)."""

    component: str
    instance: str | None
    evse: int | None
    connector: int | None
    variable: str
    variable_instance: str | None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Key":
        """What a message speaks of: an object with component and variable. Raises KeyError or TypeError."""
        component, variable, evse = item["component"], item["variable"], item["component"].get("evse", {})
        return cls(
            component["name"],
            component.get("instance"),
            evse.get("id"),
            evse.get("connectorId"),
            variable["name"],
            variable.get("instance"),
        )

    @classmethod
    def named(cls, name: str, evse: int | None = None, connector: int | None = None) -> "Key":
        """`Component[instance].Variable[instance]`, the instances where there are any."""
        found = NAME.fullmatch(name)
        if found is None:
            raise ValueError(name)
        return cls(found[1], found[2], evse, connector, found[3], found[4])

    def json(self) -> dict[str, Any]:
        """component and variable, as messages spell them."""
        evse = without_nones({"id": self.evse, "connectorId": self.connector})
        return {
            "component": without_nones({"name": self.component, "instance": self.instance, "evse": evse or None}),
            "variable": without_nones({"name": self.variable, "instance": self.variable_instance}),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A line of variables.csv. `attributes`: type → the value that it begins with."""

    type: str
    unit: str
    access: str
    attributes: Mapping[str, str]
    min: float | None
    max: float | None
    values: str
    reboot: bool
    constant: bool
    monitored: bool

    def mutability(self, attribute: str) -> str:
        """Of Actual as the row says; what else a variable has is there to be set."""
        return self.access if attribute == "Actual" else "ReadWrite"

    def takes(self, value: str) -> bool:
        """The value fits the type and the limits (OCPP 2.0.1 part 2, §2.1.4 and VariableCharacteristicsType)."""
        match self.type:
            case "boolean":
                return value in ("true", "false")
            case "integer" | "decimal":
                return self._takes_number(value)
            case "OptionList":
                return value in self.values.split(",")
            case "MemberList" | "SequenceList":
                return not value or set(value.split(",")) <= set(self.values.split(","))
            case "dateTime":
                return is_time(value)
            case _:
                return (self.min or 0) <= len(value) <= (2500 if self.max is None else self.max)

    def _takes_number(self, value: str) -> bool:
        pattern = r"-?\d+" if self.type == "integer" else r"-?\d+(\.\d+)?"
        if not re.fullmatch(pattern, value, re.ASCII):
            return False
        number = float(value)
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)

    def characteristics(self) -> dict[str, Any]:
        """VariableCharacteristicsType."""
        limits = {"minLimit": self.min, "maxLimit": self.max}
        described = {"unit": self.unit or None, "dataType": self.type, "valuesList": self.values or None, **limits}
        return without_nones({**described, "supportsMonitoring": self.monitored})


@cache
def rows(version: str, evses: int, connectors: int) -> Mapping[Key, Row]:
    """All variables of a station with so many EVSEs of so many connectors each."""
    text = files(__package__).joinpath("variables.csv").read_text(encoding="utf-8")
    return {
        Key(
            line["component"],
            line["instance"] or None,
            evse,
            connector,
            line["variable"],
            line["variable_instance"] or None,
        ): row
        for line in csv.DictReader(text.splitlines())
        if version == "2.1" or "2.1" not in line["flags"].split()
        for row in [_row(line)]
        for evse, connector in _places(line["level"], evses, connectors)
    }


def _places(level: str, evses: int, connectors: int) -> Iterator[tuple[int | None, int | None]]:
    if level == "station":
        yield None, None
        return
    for evse in range(1, evses + 1):
        if level == "evse":
            yield evse, None
        else:
            yield from ((evse, connector) for connector in range(1, connectors + 1))


def _row(line: Mapping[str, str]) -> Row:
    names = {"Target": "target", "MinSet": "min_set", "MaxSet": "max_set"}
    flags = line["flags"].split()
    return Row(
        type=line["type"],
        unit=line["unit"],
        access=ACCESS[line["access"]],
        attributes={"Actual": line["actual"], **{name: line[column] for name, column in names.items() if line[column]}},
        min=float(line["min"]) if line["min"] else None,
        max=float(line["max"]) if line["max"] else None,
        values=line["values"],
        reboot="reboot" in flags,
        constant="constant" in flags,
        monitored="monitor" in flags,
    )


def is_time(value: str) -> bool:
    try:
        parse_time(value)
    except ValueError:
        return False
    return True


def without_nones(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}
