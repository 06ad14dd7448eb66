"""What is told of the store's disk."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.points.events import Event
from bridge.store.health import LOOK_EVERY, NEARLY_FULL, Health


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def store() -> Any:
    return SimpleNamespace(healthy=True, last_error="")


@pytest.fixture
def health(store: Any, told: list[Event], tmp_path: Path) -> Health:
    return Health(store, tmp_path, told.append, lambda: 7.0)


def room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))


def test_a_store_that_fails_and_recovers_says_so_once_and_why(health: Health, store: Any, told: list[Event]) -> None:
    assert health.turn() == 255
    store.healthy, store.last_error = False, "disk I/O error"
    assert [health.turn(), health.turn()] == [100, 100]
    store.healthy = True
    assert [health.turn(), health.turn()] == [255, 255]
    assert [(one.type, one.time, dict(one.fields)) for one in told] == [
        ("StoreFailed", 7.0, {"Reason": "disk I/O error"}),
        ("StoreRecovered", 7.0, {}),
    ]


def test_a_disk_that_is_nearly_full_is_told_once_until_there_is_room(health: Health, told, monkeypatch) -> None:
    for free in (NEARLY_FULL - 1, 5, NEARLY_FULL + 1, 10 * NEARLY_FULL, 5):
        room(monkeypatch, free)
        for _ in range(LOOK_EVERY):
            health.turn()
    assert [one.type for one in told] == ["StoreNearlyFull", "StoreNearlyFull"]
    assert told[1].fields["FreeBytes"] == 5.0


def test_a_disk_that_cannot_be_looked_at_says_nothing(health: Health, told, monkeypatch) -> None:
    def broken(folder: Path) -> None:
        raise OSError

    monkeypatch.setattr(shutil, "disk_usage", broken)
    assert health.turn() == 255
    assert told == []
