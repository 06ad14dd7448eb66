"""What a command changes: a new project folder, stations' registrations and passwords."""

from pathlib import Path
from typing import Annotated

import typer

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
from bridge.config import Config
from bridge.errors import Problem, ProjectError
from bridge.points.table import load_table
from bridge.project import init as init_project
from bridge.station.credentials import hash_password, installation_key, make_key, password_problem
from bridge.station.model import Model, build_models
from bridge.store import StationRecord, Store

STATION_COLUMNS = ("id", "name", "version", "registration", "last_seen", "vendor", "model")

stations = typer.Typer(help="List the stations; decide who may come in.", no_args_is_help=True)

Identity = Annotated[str, typer.Argument(metavar="ID", help="The station's OCPP identity.")]


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]) -> None:
    """Make a new project folder: config.toml, datapoints/ and handlers/, which is all that a site edits."""
    files = init_project(folder)
    typer.echo(f"{folder} is a project now ({len(files)} files). Next:")
    typer.echo(f"  ocpp-bridge check --project {folder}")
    typer.echo(f"  ocpp-bridge run --project {folder}")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")], project: ProjectOption = None
) -> None:
    """Copy the store into a new file, also while the bridge runs. To restore it, stop the bridge and put the copy in
    the store's place (without the store's -wal file, if there is one).
    """
    size = Store.back_up(existing_store(*load(project)), file)
    typer.echo(f"{file}: {size:,} bytes", err=True)


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


@stations.command("remove")
def remove(identity: Identity, project: ProjectOption = None) -> None:
    """Forget a station, its password included; a running bridge disconnects it. What it has charged is kept."""
    found, config = load(project)
    if any(declared.id == identity for declared in config.station):
        what = f"is declared: take its [[station]] out of {found.config_file} first, and start the bridge again"
        raise ProjectError([Problem(identity, "", what)])
    with Store.edit(existing_store(found, config)) as editor:
        if not editor.remove_station(identity):
            raise ProjectError([Problem(identity, "", NoStation)])
    typer.echo(f"{identity}: removed; it may connect again as an unknown station")


@stations.command("password")
def password(
    identity: Identity,
    stdin: StdinOption = False,
    generate: Annotated[bool, typer.Option("--generate", help="Make a random key and print it, this once.")] = False,
    project: ProjectOption = None,
) -> None:
    """Set the password that a station connects with (security profiles 1 and 2). It need not have connected before."""
    found, config = load(project)
    if generate:
        secret, stored = make_key()
    else:
        secret = ask_password(f"Password of {identity}", stdin)
        if problem := password_problem(secret):
            raise ProjectError([Problem(identity, "", f"{problem}; --generate makes one")])
        stored = hash_password(secret, installation_key(found.state_dir))
    if config.ocpp.security_profile == 0:
        typer.echo("note: with [ocpp] security_profile = 0 no station is asked for a password", err=True)
    with Store.edit(found.resolve(config.store.path)) as editor:
        editor.set_password(identity, stored)
        known = any(record.id == identity for record in editor.stations())
    said = f"{identity}: password set" + ("" if known else "; this station has not connected here yet")
    typer.echo(said, err=generate)
    if generate:
        typer.echo("Its key, as the hexadecimal digits of an AuthorizationKey:", err=True)
        typer.echo(secret)


@stations.command("profile")
def profile(
    identity: Identity,
    least: Annotated[int, typer.Argument(metavar="0-3", min=0, max=3, help="2: TLS; 3: a certificate too.")],
    project: ProjectOption = None,
) -> None:
    """Set the security profile below which a station is refused. It rises by itself with what a station shows.

    [ocpp] security_profile holds for all in any case, and a station's own [[station]] security_profile before this.
    """
    found, config = load(project)
    with Store.edit(found.resolve(config.store.path)) as editor:
        editor.set_profile(identity, least)
    typer.echo(f"{identity}: security profile {least} or higher")


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
