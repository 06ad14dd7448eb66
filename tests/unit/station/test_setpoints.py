"""Setpoints that wait for their station when the bridge ends: they are sent after its restart."""

import asyncio
from typing import Any

import pytest
from ocpp.v16 import call

from bridge.errors import Refused, StationOffline
from bridge.points.tree import Quality
from bridge.points.values import to_json
from bridge.store.rows import INTERRUPTED
from bridge.store.store import Store
from tests.unit.commands.actions_2 import ACTIONS
from tests.unit.station.rig import SILENT, START, Rig, ask, at
from tests.unit.station.test_store_trouble import BOOT_2, refused
from tests.unit.station.test_version_2 import CONFIG, connected
from tests.unit.store.helpers import settled

CHANGE = "CP1.Commands.ChangeConfiguration"


async def set_while_busy(rig: Rig, station: Any, *values: str) -> None:
    """The station has been asked something that it does not answer; these settings wait behind it."""
    station.answers["ClearCache"] = SILENT
    rig.write("CP1.Commands.ClearCache.Execute", True)
    await station.command()
    for value in values:
        rig.write(f"{CHANGE}.Request", f'{{"key": "MeterValueSampleInterval", "value": "{value}"}}')


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_setpoint_that_waits_when_the_bridge_ends_is_sent_when_its_station_is_back(
    rig, start, killed, is_killed
):
    """D10: those that wait go out in their order, once; what has gone out is not sent again."""
    async with rig.station() as station:
        await set_while_busy(rig, station, "10", "20")
        if is_killed:
            await settled(rig.store)
            rig = await killed(rig)
        else:
            await rig.stop()
    rig = rig if is_killed else await start()
    result = rig.values(f"{CHANGE}.Result", "Id", "StateText", "User", "Time", "Error")
    assert result == {"Id": 2, "StateText": "Queued", "User": "anna", "Time": START, "Error": ""}
    rig.tick()
    assert rig.value(f"{CHANGE}.Result.StateText") == "Queued"
    async with rig.station() as station:
        rig.tick()
        await rig.ended(CHANGE, 2)
        assert [(action, payload["value"]) for action, payload in station.commands] == [
            ("ChangeConfiguration", "10"),
            ("ChangeConfiguration", "20"),
        ]
        rig.tick()
        rig.write("CP1.Commands.ClearCache.Execute", True)
        await rig.ended("CP1.Commands.ClearCache", 2)
        assert len(station.commands) == 3
    await settled(rig.store)
    assert list(rig.store.load_queued_commands()) == []


async def test_a_setpoint_that_a_station_has_got_is_not_sent_again_however_soon_the_bridge_is_killed(rig, killed):
    """D10: what was set meanwhile, by a call or at the station, must not go back."""
    async with rig.station() as station:
        station.answers["ChangeConfiguration"] = SILENT
        rig.write(f"{CHANGE}.Request", '{"key": "MeterValueSampleInterval", "value": "10"}')
        await station.command()
        rig = await killed(rig)
    assert rig.queue.held == {}
    result = rig.values(f"{CHANGE}.Result", "StateText", "Error")
    assert result == {"StateText": "Failed", "Error": INTERRUPTED}


async def test_a_setpoint_goes_out_though_the_disk_cannot_note_it(rig, monkeypatch):
    """D06"""
    async with rig.station() as station:
        await set_while_busy(rig, station, "10")
        monkeypatch.setattr(rig.store, "send_command", refused)
        await station._answer(station.silent["ClearCache"], {"status": "Accepted"})
        assert (await rig.ended(CHANGE))["StateText"] == "Accepted"
        assert [payload["value"] for _, payload in station.commands[1:]] == ["10"]
    await settled(rig.store)
    assert list(rig.store.load_queued_commands()) == []


async def test_what_waits_since_before_a_restart_goes_out_before_what_is_written_now(rig, start):
    async with rig.station() as station:
        await set_while_busy(rig, station, "10")
        await rig.stop()
    rig = await start()
    async with rig.station() as station:
        rig.write(f"{CHANGE}.Request", '{"key": "MeterValueSampleInterval", "value": "20"}')
        await rig.ended(CHANGE, 2)
        assert [payload["value"] for _, payload in station.commands] == ["10", "20"]


