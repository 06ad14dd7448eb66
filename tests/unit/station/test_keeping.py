"""What 2.x stations said before a restart and no point shows: it counts afterwards, until they say otherwise."""

import json
import sqlite3
from contextlib import closing

import pytest

from bridge.points.tree import Quality
from bridge.station.keeping import KEEP_AFTER
from tests.unit.station.rig import START, at
from tests.unit.station.test_version_2 import CONFIG, EVSE, TOKEN, connected, reported, variable
from tests.unit.store.helpers import settled

TX = "CP1.Connector1.Transaction"
STATE = "CP1.Connector1.Status.StateText"
ERROR = "CP1.Connector1.Status.ErrorCode"
NUMBER = "CP1.Configuration.Ctrlr.Number"


@pytest.fixture
async def rig(start):
    return await start(ocpp=CONFIG)


async def restart(rig, start):
    await rig.stop()
    return await start(ocpp=CONFIG)


# Connectors


@pytest.mark.parametrize(("status", "charging"), [("Faulted", "SuspendedEVSE"), ("Unavailable", "Charging")])
@pytest.mark.parametrize("noted", [True, False])
async def test_what_an_operator_has_to_see_stays_after_a_restart(rig, start, status, charging, noted):
    """Until a status says otherwise; also where the store is one of before there were notes."""
    async with connected(rig) as station:
        await station.event("Started", 0, 0, {"chargingState": charging}, evse=EVSE, idToken=TOKEN)
        await station.status(status, 1)
        await station.settle()
    await rig.stop()
    if not noted:
        with closing(sqlite3.connect(start.path)) as db, db:
            db.execute("DELETE FROM station_notes")
    rig = await start(ocpp=CONFIG)
    assert (rig.value(STATE), rig.quality(STATE)) == (status, Quality.LAST)
    async with connected(rig) as station:
        await station.event("Updated", 1, 2, {"chargingState": charging})
        await station.settle()
        assert (rig.value(STATE), rig.value(f"{TX}.Active")) == (status, True)
        await station.event("Ended", 2, 3)
        await station.settle()
        assert (rig.value(STATE), rig.value(f"{TX}.Active")) == (status, False)
        await station.status("Available", 4)
        await station.settle()
        assert rig.value(STATE) == "Available"


async def test_a_connector_does_not_charge_any_more_when_its_transaction_ends_after_a_restart(rig, start):
    async with connected(rig) as station:
        await station.status("Occupied", 0)
        await station.event("Started", 0, 1, {"chargingState": "Charging"}, evse=EVSE, idToken=TOKEN)
        await station.settle()
    rig = await restart(rig, start)
    async with connected(rig) as station:
        await station.event("Ended", 1, 2)
        await station.settle()
        assert rig.value(STATE) == "Finishing"
    rig = await restart(rig, start)
    assert rig.value(STATE) == "Finishing"


async def test_a_state_that_was_not_among_the_last_values_is_shown_after_a_kill(rig, killed):
    async with connected(rig) as station:
        await station.status("Occupied", 0)
        await station.event("Started", 0, 1, {"chargingState": "Charging"}, evse=EVSE, idToken=TOKEN)
        await station.settle()
        await settled(rig.store)
        rig = await killed(rig, ocpp=CONFIG)
    assert (rig.value(STATE), rig.quality(STATE)) == ("Charging", Quality.LAST)


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_a_station_said_before_it_spoke_16_is_no_more(rig, start, restarts):
    async with connected(rig, "2.1") as station:
        await station.status("Faulted", 0)
        await station.settle()
    if restarts:
        rig = await restart(rig, start)
    async with rig.station() as station:
        await station.settle()
    if restarts:
        rig = await restart(rig, start)
    async with connected(rig, "2.1") as station:
        await station.event("Started", 0, 1, {"chargingState": "Charging"}, evse=EVSE, idToken=TOKEN)
        await station.settle()
        assert rig.value(STATE) == "Charging"


# The version


async def test_a_status_of_a_station_whose_clock_is_a_day_ahead_has_our_time_after_a_kill(rig, killed):
    """D09: and what it says next, with its clock set right, is newer."""
    day = 86_400
    async with connected(rig) as station:
        await station.event("Started", 0, day, {"chargingState": "Charging"}, evse=EVSE, idToken=TOKEN)
        await station.settle()
        await settled(rig.store)
        rig = await killed(rig, ocpp=CONFIG)
    shown = rig.sample(STATE)
    assert (shown.value, shown.quality) == ("Charging", Quality.LAST)
    assert shown.source_time <= rig.now
    assert shown.server_time <= rig.now
    rig.now += 10
    async with connected(rig) as station:
        await station.event("Updated", 1, 10, {"chargingState": "SuspendedEV"}, evse=EVSE)
        await station.settle()
        assert rig.value(f"{TX}.ChargingState") == "SuspendedEV"
        assert rig.sample(STATE).server_time == rig.now


