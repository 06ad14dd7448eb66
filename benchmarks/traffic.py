"""The CALLs that a station of the benchmarks sends: it boots, charges, is idle."""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

Call = tuple[str, dict[str, Any]]

#: the 37 CALLs of one session with the idle time around it, for people
MIX = "20 MeterValues of 10 samples, 10 Heartbeats, 4 StatusNotifications, Authorize, StartTransaction, StopTransaction"

_PHASES = ("L1", "L2", "L3")
_encode = msgspec.json.Encoder().encode


def now() -> str:
    """The time as stations write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(message_id: str, call: Call) -> bytes:
    """The text of a CALL."""
    return _encode((2, message_id, *call))


def boot() -> Iterator[Call]:
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
        yield status(connector, "Available")


def session(number: int, connector: int) -> Generator[Call, int, None]:
    """The CALLs of one session; after each, `send` the transactionId of its answer, 0 where it has none."""
    tag, energy = f"TAG{number % 1000:04}", number * 10_000
    yield "Authorize", {"idTag": tag}
    yield status(connector, "Preparing")
    start = {"connectorId": connector, "idTag": tag, "meterStart": energy, "timestamp": now()}
    transaction = yield "StartTransaction", start
    yield status(connector, "Charging")
    for step in range(1, 21):
        yield meter_values(connector, transaction, energy + step * 180, step)
        if step % 2:
            yield "Heartbeat", {}
    stop = {"transactionId": transaction, "meterStop": energy + 3700, "timestamp": now(), "reason": "Local"}
    yield "StopTransaction", stop
    yield status(connector, "Finishing")
    yield status(connector, "Available")


def status(connector: int, state: str) -> Call:
    """A StatusNotification without an error."""
    payload = {"connectorId": connector, "errorCode": "NoError", "status": state, "timestamp": now()}
    return "StatusNotification", payload


def meter_values(connector: int, transaction: int, energy: int, step: int) -> Call:
    """A MeterValues of ten samples: energy in Wh, and what belongs to it."""
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
    return "MeterValues", {"connectorId": connector, "transactionId": transaction, "meterValue": [meter_value]}
