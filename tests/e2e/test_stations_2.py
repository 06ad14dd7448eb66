"""Stations of OCPP 2.0.1 and 2.1 against the running program, read back through OPC UA."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import ocpp.v16.call as call_16
import ocpp.v21.call
import ocpp.v201.call
import pytest
import websockets
from asyncua import ua
from ocpp.exceptions import SecurityError
from ocpp.v201.enums import BootReasonEnumType, IdTokenEnumType

from bridge.ocpp.versions import VERSIONS
from tests.e2e.messages_2 import EVSE, MESSAGES, TIME
from tests.e2e.parties import Hmi, hmi, now
from tests.e2e.parties import connected as connected_16
from tests.e2e.parties_2 import CHARGING_STATION, KWH, TOKEN, Results, connected

pytestmark = pytest.mark.timeout(120)
BOTH = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
TRANSACTION = "CP001.Connector1.Transaction"


async def values(client: Hmi, folder: str, *names: str) -> dict[str, Any]:
    found = await client.client.read_values([client.node(f"{folder}.{name}") for name in names])
    return dict(zip(names, found, strict=True))


def later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def register(kwh: float, time: str = "", context: str = "Sample.Periodic") -> list[dict[str, Any]]:
    return [{"timestamp": time or now(), "sampledValue": [{"value": kwh, "context": context, **KWH}]}]


# --- every message


def test_the_table_has_every_message() -> None:
    for version, messages in MESSAGES.items():
        assert {message.action for message in messages} == VERSIONS[version].from_station


@BOTH
async def test_every_message_is_answered_and_shows(site, version: str) -> None:
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        await station.event("Started", 0, evse=EVSE)
        for message in MESSAGES[version]:
            answer = await station.send(message.action, message.payload)
            if message.answer is not None:
                assert answer == message.answer, message.action
            await station.settle()
            for path, expected in message.points.items():
                found = await client.read(f"CP001.{path}")
                assert found.StatusCode.is_good(), (message.action, path)
                assert expected is None or found.Value.Value == expected, (message.action, path, found.Value.Value)
        assert await client.value("CP001.State.InvalidMessages") == 0
        assert await client.value("CP001.State.LastError") == ""


# --- provisioning: OCPP 2.0.1 B01 to B12


@pytest.mark.parametrize(("version", "call"), [("2.0.1", ocpp.v201.call), ("2.1", ocpp.v21.call)])
async def test_the_packages_own_station_charges(site, version: str, call: Any) -> None:
    """B06; with the package's classes of messages and its names."""
    async with site.connected(version) as station, site.hmi() as client:
        boot = await station.call(
            call.BootNotification(charging_station={"model": "M", "vendor_name": "V"}, reason="PowerUp")
        )
        assert (boot.status, boot.interval) == ("Accepted", 300)
        assert abs(datetime.fromisoformat(boot.current_time) - datetime.now(UTC)) < timedelta(seconds=5)
        await station.call(
            call.StatusNotification(timestamp=now(), connector_status="Occupied", evse_id=1, connector_id=1)
        )
        meter = [{"timestamp": now(), "sampled_value": [{"value": 1.5, "unit_of_measure": {"unit": "kWh"}}]}]
        event = call.TransactionEvent(
            event_type="Started",
            timestamp=now(),
            trigger_reason="Authorized",
            seq_no=0,
            transaction_info={"transaction_id": "T1", "charging_state": "Charging"},
            meter_value=meter,
            evse={"id": 1, "connector_id": 1},
            id_token={"id_token": "04A2B3", "type": "ISO14443"},
        )
        assert (await station.call(event)).id_token_info["status"] == "Accepted"
        await client.until("CP001.Connector1.Status.StateText", "Charging")
        assert await values(client, f"{TRANSACTION}.Start", "Id", "IdTag", "IdTokenType", "MeterStart") == {
            "Id": "T1",
            "IdTag": "04A2B3",
            "IdTokenType": "ISO14443",
            "MeterStart": 1500.0,
        }
        assert await client.value("CP001.State.OcppVersion") == version


@BOTH
async def test_every_boot_reason_is_taken_and_shown(site, version: str) -> None:
    """B01"""
    async with site.connected(version) as station, site.hmi() as client:
        for reason in (reason.value for reason in BootReasonEnumType):
            assert (await station.boot(reason))["status"] == "Accepted"
            await station.settle()
            assert await client.value("CP001.State.BootReason") == reason


