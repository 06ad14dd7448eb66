"""Stations of OCPP 2.0.1 and 2.1 at a running bridge: real websockets, a real store."""

import asyncio
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import websockets

from bridge.errors import Refused
from bridge.ocpp.schemas import resolved, schemas
from bridge.ocpp.versions import VERSIONS, Version
from bridge.points.tree import Quality
from tests.unit.commands.actions_2 import ACTIONS, AT_CONNECTOR
from tests.unit.station.rig import START, WAIT, Rig, at, logged

BOTH = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
CONFIG = {"versions": ["2.1", "2.0.1", "1.6"]}
TOKEN = {"idToken": "04A2B3", "type": "ISO14443"}
STATION = {"model": "Model", "vendorName": "Vendor", "serialNumber": "S1", "firmwareVersion": "1.0"}


class Station:
    """A station that speaks JSON; what it sends and is sent holds to the schemas."""

    def __init__(self, socket: Any, version: Version) -> None:
        self.socket = socket
        self.schemas = schemas(version)
        self.answers: dict[str, Any] = {}  # action → the response, or what makes it from the request
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self._ids = (f"s-{number}" for number in itertools.count())
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self._came = asyncio.Event()

    async def read(self) -> None:
        async for text in self.socket:
            frame = json.loads(text)
            if frame[0] == 2:
                assert self.schemas.check_request(frame[2], frame[3]) == ()
                self.commands.append((frame[2], frame[3]))
                self._came.set()
                answer = self.answers.get(frame[2], {"status": "Accepted"})
                answer = answer(frame[3]) if callable(answer) else answer
                await self.socket.send(json.dumps([3, frame[1], answer]))
            else:
                self._waiting.pop(frame[1]).set_result(frame)

    async def ask(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """The frame that comes back."""
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps([2, number, action, payload]))
        async with asyncio.timeout(WAIT):
            return await self._waiting[number]

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert self.schemas.check_request(action, payload) == ()
        frame = await self.ask(action, payload)
        assert frame[0] == 3, frame
        assert self.schemas.check_response(action, frame[2]) == ()
        return frame[2]

    async def boot(self, reason: str = "PowerUp", **station: Any) -> dict[str, Any]:
        return await self.call("BootNotification", {"reason": reason, "chargingStation": STATION | station})

    async def settle(self) -> None:
        """Once this is answered, all that was sent before has changed the points."""
        await self.call("Heartbeat", {})

    async def command(self, count: int = 1) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(WAIT):
            while len(self.commands) < count:
                self._came.clear()
                await self._came.wait()
        return self.commands[count - 1]

    async def status(self, status: str, time: float, evse: int = 1, connector: int = 1) -> None:
        payload = {"timestamp": at(time), "connectorStatus": status, "evseId": evse, "connectorId": connector}
        await self.call("StatusNotification", payload)

    async def event(
        self, type_: str, seq: int, time: float, info: dict[str, Any] | None = None, **fields: Any
    ) -> dict[str, Any]:
        payload = {
            "eventType": type_,
            "timestamp": at(time),
            "triggerReason": "Trigger",
            "seqNo": seq,
            "transactionInfo": {"transactionId": "T1", **(info or {})},
            **fields,
        }
        return await self.call("TransactionEvent", payload)


@asynccontextmanager
async def connected(
    rig: Rig, version: str = "2.0.1", path: str = "CP1", *, boot: bool = True
) -> AsyncIterator[Station]:
    async with websockets.connect(rig.url(path), subprotocols=[f"ocpp{version}"], compression=None) as socket:  # type: ignore[list-item]
        station = Station(socket, VERSIONS[version])
        reading = asyncio.create_task(station.read())
        try:
            if boot:
                await station.boot()
            yield station
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await reading


@pytest.fixture
async def rig(start) -> Rig:
    return await start(ocpp=CONFIG)


def meter(value: float, time: float, **fields: Any) -> list[dict[str, Any]]:
    return [{"timestamp": at(time), "sampledValue": [{"value": value, **fields}]}]


KWH = {"unitOfMeasure": {"unit": "kWh"}}
EVSE = {"id": 1, "connectorId": 1}


