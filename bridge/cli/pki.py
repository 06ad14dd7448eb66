"""The site's own certificate authority: for the OCPP port, and for stations that ask for a certificate."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import FormatOption, ProjectOption, existing_store, load
from bridge.cli.output import Cell, Format, moment, show
from bridge.config import Config
from bridge.errors import Problem, ProjectError
from bridge.pki import Authority, Issued, KeyKind
from bridge.project import Project
from bridge.station.certificates import AUTHORITY, sign
from bridge.store import CertificateRequest, Store

pki = typer.Typer(help="The site's own certificate authority, for security profiles 2 and 3.", no_args_is_help=True)

COLUMNS = ("name", "serial", "ends", "state")
KeyOption = Annotated[KeyKind, typer.Option("--key", help="ec: P-256; rsa: 3,072 bits, for older stations.")]


@pki.command("init")
def init(
    name: Annotated[str, typer.Option("--name", help="Of the authority.")] = "ocpp-bridge stations",
    key: KeyOption = "ec",
    project: ProjectOption = None,
) -> None:
    """Make the authority. Its key lies unencrypted, for the bridge alone to read: keep a copy, and keep it safe."""
    found, config = load(project)
    folder = found.state_dir / AUTHORITY
    Authority.create(folder, name, key, config.pki.organization)
    typer.echo(f"{folder / 'ca.pem'}: the authority's certificate; stations have to trust it")
    typer.echo("Next, for the OCPP port: ocpp-bridge pki issue <the host name that stations connect to>")
    typer.echo("For security profile 3 set this in [ocpp.tls] of config.toml:", err=True)
    typer.echo(f'client_ca = "{AUTHORITY / "ca.pem"}"\ncrl = "{AUTHORITY / "crl.pem"}"')


@pki.command("show")
def list_certificates(project: ProjectOption = None, form: FormatOption = Format.TABLE) -> None:
    """Print what was issued, and the requests of stations that wait for `pki sign`."""
    found, config = load(project)
    rows = [_issued(one) for one in _authority(found).issued()]
    path = found.resolve(config.store.path)
    if path.is_file():
        with Store.peek(path) as reader:
            rows += [_request(one) for one in reader.requests()]
    show(COLUMNS, rows, form)


@pki.command("issue")
def issue(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Host names or addresses of this machine.")],
    key: KeyOption = "ec",
    station: Annotated[bool, typer.Option("--station", help="For a station instead: NAME is its identity.")] = False,
    project: ProjectOption = None,
) -> None:
    """Make a certificate and a key for the OCPP port. It is for the names that stations connect to."""
    found, config = load(project)
    authority = _authority(found)
    if station:
        for name in names:
            for path in authority.issue_station(name, config.pki.days, key, config.pki.organization):
                typer.echo(path)
        return
    files = [path.relative_to(found.state_dir) for path in authority.issue_server(names, key)]
    typer.echo("Set this in [ocpp.tls] of config.toml:", err=True)
    typer.echo(f'certificates = ["{files[0]}"]\nkeys = ["{files[1]}"]')


@pki.command("sign")
def sign_request(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The station's OCPP identity.")],
    project: ProjectOption = None,
) -> None:
    """Sign what a station has asked for ([pki] sign = "ask"); the bridge gives it to the station."""
    found, config = load(project)
    with Store.edit(existing_store(found, config)) as editor:
        waiting = [request for request in editor.requests(identity) if not request.chain]
        if not waiting:
            raise ProjectError([Problem(identity, "", "has asked for no certificate that is still to be signed")])
        for request in waiting:
            if not editor.sign_request(request, _signed(found, config, request)):
                raise ProjectError([Problem(identity, "", "has asked anew meanwhile; look at it again")])
    typer.echo(f"{identity}: signed; it gets its certificate when it is connected")


@pki.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="ID|SERIAL", help="A station, or one certificate by its number.")],
    project: ProjectOption = None,
) -> None:
    """Revoke certificates: who connects with one from now on is refused, where [ocpp.tls] crl is given."""
    found, config = load(project)
    serials = _authority(found).revoke(name)
    if not serials:
        raise ProjectError([Problem(name, "", "no certificate that is not revoked yet has this name or number")])
    typer.echo(f"{name}: revoked {', '.join(serials)}; a connection that is open stays open")
    if not config.ocpp.tls.crl:
        typer.echo(f'note: without [ocpp.tls] crl = "{AUTHORITY / "crl.pem"}" nobody looks at it', err=True)


def _authority(project: Project) -> Authority:
    return Authority.load(project.state_dir / AUTHORITY)


def _signed(project: Project, config: Config, request: CertificateRequest) -> str:
    folder: Path = project.state_dir / AUTHORITY
    try:
        return asyncio.run(sign(config.pki, folder, request))
    except ValueError as error:
        raise ProjectError([Problem(request.station, "", str(error))]) from None


def _issued(one: Issued) -> dict[str, Cell]:
    state = "revoked" if one.revoked else "server" if one.server else "station"
    return {"name": one.name, "serial": one.serial, "ends": moment(one.ends.timestamp()), "state": state}


def _request(one: CertificateRequest) -> dict[str, Cell]:
    state = "signed, to be given to it" if one.chain else "asked for"
    return {"name": one.station, "serial": None, "ends": None, "state": state}