@BOTH
async def test_a_pending_station_may_be_configured_and_nothing_else(run, version: str) -> None:
    """B01, B02, B03: what is allowed until the station boots again, accepted by then."""
    program = run(unknown="pending", ocpp="boot_retry_interval = 17")
    await program.start()
    async with connected(program.ocpp, version) as station, hmi(program.opcua) as client:
        answer = await station.boot()
        assert (answer["status"], answer["interval"]) == ("Pending", 17)
        with pytest.raises(SecurityError):
            await station.send("Heartbeat", {})
        variable = {"component": {"name": "Ctrlr"}, "variable": {"name": "A"}}
        answered = variable | {"attributeStatus": "Accepted"}
        station.answers["GetVariables"] = {"getVariableResult": [answered | {"attributeValue": "1"}]}
        station.answers["SetVariables"] = {"setVariableResult": [answered]}
        for action, payload in (
            ("GetVariables", {"getVariableData": [variable]}),
            ("SetVariables", {"setVariableData": [variable | {"attributeValue": "2"}]}),
            ("GetBaseReport", {"requestId": 7, "reportBase": "ConfigurationInventory"}),
            ("TriggerMessage", {"requestedMessage": "BootNotification"}),
        ):
            await client.write(f"CP001.Commands.{action}.Request", json.dumps(payload))
            await client.until(f"CP001.Commands.{action}.Result.StateText", "Accepted")
        entry = variable | {"variableAttribute": [{"value": "3"}]}
        await station.send("NotifyReport", {"requestId": 7, "generatedAt": now(), "seqNo": 0, "reportData": [entry]})
        await client.until("CP001.Configuration.Ctrlr.A", "3")
        for action, request in (
            ("RequestStartTransaction", json.dumps({"idToken": TOKEN, "remoteStartId": 1})),
            ("RequestStopTransaction", '{"transactionId": "T1"}'),
            ("Reset", '{"type": "Immediate"}'),
            ("ClearCache", "{}"),
        ):
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await client.write(f"CP001.Commands.{action}.Request", request)
            assert refused.value.code == ua.StatusCodes.BadInvalidState, action
        await client.write("CP001.Config.RegistrationStatus", 0)
        answer = await station.boot("Triggered")
        assert (answer["status"], answer["interval"]) == ("Accepted", 300)
        await station.settle()


@BOTH
async def test_a_rejected_station_may_do_nothing_but_boot(run, version: str) -> None:
    """B04"""
    program = run(unknown="reject", ocpp="boot_retry_interval = 9")
    await program.start()
    async with connected(program.ocpp, version) as station, hmi(program.opcua) as client:
        answer = await station.boot()
        assert (answer["status"], answer["interval"]) == ("Rejected", 9)
        with pytest.raises(SecurityError):
            await station.status("Available")
        for request in ("GetBaseReport", '{"requestId": 7, "reportBase": "FullInventory"}'), ("ClearCache", "{}"):
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await client.write(f"CP001.Commands.{request[0]}.Request", request[1])
            assert refused.value.code == ua.StatusCodes.BadInvalidState
        assert station.asked.empty()
        await client.write("CP001.Config.RegistrationStatus", 0)
        assert (await station.boot())["status"] == "Accepted"


@BOTH
async def test_a_station_or_one_evse_is_reset_at_once_or_when_idle(site, version: str) -> None:
    """OCPP 2.0.1 B11, B12"""
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        await station.status("Available", 2)
        for number, (kind, status) in enumerate([("Immediate", "Accepted"), ("OnIdle", "Scheduled")], 1):
            station.answers["Reset"] = {"status": status}
            for folder, filled in (("CP001.Commands.Reset", {}), ("CP001.Connector2.Commands.Reset", {"evseId": 2})):
                await client.write(f"{folder}.Type", kind)
                await client.write(f"{folder}.Execute", True)
                assert await station.asked.next("Reset") == {"type": kind} | filled
                await client.until(f"{folder}.Result.Status", status)
                shown = await values(client, f"{folder}.Result", "StateText", "Id")
                assert shown == {"StateText": "Accepted", "Id": number}


