"""What the stations send: scripts for the load generator (load.c), a line for each CALL."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import traffic
from benchmarks.traffic import Call

MANY = 7777  # a session's number that stands for any, and a transaction that stands for the station's own
TRANSACTION = -7777
ENERGY = "Energy.Active.Import.Register"
POINTS = 12  # of a station in the whole way: what one MeterValues carries
SAMPLES = 12  # in a message at most
#: OCPP 1.6 measurands with a unit of its own or none; the last five have phases as well
PLAIN = {
    "Energy.Active.Export.Register": "Wh",
    "Energy.Reactive.Export.Register": "varh",
    "Energy.Reactive.Import.Register": "varh",
    "Energy.Active.Export.Interval": "Wh",
    "Energy.Active.Import.Interval": "Wh",
    "Energy.Reactive.Export.Interval": "varh",
    "Energy.Reactive.Import.Interval": "varh",
    "Power.Offered": "W",
    "Power.Reactive.Export": "var",
    "Power.Reactive.Import": "var",
    "Power.Factor": "",
    "Current.Offered": "A",
    "Temperature": "Celsius",
    "SoC": "Percent",
    "Frequency": "",
    "RPM": "",
    "Current.Export": "A",
    "Power.Active.Export": "W",
    "Power.Active.Import": "W",
    "Current.Import": "A",
    "Voltage": "V",
}
PHASED = [name for name in PLAIN if name in ("Power.Active.Import", "Power.Active.Export", "Current.Import", "Voltage")]
PHASES = ("L1", "L2", "L3")


def write(folder: Path) -> Sequence[str]:
    """Writes all scripts; the arguments that name them to the generator."""
    scripts = {
        "boot": [*traffic.boot()],
        "full": [*traffic.boot(), *_every_point(1), *_every_point(2)],
        "mix": _mix(),
        "way": [_way()],
    }
    for name, calls in scripts.items():
        (folder / name).write_text("".join(map(_line, calls)), encoding="utf-8")
    return [f"{name}={folder / name}" for name in scripts]


def watched(station: int) -> list[str]:
    """The paths of the points that `way` changes with every message."""
    return [f"{identity(station)}.Connector1.MeterValues.{name}" for name in list(PLAIN)[:POINTS]]


def identity(station: int) -> str:
    return f"BENCH{station:05}"


def _mix() -> Iterable[Call]:
    """A charging session (traffic.MIX), which is begun anew when it has ended. Every station begins elsewhere in it."""
    session = traffic.session(MANY, 1)
    call = next(session)
    while True:
        yield call
        try:
            call = session.send(TRANSACTION)
        except StopIteration:
            return


def _way() -> Call:
    """A MeterValues whose values are others each time."""
    samples = [_sample(name, unit, "@V@") for name, unit in list(PLAIN.items())[:POINTS]]
    return "MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": traffic.now(), "sampledValue": samples}]}


def _every_point(connector: int) -> Iterable[Call]:
    """MeterValues of all measurands of OCPP 1.6 and of some single phases: a connector with all its points."""
    samples = [_sample(name, unit, str(10 + place)) for place, (name, unit) in enumerate(PLAIN.items())]
    for name in PHASED:
        for place, phase in enumerate(PHASES):
            shown = f"{phase}-N" if name == "Voltage" else phase
            samples.append(_sample(name, PLAIN[name], str(5 + place)) | {"phase": shown})
    for at in range(0, len(samples), SAMPLES):
        meter_value = {"timestamp": traffic.now(), "sampledValue": samples[at : at + SAMPLES]}
        yield "MeterValues", {"connectorId": connector, "meterValue": [meter_value]}


def _sample(measurand: str, unit: str, value: str) -> dict[str, Any]:
    return {"value": value, "measurand": measurand} | ({"unit": unit} if unit else {})


def _line(call: Call) -> str:
    action, payload = call
    text = json.dumps(payload, separators=(",", ":"))
    text = re.sub(r'"\d{4}-\d\d-\d\dT[^"]+"', '"@D@"', text)
    text = text.replace(str(TRANSACTION), "@T@")
    text = re.sub(rf"{MANY}(\d{{5}})", r"@N@\1", text)  # a meter's register, another one in each round
    return f"{action}\t{text}\n"
