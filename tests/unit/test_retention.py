"""What the store keeps, and for how long."""

import pytest

from bridge import retention
from bridge.config import StoreConfig
from bridge.store import EventRecord, Store

NOW = 1_800_000_000.0


@pytest.mark.parametrize(("days", "kept"), [(0, ["A", "B"]), (30, ["B"]), (10, []), (365, ["A", "B"])])
async def test_events_of_transactions_that_ended_longer_ago_than_configured_are_deleted(tmp_path, days, kept):
    store = Store.open(tmp_path / "bridge.db")
    for transaction, age in (("A", 40), ("B", 20)):
        await store.put_event(
            EventRecord(
                station="CP1",
                transaction_id=transaction,
                seq_no=0,
                digest="",
                ended=True,
                payload={},
                received=NOW - age * retention.DAY,
            )
        )
    await retention.forget(store, StoreConfig(keep_events=days), NOW)
    assert [name for name in "AB" if store.events_of("CP1", name)] == kept
    await store.close()


async def test_a_store_that_cannot_delete_is_no_end(tmp_path):
    store = Store.open(tmp_path / "bridge.db")
    await store.close()
    await retention.forget(store, StoreConfig(), NOW)
