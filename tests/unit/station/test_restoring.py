"""What a bridge shows that was killed: the store is right, whatever of it had been shown and kept as last values."""

import asyncio
import sqlite3

import pytest
from ocpp.v16 import call

from bridge.errors import Refused
from bridge.points.rows import Row, Type
from bridge.points.tree import Group, Quality, Tree
from bridge.station.model import bridge_layout
from bridge.station.restoring import restore_values
from bridge.store.rows import INTERRUPTED
from tests.unit.station.rig import MODELS, SILENT, START, TABLE, WAIT, at
from tests.unit.station.test_version_2 import CONFIG, TOKEN, connected, meter, reported, variable
from tests.unit.store.helpers import settled

TX = "CP1.Connector1.Transaction"


# OCPP 1.6


async def test_a_transaction_that_ended_is_shown_though_no_value_was_kept(rig, killed):
    """D01 D02"""
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.stop_transaction(1, meter=600, time=60, reason="EVDisconnected", id_tag="TAG")
        rig = await killed(rig)
    assert rig.values(TX, "Active", "Id", "IdTag", "Energy") == {
        "Active": False,
        "Id": "",
        "IdTag": "",
        "Energy": 500.0,
    }
    assert rig.values(f"{TX}.Start", "Id", "IdTag", "MeterStart", "Time", "Authorization") == {
        "Id": "1",
        "IdTag": "TAG",
        "MeterStart": 100.0,
        "Time": START,
        "Authorization": "Accepted",
    }
    assert rig.values(f"{TX}.Stop", "Id", "IdTag", "Reason", "MeterStop", "Energy", "Time") == {
        "Id": "1",
        "IdTag": "TAG",
        "Reason": "EVDisconnected",
        "MeterStop": 600.0,
        "Energy": 500.0,
        "Time": START + 60,
    }
    assert rig.sample(f"{TX}.Stop.Id")[1:] == (Quality.LAST, START + 60, START)


async def test_the_last_end_is_shown_and_not_the_one_before_that_was_kept(rig, killed):
    async with rig.station() as station:
        for number, (start, stop) in enumerate([(0, 60), (100, 160), (200, 260)], 1):
            await station.start_transaction(meter=number * 1000, time=start)
            await station.stop_transaction(number, meter=number * 1000 + number, time=stop)
            await station.settle()
            if number == 1:
                rig.last_values.flush_all()
        await station.start_transaction(meter=9000, time=300)
        await station.stop_transaction(4, meter=9004, time=360)
        await station.start_transaction(connector=2, meter=7000, time=300)
        rig = await killed(rig)
    assert rig.values(TX, "Stop.Id", "Stop.Energy", "Start.Id", "Active") == {
        "Stop.Id": "4",
        "Stop.Energy": 4.0,
        "Start.Id": "4",
        "Active": False,
    }
    second = "CP1.Connector2.Transaction"
    assert rig.values(second, "Active", "Id", "Start.Id", "Stop.Id") == {
        "Active": True,
        "Id": "5",
        "Start.Id": "5",
        "Stop.Id": None,
    }


async def test_an_end_and_a_start_after_it_are_both_shown(rig, killed):
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.stop_transaction(1, meter=600)
        await station.start_transaction(meter=600, time=100)
        rig = await killed(rig)
    assert rig.values(TX, "Active", "Id", "Start.Id", "Start.MeterStart", "Stop.Id", "Stop.Energy") == {
        "Active": True,
        "Id": "2",
        "Start.Id": "2",
        "Start.MeterStart": 600.0,
        "Stop.Id": "1",
        "Stop.Energy": 500.0,
    }


