"""Transactions: recorded once, answered whatever they say, shown at their connector."""

import asyncio
import json
import sqlite3

import pytest
from ocpp.v16 import call

from bridge.points.tree import Quality
from bridge.station import transactions
from tests.unit.station.rig import START, WAIT, ask, at, logged

TX = "CP1.Connector1.Transaction"
BLOCKS = """
async def start_transaction(self, request):
    return Authorization.blocked()
"""


def recorded(rig):
    """(id, station, connector, meter_stop) of every transaction."""
    return [(t.id, t.station, t.connector, t.meter_stop) for t in rig.store.transactions()]


def orphans(path):
    with sqlite3.connect(path) as db:
        return db.execute("SELECT station, transaction_id, meter_stop FROM orphan_stops").fetchall()


async def test_a_transaction_from_start_to_stop(rig):
    """J44"""
    async with rig.station() as station:
        started = await station.start_transaction(meter=100)
        assert (started.transaction_id, started.id_tag_info) == (1, {"status": "Accepted"})
        await station.register("350", transaction_id=1)
        assert rig.values(TX, "Active", "Id", "IdTag", "Energy") == {
            "Active": True,
            "Id": "1",
            "IdTag": "TAG",
            "Energy": 250.0,
        }
        stopped = await station.stop_transaction(1, meter=700)
        assert stopped.id_tag_info is None  # it named no tag (OCPP 1.6 §6.50)
        await station.settle()
        assert rig.values(TX, "Active", "Id", "IdTag", "Energy", "Stop.Energy", "Stop.Reason") == {
            "Active": False,
            "Id": "",
            "IdTag": "",
            "Energy": 600.0,
            "Stop.Energy": 600.0,
            "Stop.Reason": "Local",
        }
        assert recorded(rig) == [(1, "CP1", "Connector1", 700.0)]


async def test_energy_counts_the_register_in_any_unit_and_no_other_measurand(rig):
    async with rig.station() as station:
        await station.start_transaction(meter=1000)
        samples = [
            {"value": "1.5", "unit": "kWh"},
            {"value": "99", "measurand": "Energy.Active.Export.Register"},
            {"value": "98", "phase": "L1"},
        ]
        await station.call(call.MeterValues(1, [{"timestamp": at(9), "sampled_value": samples}]))
        await station.settle()
        assert rig.value(f"{TX}.Energy") == 500.0


async def test_a_register_of_another_transaction_is_no_energy_of_this_one(rig):
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.register("900", transaction_id=77)
        assert rig.value(f"{TX}.Energy") == 0.0
        assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 900.0


@pytest.mark.parametrize("number", [0, -1, 4711, 2**40, 10**30], ids=str)
async def test_a_stop_of_no_transaction_is_answered_and_kept(rig, start, number):
    """B08"""
    async with rig.station() as station:
        await station.start_transaction()
        stop = {"transactionId": number, "meterStop": 5, "timestamp": at()}
        async with rig.socket("CP2") as other:
            assert await ask(other, [2, "1", "StopTransaction", stop]) == [3, "1", {}]
        await station.settle()
        assert rig.value(f"{TX}.Active") is True
    await rig.stop()
    assert orphans(start.path) == [("CP2", str(int(float(number))), 5.0)]


async def test_a_stop_of_another_stations_transaction_leaves_it_alone(rig):
    """B09"""
    async with rig.station("CP1") as one, rig.station("CP2") as other:
        await one.start_transaction()
        await other.stop_transaction(1, meter=1)
        await one.settle()
        assert rig.value(f"{TX}.Active") is True
        assert recorded(rig) == [(1, "CP1", "Connector1", None)]
        await one.stop_transaction(1, meter=300)
        assert recorded(rig) == [(1, "CP1", "Connector1", 300.0)]


async def test_a_repeated_stop_is_one_stop(rig):
    """B10"""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.stop_transaction(1, meter=300)
        await station.stop_transaction(1, meter=999, time=90)
        await station.settle()
        assert recorded(rig) == [(1, "CP1", "Connector1", 300.0)]
        assert rig.values(TX, "Stop.Energy", "Stop.MeterStop") == {"Stop.Energy": 200.0, "Stop.MeterStop": 300.0}


