"""What a 2.x station watches in its device model, and the events that it reports (OCPP 2.0.1 N)."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from bridge.simulator.timing import happens, timestamp
from bridge.simulator.v2.device import DeviceModel
from bridge.simulator.v2.transaction import Payload
from bridge.simulator.v2.variables import Key, without_nones

NUMBERS = frozenset({"integer", "decimal"})
PERIODIC = frozenset({"Periodic", "PeriodicClockAligned"})
#: the criterion of a GetMonitoringReport → the types of monitors that it asks for
CRITERIA: Mapping[str, frozenset[str]] = {
    "ThresholdMonitoring": frozenset({"UpperThreshold", "LowerThreshold"}),
    "DeltaMonitoring": frozenset({"Delta", "TargetDelta", "TargetDeltaRelative"}),
    "PeriodicMonitoring": PERIODIC,
}
TYPES = frozenset({"UpperThreshold", "LowerThreshold", "Delta", *PERIODIC})
#: monitors that every station has: variable, type, value, severity, EventNotificationEnumType
BUILT_IN = (
    ("ChargingStation.Temperature", "UpperThreshold", 80.0, 3, "HardWiredMonitor"),
    ("CoolingSystem.Temperature", "UpperThreshold", 60.0, 5, "PreconfiguredMonitor"),
)


class Host(Protocol):
    """What monitors need of their station."""

    device: DeviceModel
    version: str

    async def notify_events(self, events: list[Payload]) -> None:
        """Sends NotifyEvent."""

    def start_job(self, work: Coroutine[Any, Any, Any]) -> None:
        """Does something beside the rest."""


@dataclass(slots=True)
class Monitor:
    """VariableMonitoringType, of a variable."""

    id: int
    key: Key
    type: str
    value: float
    severity: int
    transaction: bool = False
    kind: str = "CustomMonitor"
    last: str = ""  # Actual when it was reported last
    exceeded: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Monitors:
    """The monitors of a station."""

    def __init__(self, host: Host) -> None:
        self.level = 9  # events of a higher severity number are not sent
        self._host = host
        self._ids = count(1)
        self._events = count(1)
        self._held: dict[int, Monitor] = {}
        for name, kind, value, severity, source in BUILT_IN:
            self._add(Monitor(next(self._ids), Key.named(name), kind, value, severity, kind=source))

    def _add(self, monitor: Monitor) -> None:
        monitor.last = self._host.device.value(monitor.key)
        self._held[monitor.id] = monitor

    def get(self, number: int) -> Monitor | None:
        return self._held.get(number)

    def set(self, wanted: Mapping[str, Any]) -> tuple[Payload, Monitor | None]:
        """SetMonitoringDataType → SetMonitoringResultType, and the monitor if it was accepted (N04)."""
        key, kind = Key.of(wanted), str(wanted["type"])
        row, number = self._host.device.find(key), wanted.get("id")
        old, monitor = self._held.get(number or 0), None
        if row is None:
            status = self._host.device.unknown(key)
        elif kind not in TYPES or (kind != "Delta" and kind not in PERIODIC and row.type not in NUMBERS):
            status = "UnsupportedMonitorType"
        elif not row.monitored or (number is not None and (old is None or old.key != key)):
            status = "Rejected"
        elif number is None and any((held.key, held.type) == (key, kind) for held in self._held.values()):
            status = "Duplicate"
        else:
            status = "Accepted"
            monitor = self._place(wanted, key, old)
        answer = {"status": status, "type": kind, "severity": wanted["severity"], "id": monitor and monitor.id}
        return {**without_nones(answer), **key.json()}, monitor

    def _place(self, wanted: Mapping[str, Any], key: Key, old: Monitor | None) -> Monitor:
        if old is not None:
            self._drop(old)
        transaction = bool(wanted.get("transaction", False))
        number = old.id if old else next(self._ids)
        monitor = Monitor(number, key, wanted["type"], float(wanted["value"]), int(wanted["severity"]), transaction)
        self._add(monitor)
        if monitor.type in PERIODIC and "periodicEventStream" not in wanted:
            self._host.start_job(self._report_periodically(monitor))
        return monitor

    def _drop(self, monitor: Monitor) -> None:
        monitor.gone.set()
        del self._held[monitor.id]

    def clear(self, number: int) -> str:
        """ClearMonitoringStatusEnumType (N06): what is built in stays."""
        monitor = self._held.get(number)
        if monitor is None:
            return "NotFound"
        if monitor.kind == "HardWiredMonitor":
            return "Rejected"
        self._drop(monitor)
        return "Accepted"

    def keep(self, kinds: Iterable[str]) -> None:
        """SetMonitoringBase: only monitors of these kinds stay (N02)."""
        for monitor in list(self._held.values()):
            if monitor.kind not in kinds:
                self._drop(monitor)

    def report(self, criteria: Iterable[str], places: Iterable[Mapping[str, Any]]) -> list[Payload]:
        """MonitoringDataType of a GetMonitoringReport (N02), by component and variable."""
        types = frozenset[str]().union(*(CRITERIA[criterion] for criterion in criteria))
        names = {(place["component"]["name"], place.get("variable", {}).get("name")) for place in places}
        found: dict[Key, list[Payload]] = {}
        for monitor in self._held.values():
            key = monitor.key
            asked = not names or (key.component, key.variable) in names or (key.component, None) in names
            if asked and (not types or monitor.type in types):
                found.setdefault(key, []).append(self._describe(monitor))
        return [{**key.json(), "variableMonitoring": monitors} for key, monitors in found.items()]

    def _describe(self, monitor: Monitor) -> Payload:
        described: Payload = {
            name: getattr(monitor, name) for name in ("id", "transaction", "value", "type", "severity")
        }
        return described if self._host.version == "2.0.1" else {**described, "eventNotificationType": monitor.kind}

    def watch(self, key: Key, value: str) -> None:
        """A variable has this Actual now."""
        events = []
        for monitor in self._held.values():
            if monitor.key == key and monitor.severity <= self.level and monitor.type not in PERIODIC:
                events += self._judge(monitor, value)
        if events:
            self._host.start_job(self._host.notify_events(events))

    def _judge(self, monitor: Monitor, value: str) -> list[Payload]:
        if monitor.type == "Delta":
            row = self._host.device.find(monitor.key)
            numeric = row is not None and row.type in NUMBERS
            far = abs(float(value) - float(monitor.last)) >= monitor.value if numeric else value != monitor.last
            if not far:
                return []
            monitor.last = value
            return [self.event(monitor, "Delta", value)]
        upper = monitor.type == "UpperThreshold"
        exceeds = float(value) > monitor.value if upper else float(value) < monitor.value
        if exceeds == monitor.exceeded:
            return []
        monitor.exceeded = exceeds
        return [self.event(monitor, "Alerting", value, cleared=None if exceeds else True)]

    def event(self, monitor: Monitor, trigger: str, value: str, **more: Any) -> Payload:
        """EventDataType."""
        return {
            "eventId": next(self._events),
            "timestamp": timestamp(),
            "trigger": trigger,
            "actualValue": value,
            "eventNotificationType": monitor.kind,
            "variableMonitoringId": monitor.id,
            **monitor.key.json(),
            **({} if self._host.version == "2.0.1" else {"severity": monitor.severity}),
            **without_nones(more),
        }

    async def _report_periodically(self, monitor: Monitor) -> None:
        while not monitor.gone.is_set():
            aligned = monitor.type == "PeriodicClockAligned"
            pause = monitor.value - time.time() % monitor.value if aligned else monitor.value
            if not await happens(monitor.gone, pause):
                value = self._host.device.value(monitor.key)
                await self._host.notify_events([self.event(monitor, "Periodic", value)])
