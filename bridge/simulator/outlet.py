"""The life where one car charges at a time: customers come, charge and go. A version's messages are its subclasses'."""

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random
from typing import Protocol

from bridge.simulator.physics import Car, Meter
from bridge.simulator.profiles import Profiles
from bridge.simulator.settings import Counters, SimulatedStation
from bridge.simulator.timing import happens


class Host(Protocol):
    """What an outlet needs of its station."""

    settings: SimulatedStation
    profiles: Profiles
    counters: Counters

    def tell(self, event: str, detail: str) -> None:
        """Says what happens."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who charges next; `remote`: started by the central system, in 2.x with this `remote_id` and kind of token."""

    id_tag: str
    remote: bool = False
    remote_id: int | None = None
    kind: str = "ISO14443"


@dataclass(frozen=True, slots=True)
class Reservation:
    id: int
    id_tag: str
    expires: float  # Unix seconds


class Outlet(ABC):
    """A connector of 1.6, an EVSE of 2.x. The central system's commands call its plain methods; `run` is its life."""

    def __init__(self, number: int, host: Host, random: Random) -> None:
        self.number = number
        self.meter = Meter(random)
        self.status = "Available"
        self.operative = True
        self.open = asyncio.Event()  # while it is not set, new customers wait
        self.open.set()
        self.reservation: Reservation | None = None
        self.idle = asyncio.Event()
        self.idle.set()
        self._host = host
        self._random = random
        self._next: Customer | None = None
        self._woken = asyncio.Event()
        self._stop = asyncio.Event()
        self._stop_reason = ""
        self._metered = 0.0  # monotonic; 0: no power flows

    @property
    def free(self) -> bool:
        """A customer may come."""
        return self.status in ("Available", "Reserved") and self._next is None

    async def run(self) -> None:
        """Customers, one after another, for ever."""
        await self._pause(self._random.uniform(0.1, 1.0))
        while True:
            customer = await self._next_customer()
            self.idle.clear()
            try:
                self._stop.clear()
                self._stop_reason = ""
                self.meter.car = Car.arrives(self._random)
                await self._serve(customer)
            finally:
                self._leave()
            await self._report(self._at_rest())
            self.idle.set()
            await self._pause(self._random.uniform(0.5, 1.5))

    def come(self, customer: Customer) -> None:
        """Somebody starts from afar."""
        self._next = customer
        self._woken.set()

    def stop(self, reason: str) -> None:
        """Ends what is going on here."""
        self._stop_reason = reason
        self._stop.set()

    async def set_operative(self, operative: bool) -> None:
        """ChangeAvailability takes effect at once where nobody charges, else afterwards."""
        self.operative = operative
        self._woken.set()
        if self.idle.is_set():
            await self._report(self._at_rest())

    async def reserve(self, reservation: Reservation | None) -> None:
        """Keeps the outlet for somebody, or no longer (None)."""
        self.reservation = reservation
        self._woken.set()
        if self.idle.is_set():
            await self._report(self._at_rest())

    @abstractmethod
    async def send_status(self) -> None:
        """Tells the central system what goes on here."""

    @abstractmethod
    async def _serve(self, customer: Customer) -> None:
        """A customer's visit, from the plug to the plug."""

    @abstractmethod
    async def _measure(self) -> None:
        """Tells the central system what flows."""

    @abstractmethod
    async def _report_flow(self, state: str) -> None:
        """Charging, SuspendedEV or SuspendedEVSE from now on, or still."""

    @abstractmethod
    def _measuring_interval(self) -> float:
        """Seconds of the station's own time; 0: never."""

    async def _expired(self) -> None:
        """A reservation's time is over."""
        await self.reserve(None)

    async def _next_customer(self) -> Customer:
        """Who was sent from afar, else somebody with one of the tags, once the outlet is free for him."""
        while True:
            await self.open.wait()
            self._woken.clear()
            if self.reservation and self.reservation.expires <= time.time():
                await self._expired()
                self._woken.clear()
            customer, self._next = self._next, None
            if customer is None and self.reservation is None:
                customer = Customer(self._random.choice(self._host.settings.id_tags))
            if customer is not None and self.operative:
                return customer
            expires = self.reservation.expires - time.time() if self.reservation else None
            await happens(self._woken, expires)

    async def _charge(self) -> None:
        """Power flows until it is stopped, or the customer has enough."""
        settings = self._host.settings
        ends = time.monotonic() + self._random.uniform(0.7, 1.3) * settings.charge_time / settings.speed
        self._metered = time.monotonic()
        self._advance()
        await self._report_flow("Charging")
        while not self._stop.is_set():
            left = ends - time.monotonic()
            if left <= 0:
                return
            interval = self._measuring_interval()
            pace = interval / settings.speed if interval > 0 else left
            if await happens(self._stop, min(left, pace)):
                return
            if interval > 0:
                await self._measure()
            await self._report_flow(self._flowing())

    def _leave(self) -> None:
        self._metered = 0.0
        self.meter.unplug()
        self._host.profiles.end_transaction(self.number)

    def _advance(self) -> None:
        """Brings the meter up to now."""
        now, car = time.monotonic(), self.meter.car
        if not self._metered or car is None:
            return
        volts, phases = self.meter.voltages[0], car.phases
        limit = self._host.profiles.amperes(self.number, time.time(), volts, phases)
        self.meter.advance((now - self._metered) * self._host.settings.speed, limit)
        self._metered = now

    def _flowing(self) -> str:
        car = self.meter.car
        if self.meter.power > 0.0:
            return "Charging"
        return "SuspendedEV" if car and car.soc >= 100.0 else "SuspendedEVSE"

    def _at_rest(self) -> str:
        if not self.operative:
            return "Unavailable"
        return "Reserved" if self.reservation else "Available"

    async def _report(self, status: str) -> None:
        if status != self.status:
            self.status = status
            await self.send_status()

    async def _moment(self) -> None:
        """Until a plug is in or out, or a card is read."""
        await asyncio.sleep(1.0 / self._host.settings.speed)

    async def _pause(self, times: float) -> None:
        """Nobody comes for a while, unless from afar."""
        if self._next is None:
            self._woken.clear()
            settings = self._host.settings
            await happens(self._woken, times * settings.pause / settings.speed)
