"""Every command of OCPP 1.6 by every way, with every end."""

import asyncio
import json
import sqlite3

import pytest

from bridge.errors import CallErrorAnswer, CallTimeout, Refused
from bridge.ocpp.versions import VERSIONS
from bridge.points.tree import Group
from tests.unit.commands.actions import ACTIONS, AT_CONNECTOR
from tests.unit.station.rig import SILENT, Rig, at, call

WAYS = ("parameters", "request", "method")


def test_all_26_are_here():
    assert set(ACTIONS) == set(VERSIONS["1.6"].to_station)
    assert len(ACTIONS) == 26


def name_of(field: str) -> str:
    return field[0].upper() + field[1:]


def points_of(payload):
    return {
        name_of(field): json.dumps(value) if isinstance(value, dict | list) else value
        for field, value in payload.items()
    }


async def send(rig: Rig, command: str, payload: dict, way: str) -> None:
    """Asks for a command one way or another; returns once it is queued."""
    if way == "parameters":
        for name, value in points_of(payload).items():
            rig.write(f"{command}.{name}", value)
        rig.write(f"{command}.Execute", True)
    else:
        rig.write(f"{command}.Request", json.dumps(payload))


async def end_of(rig: Rig, command: str, payload: dict, way: str) -> dict:
    """Result.* of a command that was asked for one way or another."""
    if way != "method":
        await send(rig, command, payload, way)
        return await rig.ended(command)
    group, folder = rig.tree.find(command)
    names = [parameter.name for parameter in group.layout.methods[f"{folder}.Call"].inputs]
    written = points_of(payload)
    outputs = await rig.call(command, *(written.get(name) for name in names))
    assert list(outputs) == [rig.value(f"{command}.Result.Status"), rig.value(f"{command}.Result.Response")]
    return await rig.ended(command)


def logged_commands(path):
    with sqlite3.connect(path) as db:
        return db.execute(
            "SELECT connector, action, user, payload, state, status, response, error, ended FROM commands ORDER BY id"
        ).fetchall()


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_command_is_sent_and_its_answer_shown(rig, start, action):
    """B24: Accepted and Rejected, by points, by JSON and by method."""
    payload, yes, no = ACTIONS[action]
    for number, way in enumerate(WAYS):
        for answer in (yes, no):
            if answer is None:
                continue
            async with rig.station(f"S{number}{answer is yes}") as station:
                station.answers[action] = answer
                command = f"S{number}{answer is yes}.Commands.{action}"
                end = await end_of(rig, command, payload, way)
                assert end == {
                    "StateText": "Accepted" if answer is yes else "Rejected",
                    "Status": answer.get("status", ""),
                    "Response": json.dumps(answer, separators=(",", ":")),
                    "Error": "",
                    "User": "anna",
                }
                assert station.commands == [(action, payload)]


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_command_that_is_not_answered_in_time_says_so(start, action):
    """B24"""
    rig = await start(ocpp={"call_timeout": 0.05})
    command, payload = f"CP1.Commands.{action}", ACTIONS[action].payload
    async with rig.station() as station:
        station.answers[action] = SILENT
        with pytest.raises(CallTimeout):
            await end_of(rig, command, payload, "method")
        end = await rig.ended(command)
        assert end["StateText"] == "Timeout"
        assert "0.05 s" in end["Error"]


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_command_that_fails_says_so(rig, start, action):
    """B24 J21: CALLERROR, connection lost, not connected; a method's caller is told what the station said."""
    command, payload = f"CP1.Commands.{action}", ACTIONS[action].payload
    async with rig.station() as station:
        station.answers[action] = "NotSupported"
        with pytest.raises(CallErrorAnswer) as failed:
            await end_of(rig, command, payload, "method")
        assert failed.value.status == "BadUnexpectedError"
        assert json.loads(failed.value.outputs[1]) == {
            "errorCode": "NotSupported",
            "errorDescription": "it cannot",
            "errorDetails": {"detail": 1},
        }
        end = await rig.ended(command)
        assert (end["StateText"], end["Error"]) == ("Failed", "NotSupported: it cannot")

        station.answers[action] = None
        rig.write(f"{command}.Request", json.dumps(payload))
        assert (await rig.ended(command, 2))["StateText"] == "Offline"
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    with pytest.raises(Refused) as caught:
        rig.write(f"{command}.Request", json.dumps(payload))
    assert caught.value.status == "BadNotConnected"
    assert rig.value(f"{command}.Result.Id") == 2
    await rig.stop()
    assert [row[4] for row in logged_commands(start.path)] == ["Failed", "Offline"]


