"""What a restart of the program shows of transactions whose station changed its version, or named only their EVSE."""

import asyncio
import json
import sys
from typing import Any

import ocpp.v16.call as call_16
import pytest

from tests.e2e.parties import Hmi, Program, hmi, now
from tests.e2e.parties import connected as connected_16
from tests.e2e.parties_2 import KWH, TOKEN, connected
from tests.e2e.test_stations_2 import later, register, values

pytestmark = pytest.mark.timeout(120)
TRANSACTION = "CP001.Connector1.Transaction"
SECOND = "CP001.Connector1_2.Transaction"


async def start_16(program: Program, client: Hmi) -> int:
    """A transaction of OCPP 1.6 that has drawn 250 Wh, and whose stop does not come."""
    async with connected_16(program.ocpp) as station:
        await station.call(call_16.BootNotification("Model", "Vendor"))
        started = await station.call(call_16.StartTransaction(1, "TAG16", 1000, later(-60)))
        sample = {"timestamp": later(-30), "sampled_value": [{"value": "1250"}]}
        await station.call(call_16.MeterValues(1, [sample], transaction_id=started.transaction_id))
        await client.until(f"{TRANSACTION}.Energy", 250.0)
    return int(started.transaction_id)


async def restart(program: Program, *, kills: bool = False) -> None:
    await (program.kill() if kills else program.stop())
    await program.start()


async def test_a_transaction_of_16_does_not_come_back_over_that_of_21(program) -> None:
    async with hmi(program.opcua) as client:
        number = await start_16(program, client)
        async with connected(program.ocpp, "2.1") as station:
            await station.boot()
            await station.event("Started", 0, evse={"id": 1, "connectorId": 1}, idToken=TOKEN, meterValue=register(2))
            await station.settle()
            runs = {"Active": True, "Id": "T1", "IdTag": "04A2B3", "Start.Id": "T1", "Stop.Id": str(number)}
            assert await values(client, TRANSACTION, *runs) == runs
    for _ in range(2):
        await restart(program)
        async with hmi(program.opcua) as client:
            assert await values(client, TRANSACTION, *runs) == runs


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_transaction_of_16_is_closed_by_a_station_that_speaks_21_and_its_stop_is_taken_all_the_same(
    program, restarts: bool
) -> None:
    async with hmi(program.opcua) as client:
        number = await start_16(program, client)
    if restarts:
        await restart(program)
    closed = {"Active": False, "Id": "", "Stop.Id": str(number), "Stop.Reason": "Unknown", "Stop.Energy": 250.0}
    async with hmi(program.opcua) as client, connected(program.ocpp, "2.1") as station:
        await station.boot()
        await station.status("Available")
        await station.settle()
        await client.until(f"{TRANSACTION}.Stop.Reason", "Unknown")
        assert await values(client, TRANSACTION, *closed) == closed
        assert await client.status(f"{TRANSACTION}.Stop.Reason") == "UncertainSubNormal"
        assert await client.value("CP001.Connector1.Status.StateText") == "Available"
    if restarts:
        await restart(program)
    async with hmi(program.opcua) as client, connected_16(program.ocpp) as old:
        assert await values(client, TRANSACTION, *closed) == closed
        await old.call(call_16.BootNotification("Model", "Vendor"))
        await old.call(call_16.StopTransaction(1400, now(), number, reason="Local"))
        await client.until(f"{TRANSACTION}.Stop.Reason", "Local")
        stopped = {"Active": False, "Stop.Id": str(number), "Stop.MeterStop": 1400.0, "Stop.Energy": 400.0}
        assert await values(client, TRANSACTION, *stopped) == stopped


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_transaction_of_201_is_closed_by_a_station_that_speaks_16_and_its_end_is_taken_all_the_same(
    program, restarts: bool
) -> None:
    async with connected(program.ocpp, "2.0.1") as station:
        await station.boot()
        begin = register(1, later(-60))
        await station.event("Started", 0, time=later(-60), evse={"id": 1}, idToken=TOKEN, meterValue=begin)
        await station.settle()
    if restarts:
        await restart(program)
    closed = {"Active": False, "Id": "", "Stop.Id": "T1", "Stop.Reason": "Unknown"}
    async with hmi(program.opcua) as client, connected_16(program.ocpp) as old:
        await old.call(call_16.BootNotification("Model", "Vendor"))
        await client.until(f"{TRANSACTION}.Stop.Reason", "Unknown")
        assert await values(client, TRANSACTION, *closed) == closed
        started = await old.call(call_16.StartTransaction(1, "TAG16", 1000, now()))
        runs = {"Active": True, "Id": str(started.transaction_id), "Stop.Id": "T1"}
        await client.until(f"{TRANSACTION}.Active", True)
        assert await values(client, TRANSACTION, *runs) == runs
    if restarts:
        await restart(program)
        async with hmi(program.opcua) as client:
            assert await values(client, TRANSACTION, *runs) == runs
    async with hmi(program.opcua) as client, connected(program.ocpp, "2.0.1") as station:
        await station.boot()
        end = [{"timestamp": later(-20), "sampledValue": [{"value": 3, "context": "Transaction.End", **KWH}]}]
        await station.event("Ended", 1, {"stoppedReason": "Remote"}, time=later(-20), meterValue=end)
        await station.settle()
        ended = await values(client, TRANSACTION, "Active", "Id")
        assert ended == {"Active": False, "Id": ""}
    kept = (await kept_transactions(program))["T1"]
    assert (kept["reason"], kept["energy"]) == ("Remote", 2000.0)


