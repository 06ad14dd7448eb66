"""So many at once, so many a second, for each by itself."""

from bridge.points.allowance import MOST, Allowance


def test_so_many_at_once_and_so_many_a_second_and_the_others_are_counted():
    now = 0.0
    allowance = Allowance(3, 2.0, lambda: now)
    assert [allowance.admit("a") for _ in range(5)] == [0, 0, 0, None, None]
    assert allowance.admit("b") == 0
    now = 0.5
    assert [allowance.admit("a") for _ in range(2)] == [2, None]
    now = 100.0
    assert [allowance.admit("a") for _ in range(4)] == [1, 0, 0, None]


def test_a_clock_that_goes_back_gives_nothing():
    now = 10.0
    allowance = Allowance(1, 1.0, lambda: now)
    assert allowance.admit("a") == 0
    now = 5.0
    assert allowance.admit("a") is None


def test_who_is_remembered_is_bounded():
    allowance = Allowance(1, 0.001, lambda: 0.0)
    for number in range(MOST + 5):
        allowance.admit(number)
    assert allowance.admit(0) == 0
    assert allowance.admit(MOST + 4) is None
