"""The device model of a 2.x station at a running bridge: its secrets, its reports, and a station that changes."""

import json
import sqlite3
from typing import Any

import pytest
from ocpp.v16 import call

from bridge.errors import Refused
from bridge.points.tree import Quality
from bridge.station.v2.device_model import MAX_POINTS
from tests.unit.station.rig import Rig, at, logged
from tests.unit.station.test_version_2 import CONFIG, TOKEN, Station, connected, reported, variable

SECRET = "hush-hush-77-hush-hush"
READING = {"ocpp": {**CONFIG, "read_configuration": True}}


async def report(station: Station, request: int, *names: str, number: int = 0, more: bool = False) -> None:
    """A part of a NotifyReport in which each variable has the value 1."""
    await station.call("NotifyReport", reported(request, number, more, *(variable(name, "1") for name in names)))
    await station.settle()


def set_result(name: str, status: str = "Accepted") -> dict[str, Any]:
    named = {"component": {"name": "Ctrlr"}, "variable": {"name": name}}
    return {"setVariableResult": [{"attributeStatus": status, **named}]}


def shown(rig: Rig, *names: str) -> list[bool]:
    """Whether each variable has a good value."""
    return [rig.quality(f"CP1.Configuration.Ctrlr.{name}") is Quality.GOOD for name in names]


@pytest.mark.parametrize(("name", "mutability"), [("Secret", "WriteOnly"), ("BasicAuthPassword", "ReadWrite")])
async def test_what_can_only_be_written_is_neither_logged_nor_stored_nor_shown(start, name, mutability):
    with logged() as entries:
        rig = await start(ocpp=CONFIG)
        async with connected(rig) as station:
            await station.call("NotifyReport", reported(1, 0, False, variable(name, "", "string", mutability)))
            await station.settle()
            station.answers["SetVariables"] = set_result(name)
            rig.write(f"CP1.Configuration.Ctrlr.{name}", SECRET)
            _, sent = await station.command()
            assert sent["setVariableData"][0]["attributeValue"] == SECRET
            await rig.ended("CP1.Commands.SetVariables")
            rig.write("CP1.Commands.SetVariables.Request", json.dumps(sent).replace(name, name.upper()))
            await rig.ended("CP1.Commands.SetVariables", 2)
            rig.write("CP1.Commands.SetVariables.SetVariableData", json.dumps(sent["setVariableData"]))
            rig.write("CP1.Commands.SetVariables.Execute", True)
            await rig.ended("CP1.Commands.SetVariables", 3)
        assert "***" in rig.value("CP1.Commands.SetVariables.Request")
        assert SECRET not in str([rig.value(f"CP1.Commands.SetVariables.{p}") for p in ("Request", "SetVariableData")])
        await rig.stop()
    with sqlite3.connect(start.path) as db:
        stored = str(db.execute("SELECT payload FROM commands").fetchall())
    assert stored.count("***") == 3
    assert SECRET not in stored
    assert any(entry["event"] == "frame.sent" for entry in entries)
    assert SECRET not in str(entries)


async def test_the_configuration_is_read_again_after_the_boot_that_a_change_waited_for(start):
    rig = await start(**READING)
    async with connected(rig) as station:
        _, asked = await station.command()
        await report(station, asked["requestId"], "A")
        station.answers["SetVariables"] = set_result("A", "RebootRequired")
        rig.write("CP1.Configuration.Ctrlr.A", 5)
        await rig.ended("CP1.Commands.SetVariables")
        assert rig.value("CP1.State.RebootRequired") is True
        await station.boot("RemoteReset")
        action, again = await station.command(3)
        assert (action, again["reportBase"]) == ("GetBaseReport", "FullInventory")
        await station.call("NotifyReport", reported(again["requestId"], 0, False, variable("A", "5")))
        await station.settle()
        assert rig.value("CP1.Configuration.Ctrlr.A") == 5
        assert rig.value("CP1.State.RebootRequired") is False