# --- authorization, handlers


@BOTH
async def test_every_type_of_token_is_decided_about(site, version: str) -> None:
    """C01 to C06"""
    async with site.connected(version) as station:
        await station.boot()
        for kind in IdTokenEnumType:
            token = {"idToken": "" if kind.value == "NoAuthorization" else "A1", "type": kind.value}
            assert await station.send("Authorize", {"idToken": token}) == {"idTokenInfo": {"status": "Accepted"}}


SCRIPT = '''\
from bridge.api import *


class Handler(RequestHandler):
    """One script for stations of every version."""

    async def authorize(self, request):
        if request.certificate_hash_data:
            serial = request.certificate_hash_data[0]["serialNumber"]
            status = "CertificateRevoked" if serial == "revoked" else "Accepted"
            return Authorization(status="Accepted", certificate_status=status)
        return self.decide(request)

    def decide(self, request):
        if request.id_token == "GUEST":
            return Authorization(
                status="Accepted",
                parent_id_token="FLEET",
                personal_message="Welcome",
                personal_message_language="en",
                charging_priority=3,
                fields={"tariff": TARIFF, "idTokenInfo": {"cacheExpiryDateTime": "<time>"}},
            )
        return Authorization.blocked() if request.id_token == "THIEF" else None

    async def start_transaction(self, request):
        if request.id_token != "GUEST":
            return self.decide(request)
        more = {"totalCost": 1.5, "transactionLimit": {"maxCost": 20.0}, "updatedPersonalMessage": MESSAGE}
        return Authorization(status="Accepted", parent_id_token="FLEET", fields=more)

    async def stop_transaction(self, request):
        await request.station.write("Custom.Stopped", f"{request.transaction_id} {request.meter_stop} {request.reason}")
        return Authorization(status="Accepted", fields={"totalCost": 7.25})

    async def data_transfer(self, request):
        if request.vendor_id == "echo":
            return DataTransferAnswer(status="Accepted", data=request.data)


MESSAGE = {"format": "ASCII", "content": "1.50 EUR"}
TARIFF = {"tariffId": "T", "currency": "EUR"}
'''.replace("<time>", TIME)


@pytest.fixture
async def scripted(run) -> Any:
    program = run(scripts='["site.py", "default.py"]')
    (program.project / "handlers" / "site.py").write_text(SCRIPT, "utf-8")
    await program.start()
    return program


@BOTH
async def test_one_script_decides_for_2x(scripted, version: str) -> None:
    """Group token, personal message, certificate status; cost and tariff fields reach the versions that have them."""
    new = version == "2.1"
    guest = {"idToken": "GUEST", "type": "Central"}
    info = {
        "status": "Accepted",
        "groupIdToken": {"idToken": "FLEET", "type": "Central"},
        "personalMessage": {"format": "UTF8", "language": "en", "content": "Welcome"},
        "chargingPriority": 3,
        "cacheExpiryDateTime": TIME,
    }
    async with connected(scripted.ocpp, version) as station, hmi(scripted.opcua) as client:
        await station.boot()
        tariff = {"tariff": {"tariffId": "T", "currency": "EUR"}} if new else {}
        assert await station.send("Authorize", {"idToken": guest}) == {"idTokenInfo": info} | tariff
        for serial, status in (("1", "Accepted"), ("revoked", "CertificateRevoked")):
            data = {
                "hashAlgorithm": "SHA256",
                "issuerNameHash": "n",
                "issuerKeyHash": "k",
                "serialNumber": serial,
                "responderURL": "u",
            }
            asked = {"idToken": {"idToken": "E1", "type": "eMAID"}, "iso15118CertificateHashData": [data]}
            assert (await station.send("Authorize", asked))["certificateStatus"] == status
        answer = await station.event("Started", 0, evse=EVSE, idToken=guest, meterValue=register(1))
        message = {"format": "ASCII", "content": "1.50 EUR"}
        limit = {"transactionLimit": {"maxCost": 20.0}} if new else {}
        group = {"idToken": "FLEET", "type": "Central"}
        assert (
            answer
            == {
                "idTokenInfo": {"status": "Accepted", "groupIdToken": group},
                "totalCost": 1.5,
                "updatedPersonalMessage": message,
            }
            | limit
        )
        ended = await station.event("Ended", 1, {"stoppedReason": "Local"}, idToken=guest, meterValue=register(3))
        assert ended == {"idTokenInfo": {"status": "Accepted"}, "totalCost": 7.25}
        await client.until(f"{TRANSACTION}.Start.ParentIdTag", "FLEET")
        assert await client.value("CP001.Custom.Stopped") == "T1 3000.0 Local"


