"""Charging profiles, as far as a simple station understands them: what limits the current now. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Profile:
    """A ChargingProfile (OCPP 1.6 §7.8), set at `since` for a connector (0: all). `periods`: (s, limit in unit)."""

    id: int
    connector: int
    purpose: str
    stack_level: int
    unit: str
    periods: tuple[tuple[float, float], ...]
    since: float

    @classmethod
    def parse(cls, connector: int, data: Mapping[str, Any], now: float) -> "Profile":
        """From the message, whose keys are in snake case. Raises KeyError, TypeError or ValueError."""
        schedule = data["charging_schedule"]
        periods = ((p["start_period"], p["limit"]) for p in schedule["charging_schedule_period"])
        return cls(
            id=int(data["charging_profile_id"]),
            connector=connector,
            purpose=str(data["charging_profile_purpose"]),
            stack_level=int(data["stack_level"]),
            unit=str(schedule["charging_rate_unit"]),
            periods=tuple(sorted((float(start), float(limit)) for start, limit in periods)),
            since=now,
        )

    def amperes(self, now: float, volts: float, phases: int) -> float | None:
        """The limit now, in A per phase; None before the first period."""
        limits = [limit for start, limit in self.periods if start <= now - self.since]
        if not limits:
            return None
        return limits[-1] if self.unit == "A" else limits[-1] / (volts * max(phases, 1))


class Profiles:
    """The profiles that a station holds."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Profile] = []

    def put(self, profile: Profile) -> None:
        """Takes a profile in, in place of the one with its id or at its place in the stack (§5.16)."""
        place = (profile.connector, profile.purpose, profile.stack_level)
        self._held = [
            held
            for held in self._held
            if held.id != profile.id and (held.connector, held.purpose, held.stack_level) != place
        ]
        self._held.append(profile)

    def clear(
        self,
        id: int | None = None,  # noqa: A002 - OCPP's own name
        connector_id: int | None = None,
        charging_profile_purpose: str | None = None,
        stack_level: int | None = None,
    ) -> bool:
        """Drops what fits all that is given (§5.5); True when there was something."""
        before = len(self._held)
        self._held = [
            held
            for held in self._held
            if (id is not None and held.id != id)
            or (id is None and connector_id is not None and held.connector != connector_id)
            or (id is None and charging_profile_purpose not in (None, held.purpose))
            or (id is None and stack_level not in (None, held.stack_level))
        ]
        return len(self._held) < before

    def end_transaction(self, connector: int) -> None:
        """A TxProfile lives as long as its transaction."""
        self.clear(connector_id=connector, charging_profile_purpose="TxProfile")

    def amperes(self, connector: int, now: float, volts: float, phases: int) -> float | None:
        """The least limit for a connector, in A per phase; None: no limit."""
        limits = [
            limit
            for held in self._held
            if held.connector in (0, connector) and (limit := held.amperes(now, volts, phases)) is not None
        ]
        return min(limits, default=None)
