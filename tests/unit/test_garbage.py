"""What lives is not looked through again and again, and what is rubbish goes all the same."""

import gc
import weakref

import pytest

from bridge import garbage
from bridge.garbage import Garbage


class Thing:
    """Something that may refer to itself."""

    def __init__(self) -> None:
        self.me: Thing | None = None


@pytest.fixture
def collector():
    found = Garbage()
    found.start()
    yield found
    found.stop()


def ring() -> "weakref.ref[Thing]":
    thing = Thing()
    thing.me = thing
    return weakref.ref(thing)


def test_what_lives_is_passed_over(collector):
    kept = [Thing() for _ in range(100)]
    collector.turn(0)
    tracked = gc.get_objects()
    assert not any(thing is other for thing in kept[:3] for other in tracked)


def test_a_ring_that_was_made_and_dropped_goes(collector):
    gone = ring()
    gc.collect(0)
    assert gone() is None


def test_an_old_ring_goes_when_enough_has_ended(collector, monkeypatch):
    monkeypatch.setattr(garbage, "ENDS", 10)
    gone = ring()
    collector.turn(9)
    assert gone() is not None
    collector.turn(10)
    assert gone() is None


def test_an_old_ring_goes_after_hours_though_no_station_has_left(collector, monkeypatch):
    monkeypatch.setattr(garbage, "PERIOD", 3)
    gone = ring()
    collector.turn(0)
    collector.turn(0)
    assert gone() is not None
    collector.turn(0)
    assert gone() is None


def test_the_collector_is_left_as_it_was():
    before = gc.get_threshold()
    found = Garbage()
    found.start()
    assert gc.get_threshold() != before
    found.stop()
    assert gc.get_threshold() == before
