"""Transactions of OCPP 2.x whose events are lost, late or another transaction's, at a running bridge."""

import asyncio

import pytest

from bridge.points.tree import Quality
from bridge.station import transactions
from bridge.station.v2.stored import states
from tests.unit.station.rig import START
from tests.unit.station.test_version_2 import CONFIG, EVSE, TOKEN, connected, meter

TX = "CP1.Connector1.Transaction"
VALUES = "CP1.Connector1.MeterValues"
HOUR = 3600.0
OTHER = {"idToken": "OTHER", "type": "ISO14443"}


@pytest.fixture
async def rig(start):
    return await start(ocpp=CONFIG)


def of(transaction: str, **info) -> dict:
    return {"transactionId": transaction, **info}


async def lose_and_go_on(rig, station) -> None:
    """The end of LOST does not come; an hour later NEXT charges for an hour, and ends."""
    rig.now = START + HOUR
    await station.status("Occupied", 0)
    await station.event("Started", 0, 0, of("LOST", chargingState="Charging"), evse=EVSE, idToken=TOKEN)
    await station.status("Occupied", HOUR)
    await station.event("Started", 0, HOUR, of("NEXT", chargingState="Charging"), evse=EVSE, idToken=TOKEN)
    rig.now = START + 2 * HOUR
    await station.event("Ended", 1, 2 * HOUR, of("NEXT"))
    await station.settle()


async def nothing_runs(rig) -> None:
    assert rig.values(TX, "Active", "Id", "Start.Id", "Stop.Id") == {
        "Active": False,
        "Id": "",
        "Start.Id": "NEXT",
        "Stop.Id": "NEXT",
    }
    async with connected(rig) as station:
        await station.status("Occupied", 2 * HOUR + 1)
        await station.settle()
        assert rig.value("CP1.Connector1.Status.StateText") in {"Occupied", "Finishing"}
        assert not rig.known().charges_at(rig.known().points.connectors["Connector1"])


async def test_a_transaction_whose_end_was_lost_does_not_come_back_after_a_restart(rig, start):
    async with connected(rig) as station:
        await lose_and_go_on(rig, station)
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    rig.now = START + 2 * HOUR
    assert list(rig.store.load_running_events()) == []
    await nothing_runs(rig)


async def test_nor_does_it_where_the_store_did_not_take_that_it_had_ended(rig, start, monkeypatch):
    async def take_nothing(station: str, transaction: str) -> None:
        pass

    monkeypatch.setattr(rig.store, "lose_event_transaction", take_nothing)
    async with connected(rig) as station:
        await lose_and_go_on(rig, station)
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    rig.now = START + 2 * HOUR
    assert [event.transaction_id for event in rig.store.load_running_events()] == ["LOST"]
    await nothing_runs(rig)


async def test_an_event_of_it_that_comes_after_the_restart_does_not_make_it_run(rig, start):
    async with connected(rig) as station:
        await lose_and_go_on(rig, station)
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    rig.now = START + 2 * HOUR
    async with connected(rig) as station:
        await station.event("Updated", 1, 600, of("LOST"), offline=True)
        await station.settle()
    await nothing_runs(rig)


async def lose(rig, station) -> None:
    """The connector becomes Available two hours after the start; no end comes."""
    await station.event(
        "Started", 0, 0, {"chargingState": "EVConnected"}, evse=EVSE, idToken=TOKEN, meterValue=meter(1000, 0)
    )
    rig.now = START + HOUR
    await station.event("Updated", 1, HOUR, meterValue=meter(1500, HOUR))
    rig.now = START + 2 * HOUR
    await station.status("Available", 2 * HOUR)
    await station.settle()


LOST = {"Active": False, "Id": "", "IdTag": "", "Stop.Id": "T1", "Stop.Reason": "Unknown", "Stop.Energy": 500.0}


