"""Stations while the disk refuses what they say: nothing is acknowledged, and all is well when the disk is."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from ocpp.v16 import call

from bridge.errors import StoreError
from bridge.station import transactions
from tests.unit.station.rig import WAIT, ask, at
from tests.unit.station.test_version_2 import CONFIG, EVSE, TOKEN, connected

TX = "CP1.Connector1.Transaction"

BOOT_16 = {"chargePointVendor": "V", "chargePointModel": "M"}
BOOT_2 = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}
START_16 = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": at()}
STARTED_2 = {
    "eventType": "Started",
    "timestamp": at(),
    "triggerReason": "CablePluggedIn",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "T1"},
    "evse": {"id": 1, "connectorId": 1},
}


async def refused(*_):
    raise StoreError("the disk is full")


async def test_a_start_that_could_not_be_stored_is_taken_with_the_same_id_when_the_disk_is_well(rig, monkeypatch):
    """D06, J22"""
    start = [2, "S1", "StartTransaction", START_16]
    async with rig.socket() as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_16])
        with monkeypatch.context() as full:
            full.setattr(rig.store, "start_transaction", refused)
            assert (await ask(socket, start))[:3] == [4, "S1", "InternalError"]
        taken = await ask(socket, start)
        assert (taken[0], taken[2]["transactionId"]) == (3, 1)
        assert await ask(socket, start) == taken
    assert [one.id for one in rig.store.transactions()] == [1]


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_an_event_that_could_not_be_stored_is_taken_with_the_same_id_too(start, monkeypatch, version):
    """D06, J22"""
    rig = await start(ocpp=CONFIG)
    event = [2, "S1", "TransactionEvent", STARTED_2]
    async with rig.socket(subprotocols=[f"ocpp{version}"]) as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_2])
        with monkeypatch.context() as full:
            full.setattr(rig.store, "put_event", refused)
            assert (await ask(socket, event))[:3] == [4, "S1", "InternalError"]
        assert (await ask(socket, event))[0] == 3
    assert [one.seq_no for one in rig.store.events_of("CP1", "T1")] == [0]


@pytest.mark.parametrize("config", [{}, CONFIG], ids=["1.6", "2.x"])
async def test_a_transaction_whose_loss_could_not_be_noted_is_lost_when_the_disk_is_well(start, monkeypatch, config):
    """D06"""
    monkeypatch.setattr(transactions, "LOST_AFTER", 0.1)
    rig = await start(ocpp=config)
    tried = asyncio.Event()

    async def refuse(*_):
        tried.set()
        raise StoreError("the disk is full")

    with monkeypatch.context() as full:
        async with AsyncExitStack() as stack:
            full.setattr(rig.store, "lose_event_transaction" if config else "lose_transaction", refuse)
            if config:
                station = await stack.enter_async_context(connected(rig))
                await station.event("Started", 0, 0, {"chargingState": "EVConnected"}, evse=EVSE, idToken=TOKEN)
                await station.status("Available", 40)
            else:
                station = await stack.enter_async_context(rig.station())
                await station.start_transaction()
                await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(40)))
            await asyncio.wait_for(tried.wait(), WAIT)
            assert rig.value(f"{TX}.Active") is True
            full.undo()
            await rig.until(lambda: rig.value(f"{TX}.Active") is False)