async def test_the_same_script_decides_for_16(scripted) -> None:
    async with connected_16(scripted.ocpp) as station:
        await station.call(call_16.BootNotification("Model", "Vendor"))
        info = (await station.call(call_16.Authorize("GUEST"))).id_tag_info
        assert (info["status"], info["parent_id_tag"]) == ("Accepted", "FLEET")
        assert (await station.call(call_16.Authorize("THIEF"))).id_tag_info["status"] == "Blocked"


@BOTH
async def test_vendors_data_of_any_kind_comes_and_goes_unchanged(scripted, version: str) -> None:
    """J45"""
    odd = {"snake_case": 1, "camelCase": {"UPPER": None}, "": [True, 1.5, "x"], "ünï": []}
    async with connected(scripted.ocpp, version) as station, hmi(scripted.opcua) as client:
        await station.boot()
        for data in (odd, [odd, 2], "text", 17, -0.25, True, False):
            answer = await station.send("DataTransfer", {"vendorId": "echo", "messageId": "m", "data": data})
            assert answer == {"status": "Accepted", "data": data}
            station.answers["DataTransfer"] = answer
            request = {"vendorId": "V", "data": data}
            await client.write("CP001.Commands.DataTransfer.Request", json.dumps(request))
            assert await station.asked.next("DataTransfer") == request
            await client.until_that(
                "CP001.Commands.DataTransfer.Result.Response",
                lambda found, answer=answer: bool(found.Value.Value) and json.loads(found.Value.Value) == answer,
            )


# --- transactions


def charge(start: float = 0) -> list[tuple[str, int, dict[str, Any], dict[str, Any]]]:
    """Type, seqNo, transactionInfo and further fields of a charge of 8 kWh, by the station's clock."""
    at = [later(start + 10 * number) for number in range(5)]
    begin, half, end = (
        register(1, at[0], "Transaction.Begin"),
        register(5, at[2]),
        register(9, at[4], "Transaction.End"),
    )
    return [
        ("Started", 0, {"chargingState": "EVConnected"}, {"time": at[0], "evse": EVSE, "meterValue": begin}),
        ("Updated", 1, {"chargingState": "Charging"}, {"time": at[1], "idToken": TOKEN}),
        ("Updated", 2, {}, {"time": at[2], "meterValue": half}),
        ("Updated", 3, {"chargingState": "SuspendedEV"}, {"time": at[3]}),
        ("Ended", 4, {"stoppedReason": "EVDisconnected"}, {"time": at[4], "meterValue": end}),
    ]


OUTCOME = {
    "Active": False,
    "Id": "",
    "MissedEvents": 0,
    "Energy": 8000.0,
    "Start.Id": "T1",
    "Start.IdTag": "04A2B3",
    "Start.MeterStart": 1000.0,
    "Stop.Id": "T1",
    "Stop.Reason": "EVDisconnected",
    "Stop.MeterStop": 9000.0,
    "Stop.Energy": 8000.0,
}


#: what the events tell whatever their order: how → (their order, offline, what is shown otherwise)
ORDERS: dict[str, tuple[list[int], bool, dict[str, Any]]] = {
    "in order": ([0, 1, 2, 3, 4], False, {}),
    "offline": ([0, 1, 2, 3, 4], True, {}),
    "twice": ([0, 0, 1, 2, 2, 3, 4, 4], False, {}),
    "out of order": ([0, 2, 1, 3, 4], False, {}),
    "backwards": ([4, 3, 2, 1, 0], True, {}),
    "after the end": ([0, 1, 4, 2, 3], False, {}),
    "with a gap": ([0, 1, 4], False, {"MissedEvents": 2}),
    "only the end": (
        [4],
        False,
        {
            "MissedEvents": 4,
            "Energy": None,
            "Start.Id": None,
            "Start.IdTag": None,
            "Start.MeterStart": None,
            "Stop.Energy": None,
        },
    ),
}