async def test_a_setpoint_does_not_wait_for_a_station_that_has_gone_nor_does_anything_else(rig, start):
    """B24: a disconnect ends what waits; and no restart brings it back, nor what is no setpoint, nor a secret."""
    async with rig.station() as station:
        await set_while_busy(rig, station, "10")
    assert (await rig.ended(CHANGE))["StateText"] == "Offline"
    async with rig.station() as station:
        await set_while_busy(rig, station)
        rig.write("CP1.Commands.Reset.Request", '{"type": "Soft"}')
        rig.write(f"{CHANGE}.Request", '{"key": "WiFiPassword", "value": "0123456789"}')
        calling = asyncio.create_task(rig.call(f"{CHANGE}", "HeartbeatInterval", "10"))
        await asyncio.sleep(0)
        await rig.stop()
        with pytest.raises(StationOffline):
            await calling
    rig = await start()
    assert rig.queue.held == {}
    for command in ("CP1.Commands.Reset", CHANGE):
        assert rig.value(f"{command}.Result.StateText") == "Offline"


async def test_a_setpoint_waits_until_its_station_may_be_sent_it(rig, start):
    """B04"""
    async with rig.station() as station:
        await set_while_busy(rig, station, "10")
        rig.write("CP1.Config.RegistrationStatus", 2)
        await settled(rig.store)
        await rig.stop()
    rig = await start()
    async with rig.station() as station:
        rig.tick()
        assert rig.value(f"{CHANGE}.Result.StateText") == "Queued"
        rig.write("CP1.Config.RegistrationStatus", 0)
        await station.boot()
        rig.tick()
        await rig.ended(CHANGE)
        assert [payload["value"] for _, payload in station.commands] == ["10"]


async def test_nothing_overtakes_a_setpoint_that_its_station_may_not_be_sent_yet(start):
    """B02: it has failed by then, and its operator sees it."""
    rig = await start(ocpp=CONFIG)
    async with rig.socket(subprotocols=["ocpp2.0.1"]) as socket:  # that answers no command
        await ask(socket, [2, "b", "BootNotification", BOOT_2])
        rig.write("CP1.Commands.ClearCache.Execute", True)
        for action in ("SetChargingProfile", "SetVariables"):
            rig.write(f"CP1.Commands.{action}.Request", to_json(ACTIONS["2.0.1"][action][0]))
        rig.write("CP1.Config.RegistrationStatus", 1)
        await asyncio.gather(*rig.context.background)
        await rig.stop()
    rig = await start(ocpp=CONFIG)
    profile, variables = "CP1.Commands.SetChargingProfile.Result", "CP1.Commands.SetVariables.Result"
    async with connected(rig) as station:
        rig.tick()
        assert rig.value(f"{profile}.StateText") == rig.value(f"{variables}.StateText") == "Queued"
        with pytest.raises(Refused):
            rig.write("CP1.Commands.Reset.Request", '{"type": "Immediate"}')
        assert rig.value(f"{profile}.StateText") == "Queued"  # what is refused overtakes nothing
        for action in ("SetVariables", "GetVariables"):
            station.answers[action] = ACTIONS["2.0.1"][action][1]
        rig.write("CP1.Commands.GetVariables.Request", to_json(ACTIONS["2.0.1"]["GetVariables"][0]))
        await rig.ended("CP1.Commands.GetVariables")
        assert [action for action, _ in station.commands] == ["SetVariables", "GetVariables"]
        assert rig.value(f"{profile}.StateText") == "Failed"
        assert "Pending" in rig.value(f"{profile}.Error")


async def test_a_setpoint_of_a_station_that_speaks_another_version_now_or_is_removed_has_failed(rig, start):
    async with rig.station() as station, rig.station("CP2") as other:
        await set_while_busy(rig, station, "10")
        other.answers["ClearCache"] = SILENT
        rig.write("CP2.Commands.ClearCache.Execute", True)
        await other.command()
        rig.write("CP2.Commands.ChangeConfiguration.Request", '{"key": "HeartbeatInterval", "value": "7"}')
        await rig.stop()
    rig = await start()
    rig.stations.remove("CP2")
    rig.tick()
    async with rig.socket(subprotocols=["ocpp2.0.1"]):
        await rig.until(lambda: rig.known().session is not None)
        rig.tick()
        await settled(rig.store)
    ends = [one for one in rig.store.load_last_commands() if one.action == "ChangeConfiguration"]
    assert [(one.station, one.state, bool(one.error)) for one in ends] == [("CP1", "Failed", True)]
    assert list(rig.store.load_queued_commands()) == []


