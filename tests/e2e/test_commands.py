"""Every command of OCPP 1.6, by writing points and by method, with each of its ends, against the running program."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from asyncua import ua
from ocpp.v16 import call

from tests.e2e.commands_16 import COMMANDS, Command
from tests.e2e.parties import TO_STATION, Hmi, Station, connected, hmi

pytestmark = pytest.mark.timeout(300)


def camel(payload: dict[str, Any]) -> dict[str, Any]:
    """The keys as on the wire; the `ocpp` package's are in snake case."""

    def key(name: str) -> str:
        head, *rest = name.split("_")
        return head + "".join(part.capitalize() for part in rest)

    return {key(name): value for name, value in payload.items()}


def wire(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: wire(inner) for name, inner in camel(value).items()}
    if isinstance(value, Decimal):  # how the package reads the limits of schedules
        return float(value)
    return [wire(inner) for inner in value] if isinstance(value, list) else value


async def booted(station: Station) -> None:
    await station.call(call.BootNotification("Model", "Vendor"))
    await station.call(call.StatusNotification(1, "NoError", "Available"))


async def write(client: Hmi, at: str, command: Command, *, without: str = "") -> int:
    """Writes the parameters and Execute; returns the number of the request."""
    folder = f"{at}.Commands.{command.action}"
    before = await client.value(f"{folder}.Result.Id")
    for name, value in command.parameters().items():
        if name != without:
            await client.write(f"{folder}.{name}", value)
    await client.write(f"{folder}.Execute", True)
    return before + 1


async def ended(client: Hmi, at: str, command: Command, state: str) -> dict[str, Any]:
    """Waits for a final state and returns Result.*."""
    folder = f"{at}.Commands.{command.action}.Result"
    await client.until(f"{folder}.StateText", state)
    return {name: await client.value(f"{folder}.{name}") for name in ("Status", "Response", "Error", "User", "Id")}


def arguments(command: Command, client_names: list[str]) -> list[Any]:
    given = command.parameters()
    return [given.get(name) for name in client_names]


async def call_method(client: Hmi, at: str, command: Command) -> list[Any]:
    path = f"{at}.Commands.{command.action}.Call"
    declared = await client.value(f"{path}.InputArguments") if command.payload else []
    declared = declared or []
    variants = [
        ua.Variant(value, ua.VariantType(argument.DataType.Identifier)) if value is not None else ua.Variant()
        for argument, value in zip(declared, arguments(command, [argument.Name for argument in declared]), strict=True)
    ]
    return await client.call(path, *variants)


def test_the_table_has_every_command() -> None:
    assert sorted(command.action for command in COMMANDS) == sorted(TO_STATION)


async def test_every_command_by_writing_points(program) -> None:
    """B24: each request reaches the station as it was written and ends in the state that its answer means."""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await booted(station)
        for command in COMMANDS:
            station.answers[command.action] = command.yes
            number = await write(client, "CP001", command)
            asked = await station.next_asked(command.action)
            assert wire(asked) == command.payload, command.action
            result = await ended(client, "CP001", command, "Accepted")
            assert result["Status"] == command.yes.get("status", ""), command.action
            assert json.loads(result["Response"]) == wire(command.yes), command.action
            assert result["Error"] == ""
            assert result["Id"] == number
            assert await client.value(f"CP001.Commands.{command.action}.Execute") is False
            if command.no is not None:
                station.answers[command.action] = command.no
                await client.write(f"CP001.Commands.{command.action}.Execute", True)
                assert (await ended(client, "CP001", command, "Rejected"))["Status"] == command.no["status"]
            station.answers[command.action] = "CALLERROR"
            await client.write(f"CP001.Commands.{command.action}.Execute", True)
            result = await ended(client, "CP001", command, "Failed")
            assert "InternalError" in result["Error"], command.action


async def test_every_command_as_json(program) -> None:
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await booted(station)
        for command in COMMANDS:
            station.answers[command.action] = command.yes
            await client.write(f"CP001.Commands.{command.action}.Request", json.dumps(command.payload))
            assert wire(await station.next_asked(command.action)) == command.payload
            await ended(client, "CP001", command, "Accepted")


async def test_every_command_by_method(program) -> None:
    """Accepted, rejected, CALLERROR: the outputs and the StatusCode say which."""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await booted(station)
        for command in COMMANDS:
            station.answers[command.action] = command.yes
            status, response = await call_method(client, "CP001", command)
            assert wire(await station.next_asked(command.action)) == command.payload, command.action
            assert status == command.yes.get("status", "")
            assert json.loads(response) == wire(command.yes)
            await ended(client, "CP001", command, "Accepted")
            if command.no is not None:
                station.answers[command.action] = command.no
                assert (await call_method(client, "CP001", command))[0] == command.no["status"]
                await ended(client, "CP001", command, "Rejected")
            station.answers[command.action] = "CALLERROR"
            with pytest.raises(ua.UaStatusCodeError) as failed:
                await call_method(client, "CP001", command)
            assert failed.value.code == ua.StatusCodes.BadUnexpectedError, command.action
            await ended(client, "CP001", command, "Failed")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.connector], ids=lambda c: c.action)
async def test_a_command_at_a_connector_fills_the_connector_in(program, command: Command) -> None:
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await booted(station)
        station.answers[command.action] = command.yes
        await write(client, "CP001.Connector1", command, without="ConnectorId")
        assert wire(await station.next_asked(command.action)) == command.payload
        await ended(client, "CP001.Connector1", command, "Accepted")
        assert await client.value(f"CP001.Commands.{command.action}.Result.StateText") == "Idle"


