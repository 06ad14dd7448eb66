"""A station as real ones are: it charges while it is offline, keeps the messages about transactions until they are
answered, and sends them in order and unchanged, whatever happens to it, the network or the bridge (OCPP 1.6 §3.7,
2.0.1 E04). What its version makes of that is in `station_16` and `station_2`."""

import asyncio
import itertools
import random
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.chaos.messages import LOST, PATIENCE, Broken, Conversation, NoAnswer, RefusedForNow
from tests.chaos.said import Clock, Said

DATED = 5.0  # s that a message may be old that tells what time it is at the station
OLD = 60.0  # s; of a station whose clock it does not know a bridge believes no time that is five minutes old


@dataclass(eq=False)
class Charge:
    """A transaction as the station knows it. `id`: None until it is known."""

    connector: int
    id: int | str | None = None


@dataclass(eq=False)
class Kept:
    """A message about a transaction that has not been answered yet.

    sent: it has gone out. doubtful: the bridge was killed after that. again: it had been answered before.
    """

    action: str
    payload: dict[str, Any]
    charge: Any
    message_id: str = ""
    sent: bool = False
    doubtful: bool = False
    again: bool = False


@dataclass(eq=False)
class Connector:
    number: int
    meter: int
    status: str = "Available"
    since: str = ""
    charge: Any = None
    offered: int = 0


