"""Charging profiles, as far as a simple station understands them: what limits the current now. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Profile:
    """A ChargingProfile that runs from `since` for a connector or an EVSE (0: all). `periods`: (s, limit in unit)."""

    id: int
    connector: int
    purpose: str
    stack_level: int
    unit: str
    periods: tuple[tuple[float, float], ...]
    since: float
    data: Mapping[str, Any] = field(default_factory=dict)  # as it came

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

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._held)

    def put(self, profile: Profile) -> None:
        """Takes a profile in, in place of the one with its id or at its place in the stack (OCPP 1.6 §5.16)."""
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
        """Drops what fits all that is given (OCPP 1.6 §5.5); True when there was something."""
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
