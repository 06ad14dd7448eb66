"""Registration: what a boot is answered, by whom it was decided, and what follows from it."""

import asyncio
import json
import sqlite3
from contextlib import closing, contextmanager

import pytest
from ocpp.v16 import call

from bridge.errors import Refused
from bridge.store.store import Store
from tests.unit.station.rig import WAIT, ask, at
from tests.unit.store.helpers import until

STATUS = "CP1.Config.RegistrationStatus"
START = "CP1.Commands.RemoteStartTransaction"
ACCEPTED, PENDING, REJECTED = 0, 1, 2
BEAT = [2, "b", "Heartbeat", {}]


def refusal(work) -> str:
    with pytest.raises(Refused) as caught:
        work()
    return caught.value.status


@pytest.mark.parametrize(
    ("policy", "status", "interval"),
    [("accept", "Accepted", 300), ("pending", "Pending", 30), ("reject", "Rejected", 30)],
)
async def test_an_unknown_station_is_answered_as_the_policy_says(start, policy, status, interval):
    rig = await start(stations={"unknown": policy})
    async with rig.station(boot=False) as station:
        answer = await station.boot()
        assert (answer.status, answer.interval) == (status, interval)
        assert rig.value(f"{STATUS}Text") == status


@pytest.mark.parametrize("policy", ["pending", "reject", "refuse"])
async def test_a_declared_station_is_accepted_whatever_the_policy(start, policy):
    rig = await start(stations={"unknown": policy}, station=[{"id": "CP1"}])
    async with rig.station(boot=False) as station:
        assert (await station.boot()).status == "Accepted"


@pytest.mark.parametrize("restart", [False, True])
async def test_an_operators_decision_is_what_the_next_boot_is_answered(start, restart):
    rig = await start(stations={"unknown": "pending"})
    async with rig.station() as station:
        rig.write(STATUS, ACCEPTED)
        assert rig.value(f"{STATUS}Text") == "Accepted"
        if not restart:
            assert (await station.boot()).status == "Accepted"
    if restart:
        await rig.stop()
        rig = await start(stations={"unknown": "pending"})
        async with rig.station(boot=False) as station:
            assert (await station.boot()).status == "Accepted"


async def test_a_pending_station_that_was_accepted_takes_a_remote_start_once_it_knows(start):
    """B02"""
    rig = await start(stations={"unknown": "pending"})
    async with rig.station() as station:
        rig.write(STATUS, ACCEPTED)
        rig.write(f"{START}.IdTag", "T")
        assert refusal(lambda: rig.write(f"{START}.Execute", True)) == "BadInvalidState"
        await station.boot()
        rig.write(f"{START}.Execute", True)
        assert (await rig.ended(START))["StateText"] == "Accepted"


@pytest.mark.parametrize(("status", "others"), [(PENDING, True), (REJECTED, False)])
async def test_withdrawing_a_registration_stops_commands_at_once(rig, status, others):
    """B02 B04: but what the station sends is taken until it has learnt of it, its running transaction above all."""
    async with rig.station() as station:
        await station.start_transaction()
        rig.write(STATUS, status)
        assert refusal(lambda: rig.write(f"{START}.Request", '{"idTag":"T"}')) == "BadInvalidState"
        assert rig.value(f"{START}.Result.StateText") == "Idle"
        if others:
            assert (await rig.call("CP1.Commands.ClearCache"))[0] == "Accepted"
        else:
            assert refusal(lambda: rig.write("CP1.Commands.ClearCache.Execute", True)) == "BadInvalidState"
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Invalid"}
        await station.stop_transaction(1, meter=300)
        await station.settle()
        assert rig.value("CP1.Connector1.Transaction.Stop.Energy") == 200.0
        assert (await station.boot()).status == ("Accepted", "Pending", "Rejected")[status]


