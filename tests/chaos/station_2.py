"""A station of OCPP 2.0.1 or 2.1: it gives its transactions their ids, and numbers what happens to them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.chaos.messages import Broken, Conversation
from tests.chaos.said import seconds
from tests.chaos.station import Charge, Connector, Kept, Station

REASONS = ("EVDisconnected", "Local", "Remote", "PowerLoss", "StoppedByEV", None)
CHARGING = ("Charging", "SuspendedEV", "SuspendedEVSE", "EVConnected")


@dataclass(eq=False)
class Event:
    """A TransactionEvent. known: the bridge has answered it."""

    payload: dict[str, Any]
    sent: bool = False
    known: bool = False


@dataclass(eq=False)
class Charge2(Charge):
    """`charging` is the chargingState that it is in, `charged`: it was Charging once."""

    tag: str = ""
    begun: int = 0  # the register then, Wh
    last: int = 0  # the register in its newest event
    charging: str = ""
    charged: bool = False
    events: list[Event] = field(default_factory=list)
    ended: bool = False


@dataclass
class Station2(Station):
    """`charges` is what has to be in the store."""

    charges: list[Charge2] = field(default_factory=list)

    MORE: ClassVar[tuple[str, ...]] = ("Transaction.ChargingState", "Transaction.MissedEvents", "Status.StateText")

    def boot_payload(self, firmware: str) -> dict[str, Any]:
        station = {"vendorName": "Vendor", "model": "Model", "firmwareVersion": firmware}
        return {"reason": self.rng.choice(("PowerUp", "Watchdog")), "chargingStation": station}

    def authorize_payload(self, tag: str) -> dict[str, Any]:
        return {"idToken": {"idToken": tag, "type": "ISO14443"}}

    def statuses(self, connector: Connector) -> tuple[str, ...]:
        usual = ("Occupied",) if connector.charge is not None else ("Available", "Reserved")
        return (*usual, "Unavailable", "Faulted")

    def status_payload(self, connector: Connector) -> dict[str, Any]:
        if connector.number == 0:  # EVSE 0 has no status
            return self.status_payload(self.outlets[0]) if self.outlets else self._status(1, "Available", self.clock())
        if connector.status not in self.statuses(connector):
            connector.status, connector.since = self.statuses(connector)[0], self.clock()
        return self._status(connector.number, connector.status, connector.since)

    def _status(self, evse: int, status: str, since: str) -> dict[str, Any]:
        self.said.say(evse, {}, since, "Status.Time")
        return {"timestamp": since, "connectorStatus": status, "evseId": evse, "connectorId": 1}

    # Transactions

    def begin(self, connector: Connector) -> None:
        number = len(self.charges) + 1
        charge = Charge2(connector.number, f"{self.identity}-T{number}", self.tag(), begun=connector.meter)
        connector.charge = charge
        self.charges.append(charge)
        charge.charging = "EVConnected"
        token = {"idToken": {"idToken": charge.tag, "type": "ISO14443"}}
        if self.rng.random() < 0.1:
            token["reservationId"] = self.rng.randrange(1000)  # type: ignore[assignment]
        self._event(connector, charge, "Started", "Authorized", "Transaction.Begin", **token)

    def go_on(self, connector: Connector) -> None:
        charge = connector.charge
        charge.charging = self.rng.choice(CHARGING)
        self._event(connector, charge, "Updated", "MeterValuePeriodic", "Sample.Periodic")

    def end(self, connector: Connector) -> None:
        charge, connector.charge = connector.charge, None
        charge.ended = True
        reason = self.rng.choice(REASONS)
        info = {} if reason is None else {"stoppedReason": reason}
        token = {"idToken": {"idToken": charge.tag, "type": "ISO14443"}} if self.rng.random() < 0.5 else {}
        self._event(connector, charge, "Ended", "StopAuthorized", "Transaction.End", info, **token)

    def _event(
        self,
        connector: Connector,
        charge: Charge2,
        type_: str,
        trigger: str,
        context: str,
        info: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        if type_ != "Started":
            self.metered(connector)
        charge.last = connector.meter
        charge.charged = charge.charged or charge.charging == "Charging"
        payload: dict[str, Any] = {
            "eventType": type_,
            "timestamp": self.clock(),
            "triggerReason": trigger,
            "seqNo": len(charge.events),
            "transactionInfo": {"transactionId": charge.id, "chargingState": charge.charging, **(info or {})},
            "evse": {"id": connector.number, "connectorId": 1},
            "meterValue": self._meter_values(connector, context),
            **fields,
        }
        if self.rng.random() < 0.3:
            payload["offline"] = True
        charge.events.append(Event(payload))
        self.keep("TransactionEvent", payload, charge)

    def remember_wrongly(self) -> None:
        done = [charge for charge in self.charges[-20:] if charge.ended and charge.events[-1].known]
        if done and self.rng.random() < 0.5:
            charge = self.rng.choice(done)
            self.note(f"forgets that {charge.id} was answered")
            for event in charge.events:
                self.keep("TransactionEvent", event.payload, charge, again=True)

    def _meter_values(self, connector: Connector, context: str) -> list[dict[str, Any]]:
        """What the connector measures, as it was measured last."""
        samples = [
            {
                "value": float(value),
                "context": context,
                "measurand": measurand,
                "unitOfMeasure": {"unit": unit},
            }
            for value, measurand, unit in (
                (connector.meter, "Energy.Active.Import.Register", "Wh"),
                (connector.offered, "Power.Active.Import", "W"),
            )
        ]
        return [{"timestamp": self.clock(), "sampledValue": samples}]

    async def meter(self, talk: Conversation, connector: Connector) -> None:
        charge = connector.charge
        if charge is not None:
            if not self.is_kept(charge):
                self.go_on(connector)
                await self._drain(talk)
            return
        self.metered(connector)
        payload = {"evseId": connector.number, "meterValue": self._meter_values(connector, "Sample.Clock")}
        self.said.meter(connector.number, payload["meterValue"])
        await self.call(talk, "MeterValues", payload)
        self.said.confirm()

    async def deliver(self, talk: Conversation, kept: Kept) -> None:
        payload, charge = kept.payload, kept.charge
        event = charge.events[payload["seqNo"]]
        self.said.nothing()
        if not kept.again:  # a repeated one is answered and not shown
            self.said.meter(charge.connector, payload["meterValue"])
        event.sent = kept.sent = True
        answer = await talk.call(kept.action, payload, kept.message_id)
        if "idToken" in payload and answer.get("idTokenInfo", {}).get("status") != "Accepted":
            raise Broken(f"{self.identity}: {payload} was answered {answer}")
        event.known = True
        if not kept.doubtful:
            self.said.confirm()

    # What must be shown

    def transactions(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        for connector in self.outlets:
            charges = [charge for charge in self.charges if charge.connector == connector.number]
            ended = [charge for charge in charges if charge.ended]
            below: dict[str, Any] = {}
            if charges:
                below |= _started(charges[-1])
            if ended:
                below |= _ended(ended[-1])
            if connector.charge is not None:
                below |= _running(connector.charge)
            elif charges:
                below |= {"Active": False, "Id": "", "IdTag": "", "MissedEvents": 0}
            wanted |= {f"Connector{connector.number}.Transaction.{key}": value for key, value in below.items()}
            wanted[f"Connector{connector.number}.Status.StateText"] = _state(connector)
        return wanted


@dataclass
class Station201(Station2):
    SUBPROTOCOL: ClassVar[str] = "ocpp2.0.1"


@dataclass
class Station21(Station2):
    SUBPROTOCOL: ClassVar[str] = "ocpp2.1"


def _started(charge: Charge2) -> dict[str, Any]:
    return {
        "Start.Id": charge.id,
        "Start.IdTag": charge.tag,
        "Start.MeterStart": float(charge.begun),
        "Start.Time": seconds(charge.events[0].payload["timestamp"]),
    }


def _ended(charge: Charge2) -> dict[str, Any]:
    payload = charge.events[-1].payload
    return {
        "Stop.Id": charge.id,
        "Stop.Reason": payload["transactionInfo"].get("stoppedReason", "Local"),
        "Stop.MeterStop": float(charge.last),
        "Stop.Energy": float(charge.last - charge.begun),
        "Stop.Time": seconds(payload["timestamp"]),
    }


def _running(charge: Charge2) -> dict[str, Any]:
    return {
        "Active": True,
        "Id": charge.id,
        "IdTag": charge.tag,
        "Energy": float(charge.last - charge.begun),
        "ChargingState": charge.charging,
        "MissedEvents": 0,
    }


def _state(connector: Connector) -> str:
    """Status.State as docs/points.md has it: what its transaction does where the connector says no more."""
    if connector.charge is None or connector.status in ("Unavailable", "Faulted"):
        return connector.status
    charging: str = connector.charge.charging
    if charging != "EVConnected":
        return charging
    return "Finishing" if connector.charge.charged else "Preparing"
