"""Each of the 14 messages of an OCPP 1.6 station: what it is answered, and the points that it sets."""

import json
from typing import Any

import pytest
from ocpp.v16 import call

from bridge.points.tree import Quality
from bridge.points.values import MAX_TEXT
from tests.unit.station.rig import MODELS, START, ask, at

MODEL = MODELS["1.6"]
NOW = "2027-01-15T08:00:00.000Z"

#: action → a payload with every field, the answer, and the points that it sets
MESSAGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "Authorize": ({"idTag": "TAG"}, {"idTagInfo": {"status": "Accepted"}}, {}),
    "BootNotification": (
        {
            "chargePointVendor": "Vendor",
            "chargePointModel": "Model",
            "chargePointSerialNumber": "S1",
            "chargeBoxSerialNumber": "B1",
            "firmwareVersion": "1.2",
            "iccid": "8901",
            "imsi": "2620",
            "meterType": "Meter",
            "meterSerialNumber": "M1",
        },
        {"status": "Accepted", "currentTime": NOW, "interval": 300},
        {
            "CP1.Info.Vendor": "Vendor",
            "CP1.Info.Model": "Model",
            "CP1.Info.SerialNumber": "S1",
            "CP1.Info.FirmwareVersion": "1.2",
            "CP1.Info.Iccid": "8901",
            "CP1.Info.Imsi": "2620",
            "CP1.Info.MeterType": "Meter",
            "CP1.Info.MeterSerialNumber": "M1",
            "CP1.State.LastBoot": START,
        },
    ),
    "DataTransfer": (
        {"vendorId": "org.example", "messageId": "m", "data": "d"},
        {"status": "UnknownVendorId"},
        {},
    ),
    "DiagnosticsStatusNotification": ({"status": "Uploading"}, {}, {"CP1.State.DiagnosticsStatus": 1}),
    "FirmwareStatusNotification": ({"status": "Installing"}, {}, {"CP1.State.FirmwareStatus": 6}),
    "Heartbeat": ({}, {"currentTime": NOW}, {"CP1.State.LastHeartbeat": START}),
    "LogStatusNotification": ({"status": "UploadFailure", "requestId": 4}, {}, {"CP1.State.LogStatus": 3}),
    "MeterValues": (
        {
            "connectorId": 1,
            "transactionId": 7,
            "meterValue": [{"timestamp": at(-5), "sampledValue": [{"value": "3", "unit": "kWh"}]}],
        },
        {},
        {
            "CP1.Connector1.MeterValues.Energy.Active.Import.Register": 3000.0,
            "CP1.Connector1.MeterValues.Time": START - 5,
            "CP1.Connector1.MeterValues.Raw": json.dumps(
                [{"timestamp": at(-5), "sampledValue": [{"value": "3", "unit": "kWh"}]}], separators=(",", ":")
            ),
        },
    ),
    "SecurityEventNotification": (
        {"type": "TamperDetectionActivated", "timestamp": at(-9), "techInfo": "lid"},
        {},
        {
            "CP1.Security.LastEvent.Type": "TamperDetectionActivated",
            "CP1.Security.LastEvent.Time": START - 9,
            "CP1.Security.LastEvent.TechInfo": "lid",
        },
    ),
    "SignCertificate": ({"csr": "-----BEGIN"}, {"status": "Rejected"}, {}),
    "SignedFirmwareStatusNotification": (
        {"status": "InvalidSignature", "requestId": 4},
        {},
        {"CP1.State.FirmwareStatus": 12},
    ),
    "StartTransaction": (
        {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": at(-3), "reservationId": 8},
        {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
        {
            "CP1.Connector1.Transaction.Start.Id": "1",
            "CP1.Connector1.Transaction.Start.IdTag": "TAG",
            "CP1.Connector1.Transaction.Start.ParentIdTag": "",
            "CP1.Connector1.Transaction.Start.Authorization": "Accepted",
            "CP1.Connector1.Transaction.Start.MeterStart": 100.0,
            "CP1.Connector1.Transaction.Start.Time": START - 3,
            "CP1.Connector1.Transaction.Start.ReservationId": 8,
            "CP1.Connector1.Transaction.Active": True,
            "CP1.Connector1.Transaction.Id": "1",
            "CP1.Connector1.Transaction.IdTag": "TAG",
            "CP1.Connector1.Transaction.Energy": 0.0,
        },
    ),
    "StatusNotification": (
        {
            "connectorId": 1,
            "errorCode": "GroundFailure",
            "status": "Faulted",
            "info": "wet",
            "timestamp": at(-4),
            "vendorId": "V",
            "vendorErrorCode": "E7",
        },
        {},
        {
            "CP1.Connector1.Status.State": 9,
            "CP1.Connector1.Status.ErrorCode": "GroundFailure",
            "CP1.Connector1.Status.Info": "wet",
            "CP1.Connector1.Status.VendorId": "V",
            "CP1.Connector1.Status.VendorErrorCode": "E7",
            "CP1.Connector1.Status.Time": START - 4,
        },
    ),
    "StopTransaction": (
        {
            "transactionId": 1,
            "idTag": "TAG2",
            "timestamp": at(-1),
            "meterStop": 2600,
            "reason": "EVDisconnected",
            "transactionData": [
                {"timestamp": at(-2), "sampledValue": [{"value": "2500"}, {"value": "21", "measurand": "SoC"}]}
            ],
        },
        {"idTagInfo": {"status": "Accepted"}},
        {
            "CP1.Connector1.Transaction.Stop.Id": "1",
            "CP1.Connector1.Transaction.Stop.IdTag": "TAG2",
            "CP1.Connector1.Transaction.Stop.Reason": "EVDisconnected",
            "CP1.Connector1.Transaction.Stop.MeterStop": 2600.0,
            "CP1.Connector1.Transaction.Stop.Energy": 2500.0,
            "CP1.Connector1.Transaction.Stop.Time": START - 1,
            "CP1.Connector1.Transaction.Active": False,
            "CP1.Connector1.Transaction.Id": "",
            "CP1.Connector1.Transaction.IdTag": "",
            "CP1.Connector1.Transaction.Energy": 2500.0,
            "CP1.Connector1.MeterValues.Energy.Active.Import.Register": 2500.0,
            "CP1.Connector1.MeterValues.SoC": 21.0,
            "CP1.Connector1.MeterValues.Time": START - 2,
        },
    ),
}


@pytest.mark.parametrize("action", MESSAGES)
async def test_a_message_is_answered_and_sets_its_points(rig, action):
    payload, answer, points = MESSAGES[action]
    async with rig.socket() as socket:
        if action == "StopTransaction":
            await ask(socket, [2, "0", "StartTransaction", MESSAGES["StartTransaction"][0]])
        assert await ask(socket, [2, "1", action, payload]) == [3, "1", answer]
        await ask(socket, [2, "2", "Heartbeat", {}])
        assert {path: rig.value(path) for path in points} == points
        assert {rig.quality(path) for path in points} <= {Quality.GOOD}
        assert rig.value("CP1.State.InvalidMessages") == 0, rig.value("CP1.State.LastError")


def test_every_message_of_a_station_is_here():
    assert set(MESSAGES) == MODEL.version.from_station


@pytest.mark.parametrize("action", MESSAGES)
def test_every_row_that_a_message_fills_is_here(action):
    told = {path.split(".", 2 if "Connector1" in path else 1)[-1] for path in MESSAGES[action][2]}
    for part in (MODEL.station, MODEL.connector):
        bound = (*part.bindings.requests.get(action, ()), *part.bindings.responses.get(action, ()))
        keys = {binding.row.key for binding in bound}
        assert keys <= told


@pytest.mark.parametrize("field", ["Info.SerialNumber", "Info.FirmwareVersion", "Info.MeterType"])
async def test_a_field_that_is_not_sent_any_more_is_empty(rig, field):
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "BootNotification", MESSAGES["BootNotification"][0]])
        short = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        await ask(socket, [2, "2", "BootNotification", short])
        await ask(socket, [2, "3", "Heartbeat", {}])
        assert rig.value(f"CP1.{field}") == ""


