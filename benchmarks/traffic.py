"""The frames that a station of the benchmarks sends, in the order of a day: it boots, charges, is idle."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

#: CALLs of one charging session with the idle time around it
SESSION = 37
#: what a session is made of, for people
MIX = "20 MeterValues of 10 samples, 10 Heartbeats, 4 StatusNotifications, Authorize, StartTransaction, StopTransaction"

_PHASES = ("L1", "L2", "L3")


def now() -> str:
    """The time as stations write it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def call(message_id: str, action: str, payload: dict[str, Any]) -> bytes:
    """The text of a CALL."""
    return json.dumps([2, message_id, action, payload], separators=(",", ":")).encode()


def boot() -> Iterator[tuple[str, dict[str, Any]]]:
    """A station with two connectors starts."""
    yield (
        "BootNotification",
        {
            "chargePointVendor": "Example",
            "chargePointModel": "Twin 22",
            "chargePointSerialNumber": "SN-0001",
            "firmwareVersion": "1.4.2",
        },
    )
    for connector in (0, 1, 2):
        yield "StatusNotification", status(connector, "Available")


def session(number: int, connector: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The CALLs of one session. `send` the transaction's id into the generator after StartTransaction."""
    tag = f"TAG{number % 1000:04}"
    energy = number * 10_000
    yield "Authorize", {"idTag": tag}
    yield "StatusNotification", status(connector, "Preparing")
    start = {"connectorId": connector, "idTag": tag, "meterStart": energy, "timestamp": now()}
    transaction = yield from _start(start)
    yield "StatusNotification", status(connector, "Charging")
    for step in range(1, 21):
        yield "MeterValues", meter_values(connector, transaction, energy + step * 180, step)
        if step % 2:
            yield "Heartbeat", {}
    stop = {"transactionId": transaction, "meterStop": energy + 3700, "timestamp": now(), "reason": "Local"}
    yield "StopTransaction", stop
    yield "StatusNotification", status(connector, "Finishing")
    yield "StatusNotification", status(connector, "Available")


def _start(start: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    transaction = yield "StartTransaction", start
    return transaction


def status(connector: int, state: str) -> dict[str, Any]:
    return {"connectorId": connector, "errorCode": "NoError", "status": state, "timestamp": now()}


def meter_values(connector: int, transaction: int, energy: int, step: int) -> dict[str, Any]:
    """A MeterValues payload of ten samples: energy in Wh, and what belongs to it."""
    samples: list[dict[str, str]] = [
        {"value": str(energy), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": f"{10.8 + step / 100:.2f}", "measurand": "Power.Active.Import", "unit": "kW"},
        {"value": str(20 + step), "measurand": "SoC", "unit": "Percent", "location": "EV"},
        {"value": f"{31.5 + step / 10:.1f}", "measurand": "Temperature", "unit": "Celsius"},
    ]
    for offset, phase in enumerate(_PHASES):
        ampere, volt = f"{15.7 + (offset + step) / 100:.2f}", f"{229.1 + (offset + step) / 10:.1f}"
        samples.append({"value": ampere, "measurand": "Current.Import", "phase": phase, "unit": "A"})
        samples.append({"value": volt, "measurand": "Voltage", "phase": f"{phase}-N", "unit": "V"})
    meter_value = {"timestamp": now(), "sampledValue": samples}
    return {"connectorId": connector, "transactionId": transaction, "meterValue": [meter_value]}
