"""A station as real ones are: it charges while it is offline, keeps the messages about transactions until they are
answered, and sends them in order and unchanged, whatever happens to it, the network or the bridge (OCPP 1.6 §3.7)."""

import asyncio
import contextlib
import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.chaos.messages import LOST, PATIENCE, Broken, Conversation
from tests.chaos.said import Clock, Said

OLD = 60.0  # s; a bridge that has just started believes no time that is five minutes old
REASONS = ("EVDisconnected", "Local", "Remote", "PowerLoss", "SoftReset", "Other", None)
STATUSES = ("Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted")


@dataclass(eq=False)
class Charge:
    """A transaction as the station knows it. `id`: None until the bridge has said it."""

    connector: int
    start: dict[str, Any]
    id: int | None = None
    stop: dict[str, Any] | None = None
    start_sent: bool = False
    stop_sent: bool = False
    stop_known: bool = False  # the bridge has answered it


@dataclass(eq=False)
class Kept:
    """A message about a transaction that has not been answered yet."""

    action: str
    payload: dict[str, Any]
    charge: Charge
    message_id: str = ""


@dataclass(eq=False)
class Connector:
    number: int
    meter: int
    status: str = "Available"
    since: str = ""
    charge: Charge | None = None
    offered: int = 0


@dataclass
class Station:
    """`said` is what the bridge has to show of it, `charges` what has to be in the store."""

    identity: str
    url: str
    rng: random.Random
    clock: Clock
    said: Said
    charges: list[Charge] = field(default_factory=list)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=400))
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    calm: bool = False  # it is to say everything once more and be silent then
    away: bool = False  # it is to stay disconnected
    connections: int = 0

    def __post_init__(self) -> None:
        rng = self.rng
        self.connectors = [Connector(n, rng.randrange(100_000), since=self.clock()) for n in range(rng.randint(1, 4))]
        self._queue: deque[Kept] = deque()
        self._ids = itertools.count(1)
        self._firmware = itertools.count(1)
        self._left: list[ClientConnection] = []
        self._booted = False

    @property
    def outlets(self) -> list[Connector]:
        return self.connectors[1:]

    def bridge_killed(self) -> None:
        """What it has told may be lost, but for the transactions."""
        self.said.doubt()

    def note(self, text: str) -> None:
        self.history.append(f"{asyncio.get_running_loop().time():.3f} {text}")

    # Its life

    async def live(self) -> None:
        """Connects again and again, until it is cancelled."""
        try:
            while True:
                if not self.away:
                    with contextlib.suppress(*LOST):
                        await self._connection()
                self.note("offline")
                if not self.calm and self.rng.random() < 0.5:
                    self._act()
                await asyncio.sleep(self.rng.uniform(0.05, 0.3))
        finally:
            for socket in self._left:
                socket.transport.abort()

    async def _connection(self) -> None:
        async with asyncio.timeout(PATIENCE):
            socket = await connect(
                f"{self.url}{self.identity}",
                subprotocols=[websockets.Subprotocol("ocpp1.6")],
                compression=None,
                ping_interval=None,
                open_timeout=None,
                close_timeout=0.1,
            )
        self.note("connected")
        self.connections += 1
        forgotten = False
        try:
            await self._session(Conversation(self.identity, socket, self.rng, self.note))
            forgotten = self.rng.random() < 0.3
        finally:
            if forgotten:  # it has lost it, and the bridge does not know
                socket.transport.pause_reading()  # nor does it answer a ping any more
                self._left.append(socket)
            else:
                socket.transport.abort()
            while len(self._left) > 2:
                self._left.pop(0).transport.abort()

    async def _session(self, talk: Conversation) -> None:
        """Returns when it has had enough of this connection."""
        if not self._booted or self.rng.random() < 0.7:
            await self._boot(talk)
        greeting = [self._tell_statuses, self._drain]
        if self.rng.random() < 0.5:
            greeting.reverse()
        for step in greeting:
            await step(talk)
        while not self.away:
            if self.calm:
                await self._settle(talk)
            elif self._queue:
                await self._drain(talk)
            elif self.rng.random() < 0.04:
                return
            else:
                await self._busy(talk)

    async def _settle(self, talk: Conversation) -> None:
        """Says all that there is to say, and nothing more."""
        await self._drain(talk)
        await self._boot(talk)
        await self._tell_statuses(talk)
        for connector in self.outlets:
            await self._meter(talk, connector)
        await self._call(talk, "Heartbeat", {})  # once it is answered, all that was sent before is shown
        self.note("settled")
        self.settled.set()
        try:
            while self.calm and not self.away:
                await talk.listen()
        finally:
            self.settled.clear()

    async def _busy(self, talk: Conversation) -> None:
        for connector in self._act():
            await self._tell_status(talk, connector)
        kind = self.rng.randrange(6)
        if kind == 0:
            await self._call(talk, "Heartbeat", {})
        elif kind == 1:
            await self._call(talk, "Authorize", {"idTag": self._tag()})
        elif kind == 2 and self.outlets:
            await self._meter(talk, self.rng.choice(self.outlets))
        elif kind == 3:
            await talk.listen()

    # What happens at it

    def _act(self) -> list[Connector]:
        """Something happens at a connector; those whose status is another now."""
        if not self.outlets:
            return []
        connector = self.rng.choice(self.outlets)
        connector.meter += self.rng.randrange(50)
        if connector.charge is None:
            if self.rng.random() < 0.4:
                self._start(connector)
        elif self.rng.random() < 0.4:
            self._stop(connector)
        elif self.rng.random() < 0.4:
            values = self._meter_values(connector)
            payload = {"connectorId": connector.number, "meterValue": values}
            self._keep("MeterValues", payload, connector.charge)
        if self.rng.random() < 0.1:
            self._remember_wrongly()
        if self.rng.random() < 0.5:
            return []
        connector.status, connector.since = self.rng.choice(STATUSES), self.clock()
        return [connector]

    def _start(self, connector: Connector) -> None:
        payload: dict[str, Any] = {
            "connectorId": connector.number,
            "idTag": self._tag(),
            "meterStart": connector.meter,
            "timestamp": self.clock(),
        }
        if self.rng.random() < 0.1:
            payload["reservationId"] = self.rng.randrange(1000)
        connector.charge = Charge(connector.number, payload)
        self.charges.append(connector.charge)
        self._keep("StartTransaction", payload, connector.charge)

    def _stop(self, connector: Connector) -> None:
        charge, connector.charge = connector.charge, None
        assert charge is not None
        payload: dict[str, Any] = {"meterStop": connector.meter, "timestamp": self.clock()}
        if (reason := self.rng.choice(REASONS)) is not None:
            payload["reason"] = reason
        if self.rng.random() < 0.5:
            payload["idTag"] = charge.start["idTag"]
        if self.rng.random() < 0.3:
            payload["transactionData"] = self._meter_values(connector)
        charge.stop = payload
        self._keep("StopTransaction", payload, charge)

    def _remember_wrongly(self) -> None:
        """It was switched off before it had noted that a transaction was answered: it sends all of it again."""
        done = [charge for charge in self.charges[-20:] if charge.stop_known]
        if done and self.rng.random() < 0.5:
            charge = self.rng.choice(done)
            assert charge.stop is not None
            self.note(f"forgets that {charge.id} was answered")
            self._keep("StartTransaction", charge.start, charge)
            self._keep("StopTransaction", charge.stop, charge)

    def _keep(self, action: str, payload: dict[str, Any], charge: Charge) -> None:
        self.note(f"keeps {action} {payload}")
        self._queue.append(Kept(action, payload, charge))

    def _tag(self) -> str:
        return f"TAG{self.rng.randrange(5)}"

    def _meter_values(self, connector: Connector) -> list[dict[str, Any]]:
        connector.meter += self.rng.randrange(50)
        connector.offered = self.rng.randrange(0, 22_000)
        samples = [
            {"value": str(connector.meter), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": str(connector.offered), "measurand": "Power.Active.Import", "unit": "W"},
        ]
        return [{"timestamp": self.clock(), "sampledValue": samples}]

    # What it says

    async def _boot(self, talk: Conversation) -> None:
        payload = {
            "chargePointVendor": "Vendor",
            "chargePointModel": "Model",
            "firmwareVersion": str(next(self._firmware)),
        }
        self.said.boot(payload)
        answer = await self._call(talk, "BootNotification", payload)
        if answer["status"] != "Accepted":
            raise Broken(f"{self.identity}: the boot was answered {answer}")
        self.said.confirm()
        self._booted = True

    async def _tell_statuses(self, talk: Conversation) -> None:
        for connector in self.connectors:
            if self.rng.random() < 0.3 or self.clock.age(connector.since) > OLD:
                connector.since = self.clock()
            await self._tell_status(talk, connector)

    async def _tell_status(self, talk: Conversation, connector: Connector) -> None:
        payload = {
            "connectorId": connector.number,
            "errorCode": "GroundFailure" if connector.status == "Faulted" else "NoError",
            "status": connector.status,
            "timestamp": connector.since,
        }
        self.said.status(payload)
        await self._call(talk, "StatusNotification", payload)
        self.said.confirm()

    async def _meter(self, talk: Conversation, connector: Connector) -> None:
        """A sample outside the queue: of the transaction that runs, or of none."""
        charge = connector.charge
        payload: dict[str, Any] = {"connectorId": connector.number, "meterValue": self._meter_values(connector)}
        if charge is not None:
            if charge.id is None or any(kept.charge is charge for kept in self._queue):
                return
            payload["transactionId"] = charge.id
        self.said.meter(connector.number, payload["meterValue"])
        await self._call(talk, "MeterValues", payload)
        self.said.confirm()

    async def _drain(self, talk: Conversation) -> None:
        while self._queue:
            await self._deliver(talk, self._queue[0])
            self._queue.popleft()

    async def _deliver(self, talk: Conversation, kept: Kept) -> None:
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
        again = kept.message_id and self.rng.random() < 0.5
        kept.message_id = kept.message_id if again else self._new_id()
        answer = await talk.call(kept.action, payload, kept.message_id)
        if kept.action == "StartTransaction":
            self._started(charge, answer)
        elif kept.action == "StopTransaction":
            charge.stop_known = True  # a repeated one is answered and not shown: nothing is confirmed
        else:
            self.said.confirm()

    def _started(self, charge: Charge, answer: dict[str, Any]) -> None:
        number = answer["transactionId"]
        if charge.id not in (None, number):
            raise Broken(f"{self.identity}: {charge.start} was answered with {charge.id}, and now with {number}")
        if answer["idTagInfo"]["status"] != "Accepted":
            raise Broken(f"{self.identity}: a start was answered {answer}")
        charge.id = number

    async def _call(self, talk: Conversation, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return await talk.call(action, payload, self._new_id())

    def _new_id(self) -> str:
        return f"{self.identity}-{next(self._ids)}"
