"""Which values go to the store: what changed, and nothing twice."""

import asyncio
from typing import NamedTuple

import pytest
from ocpp.v16 import call

from bridge.points.tree import Group, Update
from bridge.station import last_values
from tests.unit.station.rig import START, at

INFO = "CP1.Connector1.Status.Info"


class Stored(NamedTuple):
    """A value as it is handed to the store."""

    path: str
    type: str
    value: object
    quality: str
    source_time: float | None
    server_time: float


@pytest.fixture
def stored(rig, monkeypatch):
    """The values as they are handed to the store."""
    records = []
    put = rig.store.put_values_soon

    def note(more):
        records.extend(Stored(f"{group.path}.{key}", *rest) for group in more for key, *rest in group.values)
        put(more)

    monkeypatch.setattr(rig.store, "put_values_soon", note)
    return records


async def status(station, info: str, time: float) -> None:
    await station.call(call.StatusNotification(1, "NoError", "Charging", info=info, timestamp=at(time)))
    await station.settle()


async def gone(rig) -> None:
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)


async def test_what_has_changed_is_stored_once(rig, stored):
    async with rig.station() as station:
        await status(station, "x", 0)
        rig.now += 5
        await rig.last_values.flush(rig.now)
        assert [(r.value, r.quality, r.source_time) for r in stored if r.path == INFO] == [("x", "GOOD", START)]
        stored.clear()
        rig.now += 5
        await rig.last_values.flush(rig.now)
        assert stored == []


async def test_a_group_that_cannot_be_told_costs_no_other_its_values(rig, stored, monkeypatch):
    """D09"""
    async with rig.station() as station:
        await status(station, "x", 0)
        tell = Group.last_values
        monkeypatch.setattr(Group, "last_values", lambda group: 1 / 0 if group.path == "CP1" else tell(group))
        rig.now += 5
        await rig.last_values.flush(rig.now)
        assert [r.value for r in stored if r.path == INFO] == ["x"]
        await status(station, "y", 6)
        stored.clear()
        rig.last_values.flush_all()
        assert [r.value for r in stored if r.path == INFO] == ["y"]


async def test_a_mere_loss_of_the_connection_stores_nothing_again(rig, stored):
    async with rig.station() as station:
        await status(station, "x", 0)
        rig.tick()  # shows the traffic so far, which a loss would show otherwise
        rig.now += 5
        await rig.last_values.flush(rig.now)
        stored.clear()
        rig.now += 1
    await gone(rig)
    await rig.last_values.flush(rig.now)
    rig.last_values.flush_all()
    assert stored == []


async def test_what_changed_just_before_the_loss_is_stored(rig, stored):
    async with rig.station() as station:
        await status(station, "old", 0)
        rig.now += 5
        await rig.last_values.flush(rig.now)
        stored.clear()
        rig.now += 1
        await status(station, "new", 6)
    await gone(rig)
    rig.now += 1
    await rig.last_values.flush(rig.now)
    assert [r.value for r in stored if r.path == INFO] == ["new"]
    assert {r.path.partition(".Status")[0] for r in stored if ".Status." in r.path} == {"CP1.Connector1"}


async def test_what_changes_after_the_station_went_is_stored(rig, stored):
    """A value that came late: an answer that a script still gave, a transaction that was shown at last."""
    async with rig.station() as station:
        await status(station, "x", 0)
    await gone(rig)
    rig.now += 5
    await rig.last_values.flush(rig.now)
    stored.clear()
    rig.now += 5
    group, slot = rig.point(INFO)
    rig.tree.apply(group, [Update(slot, "late")], rig.now)
    rig.now += 5
    await rig.last_values.flush(rig.now)
    assert [r.value for r in stored if r.path == INFO] == ["late"]
    assert not [r.path for r in stored if not r.path.startswith("CP1.Connector1.")]


async def test_what_changes_while_it_is_written_is_stored_with_the_next_writing(rig, stored, monkeypatch):
    monkeypatch.setattr(last_values, "SLICE", 1)
    async with rig.station() as station:
        await status(station, "x", 0)
        writing = asyncio.create_task(rig.last_values.flush(rig.now))
        await asyncio.sleep(0)
        await status(station, "y", 0)
        await writing
    await gone(rig)
    rig.last_values.flush_all()
    assert [r.value for r in stored if r.path == INFO][-1] == "y"


async def test_a_writing_that_is_interrupted_loses_nothing(rig, stored, monkeypatch):
    """The bridge stops while a slice has been handed over and the others have not."""
    monkeypatch.setattr(last_values, "SLICE", 1)
    async with rig.station() as station:
        await status(station, "x", 0)
    await gone(rig)
    writing = asyncio.create_task(rig.last_values.flush(rig.now))
    await asyncio.sleep(0)
    assert {r.path.split(".Status")[0] for r in stored} != set()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    rig.last_values.flush_all()
    assert {"CP1.Info.Vendor", INFO} <= {r.path for r in stored}


async def test_what_the_bridge_itself_keeps_is_not_stored(rig, stored):
    async with rig.station() as station:
        await station.settle()
        rig.tick()
        rig.write("CP1.Commands.Reset.Type", "Hard")
        rig.last_values.flush_all()
    assert not [r.path for r in stored if ".Commands." in r.path or r.path.endswith("MessagesReceived")]
    assert "CP1.Info.Vendor" in {r.path for r in stored}


async def test_what_is_counted_each_second_is_written_rarely_and_at_the_end(rig, stored):
    """A thousand stations would be written every few seconds for nothing else."""
    async with rig.station() as station:
        await status(station, "x", 0)
        rig.tick()
        await rig.last_values.flush(rig.now)
        stored.clear()
        for flushes in range(2, last_values.RARELY + 1):
            assert "CP1.State.LastMessage" not in {r.path for r in stored}
            rig.now += 1
            await station.call(call.StatusNotification(1, "NoError", "Charging", info=str(flushes)))
            rig.tick()
            await rig.last_values.flush(rig.now)
        assert [r.value for r in stored if r.path == "CP1.State.LastMessage"] == [rig.now]
        rig.now += 1
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        rig.tick()
        stored.clear()
        rig.last_values.flush_all()
        assert [r.value for r in stored if r.path == "CP1.State.LastMessage"] == [rig.now]


async def test_what_was_counted_before_the_station_went_is_written(rig, stored):
    """A flush in between has not written it, though it has written all else."""
    async with rig.station() as station:
        await status(station, "x", 0)
        rig.tick()
        await rig.last_values.flush(rig.now)
        rig.now += 1
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        rig.tick()
        last = rig.now
        rig.now += 1
        await rig.last_values.flush(rig.now)
        assert "CP1.State.LastMessage" not in {r.path for r in stored if r.server_time == last}
    await gone(rig)
    rig.last_values.flush_all()
    assert [r.value for r in stored if r.path == "CP1.State.LastMessage"][-1] == last


async def test_of_a_station_that_was_removed_nothing_is_owed(rig):
    async with rig.station() as station:
        await status(station, "x", 0)
        rig.tick()
        await rig.last_values.flush(rig.now)
        rig.now += 1
        await station.call(call.Heartbeat())
        rig.tick()
        rig.stations.remove("CP1")
    rig.last_values.flush_all()
    assert not rig.last_values._counted
