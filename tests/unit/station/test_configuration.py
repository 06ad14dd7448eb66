"""Configuration.<Key>: read after a boot, changed by a write, secrets kept."""

import asyncio
import json

import pytest

from bridge.errors import Refused
from bridge.points.values import MAX_TEXT
from tests.unit.station.rig import SILENT, ask, logged

READS = {"read_configuration": True}
SECRET = "c0ffee" * 6


def entry(key, value="1", readonly=False):
    return {"key": key, "value": value, "readonly": readonly}


async def configured(rig, station, *entries):
    station.answers["GetConfiguration"] = {"configurationKey": list(entries)}
    await station.boot()
    last = f"Configuration.{entries[-1]['key']}"
    await rig.until(lambda: rig.known().points.slot(last) is not None)


async def test_the_configuration_is_read_after_a_boot(start):
    rig = await start(ocpp=READS)
    async with rig.station(boot=False) as station:
        await configured(rig, station, entry("HeartbeatInterval", "60"), entry("NumberOfConnectors", "2", True))
        assert station.commands == [("GetConfiguration", {})]
        assert rig.values("CP1.Configuration", "HeartbeatInterval", "NumberOfConnectors") == {
            "HeartbeatInterval": "60",
            "NumberOfConnectors": "2",
        }
        group, slot = rig.point("CP1.Configuration.NumberOfConnectors")
        assert group.row(slot).writable is False


async def test_a_station_that_boots_over_and_over_is_read_once_at_a_time(start):
    rig = await start(ocpp=READS)
    async with rig.station(boot=False) as station:
        station.answers["GetConfiguration"] = SILENT
        for _ in range(20):
            await station.boot()
        await station.command()
        assert len(rig.context.background) == 1
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    await asyncio.gather(*rig.context.background)


async def test_a_key_is_changed_by_a_write_and_shown_once_the_station_agrees(start):
    rig = await start(ocpp=READS)
    async with rig.station(boot=False) as station:
        await configured(rig, station, entry("HeartbeatInterval", "60"))
        station.answers["ChangeConfiguration"] = {"status": "Rejected"}
        rig.write("CP1.Configuration.HeartbeatInterval", "70")
        assert (await rig.ended("CP1.Commands.ChangeConfiguration"))["StateText"] == "Rejected"
        assert rig.value("CP1.Configuration.HeartbeatInterval") == "60"

        station.answers["ChangeConfiguration"] = {"status": "RebootRequired"}
        rig.write("CP1.Configuration.HeartbeatInterval", "75")
        assert (await rig.ended("CP1.Commands.ChangeConfiguration", 2))["Status"] == "RebootRequired"
        assert rig.value("CP1.Configuration.HeartbeatInterval") == "60"

        station.answers["ChangeConfiguration"] = {"status": "Accepted"}
        rig.write("CP1.Configuration.HeartbeatInterval", "80")
        await rig.until(lambda: rig.value("CP1.Configuration.HeartbeatInterval") == "80")
        assert station.commands[-1] == ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "80"})


async def test_a_key_that_cannot_be_written_is_refused(start):
    rig = await start(ocpp=READS)
    async with rig.station(boot=False) as station:
        await configured(rig, station, entry("NumberOfConnectors", "2", True), entry("Rate", "2"))
        with pytest.raises(Refused) as caught:
            rig.write("CP1.Configuration.NumberOfConnectors", "3")
        assert caught.value.status == "BadNotWritable"
        with pytest.raises(Refused) as caught:
            rig.write("CP1.Configuration.Rate", "x" * 501)
        assert caught.value.status == "BadOutOfRange"
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    with pytest.raises(Refused) as caught:
        rig.write("CP1.Configuration.Rate", "3")
    assert caught.value.status == "BadNotConnected"


async def test_a_key_with_odd_characters_is_written_under_its_own_name(start):
    rig = await start(ocpp=READS)
    async with rig.station(boot=False) as station:
        await configured(rig, station, entry("Vendor Key/1"), entry("Last"))
        rig.write("CP1.Configuration.Vendor_Key_1", "9")
        await rig.ended("CP1.Commands.ChangeConfiguration")
        assert station.commands[-1][1] == {"key": "Vendor Key/1", "value": "9"}


