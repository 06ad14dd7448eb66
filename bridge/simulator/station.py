"""What a station knows and does, whether it is connected or not."""

import asyncio
import hashlib
from collections.abc import Coroutine
from random import Random
from typing import Any, Protocol

from ocpp.v16 import call

from bridge.simulator.configuration import Configuration
from bridge.simulator.connector import Connector, timestamp
from bridge.simulator.profiles import Profiles
from bridge.simulator.settings import Counters, OnEvent, SimulatedStation

VENDOR = "SIM"
FIRMWARE = ("Downloading", "Downloaded", "Installing", "Installed")
SIGNED_FIRMWARE = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed")


class CallError(Exception):
    """A CALL that got no answer. `again`: over the next connection it may."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class Line(Protocol):
    """A connection to the central system."""

    lost: asyncio.Event

    async def ask(self, payload: Any) -> Any:
        """Sends a CALL and waits for the answer; raises CallError."""

    async def close(self) -> None:
        """Hangs up."""


class Station:
    """A station: its connectors, its settings, its line when it has one."""

    def __init__(self, settings: SimulatedStation, counters: Counters, on_event: OnEvent | None = None) -> None:
        self.settings = settings
        self.counters = counters
        self.configuration = Configuration(settings.connectors, settings.meter_interval, settings.heartbeat)
        self.profiles = Profiles()
        self.local_list: dict[str, Any] = {}
        self.local_list_version = 0
        self.certificates: dict[tuple[str, ...], dict[str, str]] = {}
        self.operative = True
        self.line: Line | None = None
        self.accepted = asyncio.Event()
        self.woken = asyncio.Event()  # the heartbeat interval, or whether we are accepted, has changed
        self.retry = settings.boot_retry
        self.boots = 0  # that were accepted
        self._on_event = on_event
        self._jobs: set[asyncio.Task[Any]] = set()
        random = Random(f"{settings.seed}/{settings.id}")  # noqa: S311 - a simulation
        numbers = range(1, settings.connectors + 1)
        self.connectors = {number: Connector(number, self, random) for number in numbers}

    def tell(self, event: str, detail: str = "") -> None:
        """Says what happens to whoever listens."""
        if self._on_event is not None:
            self._on_event(self.settings.id, event, detail)

    def start_job(self, work: Coroutine[Any, Any, Any]) -> None:
        """Does something beside the rest, such as what follows an answer."""
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def stop_jobs(self) -> None:
        for job in self._jobs:
            job.cancel()

    async def send(self, payload: Any, *, must_arrive: bool = False, unasked: bool = True) -> Any:
        """Sends a CALL; returns the answer, None when there is none.

        `must_arrive`: waits for a connection and tries again, as stations do with what concerns transactions
        (OCPP 1.6 §3.7). Not `unasked`: the central system wants it, so it goes out also while Pending.
        """
        attempts = int(self.configuration.seconds("TransactionMessageAttempts")) if must_arrive else 1
        while True:
            if must_arrive:
                await self.accepted.wait()
            line = self.line
            if line is None or (unasked and not self.accepted.is_set()):
                return None
            try:
                answer = await line.ask(payload)
            except CallError as error:
                attempts -= not (must_arrive and error.again)
                self._failed(error)
                if attempts <= 0:
                    return None
                await self._before_next_attempt(line, error)
            else:
                self.counters.calls += 1
                return answer

    def _failed(self, error: CallError) -> None:
        self.counters.errors += not error.again
        self.tell("error" if not error.again else "delayed", str(error))

    async def _before_next_attempt(self, line: Line, error: CallError) -> None:
        if error.again:
            await line.lost.wait()
        else:
            await asyncio.sleep(self.configuration.seconds("TransactionMessageRetryInterval"))

    async def boot(self) -> None:
        """Sends BootNotification and takes the answer in (OCPP 1.6 §4.2)."""
        answer = await self.send(
            call.BootNotification(
                charge_point_vendor=VENDOR,
                charge_point_model=f"Simulated {self.settings.connectors}",
                charge_point_serial_number=self.settings.id[:25],
                firmware_version="1.0",
                meter_type="SIM-M",
                meter_serial_number=f"M-{self.settings.id}"[:25],
            ),
            unasked=False,
        )
        if answer is None:
            return
        interval = answer.interval if isinstance(answer.interval, int) and answer.interval > 0 else None
        if answer.status != "Accepted":
            self.retry = float(interval or self.settings.boot_retry)
            self.accepted.clear()
        else:
            if self.settings.heartbeat is None and interval:
                self.configuration.set("HeartbeatInterval", str(interval))
            self.boots += 1
            self.counters.boots += 1
            self.accepted.set()
        self.woken.set()
        self.tell("boot", str(answer.status))

    async def heartbeat(self) -> None:
        await self.send(call.Heartbeat(), unasked=False)

    async def send_status(self, number: int | None = None) -> None:
        """StatusNotification of a connector, of all and the station itself when None."""
        for found in [0, *self.connectors] if number is None else [number]:
            notification = self.connectors[found].notification() if found else self.notification()
            await self.send(notification, unasked=False)

    async def send_meter_values(self, number: int | None = None) -> None:
        """MeterValues of a connector, of all when None."""
        for connector in self.connectors.values():
            if number in (None, connector.number):
                await self.send(connector.telegram("Trigger"), unasked=False)

    def notification(self) -> call.StatusNotification:
        """The station as a whole."""
        status = "Available" if self.operative else "Unavailable"
        return call.StatusNotification(connector_id=0, error_code="NoError", status=status, timestamp=timestamp())

    async def reset(self, *, hard: bool) -> None:
        """Ends the transactions, hangs up; the line comes back and boots (OCPP 1.6 §5.14)."""
        charging = [connector for connector in self.connectors.values() if connector.transaction]
        for connector in charging:
            connector.stop("HardReset" if hard else "SoftReset")
        if not hard:  # a hard reset leaves StopTransaction for after the boot
            for connector in charging:
                await connector.idle.wait()
        self.tell("reset", "Hard" if hard else "Soft")
        self.accepted.clear()
        if self.line is not None:
            await self.line.close()

    async def set_operative(self, number: int, *, operative: bool) -> None:
        """ChangeAvailability; connector 0 is the station with all its connectors (§5.2)."""
        if number == 0:
            self.operative = operative
            await self.send(self.notification())
        for connector in self.connectors.values():
            if number in (0, connector.number):
                await connector.set_operative(operative)

    def take_list(self, version: int, kind: str, entries: list[dict[str, Any]]) -> str:
        """SendLocalList; returns the UpdateStatus (§7.48)."""
        if kind == "Differential" and version <= self.local_list_version:
            return "VersionMismatch"
        if kind == "Full":
            self.local_list.clear()
        for entry in entries:
            if entry.get("id_tag_info") is None:
                self.local_list.pop(entry["id_tag"], None)
            else:
                self.local_list[entry["id_tag"]] = entry["id_tag_info"]
        self.local_list_version = version
        return "Accepted"

    def take_certificate(self, kind: str, certificate: str) -> None:
        """InstallCertificate; what identifies it is made from its text."""
        hashed = hashlib.sha256(certificate.encode()).hexdigest()
        data = {
            "hash_algorithm": "SHA256",
            "issuer_name_hash": hashed,
            "issuer_key_hash": hashed[::-1],
            "serial_number": hashed[:16],
        }
        self.certificates[certificate_key(data)] = {**data, "certificate_type": kind}

    async def upload_diagnostics(self) -> None:
        for status in ("Uploading", "Uploaded"):
            await self.send(call.DiagnosticsStatusNotification(status=status))
            await self.pass_time()

    async def upload_log(self, request_id: int) -> None:
        for status in ("Uploading", "Uploaded"):
            await self.send(call.LogStatusNotification(status=status, request_id=request_id))
            await self.pass_time()

    async def update_firmware(self) -> None:
        for status in FIRMWARE:
            await self.send(call.FirmwareStatusNotification(status=status))
            await self.pass_time()

    async def update_signed_firmware(self, request_id: int) -> None:
        for status in SIGNED_FIRMWARE:
            await self.send(call.SignedFirmwareStatusNotification(status=status, request_id=request_id))
            await self.pass_time()

    async def pass_time(self) -> None:
        """What takes a few seconds."""
        await asyncio.sleep(2.0 / self.settings.speed)


def certificate_key(data: dict[str, str]) -> tuple[str, ...]:
    """What identifies a certificate (CertificateHashData)."""
    return data["issuer_name_hash"], data["issuer_key_hash"], data["serial_number"]
