"""Stations, registrations and passwords, from this process and from another one."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import StoreError
from bridge.store import Store
from tests.unit.store.helpers import settled, start, station, until

ROOT = Path(__file__).parents[3]


async def test_station_comes_back_as_it_was_put(store, reopen):
    other = station(id="B", name="B", version=None, registration=None, heartbeat_interval=None, last_seen=None, boot={})
    await store.put_station(station())
    await store.put_station(other)
    await store.close()
    assert sorted(reopen().load_stations(), key=lambda one: one.id) == [other, station()]


async def test_put_again_updates_but_name_and_first_seen_stay(store):
    await store.put_station(station())
    newer = station(
        name="X",
        first_seen=5.0,
        version="2.0.1",
        registration="Accepted",
        last_seen=9.0,
        boot={"reason": "PowerUp"},
    )
    await store.put_station(newer)
    assert store.load_stations() == [replace(newer, name="CP_001", first_seen=1_700_000_000.0)]


async def test_two_stations_never_share_a_name(store):
    await store.put_station(station())
    with pytest.raises(StoreError):
        await store.put_station(station(id="CP.001"))
    assert [one.id for one in store.stations()] == ["CP/001"]


async def test_put_soon_arrives_and_never_over_a_later_durable_put(store):
    store.put_station_soon(station(last_seen=1.0))
    store.put_station_soon(station(last_seen=2.0))
    await store.put_station(station(last_seen=3.0))
    store.put_station_soon(station(id="B", name="B"))
    await settled(store)
    assert {one.id: one.last_seen for one in store.stations()} == {"CP/001": 3.0, "B": 1_700_000_001.0}


async def test_own_writes_are_no_external_change(store):
    await store.put_station(station())
    store.put_station_soon(station(id="B", name="B"))
    await settled(store)
    await store.start_transaction(start())
    assert store.poll_external() is None


EDIT = """
import sys
from bridge.store import Store
with Store.edit(sys.argv[1]) as editor:
    print(editor.set_registration("CP/001", "Accepted"), editor.set_registration("nobody", "Accepted"))
    editor.set_password("later", "$argon2id$x")
