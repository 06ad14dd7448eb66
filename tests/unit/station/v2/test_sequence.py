"""Sequence numbers in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.station.v2.sequence import MAX_RANGES, Sequence


@given(st.lists(st.integers(0, 60), max_size=80))
def test_it_knows_what_a_set_of_all_numbers_would_know(numbers):
    sequence, all_numbers = Sequence(), set()
    for number in numbers:
        assert sequence.add(number) is (number not in all_numbers)
        all_numbers.add(number)
    assert all((number in sequence) is (number in all_numbers) for number in range(61))
    assert sequence.last == max(all_numbers, default=None)
    for first in (0, 7, 60):
        expected = set(range(first, max(all_numbers, default=-1) + 1)) - all_numbers
        assert sequence.missing(first) == len(expected)


@given(st.permutations(range(40)))
def test_what_has_come_without_a_gap_is_one_range(numbers):
    sequence = Sequence()
    for number in numbers:
        sequence.add(number)
    assert sequence.ranges == [[0, 39]]


@pytest.mark.parametrize("step", [2, -2])
def test_a_station_without_sense_costs_no_more(step):
    sequence = Sequence()
    for number in range(5000)[::step]:
        sequence.add(number)
    assert len(sequence.ranges) <= MAX_RANGES
