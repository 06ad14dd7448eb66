"""Runs a command as a user types it."""

import csv
import io
import os
from dataclasses import dataclass

from typer.testing import CliRunner

from bridge.cli.program import app


@dataclass(frozen=True)
class Ended:
    """What a user sees of a command that has ended."""

    code: int
    out: str
    err: str


def ocpp_bridge(*arguments: object, stdin: str | None = None, **environ: str) -> Ended:
    ours = {name: "" for name in os.environ if name.startswith("OCPP_BRIDGE")}
    result = CliRunner().invoke(
        app, [str(a) for a in arguments], input=stdin, env={**ours, "COLUMNS": "200", **environ}
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return Ended(result.exit_code, result.stdout, result.stderr)


def rows(ended: Ended) -> list[dict[str, str]]:
    """What it printed as CSV."""
    assert ended.code == 0, ended.err
    return list(csv.DictReader(io.StringIO(ended.out)))
