"""Starts and stops: what is acknowledged is stored, once, under an id that never comes again."""

import asyncio
import sqlite3
from dataclasses import replace

import pytest

from bridge.errors import StoreError
from tests.unit.store.helpers import start, stop

ACCEPTED = {"status": "Accepted", "parentIdTag": "P"}


async def test_start_is_in_the_file_when_it_is_acknowledged(store, rows):
    """D01: another program finds the row before the answer can leave."""
    number, authorization, repeated = await store.start_transaction(start(reservation_id=7))
    assert (number, authorization, repeated) == (1, ACCEPTED, False)
    assert rows("SELECT id, station, connector_id, id_tag, meter_start, reservation_id FROM transactions") == [
        (1, "CP001", 1, "TAG1", 1000.0, 7)
    ]


async def test_ten_equal_starts_at_once_are_one_transaction(store, rows):
    """B07, J24."""
    answers = await asyncio.gather(*(store.start_transaction(start()) for _ in range(10)))
    assert {number for number, _, _ in answers} == {1}
    assert sorted(repeated for _, _, repeated in answers) == [False] + [True] * 9
    assert rows("SELECT count(*) FROM transactions") == [(1,)]


async def test_repeated_start_gets_the_first_answer_even_after_a_restart(store, reopen):
    """B07, D04: killed between commit and answer, the repeat gets the same id."""
    await store.start_transaction(start(authorization={"status": "Blocked"}))
    await store.close()
    again = await reopen().start_transaction(start(authorization={"status": "Accepted"}))
    assert again == (1, {"status": "Blocked"}, True)


