"""Which changes are reported. Pure."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.opcua.subscriptions.filters import ABSOLUTE, NONE, PERCENT, DataFilter, Trigger, data_filter, same
from bridge.points.rows import Row, Type
from bridge.points.tree import Quality, Sample

ROW = Row(folder="", name="P", type=Type.DOUBLE, description="", range=(0.0, 200.0))


def sample(value: object, time: float = 1.0, quality: Quality = Quality.GOOD) -> Sample:
    return Sample(value, quality, time, 2.0)


@pytest.mark.parametrize(
    ("trigger", "value", "time", "status"),
    [
        (Trigger.STATUS, False, False, True),
        (Trigger.STATUS_VALUE, True, False, True),
        (Trigger.STATUS_VALUE_TIMESTAMP, True, True, True),
    ],
)
def test_the_trigger_says_what_has_to_change(trigger, value, time, status):
    wanted = DataFilter(trigger)
    assert wanted.passes(sample(1.0), sample(2.0)) is value
    assert wanted.passes(sample(1.0), sample(1.0, 2.0)) is time
    assert wanted.passes(sample(1.0), sample(1.0, quality=Quality.LAST)) is status
    assert not wanted.passes(sample(1.0), sample(1.0))


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        (10.0, 15.0, False),
        (10.0, 15.1, True),
        (10.0, 4.9, True),
        (None, 10.0, True),
        (10.0, None, True),
        (None, None, False),
        (10.0, math.nan, True),
        (math.nan, 10.0, True),
        (math.nan, math.nan, False),
        (math.inf, math.inf, False),
        (math.inf, -math.inf, True),
    ],
)
def test_a_deadband_is_left_or_not(before, after, passes):
    assert DataFilter(Trigger.STATUS_VALUE, 5.0).passes(sample(before), sample(after)) is passes


def test_with_a_deadband_a_time_alone_is_no_change():
    assert not DataFilter(Trigger.STATUS_VALUE_TIMESTAMP, 5.0).passes(sample(1.0), sample(1.0, 2.0))


@given(st.floats(), st.floats(), st.floats(0, 1e300))
def test_what_does_not_change_passes_no_deadband(before, after, deadband):
    wanted = DataFilter(Trigger.STATUS_VALUE, deadband)
    assert wanted.passes(sample(before), sample(after)) is not (same(before, after) or abs(after - before) <= deadband)


def test_a_percent_deadband_becomes_one_of_the_range():
    assert data_filter(1, PERCENT, 10.0, ROW, is_number=True) == DataFilter(Trigger.STATUS_VALUE, 20.0)


def test_the_filter_that_everybody_has_is_none():
    assert data_filter(1, NONE, 5.0, ROW, is_number=False) is None
    assert data_filter(0, NONE, 5.0, ROW, is_number=False) == DataFilter(Trigger.STATUS)


@pytest.mark.parametrize(
    ("trigger", "kind", "deadband", "row", "is_number", "code"),
    [
        (3, NONE, 0.0, ROW, True, "BadMonitoredItemFilterInvalid"),
        (1, 3, 0.0, ROW, True, "BadMonitoredItemFilterUnsupported"),
        (1, ABSOLUTE, 1.0, ROW, False, "BadFilterNotAllowed"),
        (1, ABSOLUTE, -1.0, ROW, True, "BadDeadbandFilterInvalid"),
        (1, ABSOLUTE, math.inf, ROW, True, "BadDeadbandFilterInvalid"),
        (1, ABSOLUTE, math.nan, ROW, True, "BadDeadbandFilterInvalid"),
        (1, PERCENT, 100.5, ROW, True, "BadDeadbandFilterInvalid"),
        (1, PERCENT, 1.0, None, True, "BadMonitoredItemFilterUnsupported"),
    ],
)
def test_a_filter_that_cannot_be_had_says_why(trigger, kind, deadband, row, is_number, code):
    with pytest.raises(Refused) as caught:
        data_filter(trigger, kind, deadband, row, is_number=is_number)
    assert caught.value.status == code
