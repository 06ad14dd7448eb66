"""Parts of payloads of OCPP 1.6, whose keys are in snake case."""

from collections.abc import Mapping
from typing import Any

from bridge.simulator.physics import Meter, Reading
from bridge.simulator.profiles import Profile

KILO = {"Wh": "kWh", "W": "kW"}


def samples(meter: Meter, context: str, *, kilo: bool) -> list[dict[str, Any]]:
    """Sampled values (§7.43); `kilo`: register and power in kWh and kW, as many stations do."""
    return [sample(reading, context, kilo=kilo and reading.phase is None) for reading in meter.readings()]


def sample(reading: Reading, context: str, *, kilo: bool = False) -> dict[str, Any]:
    kilo = kilo and reading.unit in KILO
    more = {"phase": reading.phase, "location": reading.location}
    return {
        "value": f"{reading.value / 1000:.4f}" if kilo else str(reading.value),
        "measurand": reading.measurand,
        "unit": KILO[reading.unit] if kilo else reading.unit,
        "context": context,
        **{name: value for name, value in more.items() if value is not None},
    }


def parse_profile(connector: int, data: Mapping[str, Any], now: float) -> Profile:
    """A ChargingProfile (§7.8). Raises KeyError, TypeError or ValueError."""
    schedule = data["charging_schedule"]
    periods = ((p["start_period"], p["limit"]) for p in schedule["charging_schedule_period"])
    return Profile(
        id=int(data["charging_profile_id"]),
        connector=connector,
        purpose=str(data["charging_profile_purpose"]),
        stack_level=int(data["stack_level"]),
        unit=str(schedule["charging_rate_unit"]),
        periods=tuple(sorted((float(start), float(limit)) for start, limit in periods)),
        since=now,
    )


def certificate_key(data: Mapping[str, str]) -> tuple[str, ...]:
    """What identifies a certificate (CertificateHashData)."""
    return data["issuer_name_hash"], data["issuer_key_hash"], data["serial_number"]


def is_accepted(id_tag_info: Any) -> bool:
    """An IdTagInfo says yes."""
    return isinstance(id_tag_info, dict) and id_tag_info.get("status") == "Accepted"