"""


async def test_running_bridge_sees_what_another_process_edits(store, path):
    await store.put_station(station(registration="Pending"))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", EDIT, path, stdout=PIPE, cwd=ROOT)
    printed, _ = await process.communicate()
    assert printed.split() == [b"True", b"False"]
    edits = await until(store.poll_external)
    assert list(edits.values()) == ["Accepted"]
    assert store.poll_external() == edits  # until they have been taken
    store.settle_edits(edits)
    assert store.poll_external() is None
    assert store.login("later").hash == "$argon2id$x"


async def test_edit_that_the_bridge_has_not_noticed_survives_its_next_put(store, path):
    """The heartbeat of a Pending station, in the second after an operator has accepted it."""
    await store.put_station(station(registration="Pending"))
    with Store.edit(path) as editor:
        editor.set_registration("CP/001", "Accepted")
    await store.put_station(station(registration="Pending", last_seen=7.0))
    store.put_station_soon(station(registration="Pending", last_seen=8.0))
    await settled(store)
    assert [(one.registration, one.last_seen) for one in store.stations()] == [("Accepted", 8.0)]


async def test_edit_of_a_station_that_was_only_put_soon_survives_too(store, path):
    store.put_station_soon(station(registration="Pending"))
    await settled(store)
    with Store.edit(path) as editor:
        editor.set_registration("CP/001", "Accepted")
    await store.put_station(station(registration="Pending"))
    assert [one.registration for one in store.stations()] == ["Accepted"]


async def test_registration_that_the_bridge_changes_is_written(store):
    await store.put_station(station(registration="Pending"))
    await store.put_station(station(registration="Accepted"))
    assert [one.registration for one in store.stations()] == ["Accepted"]


async def test_registration_that_failed_to_be_written_is_written_next_time(store):
    await store.put_station(station(registration="Pending"))
    with pytest.raises(StoreError):
        await store.put_station(station(registration="Accepted", heartbeat_interval=10**30))
    await store.put_station(station(registration="Accepted"))
    assert [one.registration for one in store.stations()] == ["Accepted"]


async def test_a_decision_that_failed_to_be_written_is_neither_undone_by_an_edit_nor_lost_when_its_station_is_put(
    store, path
):
    await store.put_station(station(registration="Pending"))
    await store.put_station(station(id="B", name="B"))
    with pytest.raises(StoreError):
        await store.put_station(station(registration="Accepted", heartbeat_interval=10**30))
    with Store.edit(path) as editor:
        editor.set_registration("B", "Rejected")
    assert await until(store.poll_external) == {"B": "Rejected"}
    store.put_station_soon(station(registration="Accepted"))
    await store.put_station(station(registration="Accepted"))
    assert {one.id: one.registration for one in store.stations()} == {"B": "Rejected", "CP/001": "Accepted"}


@pytest.mark.parametrize("decided", ["Pending", "Rejected"], ids=["no decision", "a decision"])
@pytest.mark.parametrize("is_noticed", [False, True])
async def test_an_edit_after_a_put_that_the_disk_refused_stands(store, path, decided, is_noticed):
    """It is the later decision, whether the bridge has noticed it before it puts the station again or not."""
    await store.put_station(station(registration="Pending"))
    with pytest.raises(StoreError):
        await store.put_station(station(registration=decided, heartbeat_interval=10**30))
    with Store.edit(path) as editor:
        editor.set_registration("CP/001", "Accepted")
    if is_noticed:
        assert await until(store.poll_external) == {"CP/001": "Accepted"}
    await store.put_station(station(registration=decided, last_seen=7.0))
    assert [(one.registration, one.last_seen) for one in store.stations()] == [("Accepted", 7.0)]
    edits = await until(store.poll_external)
    assert edits == {"CP/001": "Accepted"}
    store.settle_edits(edits)
    await store.put_station(station(registration="Accepted"))
    await store.put_station(station(registration="Rejected"))  # the next decision is as good as any
    assert [one.registration for one in store.stations()] == ["Rejected"]


async def test_an_edit_after_a_put_whose_waiter_went_away_stands(store, path):
    await store.put_station(station(registration="Pending"))
    putting = asyncio.ensure_future(store.put_station(station(registration="Rejected")))
    await asyncio.sleep(0)
    putting.cancel()
    await until(lambda: [one.registration for one in store.stations()] == ["Rejected"])
    with Store.edit(path) as editor:
        editor.set_registration("CP/001", "Pending")
    assert await until(store.poll_external) == {"CP/001": "Pending"}
    await store.put_station(station(registration="Rejected"))
    assert [one.registration for one in store.stations()] == ["Pending"]


async def test_of_two_quick_decisions_the_last_is_written_though_it_is_what_was_there(store):
    await store.put_station(station(registration="Pending"))
    await asyncio.gather(*(store.put_station(station(registration=one)) for one in ("Accepted", "Pending")))
    assert [one.registration for one in store.stations()] == ["Pending"]


async def test_passwords_are_set_and_replaced(store, reopen):
    assert store.login("CP001").hash is None
    await store.set_password("CP001", "first")
    await store.set_password("CP001", "second")
    await store.close()
    assert reopen().login("CP001").hash == "second"


def test_edit_without_a_bridge_creates_the_store_and_leaves_it_free(path):
    with Store.edit(path) as editor:
        editor.set_password("CP001", "hash")
        store = Store.open(path)
    assert store.login("CP001").hash == "hash"
    store.close_sync()


async def test_peek_reads_beside_a_running_bridge_and_cannot_write(store, path):
    await store.put_station(station())
    await store.start_transaction(start())
    with Store.peek(path) as reader:
        assert list(reader.stations()) == [station()]
        assert [one.id for one in reader.transactions()] == [1]
        await store.start_transaction(start(2))
        assert [one.id for one in reader.transactions()] == [1, 2]
    assert store.poll_external() is None
