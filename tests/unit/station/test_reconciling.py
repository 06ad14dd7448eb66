"""Transactions of a station that speaks another version of OCPP than before, at a running bridge."""

import pytest

from bridge.errors import StoreError
from bridge.points.tree import Quality
from tests.unit.station.rig import START
from tests.unit.station.test_version_2 import CONFIG, EVSE, TOKEN, connected

TX = "CP1.Connector1.Transaction"


@pytest.fixture
async def rig(start):
    return await start(ocpp=CONFIG)


async def charge(rig) -> int:
    """A transaction of OCPP 1.6 that has drawn 400 Wh."""
    async with rig.station() as station:
        number = (await station.start_transaction()).transaction_id
        await station.register("500", transaction_id=number)
    return int(number)


async def lost(rig, number: int) -> None:
    await rig.until(lambda: rig.value(f"{TX}.Stop.Reason") == "Unknown")
    shown = {"Active": False, "Id": "", "Stop.Id": str(number), "Stop.Energy": 400.0, "Stop.MeterStop": 500.0}
    assert rig.values(TX, *shown) == shown
    assert rig.quality(f"{TX}.Stop.Reason") is Quality.SUBNORMAL
    assert [found.lost for found in rig.store.load_open_transactions()] == [rig.now]


async def test_a_transaction_of_16_goes_on_when_the_station_speaks_16_again_and_tells_of_it(rig):
    number = await charge(rig)
    rig.now = START + 60
    async with connected(rig, "2.1"):
        await lost(rig, number)
    async with rig.station() as station:
        await station.register("700", time=90, transaction_id=number)
        assert rig.values(TX, "Active", "Id", "Energy") == {"Active": True, "Id": str(number), "Energy": 600.0}
        await station.stop_transaction(number, meter=900, time=120)
        await station.settle()
        assert rig.values(TX, "Active", "Stop.Energy") == {"Active": False, "Stop.Energy": 800.0}


async def test_a_transaction_that_the_disk_did_not_let_close_is_closed_the_next_time(rig, monkeypatch):
    number = await charge(rig)
    take = rig.store.lose_transactions

    async def refuse(station: str, now: float) -> None:
        monkeypatch.setattr(rig.store, "lose_transactions", take)
        raise StoreError("the disk is full")

    monkeypatch.setattr(rig.store, "lose_transactions", refuse)
    async with connected(rig, "2.0.1") as station:
        await station.settle()
        assert rig.value(f"{TX}.Active") is True
    rig.now = START + 60
    async with connected(rig, "2.0.1"):
        await lost(rig, number)


async def test_a_transaction_of_201_goes_on_with_21(rig, start):
    async with connected(rig, "2.0.1") as station:
        await station.event("Started", 0, 0, evse=EVSE, idToken=TOKEN)
        await station.settle()
    for restarts in (False, True):
        if restarts:
            await rig.stop()
            rig = await start(ocpp=CONFIG)
        async with connected(rig, "2.1") as station:
            await station.settle()
            assert rig.values(TX, "Active", "Id", "Stop.Id") == {"Active": True, "Id": "T1", "Stop.Id": None}


async def test_a_transaction_of_201_that_16_took_the_place_of_does_not_run_when_201_is_back(rig):
    async with connected(rig, "2.0.1") as station:
        await station.event("Started", 0, 0, evse=EVSE, idToken=TOKEN)
        await station.settle()
    rig.now = START + 60
    async with rig.station() as station:
        number = (await station.start_transaction(time=60)).transaction_id
        await station.settle()
        assert rig.values(TX, "Active", "Id", "Stop.Id") == {"Active": True, "Id": str(number), "Stop.Id": "T1"}
        await station.stop_transaction(number, time=90)
        await station.settle()
    rig.now = START + 120
    async with connected(rig, "2.0.1") as station:
        await station.event("Updated", 1, 30, offline=True)
        await station.settle()
        assert rig.values(TX, "Active", "Id", "Stop.Id") == {"Active": False, "Id": "", "Stop.Id": str(number)}