async def test_the_charge_boxs_serial_number_serves_where_there_is_no_other(rig):
    async with rig.socket() as socket:
        payload = {"chargePointVendor": "V", "chargePointModel": "M", "chargeBoxSerialNumber": "B1"}
        await ask(socket, [2, "1", "BootNotification", payload])
        await ask(socket, [2, "2", "Heartbeat", {}])
        assert rig.value("CP1.Info.SerialNumber") == "B1"


async def test_times_of_the_bridge_are_utc(rig):
    """B06"""
    async with rig.station() as station:
        assert (await station.boot()).current_time == NOW
        rig.now += 0.5
        assert (await station.call(call.Heartbeat())).current_time == "2027-01-15T08:00:00.500Z"


async def test_connector_0_is_the_station_itself(rig):
    """B12 B13"""
    async with rig.station() as station:
        await station.call(call.StatusNotification(0, "NoError", "Unavailable"))
        sample = {"timestamp": at(), "sampled_value": [{"value": "7", "measurand": "Power.Active.Import"}]}
        await station.call(call.MeterValues(0, [sample]))
        await station.settle()
        assert rig.value("CP1.Status.StateText") == "Unavailable"
        assert rig.value("CP1.MeterValues.Power.Active.Import") == 7.0
        assert rig.known().points.connectors == {}


