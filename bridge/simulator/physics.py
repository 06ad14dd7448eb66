"""What flows through a connector: a car that takes what it can, and the meter that measures it. Pure."""

from dataclasses import dataclass
from random import Random
from typing import Any

PHASES = ("L1", "L2", "L3")
MAX_CURRENT = 32.0  # A per phase, what the station gives
MIN_CURRENT = 6.0  # A per phase, below which no car charges (IEC 61851-1)


@dataclass(slots=True)
class Car:
    """A car at the plug: battery in Wh, state of charge in percent, what it takes at most per phase in A."""

    capacity: float
    soc: float
    max_current: float
    phases: int

    @classmethod
    def arrives(cls, random: Random) -> "Car":
        """Some car, not full."""
        phases, max_current = random.choice(((1, 16.0), (1, 32.0), (3, 16.0), (3, 16.0), (3, 32.0)))
        return cls(random.choice((40e3, 58e3, 77e3)), round(random.uniform(10, 70), 1), max_current, phases)

    def wants(self) -> float:
        """A per phase: all that it can take up to 80 percent, then less and less, at 100 percent nothing."""
        taper = min(1.0, (100.0 - self.soc) / 20.0)
        return 0.0 if self.soc >= 100.0 else max(MIN_CURRENT, self.max_current * taper)


class Meter:
    """The meter of a connector. Between two calls of `advance` voltages and currents stand still."""

    __slots__ = ("_random", "car", "currents", "energy", "temperature", "voltages")

    def __init__(self, random: Random) -> None:
        self._random = random
        self.energy = float(random.randrange(5_000_000))  # Wh, the register
        self.car: Car | None = None
        self.voltages = [230.0, 230.0, 230.0]
        self.currents = [0.0, 0.0, 0.0]
        self.temperature = 20.0

    @property
    def powers(self) -> list[float]:
        """W per phase."""
        return [volts * amperes for volts, amperes in zip(self.voltages, self.currents, strict=True)]

    @property
    def power(self) -> float:
        """W."""
        return sum(self.powers)

    def advance(self, seconds: float, limit: float | None = None) -> None:
        """Lets `seconds` pass; `limit` is what the station may give from now on, in A per phase."""
        if self.car is not None:
            gained = min(
                self.power * seconds / 3600.0, self.car.capacity * (100.0 - self.car.soc) / 100.0
            )  # a full battery takes no more
            self.energy += gained
            self.car.soc = min(100.0, self.car.soc + 100.0 * gained / self.car.capacity)
        self.temperature += (20.0 + self.power / 1000.0 - self.temperature) * min(1.0, seconds / 600.0)
        self.voltages = [round(self._random.uniform(228.0, 232.0), 1) for _ in PHASES]
        self._draw(MAX_CURRENT if limit is None else min(limit, MAX_CURRENT))

    def unplug(self) -> None:
        """The car goes; the register stays."""
        self.car = None
        self.currents = [0.0, 0.0, 0.0]

    def _draw(self, limit: float) -> None:
        current = 0.0 if self.car is None else round(min(limit, self.car.wants()), 1)
        if current < MIN_CURRENT:
            current = 0.0
        phases = 0 if self.car is None else self.car.phases
        self.currents = [current if phase < phases else 0.0 for phase in range(3)]

    def samples(self, context: str, *, kilo: bool) -> list[dict[str, Any]]:
        """Sampled values (OCPP 1.6 §7.43); `kilo`: register and power in kWh and kW, as many stations do."""
        thousand = 1000.0 if kilo else 1.0
        register = round(self.energy)
        found = [
            _sample(
                f"{register / 1000:.3f}" if kilo else str(register),
                "Energy.Active.Import.Register",
                "kWh" if kilo else "Wh",
            ),
            _sample(f"{self.power / thousand:.4f}", "Power.Active.Import", "kW" if kilo else "W"),
            _sample(f"{self.temperature:.1f}", "Temperature", "Celsius", location="Body"),
        ]
        for phase, volts, amperes, watts in zip(PHASES, self.voltages, self.currents, self.powers, strict=True):
            found += [
                _sample(f"{watts:.1f}", "Power.Active.Import", "W", phase=phase),
                _sample(f"{amperes:.1f}", "Current.Import", "A", phase=phase),
                _sample(f"{volts:.1f}", "Voltage", "V", phase=f"{phase}-N"),
            ]
        if self.car is not None:
            found.append(_sample(f"{self.car.soc:.1f}", "SoC", "Percent", location="EV"))
        return [{**sample, "context": context} for sample in found]

    def register(self, context: str) -> dict[str, Any]:
        """The energy register alone, for StopTransaction.transactionData."""
        return {**_sample(str(round(self.energy)), "Energy.Active.Import.Register", "Wh"), "context": context}


def _sample(value: str, measurand: str, unit: str, **more: str) -> dict[str, Any]:
    return {"value": value, "measurand": measurand, "unit": unit, **more}
