"""The life at one connector: customers come, charge and go."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol

from ocpp.v16 import call

from bridge.simulator.configuration import Configuration
from bridge.simulator.physics import Car, Meter
from bridge.simulator.profiles import Profiles
from bridge.simulator.settings import Counters, SimulatedStation


class Host(Protocol):
    """What a connector needs of its station."""

    settings: SimulatedStation
    configuration: Configuration
    profiles: Profiles
    counters: Counters

    async def send(self, payload: Any, *, must_arrive: bool = False) -> Any:
        """Sends a CALL; the answer, None when there was none."""

    def tell(self, event: str, detail: str) -> None:
        """Says what happens."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who charges next; `remote`: started by the central system."""

    id_tag: str
    remote: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    id: int
    id_tag: str
    expires: float


@dataclass(slots=True)
class Transaction:
    id: int
    id_tag: str
    ends: float  # monotonic


def timestamp() -> str:
    """Now, as OCPP wants it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Connector:
    """A connector. The central system's commands call its plain methods; `run` is its life."""

    def __init__(self, number: int, host: Host, random: Random) -> None:
        self.number = number
        self.meter = Meter(random)
        self.status = "Available"
        self.operative = True
        self.transaction: Transaction | None = None
        self.reservation: Reservation | None = None
        self.idle = asyncio.Event()
        self.idle.set()
        self._host = host
        self._random = random
        self._next: Customer | None = None
        self._woken = asyncio.Event()
        self._stop = asyncio.Event()
        self._stop_reason = ""
        self._telegrams = 0
        self._metered = 0.0  # monotonic

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
                await self._serve(customer)
            finally:
                self._leave()
            await self._report(self._at_rest())
            self.idle.set()
            await self._pause(self._random.uniform(0.5, 1.5))

    def come(self, id_tag: str) -> None:
        """Somebody starts from afar."""
        self._next = Customer(id_tag, remote=True)
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
        """Keeps the connector for somebody, or no longer (None)."""
        self.reservation = reservation
        self._woken.set()
        if self.idle.is_set():
            await self._report(self._at_rest())

    async def send_status(self) -> None:
        await self._host.send(self.notification())

    def notification(self) -> call.StatusNotification:
        """What the connector is doing now."""
        return call.StatusNotification(
            connector_id=self.number, error_code="NoError", status=self.status, timestamp=timestamp()
        )

    def telegram(self, context: str) -> call.MeterValues:
        """The meter as it stands now; every other telegram in kWh and kW."""
        self._advance()
        self._telegrams += 1
        samples = self.meter.samples(context, kilo=self._telegrams % 2 == 0)
        return call.MeterValues(
            connector_id=self.number,
            transaction_id=self.transaction.id if self.transaction else None,
            meter_value=[{"timestamp": timestamp(), "sampled_value": samples}],
        )

    async def _next_customer(self) -> Customer:
        """Who was sent from afar, else somebody with one of the tags, once the connector is free for him."""
        while True:
            self._woken.clear()
            if self.reservation and self.reservation.expires <= time.time():
                await self.reserve(None)
                self._woken.clear()
            customer, self._next = self._next, None
            if customer is None and self.reservation is None:
                customer = Customer(self._random.choice(self._host.settings.id_tags))
            if customer is not None and self.operative:
                return customer
            expires = self.reservation.expires - time.time() if self.reservation else None
            await happens(self._woken, expires)

    async def _serve(self, customer: Customer) -> None:
        self._stop.clear()
        self._stop_reason = ""
        self.meter.car = Car.arrives(self._random)
        await self._report("Preparing")
        await asyncio.sleep(1.0 / self._host.settings.speed)  # until the plug is in and the card is read
        if not await self._is_welcome(customer):
            self._host.tell("refused", f"connector {self.number}, {customer.id_tag}")
            return
        data = [{"timestamp": timestamp(), "sampled_value": [self.meter.register("Transaction.Begin")]}]
        accepted = await self._start(customer)
        if self.transaction is None:
            return
        self._host.counters.transactions += 1
        self._host.tell("started", f"connector {self.number}, transaction {self.transaction.id}")
        if accepted:
            await self._charge(self.transaction)
        await self._finish(self.transaction, data, "Local" if accepted else "DeAuthorized")

    async def _is_welcome(self, customer: Customer) -> bool:
        if customer.remote and not self._host.configuration.is_true("AuthorizeRemoteTxRequests"):
            return True
        answer = await self._host.send(call.Authorize(id_tag=customer.id_tag))
        return answer is not None and is_accepted(answer.id_tag_info)

    async def _start(self, customer: Customer) -> bool:
        """StartTransaction; true if the answer lets the customer charge."""
        reserved = self.reservation
        self.reservation = None
        answer = await self._host.send(
            call.StartTransaction(
                connector_id=self.number,
                id_tag=customer.id_tag,
                meter_start=round(self.meter.energy),
                timestamp=timestamp(),
                reservation_id=reserved.id if reserved and reserved.id_tag == customer.id_tag else None,
            ),
            must_arrive=True,
        )
        if answer is None or not isinstance(answer.transaction_id, int):
            return False
        settings = self._host.settings
        lasts = self._random.uniform(0.7, 1.3) * settings.charge_time / settings.speed
        self.transaction = Transaction(answer.transaction_id, customer.id_tag, time.monotonic() + lasts)
        return is_accepted(answer.id_tag_info)

    async def _charge(self, transaction: Transaction) -> None:
        self._metered = time.monotonic()
        self._advance()
        await self._report("Charging")
        while not self._stop.is_set():
            left = transaction.ends - time.monotonic()
            if left <= 0:
                return
            interval = self._host.configuration.seconds("MeterValueSampleInterval")
            pace = interval / self._host.settings.speed if interval > 0 else left
            if await happens(self._stop, min(left, pace)):
                return
            if interval > 0:
                await self._host.send(self.telegram("Sample.Periodic"))
            await self._report(self._flowing())

    async def _finish(self, transaction: Transaction, data: list[dict[str, Any]], reason: str) -> None:
        self._advance()
        end = {"timestamp": timestamp(), "sampled_value": [self.meter.register("Transaction.End")]}
        reason = self._stop_reason or reason
        await self._host.send(
            call.StopTransaction(
                transaction_id=transaction.id,
                meter_stop=round(self.meter.energy),
                timestamp=timestamp(),
                id_tag=transaction.id_tag if reason == "Local" else None,
                reason=reason,
                transaction_data=[*data, end],
            ),
            must_arrive=True,
        )
        self._host.counters.stopped += 1
        self._host.tell("stopped", f"connector {self.number}, transaction {transaction.id}, {reason}")
        self._leave()
        await self._report("Finishing")
        await asyncio.sleep(1.0 / self._host.settings.speed)  # until the plug is out

    def _leave(self) -> None:
        self.transaction = None
        self.meter.unplug()
        self._host.profiles.end_transaction(self.number)

    def _advance(self) -> None:
        """Brings the meter up to now."""
        now, car = time.monotonic(), self.meter.car
        if self.transaction is None or car is None:
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

    async def _pause(self, times: float) -> None:
        """Nobody comes for a while, unless from afar."""
        if self._next is None:
            self._woken.clear()
            settings = self._host.settings
            await happens(self._woken, times * settings.pause / settings.speed)


def is_accepted(id_tag_info: Any) -> bool:
    """An IdTagInfo, whose keys are in snake case, says yes."""
    return isinstance(id_tag_info, dict) and id_tag_info.get("status") == "Accepted"


async def happens(event: asyncio.Event, seconds: float | None) -> bool:
    """Waits for an event, at most so long; true if it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
