"""Every command of OCPP 2.0.1 and 2.1, by writing points and by method, with each of its ends."""

import asyncio
import json
from typing import Any

import pytest
from asyncua import ua

from tests.e2e.parties import Hmi, hmi
from tests.e2e.parties_2 import SILENT, Results, arguments, connected
from tests.unit.commands.actions_2 import ACTIONS, AT_CONNECTOR

pytestmark = pytest.mark.timeout(300)
BOTH = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


async def write_parameters(client: Hmi, folder: str, payload: dict[str, Any]) -> None:
    for name, value in payload.items():
        written = json.dumps(value) if isinstance(value, dict | list) else value
        await client.write(f"{folder}.{name[0].upper()}{name[1:]}", written)


async def results_of(client: Hmi, version: str) -> Results:
    results = Results(client)
    await results.watch(f"CP001.Commands.{action}" for action in ACTIONS[version])
    return results


@BOTH
async def test_every_command_by_writing_points(site, version: str) -> None:
    """B24: each request reaches the station as it was written and ends in the state that its answer means."""
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        results = await results_of(client, version)
        for action, (payload, yes, no) in ACTIONS[version].items():
            folder = f"CP001.Commands.{action}"
            station.answers[action] = yes
            await write_parameters(client, folder, payload)
            await client.write(f"{folder}.Execute", True)
            assert await station.asked.next(action) == payload, action
            result = await results.ended(folder, "Accepted")
            assert (json.loads(result["Response"]), result["Error"], result["Id"]) == (yes, "", 1), action
            assert result["Status"] == yes.get("status", result["Status"]), action
            if no is not None:
                station.answers[action] = no
                await client.write(f"{folder}.Execute", True)
                result = await results.ended(folder, "Rejected")
                assert result["Status"] == no.get("status", "Rejected"), action
            station.answers[action] = "InternalError"
            await client.write(f"{folder}.Execute", True)
            assert "InternalError" in (await results.ended(folder, "Failed"))["Error"], action


@BOTH
async def test_every_command_as_json_and_by_method(site, version: str) -> None:
    """The outputs and the StatusCode say how the station answered."""
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        for action, (payload, yes, no) in ACTIONS[version].items():
            method = f"CP001.Commands.{action}.Call"
            given = await arguments(client, method, payload)
            station.answers[action] = yes
            await client.write(f"CP001.Commands.{action}.Request", json.dumps(payload))
            assert await station.asked.next(action) == payload, action
            status, response = await client.call(method, *given)
            assert await station.asked.next(action) == payload, action
            assert (status, json.loads(response)) == (yes.get("status", status), yes), action
            if no is not None:
                station.answers[action] = no
                assert json.loads((await client.call(method, *given))[1]) == no, action
            station.answers[action] = "GenericError"
            with pytest.raises(ua.UaStatusCodeError) as failed:
                await client.call(method, *given)
            assert failed.value.code == ua.StatusCodes.BadUnexpectedError, action


@BOTH
async def test_every_command_at_a_connector_fills_its_place_in(site, version: str) -> None:
    async with site.connected(version) as station, site.hmi() as client:
        await station.boot()
        await station.status("Occupied", 2, 3)
        evse = {"id": 2, "connectorId": 3}
        await station.event("Started", 0, evse=evse)
        await station.settle()
        for action, filled in AT_CONNECTOR[version].items():
            payload, yes, _ = ACTIONS[version][action]
            station.answers[action] = yes
            folder = f"CP001.Connector2_3.Commands.{action}"
            own = {} if action == "RequestStopTransaction" else {k: v for k, v in payload.items() if k not in filled}
            await write_parameters(client, folder, own)
            await client.write(f"{folder}.Execute", True)
            expected = {"transactionId": "T1"} if action == "RequestStopTransaction" else own | filled
            assert await station.asked.next(action) == expected, action
            await client.until(f"{folder}.Result.StateText", "Accepted")
            assert await client.value(f"CP001.Commands.{action}.Result.StateText") == "Idle"


