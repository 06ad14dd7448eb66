"""The token list: who may charge. `handlers/token_list.py` asks it, also of a running bridge, with every token."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from bridge.api import Token
from bridge.cli import token_file
from bridge.cli.options import FormatOption, ProjectOption, load, peek
from bridge.cli.output import Format, show
from bridge.config import Config
from bridge.errors import Problem, ProjectError
from bridge.store import Editor, Store

SCRIPT = "token_list.py"

tokens = typer.Typer(
    help="The token list: who may charge. A running bridge heeds a change at once.", no_args_is_help=True
)

IdToken = Annotated[str, typer.Argument(metavar="TOKEN", help="The token's id; case makes no difference.")]
TypeOption = Annotated[
    str | None,
    typer.Option(
        "--type", metavar="TYPE", help='The kind that it must be in OCPP 2.x, "" for any.', show_default=False
    ),
]
CsvFile = Annotated[str, typer.Argument(metavar="CSV", help="The file; - for standard input.")]


@tokens.command("list")
def list_tokens(project: ProjectOption = None, form: FormatOption = Format.TABLE) -> None:
    """Print the token list by id: times in UTC, areas with ; between them."""
    found, config = load(project)
    with peek(found, config) as reader:
        show(token_file.COLUMNS, map(token_file.cells, reader.tokens()), form)


@tokens.command("export")
def export(project: ProjectOption = None) -> None:
    """Print the token list as CSV, as `import` takes it."""
    list_tokens(project, Format.CSV)


@tokens.command("add")
def add(
    id_token: IdToken,
    kind: TypeOption = None,
    parent: Annotated[str | None, typer.Option("--parent", metavar="TOKEN", help="The group that it is in.")] = None,
    parent_type: Annotated[
        str | None, typer.Option("--parent-type", metavar="TYPE", help="The kind of the group's token in OCPP 2.x.")
    ] = None,
    expiry: Annotated[
        str | None,
        typer.Option("--expiry", metavar="TIME", help='Good until then; ISO 8601, UTC if no zone; "": for ever.'),
    ] = None,
    area: Annotated[
        list[str] | None,
        typer.Option("--area", metavar="AREA", help='Good in this area and below; may be repeated; "": everywhere.'),
    ] = None,
    blocked: Annotated[bool | None, typer.Option("--blocked/--not-blocked", help="It may not charge.")] = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Whose it is, for example.")] = None,
    project: ProjectOption = None,
) -> None:
    """Add a token; of one that is in the list already, change only what is given."""
    found, config = load(project)
    given = {
        "parent_id_token": parent,
        "parent_id_token_type": parent_type,
        "expiry": expiry,
        "areas": None if area is None else token_file.BETWEEN_AREAS.join(area),
        "blocked": None if blocked is None else str(blocked),
        "note": note,
    }
    with Store.edit(found.resolve(config.store.path)) as editor:
        before = _listed(editor, id_token, kind)
        known = {} if before is None else {column: str(cell or "") for column, cell in token_file.cells(before).items()}
        changes = {column: text for column, text in given.items() if text is not None}
        token, mistakes = token_file.make({"id_token": id_token, "id_token_type": kind or "", **known, **changes})
        if token is None:
            raise ProjectError([Problem(f"token {id_token}", column, what) for column, what in mistakes])
        editor.put_tokens([token])
    typer.echo(f"{token.id_token}: {'added' if before is None else 'changed'}")
    _note(config, [token])


@tokens.command("remove")
def remove(
    id_token: IdToken,
    kind: TypeOption = None,
    project: ProjectOption = None,
) -> None:
    """Remove a token."""
    found, config = load(project)
    with Store.edit(found.resolve(config.store.path)) as editor:
        token = _listed(editor, id_token, kind)
        if token is None:
            what = "no such token in the list; `ocpp-bridge tokens list` shows them"
            raise ProjectError([Problem(f"token {id_token}", "", what)])
        editor.remove_token(token.id_token, token.id_token_type)
    typer.echo(f"{token.id_token}: removed")


@tokens.command("import")
def import_csv(
    file: CsvFile,
    replace: Annotated[
        bool, typer.Option("--replace", help="The list becomes the file; what is not in it goes.")
    ] = False,
    empty: Annotated[
        bool, typer.Option("--empty", help="With --replace: a file without tokens is meant, and empties the list.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Add the tokens of a CSV file, or none of them if anything in it is wrong.

    Its first line names the columns: id_token and any of those that `export` prints. A token that is in the list
    already becomes what the file says.
    """
    found, config = load(project)
    name = "stdin" if file == "-" else file
    read = token_file.parse(name, _content(file))
    with Store.edit(found.resolve(config.store.path)) as editor:
        if replace and not read and not empty and any(editor.tokens()):
            raise ProjectError([Problem(name, "", "has no tokens, so the list would be empty; --empty if it is meant")])
        editor.put_tokens(read, replace=replace)
    typer.echo(f"{name}: {len(read)} token{'' if len(read) == 1 else 's'} imported")
    _note(config, read)


def _content(file: str) -> bytes:
    if file == "-":
        return typer.get_binary_stream("stdin").read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ProjectError([Problem(file, "", f"cannot be read: {error.strerror}")]) from None


def _listed(editor: Editor, id_token: str, kind: str | None) -> Token | None:
    """The token that is meant, if it is in the list. Raises ProjectError where it could be several."""
    found = [token for token in editor.tokens() if token.id_token.lower() == id_token.strip().lower()]
    if kind is not None:
        found = [token for token in found if token.id_token_type.lower() == kind.strip().lower()]
    if len(found) > 1:
        kinds = ", ".join(token.id_token_type or '""' for token in found)
        raise ProjectError([Problem(f"token {id_token}", "", f"is in the list as {kinds}: say which with --type")])
    return found[0] if found else None


def _note(config: Config, changed: Iterable[Token]) -> None:
    """Says what would leave a token without effect though nothing is wrong with it."""
    chains = [config.handlers.scripts, *(a.scripts for a in config.area), *(s.scripts for s in config.station)]
    if not any(SCRIPT in chain for chain in chains):
        typer.echo(f"note: [handlers] scripts does not name {SCRIPT}, which asks the token list", err=True)
    for area in token_file.unused_areas(changed, (station.area for station in config.station)):
        typer.echo(f"note: no [[station]] is in the area {area}", err=True)
