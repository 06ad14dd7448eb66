"""The first segment of a station's paths."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.points.tree import station_name


@pytest.mark.parametrize(
    ("identity", "taken", "name"),
    [
        ("CP001", [], "CP001"),
        ("RDAM 123", [], "RDAM_123"),
        ("a.b/c", [], "a_b_c"),
        ("Säule-1_x", [], "S_ule-1_x"),
        ("A~2", [], "A_2"),
        ("CP001", ["CP002"], "CP001"),
        ("CP001", ["cp001"], "CP001"),  # case counts, as it does in a NodeId
        ("A B", ["A_B"], "A_B~2"),
        ("A.B", ["A_B", "A_B~2"], "A_B~3"),
        ("A.B", ["A_B", "A_B~3"], "A_B~2"),
        ("Bridge", [], "Bridge~2"),
        ("Stations", [], "Stations~2"),
        ("Bridge", ["Bridge~2"], "Bridge~3"),
        ("bridge", [], "bridge"),
    ],
)
def test_a_name_is_safe_and_unique(identity, taken, name):
    assert station_name(identity, taken) == name


@given(st.lists(st.text(min_size=1, max_size=4), max_size=12))
def test_names_never_collide(identities):
    names: list[str] = []
    for identity in identities:
        names.append(station_name(identity, names))
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+(~[0-9]+)?", name) for name in names)


def test_names_are_taken_in_the_order_of_registration():
    names: list[str] = []
    for identity in ("A B", "A.B", "A/B"):
        names.append(station_name(identity, names))
    assert names == ["A_B", "A_B~2", "A_B~3"]