@pytest.mark.parametrize(
    "change",
    [
        {"station": "CP002"},
        {"connector": "Connector2"},
        {"id_tag": "OTHER"},
        {"start_timestamp": "2023-11-14T22:13:21Z"},
        {"meter_start": 1000.5},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_start_that_differs_is_another_transaction(store, change):
    await store.start_transaction(start())
    number, _, repeated = await store.start_transaction(start(**change))
    assert (number, repeated) == (2, False)


async def test_find_start_knows_repeats_only(store):
    await store.start_transaction(start())
    key = ("CP001", "Connector1", "TAG1", start().start_timestamp)
    assert store.find_start(*key, 1000) == (1, ACCEPTED)
    assert store.find_start(*key, 1001) is None


async def test_ids_grow_over_restarts_and_deleted_rows(store, path, reopen):
    """D05."""
    for number in range(1, 4):
        await store.start_transaction(start(number))
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM transactions")
    connection.close()
    number, _, _ = await reopen().start_transaction(start(4))
    assert number == 4


async def test_ids_end_with_int32(store, path):
    """OPC UA's Int32 and a station's signed integer hold every id that was ever acknowledged."""
    await store.start_transaction(start(1))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 2147483646")
    connection.close()
    assert (await store.start_transaction(start(2)))[0] == 2147483647
    with pytest.raises(StoreError):
        await store.start_transaction(start(3))
    assert store.healthy


async def test_stop_returns_the_whole_transaction(store, rows):
    await store.start_transaction(start(reservation_id=7))
    stopped = await store.stop_transaction(stop(1))
    assert stopped is not None
    assert (stopped.id, stopped.connector, stopped.reason, stopped.stop_id_tag) == (
        1,
        "Connector1",
        "Local",
        "TAG1",
    )
    assert (stopped.stop_time, stopped.meter_stop, stopped.energy) == (1_700_003_600.0, 8500.0, 7500.0)
    assert (stopped.authorization, stopped.reservation_id) == (ACCEPTED, 7)
    assert '"8500"' in rows("SELECT stop_data FROM transactions")[0][0]


ORPHANS = "SELECT transaction_id, meter_stop FROM orphan_stops ORDER BY id"


async def test_repeated_stop_changes_nothing(store, rows):
    """B10."""
    await store.start_transaction(start())
    first = await store.stop_transaction(stop(1))
    assert await store.stop_transaction(stop(1, received=1.8e9)) == replace(first, stop_was="repeated")
    assert list(store.transactions()) == [first]
    assert rows(ORPHANS) == []


async def test_stops_that_differ_in_anything_are_each_kept_once_beside_the_first(store, rows):
    """B10: also where they name no transaction at all."""
    await store.start_transaction(start())
    await store.stop_transaction(stop(1))
    others = [{"reason": "PowerLoss"}, {"data": []}, {"id_tag": None}, {"id_tag": "TAG2"}]
    for _ in range(2):
        for other in others:
            assert (await store.stop_transaction(stop(1, **other))).stop_was == "other"
            assert await store.stop_transaction(stop(-1, named="-1", **other)) is None
    kept = [("Local", "[]", "TAG1"), ("Local", "[{", "TAG2"), ("Local", "[{", None), ("PowerLoss", "[{", "TAG1")]
    found = rows("SELECT transaction_id, reason, substr(data, 1, 2), id_tag FROM orphan_stops ORDER BY 2, 3, 4 DESC")
    assert [one[1:] for one in found if one[0] == "1"] == [one[1:] for one in found if one[0] == "-1"] == kept


@pytest.mark.parametrize("other", [{"meter_stop": 9999.0}, {"reason": "PowerLoss"}, {"data": []}], ids=str)
async def test_another_stop_of_an_ended_transaction_is_kept_beside_the_first(store, rows, other):
    """B10: it is acknowledged, so it is on the disk."""
    await store.start_transaction(start())
    first = await store.stop_transaction(stop(1))
    for _ in range(2):
        assert await store.stop_transaction(stop(1, **other)) == replace(first, stop_was="other")
    assert list(store.transactions()) == [first]
    assert rows(ORPHANS) == [("1", other.get("meter_stop", first.meter_stop))]


async def test_a_stop_that_names_its_transaction_takes_the_place_of_a_guess(store, rows):
    """B08, B10"""
    await store.start_transaction(start())
    await store.stop_transaction(stop(1, meter_stop=300.0, named="-1"))
    true = await store.stop_transaction(stop(1, meter_stop=5000.0))
    assert (true.meter_stop, true.stop_was) == (5000.0, "corrected")
    assert [one.meter_stop for one in store.transactions()] == [5000.0]
    assert rows(ORPHANS) == [("-1", 300.0)]
    assert (await store.stop_transaction(stop(1, meter_stop=300.0, named="-1"))).stop_was == "other"
    assert [one.meter_stop for one in store.transactions()] == [5000.0]
    assert rows(ORPHANS) == [("-1", 300.0)]


@pytest.mark.parametrize("stops", [[], [300.0], [5000.0]], ids=["alone", "the same by its id", "another by its id"])
@pytest.mark.parametrize("seems", [0, 2])
async def test_a_guessed_stop_that_comes_again_is_what_it_was_before(store, rows, stops, seems):
    """B08, B10: whatever it may seem to mean by now, such as a transaction that has begun since."""
    await store.start_transaction(start())
    await store.stop_transaction(stop(1, meter_stop=300.0, named="-1"))
    await store.answer_stop(1, ACCEPTED)
    for meter in stops:
        await store.stop_transaction(stop(1, meter_stop=meter))
    await store.start_transaction(start(2, start_time=1_700_003_000.0))
    again = await store.stop_transaction(stop(seems, meter_stop=300.0, named="-1"))
    assert (again.id, again.stop_authorization) == (1, ACCEPTED)
    assert [one.id for one in store.load_open_transactions()] == [2]
    assert rows(ORPHANS) == [("-1", 300.0)] * len(stops)


async def test_a_stop_that_meant_no_transaction_ends_none_when_it_comes_again(store, rows):
    """B08, B10: whatever it may seem to mean by now. It was answered already."""
    await store.start_transaction(start())
    assert await store.stop_transaction(stop(-1, meter_stop=300.0, named="-1")) is None
    assert await store.stop_transaction(stop(1, meter_stop=300.0, named="-1")) is None
    assert (await store.stop_transaction(stop(1, meter_stop=5000.0))).stop_was == "first"
    await store.start_transaction(start(2))
    assert await store.stop_transaction(stop(2, meter_stop=300.0, named="-1")) is None
    assert [one.id for one in store.load_open_transactions()] == [2]
    assert rows(ORPHANS) == [("-1", 300.0)]


async def test_a_transaction_that_the_next_one_at_its_connector_has_overtaken_is_lost(store):
    """B07: and no other; its stop is taken all the same."""
    for number, changes in enumerate([{}, {"connector": "Connector2"}, {"station": "CP002"}, {}, {"start_time": 1.0}]):
        await store.start_transaction(start(number, **changes))
    assert [one.id for one in store.load_open_transactions() if one.lost is None] == [2, 3, 4, 5]
    assert (await store.stop_transaction(stop(1))).stop_was == "first"


@pytest.mark.parametrize("number", [0, -1, 99, 2**31, 2**63, 10**30])
async def test_stop_of_no_transaction_is_kept_once_as_an_orphan(store, rows, number):
    """B08, J40."""
    for _ in range(2):
        assert await store.stop_transaction(stop(number)) is None
    assert rows("SELECT station, transaction_id, meter_stop FROM orphan_stops") == [("CP001", str(number), 8500.0)]


async def test_stop_naming_another_stations_transaction_leaves_it_alone(store, rows):
    """B09."""
    await store.start_transaction(start())
    assert await store.stop_transaction(stop(1, station="CP666")) is None
    assert [transaction.id for transaction in store.load_open_transactions()] == [1]
    assert rows("SELECT station, transaction_id FROM orphan_stops") == [("CP666", "1")]


async def test_running_transaction_still_runs_after_a_restart(store, reopen):
    """D09."""
    for number in (1, 2):
        await store.start_transaction(start(number))
    await store.stop_transaction(stop(1))
    await store.close()
    (running,) = reopen().load_open_transactions()
    assert (running.id, running.id_tag, running.stop_time, running.energy) == (2, "TAG2", None, None)


async def test_transactions_since_a_time(store):
    for number in (1, 2, 3):
        await store.start_transaction(start(number))
    assert [one.id for one in store.transactions(since=1_700_000_002.0)] == [2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"connector_id": 10**30},
        {"meter_start": 10**400},
        {"id_tag": "\ud800"},
        {"authorization": {"a": {1: object()}}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_record_that_cannot_be_written_takes_no_neighbour_with_it(store, change):
    """J40: each of a batch is in the file or has its own StoreError, and the store stays healthy."""
    bad = start(2, **change)
    answers = await asyncio.gather(
        *(store.start_transaction(one) for one in (start(1), bad, start(3))), return_exceptions=True
    )
    assert isinstance(answers[1], StoreError)
    assert [one.id_tag for one in store.transactions()] == ["TAG1", "TAG3"]
    assert store.healthy


async def test_job_that_fails_halfway_leaves_nothing_behind(store):
    def fail_halfway(db):
        db.execute("INSERT INTO passwords VALUES ('CP001', 'half')")
        raise ValueError

    answers = await asyncio.gather(
        store.start_transaction(start(1)),
        store._writer.submit(fail_halfway),
        store.start_transaction(start(2)),
        return_exceptions=True,
    )
    assert isinstance(answers[1], StoreError)
    assert [one.id for one in store.transactions()] == [1, 2]
    assert store.login("CP001").hash is None


async def test_large_meter_values_are_stored_as_doubles(store):
    """J40."""
    await store.start_transaction(start(meter_start=2**63))
    stopped = await store.stop_transaction(stop(1, meter_stop=2**64))
    assert stopped is not None
    assert (stopped.meter_start, stopped.meter_stop) == (2.0**63, 2.0**64)


async def test_cancelled_awaiter_does_not_disturb_the_others(store):
    """A station that disconnects while it waits: its row is written, the rest of the batch is answered."""
    tasks = [asyncio.ensure_future(store.start_transaction(start(number))) for number in (1, 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert (await tasks[1])[0] == 2
    assert [one.id for one in store.transactions()] == [1, 2]


NO_TIME = {"start_time": 0.0, "start_timestamp": "1970-01-01T00:00:00Z", "id_tag": "TAG"}


async def test_equal_starts_of_a_station_that_was_never_told_the_time_are_one_until_its_stop_comes(store, reopen):
    """B07: its clock shows the same at each start, and a station that has sent the stop has had its start answered."""

    def key(one):
        return one.station, one.connector, one.id_tag, one.start_timestamp, one.meter_start

    like = start(**NO_TIME)
    assert [await store.start_transaction(like) for _ in range(2)] == [
        (1, like.authorization, False),
        (1, like.authorization, True),
    ]
    assert store.find_start(*key(like)) == (1, like.authorization)
    await store.stop_transaction(stop(1))
    assert store.find_start(*key(like)) is None
    second, repeated = [(await store.start_transaction(like))[0] for _ in range(2)]
    assert second == repeated > 1
    await store.close()
    again = reopen()
    assert again.find_start(*key(like)) == (second, like.authorization)
    await again.stop_transaction(stop(second))
    third, _, _ = await again.start_transaction(like)
    assert third > second
    assert [one.id for one in again.transactions()] == [1, second, third]


async def test_a_stop_that_is_only_guessed_to_be_its_own_makes_no_other_transaction_of_an_equal_start(store):
    """B07: a station that names no transaction may not have had the answer to its start."""
    like = start(**NO_TIME)
    await store.start_transaction(like)
    await store.stop_transaction(stop(1, named="-1"))
    assert await store.start_transaction(like) == (1, like.authorization, True)


async def test_an_equal_start_of_a_station_that_knows_the_time_is_the_same_though_its_stop_has_come(store):
    """B07: it was switched off before it had noted the answers, and sends all of it again."""
    await store.start_transaction(start())
    await store.stop_transaction(stop(1))
    assert await store.start_transaction(start()) == (1, start().authorization, True)