async def test_a_transaction_whose_connector_is_available_and_whose_end_does_not_come_is_lost(rig, start, monkeypatch):
    """B18: it is marked so, also after a restart, until its end comes after all."""
    monkeypatch.setattr(transactions, "LOST_AFTER", 0)
    async with connected(rig) as station:
        await lose(rig, station)
        await rig.until(lambda: rig.value(f"{TX}.Stop.Reason") == "Unknown")
        assert rig.values(TX, *LOST) == LOST
        assert rig.quality(f"{TX}.Stop.Reason") is Quality.SUBNORMAL
        assert rig.value(f"{TX}.Stop.Time") == START + HOUR
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    rig.now = START + 3 * HOUR
    assert rig.values(TX, *LOST) == LOST
    async with connected(rig) as station:
        end = meter(1900, 1.5 * HOUR, context="Transaction.End")
        await station.event("Ended", 2, 1.5 * HOUR, {"stoppedReason": "EVDisconnected"}, meterValue=end, offline=True)
        await station.settle()
        assert rig.values(TX, "Active", "Stop.Reason", "Stop.Energy", "Stop.Time") == {
            "Active": False,
            "Stop.Reason": "EVDisconnected",
            "Stop.Energy": 900.0,
            "Stop.Time": START + 1.5 * HOUR,
        }
        assert rig.quality(f"{TX}.Stop.Reason") is Quality.GOOD


async def test_a_lost_transaction_that_the_station_tells_more_of_runs(rig, monkeypatch):
    monkeypatch.setattr(transactions, "LOST_AFTER", 0)
    async with connected(rig) as station:
        await lose(rig, station)
        await rig.until(lambda: rig.value(f"{TX}.Stop.Reason") == "Unknown")
        rig.now = START + 3 * HOUR
        await station.event("Updated", 2, 3 * HOUR, {"chargingState": "Charging"}, meterValue=meter(1800, 3 * HOUR))
        await station.settle()
        assert rig.values(TX, "Active", "Id", "Energy") == {"Active": True, "Id": "T1", "Energy": 800.0}


async def test_a_token_that_waits_for_its_car_is_not_lost(rig, monkeypatch):
    monkeypatch.setattr(transactions, "LOST_AFTER", 0)
    async with connected(rig) as station:
        await station.status("Available", 0)
        await station.event("Started", 0, 10, {"chargingState": "Idle"}, evse=EVSE, idToken=TOKEN)
        await station.status("Available", 20)
        await station.settle()
        await asyncio.gather(*rig.context.background)
        assert rig.value(f"{TX}.Active") is True
        assert rig.value("CP1.Connector1.Status.StateText") == "Preparing"


async def test_a_late_end_leaves_the_points_of_the_transaction_that_runs_alone(rig):
    rig.now = START + HOUR
    power = [{"value": 7000, "measurand": "Power.Active.Import"}, {"value": 3500}]
    async with connected(rig) as station:
        await station.event(
            "Started", 0, HOUR - 200, of("T1"), evse=EVSE, idToken=TOKEN, meterValue=meter(1, HOUR - 200)
        )
        await station.event(
            "Started", 0, HOUR - 60, of("T2"), evse=EVSE, idToken=OTHER, meterValue=meter(3000, HOUR - 60)
        )
        telegram = [{"timestamp": meter(0, HOUR - 5)[0]["timestamp"], "sampledValue": power}]
        await station.event("Updated", 2, HOUR - 5, of("T2"), meterValue=telegram)
        late = [{"timestamp": meter(0, HOUR - 100)[0]["timestamp"], "sampledValue": [power[0] | {"value": 0}]}]
        late += meter(2500, HOUR - 100)
        await station.event("Ended", 1, HOUR - 100, of("T1"), offline=True, meterValue=late)
        before = [power[0] | {"value": 9000}, {"value": 3200}]
        telegram = [{"timestamp": meter(0, HOUR - 40)[0]["timestamp"], "sampledValue": before}]
        await station.event("Updated", 1, HOUR - 40, of("T2"), meterValue=telegram)
        await station.settle()
        wanted = {
            "Id": "T2",
            "IdTag": "OTHER",
            "Start.Id": "T2",
            "Start.IdTag": "OTHER",
            "Start.MeterStart": 3000.0,
            "Stop.Id": "T1",
            "Energy": 500.0,
            "MissedEvents": 0,
        }
        assert rig.values(TX, *wanted) == wanted
        assert rig.values(VALUES, "Power.Active.Import", "Energy.Active.Import.Register", "Time") == {
            "Power.Active.Import": 7000.0,
            "Energy.Active.Import.Register": 3500.0,
            "Time": START + HOUR - 5,
        }