async def kept_transactions(program: Program) -> dict[str, dict[str, Any]]:
    """What `ocpp-bridge transactions` prints, by id."""
    code = "from bridge.cli import main; main()"
    options = ("transactions", "--format", "json", "--project", str(program.project))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *options, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return {str(entry["id"]): entry for entry in json.loads(out)}


async def test_a_transaction_that_names_its_evse_alone_is_where_it_was_after_a_restart(program) -> None:
    """B21"""
    async with hmi(program.opcua) as client, connected(program.ocpp, "2.0.1") as station:
        await station.boot()
        await station.status("Available", 1, 1)
        await station.status("Occupied", 1, 2)
        await station.event("Started", 0, evse={"id": 1}, idToken=TOKEN, meterValue=register(1))
        await station.settle()
        runs = {"Active": True, "Id": "T1", "Energy": 0.0}
        assert await values(client, SECOND, *runs) == runs
        assert await client.value(f"{TRANSACTION}.Active") in (False, None)
    await restart(program, kills=True)
    async with hmi(program.opcua) as client, connected(program.ocpp, "2.0.1") as station:
        assert await values(client, SECOND, *runs) == runs
        assert await client.value(f"{TRANSACTION}.Active") in (False, None)
        await station.event("Ended", 1, {"stoppedReason": "Local"}, evse={"id": 1}, meterValue=register(3))
        await station.settle()
        ended = {"Active": False, "Stop.Id": "T1", "Stop.Reason": "Local", "Stop.Energy": 2000.0}
        assert await values(client, SECOND, *ended) == ended
        assert await client.value(f"{TRANSACTION}.Stop.Id") is None
    await restart(program, kills=True)
    async with hmi(program.opcua) as client:
        assert await values(client, SECOND, *ended) == ended
        assert await client.value(f"{TRANSACTION}.Stop.Id") is None
    assert (await kept_transactions(program))["T1"]["connector"] == "Connector1_2"


async def test_a_transaction_waits_for_a_reason_to_be_at_one_of_its_evses_connectors(program) -> None:
    """B21: both connectors are free when it starts; the one that becomes Occupied is its own."""
    async with hmi(program.opcua) as client, connected(program.ocpp, "2.1") as station:
        await station.boot()
        for connector in (1, 2):
            await station.status("Available", 1, connector)
        await station.event("Started", 0, {"chargingState": "EVConnected"}, evse={"id": 1}, idToken=TOKEN)
        await station.event("Updated", 1, {"chargingState": "Charging"}, evse={"id": 1})
        await station.settle()
        for folder in (TRANSACTION, SECOND):
            assert await client.value(f"{folder}.Active") in (False, None), folder
        await station.status("Occupied", 1, 2)
        await station.settle()
        runs = {"Active": True, "Id": "T1", "IdTag": "04A2B3", "Start.Id": "T1", "ChargingState": "Charging"}
        assert await values(client, SECOND, *runs) == runs
        assert await client.value("CP001.Connector1_2.Status.StateText") == "Charging"
        assert await client.value(f"{TRANSACTION}.Active") in (False, None)
    await restart(program, kills=True)
    async with hmi(program.opcua) as client:
        assert await values(client, SECOND, *runs) == runs
        assert await client.value(f"{TRANSACTION}.Active") in (False, None)
