"""What chargers in the field do otherwise than OCPP says: a row for each, and what becomes of it."""

from dataclasses import dataclass, field
from typing import Any

from tests.unit.station.rig import START, at

ENERGY = "Connector1.MeterValues.Energy.Active.Import.Register"
POWER = "Connector1.MeterValues.Power.Active.Import"
TYPE, PROPERTY = "TypeConstraintViolation", "PropertyConstraintViolation"
FORMATION = {"1.6": "FormationViolation", "2.0.1": "FormatViolation", "2.1": "FormatViolation"}
ALL = ("1.6", "2.0.1", "2.1")
TWO = ("2.0.1", "2.1")
LATELY = at(-5)
SAMPLE = {"value": "3", "unit": "kWh"}
SAMPLE_2 = {"value": 3, "unitOfMeasure": {"unit": "kWh"}}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
START_TRANSACTION = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": at(-60)}
STATION = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
STATION_2 = {"model": "Model", "vendorName": "Vendor"}

Frame = tuple[str, Any]


@dataclass(frozen=True)
class Deviation:
    """`name` is the row's in docs/tolerance.md. Each message is an action and a payload; of several the last one
    deviates. code: of the CALLERROR where validation is strict, "" where it is answered there too. told: what
    State.LastError says, "" where it is no deviation after all. points: what shows then.
    """

    name: str
    versions: tuple[str, ...]
    messages: tuple[Frame, ...]
    code: str | dict[str, str]
    told: str
    points: dict[str, Any] = field(default_factory=dict)

    def refusal(self, version: str) -> str:
        return self.code if isinstance(self.code, str) else self.code[version]


def meter(sampled: Any, stamp: Any = LATELY, **more: Any) -> Frame:
    return "MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": stamp, "sampledValue": sampled}], **more}


def meter_2(sampled: Any, stamp: Any = LATELY) -> Frame:
    return "MeterValues", {"evseId": 1, "meterValue": [{"timestamp": stamp, "sampledValue": sampled}]}


def event(**more: Any) -> Frame:
    return "TransactionEvent", {
        "eventType": "Started",
        "timestamp": at(-5),
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T1"},
        "evse": {"id": 1, "connectorId": 1},
        **more,
    }


MUCH = [{"timestamp": at(-10), "sampledValue": [{"value": "much"}]}]
LEGAL_STOP = ("StopTransaction", {"transactionId": 1, "meterStop": 600, "timestamp": at(-10)})