async def test_a_pending_station_stays_connected_and_charges_nobody(start):
    """B01 B02"""
    rig = await start(stations={"unknown": "pending"})
    async with rig.station() as station:
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Invalid"}
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        await station.settle()
        assert rig.value("CP1.Connector1.Status.StateText") == "Available"
        with pytest.raises(Refused) as caught:
            await rig.call(START, "T")
        assert caught.value.status == "BadInvalidState"
        assert (await rig.call("CP1.Commands.ClearCache"))[0] == "Accepted"


async def test_strict_a_pending_station_sends_what_it_was_asked_for_and_nothing_else(start):
    """B01 B03"""
    rig = await start(stations={"unknown": "pending"}, ocpp={"validation": "strict"})
    status = [2, "s", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}]
    async with rig.socket() as socket:
        boot = {"chargePointVendor": "V", "chargePointModel": "M"}
        assert (await ask(socket, [2, "1", "BootNotification", boot]))[2]["status"] == "Pending"
        assert (await ask(socket, status))[:3] == [4, "s", "SecurityError"]
        trigger = asyncio.create_task(rig.call("CP1.Commands.TriggerMessage", "StatusNotification"))
        kind, number, action, _ = json.loads(await socket.recv())
        assert (kind, action) == (2, "TriggerMessage")
        status[1] = "t"
        await socket.send(f'[3,"{number}",{{"status":"Accepted"}}]')
        assert await ask(socket, status) == [3, "t", {}]
        await trigger
        assert (await ask(socket, BEAT))[2] == "SecurityError"


