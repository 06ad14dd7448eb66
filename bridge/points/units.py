"""Units: the base units that points are shown in, and what every other unit becomes.

A table of base units with their UNECE common codes (UN/CEFACT Rec. 20, OPC 10000-8 §5.6.3), and a table
of the units that stations send, of OCPP 1.6 (§7.45 UnitOfMeasure, with its misspelling) and 2.x.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any


@dataclass(frozen=True, slots=True)
class Unit:
    """A base unit: `code` is its UNECE common code, "" where UNECE has none."""

    symbol: str
    code: str
    description: str

    @property
    def id(self) -> int:
        """UnitId of EngineeringUnits: the code's ASCII bytes as a number, -1: none (OPC 10000-8 §5.6.3.3)."""
        return int.from_bytes(self.code.encode("ascii"), "big") if self.code else -1


@dataclass(frozen=True, slots=True)
class Conversion:
    """`base value = value * factor + offset`"""

    base: str
    factor: float = 1.0
    offset: float = 0.0

    @property
    def converts(self) -> bool:
        """Whether it changes a value at all."""
        return self.factor != 1.0 or self.offset != 0.0

    def apply(self, value: float) -> float:
        """The value in the base unit, without the noise of binary fractions: 0.57 kWh are 570 Wh."""
        if self.offset:
            return round(value * self.factor + self.offset, 9)
        if self.factor == 1.0:
            return value
        return float(f"{value * self.factor:.15g}")  # a double holds 15 decimal digits


UNITS = {
    unit.symbol: unit
    for unit in (
        Unit("Wh", "WHR", "watt hour"),
        Unit("W", "WTT", "watt"),
        Unit("A", "AMP", "ampere"),
        Unit("V", "VLT", "volt"),
        Unit("varh", "", "volt ampere reactive hour"),
        Unit("var", "D44", "volt ampere reactive"),
        Unit("VA", "D46", "volt ampere"),
        Unit("VAh", "", "volt ampere hour"),
        Unit("Hz", "HTZ", "hertz"),
        Unit("Celsius", "CEL", "degree Celsius"),
        Unit("Percent", "P1", "percent"),
        Unit("s", "SEC", "second"),
        Unit("rpm", "RPM", "revolutions per minute"),
    )
}

#: further units of 2.x device models, whose values stay as the station gives them (OCPP 2.0.1 part 2 appendix 2)
NAMED = {
    unit.symbol: unit
    for unit in (
        Unit("kWh", "KWH", "kilowatt hour"),
        Unit("kW", "KWT", "kilowatt"),
        Unit("kVA", "KVA", "kilovolt ampere"),
        Unit("kvar", "KVR", "kilovolt ampere reactive"),
        Unit("Fahrenheit", "FAH", "degree Fahrenheit"),
        Unit("K", "KEL", "kelvin"),
        Unit("Ohm", "OHM", "ohm"),
        Unit("B", "AD", "byte"),
        Unit("dB", "2N", "decibel"),
        Unit("dBm", "DBM", "decibel-milliwatt"),
        Unit("Deg", "DD", "degree"),
        Unit("lx", "LUX", "lux"),
        Unit("m", "MTR", "metre"),
        Unit("N", "NEW", "newton"),
        Unit("kPa", "KPA", "kilopascal"),
        Unit("ms", "C26", "millisecond"),
        Unit("min", "MIN", "minute"),
        Unit("h", "HUR", "hour"),
        Unit("d", "DAY", "day"),
    )
}


def unit_named(symbol: str) -> Unit:
    """The unit with this name; one that is in no table has its name and no code."""
    return UNITS.get(symbol) or NAMED.get(symbol) or Unit(symbol, "", symbol)


CONVERSIONS = {
    **{symbol: Conversion(symbol) for symbol in UNITS},
    "kWh": Conversion("Wh", 1000.0),
    "kW": Conversion("W", 1000.0),
    "kvarh": Conversion("varh", 1000.0),
    "kvar": Conversion("var", 1000.0),
    "kVA": Conversion("VA", 1000.0),
    "kVAh": Conversion("VAh", 1000.0),
    "Celcius": Conversion("Celsius"),  # OCPP 1.6's schemas spell it so
    "K": Conversion("Celsius", 1.0, -273.15),
    "Fahrenheit": Conversion("Celsius", 5.0 / 9.0, -160.0 / 9.0),
    "Hertz": Conversion("Hz"),
    "RPM": Conversion("rpm"),
}

#: the same by names in small letters: there are stations that send `kwh`, `KWH` and `w`
_FOLDED = {symbol.lower(): conversion for symbol, conversion in CONVERSIONS.items()} | {
    "%": CONVERSIONS["Percent"],
    "c": CONVERSIONS["Celsius"],
    "°c": CONVERSIONS["Celsius"],
}


def conversion_of(unit: str) -> Conversion | None:
    """How values in a unit become values in its base unit; None for a unit that nobody knows."""
    return CONVERSIONS.get(unit) or _FOLDED.get(unit.strip().lower())


UNREADABLE = "?"
"""In place of a unit that was said and cannot be understood: no unit of any measurand."""
_OF_MEASURE = frozenset({"customdata", "multiplier", "unit"})
HIGHEST = 30
"""Powers of ten of a multiplier; no unit has more."""


def unit_said(sample: Mapping[str, Any]) -> tuple[str, float]:
    """The unit of a sampled value ("": none is said) and the factor of its multiplier, however the station puts it.

    OCPP 1.6 has the field `unit`, 2.x an object `unitOfMeasure`; there are stations that have the other's, a text for
    the object, an array of one, or another name that begins with `unit`. What is said and cannot be understood is
    UNREADABLE, and a multiplier that makes no sense NaN: the value must not be taken for one of the usual unit.
    """
    found: set[str] = set()
    factor = 1.0
    for name, said in sample.items():
        if name[:4].lower() != "unit":
            continue
        unit, multiplier = _unwrapped(said)
        if unit or (said == {} and name.lower() == "unit"):
            found.add(unit or UNREADABLE)
        if multiplier != 1.0:
            factor = multiplier
    return (found.pop() if len(found) == 1 else UNREADABLE if found else ""), factor


def _unwrapped(said: Any) -> tuple[str, float]:
    """A unit and the factor of its multiplier, of a text, an object, or an array of one of them."""
    if isinstance(said, list):
        return _unwrapped(said[0]) if len(said) == 1 and not isinstance(said[0], list) else (UNREADABLE, 1.0)
    if not isinstance(said, dict):
        return said if isinstance(said, str) else "" if said is None else UNREADABLE, 1.0
    fields = {name.lower(): child for name, child in said.items()}
    unit, multiplier = fields.get("unit"), fields.get("multiplier")
    if isinstance(unit, list) and len(unit) == 1:
        unit = unit[0]
    if not isinstance(unit, str):
        unit = "" if unit is None and fields.keys() <= _OF_MEASURE else UNREADABLE
    if "multiplier" not in fields:
        return unit, 1.0
    if type(multiplier) is not int or abs(multiplier) > HIGHEST:
        return unit, nan
    return unit, 10.0**multiplier
