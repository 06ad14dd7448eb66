"""What flows through a connector: a car that takes what it can, and the meter that measures it. Pure."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

PHASES = ("L1", "L2", "L3")
MAX_CURRENT = 32.0  # A per phase, what the station gives
MIN_CURRENT = 6.0  # A per phase, below which no car charges (IEC 61851-1)


class Reading(NamedTuple):
    """One thing that a meter shows, under OCPP's own names."""

    measurand: str
    value: float
    unit: str
    phase: str | None = None
    location: str | None = None


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

    def interrupt(self) -> None:
        """No power flows any more; the car is still there."""
        self.currents = [0.0, 0.0, 0.0]

    def unplug(self) -> None:
        """The car goes; the register stays."""
        self.car = None
        self.interrupt()

    def _draw(self, limit: float) -> None:
        current = 0.0 if self.car is None else round(min(limit, self.car.wants()), 1)
        if current < MIN_CURRENT:
            current = 0.0
        phases = 0 if self.car is None else self.car.phases
        self.currents = [current if phase < phases else 0.0 for phase in range(3)]

    def readings(self) -> list[Reading]:
        """Everything that is measured, in base units."""
        found = [
            self.register(),
            Reading("Power.Active.Import", round(self.power, 4), "W"),
            Reading("Temperature", round(self.temperature, 1), "Celsius", location="Body"),
        ]
        for phase, volts, amperes, watts in zip(PHASES, self.voltages, self.currents, self.powers, strict=True):
            found += [
                Reading("Power.Active.Import", round(watts, 1), "W", phase),
                Reading("Current.Import", amperes, "A", phase),
                Reading("Voltage", volts, "V", f"{phase}-N"),
            ]
        if self.car is not None:
            found.append(Reading("SoC", round(self.car.soc, 1), "Percent", location="EV"))
        return found

    def register(self) -> Reading:
        """The energy register."""
        return Reading("Energy.Active.Import.Register", round(self.energy), "Wh")