@dataclass
class Station(ABC):
    """`said` is what the bridge has to show of it."""

    identity: str
    url: str
    rng: random.Random
    clock: Clock
    said: Said
    history: deque[str] = field(default_factory=lambda: deque(maxlen=400))
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    calm: bool = False  # it is to say everything once more and be silent then
    away: bool = False  # it is to stay disconnected
    timed: bool = False  # the bridge has kept how far its clock is off
    connections: int = 0
    refusals: int = 0
    may_refuse: Callable[[], bool] = lambda: False

    SUBPROTOCOL: ClassVar[str] = ""
    STATUSES: ClassVar[tuple[str, ...]] = ()
    MORE: ClassVar[tuple[str, ...]] = ()  # points of a connector that no other version has, or says itself

    def __post_init__(self) -> None:
        rng = self.rng
        self.connectors = [Connector(n, rng.randrange(100_000), since=self.clock()) for n in range(rng.randint(1, 4))]
        self.asked: Counter[str] = Counter()  # commands that came, by their action
        self._queue: deque[Kept] = deque()
        self._ids = itertools.count(1)
        self._firmware = itertools.count(1)
        self._left: list[ClientConnection] = []
        self._booted = False
        self._patience = PATIENCE
        self._steady = rng.random() < 0.5  # its connectors' statuses stay as they are for long
        self._dated = False  # this life of the bridge has had a message with the present time

    @property
    def outlets(self) -> list[Connector]:
        return self.connectors[1:]

    def bridge_killed(self) -> None:
        """What it has told may be lost, but for the transactions."""
        self._dated = False
        self.said.doubt()
        for kept in self._queue:
            kept.doubtful = kept.sent

    def bridge_stopped(self) -> None:
        """The bridge had the time to write what it knows."""
        self.values_written()
        self._dated = False

    def values_written(self) -> None:
        """All that it has told until now is in the store."""
        self.timed = self.timed or self._dated
        self.said.keep()

    def note(self, text: str) -> None:
        self.history.append(f"{asyncio.get_running_loop().time():.3f} {text}")

    # What a version says

    @abstractmethod
    def boot_payload(self, firmware: str) -> dict[str, Any]: ...

    @abstractmethod
    def status_payload(self, connector: Connector) -> dict[str, Any]:
        """A StatusNotification, noted in `said`."""

    @abstractmethod
    def authorize_payload(self, tag: str) -> dict[str, Any]: ...

    @abstractmethod
    def begin(self, connector: Connector) -> None:
        """A transaction begins."""

    @abstractmethod
    def go_on(self, connector: Connector) -> None:
        """Meter values of a transaction."""

    @abstractmethod
    def end(self, connector: Connector) -> None:
        """A transaction ends."""

    @abstractmethod
    def remember_wrongly(self) -> None:
        """It was switched off before it had noted that a transaction was answered: it sends all of it again."""

    @abstractmethod
    async def deliver(self, talk: Conversation, kept: Kept) -> None:
        """Sends what is kept; returns when it was answered."""

    @abstractmethod
    async def meter(self, talk: Conversation, connector: Connector) -> None:
        """A sample outside the queue: of the transaction that runs, or of none."""

    @abstractmethod
    def transactions(self) -> dict[str, Any]:
        """What Transaction.* and Status.* must be, by path, when all messages have been answered."""

    # Its life

    async def live(self) -> None:
        """Connects again and again, until it is cancelled."""
        try:
            while True:
                if not self.away:
                    try:
                        await self._connection()
                    except RefusedForNow:
                        self.refusals += 1
                    except NoAnswer:
                        self._patience = 2 * self._patience if self.calm else PATIENCE
                    except LOST:
                        pass
                self.note("offline")
                if not self.calm and self.rng.random() < 0.5:
                    self._act()
                await asyncio.sleep(self.rng.uniform(0.05, 0.3))
        finally:
            for socket in self._left:
                socket.transport.abort()

    async def _connection(self) -> None:
        async with asyncio.timeout(max(self._patience, 10.0 if self.calm else 0.0)):
            socket = await connect(
                f"{self.url}{self.identity}",
                subprotocols=[websockets.Subprotocol(self.SUBPROTOCOL)],
                compression=None,
                ping_interval=None,
                open_timeout=None,
                close_timeout=0.1,
            )
        self.note("connected")
        self.connections += 1
        forgotten = False
        try:
            await self._session(self._conversation(socket))
            forgotten = self.rng.random() < 0.3
        finally:
            if forgotten:  # it has lost it, and the bridge does not know
                socket.transport.pause_reading()  # nor does it answer a ping any more
                self._left.append(socket)
            else:
                socket.transport.abort()
            while len(self._left) > 2:
                self._left.pop(0).transport.abort()

    def _conversation(self, socket: ClientConnection) -> Conversation:
        return Conversation(self.identity, socket, self.rng, self.note, self.asked, self._patience, self.may_refuse)

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
            await self.meter(talk, connector)
        await self.call(talk, "Heartbeat", {})  # once it is answered, all that was sent before is shown
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
            await self.call(talk, "Heartbeat", {})
        elif kind == 1:
            await self.call(talk, "Authorize", self.authorize_payload(self.tag()))
        elif kind == 2 and self.outlets:
            await self.meter(talk, self.rng.choice(self.outlets))
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
                self.begin(connector)
        elif self.rng.random() < 0.4:
            self.end(connector)
        elif self.rng.random() < 0.4:
            self.go_on(connector)
        if self.rng.random() < 0.1:
            self.remember_wrongly()
        if self._steady or self.rng.random() < 0.5:
            return []
        connector.status, connector.since = self.rng.choice(self.statuses(connector)), self.clock()
        return [connector]

    def statuses(self, connector: Connector) -> tuple[str, ...]:
        """Those that a connector may have now."""
        return self.STATUSES

    def keep(self, action: str, payload: dict[str, Any], charge: Any, *, again: bool = False) -> None:
        self.note(f"keeps {action} {payload}")
        self._queue.append(Kept(action, payload, charge, again=again))

    def is_kept(self, charge: Any) -> bool:
        """Whether something of a transaction waits."""
        return any(kept.charge is charge for kept in self._queue)

    def tag(self) -> str:
        return f"TAG{self.rng.randrange(5)}"

    def metered(self, connector: Connector) -> tuple[int, int]:
        """The register in Wh and the power in W that a connector measures now."""
        connector.meter += self.rng.randrange(50)
        connector.offered = self.rng.randrange(0, 22_000)
        return connector.meter, connector.offered

    # What it says

    async def _boot(self, talk: Conversation) -> None:
        firmware = str(next(self._firmware))
        self.said.say(0, {"Info.Vendor": "Vendor", "Info.Model": "Model", "Info.FirmwareVersion": firmware}, None)
        answer = await self.call(talk, "BootNotification", self.boot_payload(firmware))
        if answer["status"] != "Accepted":
            raise Broken(f"{self.identity}: the boot was answered {answer}")
        self.said.confirm()
        self._booted = True

    async def _tell_statuses(self, talk: Conversation) -> None:
        for connector in self.connectors:
            unsure = not self.timed and self.clock.age(connector.since) > OLD
            if unsure or (not self._steady and self.rng.random() < 0.3):
                connector.since = self.clock()
            await self._tell_status(talk, connector)

    async def _tell_status(self, talk: Conversation, connector: Connector) -> None:
        await self.call(talk, "StatusNotification", self.status_payload(connector))
        self.said.confirm()
        self._dated = self._dated or self.clock.age(connector.since) < DATED

    async def _drain(self, talk: Conversation) -> None:
        while self._queue:
            kept = self._queue[0]
            again = kept.message_id and self.rng.random() < 0.5
            kept.message_id = kept.message_id if again else self._new_id()
            await self.deliver(talk, kept)
            self._queue.popleft()

    async def call(self, talk: Conversation, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return await talk.call(action, payload, self._new_id())

    def _new_id(self) -> str:
        return f"{self.identity}-{next(self._ids)}"
