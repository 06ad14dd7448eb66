"""Events of 2.x transactions: each is kept once, and those without an end are found at the start."""

import pytest

from bridge.store import EventRecord, Store, events


def event(
    transaction: str = "T1",
    seq: int = 0,
    digest: str = "",
    ended: bool = False,
    station: str = "CP1",
    received: float = 5.0,
    connector: str | None = None,
) -> EventRecord:
    return EventRecord(
        station=station,
        transaction_id=transaction,
        seq_no=seq,
        digest=digest or f"{transaction}-{seq}",
        ended=ended,
        payload={"seqNo": seq, "aB": [1, None]},
        received=received,
        connector=connector,
    )


@pytest.fixture
async def store(tmp_path):
    store = Store.open(tmp_path / "bridge.db", flush_interval=0.01)
    yield store
    await store.close()


async def test_an_event_is_kept_as_it_was(store):
    assert await store.put_event(event())
    assert store.events_of("CP1", "T1") == [event()]
    assert store.events_of("CP2", "T1") == store.events_of("CP1", "T2") == []


async def test_an_event_that_comes_again_is_kept_once_and_another_with_its_number_beside_it(store):
    """B20"""
    assert await store.put_event(event())
    assert not await store.put_event(event())
    assert await store.put_event(event(digest="other"))
    assert [found.digest for found in store.events_of("CP1", "T1")] == ["T1-0", "other"]


async def test_transactions_that_run_are_found_with_their_events_in_order(store):
    for found in (event("T1", 1), event("T2", 0), event("T1", 0), event("T3", 0), event("T2", 1, ended=True)):
        await store.put_event(found)
    await store.put_event(event("T1", station="CP2"))
    assert [(found.station, found.transaction_id, found.seq_no) for found in store.load_running_events()] == [
        ("CP1", "T1", 1),
        ("CP1", "T1", 0),
        ("CP1", "T3", 0),
        ("CP2", "T1", 0),
    ]


async def test_what_comes_after_the_end_does_not_make_a_transaction_run_again(store):
    """B17"""
    await store.put_event(event("T1", 2, ended=True))
    await store.put_event(event("T1", 1))
    assert list(store.load_running_events()) == []
    assert len(store.events_of("CP1", "T1")) == 2


async def test_events_outlive_a_restart(tmp_path):
    """D01"""
    first = Store.open(tmp_path / "bridge.db", flush_interval=0.01)
    await first.put_event(event())
    await first.close()
    second = Store.open(tmp_path / "bridge.db", flush_interval=0.01)
    assert list(second.load_running_events()) == [event()]
    await second.close()


async def test_a_transaction_that_was_lost_does_not_run_until_more_of_it_comes(store):
    """B18"""
    await store.put_event(event("T1", 0))
    await store.put_event(event("T2", 0))
    await store.lose_event_transaction("CP1", "T1")
    assert [found.transaction_id for found in store.load_running_events()] == ["T2"]
    assert store.events_of("CP1", "T1") == [event("T1", 0)]
    await store.put_event(event("T1", 1))
    assert [(found.transaction_id, found.seq_no) for found in store.load_running_events()] == [
        ("T1", 0),
        ("T2", 0),
        ("T1", 1),
    ]


async def test_where_an_event_was_is_kept_and_noted_later_where_nothing_told(store):
    """B21"""
    for number, connector in enumerate(("Connector1", "", None)):
        await store.put_event(event("T1", number, connector=connector))
    await store.put_event(event("T2", 0, connector=""))
    await store.place_events("CP1", "T1", "Connector1_2")
    assert [found.connector for found in store.events_of("CP1", "T1")] == ["Connector1", "Connector1_2", None]
    assert [found.connector for found in store.events_of("CP1", "T2")] == [""]


@pytest.mark.parametrize("slice_", [1, 2, 3, 100])
async def test_transactions_that_have_ended_long_ago_are_forgotten_and_no_others(store, monkeypatch, slice_):
    monkeypatch.setattr(events, "SLICE", slice_)
    for found in (
        event("OLD", 0, received=1),
        event("RUNS", 0, received=2),
        event("LOST", 0, received=3),
        event("OLD", 1, received=4, ended=True),
        event("LATE", 0, received=5, ended=True),
        event("OLD", 0, received=6, station="CP2", ended=True),
        event("LATE", 1, received=10),
        event("NEW", 0, received=11, ended=True),
    ):
        await store.put_event(found)
    await store.lose_event_transaction("CP1", "LOST")
    await store.forget_events(10)
    kept = {(found.station, found.transaction_id) for name in ("CP1", "CP2") for found in every(store, name)}
    assert kept == {("CP1", "RUNS"), ("CP1", "LATE"), ("CP1", "NEW")}
    assert [found.seq_no for found in store.events_of("CP1", "LATE")] == [0, 1]


def every(store: Store, station: str) -> list[EventRecord]:
    return [found for name in ("OLD", "RUNS", "LOST", "LATE", "NEW") for found in store.events_of(station, name)]


async def test_whether_a_transaction_has_ended_is_known_without_reading_its_events(store, rows):
    """One that runs for days has 100,000; each new one would read them all."""
    seen = []
    await store._writer.submit(lambda db: db.conn.set_trace_callback(seen.append))
    await store.put_event(event(1))
    await store._writer.submit(lambda db: db.conn.set_trace_callback(None))
    [statement] = [sql for sql in seen if sql.startswith("INSERT INTO running_transactions")]
    plan = " ".join(str(row[3]) for row in rows(f"EXPLAIN QUERY PLAN {statement}"))
    assert "USING COVERING INDEX transaction_events_end" in plan or "USING INDEX transaction_events_end" in plan