async def test_a_start_that_is_sent_again_is_the_same_transaction(rig, start):
    """J24 B07: at once, on another connection, after a restart, and when it has ended."""
    async with rig.station() as station:
        ids = [(await station.start_transaction()).transaction_id for _ in range(3)]
    async with rig.station() as station:
        ids.append((await station.start_transaction()).transaction_id)
    await rig.stop()
    rig = await start()
    async with rig.station(boot=False) as station:
        ids.append((await station.start_transaction()).transaction_id)
        await station.stop_transaction(1)
        ids.append((await station.start_transaction()).transaction_id)
        await station.settle()
        assert rig.value(f"{TX}.Active") is False
    assert ids == [1] * 6
    assert len(recorded(rig)) == 1


async def test_a_start_sent_over_two_connections_at_once_is_one_transaction(start):
    """B07: the first is still being decided when the station connects anew and repeats it."""
    rig = await start(
        """
        async def start_transaction(self, request):
            try:
                await request.station.call("ClearCache", {})
            except Exception:
                pass  # the connection went
            return Authorization.accepted()
        """
    )
    payload = {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": at()}
    async with rig.socket() as old:
        await ask(old, [2, "1", "StartTransaction", payload])  # what comes is ClearCache: it is being decided
        async with rig.socket() as new:
            assert (await ask(new, [2, "2", "StartTransaction", payload]))[2]["transactionId"] == 1
    assert len(recorded(rig)) == 1


async def test_two_starts_that_differ_are_two_transactions(rig):
    async with rig.station() as station:
        first = await station.start_transaction(connector=1)
        second = await station.start_transaction(connector=2)
        assert first.transaction_id != second.transaction_id
        await station.settle()
        assert rig.value("CP1.Connector1.Transaction.Id") == "1"
        assert rig.value("CP1.Connector2.Transaction.Id") == "2"


async def test_a_new_start_takes_the_place_of_one_whose_stop_was_lost(rig, start):
    async with rig.station() as station:
        await station.start_transaction(tag="OLD", meter=100)
        await station.register("350", transaction_id=1)
        await station.start_transaction(tag="NEW", meter=500, time=60)
        await station.settle()
        assert rig.values(TX, "Id", "IdTag", "Energy") == {"Id": "2", "IdTag": "NEW", "Energy": 0.0}
        lost = {"Stop.Id": "1", "Stop.Reason": "Unknown", "Stop.MeterStop": 350.0, "Stop.Time": START + 30}
        assert rig.values(TX, *lost) == lost
        assert rig.quality(f"{TX}.Stop.Reason") is Quality.SUBNORMAL

        await station.stop_transaction(1, meter=450, time=50)  # the lost one, late
        await station.settle()
        assert rig.values(TX, "Active", "Id", "Stop.Id", "Stop.Energy") == {
            "Active": True,
            "Id": "2",
            "Stop.Id": "1",
            "Stop.Energy": 350.0,
        }
        await station.stop_transaction(2, meter=900, time=120)
        await station.settle()
        assert rig.values(TX, "Active", "Stop.Id", "Stop.Energy") == {
            "Active": False,
            "Stop.Id": "2",
            "Stop.Energy": 400.0,
        }


@pytest.mark.parametrize("restart", [False, True])
async def test_a_transaction_whose_stop_was_lost_does_not_come_back(rig, start, restart):
    async with rig.station() as station:
        await station.start_transaction(tag="LOST")
        await station.start_transaction(tag="NEXT", time=60)
        await station.stop_transaction(2, time=90)
        await station.settle()
        assert rig.value(f"{TX}.Active") is False
    if restart:
        await rig.stop()
        rig = await start()
        assert rig.value(f"{TX}.Active") is False
    async with rig.station(boot=False) as station:
        await station.register("5000", time=120)
        assert rig.value(f"{TX}.Active") is False


async def test_a_refused_start_has_an_id_all_the_same(start):
    """B15"""
    rig = await start(BLOCKS)
    async with rig.station() as station:
        started = await station.start_transaction()
        assert (started.transaction_id, started.id_tag_info) == (1, {"status": "Blocked"})
        assert (await station.start_transaction()).id_tag_info == {"status": "Blocked"}
        await station.settle()
        assert rig.value(f"{TX}.Start.Authorization") == "Blocked"
        assert rig.value(f"{TX}.Active") is True  # until the station stops it (OCPP 1.6 §4.8)


@pytest.mark.parametrize("connector", [0, -5, 1e30, 4000], ids=str)
async def test_a_start_at_an_impossible_connector_is_recorded(rig, connector):
    """B11 J40"""
    payload = {"connectorId": connector, "idTag": "T", "meterStart": 2**63, "timestamp": at()}
    async with rig.socket() as socket:
        answer = await ask(socket, [2, "1", "StartTransaction", payload])
        assert answer[2] == {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}
        stop = {"transactionId": 1, "meterStop": 2**63, "timestamp": at(5)}
        assert await ask(socket, [2, "2", "StopTransaction", stop]) == [3, "2", {}]
        await ask(socket, [2, "3", "Heartbeat", {}])
        assert rig.known().running == {}
        assert [t.meter_stop for t in rig.store.transactions()] == [float(2**63)]


async def test_a_very_large_register_is_shown(rig):
    """J40"""
    async with rig.socket() as socket:
        payload = {"connectorId": 1, "idTag": "T", "meterStart": 2**63, "timestamp": at()}
        await ask(socket, [2, "1", "StartTransaction", payload])
        await ask(socket, [2, "2", "Heartbeat", {}])
        assert rig.value(f"{TX}.Start.MeterStart") == float(2**63)


@pytest.mark.parametrize("field", ["idTag", "meterStart"])
async def test_a_start_without_what_it_needs_is_refused_and_nothing_recorded(rig, field):
    payload = {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": at()}
    del payload[field]
    async with rig.socket() as socket:
        answer = await ask(socket, [2, "1", "StartTransaction", payload])
        assert answer[:3] == [4, "1", "OccurenceConstraintViolation"]
        assert recorded(rig) == []
        assert rig.value("CP1.State.InvalidMessages") == 1


async def test_a_transaction_that_cannot_be_stored_is_refused_and_the_rest_goes_on(rig):
    """A station sends it again; it must not believe in a record that is not there."""
    async with rig.station() as station:
        await station.start_transaction()
        rig.store.close_sync()
        start = {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": at(99)}
        answer = await ask_as(station, "StartTransaction", start)
        assert answer[2] == "InternalError"
        stop = {"transactionId": 1, "meterStop": 1, "timestamp": at(99)}
        assert (await ask_as(station, "StopTransaction", stop))[2] == "InternalError"
        assert (await station.boot()).status == "Accepted"
        await station.call(call.StatusNotification(1, "NoError", "Charging"))
        await station.settle()
        assert rig.value("CP1.Connector1.Status.StateText") == "Charging"
        assert rig.value(f"{TX}.Id") == "1"
        assert rig.value(f"{TX}.Active") is True


async def ask_as(station, action, payload):
    """Sends a CALL beside the station's own and waits for its answer."""
    reading = asyncio.get_running_loop().create_future()
    ordinary = station.route_message

    async def route(raw):
        if '"beside"' in raw:
            reading.set_result(raw)
        else:
            await ordinary(raw)

    station.route_message = route
    await station.socket.send(json.dumps([2, "beside", action, payload]))
    async with asyncio.timeout(WAIT):
        return json.loads(await reading)


async def test_stop_data_does_not_bring_an_ended_transaction_back(rig):
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        data = [{"timestamp": at(50), "sampledValue": [{"value": "400"}]}]
        await station.stop_transaction(1, meter=500, transaction_data=data)
        await station.settle()
        assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 400.0
        assert rig.values(TX, "Active", "Energy") == {"Active": False, "Energy": 400.0}


async def test_a_running_transaction_is_uncertain_until_the_station_names_it_again(rig):
    async with rig.station() as station:
        await station.start_transaction()
        await station.settle()
    await rig.until(lambda: not rig.value("CP1.State.Connected"))
    assert (rig.value(f"{TX}.Active"), rig.quality(f"{TX}.Active")) == (True, Quality.LAST)
    rig.now += 60
    async with rig.station(boot=False) as station:
        assert rig.quality(f"{TX}.Active") is Quality.LAST
        sample = {"timestamp": at(60), "sampled_value": [{"value": "7", "measurand": "Power.Active.Import"}]}
        await station.call(call.MeterValues(1, [sample], transaction_id=1))
        await station.settle()
        assert rig.quality(f"{TX}.Active") is Quality.GOOD
        assert rig.sample(f"{TX}.Active").source_time == START + 60


async def test_a_stop_of_before_the_last_telegram_ends_the_transaction_all_the_same(rig):
    """The station's clock was set meanwhile: what has ended is not shown as running for ever."""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        rig.now += 3600
        await station.register("300", transaction_id=1, time=3600)
        rig.now += 10
        await station.stop_transaction(1, meter=400, time=1800)
        await station.settle()
        assert rig.values(TX, "Active", "Id", "IdTag", "Energy", "Stop.Energy", "Stop.Time") == {
            "Active": False,
            "Id": "",
            "IdTag": "",
            "Energy": 300.0,
            "Stop.Energy": 300.0,
            "Stop.Time": START + 1800,
        }


async def test_a_start_at_connector_0_is_recorded_and_spoils_nothing(rig):
    """B11 B12: the station itself has no transaction's points; its meter values are shown all the same."""
    async with rig.station() as station:
        with logged() as entries:
            number = (await station.start_transaction(connector=0)).transaction_id
            sample = {"timestamp": at(1), "sampled_value": [{"value": "7"}]}
            await station.call(call.MeterValues(0, [sample], transaction_id=number))
            await station.stop_transaction(number)
            await station.settle()
    assert [entry for entry in entries if entry["log_level"] == "error"] == []
    assert rig.value("CP1.MeterValues.Energy.Active.Import.Register") == 7.0
    assert recorded(rig) == [(number, "CP1", "", 600.0)]


@pytest.mark.parametrize(("status", "known"), [("Available", True), ("Preparing", True), ("Charging", False)])
async def test_whether_a_transaction_runs_is_known_when_the_status_says_that_none_does(rig, status, known):
    """A connector that has never had one."""
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", status, timestamp=at(-5)))
        await station.settle()
        expected = (False, Quality.GOOD, START - 5, START) if known else (None, Quality.WAITING, None, None)
        assert rig.sample(f"{TX}.Active") == expected
        assert rig.value(f"{TX}.Id") == ("" if known else None)


async def test_a_status_does_not_end_a_transaction(rig):
    """The stop may be on its way."""
    async with rig.station() as station:
        await station.start_transaction()
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(5)))
        await station.settle()
        assert rig.values(TX, "Active", "Id") == {"Active": True, "Id": "1"}


async def test_a_start_that_comes_again_does_not_set_the_energy_back(rig):
    """B16"""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.register("350", transaction_id=1)
        await station.start_transaction(meter=100)
        await station.settle()
        assert rig.values(TX, "Id", "Energy") == {"Id": "1", "Energy": 250.0}


async def test_a_transaction_whose_connector_is_available_and_whose_stop_does_not_come_is_lost(rig, start, monkeypatch):
    """B18: it is marked so, also after a restart, until the stop comes after all."""
    monkeypatch.setattr(transactions, "LOST_AFTER", 0)
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.register("350", transaction_id=1)
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(40)))
        await rig.until(lambda: rig.value(f"{TX}.Active") is False)
        lost = {"Active": False, "Id": "", "IdTag": "", "Stop.Id": "1", "Stop.Reason": "Unknown", "Stop.Energy": 250.0}
        assert rig.values(TX, *lost) == lost
        assert rig.quality(f"{TX}.Stop.Reason") is Quality.SUBNORMAL
    await rig.stop()
    rig = await start()
    assert rig.values(TX, *lost) == lost
    assert [(t.id, t.lost is None, t.stop_time) for t in rig.store.transactions()] == [(1, False, None)]
    async with rig.station() as station:
        await station.stop_transaction(1, meter=600, time=60)
        await station.settle()
        assert rig.values(TX, "Active", "Stop.Id", "Stop.Reason", "Stop.Energy") == {
            "Active": False,
            "Stop.Id": "1",
            "Stop.Reason": "Local",
            "Stop.Energy": 500.0,
        }
        assert rig.quality(f"{TX}.Stop.Energy") is Quality.GOOD