async def test_a_stop_that_comes_again_after_a_kill_is_shown_with_its_data(rig, killed):
    """D03: it was stored, and the bridge was killed before it was answered."""
    data = [{"timestamp": at(59), "sampledValue": [{"value": "33", "measurand": "Temperature"}]}]
    async with rig.station() as station:
        await station.start_transaction(meter=100)
        await station.stop_transaction(1, meter=600, transaction_data=data)
        rig = await killed(rig)
    async with rig.station() as station:
        await station.stop_transaction(1, meter=600, transaction_data=data)
        await station.settle()
    assert rig.values(TX, "Active", "Id", "IdTag", "Stop.Id", "Stop.Energy") == {
        "Active": False,
        "Id": "",
        "IdTag": "",
        "Stop.Id": "1",
        "Stop.Energy": 500.0,
    }
    assert rig.value("CP1.Connector1.MeterValues.Temperature") == 33.0


async def test_what_the_station_has_not_repeated_is_not_good(rig, start):
    """A station whose clock is a day ahead: its times are not those of the bridge."""
    async with rig.station() as station:
        await station.start_transaction(time=86_400)
    rig.last_values._changed.clear()
    await rig.stop()
    rig = await start()
    async with rig.station(boot=False):
        for key in ("Active", "Id", "Start.Id", "Start.IdTag", "Start.Time"):
            sample = rig.sample(f"{TX}.{key}")
            assert (sample.quality, sample.source_time, sample.server_time) == (Quality.LAST, START, START), key
        assert rig.value(f"{TX}.Start.Time") == START + 86_400


async def test_a_clock_that_was_right_is_believed_at_once_after_a_restart(rig, start):
    """The first message may be an old one: a status that was taken on a while ago."""
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Charging", timestamp=at(0)))
        await station.settle()
        rig.tick()
    await rig.stop()
    rig = await start()
    rig.now += 900
    async with rig.station(boot=False) as station:
        await station.call(call.StatusNotification(1, "NoError", "Finishing", timestamp=at(500)))
        await station.settle()
        assert rig.sample("CP1.Connector1.Status.State")[1:] == (Quality.GOOD, START + 500, START + 900)


# OCPP 2.x


async def charge(station, transaction: str, start: float, *, ends: bool = True, evse: int = 1) -> None:
    """A charge of 500 Wh that takes a minute."""
    info, at_evse = {"transactionId": transaction}, {"id": evse, "connectorId": 1}
    first = meter(1000, start, context="Transaction.Begin")
    await station.event("Started", 0, start, info, evse=at_evse, idToken=TOKEN, meterValue=first)
    if ends:
        last = meter(1500, start + 60, context="Transaction.End")
        await station.event("Ended", 1, start + 60, info | {"stoppedReason": "EVDisconnected"}, meterValue=last)


async def test_a_transaction_of_2_that_ended_is_shown_though_no_value_was_kept(start, killed):
    """D01 D02"""
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await charge(station, "T1", 0)
        await charge(station, "T2", 100)
        await station.settle()
        rig = await killed(rig, ocpp=CONFIG)
    assert rig.values(TX, "Active", "Id", "IdTag", "Energy") == {
        "Active": False,
        "Id": "",
        "IdTag": "",
        "Energy": 500.0,
    }
    assert rig.values(f"{TX}.Start", "Id", "IdTag", "MeterStart", "Time") == {
        "Id": "T2",
        "IdTag": "04A2B3",
        "MeterStart": 1000.0,
        "Time": START + 100,
    }
    assert rig.values(f"{TX}.Stop", "Id", "Reason", "MeterStop", "Energy", "Time") == {
        "Id": "T2",
        "Reason": "EVDisconnected",
        "MeterStop": 1500.0,
        "Energy": 500.0,
        "Time": START + 160,
    }
    assert rig.sample(f"{TX}.Stop.Id")[1:] == (Quality.LAST, START + 160, START)


async def test_an_end_of_2_that_was_kept_as_a_last_value_is_not_replaced_by_an_older_one(start, killed):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await charge(station, "T1", 0)
        await charge(station, "T2", 100)
        await station.settle()
    rig.last_values.flush_all()
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    assert rig.value(f"{TX}.Stop.Id") == rig.value(f"{TX}.Start.Id") == "T2"
    async with connected(rig) as station:
        await charge(station, "T3", 200, evse=2)
        rig = await killed(rig, ocpp=CONFIG)
    assert rig.value(f"{TX}.Stop.Id") == "T2"
    assert rig.value("CP1.Connector2.Transaction.Stop.Id") == "T3"


