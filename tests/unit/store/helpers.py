"""Records to put into a store, with what a test cares about changed, and waiting for the writer's thread."""

import asyncio
from collections.abc import Callable
from typing import Any

from bridge.store import StationRecord, Store, TransactionStart, TransactionStop


def start(number: int = 1, **changes: Any) -> TransactionStart:
    record: dict[str, Any] = {
        "station": "CP001",
        "connector": "Connector1",
        "connector_id": 1,
        "id_tag": f"TAG{number}",
        "start_time": 1_700_000_000.0 + number,
        "start_timestamp": f"2023-11-14T22:13:{number}Z",
        "meter_start": 1000.0,
        "authorization": {"status": "Accepted", "parentIdTag": "P"},
        "received": 1_700_000_100.0,
    }
    return TransactionStart(**record | changes)


def stop(transaction_id: int, **changes: Any) -> TransactionStop:
    record: dict[str, Any] = {
        "station": "CP001",
        "transaction_id": transaction_id,
        "id_tag": "TAG1",
        "stop_time": 1_700_003_600.0,
        "stop_timestamp": "2023-11-14T23:13:20Z",
        "meter_stop": 8500.0,
        "reason": "Local",
        "data": [{"timestamp": "2023-11-14T23:13:20Z", "sampledValue": [{"value": "8500"}]}],
        "received": 1_700_003_601.0,
    }
    return TransactionStop(**record | changes)


def station(**changes: Any) -> StationRecord:
    record: dict[str, Any] = {
        "id": "CP/001",
        "name": "CP_001",
        "version": "1.6",
        "registration": "Pending",
        "heartbeat_interval": 300,
        "first_seen": 1_700_000_000.0,
        "last_seen": 1_700_000_001.0,
        "boot": {"chargePointVendor": "V", "chargePointModel": "M"},
    }
    return StationRecord(**record | changes)


async def until(condition: Callable[[], Any]) -> Any:
    """The first true result of `condition`."""
    async with asyncio.timeout(10):
        while not (result := condition()):  # noqa: ASYNC110 - the writer's thread sets no asyncio.Event
            await asyncio.sleep(0.005)
    return result


async def settled(store: Store) -> None:
    """Until everything that was put is on disk."""
    await until(lambda: store.queue_length == 0)
