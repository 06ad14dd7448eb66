"""What a bridge that starts again on the same store shows."""

from ocpp.v16 import call

from bridge.points.tree import Quality
from tests.unit.station.rig import START, at

TX = "CP1.Connector1.Transaction"


async def test_last_values_come_back_with_their_own_times(rig, start):
    """D09 U29"""
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Charging", timestamp=at(-7)))
        sample = {"value": "16", "measurand": "Current.Import", "phase": "L2"}
        await station.call(call.MeterValues(1, [{"timestamp": at(-5), "sampled_value": [sample]}]))
        await station.settle()
    await rig.stop()
    rig = await start()
    for path, value, time in [
        ("CP1.Connector1.Status.State", 3, START - 7),
        ("CP1.Connector1.Status.StateText", "Charging", START - 7),
        ("CP1.Connector1.MeterValues.Current.Import.L2", 16.0, START - 5),
        ("CP1.Info.Vendor", "Vendor", START),
    ]:
        sample = rig.sample(path)
        assert (sample.value, sample.quality, sample.source_time) == (value, Quality.LAST, time), path
    assert rig.values("CP1", "State.Connected", "State.MessagesReceived") == {
        "State.Connected": False,
        "State.MessagesReceived": 0,
    }
    assert rig.quality("CP1.Connector1.Status.Info") is Quality.LAST
    assert rig.quality("CP1.Connector1.Transaction.Stop.Id") is Quality.WAITING

    rig.now += 100
    async with rig.station(boot=False) as station:
        assert rig.quality("CP1.Connector1.Status.State") is Quality.LAST
        await station.call(call.StatusNotification(1, "NoError", "Available", timestamp=at(100)))
        await station.settle()
        assert rig.quality("CP1.Connector1.Status.State") is Quality.GOOD
        assert rig.quality("CP1.Info.Vendor") is Quality.LAST


async def test_a_running_transaction_runs_on(rig, start):
    """D09"""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.register("300", transaction_id=1)
    await rig.stop()
    rig = await start()
    assert rig.values(TX, "Active", "Id", "IdTag", "Energy", "Start.MeterStart") == {
        "Active": True,
        "Id": "1",
        "IdTag": "TAG",
        "Energy": 200.0,
        "Start.MeterStart": 100.0,
    }
    assert rig.quality(f"{TX}.Active") is Quality.LAST
    rig.now += 100
    async with rig.station(boot=False) as station:
        await station.register("500", transaction_id=1, time=100)
        assert rig.value(f"{TX}.Energy") == 400.0
        assert (await station.start_transaction(time=200)).transaction_id == 2


async def test_a_transaction_runs_on_though_no_value_was_stored(rig, start):
    """A kill between the answer and the next flush of the values."""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.settle()
        rig.last_values._changed.clear()
    rig.last_values._changed.clear()
    await rig.stop()
    rig = await start()
    assert rig.values(TX, "Active", "Id", "Start.Time") == {"Active": True, "Id": "1", "Start.Time": START}


async def test_a_stop_that_was_stored_ends_it_though_the_values_were_not(rig, start):
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.settle()
        rig.last_values.flush_all()
        await station.stop_transaction(1)
        await station.settle()
        rig.last_values._changed.clear()
    rig.last_values._changed.clear()
    await rig.stop()
    rig = await start()
    assert rig.values(TX, "Active", "Id", "IdTag") == {"Active": False, "Id": "", "IdTag": ""}


async def test_scripts_points_and_configuration_come_back(start):
    script = "async def authorize(self, r): await r.station.write('Custom.Limit', 11.5)"
    rig = await start(script, ocpp={"read_configuration": True})
    async with rig.station(boot=False) as station:
        key = {"key": "MeterValueSampleInterval", "readonly": False, "value": "60"}
        station.answers["GetConfiguration"] = {"configurationKey": [key]}
        await station.boot()
        await station.call(call.Authorize("T"))
        await rig.until(lambda: rig.tree.find("CP1")[0].slot("Configuration.MeterValueSampleInterval"))
    await rig.stop()
    rig = await start(script)
    assert rig.value("CP1.Custom.Limit") == 11.5
    assert rig.quality("CP1.Custom.Limit") is Quality.GOOD
    assert rig.value("CP1.Configuration.MeterValueSampleInterval") == "60"
    assert rig.quality("CP1.Configuration.MeterValueSampleInterval") is Quality.LAST


async def test_nothing_is_stored_of_a_station_that_says_nothing_new(rig):
    async with rig.station() as station:
        await station.settle()
        rig.last_values.flush_all()
        assert rig.last_values._changed == {}