async def test_each_connectors_last_end_of_2_is_shown_however_many_came_at_others_since(start, killed):
    """D02: more than are kept in memory, all told within the seconds whose values a kill takes."""
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await charge(station, "FIRST", 0)
        for number in range(1, 30):
            await charge(station, f"T{number}", 100 * number, evse=2)
        await station.settle()
        rig = await killed(rig, ocpp=CONFIG)
    assert rig.value(f"{TX}.Stop.Id") == "FIRST"
    assert rig.value("CP1.Connector2.Transaction.Stop.Id") == "T29"


async def test_each_connectors_end_of_2_is_shown_where_only_a_later_one_of_another_was_kept(start):
    """D02"""
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await charge(station, "A", 3600, evse=1)
        await charge(station, "B", 0, evse=2)
        await charge(station, "C", 7200, evse=1)
        await charge(station, "D", 10800, evse=1, ends=False)
        await station.settle()
    await rig.stop()
    with sqlite3.connect(start.path) as db:
        db.execute("DELETE FROM group_values WHERE path = 'CP1.Connector2'")
    rig = await start(ocpp=CONFIG)
    assert rig.values(TX, "Active", "Id", "Start.Id", "Stop.Id") == {
        "Active": True,
        "Id": "D",
        "Start.Id": "D",
        "Stop.Id": "C",
    }
    assert rig.value("CP1.Connector2.Transaction.Stop.Id") == "B"


async def test_what_a_station_of_2_has_not_repeated_is_not_good(start, killed):
    """Its clock is a day ahead."""
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await charge(station, "T1", 86_400, ends=False)
        rig = await killed(rig, ocpp=CONFIG)
    async with connected(rig, boot=False):
        for key in ("Active", "Id", "Start.Id", "Start.IdTag", "Start.Time"):
            sample = rig.sample(f"{TX}.{key}")
            assert (sample.quality, sample.source_time, sample.server_time) == (Quality.LAST, START, START), key


CTRLR = "CP1.Configuration.Ctrlr"


async def reports(station, request: int, *entries: dict) -> None:
    await station.call("NotifyReport", reported(request, 0, False, *entries))
    await station.settle()


async def test_a_device_model_is_there_after_a_restart_and_can_be_written(start):
    """B07: with the rows as the station described them, also of variables that have no value."""
    rig = await start(ocpp=CONFIG)
    other = variable("A_B", "second")  # its path is the same as that of A.B but for the twin's number
    async with connected(rig) as station:
        entries = [
            variable("A", "5", unit="A", minLimit=0, maxLimit=32),
            variable("A.B", "first", "string"),
            {**other, "variableCharacteristics": {"dataType": "string", "supportsMonitoring": False}},
            variable("Mode", "Eco", "OptionList", valuesList="Eco,Fast"),
            variable("Key", "", "string", mutability="WriteOnly"),
            variable("Fixed", "1", mutability="ReadOnly"),
        ]
        await reports(station, 7, *entries)
    rig.last_values.flush_all()
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    assert rig.values(CTRLR, "A", "A_B", "A_B~2", "Mode", "Fixed", "Key") == {
        "A": 5,
        "A_B": "first",
        "A_B~2": "second",
        "Mode": "Eco",
        "Fixed": 1,
        "Key": None,
    }
    assert rig.quality(f"{CTRLR}.A") is Quality.LAST
    group, slot = rig.point(f"{CTRLR}.A")
    row = group.row(slot)
    assert (row.type, row.unit, row.range, row.writable) == (Type.INT32, "A", (0.0, 32.0), True)
    with pytest.raises(Refused, match="cannot be written"):
        rig.write(f"{CTRLR}.Fixed", 2)
    async with connected(rig, boot=False) as station:
        with pytest.raises(Refused, match="must be of Eco, Fast"):
            rig.write(f"{CTRLR}.Mode", "Slow")
        rig.write(f"{CTRLR}.A_B~2", "x")
        action, payload = await station.command()
        assert (action, payload["setVariableData"][0]["variable"]) == ("SetVariables", {"name": "A_B"})
        await reports(station, 8, *entries[::-1])
        assert rig.values(CTRLR, "A_B", "A_B~2") == {"A_B": "first", "A_B~2": "second"}


