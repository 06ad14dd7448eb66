"""The wheel as a user gets it: a fresh environment, dependencies from the index, an empty folder."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Building and installing fetch some 30 packages; the first test pays for all.
pytestmark = pytest.mark.timeout(600)

NOT_SOURCE = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.db*")
IGNORED_BY_GIT = (
    "handlers/site.db",
    "handlers/__pycache__/x.pyc",
    "datapoints/notes.log",
    "bridge/x.pyc",
    "pki/key.pem",
)


def run(*command: str | Path, cwd: Path, timeout: float = 300) -> str:
    """Run a program as from a user's shell: nothing of this environment but PATH and the like. Its output."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "OCPP_BRIDGE"))}
    environ.update(COLUMNS="200", PIP_DISABLE_PIP_VERSION_CHECK="1")
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        timeout=timeout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built straight from a tree that also holds what git ignores."""
    tree = tmp_path_factory.mktemp("source") / "ocpp-bridge"
    shutil.copytree(ROOT, tree, ignore=NOT_SOURCE)
    for name in IGNORED_BY_GIT:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).touch()
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, tree, cwd=tree)
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and what it asks for, nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", wheel, cwd=environment)
    return programs


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def contents(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_holds_the_program_and_the_shipped_project(wheel):
    names = set(contents(wheel))
    sources = [*ROOT.glob("bridge/**/*.py"), ROOT / "bridge/py.typed"]
    shipped = [*ROOT.glob("datapoints/*.yaml"), *ROOT.glob("handlers/*.py"), ROOT / "config.toml"]
    wanted = {file.relative_to(ROOT).as_posix() for file in sources}
    wanted |= {f"bridge/_project/{file.relative_to(ROOT).as_posix()}" for file in shipped}
    assert wanted <= names
    assert {"config.toml", "datapoints", "handlers"} == {
        name.split("/")[2] for name in names if name.startswith("bridge/_project/")
    }
    assert {name.split("/")[0].split("-")[0] for name in names} == {"bridge", "ocpp_bridge"}


def test_wheel_holds_nothing_that_git_ignores(wheel):
    names = contents(wheel)
    assert [name for name in names if any(name.endswith(ignored) for ignored in IGNORED_BY_GIT)] == []
    assert [name for name in names if "__pycache__" in name] == []


def test_check_is_satisfied_in_an_empty_folder(scripts, empty):
    assert "OK" in run(scripts / "ocpp-bridge", "check", cwd=empty)


def test_demo_shows_transactions_from_an_empty_folder_and_leaves_it_empty(scripts, empty):
    shown = run(scripts / "ocpp-bridge", "demo", "--stations", "2", "--seconds", "4", cwd=empty)
    assert "Transaction" in shown
    assert shown.count("CP00") >= 2
    assert list(empty.iterdir()) == []


def test_init_makes_a_project_that_passes_its_check(scripts, empty):
    run(scripts / "ocpp-bridge", "init", "site", cwd=empty)
    assert {"config.toml", "datapoints", "handlers"} == {path.name for path in (empty / "site").iterdir()}
    assert "OK" in run(scripts / "ocpp-bridge", "check", "--project", "site", cwd=empty)
