"""datapoints/roles.yaml: who may do what, and what is wrong with a file of it."""

import pytest

from bridge.errors import ProjectError
from bridge.points.roles import ROLES, Roles, at_least
from bridge.points.table import load_table
from bridge.project import Project, shipped

TABLE = Roles(
    {"Config.HeartbeatInterval": "operator", "Config.*": "engineer", "Custom.*": "observer"}, {"Reset": "operator"}
)


@pytest.mark.parametrize(
    ("key", "needed"),
    [
        ("Config.HeartbeatInterval", "operator"),
        ("Config.RegistrationStatus", "engineer"),
        ("Custom.A.B", "observer"),
        ("Commands.Reset.Type", "operator"),
        ("Commands.Reset.Call", "operator"),
        ("Commands.Unheard.Call", "admin"),
        ("Commands", "admin"),
        ("Anything", "admin"),
        ("", "admin"),
    ],
)
def test_the_first_line_that_fits_counts_and_what_is_in_none_needs_admin(key, needed):
    assert TABLE.needed(key) == needed
    assert [TABLE.permit(role, key) for role in ROLES] == [at_least(role, needed) for role in ROLES]


def test_a_role_that_there_is_not_may_do_nothing():
    assert not TABLE.permit("", "Custom.A")
    assert not at_least("king", "observer")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("points: {Config.*: king}\ncommands: {}\n", "points.Config.*"),
        ("points: {}\ncommands: {Reset: 3}\n", "commands.Reset"),
        ("points: {}\ncommands: {}\nmethods: {}\n", "methods"),
        ("points: [\n", "line 2"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, where):
    file = tmp_path / "roles.yaml"
    file.write_text(text)
    with pytest.raises(ProjectError) as caught:
        load_table({**Project(shipped()).datapoints(), "roles.yaml": file})
    (problem,) = caught.value.problems
    assert (problem.file, problem.where) == (str(file), where)
