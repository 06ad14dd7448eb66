"""Meter values that a 1.6 station kept for longer than its connector's transaction runs say nothing of it."""

import json
from typing import Any

import pytest

from bridge.points.tree import Quality
from tests.unit.station.rig import Rig, ask, at

TX = "CP1.Connector1.Transaction"
REGISTER = "CP1.Connector1.MeterValues.Energy.Active.Import.Register"
WAYS = pytest.mark.parametrize("quick", [True, False])


def frame(message_id: str, *readings: tuple[float, str], quick: bool = True, **fields: Any) -> str:
    """A MeterValues of readings, (time, register); one whose array does not stand at the end is no usual one."""
    values = [{"timestamp": at(time), "sampledValue": [{"value": register}]} for time, register in readings]
    payload = {"connectorId": 1, **fields, "meterValue": values}
    return json.dumps([2, message_id, "MeterValues", payload if quick else dict(reversed(payload.items()))])


async def begin(socket: Any, **fields: Any) -> None:
    payload = {"connectorId": 1, "idTag": "A", "meterStart": 1000, "timestamp": at(-60), **fields}
    assert (await ask(socket, [2, "start", "StartTransaction", payload]))[2]["transactionId"] == 1


async def energy(rig: Rig, socket: Any) -> tuple[Any, Quality]:
    await ask(socket, [2, "settle", "Heartbeat", {}])
    return rig.sample(f"{TX}.Energy")[:2]


@WAYS
@pytest.mark.parametrize("fields", [{}, {"transactionId": 1}], ids=["unnamed", "named"])
async def test_a_telegram_of_before_the_start_leaves_the_energy_alone(rig, quick, fields):
    async with rig.socket() as socket:
        await begin(socket)
        for number, (time, register) in enumerate([(-200, "400"), (-61, "999")]):
            assert (await ask(socket, frame(str(number), (time, register), quick=quick, **fields)))[0] == 3
            assert await energy(rig, socket) == (0.0, Quality.GOOD)
        assert rig.value(REGISTER) == 999.0  # of the connector, whose meter it is
        await ask(socket, frame("since", (-30, "1300"), quick=quick, **fields))
        assert await energy(rig, socket) == (300.0, Quality.GOOD)
        await ask(socket, frame("late", (-90, "700"), quick=quick, **fields))
        assert await energy(rig, socket) == (300.0, Quality.GOOD)
    assert rig.value("CP1.State.InvalidMessages") == 0


@WAYS
async def test_a_register_that_begins_anew_with_each_charge_is_no_energy_of_the_next_one(rig, quick):
    """The one of the charge before is higher than where this one began."""
    async with rig.socket() as socket:
        await begin(socket, meterStart=0)
        await ask(socket, frame("1", (-90, "15000"), quick=quick))
        assert await energy(rig, socket) == (0.0, Quality.GOOD)


@WAYS
async def test_it_is_the_same_after_a_restart(rig, start, quick):
    async with rig.socket() as socket:
        await begin(socket)
        await ask(socket, frame("1", (-30, "1300")))
        await energy(rig, socket)
    await rig.stop()
    rig = await start()
    async with rig.socket() as socket:
        await ask(socket, frame("2", (-90, "700"), quick=quick))
        assert await energy(rig, socket) == (300.0, Quality.LAST)
        await ask(socket, frame("3", (-10, "1400"), quick=quick))
        assert await energy(rig, socket) == (400.0, Quality.GOOD)


async def test_of_a_telegram_with_values_of_before_and_since_the_latter_count(rig):
    async with rig.socket() as socket:
        await begin(socket)
        await ask(socket, frame("1", (-30, "1200"), (-90, "700"), (-20, "1300"), (-80, "800")))
        assert await energy(rig, socket) == (300.0, Quality.GOOD)


@WAYS
async def test_a_clock_that_was_set_back_stops_no_energy_of_a_transaction_that_is_named(rig, quick):
    async with rig.socket() as socket:
        await begin(socket)
        await ask(socket, frame("1", (-120, "1200"), quick=quick, transactionId=1))
        assert await energy(rig, socket) == (200.0, Quality.GOOD)


@WAYS
@pytest.mark.parametrize("stamp", [None, "", "soon"], ids=str)
async def test_a_start_without_a_time_of_its_own_is_before_no_telegram(rig, quick, stamp):
    """The station's clock is a minute behind, and has not told when it began."""
    async with rig.socket() as socket:
        await begin(socket, timestamp=stamp)
        await ask(socket, frame("1", (-60, "1200"), quick=quick))
        assert await energy(rig, socket) == (200.0, Quality.GOOD)


@pytest.mark.parametrize("time", [-30, -10], ids=["before", "while the next one runs"])
async def test_the_data_of_a_late_stop_is_no_energy_of_the_transaction_that_runs(rig, time):
    async with rig.socket() as socket:
        await begin(socket)
        again = {"connectorId": 1, "idTag": "B", "meterStart": 2000, "timestamp": at(-20)}
        assert (await ask(socket, [2, "next", "StartTransaction", again]))[2]["transactionId"] == 2
        data = [{"timestamp": at(time), "sampledValue": [{"value": "1900"}]}]
        stop = {"transactionId": 1, "meterStop": 1900, "timestamp": at(time), "transactionData": data}
        await ask(socket, [2, "stop", "StopTransaction", stop])
        assert await energy(rig, socket) == (0.0, Quality.GOOD)
    shown = {"Active": True, "Id": "2", "Stop.Id": "1", "Stop.Energy": 900.0}
    assert rig.values(TX, *shown) == shown
    assert rig.value("CP1.State.InvalidMessages") == 0
