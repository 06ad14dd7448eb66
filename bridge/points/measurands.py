"""Meter values: which point a sampled value belongs to, and its value in the point's base unit.

The point is `MeterValues.<Measurand>[.<Phase>][.<Location>]`; a measurand's usual location has no suffix.
Sampled values have the same shape in every OCPP version but for the unit (OCPP 1.6 §7.43, 2.0.1 §2.47).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

from bridge.points.rows import Row, Type
from bridge.points.units import CONVERSIONS, Conversion
from bridge.points.values import number, parse_time

FOLDER = "MeterValues"
DEFAULT = "Energy.Active.Import.Register"
#: the register that Transaction.Energy is reckoned from
ENERGY_KEY = f"{FOLDER}.{DEFAULT}"


@dataclass(frozen=True, slots=True)
class Measurand:
    """A measurand: its base unit ("" for none) and the location that needs no suffix."""

    name: str
    unit: str
    location: str
    description: str


class Reading(NamedTuple):
    """One sampled value: for the point of `row`, in its unit. `value` None: it could not be read (`problem`)."""

    row: Row
    value: float | None
    time: float | None
    problem: str = ""


UnitOf = Callable[[Mapping[str, Any]], tuple[str, float]]

#: a NamedTuple's own constructor is a Python function and costs three times as much
_new = tuple.__new__


@dataclass(frozen=True, slots=True, eq=False)
class Measurands:
    """The table of measurands, phases and locations, and the rows made from them so far."""

    known: Mapping[str, Measurand]
    phases: tuple[str, ...]
    locations: tuple[str, ...]
    _rows: dict[str, Row] = field(default_factory=dict)
    _plans: dict[tuple[str | None, ...], tuple[Row, Conversion | None]] = field(default_factory=dict)

    def rows(self) -> tuple[Row, ...]:
        """The rows that every connector has: each measurand without phase, at its usual location."""
        return tuple(self._row(measurand, "", "") for measurand in self.known.values())

    def row_of(self, key: str) -> Row | None:
        """The row of `MeterValues.<Measurand>[.<Phase>][.<Location>]`, None where OCPP has no such thing."""
        found = self._rows.get(key)
        if found is not None or not key.startswith(FOLDER + "."):
            return found
        name = key[len(FOLDER) + 1 :]
        head, _, location = name.rpartition(".")
        if location not in self.locations:
            head, location = name, ""
        measurand, phase = self.known.get(head), ""
        if measurand is None:
            head, _, phase = head.rpartition(".")
            measurand = self.known.get(head)
        if measurand is None or (phase and phase not in self.phases) or location == measurand.location:
            return None
        return self._row(measurand, phase, location)

    def readings(self, meter_values: Any, unit_of: UnitOf | None = None) -> list[Reading]:
        """Every numeric sampled value of a MeterValue array, in order; what is none is passed over.

        `unit_of` gives the unit of a sampled value and the factor of its multiplier; without it the field `unit`
        is the unit (OCPP 1.6).
        """
        found: list[Reading] = []
        for meter_value in meter_values if isinstance(meter_values, list) else [meter_values]:
            if isinstance(meter_value, dict):
                time, samples = _time(meter_value.get("timestamp")), meter_value.get("sampledValue")
                self._read(samples if isinstance(samples, list) else [samples], time, unit_of, found)
        return found

    def _read(self, samples: list[Any], time: float | None, unit_of: UnitOf | None, found: list[Reading]) -> None:
        plans, factor = self._plans, 1.0
        for sample in samples:
            if not isinstance(sample, dict) or sample.get("format") == "SignedData":
                continue
            get = sample.get
            unit = get("unit")
            if unit_of is not None:
                unit, factor = unit_of(sample)
            plan_key = get("measurand"), get("phase"), get("location"), unit
            try:
                plan = plans.get(plan_key) or self._plan(*plan_key)
            except TypeError:  # a list or an object where a name belongs
                continue
            if plan is None:
                continue
            row, conversion = plan
            try:
                value = number(get("value"))
            except ValueError as error:
                found.append(Reading(row, None, time, f"{row.name}: {error}"))
                continue
            if conversion is None:
                found.append(Reading(row, None, time, f"{row.name}: {str(unit)[:50]} is no unit of it"))
                continue
            if factor != 1.0 or conversion.converts:
                value = conversion.apply(value * factor)
                if not isfinite(value):
                    found.append(Reading(row, None, time, f"{row.name}: too large a number"))
                    continue
            found.append(_new(Reading, (row, value, time, "")))

    def _plan(self, *given: str | None) -> tuple[Row, Conversion | None] | None:
        """The row of a sampled value and how its unit is converted: by measurand, phase, location and unit."""
        name, phase, location, unit = given[0] or DEFAULT, given[1] or "", given[2] or "", given[3] or ""
        measurand = self.known.get(name)
        if measurand is None or (phase and phase not in self.phases):
            return None
        if location and location not in self.locations:
            return None
        row = self._row(measurand, phase, "" if location == measurand.location else location)
        conversion = CONVERSIONS.get(unit or measurand.unit, None if unit else Conversion(""))
        if conversion is not None and conversion.base != measurand.unit:
            conversion = None
        plan = (row, conversion)
        if conversion is not None:  # whatever stations send as a unit, the memory stays bounded
            self._plans[given] = plan
        return plan

    def _row(self, measurand: Measurand, phase: str, location: str) -> Row:
        name = ".".join(part for part in (measurand.name, phase, location) if part)
        key = f"{FOLDER}.{name}"
        row = self._rows.get(key)
        if row is None:
            suffix = "".join(f", {part}" for part in (phase, location) if part)
            row = self._rows[key] = Row(
                folder=FOLDER,
                name=name,
                type=Type.DOUBLE,
                unit=measurand.unit,
                description=measurand.description + suffix,
                source="MeterValues, StopTransaction.transactionData",
            )
        return row


def _time(text: Any) -> float | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