@pytest.mark.parametrize("request_id", [0, 1])
async def test_a_report_that_an_operator_has_asked_for_takes_nothing_away(start, request_id):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await report(station, 5, "A", "B")
        await report(station, request_id, "A")
        assert shown(rig, "A", "B") == [True, True]


async def test_a_report_after_a_refused_one_takes_nothing_away(start):
    rig = await start(**READING)
    async with connected(rig, boot=False) as station:
        station.answers["GetBaseReport"] = {"status": "NotSupported"}
        await station.boot()
        _, asked = await station.command()
        memory = rig.known().memory
        assert memory is not None
        await report(station, 5, "A", "B")
        await rig.until(lambda: memory.ours is None)
        await report(station, asked["requestId"], "A")
        assert shown(rig, "A", "B") == [True, True]
        assert memory.is_read is False


async def test_parts_of_a_report_of_before_are_none_of_the_next_one(start):
    requests = []
    for _ in range(2):
        rig = await start(**READING)
        async with connected(rig) as station:
            _, asked = await station.command()
            requests.append(asked["requestId"])
            await report(station, requests[0], "C", number=1)
            await report(station, requests[-1], "A", number=0, more=True)
            memory = rig.known().memory
            assert memory is not None
            assert memory.is_read is (len(requests) == 1)
        await rig.stop()
    assert requests[0] != requests[1]


async def test_a_report_is_not_continued_over_another_connection(start):
    rig = await start(**READING)
    async with connected(rig) as station:
        await report(station, 7, "A", more=True)
        memory = rig.known().memory
        assert memory is not None
        assert memory.reports.open("NotifyReport", 7) is not None
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    assert memory.reports.open("NotifyReport", 7) is None
    assert memory.ours is None


async def test_a_number_whose_report_is_under_way_is_not_used_again(start):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await station.settle()
        await report(station, 1, "A")
        memory = rig.known().memory
        assert memory is not None
        free = memory.next_request()
        await report(station, free + 1, "A", more=True)
        assert memory.next_request() == free + 2


async def test_attributes_that_are_too_many_are_told(start):
    rig = await start(ocpp=CONFIG)
    with logged() as entries:
        async with connected(rig) as station:
            for part in range(3):
                names = [f"V{number}" for number in range(part * 700, part * 700 + 700)]
                await report(station, 5, *names, number=part, more=part < 2)
            assert rig.value("CP1.State.LastError").startswith("NotifyReport: reportData: 100 attributes are left out")
    assert any(str(MAX_POINTS) in entry.get("reason", "") for entry in entries)


async def test_a_report_is_shown_as_json_however_much_there_is(start):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        message = {"priority": "InFront", "message": {"format": "UTF8", "content": "x" * 500}}
        for part in range(10):
            messages = [{"id": part * 50 + number, **message} for number in range(50)]
            await station.call("NotifyDisplayMessages", {"requestId": 5, "tbc": part < 9, "messageInfo": messages})
        await station.settle()
        assert len(json.loads(rig.value("CP1.Reports.DisplayMessages"))) > 50


async def test_a_station_that_goes_back_to_16_is_sent_nothing_of_its_device_model(start):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await report(station, 5, "Name")
        await station.status("Available", 0, 1, 2)
        await station.settle()
        assert rig.value("CP1.Connector1_2.Info.ConnectorId") == 2
    async with rig.station() as station:
        with pytest.raises(Refused, match=r"is of OCPP 2\.x") as caught:
            rig.write("CP1.Configuration.Ctrlr.Name", 2)
        assert caught.value.status == "BadNotWritable"
        with pytest.raises(Refused, match=r"has no connector CP1\.Connector1_2") as caught:
            rig.write("CP1.Connector1_2.Commands.UnlockConnector.Execute", True)
        assert caught.value.status == "BadNotSupported"
        with pytest.raises(Refused, match="has no connector"):
            await rig.call("CP1.Connector1_2.Commands.UnlockConnector")
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        await station.settle()
        rig.write("CP1.Connector1.Commands.UnlockConnector.Execute", True)
        assert await station.command() == ("UnlockConnector", {"connectorId": 1})
        assert rig.value("CP1.Connector1_2.Info.ConnectorId") is None