async def test_every_command_times_out_when_no_answer_comes(run) -> None:
    """J19: an answer that comes too late is dropped, and the next command gets its own."""
    program = run(ocpp="call_timeout = 0.3")
    await program.start()
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await booted(station)
        for command in COMMANDS:
            late = asyncio.Event()
            station.answers[command.action] = late
            station.answers[command.action + " then"] = command.yes
            await write(client, "CP001", command)
            result = await ended(client, "CP001", command, "Timeout")
            assert "0.3 s" in result["Error"]
            with pytest.raises(ua.UaStatusCodeError) as failed:
                await call_method(client, "CP001", command)
            assert failed.value.code == ua.StatusCodes.BadTimeout, command.action
            late.set()


async def test_every_command_is_refused_while_the_station_is_away(program) -> None:
    async with hmi(program.opcua) as client:
        async with connected(program.ocpp) as station:
            await booted(station)
        await client.until("CP001.State.Connected", False)
        for command in COMMANDS:
            for name, value in command.parameters().items():
                await client.write(f"CP001.Commands.{command.action}.{name}", value)
            for attempt in (
                client.write(f"CP001.Commands.{command.action}.Execute", True),
                client.write(f"CP001.Commands.{command.action}.Request", json.dumps(command.payload)),
                call_method(client, "CP001", command),
            ):
                with pytest.raises(ua.UaStatusCodeError) as failed:
                    await attempt
                assert failed.value.code == ua.StatusCodes.BadNotConnected, command.action
            assert await client.value(f"CP001.Commands.{command.action}.Result.StateText") == "Idle"


async def test_a_command_ends_as_offline_when_the_connection_goes(program) -> None:
    """J21: at once, not after the timeout."""
    async with hmi(program.opcua) as client:
        async with connected(program.ocpp) as station:
            await booted(station)
            station.answers["Reset"] = asyncio.Event()
            station.answers["ClearCache"] = asyncio.Event()
            await client.write("CP001.Commands.Reset.Type", "Hard")
            await client.write("CP001.Commands.Reset.Execute", True)
            await station.next_asked("Reset")
            await client.write("CP001.Commands.ClearCache.Execute", True)  # waits behind it
            called = asyncio.create_task(client.call("CP001.Commands.GetLocalListVersion.Call"))
            await client.until("CP001.Commands.GetLocalListVersion.Result.StateText", "Queued")
        await client.until("CP001.Commands.Reset.Result.StateText", "Offline")
        await client.until("CP001.Commands.ClearCache.Result.StateText", "Offline")
        with pytest.raises(ua.UaStatusCodeError) as failed:
            await called
        assert failed.value.code == ua.StatusCodes.BadNotConnected


async def test_what_the_schema_forbids_is_refused(program) -> None:
    """U16: with the status that says why, and nothing is sent."""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await booted(station)
        refused = (
            ("CP001.Commands.Reset.Type", "Gently", "BadOutOfRange"),
            ("CP001.Commands.Reset.Execute", True, "BadInvalidState"),
            ("CP001.Commands.Reset.Request", "no JSON", "BadOutOfRange"),
            ("CP001.Commands.Reset.Request", '{"type": "Gently"}', "BadOutOfRange"),
            ("CP001.Commands.Reset.Request", "{}", "BadInvalidState"),
            ("CP001.Commands.Reset.Result.State", 3, "BadNotWritable"),
            ("CP001.Connector1.Commands.UnlockConnector.Request", '{"connectorId": 2}', "BadOutOfRange"),
            ("CP001.Config.HeartbeatInterval", 0, "BadOutOfRange"),
            ("CP001.Config.RegistrationStatus", 9, "BadOutOfRange"),
            ("CP001.Info.Vendor", "me", "BadNotWritable"),
        )
        for path, value, status in refused:
            with pytest.raises(ua.UaStatusCodeError) as failed:
                await client.write(path, value)
            assert failed.value.code == getattr(ua.StatusCodes, status), path
        assert await client.value("CP001.Commands.Reset.Result.StateText") == "Idle"
        assert station.asked.empty()


async def test_the_queue_of_a_station_is_bounded(run) -> None:
    program = run(ocpp="command_queue = 2")
    await program.start()
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await booted(station)
        station.answers["ClearCache"] = answer = asyncio.Event()
        station.answers["ClearCache then"] = {"status": "Accepted"}
        await client.write("CP001.Commands.ClearCache.Execute", True)
        await client.write("CP001.Commands.ClearCache.Execute", True)
        with pytest.raises(ua.UaStatusCodeError) as failed:
            await client.write("CP001.Commands.ClearCache.Execute", True)
        assert failed.value.code == ua.StatusCodes.BadTooManyOperations
        answer.set()
        await ended(client, "CP001", next(c for c in COMMANDS if c.action == "ClearCache"), "Accepted")


async def test_a_method_that_waits_holds_up_nobody(program) -> None:
    """U18: one client's call waits for its station; the same client and another go on reading and writing."""
    async with (
        connected(program.ocpp) as station,
        connected(program.ocpp, "CP002") as other,
        hmi(program.opcua) as waiting,
        hmi(program.opcua) as reading,
    ):
        await booted(station)
        await booted(other)
        station.answers["Reset"] = answer = asyncio.Event()
        station.answers["Reset then"] = {"status": "Accepted"}
        other.answers["ClearCache"] = {"status": "Accepted"}
        called = asyncio.create_task(waiting.call("CP001.Commands.Reset.Call", "Hard"))
        await station.next_asked("Reset")
        for client in (waiting, reading):
            for _ in range(50):
                assert await client.value("CP001.State.Connected") is True
            assert (await client.call("CP002.Commands.ClearCache.Call"))[0] == "Accepted"
            await client.write("CP001.Commands.GetConfiguration.Key", '["A"]')
        assert not called.done()
        answer.set()
        assert (await called)[0] == "Accepted"
