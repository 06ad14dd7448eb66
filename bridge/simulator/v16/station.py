"""What a 1.6 station knows and does, whether it is connected or not."""

import hashlib
from typing import Any

from ocpp.v16 import call
from websockets.typing import Subprotocol

from bridge.simulator.settings import Counters, OnEvent, SimulatedStation
from bridge.simulator.station import VENDOR, Station
from bridge.simulator.timing import timestamp
from bridge.simulator.v16.configuration import Configuration
from bridge.simulator.v16.connector import Connector
from bridge.simulator.v16.payloads import certificate_key

FIRMWARE = ("Downloading", "Downloaded", "Installing", "Installed")
SIGNED_FIRMWARE = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed")


class Station16(Station):
    """A station of OCPP 1.6 with its connectors. Messages are the `ocpp` package's call classes."""

    subprotocol = Subprotocol("ocpp1.6")

    def __init__(self, settings: SimulatedStation, counters: Counters, on_event: OnEvent | None = None) -> None:
        super().__init__(settings, counters, on_event)
        self.configuration = Configuration(settings.connectors, settings.meter_interval, settings.heartbeat)
        self.local_list: dict[str, Any] = {}
        self.local_list_version = 0
        self.certificates: dict[tuple[str, ...], dict[str, str]] = {}
        numbers = range(1, settings.connectors + 1)
        self.connectors = {number: Connector(number, self, self.random) for number in numbers}
        self.outlets = tuple(self.connectors.values())
        self.close_outlets()

    def heartbeat_interval(self) -> float:
        return self.configuration.seconds("HeartbeatInterval")

    def set_heartbeat_interval(self, seconds: int) -> None:
        self.configuration.set("HeartbeatInterval", str(seconds))

    def patience(self) -> tuple[int, float]:
        seconds = self.configuration.seconds
        return int(seconds("TransactionMessageAttempts")), seconds("TransactionMessageRetryInterval")

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
        self.registered(str(answer.status), answer.interval)

    async def heartbeat(self) -> None:
        await self.send(call.Heartbeat(), unasked=False)

    async def greet(self) -> None:
        await self.send_status()
        self.open_outlets()

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
