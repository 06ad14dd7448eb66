"""Who waits to be known: a flood from one address drives out nobody else."""

import resource

from bridge.ocpp.waiting import LEAST, Waiting


def test_where_there_are_too_many_the_oldest_of_the_largest_crowd_goes():
    waiting = Waiting(4)
    assert [waiting.add(name, "station") for name in ("first",)] == [None]
    assert [waiting.add(number, "flood") for number in range(6)] == [None, None, None, 0, 1, 2]
    assert waiting.add("second", "other station") == 3
    assert len(waiting) == 4


def test_of_many_addresses_the_one_that_has_waited_longest_goes():
    waiting = Waiting(2)
    assert [waiting.add(number, f"10.0.0.{number}") for number in range(4)] == [None, None, 0, 1]


def test_who_has_gone_makes_room():
    waiting = Waiting(1)
    waiting.add("a", "x")
    waiting.remove("a", "x")
    waiting.remove("a", "x")
    waiting.remove("b", "y")
    assert len(waiting) == 0
    assert waiting.add("b", "y") is None
    assert waiting._of == {"y": {"b": None}}


def test_they_use_up_no_more_than_a_quarter_of_the_files_that_may_be_open(monkeypatch):
    """The other three are for stations that are let in, HMIs and the store."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100, 100))
    waiting = Waiting(4096)
    given_up = [waiting.add(number, "x") for number in range(30)]
    assert given_up[:25] == [None] * 25
    assert given_up[25:] == [0, 1, 2, 3, 4]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (10, 10))
    waiting = Waiting(4096)
    assert [waiting.add(number, "x") for number in range(LEAST + 1)] == [None] * LEAST + [0]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    waiting = Waiting(2)
    assert [waiting.add(number, "x") for number in range(3)] == [None, None, 0]
