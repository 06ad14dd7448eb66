"""Units: the base units that points are shown in, and what every other unit becomes.

A table of base units with their UNECE common codes (UN/CEFACT Rec. 20, OPC 10000-8 §5.6.3), and a table
of the units that stations send, of OCPP 1.6 (§7.45 UnitOfMeasure, with its misspelling) and 2.x.
"""

from dataclasses import dataclass


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
