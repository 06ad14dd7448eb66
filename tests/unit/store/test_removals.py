"""A station that is removed leaves nothing but what it has charged and the commands that it was sent."""

from bridge.store import GroupRecord, Store
from tests.unit.store.helpers import start, station


def values(*paths: str) -> list[GroupRecord]:
    return [GroupRecord(path, [("Info.Vendor", "String", "V", "GOOD", 1.0, 1.0)]) for path in paths]


async def stored(path) -> Store:
    store = Store.open(path, flush_interval=60.0)
    await store.put_station(station(id="CP1", name="CP1"))
    await store.put_station(station(id="CP10", name="CP10"))
    await store.start_transaction(start(1, station="CP1"))
    store.put_values_soon(values("CP1", "CP1.Connector1", "CP10", "CP10.Connector1"))
    store.put_model_soon("CP1", "[]")
    return store


def left(path) -> tuple[list[str], list[str], list[str]]:
    with Store.peek(path) as reader:
        stations = [record.id for record in reader.stations()]
        models = [name for _, names in reader.models() for name in names]
        return stations, [record.path for record in reader.group_values()], models


async def test_what_waits_to_be_written_does_not_bring_it_back(tmp_path):
    store = await stored(tmp_path / "bridge.db")
    await store.remove_station("CP1", ["CP1", "CP1.Connector1"])
    await store.close()
    assert left(tmp_path / "bridge.db") == (["CP10"], ["CP10", "CP10.Connector1"], [])


async def test_a_removal_beside_a_running_bridge_is_noted_until_the_bridge_has_done_it(tmp_path):
    path = tmp_path / "bridge.db"
    store = await stored(path)
    with Store.edit(path) as editor:
        assert editor.remove_station("CP1")
        assert [record.id for record in editor.stations()] == ["CP10"]
    assert store.removals() == ["CP1"]
    await store.remove_station("CP1", ["CP1", "CP1.Connector1"])
    assert store.removals() == []
    assert [found.station for found in store.transactions()] == ["CP1"]
    await store.close()
    assert left(path) == (["CP10"], ["CP10", "CP10.Connector1"], [])


async def test_a_station_that_comes_back_is_stored_anew(tmp_path):
    store = await stored(tmp_path / "bridge.db")
    await store.remove_station("CP1", ["CP1"])
    await store.put_station(station(id="CP1", name="CP1", registration="Pending"))
    await store.close()
    with Store.peek(tmp_path / "bridge.db") as reader:
        assert {record.id: record.registration for record in reader.stations()}["CP1"] == "Pending"
