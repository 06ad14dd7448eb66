"""One timer tells all connections when they are due for a ping."""

import asyncio

import pytest

from bridge.ocpp import pings
from bridge.ocpp.pings import Pings


class Station:
    def __init__(self, history: list["Station"]) -> None:
        self.history = history
        self.pinged = asyncio.Event()

    def ping(self) -> None:
        self.history.append(self)
        self.pinged.set()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(pings, "TICK", 0.001)


async def test_all_are_told_once_in_order_also_more_than_in_one_turn(monkeypatch):
    monkeypatch.setattr(pings, "AT_ONCE", 3)
    due, history = Pings(0.01), []
    stations = [Station(history) for _ in range(10)]
    for station in stations:
        due.add(station)
    async with asyncio.timeout(10):
        await stations[-1].pinged.wait()
    assert history == stations


async def test_who_is_gone_is_not_told():
    due, history = Pings(0.01), []
    gone, there = Station(history), Station(history)
    due.add(gone)
    due.add(there)
    due.remove(gone)
    async with asyncio.timeout(10):
        await there.pinged.wait()
    assert history == [there]


async def test_one_that_comes_after_all_had_gone_is_told():
    due, history = Pings(0.01), []
    gone, late = Station(history), Station(history)
    due.add(gone)
    due.remove(gone)
    due.add(late)
    async with asyncio.timeout(10):
        await late.pinged.wait()
    assert history == [late]