async def test_meter_values_without_a_transaction_are_shown(rig):
    """B12"""
    async with rig.station() as station:
        await station.register("400")
        assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 400.0
        assert rig.value("CP1.Connector1.Transaction.Active") is None


SAMPLES = [
    ({"value": "1.5", "unit": "kW", "measurand": "Power.Active.Import", "phase": "L1"}, "Power.Active.Import.L1", 1500),
    ({"value": "25", "unit": "Celsius", "measurand": "Temperature", "location": "Body"}, "Temperature.Body", 25),
    ({"value": "25", "unit": "Celcius", "measurand": "Temperature"}, "Temperature", 25),
    ({"value": "298.15", "unit": "K", "measurand": "Temperature"}, "Temperature", 25),
    ({"value": "16.1", "unit": "A", "measurand": "Current.Import", "phase": "L1-N"}, "Current.Import.L1-N", 16.1),
    ({"value": "50", "measurand": "SoC", "location": "EV"}, "SoC", 50),
    ({"value": "9", "measurand": "Energy.Active.Import.Register", "location": "Outlet"}, None, 9),
    ({"value": "9", "location": "Inlet"}, "Energy.Active.Import.Register.Inlet", 9),
]


@pytest.mark.parametrize(("sample", "name", "value"), SAMPLES)
async def test_a_sampled_value_lands_on_its_point(rig, sample, name, value):
    """J43"""
    async with rig.socket() as socket:
        payload = {"connectorId": 1, "meterValue": [{"timestamp": at(), "sampledValue": [sample]}]}
        assert await ask(socket, [2, "1", "MeterValues", payload]) == [3, "1", {}]
        await ask(socket, [2, "2", "Heartbeat", {}])
        path = f"CP1.Connector1.MeterValues.{name or 'Energy.Active.Import.Register'}"
        assert rig.value(path) == pytest.approx(value)


# --- values that cannot be, and values at the edge ---


@pytest.mark.parametrize("number", [1e30, -5, 2**31, 1.5, "one", None, [1], 129], ids=str)
@pytest.mark.parametrize("validation", ["lenient", "off"])
async def test_an_impossible_connector_is_counted_and_the_message_answered(start, validation, number):
    """J40 B11"""
    rig = await start(ocpp={"validation": validation})
    status = {"connectorId": number, "errorCode": "NoError", "status": "Available"}
    meter = {"connectorId": number, "meterValue": [{"timestamp": at(), "sampledValue": [{"value": "1"}]}]}
    async with rig.socket() as socket:
        assert await ask(socket, [2, "1", "StatusNotification", status]) == [3, "1", {}]
        assert await ask(socket, [2, "2", "MeterValues", meter]) == [3, "2", {}]
        await ask(socket, [2, "3", "Heartbeat", {}])
        assert rig.known().points.connectors == {}
        assert rig.value("CP1.State.InvalidMessages") == 2
        assert "connectorId" in rig.value("CP1.State.LastError")


async def test_a_declared_connector_of_a_high_number_exists(start):
    rig = await start(station=[{"id": "CP1", "connectors": 200}])
    async with rig.station() as station:
        await station.call(call.StatusNotification(200, "NoError", "Available"))
        await station.settle()
        assert rig.value("CP1.Connector200.Status.StateText") == "Available"
        assert rig.value("CP1.Connector200.Info.ConnectorId") == 200
        assert rig.value("CP1.State.InvalidMessages") == 0


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("2027-01-15T08:00:00.250Z", START + 0.25),
        ("2027-01-15T10:00:01+02:00", START + 1),
        ("2027-01-15T08:00:02", START + 2),
        ("2027-01-15T08:00:03.123456789Z", START + 3.123456),
    ],
)
async def test_timestamps_are_read_to_utc(rig, stamp, seconds):
    """J42"""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": stamp}
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "StatusNotification", payload])
        await ask(socket, [2, "2", "Heartbeat", {}])
        assert rig.sample("CP1.Connector1.Status.State").source_time == pytest.approx(seconds, abs=1e-6)
        assert rig.value("CP1.Connector1.Status.Time") == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("stamp", ["yesterday", "", 7, "9999-99-99T00:00:00Z"])
