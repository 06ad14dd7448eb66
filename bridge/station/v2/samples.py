"""Sampled values of OCPP 2.x: their unit, and the energy register that a transaction is reckoned by."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, NamedTuple

from bridge.points.measurands import DEFAULT
from bridge.points.units import HIGHEST, conversion_of, unit_said
from bridge.points.values import number, parse_time

#: of a sampled value, all but what says its unit
_FIELDS = frozenset({"context", "customData", "location", "measurand", "phase", "signedMeterValue", "value"})


class Register(NamedTuple):
    """A value of the energy register (Wh): the station's time of it (None: not said), and its reading context."""

    value: float
    time: float | None
    context: str


def unit_of(sample: Mapping[str, Any]) -> tuple[str, float]:
    """A sampled value's unit ("": the measurand's own), and the factor of its multiplier (OCPP 2.0.1 §2.52).

    The factor of a multiplier that makes no sense is NaN, so that the value counts as unreadable.
    """
    measure = sample.get("unitOfMeasure")
    if type(measure) is dict:
        unit, multiplier = measure.get("unit"), measure.get("multiplier", 0)
        if type(unit) is str and type(multiplier) is int and abs(multiplier) <= HIGHEST:
            return unit, 10.0**multiplier
    elif measure is None and sample.keys() <= _FIELDS:
        return "", 1.0
    return unit_said(sample)


def registers(meter_values: Any) -> Iterator[Register]:
    """The readings of Energy.Active.Import.Register in a MeterValue array, all phases together, at the outlet."""
    for meter_value in meter_values if isinstance(meter_values, list) else []:
        samples = meter_value.get("sampledValue") if isinstance(meter_value, dict) else None
        for sample in samples if isinstance(samples, list) else []:
            if not isinstance(sample, dict) or not _is_register(sample):
                continue
            value = _watt_hours(sample)
            if value is not None:
                context = sample.get("context")
                yield Register(value, _time(meter_value), context if isinstance(context, str) else "")


def _is_register(sample: Mapping[str, Any]) -> bool:
    measurand, location = sample.get("measurand", DEFAULT), sample.get("location", "Outlet")
    return measurand == DEFAULT and location == "Outlet" and not sample.get("phase")


def _watt_hours(sample: Mapping[str, Any]) -> float | None:
    unit, factor = unit_of(sample)
    conversion = conversion_of(unit or "Wh")
    if conversion is None or conversion.base != "Wh":
        return None
    try:
        value = conversion.apply(scaled(number(sample.get("value")), factor))
    except ValueError:
        return None
    return value if isfinite(value) else None


def scaled(value: float, factor: float) -> float:
    """`value * factor` without the noise of binary fractions: a double holds 15 decimal digits."""
    return value if factor == 1.0 else float(f"{value * factor:.15g}")


def _time(meter_value: Mapping[str, Any]) -> float | None:
    try:
        return parse_time(meter_value.get("timestamp"))
    except ValueError:
        return None
