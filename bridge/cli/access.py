"""Who gets at the OPC UA server: users, the trust list, and what was done."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.cli.options import FormatOption, ProjectOption, StdinOption, ask_password, beginning, load, peek
from bridge.cli.output import Cell, Format, moment, printable, show
from bridge.config import Config, Role, trusts_everybody
from bridge.errors import Problem, ProjectError, Refused
from bridge.opcua.trust import Listed, TrustList, application_uris, check_alone, name_of, parse
from bridge.project import Project
from bridge.store import AuditRecord, Store, UserRecord

USER_COLUMNS = ("name", "role", "password", "certificate", "kept_in")
CLIENT_COLUMNS = ("thumbprint", "state", "name", "application_uri", "ends")
AUDIT_COLUMNS = ("time", "user", "role", "address", "session", "certificate", "action", "path", "value", "status")
SHORTEST = 4  # characters of a thumbprint that may stand for it
PKI = "pki"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how one begins in a spreadsheet

user = typer.Typer(help="Users of the OPC UA server.", no_args_is_help=True)
opcua = typer.Typer(help="Clients of the OPC UA server: whose certificates are trusted.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]
RoleOption = Annotated[
    Role, typer.Option("--role", help="What the user may do; datapoints/roles.yaml says what that is.")
]
CertificateOption = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="Of the user, DER or PEM: it gets in with its key, too."),
]
Thumbprint = Annotated[str, typer.Argument(metavar="THUMBPRINT", help="As `list` shows it, or how it begins.")]


@user.command("add")
def add_user(
    name: Name,
    role: RoleOption = "operator",
    certificate: CertificateOption = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Add nothing: print the user's table for config.toml.")
    ] = False,
    stdin: StdinOption = False,
    project: ProjectOption = None,
) -> None:
    """Add a user, or give a known one another role, with a new password or a certificate. A running bridge notices."""
    found, config = load(project)
    if not name or not name.isprintable():
        raise typer.BadParameter("expected a name without control characters", param_hint="NAME")
    if only_print:
        _print(name, role, ask_password(f"Password of {name}", stdin))
        return
    _check_is_not_configured(found, config, name)
    password = "" if certificate is not None else PasswordHasher().hash(ask_password(f"Password of {name}", stdin))
    fingerprint = "" if certificate is None else _fingerprint(certificate)
    with Store.edit(found.resolve(config.store.path)) as editor:
        owner = next((u.name for u in editor.users() if fingerprint and u.certificate == fingerprint), name)
        if owner != name:
            raise ProjectError([Problem(str(certificate), "", f"it is the certificate of {owner} already")])
        editor.put_user(UserRecord(name=name, role=role, password_hash=password, certificate=fingerprint))
    typer.echo(f"{name}: {role}")


def _print(name: str, role: Role, secret: str) -> None:
    typer.echo("Add this to config.toml:", err=True)
    typer.echo("[[user]]")
    for key, value in {"name": name, "role": role, "password_hash": PasswordHasher().hash(secret)}.items():
        typer.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


@user.command("list")
def list_users(project: ProjectOption = None, form: FormatOption = Format.TABLE) -> None:
    """Print the users; those in config.toml hide those of the same names in the store."""
    found, config = load(project)
    rows: list[dict[str, Cell]] = [_user(UserRecord(**u.model_dump()), "config.toml") for u in config.user]
    configured = {u.name for u in config.user}
    if found.resolve(config.store.path).is_file():
        with peek(found, config) as reader:
            rows += [_user(record, "store") for record in reader.users() if record.name not in configured]
    show(USER_COLUMNS, sorted(rows, key=lambda row: str(row["name"])), form)


@user.command("remove")
def remove_user(name: Name, project: ProjectOption = None) -> None:
    """Remove a user; its sessions end."""
    found, config = load(project)
    _check_is_not_configured(found, config, name)
    with Store.edit(found.resolve(config.store.path)) as editor:
        if not editor.remove_user(name):
            raise ProjectError([Problem(name, "", NO_USER)])
    typer.echo(f"{name}: removed")


@user.command("password")
def set_password(name: Name, stdin: StdinOption = False, project: ProjectOption = None) -> None:
    """Give a user another password; sessions that came in with the old one end."""
    found, config = load(project)
    _check_is_not_configured(found, config, name)
    with Store.edit(found.resolve(config.store.path)) as editor:
        known = next((record for record in editor.users() if record.name == name), None)
        if known is None:
            raise ProjectError([Problem(name, "", NO_USER)])
        secret = PasswordHasher().hash(ask_password(f"Password of {name}", stdin))
        editor.put_user(UserRecord(name=name, role=known.role, password_hash=secret, certificate=known.certificate))
    typer.echo(f"{name}: password set")


NO_USER = "no such user; `ocpp-bridge user list` shows those that there are"


def _check_is_not_configured(project: Project, config: Config, name: str) -> None:
    if any(configured.name == name for configured in config.user):
        raise ProjectError([Problem(str(project.config_file), "user", f"{name} is kept there: change it there")])


def _fingerprint(file: Path) -> str:
    try:
        content = file.read_bytes()
        is_text = content.lstrip().startswith(b"-----")
        certificate = x509.load_pem_x509_certificate(content) if is_text else parse(content)[0]
        check_alone(certificate, certificate.not_valid_before_utc)
    except (OSError, ValueError, Refused) as error:
        raise ProjectError([Problem(str(file), "", f"this is no certificate that can be used: {error}")]) from None
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _user(record: UserRecord, kept_in: str) -> dict[str, Cell]:
    return {
        "name": record.name,
        "role": record.role,
        "password": "yes" if record.password_hash else None,
        "certificate": record.certificate[:16] or None,
        "kept_in": kept_in,
    }


@opcua.command("list")
def list_clients(project: ProjectOption = None, form: FormatOption = Format.TABLE) -> None:
    """Print the certificates that are trusted, and those that were refused."""
    found, config = load(project)
    if trusts_everybody(config):
        typer.echo('note: [opcua] trust lets every certificate in; "list" asks this list', err=True)
    show(CLIENT_COLUMNS, (_client(listed) for listed in _trust_list(found).listed()), form)


@opcua.command("trust")
def trust_client(thumbprint: Thumbprint, project: ProjectOption = None) -> None:
    """Trust a client that was refused, from its next try on."""
    _move(project, thumbprint, TrustList.trust, "trusted")


@opcua.command("reject")
def reject_client(thumbprint: Thumbprint, project: ProjectOption = None) -> None:
    """Trust a client no more; a session that it has ends within seconds."""
    _move(project, thumbprint, TrustList.reject, "rejected")


def _move(folder: Path | None, thumbprint: str, move: Callable[[TrustList, Listed], Path], state: str) -> None:
    found, _ = load(folder)
    certificates = _trust_list(found)
    wanted = thumbprint.upper().replace(":", "")
    matches = {listed.thumbprint: listed for listed in certificates.listed() if listed.thumbprint.startswith(wanted)}
    if len(wanted) < SHORTEST or len(matches) != 1:
        what = "more than one certificate begins so" if len(matches) > 1 else "no such certificate"
        raise ProjectError([Problem(thumbprint, "", f"{what}; `ocpp-bridge opcua list` shows those that there are")])
    (listed,) = matches.values()
    move(certificates, listed)
    typer.echo(f"{printable(name_of(listed.certificate))} {listed.thumbprint}: {state}")


def _trust_list(project: Project) -> TrustList:
    return TrustList(project.state_dir / PKI)


def _client(listed: Listed) -> dict[str, Cell]:
    return {
        "thumbprint": listed.thumbprint,
        "state": listed.state,
        "name": name_of(listed.certificate),
        "application_uri": " ".join(application_uris(listed.certificate)) or None,
        "ends": moment(listed.certificate.not_valid_after_utc.timestamp()),
    }


def audit(
    project: ProjectOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only what was done then or later; ISO 8601.")
    ] = None,
    name: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Only what this user did.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print what OPC UA clients wrote and called, their logins, and what became of it: times in UTC, no secrets."""
    found, config = load(project)
    begin = beginning(since)
    with peek(found, config) as reader:
        show(AUDIT_COLUMNS, (_deed(record, form) for record in reader.audit(begin, name)), form)


def _deed(record: AuditRecord, form: Format) -> dict[str, Cell]:
    cells: dict[str, Cell] = {column: getattr(record, column) or None for column in AUDIT_COLUMNS}
    if form is Format.CSV:
        cells = {column: _inert(cell) for column, cell in cells.items()}
    return {**cells, "time": moment(record.time)}


def _inert(cell: Cell) -> Cell:
    """A text that no spreadsheet takes for a formula, and no terminal for a command: strangers choose their names."""
    if not isinstance(cell, str):
        return cell
    return printable(f"'{cell}" if cell.startswith(FORMULA) else cell)