async def test_an_older_end_does_not_replace_a_newer_one(rig):
    rig.now = START + 300
    async with connected(rig) as station:
        await station.event("Started", 0, 0, of("T1"), evse=EVSE)
        await station.event("Started", 0, 200, of("T2"), evse=EVSE)
        await station.event("Ended", 1, 300, of("T2"))
        await station.event("Ended", 1, 150, of("T1"), offline=True)
        await station.settle()
        assert rig.values(TX, "Stop.Id", "Stop.Time") == {"Stop.Id": "T2", "Stop.Time": START + 300}


async def test_a_gap_that_is_filled_long_afterwards_is_no_gap_any_more(rig):
    rig.now = START + 2 * HOUR
    async with connected(rig) as station:
        await station.status("Occupied", 2 * HOUR)
        await station.event("Started", 0, 0, {"chargingState": "Charging"}, evse=EVSE)
        await station.event("Updated", 2, HOUR)
        await station.event("Updated", 3, 2 * HOUR)
        await station.settle()
        assert rig.value(f"{TX}.MissedEvents") == 1
        await station.event("Updated", 1, 0.5 * HOUR, offline=True)
        await station.settle()
        assert rig.value(f"{TX}.MissedEvents") == 0
        assert rig.sample(f"{TX}.MissedEvents").source_time == START + 2 * HOUR


async def test_a_token_is_shown_though_its_event_was_kept_longer_than_the_first_one_was_believed(rig):
    """The first event is all that is known of the clock, and says that it is an hour slow."""
    rig.now = START + HOUR
    async with connected(rig) as station:
        await station.event("Started", 0, 0, evse=EVSE, offline=True)
        await station.status("Occupied", HOUR)
        await station.event("Updated", 1, 2000, idToken=TOKEN, offline=True)
        await station.settle()
        assert rig.values(TX, "IdTag", "Start.IdTag", "Start.Authorization") == {
            "IdTag": "04A2B3",
            "Start.IdTag": "04A2B3",
            "Start.Authorization": "Accepted",
        }


async def test_a_new_transaction_shows_nothing_of_the_one_before(rig):
    total = {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"inclTax": 12.5}}
    cost = {"totalCost": total, "totalUsage": {"energy": 1, "chargingTime": 1, "idleTime": 0}}
    needs = {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}}
    of_before = [f"{TX}.{name}" for name in ("Energy", "Cost", "Currency", "TimeCharging", "PriorityCharging")]
    of_before += [f"{TX}.Start.Authorization", f"{TX}.Start.MeterStart", "CP1.Connector1.EV.EnergyTransfer"]
    async with connected(rig, "2.1") as station:
        await station.event("Started", 0, 0, of("A"), evse=EVSE, idToken=TOKEN, meterValue=meter(1000, 0))
        await station.event(
            "Updated", 1, 0, of("A", timeSpentCharging=900), costDetails=cost, meterValue=meter(8000, 0)
        )
        await station.call("NotifyPriorityCharging", {"transactionId": "A", "activated": True})
        await station.call("NotifyEVChargingNeeds", needs)
        await station.settle()
        assert None not in map(rig.value, of_before)
        rig.now = START + HOUR
        await station.event("Ended", 2, HOUR, of("A"))
        rig.now = START + 2 * HOUR
        await station.event("Started", 0, 2 * HOUR, of("B"), evse=EVSE)
        await station.settle()
        assert rig.value(f"{TX}.Start.Id") == "B"
        assert {path: rig.value(path) for path in of_before} == dict.fromkeys(of_before)