@BOTH
async def test_a_station_boots_and_says_what_it_is(rig, version):
    async with connected(rig, version, boot=False) as station:
        answer = await station.boot("RemoteReset")
        assert (answer["status"], answer["interval"]) == ("Accepted", 300)
        await station.settle()
        assert rig.values("CP1.Info", "Vendor", "Model", "SerialNumber", "FirmwareVersion") == {
            "Vendor": "Vendor",
            "Model": "Model",
            "SerialNumber": "S1",
            "FirmwareVersion": "1.0",
        }
        assert rig.values("CP1.State", "BootReason", "OcppVersion", "RebootRequired") == {
            "BootReason": "RemoteReset",
            "OcppVersion": version,
            "RebootRequired": False,
        }


async def test_the_best_version_that_is_configured_is_spoken_and_the_station_stays_the_same(start):
    """J04"""
    rig = await start(ocpp=CONFIG)
    async with rig.socket(subprotocols=["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]) as socket:
        assert socket.subprotocol == "ocpp2.1"
    async with rig.station():
        assert rig.value("CP1.State.OcppVersion") == "1.6"
    async with connected(rig, "2.0.1") as station:
        await station.settle()
        assert rig.value("CP1.State.OcppVersion") == "2.0.1"
        assert len(rig.stations) == 1


async def test_a_declared_connector_is_connector_1_of_its_evse(start):
    rig = await start(ocpp=CONFIG, station=[{"id": "CP1", "connectors": 2}])
    assert rig.values("CP1.Connector2.Info", "EvseId", "ConnectorId") == {"EvseId": 2, "ConnectorId": 2}
    async with connected(rig) as station:
        assert rig.values("CP1.Connector2.Info", "EvseId", "ConnectorId") == {"EvseId": 2, "ConnectorId": 1}
        station.answers["UnlockConnector"] = {"status": "Unlocked"}
        rig.write("CP1.Connector2.Commands.UnlockConnector.Execute", True)
        assert await station.command() == ("UnlockConnector", {"evseId": 2, "connectorId": 1})


@BOTH
async def test_a_charge_from_the_plug_to_the_end(rig, version):
    async with connected(rig, version) as station:
        states = []

        async def step(*_: Any) -> None:
            await station.settle()
            states.append(rig.value("CP1.Connector1.Status.StateText"))

        await step(await station.status("Available", 0))
        await step(await station.status("Occupied", 10))
        info = {"chargingState": "EVConnected", "remoteStartId": 7}
        begin = meter(1, 11, context="Transaction.Begin", **KWH)
        await step(await station.event("Started", 0, 11, info, evse=EVSE, meterValue=begin, reservationId=3))
        answer = await station.event("Updated", 1, 12, idToken=TOKEN, triggerReason="Authorized")
        assert answer == {"idTokenInfo": {"status": "Accepted"}}
        await step(await station.event("Updated", 2, 13, {"chargingState": "Charging"}))
        await step(await station.event("Updated", 3, 80, meterValue=meter(9, 80, **KWH)))
        connector = "CP1.Connector1.Transaction"
        assert rig.values(connector, "Active", "Id", "IdTag", "ChargingState", "Energy", "MissedEvents") == {
            "Active": True,
            "Id": "T1",
            "IdTag": "04A2B3",
            "ChargingState": "Charging",
            "Energy": 8000.0,
            "MissedEvents": 0,
        }
        assert rig.values(
            f"{connector}.Start", "Id", "IdTag", "IdTokenType", "MeterStart", "Time", "Authorization"
        ) == {
            "Id": "T1",
            "IdTag": "04A2B3",
            "IdTokenType": "ISO14443",
            "MeterStart": 1000.0,
            "Time": START + 11,
            "Authorization": "Accepted",
        }
        await step(await station.event("Updated", 4, 90, {"chargingState": "SuspendedEV"}))
        end = meter(16, 100, context="Transaction.End", **KWH)
        await step(await station.event("Ended", 5, 100, {"stoppedReason": "EVDisconnected"}, meterValue=end))
        await step(await station.status("Available", 110))
        assert rig.values(f"{connector}.Stop", "Id", "Reason", "MeterStop", "Energy", "Time") == {
            "Id": "T1",
            "Reason": "EVDisconnected",
            "MeterStop": 16000.0,
            "Energy": 15000.0,
            "Time": START + 100,
        }
        assert rig.values(connector, "Active", "Id", "IdTag") == {"Active": False, "Id": "", "IdTag": ""}
        assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 16000.0
        assert "Transaction.End" in rig.value("CP1.Connector1.MeterValues.Raw")
        assert states == [
            *("Available", "Occupied", "Preparing", "Charging", "Charging", "SuspendedEV", "Finishing", "Available")
        ]


async def test_connectors_have_the_names_of_the_tree(rig):
    """B12, B21"""
    async with connected(rig) as station:
        await station.status("Available", 0, evse=2, connector=1)
        await station.status("Occupied", 0, evse=2, connector=3)
        await station.call("MeterValues", {"evseId": 2, "meterValue": meter(7, 1)})
        await station.call("MeterValues", {"evseId": 0, "meterValue": meter(9, 1)})
        await station.settle()
        assert set(rig.known().points.connectors) == {"Connector2", "Connector2_3"}
        assert rig.values("CP1.Connector2_3.Info", "EvseId", "ConnectorId") == {"EvseId": 2, "ConnectorId": 3}
        assert rig.value("CP1.Connector2_3.MeterValues.Energy.Active.Import.Register") == 7.0
        assert rig.value("CP1.MeterValues.Energy.Active.Import.Register") == 9.0


async def test_a_restart_in_the_middle_of_a_transaction_loses_nothing(start):
    """D01, D09"""
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await station.event("Started", 0, 0, evse={"id": 1, "connectorId": 2}, idToken=TOKEN, meterValue=meter(100, 0))
        await station.event("Updated", 1, 10, {"chargingState": "Charging"})
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    assert rig.values("CP1.Connector1_2.Transaction", "Active", "Id") == {"Active": True, "Id": "T1"}
    async with connected(rig, boot=False) as station:
        await station.event("Updated", 1, 10, {"chargingState": "Charging"})  # it had no answer before
        await station.event("Ended", 2, 20, meterValue=meter(600, 20))
        await station.settle()
        assert rig.values("CP1.Connector1_2.Transaction.Stop", "Id", "Energy") == {"Id": "T1", "Energy": 500.0}
    assert rig.store.events_of("CP1", "T1")[-1].ended
    assert len(rig.store.events_of("CP1", "T1")) == 3
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    assert rig.value("CP1.Connector1_2.Transaction.Active") is False


async def test_what_the_events_say_is_shown_though_the_last_values_were_lost(start):
    """D02"""
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await station.event("Started", 0, 0, evse=EVSE, idToken=TOKEN, meterValue=meter(100, 0))
        await station.event("Updated", 1, 10, {"chargingState": "Charging"}, meterValue=meter(300, 10))
    await rig.stop()
    with sqlite3.connect(start.path) as db:
        db.execute("DELETE FROM group_values")
    rig = await start(ocpp=CONFIG)
    assert rig.values("CP1.Connector1.Transaction", "Active", "Id", "IdTag", "ChargingState", "Energy") == {
        "Active": True,
        "Id": "T1",
        "IdTag": "04A2B3",
        "ChargingState": "Charging",
        "Energy": 200.0,
    }
    assert rig.quality("CP1.Connector1.Transaction.Id") is Quality.LAST


async def test_scripts_decide_about_tokens_and_an_event_that_comes_again_asks_nobody(start):
    rig = await start(
        """
        asked = []
        async def authorize(self, request):
            number = request.certificate_hash_data[0]["serialNumber"]
            return Authorization(status="NotAtThisTime", personal_message=number)
        async def start_transaction(self, request):
            self.asked.append(request.id_token)
            group = f"GROUP{len(self.asked)}"
            return Authorization(status="Accepted", parent_id_token=group, fields={"totalCost": 0.5})
        async def stop_transaction(self, request):
            return Authorization.blocked()
        """,
        ocpp=CONFIG,
    )
    data = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "a",
        "issuerKeyHash": "b",
        "serialNumber": "42",
        "responderURL": "u",
    }
    async with connected(rig) as station:
        answer = await station.call("Authorize", {"idToken": TOKEN, "iso15118CertificateHashData": [data]})
        message = {"format": "UTF8", "content": "42"}
        assert answer == {"idTokenInfo": {"status": "NotAtThisTime", "personalMessage": message}}
        group = {"idToken": "GROUP1", "type": "Central"}
        for _ in range(2):
            answer = await station.event("Started", 0, 0, evse=EVSE, idToken=TOKEN)
            assert answer == {"idTokenInfo": {"status": "Accepted", "groupIdToken": group}, "totalCost": 0.5}
        assert await station.event("Ended", 1, 9, idToken=TOKEN) == {"idTokenInfo": {"status": "Blocked"}}
        await station.settle()
        assert rig.value("CP1.Connector1.Transaction.Start.ParentIdTag") == "GROUP1"


# --- commands


@BOTH
async def test_every_command_is_sent_by_write_and_by_method(rig, version):
    async with connected(rig, version) as station:
        for action, (payload, yes, no) in ACTIONS[version].items():
            command = f"CP1.Commands.{action}"
            for number, answer in enumerate((yes, no or yes), 1):
                station.answers[action] = answer
                if number == 1:
                    rig.write(f"{command}.Request", json.dumps(payload))
                else:
                    names = [p.name for p in rig.tree.find(command)[0].layout.methods[f"Commands.{action}.Call"].inputs]
                    given = {k[0].upper() + k[1:]: v for k, v in payload.items()}
                    texts = [given.get(name) for name in names]
                    await rig.call(command, *(json.dumps(t) if isinstance(t, dict | list) else t for t in texts))
                ended = await rig.ended(command, number)
                assert ended["StateText"] == ("Accepted" if answer is yes else "Rejected"), action
                assert station.commands[-1] == (action, payload)


async def test_a_connector_fills_itself_in_and_a_stop_takes_its_transaction(rig):
    async with connected(rig) as station:
        await station.event("Started", 0, 0, evse={"id": 2, "connectorId": 3}, idToken=TOKEN)
        await station.settle()
        for number, (action, filled) in enumerate(AT_CONNECTOR["2.0.1"].items(), 1):
            payload = {k: v for k, v in ACTIONS["2.0.1"][action][0].items() if k not in filled}
            if action == "RequestStopTransaction":
                rig.write(f"CP1.Connector2_3.Commands.{action}.Execute", True)
                assert await station.command(number) == (action, {"transactionId": "T1"})
            else:
                rig.write(f"CP1.Connector2_3.Commands.{action}.Request", json.dumps(payload))
                assert await station.command(number) == (action, payload | filled)


# --- the device model


def variable(
    name: str, value: str, type_: str = "integer", mutability: str = "ReadWrite", **told: Any
) -> dict[str, Any]:
    return {
        "component": {"name": "Ctrlr"},
        "variable": {"name": name},
        "variableAttribute": [{"value": value, "mutability": mutability}],
        "variableCharacteristics": {"dataType": type_, "supportsMonitoring": False, **told},
    }


def reported(request: int, number: int, more: bool, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"requestId": request, "generatedAt": at(), "seqNo": number, "tbc": more, "reportData": list(entries)}


async def test_a_new_station_is_asked_for_its_device_model_once(start):
    rig = await start(ocpp={**CONFIG, "read_configuration": True})
    async with connected(rig) as station:
        action, payload = await station.command()
        assert (action, payload["reportBase"]) == ("GetBaseReport", "FullInventory")
        await station.call("NotifyReport", reported(payload["requestId"], 1, False, variable("B", "2")))
        await station.call("NotifyReport", reported(payload["requestId"], 0, True, variable("A", "1", unit="s")))
        await station.settle()
        assert rig.values("CP1.Configuration.Ctrlr", "A", "B") == {"A": 1, "B": 2}
        await station.boot()
        await station.settle()
        assert len(station.commands) == 1
        await station.boot(firmwareVersion="2.0")
        await station.command(2)


async def test_a_station_that_does_not_boot_again_is_asked_too(start):
    """B05"""
    rig = await start(ocpp={**CONFIG, "read_configuration": True})
    async with connected(rig) as station:
        await station.command()
    await rig.stop()
    rig = await start(ocpp={**CONFIG, "read_configuration": True})
    async with connected(rig, boot=False) as station:
        rig.tick()
        assert station.commands == []
        rig.now += 60
        rig.tick()
        assert (await station.command())[0] == "GetBaseReport"
        rig.tick()
        await station.settle()
        assert len(station.commands) == 1


async def test_a_variable_is_written_and_changes_when_the_station_confirms(rig):
    async with connected(rig) as station:
        entries = [variable("A", "1", maxLimit=9), variable("B", "1"), variable("C", "1", mutability="ReadOnly")]
        await station.call("NotifyReport", reported(1, 0, False, *entries))
        await station.settle()
        path = "CP1.Configuration.Ctrlr.A"
        named = {"component": {"name": "Ctrlr"}, "variable": {"name": "A"}}
        for number, (status, shown) in enumerate([("Rejected", 1), ("RebootRequired", 1), ("Accepted", 5)], 1):
            station.answers["SetVariables"] = {"setVariableResult": [{"attributeStatus": status, **named}]}
            rig.write(path, 5)
            assert await station.command(number) == (
                "SetVariables",
                {"setVariableData": [{"attributeValue": "5", **named}]},
            )
            await rig.ended("CP1.Commands.SetVariables", number)
            assert rig.value(path) == shown
        assert rig.value("CP1.State.RebootRequired") is True
        with pytest.raises(Refused, match="at most 9"):
            rig.write(path, 10)
        with pytest.raises(Refused, match="cannot be written"):
            rig.write("CP1.Configuration.Ctrlr.C", 2)


async def test_events_change_variables_and_show_alerts_and_gaps(rig):
    async with connected(rig) as station:
        await station.status("Available", 0)
        await station.call("NotifyReport", reported(1, 0, False, variable("A", "1")))
        event = {
            "eventId": 1,
            "timestamp": at(5),
            "trigger": "Alerting",
            "actualValue": "7",
            "techCode": "CX001",
            "eventNotificationType": "HardWiredNotification",
        }
        here = {"component": {"name": "Ctrlr", "evse": EVSE}, "variable": {"name": "Problem"}}
        about = {"component": {"name": "Ctrlr"}, "variable": {"name": "A"}, "trigger": "Delta"}
        for number in (0, 3):
            payload = {"generatedAt": at(5), "seqNo": number, "eventData": [event | here, event | about]}
            await station.call("NotifyEvent", payload)
        await station.settle()
        assert rig.value("CP1.Configuration.Ctrlr.A") == 7
        assert rig.value("CP1.Connector1.Status.ErrorCode") == "CX001"
        assert rig.value("CP1.State.MissedEvents") == 2


async def test_a_value_of_another_type_is_marked(rig):
    async with connected(rig) as station:
        await station.call("NotifyReport", reported(1, 0, False, variable("A", "1")))
        await station.call("NotifyReport", reported(2, 0, False, variable("A", "many")))
        await station.settle()
        assert rig.quality("CP1.Configuration.Ctrlr.A") is Quality.SUBNORMAL
        assert "'many' is not a number" in rig.value("CP1.State.LastError")


# --- registration


async def test_a_pending_station_may_be_asked_for_its_variables_and_nothing_else(start):
    """B01, B02, B03"""
    rig = await start(ocpp=CONFIG, stations={"unknown": "pending"})
    async with connected(rig) as station:
        assert (await station.ask("Heartbeat", {}))[2] == "SecurityError"
        rig.write("CP1.Commands.GetBaseReport.Request", '{"requestId": 9, "reportBase": "FullInventory"}')
        await station.command()
        await station.call("NotifyReport", reported(9, 0, False, variable("A", "1")))
        with pytest.raises(Refused, match="Pending"):
            rig.write("CP1.Commands.Reset.Request", '{"type": "OnIdle"}')


# --- every message


def sample(schema: dict[str, Any], node: dict[str, Any]) -> Any:
    """The least that a schema allows."""
    node = resolved(schema, node)
    if "enum" in node:
        return node["enum"][0]
    if node.get("type") == "object":
        return {name: sample(schema, node["properties"][name]) for name in node.get("required", ())}
    if node.get("type") == "array":
        return [sample(schema, node["items"])]
    least = {"string": "x", "integer": 1, "number": 1.5, "boolean": True}
    return at() if node.get("format") == "date-time" else least.get(node.get("type", ""), {"any": 1})


@BOTH
async def test_every_message_of_a_station_is_answered_and_taken(rig, version):
    async with connected(rig, version) as station:
        for action in sorted(VERSIONS[version].from_station):
            schema = schemas(VERSIONS[version]).request(action)
            await station.call(action, sample(schema, schema))
        await station.settle()
        assert rig.value("CP1.State.InvalidMessages") == 0
        assert rig.value("CP1.State.LastError") == ""


@BOTH
async def test_what_a_station_sends_of_any_kind_does_not_end_the_connection(rig, version):
    """J36"""
    with logged() as entries:
        await send_nonsense(rig, version)
    assert [entry for entry in entries if entry["event"] in ("call.failed", "tree.failed")] == []


async def send_nonsense(rig: Rig, version: str) -> None:
    async with connected(rig, version) as station:
        for action in sorted(VERSIONS[version].from_station - {"BootNotification"}):
            for payload in ({}, {"evse": 5, "evseId": "x", "reportData": 5, "eventData": [5], "meterValue": "x"}):
                assert (await station.ask(action, payload))[0] in (3, 4)
        await station.settle()
        assert rig.value("CP1.State.InvalidMessages") > 0


# --- 2.1


async def test_a_stream_of_21_is_shown_and_never_answered(rig):
    """J29"""
    async with connected(rig, "2.1") as station:
        await station.call("NotifyReport", reported(1, 0, False, variable("A", "1")))
        named = {"component": {"name": "Ctrlr"}, "variable": {"name": "A"}}
        result = {"id": 9, "status": "Accepted", "type": "Periodic", "severity": 9, **named}
        station.answers["SetVariableMonitoring"] = {"setMonitoringResult": [result]}
        monitor = {"setMonitoringData": [{**named, "value": 5, "type": "Periodic", "severity": 9}]}
        rig.write("CP1.Commands.SetVariableMonitoring.Request", json.dumps(monitor))
        await rig.ended("CP1.Commands.SetVariableMonitoring")
        stream = {"id": 4, "params": {}, "variableMonitoringId": 9}
        await station.call("OpenPeriodicEventStream", {"constantStreamData": stream})
        sent = {"id": 4, "pending": 0, "basetime": at(), "data": [{"t": 1, "v": "8"}]}
        await station.socket.send(json.dumps([6, "x", "NotifyPeriodicEventStream", sent]))
        await station.settle()
        assert rig.value("CP1.Configuration.Ctrlr.A") == 8


async def test_reports_are_shown_when_they_are_complete_and_customers_data_is_not_kept(start):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        for more, content in ((True, "one"), (False, "two")):
            message = {"id": 1, "priority": "InFront", "message": {"format": "UTF8", "content": content}}
            await station.call("NotifyDisplayMessages", {"requestId": 5, "tbc": more, "messageInfo": [message]})
        payload = {"requestId": 5, "generatedAt": at(), "seqNo": 0, "data": "all that is known"}
        await station.call("NotifyCustomerInformation", payload)
        await station.settle()
        shown = json.loads(rig.value("CP1.Reports.DisplayMessages"))
        assert [entry["message"]["content"] for entry in shown] == ["one", "two"]
        assert rig.value("CP1.Reports.CustomerInformation") == "all that is known"
    rig.last_values.flush_all()
    await rig.stop()
    with sqlite3.connect(start.path) as db:
        stored = "".join(text for (text,) in db.execute("SELECT points FROM group_values"))
    assert "Reports.DisplayMessages" in stored
    assert "all that is known" not in stored


@pytest.mark.parametrize(("status", "known"), [("Available", True), ("Occupied", False)])
async def test_whether_a_transaction_runs_is_known_when_the_status_says_that_none_does(rig, status, known):
    async with connected(rig) as station:
        await station.status(status, -5)
        await station.settle()
        expected = (False, Quality.GOOD, START - 5, START) if known else (None, Quality.WAITING, None, None)
        assert rig.sample("CP1.Connector1.Transaction.Active") == expected
        await station.event("Started", 0, 0, evse=EVSE, idToken=TOKEN)
        await station.status("Available", 1)
        await station.settle()
        assert rig.value("CP1.Connector1.Transaction.Active") is True