async def test_a_stop_names_the_transaction_of_the_version_that_is_spoken_now(start):
    rig = await start(ocpp=CONFIG)
    stop = "CP1.Connector1.Commands.RemoteStopTransaction.Execute"
    async with connected(rig) as station:
        await station.event("Started", 0, 0, evse={"id": 1, "connectorId": 1}, idToken=TOKEN)
        await station.settle()
    async with rig.station() as station:
        with pytest.raises(Refused, match="TransactionId has not been written"):
            rig.write(stop, True)
        started = await station.start_transaction()
        await station.settle()
        rig.write(stop, True)
        assert await station.command() == ("RemoteStopTransaction", {"transactionId": started.transaction_id})


@pytest.mark.parametrize("path", ["CP1", "CP1.Connector1"])
async def test_a_remote_start_gets_a_number_where_it_has_none(start, path):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await station.status("Available", 0)
        await station.settle()
        command = f"{path}.Commands.RequestStartTransaction"
        rig.write(f"{command}.IdToken", json.dumps(TOKEN))
        rig.write(f"{command}.Execute", True)
        rig.write(f"{command}.Execute", True)
        rig.write(f"{command}.Request", json.dumps({"idToken": TOKEN}))
        await rig.call(command, json.dumps(TOKEN))
        sent = [payload["remoteStartId"] for _, payload in station.commands]
        assert len(set(sent)) == 4
        assert rig.value(f"{command}.RemoteStartId") is None
        rig.write(f"{command}.RemoteStartId", 7)
        rig.write(f"{command}.Execute", True)
        _, payload = await station.command(5)
        assert payload["remoteStartId"] == 7


@pytest.mark.parametrize(("name", "mutability"), [("Secret", "WriteOnly"), ("BasicAuthPassword", "ReadWrite")])
async def test_a_value_that_nobody_may_read_is_not_logged_when_the_station_itself_tells_it(start, name, mutability):
    named = {"component": {"name": "Ctrlr"}, "variable": {"name": name}}
    read = [named | {"attributeStatus": "Accepted", "attributeValue": SECRET}]
    event = {"eventId": 1, "timestamp": at(), "trigger": "Delta", "eventNotificationType": "CustomMonitor"}
    with logged() as entries:
        rig = await start(ocpp=CONFIG)
        async with connected(rig) as station:
            await station.call("NotifyReport", reported(1, 0, False, variable(name, SECRET, "string", mutability)))
            events = [event | named | {"actualValue": SECRET}]
            await station.call("NotifyEvent", {"generatedAt": at(), "seqNo": 0, "eventData": events})
            station.answers["GetVariables"] = {"getVariableResult": read}
            rig.write("CP1.Commands.GetVariables.Request", json.dumps({"getVariableData": [named]}))
            await rig.ended("CP1.Commands.GetVariables")
    assert any(entry["event"] == "frame.received" and "Heartbeat" not in str(entry) for entry in entries)
    assert SECRET not in str(entries)


async def test_what_is_told_of_a_token_beside_its_id_is_not_logged(rig):
    with logged() as entries:
        more = {"additionalInfo": [{"additionalIdToken": SECRET, "type": "PIN"}]}
        async with connected(rig) as station:
            await station.call("Authorize", {"idToken": TOKEN | more})
            await station.settle()
    assert any(entry["event"] == "frame.received" for entry in entries)
    assert SECRET not in str(entries)


async def test_a_variable_that_has_become_one_of_another_type_is_complained_of(rig):
    async with connected(rig) as station:
        await station.call("NotifyReport", reported(1, 0, False, variable("A", "5")))
        await station.call("NotifyReport", reported(2, 0, False, variable("A", "5.5", "decimal")))
        await station.settle()
        assert rig.quality("CP1.Configuration.Ctrlr.A") is Quality.SUBNORMAL
        assert "of type Double now, shown as Int32 until the bridge starts again" in rig.value("CP1.State.LastError")