@BOTH
async def test_events_of_a_transaction_in_any_order_tell_the_same(site, version: str) -> None:
    """B16, B17, B20: E01 to E12"""
    async with site.hmi() as client:
        for number, (how, (order, offline, differs)) in enumerate(ORDERS.items()):
            identity = f"CP{number}"
            async with site.connected(version, identity) as station:
                await station.boot()
                stop_time = await send_events(station, order, offline=offline)
                expected = OUTCOME | differs
                shown = await values(client, f"{identity}.Connector1.Transaction", *expected)
                assert shown == expected, how
                stop = await client.read(f"{identity}.Connector1.Transaction.Stop.Time")
                assert stop.Value.Value == datetime.fromisoformat(stop_time), how
                assert await client.value(f"{identity}.Connector1.Status.StateText") == "Finishing", how


async def send_events(station: Any, order: list[int], *, offline: bool) -> str:
    """Sends a charge's events in this order; returns the time of the last one of the charge."""
    events = charge(-600 if offline else -60)
    await station.status("Occupied", time=events[0][3]["time"])
    for number in order:
        type_, seq, info, fields = events[number]
        if number == order[0]:
            fields = {"evse": EVSE, **fields}  # the first that is sent says where
        answer = await station.event(type_, seq, info, **fields, **({"offline": True} if offline else {}))
        assert answer == ({"idTokenInfo": {"status": "Accepted"}} if "idToken" in fields else {})
    await station.settle()
    return str(events[-1][3]["time"])


@BOTH
async def test_readings_of_all_units_are_shown_in_ocpps_base_units(site, version: str) -> None:
    """Units, multipliers, phases and places; a signed value is kept."""
    signed = {
        "signedMeterData": "AAECAw==",
        "signingMethod": "",
        "encodingMethod": "OCMF",
        "publicKey": "oca:base16:00",
    }

    def of(unit: str, multiplier: int = 0) -> dict[str, Any]:
        return {"unitOfMeasure": {"unit": unit, "multiplier": multiplier}}

    samples: list[tuple[dict[str, Any], str, float]] = [
        ({"value": 1.234, "signedMeterValue": signed, **of("kWh")}, "Energy.Active.Import.Register", 1234.0),
        ({"value": 74, "measurand": "Power.Active.Import", **of("W", 2)}, "Power.Active.Import", 7400.0),
        ({"value": 7.4, "measurand": "Power.Offered", **of("kW")}, "Power.Offered", 7400.0),
        ({"value": 161, "measurand": "Current.Import", "phase": "L2", **of("A", -1)}, "Current.Import.L2", 16.1),
        ({"value": 50, "measurand": "Frequency", "location": "Inlet"}, "Frequency.Inlet", 50.0),
        ({"value": 55.5, "measurand": "SoC", "location": "EV"}, "SoC", 55.5),
    ]
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        stamp = now()
        telegram = [{"timestamp": stamp, "sampledValue": [sample for sample, _, _ in samples]}]
        for evse, place in ((1, "Connector1."), (0, "")):
            await station.send("MeterValues", {"evseId": evse, "meterValue": telegram})
            await station.settle()
            for _, name, value in samples:
                found = await client.read(f"CP001.{place}MeterValues.{name}")
                assert found.Value.Value == pytest.approx(value), name
                assert found.SourceTimestamp == datetime.fromisoformat(stamp)
            assert json.loads(await client.value(f"CP001.{place}MeterValues.Raw")) == telegram


# --- the device model


def described(name: str, type_: str, value: str | None, **more: Any) -> dict[str, Any]:
    """An entry of NotifyReport; `attributes` beside Actual, `mutability`, and the characteristics."""
    attributes = more.pop("attributes", [])
    mutability, place = more.pop("mutability", "ReadWrite"), more.pop("place", {})
    actual = {"mutability": mutability} | ({} if value is None else {"value": value})
    return {
        "component": {"name": "Ctrlr"} | place,
        "variable": {"name": name},
        "variableAttribute": [actual, *attributes],
        "variableCharacteristics": {"dataType": type_, "supportsMonitoring": False, **more},
    }