@pytest.mark.parametrize("action", sorted(AT_CONNECTOR))
@pytest.mark.parametrize("way", WAYS)
async def test_a_connector_fills_in_its_number(start, action, way):
    rig = await start(station=[{"id": "CP1", "connectors": 2}])
    payload = {field: value for field, value in ACTIONS[action].payload.items() if field != "connectorId"}
    async with rig.station() as station:
        station.answers[action] = ACTIONS[action].yes
        assert (await end_of(rig, f"CP1.Connector2.Commands.{action}", payload, way))["StateText"] == "Accepted"
        assert station.commands == [(action, {**payload, "connectorId": 2})]
        assert rig.known().points.connectors["Connector2"].slot(f"Commands.{action}.ConnectorId") is None
        assert rig.value(f"CP1.Commands.{action}.Result.StateText") == "Idle"


async def test_commands_without_a_connector_stand_at_the_station_alone(start):
    rig = await start(station=[{"id": "CP1", "connectors": 1}])
    connector: Group = rig.known().points.connectors["Connector1"]
    found = {row.folder.split(".")[1] for row in connector.layout.rows if row.folder.startswith("Commands.")}
    assert found == AT_CONNECTOR | {"RemoteStopTransaction"}


async def test_a_connector_takes_no_other_number(start):
    rig = await start(station=[{"id": "CP1", "connectors": 2}])
    async with rig.station() as station:
        with pytest.raises(Refused) as caught:
            rig.write("CP1.Connector2.Commands.UnlockConnector.Request", '{"connectorId":1}')
        assert caught.value.status == "BadOutOfRange"
        assert station.commands == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_stop_at_a_connector_takes_the_transaction_that_runs_there(rig, way):
    async with rig.station() as station:
        await station.start_transaction(connector=2)
        await station.start_transaction(connector=1)
        await station.settle()
        command = "CP1.Connector1.Commands.RemoteStopTransaction"
        assert (await end_of(rig, command, {}, way))["StateText"] == "Accepted"
        assert station.commands == [("RemoteStopTransaction", {"transactionId": 2})]


@pytest.mark.parametrize("way", WAYS)
async def test_a_stop_with_an_id_takes_that_one(rig, way):
    async with rig.station() as station:
        await station.start_transaction(connector=1)
        await station.settle()
        command = "CP1.Connector1.Commands.RemoteStopTransaction"
        await end_of(rig, command, {"transactionId": 77}, way)
        assert station.commands == [("RemoteStopTransaction", {"transactionId": 77})]


async def test_a_stop_where_nothing_runs_needs_an_id(rig):
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at()))
        await station.settle()
        for command in ("CP1.Connector1.Commands", "CP1.Commands"):
            with pytest.raises(Refused) as caught:
                rig.write(f"{command}.RemoteStopTransaction.Execute", True)
            assert caught.value.status == "BadInvalidState"
            with pytest.raises(Refused) as caught:
                await rig.call(f"{command}.RemoteStopTransaction")
            assert (caught.value.status, caught.value.arguments) == ("BadInvalidArgument", ("BadOutOfRange",))


async def test_commands_of_one_station_wait_for_each_other_and_for_no_other_station(rig):
    """J17"""
    async with rig.station("CP1") as one, rig.station("CP2"):
        gate = asyncio.Event()

        async def later():
            await gate.wait()
            return {"status": "Accepted"}

        one.answers["Reset"] = later
        first = asyncio.create_task(rig.call("CP1.Commands.Reset", "Hard"))
        await one.command()
        second = asyncio.create_task(rig.call("CP1.Commands.ClearCache"))
        assert (await rig.call("CP2.Commands.ClearCache"))[0] == "Accepted"
        await one.settle()  # J18: its own CALLs are answered meanwhile
        assert rig.value("CP1.Commands.ClearCache.Result.StateText") == "Queued"
        assert rig.value("CP1.Commands.Reset.Result.StateText") == "Sent"
        assert len(one.commands) == 1
        gate.set()
        assert (await first)[0] == (await second)[0] == "Accepted"
        assert [action for action, _ in one.commands] == ["Reset", "ClearCache"]


async def test_an_answer_that_comes_too_late_is_nobodys(start):
    """J19"""
    rig = await start(ocpp={"call_timeout": 1})
    async with rig.station() as station:
        station.answers["Reset"] = SILENT
        with pytest.raises(CallTimeout):
            await rig.call("CP1.Commands.Reset", "Hard")

        async def after_the_late_one():
            late = station.silent["Reset"]
            await station.socket.send(late.create_call_result({"status": "Accepted"}).to_json())
            return {"status": "Rejected"}

        station.answers["ClearCache"] = after_the_late_one
        assert (await rig.call("CP1.Commands.ClearCache"))[0] == "Rejected"
        assert rig.value("CP1.Commands.Reset.Result.StateText") == "Timeout"
        assert rig.value("CP1.State.InvalidMessages") == 1


