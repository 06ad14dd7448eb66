"""What lives is not looked through again and again, and what is rubbish goes all the same."""

import asyncio
import gc
import weakref

import pytest

from bridge import garbage
from bridge.garbage import BEAT, LOOK_EVERY, Garbage


class Thing:
    """Something that may refer to itself."""

    def __init__(self) -> None:
        self.me: Thing | None = None


@pytest.fixture
async def collector():
    found = Garbage()
    found.start()
    yield found
    found.stop()


def ring() -> "weakref.ref[Thing]":
    thing = Thing()
    thing.me = thing
    return weakref.ref(thing)


async def is_passed_over(thing: object) -> None:
    while any(other is thing for other in gc.get_objects()):  # noqa: ASYNC110 - the collector tells nobody
        await asyncio.sleep(BEAT)


async def old_ring() -> "weakref.ref[Thing]":
    """One that has lived too long to be looked at."""
    thing = Thing()
    thing.me = thing
    await is_passed_over(thing)
    return weakref.ref(thing)


def turn(collector: Garbage) -> None:
    """A look at the memory, with a station."""
    for _ in range(LOOK_EVERY):
        collector.turn(1)


async def test_what_lives_is_passed_over(collector):
    thing = Thing()
    async with asyncio.timeout(30):
        await is_passed_over(thing)


async def test_a_ring_that_was_made_and_dropped_goes(collector):
    gone = ring()
    async with asyncio.timeout(30):
        while gone() is not None:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(BEAT)


async def test_an_old_ring_goes_when_there_is_much_more_memory_than_there_was(collector, monkeypatch):
    gone = await old_ring()
    turn(collector)
    assert gone() is not None
    monkeypatch.setattr(garbage, "GROWN", 0.5)  # as if it were
    monkeypatch.setattr(garbage, "USUAL", 10**12)
    monkeypatch.setattr(garbage, "USUAL_BYTES", 10**12)
    turn(collector)
    assert gone() is not None  # but no more than stations may have
    monkeypatch.setattr(garbage, "USUAL", 1)
    turn(collector)
    assert gone() is None


async def test_an_old_ring_goes_when_it_holds_much_that_is_no_small_object(collector, monkeypatch):
    gone = await old_ring()
    monkeypatch.setattr(garbage, "GROWN", 0.5)
    monkeypatch.setattr(garbage, "USUAL", 10**12)
    monkeypatch.setattr(garbage, "USUAL_BYTES", 1)
    turn(collector)
    assert gone() is None


async def test_the_collector_is_left_as_it_was():
    assert gc.isenabled()
    found = Garbage()
    found.start()
    assert not gc.isenabled()
    found.stop()
    assert gc.isenabled()
