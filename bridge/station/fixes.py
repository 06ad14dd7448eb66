"""What a profile says is wrong with a station's messages, put right before anybody reads them. Pure."""

from collections.abc import Mapping
from typing import Any

from bridge.points.measurands import DEFAULT
from bridge.points.units import CONVERSIONS
from bridge.points.values import format_time, number, parse_time
from bridge.station.profiles.settings import Settings

#: fields with the time of the station's own clock
TIMES = frozenset({"basetime", "generatedAt", "settlementTime", "timeBase", "timestamp"})
#: fields with the energy register of a transaction (OCPP 1.6)
METERS = frozenset({"meterStart", "meterStop"})


def needs_fixing(settings: Settings) -> bool:
    """Whether the messages of a station with these settings have to be looked through at all."""
    return bool(settings.units or settings.phases or settings.clock_offset or settings.meter)


def fixed(payload: Mapping[str, Any], settings: Settings, version: str) -> dict[str, Any]:
    """A copy of a request's payload with its times, units and names of phases as they are meant."""
    return {name: _below(name, child, settings, version) for name, child in payload.items()}


def _below(name: str, node: Any, settings: Settings, version: str) -> Any:
    if name in METERS and settings.meter:
        return _metered(node, settings.meter)
    if isinstance(node, str):
        return _shifted(node, settings.clock_offset) if name in TIMES and settings.clock_offset else node
    if isinstance(node, list):
        return [_below(name, child, settings, version) for child in node]
    if not isinstance(node, dict):
        return node
    return _sample(node, settings, version) if name == "sampledValue" else fixed(node, settings, version)


def _shifted(stamp: str, offset: float) -> str:
    try:
        return format_time(parse_time(stamp) - offset)
    except (ValueError, OverflowError, OSError):  # no time, or none that a calendar has
        return stamp


def _metered(register: Any, unit: str) -> Any:
    """A register in Wh; OCPP has it as an integer."""
    try:
        found = CONVERSIONS[unit].apply(number(register))
    except ValueError:
        return register
    return int(found) if found.is_integer() else found


def _sample(sample: dict[str, Any], settings: Settings, version: str) -> dict[str, Any]:
    found = dict(sample)
    measurand, phase = sample.get("measurand", DEFAULT), sample.get("phase")
    unit = settings.units.get(measurand) if isinstance(measurand, str) else None
    if unit is not None and version == "1.6":
        found["unit"] = unit
    elif unit is not None:
        found["unitOfMeasure"] = {"unit": unit}  # without a multiplier: the value is in this unit
    if isinstance(phase, str) and phase in settings.phases:
        found["phase"] = settings.phases[phase]
        if not found["phase"]:
            del found["phase"]
    return found
