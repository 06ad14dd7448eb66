"""The recordings of tests/fixtures, replayed: each gives the answers that were recorded, and the points expected."""

import pytest

from tests.unit.replay.recordings import essence, expected, names, steps


def test_there_are_recordings_of_every_version():
    assert {f"{kind}-{version}" for kind in ("simulated", "deviations") for version in ("1.6", "2.0.1", "2.1")} == set(
        names()
    )


@pytest.mark.parametrize("name", names())
async def test_a_recording_gives_the_answers_and_points_that_are_expected(tmp_path, name):
    found = essence(await steps(name, tmp_path))
    assert [step["differences"] for step in found if step["differences"]] == []
    wanted = expected(name)
    assert len(found) == len(wanted)
    for place, (step, other) in enumerate(zip(found, wanted, strict=True)):
        assert step == other, f"step {place}"
