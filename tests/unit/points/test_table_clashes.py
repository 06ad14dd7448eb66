"""Points that want the same place, and many mistakes at once."""

import pytest

from bridge.errors import ProjectError
from tests.unit.points.helpers import own, point, problems_of

# --- two that want the same place

CLASHES = [
    (point(key="Info.Model"), "Info.Model", "another point of the station has this path, in "),
    (point(key="State.LogStatusText"), "State.LogStatusText", "another point of the station has this path, in "),
    (point(key="MeterValues.Voltage"), "MeterValues.Voltage", "another point of the station has this path, in "),
    (point(key="Info"), "Info", "is a point and the folder of Info."),
    (point(key="Info.Id.Deep"), "Info.Id", "is a point and the folder of Info.Id.Deep; expected one of them"),
    (point(key="Security"), "Security", "is a point and the folder of Security."),
]


@pytest.mark.parametrize(("row", "where", "what"), CLASHES)
def test_two_points_at_one_place_are_named_with_both_files(load, row, where, what):
    problems = problems_of(load, own=own(row))
    assert [problem[1] for problem in problems] == [where]
    assert problems[0][2].startswith(what)
    assert "own.yaml" in str(problems[0]) or "Deep" in problems[0][2]


def test_a_point_that_is_twice_in_one_file_is_named_once(load):
    problems = problems_of(load, own=own(point(), point()))
    assert len(problems) == 1
    assert problems[0][:2] == ("own.yaml", "Own.Point")


def test_the_same_key_may_be_a_points_of_different_kinds(load):
    load(own="for: [bridge]\npoints: [" + point(key="Info.Model") + "]")


# --- several at once


def test_all_mistakes_are_told_at_once(load):
    problems = problems_of(
        load,
        own=own(point(type="Float", transform="half"), point(key="Info.Model")),
        other="{",
        messages='"1.6": 5',
    )
    assert [(file, where) for file, where, _ in problems] == [
        ("other.yaml", "line 1"),
        ("messages.yaml", "1.6"),
        ("own.yaml", "points[0] (Own.Point)"),
        ("own.yaml", "points[0] (Own.Point)"),
        ("own.yaml", "Info.Model"),
    ]


def test_rows_are_not_judged_by_enumerations_that_cannot_be_read(load):
    assert problems_of(load, enumerations="[") == problems_of(load, enumerations="[", own=own(point(type="Lamp")))
    assert len(problems_of(load, enumerations="[")) == 1


def test_the_text_of_the_error_has_a_line_for_each(load):
    with pytest.raises(ProjectError) as caught:
        load(own=own(point(type="Float"), point(description='""')))
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert all("own.yaml: points[" in line for line in lines)