async def test_a_command_goes_on_though_its_caller_has_gone(rig):
    async with rig.station() as station:
        gate = asyncio.Event()

        async def later():
            await gate.wait()
            return {"status": "Accepted"}

        station.answers["Reset"] = later
        caller = asyncio.create_task(rig.call("CP1.Commands.Reset", "Hard"))
        await station.command()
        caller.cancel()
        await asyncio.wait({caller})
        gate.set()
        assert (await rig.ended("CP1.Commands.Reset"))["StateText"] == "Accepted"


@pytest.mark.parametrize(
    ("validation", "state", "invalid"), [("lenient", "Rejected", 1), ("strict", "Failed", 0), ("off", "Rejected", 0)]
)
async def test_an_answer_that_breaks_the_schema(start, validation, state, invalid):
    rig = await start(ocpp={"validation": validation})
    async with rig.socket() as socket:
        rig.write("CP1.Commands.Reset.Request", '{"type":"Hard"}')
        number = json.loads(await socket.recv())[1]
        await socket.send(json.dumps([3, number, {"status": "Perhaps"}]))
        assert (await rig.ended("CP1.Commands.Reset"))["StateText"] == state
        assert rig.value("CP1.State.InvalidMessages") == invalid


@pytest.mark.parametrize("answer", [[3, None, []], [4, None], [4, None, 7, "", {}], [3, None, "x"]], ids=str)
async def test_an_answer_that_is_no_answer_ends_the_command(rig, answer):
    async with rig.socket() as socket:
        rig.write("CP1.Commands.Reset.Request", '{"type":"Hard"}')
        answer[1] = json.loads(await socket.recv())[1]
        await socket.send(json.dumps(answer))
        assert (await rig.ended("CP1.Commands.Reset"))["StateText"] == "Failed"


async def test_a_full_queue_refuses_and_nothing_moves(start):
    rig = await start(ocpp={"command_queue": 2})
    async with rig.station() as station:
        station.answers["Reset"] = SILENT
        for _ in range(2):
            rig.write("CP1.Commands.Reset.Request", '{"type":"Hard"}')
        with pytest.raises(Refused) as caught:
            rig.write("CP1.Commands.ClearCache.Execute", True)
        assert caught.value.status == "BadTooManyOperations"
        assert rig.value("CP1.Commands.ClearCache.Result.StateText") == "Idle"
    await rig.until(lambda: rig.value("CP1.Commands.Reset.Result.StateText") == "Offline")
    async with rig.station():
        assert (await rig.call("CP1.Commands.ClearCache"))[0] == "Accepted"


async def test_every_command_and_its_end_is_in_the_store(rig, start):
    async with rig.station() as station:
        await station.start_transaction()
        await station.settle()
        station.answers["UnlockConnector"] = {"status": "UnlockFailed"}
        await rig.call("CP1.Connector1.Commands.UnlockConnector", user="otto")
        station.answers["Reset"] = "InternalError"
        with pytest.raises(CallErrorAnswer):
            await rig.call("CP1.Commands.Reset", "Hard")
    await rig.stop()
    ended = pytest.approx(rig.now)
    assert logged_commands(start.path) == [
        (
            "Connector1",
            "UnlockConnector",
            "otto",
            '{"connectorId":1}',
            "Rejected",
            "UnlockFailed",
            '{"status":"UnlockFailed"}',
            None,
            ended,
        ),
        (None, "Reset", "anna", '{"type":"Hard"}', "Failed", None, None, "InternalError: it cannot", ended),
    ]


async def test_a_result_counts_up_and_names_who_asked(rig):
    async with rig.station():
        for number, user in ((1, "anna"), (2, "otto")):
            rig.write("CP1.Commands.ClearCache.Execute", True, user)
            assert (await rig.ended("CP1.Commands.ClearCache", number))["User"] == user
        states = [value for path, value in rig.history if path == "CP1.Commands.ClearCache.Result.StateText"]
        assert states == ["Queued", "Sent", "Accepted"] * 2
        flips = [value for path, value in rig.history if path == "CP1.Commands.ClearCache.Execute"]
        assert flips == [True, False] * 2
        assert rig.value("CP1.Commands.ClearCache.Result.Time") == rig.now