async def test_parameters_stand_after_a_restart_as_they_were_written_but_for_secrets(rig, start):
    """A command that is sent without one of them means something else."""
    clear, change = "CP1.Connector1.Commands.ClearChargingProfile", "CP1.Commands.ChangeConfiguration"
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        rig.write(f"{clear}.StackLevel", 3)
        rig.write(f"{change}.Key", "HeartbeatInterval")
        rig.write(f"{change}.Value", "10")  # may be a secret: the key may still be written
        rig.write("CP1.Commands.Reset.Type", "Soft")
        rig.write("CP1.Commands.Reset.Type", None)
    await rig.stop()
    with Store.peek(start.path) as reader:
        assert not any('"10"' in note for _, _, note in reader.notes())
    rig = await start()
    assert rig.sample(f"{clear}.StackLevel")[:2] == (3, Quality.GOOD)
    assert rig.values(change, "Key", "Value") == {"Key": "HeartbeatInterval", "Value": None}
    assert rig.value("CP1.Commands.Reset.Type") is None
    async with rig.station() as station:
        rig.write(f"{clear}.Execute", True)
        assert await station.command() == ("ClearChargingProfile", {"stackLevel": 3, "connectorId": 1})
    rig.stations.remove("CP1")
    await asyncio.gather(*rig.context.background)
    await rig.stop()
    rig = await start()
    async with rig.station():
        assert rig.value(f"{change}.Key") is None


async def test_an_id_tag_that_was_sent_stays_in_no_note(rig, start):
    """Until then it is needed; and no other parameter of its command stays either, which would mean something else."""
    remote = "CP1.Commands.RemoteStartTransaction"

    def noted() -> str:
        with Store.peek(start.path) as reader:
            return "".join(note for _, _, note in reader.notes())

    async with rig.station() as station:
        rig.write(f"{remote}.IdTag", "TAG-OF-ANNA")
        rig.write(f"{remote}.ConnectorId", 1)
        rig.write("CP1.Commands.Reset.Type", "Soft")
        await settled(rig.store)
        assert "TAG-OF-ANNA" in noted()
        rig.write(f"{remote}.Execute", True)
        await station.command()
        rig.write("CP1.Commands.Reset.Execute", True)
        await settled(rig.store)
        assert "TAG-OF-ANNA" not in noted()
    await rig.stop()
    rig = await start()
    assert rig.values(remote, "IdTag", "ConnectorId") == {"IdTag": None, "ConnectorId": None}
    assert rig.value("CP1.Commands.Reset.Type") == "Soft"


async def test_an_id_tag_that_was_sent_is_not_noted_when_another_parameter_is_written(rig, start):
    """Only when a new one is, and then the new one alone."""
    reserve = "CP1.Commands.ReserveNow"

    def noted() -> str:
        with Store.peek(start.path) as reader:
            return "".join(note for _, _, note in reader.notes())

    async with rig.station() as station:
        written = {
            "IdTag": "ANNA",
            "ParentIdTag": "FAMILY",
            "ReservationId": 7,
            "ExpiryDate": at(600),
            "ConnectorId": 1,
        }
        for name, value in written.items():
            rig.write(f"{reserve}.{name}", value)
        rig.write(f"{reserve}.Execute", True)
        await station.command()
        rig.write(f"{reserve}.ReservationId", 8)
        await settled(rig.store)
        assert "ANNA" not in noted()
        assert "FAMILY" not in noted()
        rig.write(f"{reserve}.ParentIdTag", "GUESTS")
        await settled(rig.store)
        assert "ANNA" not in noted()
    await rig.stop()
    rig = await start()
    assert rig.values(reserve, "IdTag", "ParentIdTag", "ReservationId") == {
        "IdTag": None,
        "ParentIdTag": "GUESTS",
        "ReservationId": 8,
    }