MODEL = [
    described("Number", "decimal", "16.5", unit="A", minLimit=6, maxLimit=32),
    described("Count", "integer", "3", attributes=[{"type": "Target", "value": "4"}, {"type": "MaxSet", "value": "9"}]),
    described("When", "dateTime", TIME),
    described("Enabled", "boolean", "true"),
    described("Mode", "OptionList", "Slow", valuesList="Slow,Fast"),
    described("Order", "SequenceList", "B,A", valuesList="A,B"),
    described("Members", "MemberList", "A", valuesList="A,B"),
    described("Name", "string", "x", maxLimit=10),
    described("Secret", "string", None, mutability="WriteOnly"),
    described("Fixed", "string", "y", mutability="ReadOnly"),
    described("Here", "integer", "1", place={"instance": "I", "evse": {"id": 2, "connectorId": 1}}),
]
SHOWN = {
    "Number": 16.5,
    "Count": 3,
    "Count.Target": 4,
    "Count.MaxSet": 9,
    "When": datetime.fromisoformat(TIME),
    "Enabled": True,
    "Mode": "Slow",
    "Order": "B,A",
    "Members": "A",
    "Name": "x",
    "Fixed": "y",
    "I.2.1.Here": 1,
}


async def report(station: Any, request: int) -> None:
    """The whole model, one variable in each part, the parts in another order."""
    order = [7, 2, 10, 0, 5, 9, 1, 8, 3, 6, 4]
    for number in order:
        more = {"tbc": True} if number < len(MODEL) - 1 else {}
        part = {"requestId": request, "generatedAt": now(), "seqNo": number, "reportData": [MODEL[number]], **more}
        await station.send("NotifyReport", part)
    await station.settle()


@BOTH
async def test_the_device_model_is_asked_for_and_becomes_typed_points(run, version: str) -> None:
    """OCPP 2.0.1 B07: after the boot of a station that is new, or has become another one."""
    program = run()
    config = program.project / "config.toml"
    config.write_text(config.read_text("utf-8").replace("read_configuration = false", ""), "utf-8")
    await program.start()
    folder = "CP001.Configuration.Ctrlr"
    async with connected(program.ocpp, version) as station, hmi(program.opcua) as client:
        await station.boot()
        asked = await station.asked.next("GetBaseReport")
        assert asked["reportBase"] == "FullInventory"
        await report(station, asked["requestId"])
        assert await values(client, folder, *SHOWN) == SHOWN
        for name, type_ in (
            ("Number", ua.ObjectIds.Double),
            ("Count", ua.ObjectIds.Int32),
            ("When", ua.ObjectIds.DateTime),
            ("Enabled", ua.ObjectIds.Boolean),
            ("Mode", ua.ObjectIds.String),
        ):
            assert (await client.node(f"{folder}.{name}").read_data_type()).Identifier == type_, name
        unit = await client.value(f"{folder}.Number.EngineeringUnits")
        span = await client.value(f"{folder}.Number.EURange")
        assert (unit.DisplayName.Text, span.Low, span.High) == ("A", 6.0, 32.0)
        assert "Slow, Fast" in (await client.node(f"{folder}.Mode").read_description()).Text
        assert await client.status(f"{folder}.Secret") == "BadNotReadable"
        level = await client.node(f"{folder}.Secret").read_attribute(ua.AttributeIds.UserAccessLevel)
        assert level.Value.Value == ua.AccessLevel.CurrentWrite.mask
        names = {(await child.read_browse_name()).Name for child in await client.node(folder).get_children()}
        assert names == {name.removeprefix("I.2.1.") for name in SHOWN} - {"Here"} | {"Secret", "I"}
        await station.boot()
        await station.settle()
        assert station.asked.empty()
        await station.boot("FirmwareUpdate", firmwareVersion="2.0.0")
        await station.asked.next("GetBaseReport")


