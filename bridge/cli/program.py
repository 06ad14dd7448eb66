"""The program itself: its commands, and how an error ends it."""

import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bridge import __version__
from bridge.cli import access, editing, pki, reading, recording, running, showing, tokens
from bridge.errors import BridgeError, ProjectError

EPILOG = "Exit codes: 0 done; 1 failed; 2 a mistake in the command or in the project, each on a line of its own."


class Program(TyperGroup):
    """Ends with a message and an exit code where a command fails on purpose; a traceback is a bug."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ProjectError as error:
            typer.echo(str(error), err=True)  # every problem on a line of its own
            raise typer.Exit(2) from error
        except BridgeError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="ocpp-bridge",
    cls=Program,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", epilog=EPILOG)(running.run)
app.command("demo", epilog=EPILOG)(showing.demo)
app.command("simulate", epilog=EPILOG)(showing.simulate)
app.command("init", epilog=EPILOG)(editing.init)
app.command("backup", epilog=EPILOG)(editing.backup)
app.command("check", epilog=EPILOG)(reading.check)
app.command("points", epilog=EPILOG)(reading.points)
app.command("transactions", epilog=EPILOG)(reading.transactions)
app.command("record", epilog=EPILOG)(recording.record)
app.command("replay", epilog=EPILOG)(recording.replay)
app.add_typer(editing.stations, name="stations", epilog=EPILOG)
app.add_typer(pki.pki, name="pki", epilog=EPILOG)
app.add_typer(tokens.tokens, name="tokens", epilog=EPILOG)
app.add_typer(access.user, name="user", epilog=EPILOG)
app.add_typer(access.opcua, name="opcua", epilog=EPILOG)
app.command("audit", epilog=EPILOG)(access.audit)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ocpp-bridge {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """OCPP charging stations as data points on an OPC UA server."""


def main() -> None:
    """The console script `ocpp-bridge`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a station's text may be more than a terminal can show
    try:
        app()
    except SystemExit as end:
        running.leave(end.code)
        raise
