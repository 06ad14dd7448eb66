"""A station of OCPP 1.6: the bridge gives its transactions their ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.chaos.messages import Broken, Conversation
from tests.chaos.said import seconds
from tests.chaos.station import Charge, Connector, Kept, Station

REASONS = ("EVDisconnected", "Local", "Remote", "PowerLoss", "SoftReset", "Other", None)


@dataclass(eq=False)
class Charge16(Charge):
    """`start` and `stop` are the payloads of its messages."""

    start: dict[str, Any] = field(default_factory=dict)
    stop: dict[str, Any] | None = None
    start_sent: bool = False
    stop_sent: bool = False
    stop_known: bool = False  # the bridge has answered it
    forgotten: bool = False  # nothing more of it is ever told


@dataclass
class Station16(Station):
    """`charges` is what has to be in the store."""

    charges: list[Charge16] = field(default_factory=list)

    SUBPROTOCOL: ClassVar[str] = "ocpp1.6"
    STATUSES: ClassVar[tuple[str, ...]] = (
        *("Available", "Preparing", "Charging", "SuspendedEV"),
        *("SuspendedEVSE", "Finishing", "Unavailable", "Faulted"),
    )

    def boot_payload(self, firmware: str) -> dict[str, Any]:
        return {"chargePointVendor": "Vendor", "chargePointModel": "Model", "firmwareVersion": firmware}

    def authorize_payload(self, tag: str) -> dict[str, Any]:
        return {"idTag": tag}

    def status_payload(self, connector: Connector) -> dict[str, Any]:
        code = "GroundFailure" if connector.status == "Faulted" else "NoError"
        values: dict[str, Any] = {"Status.StateText": connector.status, "Status.ErrorCode": code}
        self.said.say(connector.number, values, connector.since, "Status.Time")
        return {
            "connectorId": connector.number,
            "errorCode": code,
            "status": connector.status,
            "timestamp": connector.since,
        }

    # Transactions

    def begin(self, connector: Connector) -> None:
        payload: dict[str, Any] = {
            "connectorId": connector.number,
            "idTag": self.tag(),
            "meterStart": connector.meter,
            "timestamp": self.clock(),
        }
        if self.rng.random() < 0.1:
            payload["reservationId"] = self.rng.randrange(1000)
        connector.charge = Charge16(connector.number, start=payload)
        self.charges.append(connector.charge)
        self.keep("StartTransaction", payload, connector.charge)

    def go_on(self, connector: Connector) -> None:
        payload = {"connectorId": connector.number, "meterValue": self._meter_values(connector)}
        self.keep("MeterValues", payload, connector.charge)

    def end(self, connector: Connector) -> None:
        charge, connector.charge = connector.charge, None
        if charge.id is not None and not self.is_kept(charge) and self.rng.random() < 0.1:
            self.note(f"forgets {charge.id}")
            charge.forgotten = True
            return
        payload: dict[str, Any] = {"meterStop": connector.meter, "timestamp": self.clock()}
        if (reason := self.rng.choice(REASONS)) is not None:
            payload["reason"] = reason
        if self.rng.random() < 0.5:
            payload["idTag"] = charge.start["idTag"]
        if self.rng.random() < 0.3:
            payload["transactionData"] = self._meter_values(connector)
        charge.stop = payload
        self.keep("StopTransaction", payload, charge)

    def remember_wrongly(self) -> None:
        done = [charge for charge in self.charges[-20:] if charge.stop_known]
        if done and self.rng.random() < 0.5:
            charge = self.rng.choice(done)
            assert charge.stop is not None
            self.note(f"forgets that {charge.id} was answered")
            self.keep("StartTransaction", charge.start, charge, again=True)
            self.keep("StopTransaction", charge.stop, charge, again=True)

    def _meter_values(self, connector: Connector) -> list[dict[str, Any]]:
        register, power = self.metered(connector)
        samples = [
            {"value": str(register), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": str(power), "measurand": "Power.Active.Import", "unit": "W"},
        ]
        return [{"timestamp": self.clock(), "sampledValue": samples}]

    async def meter(self, talk: Conversation, connector: Connector) -> None:
        charge = connector.charge
        payload: dict[str, Any] = {"connectorId": connector.number, "meterValue": self._meter_values(connector)}
        if charge is not None:
            if charge.id is None or self.is_kept(charge):
                return
            payload["transactionId"] = charge.id
        self.said.meter(connector.number, payload["meterValue"])
        await self.call(talk, "MeterValues", payload)
        self.said.confirm()

    async def deliver(self, talk: Conversation, kept: Kept) -> None:
        charge, payload = kept.charge, kept.payload
        self.said.nothing()
        if kept.action == "StartTransaction":
            charge.start_sent = True
        else:
            payload = kept.payload = {**kept.payload, "transactionId": charge.id}
        if kept.action == "StopTransaction":
            charge.stop_sent = True
        if telegram := payload.get("meterValue", payload.get("transactionData")):
            self.said.meter(charge.connector, telegram)
        answer = await talk.call(kept.action, payload, kept.message_id)
        if kept.action == "StartTransaction":
            self._started(charge, answer)
        elif kept.action == "StopTransaction":
            charge.stop_known = True  # a repeated one is answered and not shown: nothing is confirmed
        else:
            self.said.confirm()

    def _started(self, charge: Charge16, answer: dict[str, Any]) -> None:
        number = answer["transactionId"]
        if charge.id not in (None, number):
            raise Broken(f"{self.identity}: {charge.start} was answered with {charge.id}, and now with {number}")
        if answer["idTagInfo"]["status"] != "Accepted":
            raise Broken(f"{self.identity}: a start was answered {answer}")
        charge.id = number

    # What must be shown

    def transactions(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        for connector in self.outlets:
            charges = [charge for charge in self.charges if charge.connector == connector.number]
            ended = [charge for charge in charges if charge.stop is not None]
            below: dict[str, Any] = {}
            if charges:
                below |= _started(charges[-1])
            if ended and not _is_forgotten_after(charges, ended[-1]):
                below |= _ended(ended[-1])
            if connector.charge is not None:
                below |= _running(connector.charge, connector.meter)
            elif charges and not charges[-1].forgotten:  # that runs on for all that the bridge knows
                below |= {"Active": False, "Id": "", "IdTag": ""}
            wanted |= {f"Connector{connector.number}.Transaction.{key}": value for key, value in below.items()}
        return wanted


def _is_forgotten_after(charges: Sequence[Charge16], ended: Charge16) -> bool:
    """Whether one of those after it ends nobody knows when or how."""
    return any(charge.forgotten for charge in charges[charges.index(ended) :])


def _started(charge: Charge16) -> dict[str, Any]:
    start = charge.start
    return {
        "Start.Id": str(charge.id),
        "Start.IdTag": start["idTag"],
        "Start.MeterStart": float(start["meterStart"]),
        "Start.Time": seconds(start["timestamp"]),
    }


def _ended(charge: Charge16) -> dict[str, Any]:
    stop = charge.stop
    assert stop is not None
    return {
        "Stop.Id": str(charge.id),
        "Stop.Reason": stop.get("reason", "Local"),
        "Stop.MeterStop": float(stop["meterStop"]),
        "Stop.Energy": float(stop["meterStop"] - charge.start["meterStart"]),
        "Stop.Time": seconds(stop["timestamp"]),
    }


def _running(charge: Charge16, meter: int) -> dict[str, Any]:
    return {
        "Active": True,
        "Id": str(charge.id),
        "IdTag": charge.start["idTag"],
        "Energy": float(meter - charge.start["meterStart"]),
    }