@BOTH
async def test_a_thousand_variables_in_forty_shuffled_parts_are_all_there(site, version: str) -> None:
    entries = [described(f"V{n}", "integer", str(n), place={"name": f"C{n // 20}"}) for n in range(1000)]
    parts = [
        {
            "requestId": 1,
            "generatedAt": now(),
            "seqNo": number,
            "tbc": number < 39,
            "reportData": entries[25 * number : 25 * (number + 1)],
        }
        for number in range(40)
    ]
    random.Random(4).shuffle(parts)  # noqa: S311 - the same order every time
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        for part in parts:
            await station.send("NotifyReport", part)
        await station.settle()
        components = await client.node("CP001.Configuration").get_children()
        found = [client.path(node) for folder in components for node in await folder.get_children()]
        assert sorted(found) == sorted(f"CP001.Configuration.C{n // 20}.V{n}" for n in range(1000))
        shown = await client.client.read_values([client.node(path) for path in found])
        assert shown == [int(path.rpartition(".V")[2]) for path in found]


@BOTH
async def test_a_variable_is_written_and_changes_when_the_station_says_so(site, version: str) -> None:
    """OCPP 2.0.1 B05"""
    folder = "CP001.Configuration.Ctrlr"
    writes = [
        ("Number", 20.5, "20.5"),
        ("Count", 7, "7"),
        ("When", datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), "2027-01-02T03:04:05.000Z"),
        ("Enabled", False, "false"),
        ("Mode", "Fast", "Fast"),
        ("Order", "A,B", "A,B"),
        ("Name", "new", "new"),
    ]
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        await report(station, 1)
        results = Results(client)
        await results.watch(["CP001.Commands.SetVariables"])
        for name, value, text in writes:
            named = {"component": {"name": "Ctrlr"}, "variable": {"name": name}}
            for status in ("Rejected", "RebootRequired", "Accepted"):
                station.answers["SetVariables"] = {"setVariableResult": [{"attributeStatus": status, **named}]}
                await client.write(f"{folder}.{name}", value)
                assert await station.asked.next("SetVariables") == {
                    "setVariableData": [{"attributeValue": text, **named}]
                }
                await results.ended("CP001.Commands.SetVariables", "Rejected" if status == "Rejected" else "Accepted")
                await client.until(f"{folder}.{name}", value if status == "Accepted" else SHOWN[name])
        assert await client.value("CP001.State.RebootRequired") is True
        secret = {"component": {"name": "Ctrlr"}, "variable": {"name": "Secret"}}
        station.answers["SetVariables"] = {"setVariableResult": [{"attributeStatus": "Accepted", **secret}]}
        await client.write(f"{folder}.Secret", "hush")
        assert (await station.asked.next("SetVariables"))["setVariableData"][0]["attributeValue"] == "hush"
        assert await client.status(f"{folder}.Secret") == "BadNotReadable"
        for name, value, code in (
            ("Number", 40.0, "BadOutOfRange"),
            ("Mode", "Warp", "BadOutOfRange"),
            ("Name", "much too long", "BadOutOfRange"),
            ("Fixed", "z", "BadNotWritable"),
        ):
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await client.write(f"{folder}.{name}", value)
            assert refused.value.code == getattr(ua.StatusCodes, code), name
        await station.boot("RemoteReset")
        await client.until("CP001.State.RebootRequired", False)


@BOTH
async def test_a_monitor_is_set_by_command_and_its_events_change_the_variable(site, version: str) -> None:
    """N04, N07: gaps in the numbers of the events are counted."""
    severity = {"severity": 9} if version == "2.1" else {}
    named = {"component": {"name": "Ctrlr"}, "variable": {"name": "Number"}}
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        await report(station, 1)
        result = {"id": 3, "status": "Accepted", "type": "Delta", "severity": 9, **named}
        station.answers["SetVariableMonitoring"] = {"setMonitoringResult": [result]}
        monitor = {"setMonitoringData": [{"value": 1, "type": "Delta", "severity": 9, **named}]}
        await client.write("CP001.Commands.SetVariableMonitoring.Request", json.dumps(monitor))
        assert await station.asked.next("SetVariableMonitoring") == monitor
        await client.until("CP001.Commands.SetVariableMonitoring.Result.StateText", "Accepted")
        for number, value in ((0, "17.5"), (1, "18.5"), (4, "19.5")):
            event = {
                "eventId": number,
                "timestamp": now(),
                "trigger": "Delta",
                "actualValue": value,
                "eventNotificationType": "CustomMonitor",
                "variableMonitoringId": 3,
                **named,
                **severity,
            }
            await station.send("NotifyEvent", {"generatedAt": now(), "seqNo": number, "eventData": [event]})
            await client.until("CP001.Configuration.Ctrlr.Number", float(value))
        await station.settle()
        assert await client.value("CP001.State.MissedEvents") == 2


