"""A disk in trouble under the running program: what stations of OCPP 2.x were told that we have is there."""

import contextlib
import json
import sqlite3
from typing import Any

import pytest

from tests.e2e.disks import Trouble, failing, full, store, unsynced
from tests.e2e.parties import Program, hmi, now
from tests.e2e.wire import TOKEN, Payload, Wire, booted

pytestmark = pytest.mark.timeout(300)
MOST = 300  # events until a disk that is full has to refuse one


def event(number: int, type_: str = "Updated", **more: Any) -> Payload:
    """A TransactionEvent with the meter values that belong to it."""
    stamp = now()
    samples = [{"value": number + tenth / 10, "measurand": "Energy.Active.Import.Register"} for tenth in range(10)]
    return {
        "eventType": type_,
        "timestamp": stamp,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": "T1", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": stamp, "sampledValue": samples}],
        **more,
    }


async def tell(station: Wire, payload: Payload) -> bool:
    """False: it was refused, for the station to send it again."""
    frame = await station.ask("TransactionEvent", payload)
    assert frame[0] == 3 or frame[2] == "InternalError", frame
    return bool(frame[0] == 3)


async def tell_until_refused(station: Wire, first: int) -> tuple[list[Payload], Payload]:
    """The events that were acknowledged, and the first that was not."""
    told = []
    for number in range(first, first + MOST):
        payload = event(number)
        if not await tell(station, payload):
            return told, payload
        told.append(payload)
    raise AssertionError("none is ever refused")


def stored(program: Program) -> list[Payload]:
    with contextlib.closing(sqlite3.connect(f"file:{store(program)}?mode=ro", uri=True)) as db:
        return [json.loads(row[0]) for row in db.execute("SELECT payload FROM transaction_events ORDER BY id")]


async def check_trouble(program: Program, version: str, trouble: Trouble) -> None:
    """Nothing is falsely acknowledged, everything else goes on, and it passes without a restart."""
    await program.start()
    async with booted(program.ocpp, "CP001", version) as station, hmi(program.opcua) as client:
        acknowledged = [event(0, "Started", triggerReason="Authorized", idToken=TOKEN)]
        assert await tell(station, acknowledged[0])
        with trouble(program):
            told, refused = await tell_until_refused(station, 1)
            acknowledged += told
            await client.until("Bridge.ServiceLevel", 100)
            assert any("StoreFailed" in line for line in program.lines)
            last = event(refused["seqNo"] + 1, "Ended", triggerReason="StopAuthorized")
            assert not await tell(station, last)
            await station.call("Heartbeat", {})
            await station.status("Faulted")
            await client.until("CP001.Connector1.Status.StateText", "Faulted")
            assert stored(program) == acknowledged
        assert [await tell(station, payload) for payload in (refused, refused, last, last)] == [True] * 4
        await client.until("Bridge.ServiceLevel", 255)
        assert stored(program) == [*acknowledged, refused, last]
        await client.until("CP001.Connector1.Transaction.Stop.Id", "T1")


async def test_a_full_disk_refuses_events_with_their_meter_values_until_there_is_room(disk) -> None:
    """D06"""
    await check_trouble(disk, "2.0.1", full)


@pytest.mark.parametrize("trouble", [failing, unsynced])
async def test_a_disk_that_fails_refuses_events_with_their_meter_values_until_it_works(folder, trouble) -> None:
    """D07"""
    await check_trouble(folder, "2.1", trouble)


async def test_events_that_were_acknowledged_before_the_disk_was_full_outlive_a_kill(disk) -> None:
    """D02, D06: and the transaction goes on with what it had measured last."""
    await disk.start()
    async with booted(disk.ocpp, "CP001", "2.0.1") as station:
        acknowledged = [event(0, "Started", triggerReason="Authorized", idToken=TOKEN)]
        assert await tell(station, acknowledged[0])
        with full(disk):
            told, refused = await tell_until_refused(station, 1)
            await disk.kill()
    assert stored(disk) == acknowledged + told
    await disk.start()
    async with booted(disk.ocpp, "CP001", "2.0.1") as station, hmi(disk.opcua) as client:
        assert await client.value("CP001.Connector1.Transaction.Id") == "T1"
        assert await tell(station, refused)
        assert stored(disk) == [*acknowledged, *told, refused]
        await client.until("CP001.Connector1.Transaction.MissedEvents", 0)