async def test_what_a_car_told_before_its_transaction_started_stays(rig):
    needs = {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}}
    async with connected(rig, "2.1") as station:
        await station.event("Started", 0, 0, of("A"), evse=EVSE)
        await station.event("Ended", 1, 10, of("A"))
        await station.settle()
        rig.now = START + HOUR
        await station.call("NotifyEVChargingNeeds", needs)
        await station.settle()
        told = rig.value("CP1.Connector1.EV.EnergyTransfer")
        await station.event("Started", 0, HOUR, of("B"), evse=EVSE)
        await station.settle()
        assert told is not None
        assert rig.value("CP1.Connector1.EV.EnergyTransfer") == told


@pytest.mark.parametrize("validation", ["lenient", "strict"])
async def test_events_after_the_end_are_taken_and_change_nothing_of_it(start, validation):
    """One that was late, and one that a station has sent after all."""
    rig = await start(ocpp={**CONFIG, "validation": validation})
    async with connected(rig) as station:
        await station.event("Started", 0, -90, evse=EVSE, meterValue=meter(1000, -90))
        await station.event("Ended", 2, -30, meterValue=meter(3000, -30))
        await station.event("Updated", 1, -60, {"chargingState": "Charging"}, meterValue=meter(2000, -60))
        await station.event("Updated", 3, -10, {"chargingState": "Charging"}, meterValue=meter(3500, -10))
        await station.settle()
        over = {"Active": False, "Id": "", "Energy": 2000.0, "Stop.Energy": 2000.0, "Stop.MeterStop": 3000.0}
        assert rig.values(TX, *over) == over
        assert rig.value(f"{VALUES}.Energy.Active.Import.Register") == 3500.0
        assert rig.value("CP1.State.InvalidMessages") == 0


async def test_an_id_that_was_used_before_is_complained_of(rig):
    rig.now = START + 2 * HOUR
    async with connected(rig) as station:
        await station.event("Started", 0, 0, of("0"), evse=EVSE, idToken=TOKEN)
        await station.event("Ended", 1, HOUR, of("0"))
        await station.settle()
        assert rig.value("CP1.State.InvalidMessages") == 0
        await station.event("Started", 0, 2 * HOUR, of("0"), evse=EVSE, idToken=OTHER)
        await station.settle()
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert "transactionId 0 was that of a transaction that has ended" in rig.value("CP1.State.LastError")


def charges_of(rig) -> list[tuple[str, float | None, float | None]]:
    """What the store has: id, energy, start."""
    found = sorted((state for _, state in states(rig.store._reader.events())), key=lambda state: state.begun)
    return [(state.own_id, state.energy, state.start_time) for state in found]


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_charge_under_an_id_that_has_ended_is_a_charge_of_its_own(rig, start, killed, restarts):
    """B20: whatever restarts in between, and where events of the first one come again."""
    rig.now = START + 3 * HOUR
    ended = {"meterValue": meter(3000, HOUR), "idToken": TOKEN}
    async with connected(rig) as station:
        await station.event("Started", 0, 0, of("0"), evse=EVSE, idToken=TOKEN, meterValue=meter(1000, 0))
        await station.event("Ended", 1, HOUR, of("0"), **ended)
        await station.settle()
    if restarts:
        await rig.stop()
        rig = await start(ocpp=CONFIG)
        rig.now = START + 3 * HOUR
    async with connected(rig) as station:
        begin = meter(10_000, 2 * HOUR)
        await station.event("Started", 0, 2 * HOUR, of("0"), evse=EVSE, idToken=OTHER, meterValue=begin)
        await station.event("Updated", 1, 2 * HOUR + 60, of("0", chargingState="Charging"))
        await station.settle()
        runs = {"Active": True, "Id": "0", "IdTag": "OTHER", "Start.Time": START + 2 * HOUR, "Stop.Energy": 2000.0}
        assert rig.values(TX, *runs) == runs
        await station.event("Ended", 1, HOUR, of("0"), **ended)
        await station.settle()
        assert rig.values(TX, *runs) == runs
        await station.event("Ended", 2, 3 * HOUR, of("0"), meterValue=meter(14_000, 3 * HOUR))
        await station.settle()
        over = {"Active": False, "Stop.Id": "0", "Stop.Energy": 4000.0, "Stop.Time": START + 3 * HOUR}
        assert rig.values(TX, *over) == over
        assert charges_of(rig) == [("0", 2000.0, START), ("0", 4000.0, START + 2 * HOUR)]
        rig = await killed(rig, ocpp=CONFIG)
    assert rig.values(TX, *over) == over


