"""What a simulated station is like, and what is counted of all of them."""

from collections.abc import Callable
from dataclasses import dataclass

#: told of what happens: the station's id, what, and more about it
OnEvent = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStation:
    """One station. Times are seconds of its own life, which runs `speed` times as fast as ours.

    What the protocol times (heartbeat, retries, back-off) is in real seconds whatever the speed. Energy is
    power times the station's own time. `heartbeat` None: the interval that the central system says.
    """

    id: str
    connectors: int = 2
    id_tags: tuple[str, ...] = ("TAG-1", "TAG-2", "TAG-3", "TAG-4")
    password: str | None = None  # HTTP basic authentication, with the id as user
    heartbeat: float | None = None
    meter_interval: float = 10.0
    charge_time: float = 120.0
    pause: float = 30.0
    speed: float = 1.0
    seed: int = 0
    boot_retry: float = 30.0  # where the central system leaves the interval to us (OCPP 1.6 §4.2)
    back_off: tuple[float, float] = (1.0, 30.0)  # before the first and, doubled each time, before any other try
    call_timeout: float = 30.0


@dataclass(slots=True)
class Counters:
    """What all stations did together."""

    connected: int = 0  # now
    boots: int = 0  # that were accepted
    calls: int = 0  # that were answered
    commands: int = 0  # of the central system, that we answered
    errors: int = 0  # failed connections and calls
    transactions: int = 0  # that were started
    stopped: int = 0  # transactions that have ended
