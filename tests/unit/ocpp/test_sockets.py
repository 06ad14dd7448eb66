"""Stations' sockets are read in order of arrival, a part in each turn of the event loop."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from bridge.ocpp import sockets
from bridge.ocpp.sockets import Sockets
from tests.unit.station.rig import WAIT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the list of sockets that are ready is Linux's own")


class Station:
    """A station's end and ours, which notes what comes."""

    def __init__(self, name: str, read: Sockets, history: list[object]) -> None:
        self.name, self.read, self.history = name, read, history
        self.theirs, self.ours = socket.socketpair()
        self.ours.setblocking(False)
        self.when_taken: Callable[[], object] = lambda: None

    def watch(self) -> None:
        self.read.add(self.ours.fileno(), self)

    def leave(self) -> None:
        self.read.remove(self.ours.fileno(), self)

    def take(self, data: bytes) -> None:
        self.history.append(f"{self.name}{data.decode()}")
        self.when_taken()

    def eof_received(self) -> None:
        self.history.append(f"{self.name} ends")

    def lost_line(self, error: OSError) -> None:
        self.broken(error)

    def broken(self, error: Exception) -> None:
        self.history.append(f"{self.name}: {type(error).__name__}")


@pytest.fixture
def history() -> list[object]:
    return []


@pytest.fixture
def stations(history) -> Iterator[list[Station]]:
    read = Sockets()
    found = [Station(name, read, history) for name in "abcdefgh"]
    yield found
    for station in found:
        station.theirs.close()
        station.ours.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


async def test_who_came_first_is_read_first(stations, history):
    for station in stations:
        station.watch()
    for station in reversed(stations):
        station.theirs.send(b"1")
    await until(lambda: len(history) == len(stations))
    assert history == ["h1", "g1", "f1", "e1", "d1", "c1", "b1", "a1"]


async def test_others_have_their_turn_when_its_time_is_up(stations, history, monkeypatch):
    monkeypatch.setattr(sockets, "AT_ONCE", 2)
    monkeypatch.setattr(sockets, "IN_A_TURN", -1.0)
    for station in stations[:4]:
        station.watch()
        station.theirs.send(b"1")
        station.when_taken = lambda: asyncio.get_running_loop().call_soon(history.append, "others")
    await until(lambda: len(history) == 8)
    assert history == ["a1", "b1", "others", "others", "c1", "d1", "others", "others"]


async def test_who_floods_does_not_come_again_before_the_others(stations, history, monkeypatch):
    monkeypatch.setattr(sockets, "AT_ONCE", 1)
    monkeypatch.setattr(sockets, "MOST", 1)
    stations[0].theirs.send(b"123")
    for station in stations[1:3]:
        station.theirs.send(b"1")
    for station in stations[:3]:
        station.watch()
    await until(lambda: len(history) == 5)
    assert history == ["a1", "b1", "c1", "a2", "a3"]


async def test_who_is_removed_by_one_before_it_is_not_read(stations, history):
    first, second, third = stations[:3]
    first.when_taken = second.leave
    for station in stations[:3]:
        station.watch()
        station.theirs.send(b"1")
    await until(lambda: len(history) == 2)
    assert history == ["a1", "c1"]
    second.watch()
    await until(lambda: len(history) == 3)
    assert history[2] == "b1"
    assert third.ours.fileno() > 0


async def test_a_number_that_is_another_sockets_by_now_stays_with_that(stations, history):
    old, new = stations[:2]
    old.watch()
    number = old.ours.detach()
    socket.close(number)
    new.ours = socket.socket(fileno=_moved(new.ours, number))
    new.ours.setblocking(False)
    new.watch()
    old.read.remove(number, old)
    new.theirs.send(b"1")
    await until(lambda: history)
    assert history == ["b1"]


def _moved(one: socket.socket, number: int) -> int:
    """The same socket under another number."""
    os.dup2(one.fileno(), number)
    one.close()
    return number


async def test_the_end_comes_once_and_an_error_goes_to_its_owner(stations, history):
    ends, breaks, other = stations[:3]
    breaks.when_taken = lambda: 1 / 0
    for station in stations[:3]:
        station.watch()
    ends.theirs.close()
    breaks.theirs.send(b"1")
    await until(lambda: len(history) == 3)
    assert history == ["a ends", "b1", "b: ZeroDivisionError"]
    other.theirs.send(b"1")
    await until(lambda: len(history) == 4)
    assert history[3] == "c1"


async def test_nothing_is_read_in_a_rest_and_all_else_goes_on(stations, history):
    first, second = stations[:2]
    for station in (first, second):
        station.watch()
        station.theirs.send(b"1")
    first.read.rest(60.0)
    await asyncio.sleep(0.01)
    assert history == []
    assert first.read.holds_unread(first.ours.fileno(), first)
    assert not first.read.holds_unread(first.ours.fileno(), second)


async def test_after_a_rest_all_is_read(stations, history):
    for station in stations[:2]:
        station.watch()
        station.theirs.send(b"1")
    stations[0].read.rest(0.001)
    await until(lambda: len(history) == 2)
    assert history == ["a1", "b1"]
    assert not stations[0].read.holds_unread(stations[0].ours.fileno(), stations[0])


async def test_a_rest_ends_though_all_have_left(stations, history):
    station = stations[0]
    station.watch()
    station.read.rest(0.001)
    station.leave()
    station.watch()
    station.theirs.send(b"1")
    await until(lambda: history)
    assert history == ["a1"]
