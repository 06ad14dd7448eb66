"""The project folder: config.toml, datapoints/ and handlers/, which is all that a site edits.

Only this room knows where the folder and the shipped defaults are. A file that a project lacks is the
shipped one's.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.errors import Problem, ProjectError

CONFIG = "config.toml"
DATAPOINTS = "datapoints"
PROFILES = "profiles"
HANDLERS = "handlers"
ENVIRONMENT = "OCPP_BRIDGE_PROJECT"

_LEFT_BEHIND = ("__pycache__", "*.py[cod]", ".*", "*~", "*.log", "*.db", "*.db-*")


def shipped() -> Path:
    """The folder of the shipped defaults: bridge/_project in a wheel, the repository's root in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "_project"
    return inside if inside.is_dir() else package.parent


@dataclass(frozen=True)
class Project:
    """One project folder. `cwd` is where the shipped defaults, which are not written to, keep their state."""

    folder: Path
    cwd: Path = field(default_factory=Path.cwd)

    @classmethod
    def find(cls, option: Path | None, environ: Mapping[str, str] = os.environ, cwd: Path | None = None) -> "Project":
        """Of --project, else $OCPP_BRIDGE_PROJECT, else `cwd` if it has a config.toml, else the shipped.

        Raises ProjectError if the folder that was asked for is not one.
        """
        here = (cwd or Path.cwd()).resolve()
        if option is not None:
            return cls(_folder(option, here, "--project"), here)
        if named := environ.get(ENVIRONMENT):
            return cls(_folder(Path(named), here, f"${ENVIRONMENT}"), here)
        return cls(here if (here / CONFIG).is_file() else shipped(), here)

    @property
    def state_dir(self) -> Path:
        """Where the store and the keys lie: the folder itself; the current one for the shipped defaults."""
        return self.cwd if self.folder == shipped() else self.folder

    @property
    def config_file(self) -> Path:
        """The project's config.toml, else the shipped one."""
        own = self.folder / CONFIG
        return own if own.is_file() else shipped() / CONFIG

    def datapoints(self) -> dict[str, Path]:
        """File name → path of every YAML file of points, sorted by name. Subfolders are not looked into."""
        files = {path.name: path for path in (shipped() / DATAPOINTS).glob("*.yaml")}
        files.update((path.name, path) for path in (self.folder / DATAPOINTS).glob("*.yaml"))
        return dict(sorted(files.items()))

    def profiles(self) -> dict[str, Path]:
        """File name → path of every YAML file of a profile, sorted by name."""
        files = {path.name: path for path in (shipped() / DATAPOINTS / PROFILES).glob("*.yaml")}
        files.update((path.name, path) for path in (self.folder / DATAPOINTS / PROFILES).glob("*.yaml"))
        return dict(sorted(files.items()))

    def handlers(self, name: str) -> Path:
        """The script of this name, the project's or the shipped. Raises ProjectError if neither exists."""
        own, default = self.folder / HANDLERS / name, shipped() / HANDLERS / name
        for script in (own, default):
            if script.is_file():
                return script
        raise ProjectError([Problem(str(own), "", "no such script, neither here nor among the shipped ones")])

    def resolve(self, path: str | Path) -> Path:
        """A path of the configuration to write to, relative to `state_dir`; `~` is the user's home."""
        return self.state_dir / Path(path).expanduser()


def init(target: Path) -> list[Path]:
    """Copy the shipped config.toml, datapoints/ and handlers/ to a new or empty folder; the files written.

    Raises ProjectError if `target` is a file, is not empty, or cannot be written.
    """
    try:
        _refuse_used(target)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped() / CONFIG, target / CONFIG)
        for name in (DATAPOINTS, HANDLERS):
            ignore = shutil.ignore_patterns(*_LEFT_BEHIND)
            # copyfile: a shipped file may be read-only, a project's files are there to be edited
            shutil.copytree(shipped() / name, target / name, ignore=ignore, copy_function=shutil.copyfile)
    except OSError as error:
        raise ProjectError([Problem(str(target), "", f"cannot be written: {error.strerror or error}")]) from error
    return sorted(path for path in target.rglob("*") if path.is_file())


def _refuse_used(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ProjectError([Problem(str(target), "", "is a file; a new or empty folder was expected")])
    if target.is_dir() and any(target.iterdir()):
        raise ProjectError([Problem(str(target), "", "is not empty; a new or empty folder was expected")])


def _folder(path: Path, cwd: Path, asked_by: str) -> Path:
    folder = (cwd / path.expanduser()).resolve()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise ProjectError([Problem(str(folder), "", f"{what} (asked for by {asked_by})")])
    return folder