async def test_a_variable_that_a_new_firmware_has_not_got_waits_for_a_value_and_does_not_come_back(start):
    rig = await start(ocpp={**CONFIG, "read_configuration": True})
    for number, names in enumerate([("A", "B"), ("B", "C")]):
        async with connected(rig, boot=False) as station:
            await station.boot(firmwareVersion=f"{number}.0")
            _, asked = await station.command()
            await reports(station, asked["requestId"], *(variable(name, "1") for name in names))
        rig.now += 20
        rig.idle += 20
    assert rig.sample(f"{CTRLR}.A")[:2] == (None, Quality.WAITING)
    assert rig.values(CTRLR, "B", "C") == {"B": 1, "C": 1}
    rig.last_values.flush_all()
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    assert rig.tree.find("CP1")[0].slot("Configuration.Ctrlr.A") is None
    assert rig.values(CTRLR, "B", "C") == {"B": 1, "C": 1}


async def test_a_variable_has_the_type_that_a_new_firmware_gave_it_after_a_restart(start):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await reports(station, 7, variable("A", "5"))
        rig.idle += 20
        await reports(station, 8, variable("A", "five", "string"))
        assert rig.quality(f"{CTRLR}.A") is Quality.SUBNORMAL
    rig.last_values.flush_all()
    await rig.stop()
    rig = await start(ocpp=CONFIG)
    assert rig.sample(f"{CTRLR}.A")[:2] == (None, Quality.WAITING)
    async with connected(rig) as station:
        await reports(station, 9, variable("A", "five", "string"))
        assert rig.sample(f"{CTRLR}.A")[:2] == ("five", Quality.GOOD)


async def test_stations_that_report_the_same_have_one_device_model_in_the_store(start):
    rig = await start(ocpp=CONFIG)
    for path in ("CP1", "CP2", "CP3"):
        async with connected(rig, path=path) as station:
            await reports(station, 7, variable("A", "5"), variable("B" if path == "CP3" else "C", "5"))
    await rig.stop()
    with sqlite3.connect(start.path) as db:
        assert db.execute("SELECT count(*) FROM device_models").fetchone() == (2,)
    rig = await start(ocpp=CONFIG)
    for path in ("CP1", "CP2", "CP3"):
        assert rig.tree.find(path)[0].slot("Configuration.Ctrlr.A") is not None


# Rows


@pytest.fixture
def group() -> Group:
    tree = Tree(bridge_layout(TABLE))
    return tree.add_station("CP1", "CP1", MODELS["1.6"].station.layout)


def row(key: str, type_: str) -> Row | None:
    folder, _, name = key.partition(".")
    if folder != "Custom":
        return None
    return Row(folder=folder, name=name, type=Type(type_), description="x")


def restore(group: Group, *values: tuple[object, ...]) -> None:
    restore_values(Tree(bridge_layout(TABLE)), group, values, row)  # type: ignore[arg-type]


@pytest.mark.parametrize("quality", ["GOOD", "LAST", "SUBNORMAL"])
def test_a_value_comes_back_with_its_quality_and_both_times(group, quality):
    restore(group, ("Info.Vendor", "String", "V", quality, 5.0, 6.0))
    slot = group.slot("Info.Vendor")
    expected = Quality.SUBNORMAL if quality == "SUBNORMAL" else Quality.LAST
    assert group.sample(slot) == ("V", expected, 5.0, 6.0)


def test_a_quality_that_is_not_known_any_more_is_the_last_value(group):
    restore(group, ("Info.Vendor", "String", "V", "SPLENDID", 5.0, 6.0))
    assert group.sample(group.slot("Info.Vendor")).quality is Quality.LAST


