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


def unit_v16(sample: Mapping[str, Any]) -> tuple[str, float]:
    """The unit of an OCPP 1.6 sampled value, and the factor that its value is to be multiplied by."""
    unit = sample.get("unit")
    return (unit if isinstance(unit, str) else ""), 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Measurands:
    """The table of measurands, phases and locations, and the rows made from them so far."""

    known: Mapping[str, Measurand]
    phases: tuple[str, ...]
    locations: tuple[str, ...]
    _rows: dict[str, Row] = field(default_factory=dict)
    _plans: dict[tuple[str, str, str, str], tuple[Row, Conversion | None]] = field(default_factory=dict)

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

    def readings(self, meter_values: Any, unit_of: UnitOf = unit_v16) -> list[Reading]:
        """Every numeric sampled value of a MeterValue array, in order; what is none is passed over."""
        found: list[Reading] = []
        for meter_value in meter_values if isinstance(meter_values, list) else [meter_values]:
            if not isinstance(meter_value, dict):
                continue
            time, samples = _time(meter_value.get("timestamp")), meter_value.get("sampledValue")
            for sample in samples if isinstance(samples, list) else [samples]:
                if isinstance(sample, dict) and sample.get("format") != "SignedData":
                    self._read(sample, time, unit_of, found)
        return found

    def _read(
        self, sample: Mapping[str, Any], time: float | None, unit_of: UnitOf, found: list[Reading]
    ) -> None:
        get = sample.get
        unit, factor = unit_of(sample)
        plan_key = (get("measurand") or DEFAULT, get("phase") or "", get("location") or "", unit)
        try:
            plan = self._plans.get(plan_key) or self._plan(*plan_key)
        except TypeError:  # a list or an object where a name belongs
            return
        if plan is None:
            return
        row, conversion = plan
        try:
            value = number(get("value"))
        except ValueError as error:
            found.append(Reading(row, None, time, f"{row.name}: {error}"))
            return
        if conversion is None:
            found.append(Reading(row, None, time, f"{row.name}: {unit[:50]} is no unit of it"))
            return
        if factor != 1.0 or conversion.converts:
            value = conversion.apply(value * factor)
            if not isfinite(value):
                found.append(Reading(row, None, time, f"{row.name}: too large a number"))
                return
        found.append(Reading(row, value, time))

    def _plan(self, name: str, phase: str, location: str, unit: str) -> tuple[Row, Conversion | None] | None:
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
            self._plans[(name, phase, location, unit)] = plan
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
