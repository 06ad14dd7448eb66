"""Stations that nobody has declared: how many there may be, as what they connect, and how one is forgotten."""

import asyncio
import json

import pytest
import websockets
from ocpp.v16 import call

from bridge.station.credentials import hash_password
from bridge.store.store import Store
from tests.unit.station.rig import WAIT, Rig, ask, closed
from tests.unit.station.test_version_2 import connected

UNKNOWN = ("Bridge.StationsUnknown", "Bridge.StationsKnown")


async def refused(rig: Rig, path: str) -> int:
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with rig.socket(path):
            pass
    return caught.value.response.status_code


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize(("policy", "status"), [("accept", "Accepted"), ("pending", "Pending"), ("reject", "Rejected")])
async def test_an_unknown_station_is_listed_with_what_it_says_of_itself(start, version, policy, status):
    """B01 B02 B04: whatever it is answered"""
    rig = await start(stations={"unknown": policy}, ocpp={"versions": ["2.1", "2.0.1", "1.6"]})
    if version == "1.6":
        async with rig.station(boot=False) as station:
            boot = call.BootNotification("Model", "Vendor", firmware_version="1.0", charge_point_serial_number="S1")
            answer = (await station.call(boot)).status
    else:
        async with connected(rig, version, boot=False) as station:
            answer = (await station.boot())["status"]
    assert answer == status
    assert rig.values("CP1.Info", "Vendor", "Model", "FirmwareVersion", "SerialNumber") == {
        "Vendor": "Vendor",
        "Model": "Model",
        "FirmwareVersion": "1.0",
        "SerialNumber": "S1",
    }
    assert rig.value("CP1.Config.RegistrationStatusText") == status
    assert rig.value("CP1.State.InService") is (status == "Accepted")


async def test_an_unknown_station_is_refused_where_the_policy_says_so(start):
    """J06"""
    rig = await start(stations={"unknown": "refuse"}, station=[{"id": "CP1"}])
    assert await refused(rig, "CP2") == 404
    assert rig.tree.find("CP2") is None
    async with rig.station() as station:
        await station.settle()


@pytest.mark.parametrize("policy", ["accept", "pending"])
async def test_a_flood_of_unknown_identities_ends_at_the_limit(start, policy):
    rig = await start(stations={"unknown": policy, "max_unknown": 3}, station=[{"id": "OWN"}])
    for number in range(3):
        async with rig.socket(f"CP{number}"):
            pass
    for number in range(3, 20):
        assert await refused(rig, f"CP{number}") == 404
    assert [rig.value(path) for path in UNKNOWN] == [3, 4]
    assert len(list(rig.store.stations())) == 4
    for known in ("CP0", "OWN"):
        async with rig.station(known, boot=False) as station:
            await station.boot()


async def test_who_is_accepted_is_unknown_no_more(start):
    rig = await start(stations={"unknown": "pending", "max_unknown": 1})
    async with rig.station():
        assert await refused(rig, "CP2") == 404
        rig.write("CP1.Config.RegistrationStatus", 0)
        assert rig.value("Bridge.StationsUnknown") == 0
        async with rig.socket("CP2"):
            assert rig.value("Bridge.StationsUnknown") == 1


# --- to forget one ---


async def removed(rig: Rig, start: object, identity: str = "CP1") -> None:
    """`ocpp-bridge stations remove` beside a running bridge."""
    with Store.edit(start.path) as editor:
        assert editor.remove_station(identity)
    edits = None
    async with asyncio.timeout(WAIT):
        while edits is None:
            edits = rig.store.poll_external()
            await asyncio.sleep(0.01)
    rig.stations.take_edits(edits)
    await asyncio.gather(*rig.context.background)