async def test_a_lost_transaction_that_the_station_speaks_of_again_runs(rig, monkeypatch):
    monkeypatch.setattr(transactions, "LOST_AFTER", 0)
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(5)))
        await rig.until(lambda: rig.value(f"{TX}.Active") is False)
        await station.register("350", transaction_id=1)
        assert rig.values(TX, "Active", "Id", "Energy") == {"Active": True, "Id": "1", "Energy": 250.0}


async def test_a_transaction_is_not_lost_while_its_connector_is_not_available(rig, monkeypatch):
    monkeypatch.setattr(transactions, "LOST_AFTER", 0)
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.call(call.StatusNotification(1, "NoError", "Charging", timestamp=at(5)))
        await station.settle()
        await asyncio.gather(*rig.context.background)
        assert rig.value(f"{TX}.Active") is True


@pytest.mark.parametrize("restart", [False, True])
async def test_a_lost_transaction_is_lost_though_its_station_connects_again_and_says_nothing(
    rig, start, monkeypatch, restart
):
    """J24, D09: it says a status only when that has changed (OCPP 1.6 §4.9)."""
    monkeypatch.setattr(transactions, "LOST_AFTER", 0.2)
    async with rig.station() as station:
        await station.start_transaction()
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(40)))
        await station.settle()
    if restart:
        await rig.stop()
        rig = await start()
    assert rig.value(f"{TX}.Active") is True
    async with rig.station(boot=False):
        await rig.until(lambda: rig.value(f"{TX}.Active") is False)
    assert rig.value(f"{TX}.Stop.Reason") == "Unknown"


