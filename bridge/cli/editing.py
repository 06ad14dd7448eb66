"""What a command changes: a new project folder, stations' registrations and passwords, users."""

import json
from pathlib import Path
from typing import Annotated

import typer
from argon2 import PasswordHasher

from bridge.cli.options import (
    FormatOption,
    NoStation,
    ProjectOption,
    StdinOption,
    ask_password,
    existing_store,
    load,
    peek,
    registration,
)
from bridge.cli.output import Cell, Format, moment, show
from bridge.config import Config, Role
from bridge.errors import Problem, ProjectError
from bridge.points.table import load_table
from bridge.project import init as init_project
from bridge.station.credentials import hash_password
from bridge.station.model import Model, build_models
from bridge.store import StationRecord, Store

STATION_COLUMNS = ("id", "name", "version", "registration", "last_seen", "vendor", "model")
PASSWORD_LENGTHS = range(16, 41)  # OCPP security whitepaper (2022), A00.FR.205

stations = typer.Typer(help="List the stations; decide who may come in.", no_args_is_help=True)
user = typer.Typer(help="Users of the OPC UA server.", no_args_is_help=True)

Identity = Annotated[str, typer.Argument(metavar="ID", help="The station's OCPP identity.")]


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]) -> None:
    """Make a new project folder: config.toml, datapoints/ and handlers/, which is all that a site edits."""
    files = init_project(folder)
    typer.echo(f"{folder} is a project now ({len(files)} files). Next:")
    typer.echo(f"  ocpp-bridge check --project {folder}")
    typer.echo(f"  ocpp-bridge run --project {folder}")


@stations.command("list")
def list_stations(project: ProjectOption = None, form: FormatOption = Format.TABLE) -> None:
    """Print the stations that the bridge knows, in the order in which they were first seen."""
    found, config = load(project)
    models = build_models(load_table(found.datapoints()))
    with peek(found, config) as reader:
        show(STATION_COLUMNS, (_station(record, config, models) for record in reader.stations()), form)


@stations.command("accept")
def accept(identity: Identity, project: ProjectOption = None) -> None:
    """Accept a station from its next boot on; a running bridge notices."""
    _register(project, identity, "Accepted")


@stations.command("reject")
def reject(identity: Identity, project: ProjectOption = None) -> None:
    """Reject a station from its next boot on; a running bridge notices."""
    _register(project, identity, "Rejected")


@stations.command("password")
def password(identity: Identity, stdin: StdinOption = False, project: ProjectOption = None) -> None:
    """Set the password that a station connects with (security profile 1). It need not have connected before."""
    found, config = load(project)
    secret = ask_password(f"Password of {identity}", stdin)
    if len(secret) not in PASSWORD_LENGTHS:
        typer.echo("note: OCPP wants 16 to 40 characters; a station may refuse this one", err=True)
    if config.ocpp.security_profile == 0:
        typer.echo("note: with [ocpp] security_profile = 0 no station is asked for a password", err=True)
    with Store.edit(found.resolve(config.store.path)) as editor:
        editor.set_password(identity, hash_password(secret))
        known = any(record.id == identity for record in editor.stations())
    typer.echo(f"{identity}: password set" + ("" if known else "; this station has not connected here yet"))


@user.command("add")
def add_user(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    role: Annotated[Role, typer.Option("--role", help="What the user may do.")] = "operator",
    stdin: StdinOption = False,
) -> None:
    """Print a user's table for config.toml, with the hash of the password that is asked for."""
    if not name or not name.isprintable():
        raise typer.BadParameter("expected a name without control characters", param_hint="NAME")
    secret = ask_password(f"Password of {name}", stdin)
    typer.echo("Add this to config.toml:", err=True)
    table = {"name": name, "role": role, "password_hash": PasswordHasher().hash(secret)}
    typer.echo("[[user]]")
    for key, value in table.items():
        typer.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


def _register(folder: Path | None, identity: str, status: str) -> None:
    found, config = load(folder)
    with Store.edit(existing_store(found, config)) as editor:
        if not editor.set_registration(identity, status):
            raise ProjectError([Problem(identity, "", NoStation)])
    typer.echo(f"{identity}: {status}")


def _station(record: StationRecord, config: Config, models: dict[str, Model]) -> dict[str, Cell]:
    model = models.get(record.version or "") or models[config.ocpp.versions[-1]]
    layout, bindings = model.station.layout, model.station.bindings
    # The rows know where each OCPP version has these fields.
    booted = {slot: value for slot, value, *_ in bindings.updates("BootNotification", record.boot, None, 0.0)[0]}
    vendor, name = (booted.get(layout.index.get(f"Info.{key}", -1)) for key in ("Vendor", "Model"))
    return {
        "id": record.id,
        "name": record.name,
        "version": record.version,
        "registration": registration(record, config),
        "last_seen": moment(record.last_seen),
        "vendor": vendor or None,
        "model": name or None,
    }