async def test_a_station_that_is_removed_is_disconnected_and_gone_from_tree_and_store(start):
    rig = await start(stations={"unknown": "pending"})
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}])
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        await ask(socket, [2, "2", "StatusNotification", status])
        await rig.last_values.flush(rig.now)
        await removed(rig, start)
        assert await closed(socket) == 1000
    assert rig.tree.find("CP1") is None
    assert [rig.value(path) for path in UNKNOWN] == [0, 0]
    assert rig.value("Bridge.StationsConnected") == 0
    await rig.stop()
    rig = await start()
    assert list(rig.store.stations()) == []
    assert list(rig.store.load_values()) == []


async def test_a_removed_station_comes_again_as_an_unknown_one(start):
    rig = await start(stations={"unknown": "pending"})
    async with rig.station():
        rig.write("CP1.Config.RegistrationStatus", 0)
    await removed(rig, start)
    async with rig.station(boot=False) as station:
        assert (await station.boot()).status == "Pending"
        assert rig.value("CP1.Config.RegistrationStatusText") == "Pending"
    await rig.stop()
    rig = await start(stations={"unknown": "pending"})
    assert [record.registration for record in rig.store.stations()] == ["Pending"]


async def test_a_station_is_removed_while_no_bridge_runs(start):
    rig = await start()
    async with rig.station() as station:
        await station.start_transaction()
    await rig.stop()
    with Store.edit(start.path) as editor:
        assert editor.remove_station("CP1")
        assert not editor.remove_station("CP1")
    rig = await start()
    assert rig.tree.find("CP1") is None
    await asyncio.gather(*rig.context.background)
    assert rig.store.removals() == []
    assert [found.station for found in rig.store.transactions()] == ["CP1"]


# --- as what it connects ---

ALIASES = """
    identities:
      "4711-0815": CP-001
      "sn *": "CP-*"
"""


@pytest.mark.parametrize(
    ("connects_as", "identity"),
    [
        ("CP-001", "CP-001"),
        ("cp-001", "CP-001"),
        ("cp-001%20", "CP-001"),
        ("4711-0815", "CP-001"),
        ("SN%20002", "CP-002"),
        ("cp-009", "cp-009"),
    ],
)
async def test_a_station_may_connect_under_another_name_than_its_own(start, connects_as, identity):
    rig = await start(profiles={"acme": ALIASES}, station=[{"id": "CP-001"}], stations={"unknown": "pending"})
    async with rig.station(connects_as) as station:
        await station.settle()
        known = rig.known(identity)
        assert known.session is not None
        assert rig.value(f"{known.points.path}.Info.Id") == identity


async def test_which_of_two_stations_that_differ_in_capitals_is_meant_is_not_guessed(start):
    rig = await start(station=[{"id": "CP1"}, {"id": "cp1"}])
    async with rig.station("Cp1"):
        assert rig.known("Cp1").session is not None
        assert rig.known("CP1").session is None


async def test_strict_capitals_make_another_station(start):
    rig = await start(station=[{"id": "CP1"}], ocpp={"validation": "strict"})
    async with rig.station("cp1"):
        assert rig.known("cp1").session is not None


async def test_the_users_name_of_a_login_may_be_the_other_name_too(start):
    """J09"""
    rig = await start(profiles={"acme": ALIASES}, station=[{"id": "CP-001"}], ocpp={"security_profile": 1})
    password = "correct horse battery"
    await rig.store.set_password("CP-001", hash_password(password))
    for user, gets_in in (("4711-0815", True), ("CP-001", True), ("CP-002", False)):
        rig.idle += 3600  # a login that failed slows the next one
        uri = rig.url("4711-0815").replace("ws://", f"ws://{user}:{password.replace(' ', '%20')}@")
        if gets_in:
            async with websockets.connect(uri, subprotocols=["ocpp1.6"], compression=None) as socket:
                await socket.send('[2,"1","Heartbeat",{}]')
                assert json.loads(await socket.recv())[0] == 3
        else:
            with pytest.raises(websockets.InvalidStatus):
                async with websockets.connect(uri, subprotocols=["ocpp1.6"], compression=None):
                    pass
