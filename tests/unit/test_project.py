"""bridge.project: which folder, which file, and what `init` writes."""

from pathlib import Path

import pytest

from bridge import project as room
from bridge.errors import ProjectError
from bridge.project import ENVIRONMENT, Project, init, shipped


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Folders a, b, c, of which c has a config.toml, and an empty one."""
    made = {name: tmp_path / name for name in ("a", "b", "c", "empty")}
    for folder in made.values():
        folder.mkdir()
    (made["c"] / "config.toml").touch()
    return made


@pytest.mark.parametrize(
    ("option", "variable", "cwd", "expected"),
    [
        ("a", "b", "c", "a"),
        (None, "b", "c", "b"),
        (None, None, "c", "c"),
        (None, "", "c", "c"),
        ("empty", None, "c", "empty"),
    ],
)
def test_option_goes_before_variable_before_current_folder(folders, option, variable, cwd, expected):
    environ = {} if variable is None else {ENVIRONMENT: str(folders[variable]) if variable else ""}
    found = Project.find(folders[option] if option else None, environ, folders[cwd])
    assert found.folder == folders[expected]


def test_shipped_defaults_serve_where_there_is_no_project(folders):
    found = Project.find(None, {}, folders["empty"])
    assert found.folder == shipped()
    assert found.config_file == shipped() / "config.toml"


def test_relative_folder_is_below_the_current_one(folders):
    assert Project.find(Path("a"), {}, folders["a"].parent).folder == folders["a"]


@pytest.mark.parametrize("by", ["option", "variable"])
def test_missing_folder_is_a_mistake_that_says_who_asked(folders, by):
    nowhere = folders["a"] / "nowhere"
    option, environ = (nowhere, {}) if by == "option" else (None, {ENVIRONMENT: str(nowhere)})
    with pytest.raises(ProjectError, match="no such folder") as caught:
        Project.find(option, environ, folders["c"])
    assert str(nowhere) in str(caught.value)
    assert ("--project" if by == "option" else ENVIRONMENT) in str(caught.value)


def test_file_in_place_of_a_folder_is_a_mistake(folders):
    with pytest.raises(ProjectError, match="is not a folder"):
        Project.find(folders["c"] / "config.toml", {}, folders["c"])


def test_state_of_a_project_lies_in_its_folder(folders):
    found = Project.find(folders["a"], {}, folders["b"])
    assert found.resolve("bridge.db") == folders["a"] / "bridge.db"
    assert found.resolve(folders["c"] / "x.db") == folders["c"] / "x.db"


def test_state_of_the_shipped_defaults_lies_in_the_current_folder(folders):
    found = Project.find(None, {}, folders["empty"])
    assert found.resolve("bridge.db") == folders["empty"] / "bridge.db"


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shipped defaults of two YAML files and one script."""
    folder = tmp_path / "shipped"
    for name in ("datapoints/bridge.yaml", "datapoints/station.yaml", "handlers/default.py", "config.toml"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("shipped")
    monkeypatch.setattr(room, "shipped", lambda: folder)
    return folder


def test_own_datapoints_override_and_add_to_the_shipped_ones(defaults, folders):
    own = folders["a"] / "datapoints"
    (own / "drafts").mkdir(parents=True)
    for name in ("station.yaml", "vendor.yaml", "notes.txt", "drafts/later.yaml"):
        (own / name).touch()
    assert list(Project(folders["a"]).datapoints().items()) == [
        ("bridge.yaml", defaults / "datapoints/bridge.yaml"),
        ("station.yaml", own / "station.yaml"),
        ("vendor.yaml", own / "vendor.yaml"),
    ]


def test_own_script_goes_before_the_shipped_one(defaults, folders):
    found = Project(folders["a"])
    assert found.handlers("default.py") == defaults / "handlers/default.py"
    own = folders["a"] / "handlers" / "default.py"
    own.parent.mkdir()
    own.touch()
    assert found.handlers("default.py") == own


def test_missing_script_is_a_mistake_that_names_its_file(folders):
    with pytest.raises(ProjectError) as caught:
        Project(folders["a"]).handlers("tokens.py")
    assert caught.value.problems[0].file == str(folders["a"] / "handlers" / "tokens.py")


def test_init_copies_what_a_site_edits_and_nothing_else(defaults, tmp_path):
    for name in ("handlers/__pycache__/default.pyc", "datapoints/.swp", "bridge.db"):
        (defaults / name).parent.mkdir(exist_ok=True)
        (defaults / name).touch()
    target = tmp_path / "new" / "site"
    written = init(target)
    assert [path.relative_to(target).as_posix() for path in written] == [
        "config.toml",
        "datapoints/bridge.yaml",
        "datapoints/station.yaml",
        "handlers/default.py",
    ]
    assert sorted(path for path in target.rglob("*") if path.is_file()) == written
    assert (target / "config.toml").read_text() == "shipped"


def test_init_makes_files_that_can_be_edited_from_read_only_ones(defaults, tmp_path):
    (defaults / "config.toml").chmod(0o444)
    init(tmp_path / "site")
    assert (tmp_path / "site" / "config.toml").stat().st_mode & 0o200


def test_init_takes_an_empty_folder(folders):
    init(folders["empty"])
    assert Project.find(None, {}, folders["empty"]).folder == folders["empty"]


def test_init_leaves_a_used_folder_alone(folders):
    with pytest.raises(ProjectError, match="is not empty"):
        init(folders["c"])
    assert [path.name for path in folders["c"].iterdir()] == ["config.toml"]


def test_init_refuses_a_file(folders):
    with pytest.raises(ProjectError, match="is a file"):
        init(folders["c"] / "config.toml")


def test_init_says_why_it_cannot_write(folders):
    with pytest.raises(ProjectError, match="cannot be written: Not a directory"):
        init(folders["c"] / "config.toml" / "below")