async def test_a_rejected_station_is_taken_nothing_from_and_sent_nothing(start):
    """B04"""
    rig = await start(stations={"unknown": "reject"})
    async with rig.socket() as socket:
        boot = {"chargePointVendor": "V", "chargePointModel": "M"}
        assert (await ask(socket, [2, "1", "BootNotification", boot]))[2]["status"] == "Rejected"
        payload = {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": at()}
        assert (await ask(socket, [2, "2", "StartTransaction", payload]))[2] == "SecurityError"
        assert (await ask(socket, BEAT))[2] == "SecurityError"
        for command in ("ClearCache", "TriggerMessage", "RemoteStartTransaction"):
            with pytest.raises(Refused):
                await rig.call(f"CP1.Commands.{command}", *["Heartbeat"] * (command != "ClearCache"))
        assert rig.quality("CP1.State.LastHeartbeat").name == "WAITING"
    assert list(rig.store.transactions()) == []


async def test_a_reconnect_without_a_boot_keeps_the_registration(start):
    """B05"""
    rig = await start(stations={"unknown": "reject"})
    async with rig.station():
        pass
    async with rig.socket() as socket:
        assert (await ask(socket, BEAT))[2] == "SecurityError"
    rig.write(STATUS, ACCEPTED)
    async with rig.socket() as socket:
        assert (await ask(socket, BEAT))[0] == 3


async def test_a_script_decides_about_a_boot(start):
    rig = await start(
        """
        async def boot_notification(self, request):
            if request.vendor == "Vendor" and request.model == "Model":
                return BootNotificationAnswer(status="Pending", interval=17)
        """
    )
    async with rig.station(boot=False) as station:
        answer = await station.boot()
        assert (answer.status, answer.interval) == ("Pending", 17)
        assert refusal(lambda: rig.write("CP1.Commands.RemoteStartTransaction.Request", '{"idTag":"T"}')) == (
            "BadInvalidState"
        )
        assert rig.value(f"{STATUS}Text") == "Accepted"  # what the operator says stays his own
        assert (await station.call(call.BootNotification("Other", "Vendor"))).status == "Accepted"


async def test_another_process_decides_about_a_station(rig, start):
    """`ocpp-bridge stations reject CP1`"""
    async with rig.station() as station:
        await station.settle()
        editor = Store.edit(start.path)
        assert editor.set_registration("CP1", "Rejected")
        editor.close()
        edits = None
        async with asyncio.timeout(WAIT):
            while edits is None:
                edits = rig.store.poll_external()
                await asyncio.sleep(0.01)
        rig.stations.take_edits(edits)
        assert rig.value(f"{STATUS}Text") == "Rejected"
        assert refusal(lambda: rig.write("CP1.Commands.ClearCache.Execute", True)) == "BadInvalidState"
        assert (await station.boot()).status == "Rejected"


async def test_of_two_quick_decisions_the_last_is_kept(rig, start):
    async with rig.station():
        for status in (REJECTED, PENDING, REJECTED, ACCEPTED, PENDING):
            rig.write(STATUS, status)
    await rig.stop()
    rig = await start()
    assert rig.value(f"{STATUS}Text") == "Pending"


@contextmanager
def refusing(path):
    """The store takes no change of a station, as on a full disk."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON stations BEGIN SELECT RAISE(ABORT, 'full'); END")
        db.commit()
        yield
        db.execute("DROP TRIGGER full")
        db.commit()


@pytest.mark.parametrize("again", ["boot", "tick"])
async def test_a_decision_that_the_disk_refused_is_stored_when_it_takes_writes_again(rig, start, again):
    async with rig.station() as station:
        with refusing(start.path):
            rig.write(STATUS, REJECTED)
            await asyncio.gather(*rig.context.background)
        assert rig.value(f"{STATUS}Text") == "Rejected"
        if again == "boot":
            assert (await station.boot()).status == "Rejected"
        else:
            rig.tick()
            await asyncio.gather(*rig.context.background)
    await rig.stop()
    rig = await start()
    assert rig.value(f"{STATUS}Text") == "Rejected"


async def test_an_edit_after_a_decision_that_the_disk_refused_is_the_last_word(rig, start):
    """By another process: the bridge has not noticed it when it tries to store its own decision again."""
    async with rig.station():
        with refusing(start.path):
            rig.write(STATUS, REJECTED)
            await asyncio.gather(*rig.context.background)
        with Store.edit(start.path) as editor:
            assert editor.set_registration("CP1", "Pending")
        rig.tick()
        await asyncio.gather(*rig.context.background)
        rig.stations.take_edits(await until(rig.store.poll_external))
        assert rig.value(f"{STATUS}Text") == "Pending"
    await rig.stop()
    rig = await start()
    assert rig.value(f"{STATUS}Text") == "Pending"


@pytest.mark.parametrize("value", [3, -1, None])
async def test_a_status_that_there_is_not_is_refused(rig, value):
    async with rig.station():
        assert refusal(lambda: rig.write(STATUS, value)) == "BadOutOfRange"
        assert rig.value(f"{STATUS}Text") == "Accepted"


# --- the heartbeat interval ---


async def test_the_heartbeat_interval_is_told_at_once_and_with_the_next_boot(rig, start):
    async with rig.station() as station:
        rig.write("CP1.Config.HeartbeatInterval", 60)
        assert await station.command() == ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
        assert (await station.boot()).interval == 60
        await rig.ended("CP1.Commands.ChangeConfiguration")
        rig.idle += 121
        rig.tick()
        assert rig.value("CP1.State.Stale") is True
    await rig.stop()
    rig = await start()
    assert rig.value("CP1.Config.HeartbeatInterval") == 60
    rig.write("CP1.Config.HeartbeatInterval", 90)  # of a station that is away
    async with rig.station(boot=False) as station:
        assert (await station.boot()).interval == 90


async def test_a_station_that_may_not_be_told_learns_its_interval_with_its_boot(start):
    rig = await start(stations={"unknown": "reject"})
    async with rig.station() as station:
        rig.write("CP1.Config.HeartbeatInterval", 60)
        rig.write(STATUS, ACCEPTED)
        assert (await station.boot()).interval == 60
        assert station.commands == []


@pytest.mark.parametrize("value", [0, -1, 86401, None])
async def test_an_interval_out_of_range_is_refused(rig, value):
    async with rig.station():
        assert refusal(lambda: rig.write("CP1.Config.HeartbeatInterval", value)) == "BadOutOfRange"
        assert rig.value("CP1.Config.HeartbeatInterval") == 300