# --- frames of 2.x


async def test_what_is_new_in_the_frames_of_21(site) -> None:
    """J27, J28, J29, J30: SEND is taken and never answered; CALLRESULTERROR is noted; "-1" where no id can be read."""
    async with site.connected("2.1") as station, site.hmi() as client:
        await station.boot()
        await report(station, 1)
        named = {"component": {"name": "Ctrlr"}, "variable": {"name": "Number"}}
        kind = {"type": "Periodic", "severity": 9, "eventNotificationType": "CustomMonitor"}
        monitor = {"id": 9, "transaction": False, "value": 5, **kind}
        reported = {
            "requestId": 1,
            "generatedAt": now(),
            "seqNo": 0,
            "monitor": [named | {"variableMonitoring": [monitor]}],
        }
        await station.send("NotifyMonitoringReport", reported)
        stream = {"id": 4, "params": {"interval": 5}, "variableMonitoringId": 9}
        await station.send("OpenPeriodicEventStream", {"constantStreamData": stream})
        heard: list[Any] = []
        route = station.route_message

        async def listen(text: str) -> None:
            heard.append(json.loads(text))
            await route(text)

        station.route_message = listen
        sent = {"id": 4, "pending": 0, "basetime": now(), "data": [{"t": 0, "v": "7.5"}, {"t": 1, "v": "8.5"}]}
        for frame in (
            [6, "s-1", "NotifyPeriodicEventStream", sent],
            [6, "s-2", "NotifyPeriodicEventStream", {"id": "no number"}],
            [6, "s-3", "Heartbeat", {}],
            [5, "of no answer", "FormatViolation", "", {}],
            [9, "x", {}],
        ):
            await station._send(json.dumps(frame))
        await station.settle()
        assert await client.value("CP001.Configuration.Ctrlr.Number") == 8.5
        assert len(heard) == 1
        await station._send("no JSON")
        await station._send('[2,17,"Heartbeat",{}]')
        async with asyncio.timeout(10):
            while len(heard) < 3:
                await client.value("CP001.State.Connected")
        assert [frame[:2] for frame in heard[1:]] == [[4, "-1"], [4, "-1"]]
        await station.settle()


# --- versions


async def test_a_station_of_another_version_is_the_same_station(program) -> None:
    """J02, J04: what it offers counts; the tree, its commands and the store follow."""
    async with websockets.connect(program.ocpp + "CP001", subprotocols=["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "ocpp2.1"
    async with hmi(program.opcua) as client:
        async with connected_16(program.ocpp) as station:
            await station.call(call_16.BootNotification("Model", "Vendor"))
            await station.call(call_16.StatusNotification(2, "NoError", "Available"))
            await client.until("CP001.Connector2.Status.StateText", "Available")
            assert await client.status("CP001.Commands.RemoteStartTransaction.Execute") == "Good"
            assert await client.status("CP001.Commands.RequestStartTransaction.Execute") == "BadNodeIdUnknown"
        for version in ("2.0.1", "2.1"):
            async with connected(program.ocpp, version) as newer:
                await newer.boot()
                await newer.status("Unavailable", 2)
                await client.until("CP001.State.OcppVersion", version)
                await client.until("CP001.Connector2.Status.StateText", "Unavailable")
                assert await client.status("CP001.Commands.RemoteStartTransaction.Execute") == "BadNodeIdUnknown"
                assert await client.status("CP001.Commands.RequestStartTransaction.Execute") == "Good"
                known = await client.status("CP001.Commands.AFRRSignal.Execute")
                assert known == ("Good" if version == "2.1" else "BadNodeIdUnknown")
        assert await client.value("Bridge.StationsKnown") == 1
    await program.stop()
    await program.start()
    async with hmi(program.opcua) as client:
        assert await client.value("CP001.Info.Vendor") == CHARGING_STATION["vendorName"]
        assert await client.status("CP001.Commands.AFRRSignal.Execute") == "Good"
        assert await client.value("CP001.Connector2.Status.StateText") == "Unavailable"
