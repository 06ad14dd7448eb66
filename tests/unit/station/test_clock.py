"""A station's clock, as its messages show it."""

from bridge.station.clock import WINDOW, StationClock


def test_nothing_is_known_before_the_first_timestamp():
    assert StationClock(300).offset is None


def test_a_message_that_waited_does_not_make_the_clock_slow():
    """B16"""
    clock = StationClock(300)
    assert clock.heard(990.0, 1000.0) == 990.0
    assert clock.heard(-80_000.0, 1001.0) == -80_000.0
    assert clock.offset == -10.0


def test_a_clock_that_is_far_off_is_not_believed():
    for offset in (400.0, -400.0):
        clock = StationClock(300)
        assert clock.heard(1000.0 + offset, 1000.0) is None
        assert clock.offset == offset


def test_a_single_timestamp_in_the_future_is_not_believed():
    clock = StationClock(300)
    clock.heard(1000.0, 1000.0)
    assert clock.heard(2000.0, 1001.0) is None


def test_a_clock_that_was_set_right_is_believed_again():
    clock = StationClock(300)
    assert clock.heard(8200.0, 1000.0) is None
    for window in (1, 2):
        clock.heard(1000.0 + window * (WINDOW + 1), 1000.0 + window * (WINDOW + 1))
    now = 1000.0 + 2 * (WINDOW + 1) + 5
    assert clock.heard(now, now) == now
    assert clock.offset == 0.0


def test_a_profiles_offset_moves_the_estimate_with_the_timestamps():
    clock = StationClock(300)
    assert clock.heard(4600.0, 1000.0) is None
    clock.shift(-3600.0)
    assert clock.offset == 0.0
    assert clock.heard(1001.0, 1001.0) == 1001.0