@pytest.mark.parametrize("evse", [1, 2], ids=["at its EVSE", "at another one"])
@pytest.mark.parametrize("late", [False, True], ids=["its end never comes", "its end comes late"])
async def test_a_charge_under_an_id_that_still_runs_is_a_charge_of_its_own(rig, killed, evse, late):
    """B20: a power cut has set the counter back, and the end of the first one is lost or waits."""
    rig.now = START + 3 * HOUR
    first, second = TX, f"CP1.Connector{evse}.Transaction"
    async with connected(rig) as station:
        await station.event("Started", 0, 0, of("0"), evse=EVSE, idToken=TOKEN, meterValue=meter(1000, 0))
        await station.event("Updated", 1, 60, of("0"), meterValue=meter(1500, 60))
    async with connected(rig) as station:
        begin = {"evse": {"id": evse, "connectorId": 1}, "idToken": OTHER, "meterValue": meter(10_000, HOUR)}
        for _ in range(2):
            await station.event("Started", 0, HOUR, of("0"), **begin)
        await station.settle()
        runs = {"Active": True, "Id": "0", "IdTag": "OTHER", "Start.Time": START + HOUR, "Energy": 0.0}
        assert rig.values(second, *runs) == runs
        assert rig.value(f"{first}.Active") is (evse == 1)
        lost = {"Stop.Id": "0", "Stop.Reason": "Unknown", "Stop.Energy": 500.0}
        assert rig.values(first, *lost) == lost
        assert rig.quality(f"{first}.Stop.Energy") is Quality.SUBNORMAL
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert "transactionId 0 was that of a transaction that has not ended" in rig.value("CP1.State.LastError")
        if late:
            await station.event("Ended", 2, HOUR / 2, of("0"), meterValue=meter(1800, HOUR / 2))
        await station.event("Updated", 1, HOUR + 60, of("0"), meterValue=meter(10_400, HOUR + 60))
        await station.settle()
        assert rig.values(second, *runs) == runs | {"Energy": 400.0}
        await station.event("Ended", 2, 2 * HOUR, of("0"), meterValue=meter(14_000, 2 * HOUR))
        await station.settle()
        over = {"Active": False, "Stop.Id": "0", "Stop.Energy": 4000.0, "Stop.Time": START + 2 * HOUR}
        assert rig.values(second, *over) == over
        assert charges_of(rig) == [("0", 800.0 if late else 500.0, START), ("0", 4000.0, START + HOUR)]
        rig = await killed(rig, ocpp=CONFIG)
    assert rig.values(second, *over) == over
    assert list(rig.store.load_running_events()) == []


async def test_a_start_that_comes_again_with_another_time_is_that_of_the_transaction_that_runs(rig):
    """Nothing tells that a counter began anew: it has the number of the only event that has come."""
    async with connected(rig) as station:
        await station.event("Started", 0, 0, evse=EVSE)
        await station.event("Started", 0, 5, evse=EVSE)
        await station.event("Started", 1, 9, evse=EVSE, idToken=TOKEN)
        await station.settle()
        assert rig.values(TX, "Active", "Start.Time", "IdTag") == {
            "Active": True,
            "Start.Time": START,
            "IdTag": TOKEN["idToken"],
        }
    assert len(charges_of(rig)) == 1