async def test_a_transaction_that_was_told_of_since_its_connector_was_available_goes_on(rig, monkeypatch):
    monkeypatch.setattr(transactions, "LOST_AFTER", 0.1)
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(-40)))
        await station.settle()
        rig.now += 1
        await station.start_transaction()
    async with rig.station(boot=False) as station:
        for _ in range(3):
            await asyncio.sleep(0.1)
            await station.settle()
        assert rig.value(f"{TX}.Active") is True


async def test_another_stop_of_an_ended_transaction_is_kept_and_complained_of(rig, start):
    """B10"""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.stop_transaction(1, meter=600, time=60)
        await station.stop_transaction(1, meter=900, time=120)
        await station.settle()
        assert (rig.value(f"{TX}.Stop.MeterStop"), rig.value(f"{TX}.Stop.Energy")) == (600.0, 500.0)
        assert "transaction 1 had ended with another" in rig.value("CP1.State.LastError")
    assert recorded(rig) == [(1, "CP1", "Connector1", 600.0)]
    await rig.stop()
    assert orphans(start.path) == [("CP1", "1", 900.0)]


@pytest.mark.parametrize("time", [30, 3600])
async def test_the_stop_that_names_its_transaction_takes_the_place_of_a_guessed_one(rig, start, time):
    """B08, B10"""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.stop_transaction(-1, meter=300, time=60)
        await station.settle()
        assert rig.value(f"{TX}.Stop.MeterStop") == 300.0
        await station.stop_transaction(1, meter=5000, time=time)
        await station.settle()
        assert rig.values(TX, "Active", "Energy", "Stop.Id", "Stop.MeterStop", "Stop.Energy") == {
            "Active": False,
            "Energy": 4900.0,
            "Stop.Id": "1",
            "Stop.MeterStop": 5000.0,
            "Stop.Energy": 4900.0,
        }
    assert recorded(rig) == [(1, "CP1", "Connector1", 5000.0)]
    await rig.stop()
    assert orphans(start.path) == [("CP1", "-1", 300.0)]


