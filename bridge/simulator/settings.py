"""What a simulated station is like, and what is counted of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: told of what happens: the station's id, what, and more about it
OnEvent = Callable[[str, str, str], None]
Version = Literal["1.6", "2.0.1", "2.1"]
#: BootReasonEnumType of 2.x
BootReason = Literal[
    "ApplicationReset",
    "FirmwareUpdate",
    "LocalReset",
    "PowerUp",
    "RemoteReset",
    "ScheduledReset",
    "Triggered",
    "Unknown",
    "Watchdog",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStation:
    """One station. Times are seconds of its own life, which runs `speed` times as fast as ours.

    What the protocol times (heartbeat, retries, back-off) is in real seconds whatever the speed, and so are
    outages. Energy is power times the station's own time. `heartbeat` None: the interval that the central system
    says. `outage_every`: the line is cut about so often, for `outage` seconds.

    OCPP 2.x: `connectors` counts the EVSEs, each with `evse_connectors`; `boot_reason` is that of the first boot;
    `signed`: the energy register is also signed (SignedMeterValueType).
    """

    id: str
    ocpp: Version = "1.6"
    connectors: int = 2
    evse_connectors: int = 1
    id_tags: tuple[str, ...] = ("TAG-1", "TAG-2", "TAG-3", "TAG-4")
    password: str | None = None  # HTTP basic authentication, with the id as user
    heartbeat: float | None = None
    meter_interval: float = 10.0
    charge_time: float = 120.0
    pause: float = 30.0
    speed: float = 1.0
    seed: int = 0
    boot_reason: BootReason = "PowerUp"
    signed: bool = False
    outage_every: float | None = None
    outage: float = 10.0
    boot_retry: float = 30.0  # where the central system leaves the interval to us (OCPP 1.6 §4.2, 2.0.1 B02)
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
