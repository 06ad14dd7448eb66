"""A transaction of OCPP 2.x and its events, and the queue that brings them to the central system in order."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import uuid4

from bridge.simulator.timing import timestamp
from bridge.simulator.v2.variables import without_nones

Payload = dict[str, Any]

#: stages at which a transaction may start or stop (TxStartPoint, TxStopPoint) → the moment at an EVSE that it is here
MOMENTS: Mapping[str, str] = {
    "ParkingBayOccupancy": "EVConnected",
    "EVConnected": "EVConnected",
    "Authorized": "Authorized",
    "DataSigned": "PowerPathClosed",
    "PowerPathClosed": "PowerPathClosed",
    "EnergyTransfer": "PowerPathClosed",
}
#: ReasonEnumType → TriggerReasonEnumType of the event that says so
TRIGGERS: Mapping[str, str] = {
    "DeAuthorized": "Deauthorized",
    "EVDisconnected": "EVCommunicationLost",
    "EnergyLimitReached": "EnergyLimitReached",
    "ImmediateReset": "ResetCommand",
    "Local": "StopAuthorized",
    "Other": "UnlockCommand",
    "Remote": "RemoteStop",
    "SOCLimitReached": "SoCLimitReached",
    "TimeLimitReached": "TimeLimitReached",
}


class Transaction:
    """A visit of a car, whether a transaction has been started for it or not."""

    def __init__(self, evse: int, connector: int, speed: float) -> None:
        self.id = str(uuid4())
        self.started = False
        self.energy = 0.0  # Wh, the register when it started
        self.untold: tuple[Payload, Payload] = {}, {}  # info and more for the event that starts it
        self.limit: dict[str, Any] | None = None  # 2.1 TransactionLimitType
        self.state = "Idle"
        self._evse = {"id": evse, "connectorId": connector}
        self._number = 0
        self._speed = speed  # of the station's own time
        self._charged = 0.0  # s, in states before this one
        self._since = time.monotonic()

    @property
    def charged(self) -> float:
        """Seconds of the station's own time in which power flowed."""
        flows = self.state == "Charging"
        return self._charged + ((time.monotonic() - self._since) * self._speed if flows else 0.0)

    def event(self, kind: str, trigger: str, info: Mapping[str, Any], **more: Any) -> Payload:
        """A TransactionEventRequest (OCPP 2.0.1 E); `info`: more of transactionInfo."""
        number, self._number = self._number, self._number + 1
        known = {"transactionId": self.id, "chargingState": self.state, "timeSpentCharging": round(self.charged)}
        return {
            "eventType": kind,
            "timestamp": timestamp(),
            "triggerReason": trigger,
            "seqNo": number,
            "transactionInfo": {**known, **without_nones(info)},
            "evse": self._evse,
            **without_nones(more),
        }

    def enter(self, state: str) -> None:
        """A ChargingStateEnumType from now on."""
        self._charged = self.charged
        self.state, self._since = state, time.monotonic()


class Sender(Protocol):
    """What the queue needs of its station."""

    accepted: asyncio.Event

    async def send(self, action: str, payload: Payload, *, must_arrive: bool) -> Any:
        """Sends a CALL."""


class Outbox:
    """TransactionEvents, one after another, each until it has been answered or given up (OCPP 2.0.1 E04, E13)."""

    def __init__(self, sender: Sender) -> None:
        self.empty = asyncio.Event()
        self.empty.set()
        self._sender = sender
        self._waiting: deque[tuple[Payload, asyncio.Future[Payload | None]]] = deque()
        self._filled = asyncio.Event()

    def put(self, event: Payload) -> asyncio.Future[Payload | None]:
        """Takes an event in; the future gets its answer, None when there is none. Says whether we are offline now."""
        if not self._sender.accepted.is_set():
            event["offline"] = True
        answer: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, answer))
        self.empty.clear()
        self._filled.set()
        return answer

    def holds(self, transaction: str | None) -> bool:
        """There are events of this transaction, of any when None."""
        return any(transaction in (None, event["transactionInfo"]["transactionId"]) for event, _ in self._waiting)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._filled.wait()
            event, answer = self._waiting[0]
            answered = await self._sender.send("TransactionEvent", event, must_arrive=True)
            self._waiting.popleft()
            if not answer.done():
                answer.set_result(answered)
            if not self._waiting:
                self._filled.clear()
                self.empty.set()