@BOTH
async def test_every_command_times_out_when_no_answer_comes(run, version: str) -> None:
    program = run(ocpp="call_timeout = 0.05")
    await program.start()
    async with connected(program.ocpp, version) as station, hmi(program.opcua) as client:
        await station.boot()
        results = await results_of(client, version)
        for action, (payload, _, _) in ACTIONS[version].items():
            station.answers[action] = SILENT
            given = await arguments(client, f"CP001.Commands.{action}.Call", payload)
            await client.write(f"CP001.Commands.{action}.Request", json.dumps(payload))
            assert "0.05 s" in (await results.ended(f"CP001.Commands.{action}", "Timeout"))["Error"], action
            with pytest.raises(ua.UaStatusCodeError) as failed:
                await client.call(f"CP001.Commands.{action}.Call", *given)
            assert failed.value.code == ua.StatusCodes.BadTimeout, action


@BOTH
async def test_every_command_is_refused_while_the_station_is_away(site, version: str) -> None:
    async with site.hmi() as client:
        async with site.connected(version) as station:
            await station.boot()
        await client.until("CP001.State.Connected", False)
        for action, (payload, _, _) in ACTIONS[version].items():
            folder = f"CP001.Commands.{action}"
            await write_parameters(client, folder, payload)
            for attempt in (
                client.write(f"{folder}.Execute", True),
                client.write(f"{folder}.Request", json.dumps(payload)),
                client.call(f"{folder}.Call", *await arguments(client, f"{folder}.Call", payload)),
            ):
                with pytest.raises(ua.UaStatusCodeError) as failed:
                    await attempt
                assert failed.value.code == ua.StatusCodes.BadNotConnected, action
            assert await client.value(f"{folder}.Result.StateText") == "Idle"


@BOTH
async def test_commands_end_as_offline_when_the_connection_goes(site, version: str) -> None:
    """J21: at once, not after the timeout; those that wait behind it too."""
    async with site.hmi() as client:
        async with site.connected(version) as station:
            await station.boot()
            results = await results_of(client, version)
            station.answers["Reset"] = SILENT
            await client.write("CP001.Commands.Reset.Request", '{"type": "Immediate"}')
            await station.asked.next("Reset")
            await client.write("CP001.Commands.ClearCache.Execute", True)
            called = asyncio.create_task(client.call("CP001.Commands.GetLocalListVersion.Call", None))
            await results.ended("CP001.Commands.GetLocalListVersion", "Queued")
        for action in ("Reset", "ClearCache", "GetLocalListVersion"):
            await results.ended(f"CP001.Commands.{action}", "Offline")
        with pytest.raises(ua.UaStatusCodeError) as failed:
            await called
        assert failed.value.code == ua.StatusCodes.BadNotConnected


async def test_a_station_that_cannot_use_our_request_or_whose_answer_is_of_no_use(run) -> None:
    """J30: CALLRESULTERROR ends a command as Failed; an answer that breaks the schema gets one where that is strict."""
    program = run(ocpp='validation = "strict"')
    await program.start()
    async with connected(program.ocpp, "2.1") as station, hmi(program.opcua) as client:
        await station.boot()
        heard: asyncio.Queue[list[Any]] = asyncio.Queue()

        async def route(text: str) -> None:
            frame = json.loads(text)
            heard.put_nowait(frame)
            if frame[0] == 2:
                bad = [5, frame[1], "GenericError", "no", {}] if frame[2] == "ClearCache" else [3, frame[1], {}]
                await station._send(json.dumps(bad))

        station.route_message = route
        for action, request in (("ClearCache", "{}"), ("Reset", '{"type": "OnIdle"}')):
            await client.write(f"CP001.Commands.{action}.Request", request)
            await client.until(f"CP001.Commands.{action}.Result.StateText", "Failed")
        assert "GenericError" in await client.value("CP001.Commands.ClearCache.Result.Error")
        frames = [await heard.get() for _ in range(3)]
        assert [frame[0] for frame in frames] == [2, 2, 5]
        assert frames[2][1] == frames[1][1]
        assert frames[2][2] == "OccurrenceConstraintViolation"
