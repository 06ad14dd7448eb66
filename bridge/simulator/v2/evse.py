"""The messages of an EVSE's life."""

import asyncio
from functools import partial
from random import Random
from typing import Any, Protocol

from bridge.simulator.outlet import Customer, Host, Outlet
from bridge.simulator.timing import timestamp
from bridge.simulator.v2.device import DeviceModel
from bridge.simulator.v2.samples import meter_value
from bridge.simulator.v2.transaction import MOMENTS, TRIGGERS, Outbox, Payload, Transaction

#: field of TransactionLimitType (2.1) → the reason of the stop
LIMITS = (("maxEnergy", "EnergyLimitReached"), ("maxTime", "TimeLimitReached"), ("maxSoC", "SOCLimitReached"))


class Host2(Host, Protocol):
    """What an EVSE needs of its station."""

    device: DeviceModel
    outbox: Outbox
    accepted: asyncio.Event

    async def send(self, action: str, payload: Payload, *, unasked: bool = True) -> Any:
        """Sends a CALL; the answer, None when there was none."""

    async def settled(self, answer: asyncio.Future[Payload | None]) -> Payload | None:
        """The answer to an event, None when the line is lost before it comes."""

    def cost(self, evse: int, energy: float, seconds: float) -> Payload:
        """What a transaction's last event says about its cost (2.1)."""