async def test_whatever_a_station_tells_as_its_configuration_is_bounded(start):
    rig = await start(ocpp={**READS, "validation": "off"})
    odd = [
        entry("Big", "x" * (MAX_TEXT + 9)),
        entry("k" * 10_000),
        entry("a..b"),
        entry("."),
        entry("Number", 7),
        entry("Nothing", None),
        {"key": ["x"]},
        "text",
        entry("Last"),
    ]
    async with rig.socket() as socket:
        boot = {"chargePointVendor": "V", "chargePointModel": "M"}
        await ask(socket, [2, "1", "BootNotification", boot])
        _, number, action, _ = json.loads(await socket.recv())
        assert action == "GetConfiguration"
        await socket.send(json.dumps([3, number, {"configurationKey": odd}]))
        await rig.until(lambda: rig.known().points.slot("Configuration.Last") is not None)
        rows = rig.known().points.extra_rows()
        assert [row.name for row in rows] == ["Big", "Number", "Nothing", "Last"]
        assert len(rig.value("CP1.Configuration.Big")) == MAX_TEXT
        assert rig.values("CP1.Configuration", "Number", "Nothing") == {"Number": "7", "Nothing": ""}


# --- secrets ---


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey"])
@pytest.mark.parametrize("way", ["parameters", "request", "method", "configuration"])
async def test_an_authorization_key_is_nowhere_but_at_the_station(start, tmp_path, way, key):
    """S05"""
    rig = await start(ocpp=READS)
    command = "CP1.Commands.ChangeConfiguration"
    with logged() as entries:
        async with rig.station(boot=False) as station:
            await configured(rig, station, entry(key, SECRET), entry("Last"))
            if way == "parameters":
                rig.write(f"{command}.Key", key)
                rig.write(f"{command}.Value", SECRET)
                rig.write(f"{command}.Execute", True)
            elif way == "request":
                rig.write(f"{command}.Request", json.dumps({"key": key, "value": SECRET}))
            elif way == "method":
                await rig.call(command, key, SECRET)
            else:
                rig.write(f"CP1.Configuration.{key}", SECRET)
            await rig.ended(command)
            assert station.commands[-1] == ("ChangeConfiguration", {"key": key, "value": SECRET})
            await rig.call("CP1.Commands.GetConfiguration")
            points = [rig.known().points.sample(slot).value for slot in rig.known().points.slots()]
    assert SECRET not in str(points)
    assert SECRET not in str(entries)
    await rig.stop()
    for file in tmp_path.glob("bridge.db*"):
        assert SECRET.encode() not in file.read_bytes()


async def test_an_authorization_key_that_is_refused_is_not_told(rig):
    async with rig.station():
        with logged() as entries, pytest.raises(Refused) as caught:
            await rig.call("CP1.Commands.ChangeConfiguration", "AuthorizationKey", SECRET * 20)
        assert SECRET not in str(entries) + str(caught.value)


@pytest.mark.parametrize("way", ["told", "written"])
async def test_the_password_in_a_url_is_shown_to_nobody(start, tmp_path, way):
    """S05"""
    rig = await start(ocpp=READS)
    url = f"ftp://anna:{SECRET}@host/x"
    with logged() as entries:
        async with rig.station(boot=False) as station:
            await configured(rig, station, entry("FtpUrl", url if way == "told" else "ftp://host"), entry("Last"))
            if way == "written":
                group, slot = rig.point("CP1.Configuration.FtpUrl")
                assert SECRET not in rig.writes.shown(group, slot, url)
                rig.write("CP1.Configuration.FtpUrl", url)
                await rig.ended("CP1.Commands.ChangeConfiguration")
                assert station.commands[-1] == ("ChangeConfiguration", {"key": "FtpUrl", "value": url})
            await rig.until(lambda: rig.value("CP1.Configuration.FtpUrl") == "ftp://anna:***@host/x")
    await rig.stop()
    assert SECRET not in str(rig.history) + str(entries)
    for file in tmp_path.glob("bridge.db*"):
        assert SECRET.encode() not in file.read_bytes()