async def test_a_station_has_the_version_of_its_last_transaction_after_a_kill(rig, killed, monkeypatch):
    """Whatever waits to be written is lost."""
    async with rig.station() as station:
        await station.start_transaction()
        await station.settle()
    monkeypatch.setattr(rig.store, "put_station_soon", lambda record: None)
    async with connected(rig, "2.1") as station:
        await station.event("Started", 0, 1, evse=EVSE, idToken=TOKEN)
        await station.settle()
        rig = await killed(rig, ocpp=CONFIG)
    assert rig.known().spoken == "2.1"
    assert rig.values(TX, "Active", "Id") == {"Active": True, "Id": "T1"}


async def test_what_16_has_taken_the_place_of_has_ended_after_a_kill(rig, killed):
    async with connected(rig, "2.1") as station:
        await station.event("Started", 0, 0, evse=EVSE, idToken=TOKEN)
        await station.settle()
    async with rig.station() as station:
        number = (await station.start_transaction(time=60)).transaction_id
        rig = await killed(rig, ocpp=CONFIG)
    expected = {"Active": True, "Id": str(number), "Stop.Id": "T1", "Stop.Reason": "Unknown"}
    assert rig.values(TX, *expected) == expected


# The device model


@pytest.mark.parametrize("stops", [False, True])
async def test_a_report_that_comes_soon_after_another_is_kept(rig, start, killed, stops):
    async with connected(rig) as station:
        await station.call("NotifyReport", reported(1, 0, False, variable("A", "1")))
        await station.call("NotifyReport", reported(2, 0, False, variable("B", "2")))
        await station.settle()
        if not stops:
            rig.idle += KEEP_AFTER
            rig.tick()
            rig.last_values.flush_all()
            await settled(rig.store)
            rig = await killed(rig, ocpp=CONFIG)
    if stops:
        rig = await restart(rig, start)
    assert rig.values("CP1.Configuration.Ctrlr", "A", "B") == {"A": 1, "B": 2}


# Alerts


def alert(number: int, name: str, *, cleared: bool = False) -> dict:
    entry = {
        "eventId": number,
        "timestamp": at(number),
        "trigger": "Alerting",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": EVSE},
        "variable": {"name": name},
        "actualValue": "x",
        "techCode": f"{name}Code",
        "cleared": cleared,
    }
    return {"generatedAt": at(number), "seqNo": number, "eventData": [entry]}


async def test_an_alert_that_goes_on_is_shown_when_another_is_cleared_after_a_restart(rig, start):
    async with connected(rig) as station:
        await station.status("Occupied", 0)
        await station.call("NotifyEvent", alert(0, "Problem"))
        await station.call("NotifyEvent", alert(1, "ConnectorLock"))
        await station.settle()
    rig = await restart(rig, start)
    async with connected(rig, boot=False) as station:
        await station.call("NotifyEvent", alert(2, "ConnectorLock", cleared=True))
        await station.settle()
        assert rig.value(ERROR) == "ProblemCode"
        await station.call("NotifyEvent", alert(3, "Problem", cleared=True))
        await station.settle()
        assert rig.value(ERROR) == "NoError"


async def test_an_alert_of_before_its_station_has_booted_is_not_shown_again(rig):
    async with connected(rig) as station:
        await station.status("Occupied", 0)
        await station.call("NotifyEvent", alert(0, "Problem"))
        await station.boot()
        await station.call("NotifyEvent", alert(1, "ConnectorLock"))
        await station.call("NotifyEvent", alert(2, "ConnectorLock", cleared=True))
        await station.settle()
    assert rig.value(ERROR) == "NoError"


# Periodic streams

NAMED = {"component": {"name": "Ctrlr"}, "variable": {"name": "Number"}}


async def stream(station, value: str) -> None:
    data = {"id": 1, "pending": 0, "basetime": at(0), "data": [{"t": 0, "v": value}]}
    await station.socket.send(json.dumps([6, "s", "NotifyPeriodicEventStream", data]))
    await station.settle()


async def test_a_stream_goes_on_after_a_restart(rig, start):
    monitor = {"id": 3, "type": "Periodic", "severity": 9, "transaction": False, "value": 1}
    monitor["eventNotificationType"] = "CustomMonitor"
    told = {"requestId": 1, "seqNo": 0, "generatedAt": at(0), "monitor": [{**NAMED, "variableMonitoring": [monitor]}]}
    opened = {"constantStreamData": {"id": 1, "variableMonitoringId": 3, "params": {}}}
    async with connected(rig, "2.1") as station:
        await station.call("NotifyReport", reported(1, 0, False, variable("Number", "1")))
        await station.call("NotifyMonitoringReport", told)
        await station.call("OpenPeriodicEventStream", opened)
        await stream(station, "2")
        assert rig.value(NUMBER) == 2
    rig = await restart(rig, start)
    rig.now = START + 1
    async with connected(rig, "2.1") as station:
        await stream(station, "3")
        assert (rig.value(NUMBER), rig.quality(NUMBER)) == (3, Quality.GOOD)


async def test_a_stream_of_which_nothing_is_known_is_complained_of(rig):
    async with connected(rig, "2.1") as station:
        await stream(station, "3")
    assert "stream 1: which variable it brings is not known" in rig.value("CP1.State.LastError")
    assert rig.value("CP1.State.InvalidMessages") == 0
