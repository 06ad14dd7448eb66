"""LIKE patterns (OPC 10000-4 §7.7.3). What else a where clause does is seen from the client's side."""

import pytest

from bridge.opcua.subscriptions.event_filters import like


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("main", "main", True),
        ("main", "Main", False),
        ("mainly", "main", False),
        ("main", "ma%", True),
        ("main", "%in", True),
        ("a main road", "%main%", True),
        ("", "%", True),
        ("", "_", False),
        ("cat", "c_t", True),
        ("ct", "c_t", False),
        ("b", "[abc]", True),
        ("d", "[abc]", False),
        ("d", "[a-f]", True),
        ("d", "[^a-f]", False),
        ("-", "[a-]", True),
        ("5 %", r"5 \%", True),
        ("5 x", r"5 \%", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("two\nlines", "two%", True),
        ("[x", "[x", True),
    ],
)
def test_a_pattern_fits_or_not(text, pattern, fits):
    assert like(text, pattern) is fits


def test_no_pattern_takes_for_ever():
    assert not like("a" * 2_000, "%a" * 200 + "b")
