"""Events are of a type, and have no other fields than their type's."""

import pytest

from bridge.points.events import EVENT_TYPES, MOST_TEXT, Event


def test_an_event_has_its_types_severity_unless_it_has_one_of_its_own():
    assert Event("StationConnected", "CP1", "here", 0.0).severity == EVENT_TYPES["StationConnected"].severity
    assert Event("StationConnected", "CP1", "here", 0.0, severity=7).severity == 7
    assert Event("StationConnected", "CP1", "here", 0.0, severity=5_000).severity == 1_000


def test_a_type_or_a_field_that_there_is_not_is_a_mistake():
    with pytest.raises(KeyError):
        Event("Nothing", "", "x", 0.0)
    with pytest.raises(KeyError, match="Secret"):
        Event("StationConnected", "", "x", 0.0, {"Secret": "y"})


def test_texts_are_cut():
    event = Event("StationConnected", "", "x" * 5_000, 0.0, {"OcppVersion": "y" * 5_000})
    assert (len(event.message), len(str(event.fields["OcppVersion"]))) == (MOST_TEXT, MOST_TEXT)


def test_every_type_says_what_it_is_and_how_grave():
    for name, row in EVENT_TYPES.items():
        assert name == row.name
        assert row.description
        assert 1 <= row.severity <= 1_000
