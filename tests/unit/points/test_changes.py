"""Which changes of datapoints/*.yaml can be shown while stations are connected."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.points.changes import needs_restart, relabel
from bridge.points.layout import build_layout
from bridge.points.table import Table, load_table
from bridge.points.tree import Group
from bridge.project import Project, shipped

STATION = """\
for: [station]
folders: {A: Some}
points:
  - {key: A.First, type: Int32, access: W, range: [0, 10], description: One, by: nobody}
  - {key: A.State, type: CommandState, description: Two, by: nobody}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Table]:
    """The shipped table with a small station.yaml, in which some words are replaced by others."""

    def load(before: str = "", after: str = "", file: str = "station.yaml") -> Table:
        files = dict(Project(shipped()).datapoints())
        text = STATION if file == "station.yaml" else files[file].read_text("utf-8")
        assert before in text
        for name, content in (("station.yaml", STATION), (file, text.replace(before, after, 1))):
            (tmp_path / name).write_text(content, "utf-8")
            files[name] = tmp_path / name
        return load_table(files)

    return load


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("One", "Another"),
        ("range: [0, 10], ", ""),
        ("[0, 10]", "[0, 20]"),
        ("description: Two", "description: State"),
    ],
)
def test_what_is_said_of_a_point_and_its_limits_may_change(load: Callable[..., Table], before: str, after: str) -> None:
    assert needs_restart(load(), load(before, after)) == []


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("A.First", "A.Other", "A.Other of the station is new"),
        ("Int32", "Double", "A.First of the station is another"),
        ("access: W, ", "", "A.First of the station is another"),
        ("by: nobody", "by: somebody", "A.First of the station is another"),
        ("{A: Some}", "{A: Something}", "the folders are others"),
    ],
)
def test_what_a_point_is_waits_for_a_restart(load: Callable[..., Table], before: str, after: str, reason: str) -> None:
    assert needs_restart(load(), load(before, after))[0] == reason


@pytest.mark.parametrize(
    ("before", "after", "file", "reason"),
    [
        ("Idle: 0", "Idle: 77", "enumerations.yaml", "the enumerations are others"),
        ("phases:", "phases: # other\n  - L9", "measurands.yaml", "the measurands are others"),
    ],
)
def test_what_all_points_share_waits_for_a_restart(
    load: Callable[..., Table], before: str, after: str, file: str, reason: str
) -> None:
    assert reason in needs_restart(load(), load(before, after, file))


def test_points_that_change_places_wait_for_a_restart(load: Callable[..., Table]) -> None:
    lines = STATION.splitlines(keepends=True)
    swapped = load("".join(lines[3:]), lines[4] + lines[3])
    assert needs_restart(load(), swapped) == ["the points of the station have another order"]


def test_every_group_shows_new_descriptions_and_limits_at_once(load: Callable[..., Table]) -> None:
    layout = build_layout("station", [found.row for found in load().rows["station"]])
    group = Group("CP001", layout, None)
    relabel([layout], load("[0, 10], description: One", "[0, 20], description: New"))
    relabel([layout], load("description: Two", "description: State"))
    slots = [group.slot(key) for key in ("A.First", "A.State", "A.StateText")]
    rows = [group.row(slot) for slot in slots if slot is not None]
    assert [row.description for row in rows] == ["One", "State", "State, as text"]
    relabel([layout], load("[0, 10], description: One", "[0, 20], description: New"))
    slot = group.slot("A.First")
    assert slot is not None
    assert (group.row(slot).description, group.row(slot).range) == ("New", (0, 20))