DEVIATIONS = (
    Deviation(
        "meterValue is an object",
        ("1.6",),
        (("MeterValues", {"connectorId": 1, "meterValue": {"timestamp": at(-5), "sampledValue": [SAMPLE]}}),),
        TYPE,
        "meterValue: is not of type 'array'",
        {ENERGY: 3000.0, "Connector1.MeterValues.Time": START - 5},
    ),
    Deviation(
        "meterValue is an object",
        TWO,
        (event(meterValue={"timestamp": at(-5), "sampledValue": [SAMPLE_2]}),),
        TYPE,
        "meterValue: is not of type 'array'",
        {ENERGY: 3000.0, "Connector1.Transaction.Id": "T1"},
    ),
    Deviation(
        "sampledValue is an object", ("1.6",), (meter(SAMPLE),), TYPE, "sampledValue: is not of", {ENERGY: 3000.0}
    ),
    Deviation("sampledValue is an object", TWO, (meter_2(SAMPLE_2),), TYPE, "sampledValue: is not", {ENERGY: 3000.0}),
    Deviation("A number for a string", ("1.6",), (meter([{"value": 1500.5}]),), TYPE, "value: is", {ENERGY: 1500.5}),
    Deviation(
        "A number for a string",
        ("1.6",),
        (("StartTransaction", {**START_TRANSACTION, "idTag": 4711}),),
        TYPE,
        "idTag: is not of type 'string'",
        {"Connector1.Transaction.IdTag": "4711"},
    ),
    Deviation(
        "A number for a string",
        TWO,
        (event(transactionInfo={"transactionId": 4711}),),
        TYPE,
        "transactionInfo.transactionId: is not",
        {"Connector1.Transaction.Id": "4711"},
    ),
    Deviation(
        "A string for a number",
        ("1.6",),
        (("StartTransaction", {**START_TRANSACTION, "connectorId": "1", "meterStart": "100"}),),
        TYPE,
        "is not of type 'integer'",
        {"Connector1.Transaction.Start.MeterStart": 100.0, "Connector1.Transaction.Id": "1"},
    ),
    Deviation(
        "A string for a number",
        TWO,
        (meter_2([{**SAMPLE_2, "value": "3"}]),),
        TYPE,
        "value: is not of type 'number'",
        {ENERGY: 3000.0},
    ),
    Deviation(
        "A string for a number",
        TWO,
        (event(seqNo="0", evse={"id": "1", "connectorId": "1"}),),
        TYPE,
        "is not of type 'integer'",
        {"Connector1.Transaction.Id": "T1"},
    ),
    Deviation(
        "W and kW mixed",
        ("1.6",),
        (meter([{"value": "7.4", "unit": "kW", "measurand": "Power.Active.Import"}, SAMPLE]),),
        "",
        "",
        {POWER: 7400.0, ENERGY: 3000.0},
    ),
    Deviation(
        "W and kW mixed",
        TWO,
        (meter_2([{"value": 7.4, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "kW"}}, SAMPLE_2]),),
        "",
        "",
        {POWER: 7400.0, ENERGY: 3000.0},
    ),
    Deviation(
        "A unit in other capitals",
        ("1.6",),
        (meter([{"value": "7.4", "unit": "KW", "measurand": "Power.Active.Import"}]),),
        PROPERTY,
        "unit: 'KW' is none of the allowed values",
        {POWER: 7400.0},
    ),
    Deviation(
        "A unit in other capitals",
        TWO,
        (meter_2([{"value": 3, "unitOfMeasure": {"unit": "KWH"}}]),),
        "",
        "",
        {ENERGY: 3000.0},
    ),
    Deviation(
        "`Celcius`",
        ("1.6",),
        (meter([{"value": "21", "unit": "Celcius", "measurand": "Temperature"}]),),
        "",
        "",
        {"Connector1.MeterValues.Temperature": 21.0},
    ),
    Deviation(
        "An unknown unit",
        ("1.6",),
        (meter([{"value": "3", "unit": "furlong", "measurand": "Power.Active.Import"}, SAMPLE]),),
        PROPERTY,
        "unit: 'furlong' is none of the allowed values",
        {POWER: None, ENERGY: 3000.0},
    ),
    Deviation(
        "An unknown unit",
        TWO,
        (meter_2([{**SAMPLE_2, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "furlong"}}, SAMPLE_2]),),
        "",
        "furlong is no unit of it",
        {POWER: None, ENERGY: 3000.0},
    ),
    Deviation(
        "An unknown unit",
        TWO,
        (
            event(
                meterValue=[{"timestamp": at(-5), "sampledValue": [{"value": 3, "unitOfMeasure": {"unit": "furlong"}}]}]
            ),
        ),
        "",
        "furlong is no unit of it",
        {ENERGY: None, "Connector1.Transaction.Id": "T1"},
    ),
    Deviation(
        "An unknown measurand",
        ("1.6",),
        (meter([{"value": "3", "measurand": "Cable.Length"}, SAMPLE]),),
        PROPERTY,
        "measurand: 'Cable.Length' is none of the allowed values",
        {ENERGY: 3000.0},
    ),
    Deviation(
        "An unknown measurand",
        TWO,
        (meter_2([{"value": 3, "measurand": "Cable.Length"}, SAMPLE_2]),),
        PROPERTY,
        "measurand: 'Cable.Length' is none of the allowed values",
        {ENERGY: 3000.0},
    ),
    Deviation("The payload is null", ALL, (("Heartbeat", None),), FORMATION, "null", {"State.LastHeartbeat": START}),
    Deviation(
        "The payload is missing", ALL, (("Heartbeat", ...),), FORMATION, "missing", {"State.LastHeartbeat": START}
    ),
    Deviation(
        "null for a field that is not there",
        ("1.6",),
        (meter([SAMPLE], transactionId=None),),
        TYPE,
        "transactionId: is not of type 'integer'",
        {ENERGY: 3000.0},
    ),
    Deviation(
        "A field or value in other capitals",
        ("1.6",),
        (("StatusNotification", {"connectorID": 1, "errorCode": "noError", "status": "CHARGING"}),),
        FORMATION,
        "unexpected 'connectorID'",
        {"Connector1.Status.StateText": "Charging", "Connector1.Status.ErrorCode": "NoError"},
    ),
    Deviation(
        "A timestamp without a zone",
        ("1.6",),
        (meter([SAMPLE], at(-5).removesuffix("Z")),),
        PROPERTY,
        "timestamp: is no date-time",
        {ENERGY: 3000.0, "Connector1.MeterValues.Time": START - 5},
    ),
    Deviation(
        "A timestamp without a zone",
        TWO,
        (meter_2([SAMPLE_2], at(-5).removesuffix("Z")),),
        PROPERTY,
        "timestamp: is no date-time",
        {ENERGY: 3000.0, "Connector1.MeterValues.Time": START - 5},
    ),
    Deviation(
        "A timestamp with a blank for its T",
        ("1.6",),
        (meter([SAMPLE], at(-5).removesuffix("Z").replace("T", " ")),),
        PROPERTY,
        "timestamp: is no date-time",
        {ENERGY: 3000.0, "Connector1.MeterValues.Time": START - 5},
    ),
    Deviation(
        "A timestamp that is empty",
        ("1.6",),
        (meter([SAMPLE], ""),),
        PROPERTY,
        "timestamp: is no date-time",
        {ENERGY: 3000.0, "Connector1.MeterValues.Time": START},
    ),
    Deviation(
        "A text that is too long",
        ("1.6",),
        (("BootNotification", {**STATION, "chargePointSerialNumber": "S" * 30}),),
        PROPERTY,
        "chargePointSerialNumber: is longer than 25 characters",
        {"Info.SerialNumber": "S" * 30},
    ),
    Deviation(
        "A text that is too long",
        TWO,
        (("BootNotification", {"reason": "PowerUp", "chargingStation": {**STATION_2, "serialNumber": "S" * 30}}),),
        PROPERTY,
        "chargingStation.serialNumber: is longer than 25 characters",
        {"Info.SerialNumber": "S" * 30},
    ),
    Deviation(
        "An unknown value of an enumeration",
        ("1.6",),
        (("StatusNotification", {**STATUS, "errorCode": "Vandalism"}),),
        PROPERTY,
        "errorCode: 'Vandalism' is none of the allowed values",
        {"Connector1.Status.StateText": "Charging", "Connector1.Status.ErrorCode": "Vandalism"},
    ),
    Deviation(
        "An unknown value of an enumeration",
        TWO,
        (event(triggerReason="Whim"),),
        PROPERTY,
        "triggerReason: 'Whim' is none of the allowed values",
        {"Connector1.Transaction.Id": "T1"},
    ),
    Deviation(
        "An additional field",
        ("1.6",),
        (("StatusNotification", {**STATUS, "mood": "good"}),),
        FORMATION,
        "unexpected 'mood'",
        {"Connector1.Status.StateText": "Charging"},
    ),
    Deviation("An additional field", TWO, (("Heartbeat", {"mood": 1}),), FORMATION, "'mood'", {}),
    *(
        Deviation(
            "transactionId -1 or 0 in a StopTransaction",
            ("1.6",),
            (
                ("StartTransaction", START_TRANSACTION),
                ("StopTransaction", {"transactionId": number, "idTag": "tag", "meterStop": 600, "timestamp": at(-10)}),
            ),
            "",
            f"transactionId {number} is none, taken for 1",
            {"Connector1.Transaction.Stop.Id": "1", "Connector1.Transaction.Stop.Energy": 500.0},
        )
        for number in (-1, 0)
    ),
    Deviation(
        "A whole number beyond 32 bits",
        ("1.6",),
        (("StartTransaction", {**START_TRANSACTION, "reservationId": 2**31}),),
        PROPERTY,
        "reservationId: ",
        {"Connector1.Transaction.Id": "1", "Connector1.Transaction.Start.ReservationId": None},
    ),
    Deviation(
        "A whole number beyond 32 bits",
        TWO,
        (event(reservationId=2**31),),
        PROPERTY,
        "reservationId: ",
        {"Connector1.Transaction.Id": "T1", "Connector1.Transaction.Start.ReservationId": None},
    ),
    Deviation(
        "A value that is no number",
        ("1.6",),
        (meter([{"value": "much", "measurand": "Power.Active.Import"}, SAMPLE]),),
        "",
        "Power.Active.Import: 'much' is not a number",
        {POWER: None, ENERGY: 3000.0},
    ),
    Deviation(
        "A value that is no number",
        ("1.6",),
        (("StartTransaction", START_TRANSACTION), (LEGAL_STOP[0], {**LEGAL_STOP[1], "transactionData": MUCH})),
        "",
        "Energy.Active.Import.Register: 'much' is not a number",
        {"Connector1.Transaction.Active": False, "Connector1.Transaction.Stop.Energy": 500.0},
    ),
    Deviation(
        "A value that is no number",
        TWO,
        (meter_2([{"value": "much", "measurand": "Power.Active.Import"}, SAMPLE_2]),),
        TYPE,
        "value: is not of type 'number'",
        {POWER: None, ENERGY: 3000.0},
    ),
    Deviation(
        "MeterValues after the StopTransaction",
        ("1.6",),
        (("StartTransaction", START_TRANSACTION), LEGAL_STOP, meter([SAMPLE], transactionId=1)),
        "",
        "transaction 1 has ended",
        {ENERGY: 3000.0, "Connector1.Transaction.Active": False, "Connector1.Transaction.Energy": 500.0},
    ),
)
"""Those of a message. Those of a handshake and of a boot are tests of their own."""