async def test_a_transaction_that_the_next_one_has_overtaken_runs_no_more_in_the_store(rig):
    async with rig.station() as station:
        await station.start_transaction(meter=100, time=0)
        await station.start_transaction(meter=200, time=60)
        await station.stop_transaction(2, meter=300, time=120)
        await station.settle()
        assert rig.value(f"{TX}.Active") is False
    assert [(one.id, one.lost is not None) for one in rig.store.load_open_transactions()] == [(1, True)]


@pytest.mark.parametrize(
    "stamps",
    [(None, None), ("", ""), ("2027-01-15T08:00:00Z", "2027-01-15T08:00:00.000Z", "2027-01-15T09:00:00+01:00")],
    ids=str,
)
async def test_a_start_that_comes_again_without_a_time_or_with_another_spelling_of_it_has_one_id(rig, stamps):
    """B07"""
    async with rig.socket() as socket:
        await ask(socket, [2, "b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}])
        ids = []
        for number, stamp in enumerate(stamps):
            payload = {"connectorId": 1, "idTag": "T", "meterStart": 0}
            payload |= {} if stamp is None else {"timestamp": stamp}
            ids.append((await ask(socket, [2, f"S{number}", "StartTransaction", payload]))[2]["transactionId"])
            rig.now += 30
        assert set(ids) == {1}
        payload = {"connectorId": 1, "idTag": "T", "meterStart": 0}
        rig.now += 700
        assert (await ask(socket, [2, "late", "StartTransaction", payload]))[2]["transactionId"] == 2
        payload["meterStart"] = 5
        assert (await ask(socket, [2, "other", "StartTransaction", payload]))[2]["transactionId"] == 3