class Evse(Outlet):
    """An EVSE with its connectors, of which one car at a time takes one."""

    def __init__(self, number: int, host: Host2, random: Random, connectors: int) -> None:
        super().__init__(number, host, random)
        self.connectors = range(1, connectors + 1)
        self.connector = 1  # that is, or was last, in use
        self.transaction: Transaction | None = None
        self.confirmed: dict[int, str] = {}  # connector → the status that the central system has been told
        self._host: Host2 = host
        self._telegrams = 0

    def connector_status(self, connector: int) -> str:
        """ConnectorStatusEnumType: a car takes one connector, anything else concerns all."""
        return "Available" if self.status == "Occupied" and connector != self.connector else self.status

    async def send_status(self, connector: int | None = None, *, unasked: bool = True) -> None:
        """StatusNotification of a connector, of all when None (OCPP 2.0.1 G01)."""
        device = self._host.device
        device.put("EVSE.AvailabilityState", self.status, self.number)
        for number in self.connectors if connector is None else [connector]:
            status = self.connector_status(number)
            device.put("Connector.AvailabilityState", status, self.number, number)
            told = {"timestamp": timestamp(), "connectorStatus": status, "evseId": self.number, "connectorId": number}
            if await self._host.send("StatusNotification", told, unasked=unasked) is not None:
                self.confirmed[number] = status

    async def catch_up(self) -> None:
        """StatusNotification of the connectors whose status has changed while we were offline (B04)."""
        for number in self.connectors:
            if self.confirmed.get(number) != self.connector_status(number):
                await self.send_status(number)

    def telegram(self, context: str, measurands: str, *, style: int = 0) -> list[Payload]:
        """The meter as it stands now: what a variable of the device model lists."""
        self._advance()
        self._put_variables()
        device, signs = self._host.device, f"{measurands.partition('.')[0]}.SignReadings"
        wanted, signed = device.members(measurands), device.is_true(signs)
        return [meter_value(self.meter, context, wanted, style=style, signed=signed)]

    def _put_variables(self) -> None:
        device = self._host.device
        device.put("EVSE.Power", f"{self.meter.power:.1f}", self.number)
        device.put("EVSE.Current", f"{max(self.meter.currents):.1f}", self.number)
        device.put("FiscalMetering.EnergyImportRegister", str(round(self.meter.energy)), self.number)

    async def tell_meter(self, context: str, measurands: str, *, unasked: bool) -> None:
        """MeterValues, which in 2.x speaks of no transaction (J01)."""
        payload = {"evseId": self.number, "meterValue": self.telegram(context, measurands)}
        await self._host.send("MeterValues", payload, unasked=unasked)

    def tell_transaction(self, trigger: str, context: str, measurands: str) -> None:
        """TransactionEvent Updated with the meter as it stands now."""
        if self.transaction is not None and self.transaction.started:
            self._telegrams += 1
            values = self.telegram(context, measurands, style=self._telegrams % 3)
            self._put("Updated", trigger, meterValue=values)

    async def restart(self) -> None:
        """Reset of the EVSE alone (B11, B12)."""
        self.stop("ImmediateReset")
        await self.idle.wait()
        await self._report("Unavailable")
        await self._moment()
        await self._report(self._at_rest())

    async def _measure(self) -> None:
        self.tell_transaction("MeterValuePeriodic", "Sample.Periodic", "SampledDataCtrlr.TxUpdatedMeasurands")
        transaction, car = self.transaction, self.meter.car
        if transaction is None or transaction.limit is None or car is None:
            return
        reached = (self.meter.energy - transaction.energy, transaction.charged, car.soc)
        for (name, reason), value in zip(LIMITS, reached, strict=True):
            if name in transaction.limit and value >= transaction.limit[name]:
                self.stop(reason)

    async def _report_flow(self, state: str) -> None:
        if self.transaction is not None and state != self.transaction.state:
            await self._reach("PowerPathClosed", "ChargingStateChanged", state)

    def _measuring_interval(self) -> float:
        return self._host.device.number("SampledDataCtrlr.TxUpdatedInterval")

    async def _expired(self) -> None:
        held = self.reservation
        await super()._expired()
        if held is not None:
            update = {"reservationId": held.id, "reservationUpdateStatus": "Expired"}
            await self._host.send("ReservationStatusUpdate", update)

    async def _serve(self, customer: Customer) -> None:
        self.connector = self._random.choice(self.connectors)
        self.transaction = Transaction(self.number, self.connector, self._host.settings.speed)
        for step in (self._authorize, self._plug_in) if customer.remote else (self._plug_in, self._authorize):
            if not await step(customer):
                self._host.tell("refused", f"EVSE {self.number}, {customer.id_tag}")
                await self._finish(customer, self.transaction, "DeAuthorized")
                return
        self.reservation = None
        await self._charge()
        await self._finish(customer, self.transaction, "Local")

    async def _plug_in(self, _customer: Customer) -> bool:
        await self._report("Occupied")
        await self._reach("EVConnected", "CablePluggedIn", "EVConnected")
        await self._moment()
        return not self._stop.is_set()

    async def _authorize(self, customer: Customer) -> bool:
        """Authorize, then the event that says so; true if both answers let the customer charge."""
        if not await self._is_welcome(customer):
            return False
        held = self.reservation
        await self._reach(
            "Authorized",
            "RemoteStart" if customer.remote else "Authorized",
            self.transaction.state if self.transaction else "Idle",
            {"remoteStartId": customer.remote_id},
            idToken=id_token(customer),
            reservationId=held.id if held and held.id_tag == customer.id_tag else None,
        )
        return not self._stop.is_set()

    async def _is_welcome(self, customer: Customer) -> bool:
        device = self._host.device
        if customer.remote and not device.is_true("AuthCtrlr.AuthorizeRemoteStart"):
            return True
        if not self._host.accepted.is_set():
            return device.is_true("AuthCtrlr.LocalAuthorizeOffline")
        answer = await self._host.send("Authorize", {"idToken": id_token(customer)})
        return isinstance(answer, dict) and answer.get("idTokenInfo", {}).get("status") == "Accepted"

    async def _reach(self, moment: str, trigger: str, state: str, info: Payload | None = None, **more: Any) -> None:
        """Something happens in a visit: Started where it is what starts a transaction, else Updated (E01)."""
        transaction = self.transaction
        if transaction is None:
            return
        transaction.enter(state)
        starts = {MOMENTS.get(point, "") for point in self._host.device.members("TxCtrlr.TxStartPoint")}
        kind = "Updated"
        if not transaction.started:
            if moment not in starts and moment != "PowerPathClosed":
                transaction.untold = info or {}, more
                return
            kind = "Started"
            info, more = {**transaction.untold[0], **(info or {})}, {**transaction.untold[1], **more}
            transaction.started, transaction.energy = True, self.meter.energy
            more["meterValue"] = self.telegram("Transaction.Begin", "SampledDataCtrlr.TxStartedMeasurands")
            more["numberOfPhasesUsed"] = self.meter.car.phases if self.meter.car else None
            more["cableMaxCurrent"] = 32
            self._host.counters.transactions += 1
            self._host.tell("started", f"EVSE {self.number}, transaction {transaction.id}")
        await self._host.settled(self._put(kind, trigger, info, **more))

    def _put(self, kind: str, trigger: str, info: Payload | None = None, **more: Any) -> asyncio.Future[Payload | None]:
        assert self.transaction is not None  # noqa: S101 - who calls knows
        answer = self._host.outbox.put(self.transaction.event(kind, trigger, info or {}, **more))
        answer.add_done_callback(partial(self._take_answer, self.transaction))
        return answer

    def _take_answer(self, transaction: Transaction, answer: asyncio.Future[Payload | None]) -> None:
        """TransactionEventResponse: who is not welcome is stopped (E05); a limit of 2.1 holds from now on."""
        answered = None if answer.cancelled() else answer.result()
        if not isinstance(answered, dict) or transaction is not self.transaction:
            return  # an answer that comes after its transaction has ended
        status = answered.get("idTokenInfo", {}).get("status", "Accepted")
        if status != "Accepted" and self._host.device.is_true("TxCtrlr.StopTxOnInvalidId"):
            self.stop("DeAuthorized")
        limit = answered.get("transactionLimit")
        if limit and limit != transaction.limit:
            transaction.limit = limit
            self._put("Updated", "LimitSet", {"transactionLimit": limit})

    async def _finish(self, customer: Customer, transaction: Transaction, default: str) -> None:
        self._advance()
        self._metered = 0.0
        self.meter.interrupt()
        if transaction.started:
            reason = self._stop_reason or default
            stops = {MOMENTS.get(point, "") for point in self._host.device.members("TxCtrlr.TxStopPoint")}
            trigger, token = TRIGGERS.get(reason, "AbnormalCondition"), None
            if reason == "Local":
                token = id_token(customer)
            if stops <= {"EVConnected"} and reason != "ImmediateReset":
                transaction.enter("EVConnected")
                self._put("Updated", trigger, idToken=token)
                await self._moment()  # until the plug is out
                trigger, token = "EVCommunicationLost", None
            await self._end(transaction, reason, trigger, token)
        self._leave()
        await self._moment()

    async def _end(self, transaction: Transaction, reason: str, trigger: str, token: Payload | None) -> None:
        values = self.telegram("Transaction.End", "SampledDataCtrlr.TxEndedMeasurands")
        transaction.enter("Idle")
        cost = self._host.cost(self.number, self.meter.energy - transaction.energy, transaction.charged)
        info = {"stoppedReason": reason}
        answer = self._put("Ended", trigger, info, meterValue=values, idToken=token, **cost)
        self._host.counters.stopped += 1
        self._host.tell("stopped", f"EVSE {self.number}, transaction {transaction.id}, {reason}")
        await self._host.settled(answer)

    def _leave(self) -> None:
        self.transaction = None
        super()._leave()
        self._put_variables()


def id_token(customer: Customer) -> Payload:
    """IdTokenType."""
    return {"idToken": customer.id_tag, "type": customer.kind}