def test_each_value_keeps_its_own_times(group):
    restore(
        group,
        ("Info.Vendor", "String", "V", "LAST", 5.0, 6.0),
        ("Info.Model", "String", "M", "LAST", 5.0, 7.0),
        ("Info.SerialNumber", "String", "S", "LAST", None, 7.0),
    )
    times = [group.sample(group.slot(f"Info.{name}"))[2:] for name in ("Vendor", "Model", "SerialNumber")]
    assert times == [(5.0, 6.0), (5.0, 7.0), (None, 7.0)]


def test_a_point_that_came_at_run_time_comes_back_with_its_row(group):
    restore(group, ("Custom.Limit", "Double", 11.5, "GOOD", 5.0, 6.0))
    slot = group.slot("Custom.Limit")
    assert (group.row(slot).type, group.sample(slot).value) == (Type.DOUBLE, 11.5)


def test_what_has_no_row_any_more_is_left_out(group):
    restore(group, ("Vendor.Gone", "String", "x", "LAST", 5.0, 6.0), ("Info.Vendor", "String", "V", "LAST", 5.0, 6.0))
    assert group.slot("Vendor.Gone") is None
    assert group.value("Info.Vendor") == "V"


def test_a_value_of_another_type_is_left_out(group):
    restore(group, ("Info.Vendor", "Double", 1.5, "LAST", 5.0, 6.0), ("State.ClockOffset", "String", "x", "LAST", 5, 6))
    assert group.value("Info.Vendor") is None
    assert group.sample(group.slot("Info.Vendor")).quality is Quality.WAITING
    assert group.value("State.ClockOffset") is None


# Commands


async def test_how_the_last_command_ended_is_shown_after_a_restart_and_the_count_goes_on(rig, start):
    """An HMI tells two equal results apart by Result.Id."""
    reset, unlock = "CP1.Commands.Reset", "CP1.Connector1.Commands.UnlockConnector"
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        station.answers["UnlockConnector"] = {"status": "NotSupported"}
        for number in (1, 2):
            rig.write(f"{reset}.Request", '{"type": "Soft"}')
            await rig.ended(reset, number)
        rig.write(f"{unlock}.Execute", True)
        ended = await rig.ended(unlock, 1)
    await rig.stop()
    rig = await start()
    assert rig.values(f"{reset}.Result", "Id", "StateText", "Status", "Response", "User", "Time") == {
        "Id": 2,
        "StateText": "Accepted",
        "Status": "Accepted",
        "Response": '{"status":"Accepted"}',
        "User": "anna",
        "Time": START,
    }
    assert rig.values(f"{unlock}.Result", *ended) == ended
    assert rig.quality(f"{unlock}.Result.State") is Quality.GOOD
    async with rig.station() as station:
        rig.write(f"{reset}.Request", '{"type": "Soft"}')
        await rig.ended(reset, 3)


async def test_a_command_that_a_kill_interrupted_has_failed(rig, killed):
    """D10"""
    async with rig.station() as station:
        station.answers["Reset"] = SILENT
        rig.write("CP1.Commands.Reset.Request", '{"type": "Soft"}')
        await station.command()
        async with asyncio.timeout(WAIT):
            while rig.store.queue_length:  # noqa: ASYNC110 - the writer's thread sets no asyncio.Event
                await asyncio.sleep(0.005)
        rig = await killed(rig)
    result = rig.values("CP1.Commands.Reset.Result", "Id", "StateText", "Error")
    assert result == {"Id": 1, "StateText": "Failed", "Error": INTERRUPTED}


async def test_a_status_of_long_ago_keeps_its_time_after_a_restart(rig, killed):
    """B16, U30: how far off its clock is was known before, so that an old message is not taken for a new one."""
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Charging", timestamp=at(0)))
        await station.settle()
        rig.tick()
        rig.last_values.flush_all()
        await settled(rig.store)
        rig = await killed(rig)
    async with rig.station() as station:
        await station.call(call.StatusNotification(2, "NoError", "Faulted", timestamp=at(-3600)))
        await station.settle()
        assert rig.sample("CP1.Connector2.Status.State")[1:3] == (Quality.GOOD, START - 3600)