async def test_two_events_with_one_number_are_both_kept_and_complained_of(rig):
    """B20"""
    async with connected(rig) as station:
        await station.event("Started", 0, 0, evse=EVSE)
        await station.event("Updated", 1, 1, {"chargingState": "Charging"})
        for _ in range(2):
            await station.event("Updated", 1, 2, {"chargingState": "SuspendedEV"})
        await station.settle()
    assert [record.seq_no for record in rig.store.events_of("CP1", "T1")] == [0, 1, 1]
    assert rig.value("CP1.State.InvalidMessages") == 1
    assert "transactionId T1 has another event with the seqNo 1" in rig.value("CP1.State.LastError")


async def test_what_a_token_was_answered_is_shown_when_its_evse_is_named_afterwards(rig):
    async with connected(rig) as station:
        await station.event("Started", 0, 0, idToken=TOKEN)
        await station.event("Updated", 1, 1, evse=EVSE)
        await station.settle()
    assert rig.value(f"{TX}.Start.Authorization") == "Accepted"


async def test_a_transaction_whose_place_another_one_takes_has_ended_nobody_knows_how(rig):
    rig.now = START + HOUR
    async with connected(rig) as station:
        begin = meter(1000, 0)
        await station.event("Started", 0, 0, of("LOST"), evse=EVSE, idToken=TOKEN, meterValue=begin)
        await station.event("Updated", 1, 600, of("LOST"), meterValue=meter(1700, 600))
        await station.event("Started", 0, HOUR, of("NEXT"), evse=EVSE, idToken=OTHER, meterValue=meter(1700, HOUR))
        await station.settle()
        shown = {"Id": "NEXT", "Stop.Id": "LOST", "Stop.Reason": "Unknown", "Stop.Energy": 700.0}
        assert rig.values(TX, *shown) == shown
        assert rig.value(f"{TX}.Stop.Time") == START + 600
        assert rig.quality(f"{TX}.Stop.Reason") is Quality.SUBNORMAL
        await station.event("Ended", 2, 900, of("LOST"), meterValue=meter(1800, 900, context="Transaction.End"))
        await station.settle()
        shown = {"Id": "NEXT", "Stop.Id": "LOST", "Stop.Reason": "Local", "Stop.Energy": 800.0}
        assert rig.values(TX, *shown) == shown
        assert rig.quality(f"{TX}.Stop.Reason") is Quality.GOOD


async def test_an_end_that_names_no_evse_is_that_of_the_only_connector_also_after_a_restart(rig, start):
    async with connected(rig) as station:
        await station.status("Available", 0)
        await station.event("Ended", 7, 0, {"stoppedReason": "PowerLoss"})
        await station.settle()
        assert rig.values(TX, "Stop.Id", "Stop.Reason") == {"Stop.Id": "T1", "Stop.Reason": "PowerLoss"}
        assert rig.value("CP1.State.InvalidMessages") == 0
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    assert rig.values(TX, "Stop.Id", "Stop.Reason") == {"Stop.Id": "T1", "Stop.Reason": "PowerLoss"}
    assert [event.connector for event in rig.store.events_of("CP1", "T1")] == ["Connector1"]


async def test_an_end_of_which_nobody_knows_where_is_stored_and_complained_of(rig):
    async with connected(rig) as station:
        for evse in (1, 2):
            await station.status("Available", 0, evse)
        await station.event("Ended", 7, 0)
        await station.settle()
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert "T1 has ended" in rig.value("CP1.State.LastError")
        assert rig.value(f"{TX}.Stop.Id") is None
        assert [event.seq_no for event in rig.store.events_of("CP1", "T1")] == [7]
