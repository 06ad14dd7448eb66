"""What a meter shows, as MeterValueType of OCPP 2.x."""

import base64
import json
from collections.abc import Collection
from typing import Any

from bridge.simulator.physics import Meter, Reading
from bridge.simulator.timing import timestamp
from bridge.simulator.v2.variables import without_nones

KILO = {"Wh": "kWh", "W": "kW"}
ABSENT = frozenset({"Temperature"})  # no measurand of 2.x
PUBLIC_KEY = base64.b64encode(b"oca:base16:asn1:a simulated meter's").decode()


def meter_value(
    meter: Meter, context: str, measurands: Collection[str], *, style: int = 0, signed: bool = False
) -> dict[str, Any]:
    """A MeterValueType. `style`: 0 base units, 1 kWh and kW, 2 a multiplier of 3, as stations differ in it."""
    readings = [*meter.readings(), Reading("Frequency", 50.0, "Hz")]
    sampled = [
        _sample(reading, context, style, signed=signed)
        for reading in readings
        if reading.measurand in measurands and reading.measurand not in ABSENT
    ]
    return {"timestamp": timestamp(), "sampledValue": sampled or [_sample(meter.register(), context, 0, signed=signed)]}


def _sample(reading: Reading, context: str, style: int, *, signed: bool) -> dict[str, Any]:
    kilo = style > 0 and reading.unit in KILO and reading.phase is None
    unit = {"unit": KILO[reading.unit] if kilo and style == 1 else reading.unit}
    return without_nones(
        {
            "value": round(reading.value / 1000, 6) if kilo else float(reading.value),
            "context": context,
            "measurand": reading.measurand,
            "phase": reading.phase,
            "location": reading.location,
            "unitOfMeasure": {**unit, "multiplier": 3} if kilo and style == 2 else unit,
            "signedMeterValue": _signed(reading) if signed and reading.unit == "Wh" else None,
        }
    )


def _signed(reading: Reading) -> dict[str, str]:
    """SignedMeterValueType, in the shape of OCMF. The signature proves nothing: it is a simulation."""
    shown = json.dumps({"FV": "1.0", "RD": [{"RV": reading.value, "RI": "01-00:98.08.00.FF", "RU": "Wh"}]})
    data = f"OCMF|{shown}|" + json.dumps({"SD": f"{round(reading.value):032x}"})
    return {
        "signedMeterData": base64.b64encode(data.encode()).decode(),
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": PUBLIC_KEY,
    }
