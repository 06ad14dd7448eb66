"""A central system made with the `ocpp` package. It validates every message and every answer: all is valid OCPP 1.6."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from ocpp.exceptions import InternalError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bridge.simulator import Simulator

FAST = {"speed": 50.0, "back_off": (0.01, 0.05), "pause": 1.0, "charge_time": 15.0, "meter_interval": 5.0}
#: stations that nobody comes to
LONELY = {**FAST, "pause": 1e6}


def now() -> str:
    return datetime.now(UTC).isoformat()


class Desk(ChargePoint):
    """The central system's side of one station. Every message is kept with its payload, in snake case."""

    def __init__(self, station: str, connection: ServerConnection, system: "CentralSystem") -> None:
        super().__init__(station, connection, response_timeout=10)
        self.system = system

    def take(self, action: str, payload: dict[str, Any]) -> None:
        self.system.take(self.id, action, payload)

    @on("BootNotification")
    def on_boot(self, **payload: Any) -> call_result.BootNotification:
        self.take("BootNotification", payload)
        registrations = self.system.registrations
        status = registrations.pop(0) if len(registrations) > 1 else registrations[0]
        return call_result.BootNotification(current_time=now(), interval=self.system.interval, status=status)

    @on("Authorize")
    def on_authorize(self, **payload: Any) -> call_result.Authorize:
        self.take("Authorize", payload)
        return call_result.Authorize(id_tag_info={"status": self.system.authorization})

    @on("StartTransaction")
    def on_start(self, **payload: Any) -> call_result.StartTransaction:
        if self.system.failures > 0:
            self.system.failures -= 1
            raise InternalError
        self.system.transactions += 1
        self.take("StartTransaction", {**payload, "transaction_id": self.system.transactions})
        return call_result.StartTransaction(
            transaction_id=self.system.transactions, id_tag_info={"status": self.system.start}
        )

    @on("StopTransaction")
    def on_stop(self, **payload: Any) -> call_result.StopTransaction:
        self.take("StopTransaction", payload)
        return call_result.StopTransaction()

    @on("Heartbeat")
    async def on_heartbeat(self) -> call_result.Heartbeat:
        self.take("Heartbeat", {})
        if self.system.silent:
            await self.system.closing.wait()
        return call_result.Heartbeat(current_time=now())

    @on("StatusNotification")
    def on_status(self, **payload: Any) -> call_result.StatusNotification:
        self.take("StatusNotification", payload)
        return call_result.StatusNotification()

    @on("MeterValues")
    def on_meter_values(self, **payload: Any) -> call_result.MeterValues:
        self.take("MeterValues", payload)
        return call_result.MeterValues()

    @on("DiagnosticsStatusNotification")
    def on_diagnostics(self, **payload: Any) -> call_result.DiagnosticsStatusNotification:
        self.take("DiagnosticsStatusNotification", payload)
        return call_result.DiagnosticsStatusNotification()

    @on("FirmwareStatusNotification")
    def on_firmware(self, **payload: Any) -> call_result.FirmwareStatusNotification:
        self.take("FirmwareStatusNotification", payload)
        return call_result.FirmwareStatusNotification()

    @on("SignedFirmwareStatusNotification")
    def on_signed_firmware(self, **payload: Any) -> call_result.SignedFirmwareStatusNotification:
        self.take("SignedFirmwareStatusNotification", payload)
        return call_result.SignedFirmwareStatusNotification()

    @on("LogStatusNotification")
    def on_log(self, **payload: Any) -> call_result.LogStatusNotification:
        self.take("LogStatusNotification", payload)
        return call_result.LogStatusNotification()

    @on("SignCertificate")
    def on_sign_certificate(self, **payload: Any) -> call_result.SignCertificate:
        self.take("SignCertificate", payload)
        return call_result.SignCertificate(status="Accepted")


class CentralSystem:
    """A small central system: says what it is told to say, and remembers what it heard."""

    def __init__(self) -> None:
        self.url = ""
        self.registrations = ["Accepted"]
        self.interval = 300
        self.authorization = "Accepted"
        self.start = "Accepted"
        self.transactions = 0
        self.failures = 0  # of the next StartTransactions
        self.silent = False  # to Heartbeat, until it closes
        self.closing = asyncio.Event()
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        self.desks: dict[str, Desk] = {}
        self.requests: list[tuple[str, str | None, str | None]] = []
        self._news = asyncio.Condition()
        self._jobs: set[asyncio.Task[None]] = set()

    def take(self, station: str, action: str, payload: dict[str, Any]) -> None:
        self.heard.append((station, action, payload))
        self._tell()

    def _tell(self) -> None:
        async def tell() -> None:
            async with self._news:
                self._news.notify_all()

        job = asyncio.create_task(tell())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        station = connection.request.path.rpartition("/")[2]
        headers = connection.request.headers
        self.requests.append((connection.request.path, connection.subprotocol, headers.get("Authorization")))
        self.desks[station] = desk = Desk(station, connection, self)
        self._tell()
        with suppress(ConnectionClosed):
            await desk.start()

    def of(self, action: str, **fields: Any) -> list[dict[str, Any]]:
        """The messages of this kind with these fields, so far."""
        return [
            payload
            for _, heard, payload in self.heard
            if heard == action and all(payload.get(name) == value for name, value in fields.items())
        ]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Waits until the condition holds; returns what it returned."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(condition)
        return condition()

    async def hear(self, action: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Waits for so many messages of this kind with these fields."""

        def found() -> list[dict[str, Any]] | None:
            heard = self.of(action, **fields)
            return heard if len(heard) >= count else None

        heard = await self.until(found)
        assert isinstance(heard, list)
        return heard

    async def command(self, payload: Any, station: str = "SIM0001") -> Any:
        """Sends a command; the answer has passed the package's validation."""
        return await self.desks[station].call(payload, suppress=False)


@asynccontextmanager
async def running(simulator: Simulator) -> AsyncIterator[Simulator]:
    task = asyncio.create_task(simulator.run())
    try:
        yield simulator
        assert not task.done() or task.exception() is None
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def start(system: CentralSystem, **fields: Any) -> int:
    """Starts a transaction from afar; returns its id once the car charges."""
    before = system.transactions
    answer = await system.command(call.RemoteStartTransaction(**{"id_tag": "AFAR", "connector_id": 1, **fields}))
    assert answer.status == "Accepted"
    await system.hear("StatusNotification", status="Charging", connector_id=fields.get("connector_id", 1))
    assert system.transactions == before + 1
    return system.transactions


def measured(payload: dict[str, Any]) -> dict[tuple[str, str], float]:
    """(measurand, phase) → value of a telegram, in base units."""
    kilo = {"kWh": 1000.0, "kW": 1000.0}
    return {
        (sample["measurand"], sample.get("phase", "")): float(sample["value"]) * kilo.get(sample["unit"], 1.0)
        for sample in payload["meter_value"][0]["sampled_value"]
    }
