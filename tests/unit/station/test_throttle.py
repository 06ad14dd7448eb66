"""Who guesses is slowed down, and nobody is locked out by it."""

import pytest

from bridge.station import throttle
from bridge.station.throttle import FORGOTTEN, LONGEST_WAIT, Crowd, Throttle, network


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def tries(throttle, clock, host, identity, count):
    """Waits of a guesser who waits as long as it is told."""
    waits = []
    for _ in range(count):
        wait = throttle.wait(host, identity)
        assert wait is not None
        clock.now += wait
        waits.append(wait)
    return waits


def test_the_first_tries_do_not_wait_and_later_ones_wait_longer_and_longer(clock):
    """J12"""
    waits = tries(Throttle(clock), clock, "10.0.0.1", "CP1", 12)
    assert waits[:3] == [0, 0, 0]
    assert waits[3:] == sorted(waits[3:])
    assert waits[3] > 0
    assert max(waits) <= throttle.LONGEST_GAP


def test_many_tries_at_once_are_refused_and_take_no_turn(clock):
    """J12"""
    guesser = Throttle(clock)
    waits = [guesser.wait("10.0.0.1", "CP1") for _ in range(100)]
    assert waits.count(None) > 80
    clock.now += LONGEST_WAIT
    assert guesser.wait("10.0.0.1", "CP1") is not None


def test_a_guesser_does_not_slow_down_the_true_station_elsewhere(clock):
    """J12"""
    guesser = Throttle(clock)
    for _ in range(100):
        guesser.wait("10.0.0.1", "CP1")
    assert guesser.wait("10.0.0.2", "CP1") == 0


def test_a_station_with_a_wrong_password_does_not_hold_up_its_neighbours(clock):
    guesser = Throttle(clock)
    for _ in range(15):
        guesser.wait("10.0.0.1", "CP1")
    assert guesser.wait("10.0.0.1", "CP2") == 0


def test_an_address_that_tries_one_name_after_the_other_is_slowed_down(clock):
    guesser = Throttle(clock)
    waits = [guesser.wait("10.0.0.1", f"CP{number}") for number in range(1000)]
    assert waits[10] == 0
    assert 0 < waits[30] < 1
    assert waits[-1] is None


def test_a_depot_behind_one_address_comes_back_in_seconds(clock):
    """Two hundred stations at once, whose passwords are right."""
    guesser, longest = Throttle(clock), 0.0
    for number in range(200):
        wait = guesser.wait("10.0.0.1", f"CP{number}")
        assert wait is not None
        longest = max(longest, wait)
    assert longest <= LONGEST_WAIT


def test_a_good_login_forgives_what_was_tried_before(clock):
    guesser = Throttle(clock)
    tries(guesser, clock, "10.0.0.1", "CP1", 8)
    guesser.passed("10.0.0.1", "CP1")
    assert guesser.wait("10.0.0.1", "CP1") == 0


def test_what_is_long_ago_is_forgotten(clock):
    guesser = Throttle(clock)
    tries(guesser, clock, "10.0.0.1", "CP1", 8)
    clock.now += FORGOTTEN + 1
    assert guesser.wait("10.0.0.1", "CP1") == 0


def test_no_more_is_remembered_than_may_be(clock, monkeypatch):
    monkeypatch.setattr(throttle, "MOST", 50)
    guesser = Throttle(clock)
    for number in range(500):
        guesser.wait(f"10.0.{number // 250}.{number % 250}", "CP1")
    assert len(guesser) <= 50


def test_nobody_has_so_many_glances_that_guessing_gets_far(clock):
    """J12"""
    guesser = Throttle(clock)
    seen = 0
    for _ in range(10_000):  # in ten seconds
        clock.now += 0.001
        seen += guesser.glance("10.0.0.1", "CP1")
    assert seen <= throttle.GLANCES + 10 * throttle.GLANCES_EACH_SECOND
    assert guesser.glance("10.0.0.1", "CP2")
    assert guesser.glance("10.0.0.2", "CP1")


def test_one_name_after_the_other_has_no_more_glances_either(clock):
    """J12"""
    guesser = Throttle(clock)
    assert sum(guesser.glance("10.0.0.1", f"CP{number}") for number in range(5_000)) == throttle.GLANCES_OF_ADDRESS


def test_the_true_station_gets_its_glance_soon_however_fast_somebody_guesses_beside_it(clock):
    """J12: from the same address, five hundred times a second; it tries once in ten."""
    guesser = Throttle(clock)
    for _ in range(100):
        for _ in range(4_999):
            clock.now += 0.002
            guesser.glance("10.0.0.1", "CP1")
        clock.now += 0.0021  # as it happens
        if guesser.glance("10.0.0.1", "CP1"):
            return
    pytest.fail("it is locked out")


def test_stations_whose_passwords_are_right_use_up_no_glances(clock):
    """A whole depot may come back from behind one router."""
    gate = Throttle(clock)
    for number in range(5_000):
        assert gate.glance("10.0.0.1", f"CP{number}")
        gate.passed("10.0.0.1", f"CP{number}")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_site_is_one_address(host, expected):
    assert network(host) == expected


def test_an_address_has_so_many_connections_and_no_more():
    crowd = Crowd(2)
    assert [crowd.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert crowd.enter("10.0.0.2")
    crowd.leave("10.0.0.1")
    assert crowd.enter("10.0.0.1")


def test_an_address_without_connections_is_forgotten():
    crowd = Crowd(2)
    for number in range(100):
        crowd.enter(f"10.0.0.{number}")
        crowd.leave(f"10.0.0.{number}")
    assert crowd._count == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ""])
def test_loopback_is_not_counted(host):
    crowd = Crowd(1)
    assert all(crowd.enter(host) for _ in range(5))


def test_no_limit_means_none():
    crowd = Crowd(0)
    assert all(crowd.enter("10.0.0.1") for _ in range(5))
