"""The CALLs that a station of the benchmarks sends: it boots, charges, or repeats one action."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

Call = tuple[str, dict[str, Any]]

# The mix of CALLs decides the figure per call: MeterValues is the longest message, and only a transaction's start
# and end wait for the disk. OCPP prescribes neither a length of a charge nor an interval, so these are chosen.
CHARGE = 2 * 3600  # s; about 22 kWh at 11 kW
# s, MeterValueSampleInterval: what SAP E-Mobility asks of its stations; Enel X documents defaults of 10 and 90
SAMPLE_INTERVAL = 60
# s, `heartbeat_interval` of the shipped config.toml. OCPP 1.6 §9.1 counts it from the last message of any kind, so
# that a station need not send one while it reports; this one does all the same
HEARTBEAT_INTERVAL = 300
BEFORE = ("Available", "Preparing")
AFTER = ("Finishing", "Available")
STATES = (*BEFORE, "Charging", *AFTER)

METER_VALUES = CHARGE // SAMPLE_INTERVAL
HEARTBEATS = CHARGE // HEARTBEAT_INTERVAL
ENERGY = 180  # Wh in a SAMPLE_INTERVAL, which is 10.8 kW

#: the 152 CALLs of one session, for people
MIX = (
    f"a charge of {CHARGE // 3600} hours: {METER_VALUES} MeterValues of 10 samples (MeterValueSampleInterval "
    f"{SAMPLE_INTERVAL}), {HEARTBEATS} Heartbeats (heartbeat_interval {HEARTBEAT_INTERVAL}, as shipped), "
    f"{len(STATES)} StatusNotifications, Authorize, StartTransaction, StopTransaction"
)

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
    for state in BEFORE:
        yield status(connector, state)
    yield authorize(number)
    transaction = yield start(number, connector)
    yield status(connector, "Charging")
    for step in range(1, METER_VALUES + 1):
        yield meter_values(connector, transaction, meter(number) + step * ENERGY, step)
        if step * SAMPLE_INTERVAL % HEARTBEAT_INTERVAL == 0:
            yield "Heartbeat", {}
    yield stop(number, transaction)
    for state in AFTER:
        yield status(connector, state)


HIGH = 2**31  # Wh; more than any session starts with

#: what `repeated` repeats, each made of a running number and the transaction at connector 1
SINGLE: Mapping[str, Callable[[int, int], Call]] = {
    "MeterValues": lambda number, transaction: meter_values(1, transaction, HIGH + number, number % METER_VALUES),
    "Heartbeat": lambda _number, _transaction: ("Heartbeat", {}),
    "StatusNotification": lambda number, _transaction: status(2, STATES[number % len(STATES)]),
    "Authorize": lambda number, _transaction: authorize(number),
}
#: the one that is two: a start needs its stop
TRANSACTIONS = "StartTransaction, StopTransaction"


def repeated(action: str, numbers: Iterator[int], transaction: int, seconds: float) -> Generator[Call, int, None]:
    """One action of SINGLE, or TRANSACTIONS at connector 2, over and over; `send` as with a session."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        number = next(numbers)
        if action == TRANSACTIONS:
            started = yield start(number, 2)
            yield stop(number, started)
        else:
            yield SINGLE[action](number, transaction)


def meter(number: int) -> int:
    """The register in Wh when a session starts: another one for each, or a start would be a repeated one."""
    return number % 10_000 * 100_000  # an OCPP integer has 32 bits


def authorize(number: int) -> Call:
    return "Authorize", {"idTag": _tag(number)}


def start(number: int, connector: int) -> Call:
    """The StartTransaction of a session."""
    payload = {"connectorId": connector, "idTag": _tag(number), "meterStart": meter(number), "timestamp": now()}
    return "StartTransaction", payload


def stop(number: int, transaction: int) -> Call:
    """The StopTransaction of a session."""
    end = meter(number) + METER_VALUES * ENERGY
    return "StopTransaction", {"transactionId": transaction, "meterStop": end, "timestamp": now(), "reason": "Local"}


def _tag(number: int) -> str:
    return f"TAG{number % 1000:04}"


def status(connector: int, state: str) -> Call:
    """A StatusNotification without an error."""
    payload = {"connectorId": connector, "errorCode": "NoError", "status": state, "timestamp": now()}
    return "StatusNotification", payload


def meter_values(connector: int, transaction: int, energy: int, step: int) -> Call:
    """A MeterValues of ten samples: energy in Wh, and what belongs to it."""
    samples: list[dict[str, str]] = [
        {"value": str(energy), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": f"{10.8 + step / 100:.2f}", "measurand": "Power.Active.Import", "unit": "kW"},
        {"value": f"{20 + step / 2:.1f}", "measurand": "SoC", "unit": "Percent", "location": "EV"},
        {"value": f"{31.5 + step / 10:.1f}", "measurand": "Temperature", "unit": "Celsius"},
    ]
    for offset, phase in enumerate(_PHASES):
        ampere, volt = f"{15.7 + (offset + step) / 100:.2f}", f"{229.1 + (offset + step) / 10:.1f}"
        samples.append({"value": ampere, "measurand": "Current.Import", "phase": phase, "unit": "A"})
        samples.append({"value": volt, "measurand": "Voltage", "phase": f"{phase}-N", "unit": "V"})
    meter_value = {"timestamp": now(), "sampledValue": samples}
    return "MeterValues", {"connectorId": connector, "transactionId": transaction, "meterValue": [meter_value]}
