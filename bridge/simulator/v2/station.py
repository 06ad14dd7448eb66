"""What a 2.x station knows and does, whether it is connected or not."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from websockets.typing import Subprotocol

from bridge.simulator.settings import Counters, OnEvent, SimulatedStation
from bridge.simulator.station import VENDOR, Station
from bridge.simulator.timing import happens, timestamp
from bridge.simulator.v2.device import DeviceModel
from bridge.simulator.v2.evse import Evse
from bridge.simulator.v2.memory import Memory
from bridge.simulator.v2.monitors import Monitors
from bridge.simulator.v2.streams import Streams
from bridge.simulator.v2.transaction import Outbox, Payload
from bridge.simulator.v2.variables import Key

MODEL = "Simulated 2"
INTERVALS = frozenset({"AlignedDataCtrlr.Interval", "AlignedDataCtrlr.SendDuringIdle"})


class Station2(Station):
    """A station of OCPP 2.0.1 or 2.1 with its EVSEs. Messages are an action and a payload as on the wire."""

    version: str

    def __init__(self, settings: SimulatedStation, counters: Counters, on_event: OnEvent | None = None) -> None:
        super().__init__(settings, counters, on_event)
        self.device = DeviceModel(self.version, settings.connectors, settings.evse_connectors)
        self._set_up()
        self.monitors = Monitors(self)
        self.streams = Streams(self)
        self.device.on_change = self._changed
        self.memory = Memory()
        self.outbox = Outbox(self)
        numbers = range(1, settings.connectors + 1)
        self.evses = {number: Evse(number, self, self.random, settings.evse_connectors) for number in numbers}
        self.outlets = tuple(self.evses.values())
        self.close_outlets()
        self.boot_reason: str = settings.boot_reason
        self._booted = False  # since it was last switched on
        self._afterwards: list[Coroutine[Any, Any, Any]] = []
        self._aligned = asyncio.Event()  # what is measured by the clock has changed

    def _set_up(self) -> None:
        settings, put = self.settings, self.device.put
        put("ChargingStation.Model", MODEL)
        put("Controller.SerialNumber", settings.id[:25])
        put("Controller.LastRebootReason", settings.boot_reason)
        put("SecurityCtrlr.Identity", settings.id[:48])
        put("SecurityCtrlr.SecurityProfile", "0" if settings.password is None else "1")
        put("SampledDataCtrlr.TxUpdatedInterval", f"{settings.meter_interval:.0f}")
        put("SampledDataCtrlr.SignReadings", str(settings.signed).lower())
        if settings.heartbeat is not None:
            put("OCPPCommCtrlr.HeartbeatInterval", f"{settings.heartbeat:.0f}")

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        return [*super().lives(), self.outbox.run(), self._measure_by_the_clock()]

    def heartbeat_interval(self) -> float:
        return self.device.number("OCPPCommCtrlr.HeartbeatInterval")

    def set_heartbeat_interval(self, seconds: int) -> None:
        self.device.put("OCPPCommCtrlr.HeartbeatInterval", str(seconds))

    def patience(self) -> tuple[int, float]:
        number = self.device.number
        attempts = number("OCPPCommCtrlr.MessageAttempts[TransactionEvent]")
        return int(attempts), number("OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]")

    def _changed(self, key: Key, value: str) -> None:
        name = f"{key.component}.{key.variable}"
        if name == "OCPPCommCtrlr.HeartbeatInterval":
            self.woken.set()
        elif name in INTERVALS:
            self._aligned.set()
        self.monitors.watch(key, value)

    def then(self, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **named: Any) -> None:
        """To be called by what answers a command: what to do once the answer is out."""
        self._afterwards.append(work(*arguments, **named))

    def afterwards(self) -> Iterable[Coroutine[Any, Any, Any]]:
        """What is to be done now that the answer is out."""
        works, self._afterwards = self._afterwards, []
        return works

    async def boot(self, reason: str | None = None) -> None:
        """Sends BootNotification and takes the answer in (OCPP 2.0.1 B01 to B03)."""
        described = {
            "model": MODEL,
            "vendorName": VENDOR,
            "serialNumber": self.device.text("Controller.SerialNumber"),
            "firmwareVersion": self.device.text("Controller.FirmwareVersion"),
            "modem": {"iccid": "8949000000000000000", "imsi": "262010000000000"},
        }
        request = {"reason": reason or self.boot_reason, "chargingStation": described}
        answer = await self.send("BootNotification", request, unasked=False)
        if answer is not None:
            self.registered(str(answer.get("status")), answer.get("interval"))

    async def heartbeat(self) -> None:
        await self.send("Heartbeat", {}, unasked=False)

    def resumes(self) -> bool:
        if self._booted and not self.accepted.is_set():
            self.accepted.set()
        return self._booted

    async def greet(self) -> None:
        """After a boot all statuses; after less than OfflineThreshold those that have changed (B04)."""
        if not self._booted:
            self._booted = True
            await self.send_security_event("StartupOfTheDevice")
            await self.send_status()
            self.open_outlets()
        elif time.monotonic() - self.left > self.device.number("OCPPCommCtrlr.OfflineThreshold"):
            await self.send_status()
        else:
            for evse in self.evses.values():
                await evse.catch_up()

    async def send_status(self) -> None:
        for evse in self.evses.values():
            await evse.send_status()

    async def send_security_event(self, kind: str) -> None:
        await self.send("SecurityEventNotification", {"type": kind, "timestamp": timestamp()})

    async def notify_events(self, events: list[Payload]) -> None:
        """NotifyEvent (N07)."""
        await self.send("NotifyEvent", {"generatedAt": timestamp(), "seqNo": 0, "tbc": False, "eventData": events})

    async def send_parts(self, action: str, name: str, items: list[Any], size: int, **more: Any) -> None:
        """A report in parts of so many items, numbered from 0; an empty one has one part without items."""
        parts = [items[begin : begin + size] for begin in range(0, len(items), size)] or [[]]
        for number, part in enumerate(parts):
            payload = {**more, "seqNo": number, "tbc": number < len(parts) - 1, "generatedAt": timestamp()}
            await self.send(action, {**payload, name: part} if part else payload, unasked=False)

    async def settled(self, answer: asyncio.Future[Payload | None]) -> Payload | None:
        """The answer to an event, None when we are offline, or the line is lost before it comes."""
        line = self.line
        if line is None or not self.accepted.is_set():
            return None
        lost = asyncio.ensure_future(line.lost.wait())
        try:
            await asyncio.wait((answer, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
        return answer.result() if answer.done() else None

    def cost(self, evse: int, energy: float, seconds: float) -> Payload:
        """costDetails of a transaction's last event (2.1 I12), where there is a tariff."""
        tariff = self.memory.tariff(evse)
        prices = tariff.get("energy", {}).get("prices") if tariff else None
        if tariff is None or not prices:
            return {}
        total = round(energy / 1000 * float(prices[0]["priceKwh"]), 4)
        return {
            "costDetails": {
                "totalCost": {
                    "currency": tariff["currency"],
                    "typeOfCost": "NormalCost",
                    "energy": {"exclTax": total},
                    "total": {"exclTax": total},
                },
                "totalUsage": {"energy": round(energy / 1000, 4), "chargingTime": round(seconds), "idleTime": 0},
            }
        }

    async def reset(self, *, on_idle: bool, reason: str | None = None) -> None:
        """Ends the transactions, or waits for their end; then the station restarts (B11, B12)."""
        self.close_outlets()
        for evse in self.evses.values():
            if not on_idle and not evse.idle.is_set():
                evse.stop("ImmediateReset")
        for evse in self.evses.values():
            await evse.idle.wait()
        if self.accepted.is_set():
            await self.outbox.empty.wait()
            await self.send_security_event("ResetOrReboot")
        self.tell("reset", "OnIdle" if on_idle else "Immediate")
        await self.restart(reason or ("ScheduledReset" if on_idle else "RemoteReset"))

    async def restart(self, reason: str) -> None:
        """Switches itself off and on; the line comes back and boots for this reason."""
        self.boot_reason = reason
        self.device.put("Controller.LastRebootReason", reason)
        self._booted = False
        self.accepted.clear()
        if self.line is not None:
            await self.line.close()

    async def set_operative(self, evse: int, *, operative: bool) -> None:
        """ChangeAvailability; EVSE 0 is the station with all its EVSEs (G03, G04)."""
        if evse == 0:
            self.operative = operative
            self.device.put("ChargingStation.AvailabilityState", "Available" if operative else "Unavailable")
        for number, found in self.evses.items():
            if evse in (0, number):
                await found.set_operative(operative)

    async def _measure_by_the_clock(self) -> None:
        while True:
            interval = self.device.number("AlignedDataCtrlr.Interval")
            self._aligned.clear()
            if await happens(self._aligned, interval - time.time() % interval if interval > 0 else None):
                continue
            for evse in self.evses.values():
                if not evse.idle.is_set():
                    evse.tell_transaction("MeterValueClock", "Sample.Clock", "AlignedDataCtrlr.Measurands")
                elif self.device.is_true("AlignedDataCtrlr.SendDuringIdle"):
                    await evse.tell_meter("Sample.Clock", "AlignedDataCtrlr.Measurands", unasked=True)


class Station201(Station2):
    """OCPP 2.0.1."""

    version = "2.0.1"
    subprotocol = Subprotocol("ocpp2.0.1")


class Station21(Station2):
    """OCPP 2.1, which wants compression offered."""

    version = "2.1"
    subprotocol = Subprotocol("ocpp2.1")
    compression = "deflate"