async def test_a_timestamp_that_cannot_be_read_is_marked_and_the_rest_shown(rig, stamp):
    """J41"""
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": stamp}
    async with rig.socket() as socket:
        assert await ask(socket, [2, "1", "StatusNotification", payload]) == [3, "1", {}]
        await ask(socket, [2, "2", "Heartbeat", {}])
        assert rig.value("CP1.Connector1.Status.StateText") == "Charging"
        assert rig.sample("CP1.Connector1.Status.State").source_time == START
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert "timestamp" in rig.value("CP1.State.LastError")
        assert rig.sample("CP1.Connector1.Status.Time")[:2] == (None, Quality.SUBNORMAL)
        good = {**payload, "timestamp": at(5)}
        await ask(socket, [2, "3", "StatusNotification", good])
        await ask(socket, [2, "4", "StatusNotification", payload])
        await ask(socket, [2, "5", "Heartbeat", {}])
        assert rig.sample("CP1.Connector1.Status.Time")[:2] == (START + 5, Quality.SUBNORMAL)


@pytest.mark.parametrize("validation", ["lenient", "off"])
async def test_a_value_that_cannot_be_read_leaves_the_last_one_uncertain(start, validation):
    rig = await start(ocpp={"validation": validation})
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "StatusNotification", payload])
        assert await ask(socket, [2, "2", "StatusNotification", {**payload, "status": "Dancing"}]) == [3, "2", {}]
        await ask(socket, [2, "3", "Heartbeat", {}])
        sample = rig.sample("CP1.Connector1.Status.State")
        assert (sample.value, sample.quality) == (3, Quality.SUBNORMAL)
        assert rig.quality("CP1.Connector1.Status.ErrorCode") is Quality.GOOD
        assert rig.value("CP1.State.InvalidMessages") == 1


async def test_strict_validation_refuses_what_breaks_the_schema(start):
    """J33"""
    rig = await start(ocpp={"validation": "strict"})
    async with rig.socket() as socket:
        answer = await ask(socket, [2, "1", "StatusNotification", {"connectorId": 1, "errorCode": "NoError"}])
        assert answer[2] == "OccurenceConstraintViolation"
        answer = await ask(socket, [2, "2", "DiagnosticsStatusNotification", {"status": "Dancing"}])
        assert answer[2] == "PropertyConstraintViolation"
        assert rig.value("CP1.State.InvalidMessages") == 2
        assert rig.quality("CP1.State.DiagnosticsStatus") is Quality.WAITING


@pytest.mark.parametrize("telegrams", [1, 3])
async def test_a_large_telegram_is_cut_where_it_is_shown_and_stays_json(rig, telegrams):
    samples = [{"value": str(number), "signedMeterValue": "x" * 1000} for number in range(100)]
    sent = [{"timestamp": at(), "sampledValue": samples[: 100 // telegrams]}] * telegrams
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "MeterValues", {"connectorId": 1, "meterValue": sent}])
        await ask(socket, [2, "2", "Heartbeat", {}])
        raw = rig.value("CP1.Connector1.MeterValues.Raw")
        assert MAX_TEXT - 2000 < len(raw) <= MAX_TEXT
        shown = [sample for telegram in json.loads(raw) for sample in telegram["sampledValue"]]
        assert shown == [sample for telegram in sent for sample in telegram["sampledValue"]][: len(shown)]


async def test_a_telegram_of_which_nothing_fits_is_cut_to_an_empty_one(rig):
    sample = {"value": "1", "context": "x" * MAX_TEXT}
    payload = {"connectorId": 1, "meterValue": [{"timestamp": at(), "sampledValue": [sample]}]}
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "MeterValues", payload])
        await ask(socket, [2, "2", "Heartbeat", {}])
        shown = json.loads(rig.value("CP1.Connector1.MeterValues.Raw"))
        assert shown == [{"timestamp": at(), "sampledValue": []}]


# --- clocks, and messages that come late ---


async def test_a_message_that_was_kept_does_not_replace_a_newer_value(rig):
    """B16"""
    async with rig.station() as station:
        await station.register("5000")
        await station.call(call.StatusNotification(1, "NoError", "Charging", timestamp=at()))
        await station.register("100", time=-2 * 86400)
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(-86400)))
        await station.settle()
        assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 5000.0
        assert rig.value("CP1.Connector1.Status.StateText") == "Charging"


async def test_a_clock_that_is_far_off_is_shown_and_not_believed(rig):
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Charging", timestamp=at(7200)))
        await station.settle()
        assert rig.sample("CP1.Connector1.Status.State").source_time == START
        rig.tick()
        assert rig.value("CP1.State.ClockOffset") == 7200.0


async def test_a_clock_that_is_a_little_off_is_believed(rig):
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Charging", timestamp=at(-20)))
        await station.settle()
        sample = rig.sample("CP1.Connector1.Status.State")
        assert (sample.source_time, sample.server_time) == (START - 20, START)
