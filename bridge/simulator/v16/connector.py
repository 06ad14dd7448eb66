"""The messages of a 1.6 connector's life."""

from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from ocpp.v16 import call

from bridge.simulator.outlet import Customer, Host, Outlet
from bridge.simulator.timing import timestamp
from bridge.simulator.v16.configuration import Configuration
from bridge.simulator.v16.payloads import is_accepted, sample, samples


class Host16(Host, Protocol):
    """What a connector needs of its station."""

    configuration: Configuration

    async def send(self, payload: Any, *, must_arrive: bool = False) -> Any:
        """Sends a CALL; the answer, None when there was none."""


@dataclass(frozen=True, slots=True)
class Transaction:
    id: int
    id_tag: str


class Connector(Outlet):
    """A connector (OCPP 1.6 §3.2)."""

    def __init__(self, number: int, host: Host16, random: Random) -> None:
        super().__init__(number, host, random)
        self.transaction: Transaction | None = None
        self._host: Host16 = host
        self._telegrams = 0

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
        sampled = samples(self.meter, context, kilo=self._telegrams % 2 == 0)
        return call.MeterValues(
            connector_id=self.number,
            transaction_id=self.transaction.id if self.transaction else None,
            meter_value=[{"timestamp": timestamp(), "sampled_value": sampled}],
        )

    async def _measure(self) -> None:
        await self._host.send(self.telegram("Sample.Periodic"))

    async def _report_flow(self, state: str) -> None:
        await self._report(state)

    def _measuring_interval(self) -> float:
        return self._host.configuration.seconds("MeterValueSampleInterval")

    async def _serve(self, customer: Customer) -> None:
        await self._report("Preparing")
        await self._moment()  # until the plug is in and the card is read
        if not await self._is_welcome(customer):
            self._host.tell("refused", f"connector {self.number}, {customer.id_tag}")
            return
        begin = self._register("Transaction.Begin")
        accepted = await self._start(customer)
        if self.transaction is None:
            return
        self._host.counters.transactions += 1
        self._host.tell("started", f"connector {self.number}, transaction {self.transaction.id}")
        if accepted:
            await self._charge()
        await self._finish(self.transaction, begin, "Local" if accepted else "DeAuthorized")

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
        self.transaction = Transaction(answer.transaction_id, customer.id_tag)
        return is_accepted(answer.id_tag_info)

    async def _finish(self, transaction: Transaction, begin: dict[str, Any], reason: str) -> None:
        self._advance()
        reason = self._stop_reason or reason
        await self._host.send(
            call.StopTransaction(
                transaction_id=transaction.id,
                meter_stop=round(self.meter.energy),
                timestamp=timestamp(),
                id_tag=transaction.id_tag if reason == "Local" else None,
                reason=reason,
                transaction_data=[begin, self._register("Transaction.End")],
            ),
            must_arrive=True,
        )
        self._host.counters.stopped += 1
        self._host.tell("stopped", f"connector {self.number}, transaction {transaction.id}, {reason}")
        self._leave()
        await self._report("Finishing")
        await self._moment()  # until the plug is out

    def _register(self, context: str) -> dict[str, Any]:
        """The energy register alone, as a MeterValue."""
        return {"timestamp": timestamp(), "sampled_value": [sample(self.meter.register(), context)]}

    def _leave(self) -> None:
        self.transaction = None
        super()._leave()
