"""What several commands share: their options, and how they come to the project and its store."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.output import Format
from bridge.config import Config, load_config
from bridge.errors import Problem, ProjectError
from bridge.points.values import parse_time
from bridge.project import Project
from bridge.station.registry import POLICIES
from bridge.store import Reader, StationRecord, Store

ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIR",
        help="The project folder. Without it: $OCPP_BRIDGE_PROJECT, else this folder if it has a config.toml, "
        "else the shipped defaults.",
        show_default=False,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the rows are printed.")]
StdinOption = Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")]
NoStation = "no such station here; `ocpp-bridge stations list` shows those that are known"


def load(folder: Path | None) -> tuple[Project, Config]:
    """The project and its configuration. Raises ProjectError."""
    project = Project.find(folder)
    return project, load_config(project)


def beginning(since: str | None) -> float | None:
    """What `--since` says in Unix seconds, None where it is not given. Raises typer.BadParameter."""
    try:
        return None if since is None else parse_time(since)
    except ValueError as error:
        what = f"{error}; expected ISO 8601 such as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise typer.BadParameter(what, param_hint="--since") from None


def peek(project: Project, config: Config) -> Reader:
    """What is in the project's store, also while the bridge runs. Raises ProjectError, StoreError."""
    return Store.peek(existing_store(project, config))


def existing_store(project: Project, config: Config) -> Path:
    """The store's file. Raises ProjectError where there is none."""
    path = project.resolve(config.store.path)
    if not path.is_file():
        what = "no store yet: the bridge has not run on this project; start it with `ocpp-bridge run`"
        raise ProjectError([Problem(str(path), "", what)])
    return path


def station(reader: Reader, identity: str) -> StationRecord:
    """The station of this OCPP identity. Raises ProjectError."""
    found = next((record for record in reader.stations() if record.id == identity), None)
    if found is None:
        raise ProjectError([Problem(identity, "", NoStation)])
    return found


def registration(record: StationRecord, config: Config) -> str:
    """What the station's next boot is answered: what was decided about it, else what the policy says."""
    if record.registration is not None:
        return record.registration
    declared = any(declared.id == record.id for declared in config.station)
    return "Accepted" if declared else POLICIES[config.stations.unknown]


def ask_password(what: str, from_stdin: bool) -> str:
    """A password that is not empty: typed twice, or the first line of standard input."""
    if not from_stdin:
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=True))
    password = typer.get_text_stream("stdin").readline().rstrip("\r\n")
    if not password:
        raise typer.BadParameter("expected a password in the first line of standard input", param_hint="--stdin")
    return password
