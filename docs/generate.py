"""Writes the generated parts of README.md and docs/: the points and the commands, from the rows and the schemas.

python docs/generate.py          writes them
python docs/generate.py --check  says which are out of date, exit code 1
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import checks  # noqa: E402 - beside this file

from bridge.api import RequestHandler  # noqa: E402 - works from a checkout without installing
from bridge.commands.table import Command, commands  # noqa: E402
from bridge.ocpp.schemas import schemas  # noqa: E402
from bridge.ocpp.versions import VERSIONS  # noqa: E402
from bridge.points.rows import Row  # noqa: E402
from bridge.points.rowspec import TableRow  # noqa: E402
from bridge.points.table import Table, load_table  # noqa: E402

NOTE = "<!-- written by docs/generate.py from datapoints/ and the JSON schemas: do not edit -->\n"


def main() -> int:
    table = load_table({path.name: path for path in sorted((ROOT / "datapoints").glob("*.yaml"))})
    pages = {
        ROOT / "docs" / "points.md": points_page(table),
        ROOT / "docs" / "commands.md": commands_page(),
        ROOT / "docs" / "versions.md": versions_page(table),
        ROOT / "docs" / "handlers.md": handlers_page(),
        ROOT / "README.md": readme(table),
        checks.PAGE: checks.page(),
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages[path], "utf-8")
    return 0


def points_page(table: Table) -> str:
    """docs/points.md: every row."""
    parts = [
        "# Points\n",
        NOTE,
        (
            "A point's NodeId is `ns=2;s=<path>`; its path begins with the station's name, for a connector with "
            "`<Station>.Connector<n>`. R: may be read, W: may be written. An enumeration has a String twin "
            "`<Point>Text` beside it.\n"
        ),
    ]
    for title, kind in (("Station", "station"), ("Connector", "connector"), ("Bridge", "bridge")):
        rows = [found.row for found in table.rows[kind]]  # type: ignore[index]
        parts += [f"## {title}\n", _table(("point", "type", "", "description", "source"), map(_point, rows))]
    measurands = (
        (f"`MeterValues.{m.name}`", m.unit, m.description, m.location) for m in table.measurands.known.values()
    )
    parts += [
        "## Meter values\n",
        (
            "Of the station and of each connector: `MeterValues.<Measurand>[.<Phase>][.<Location>]`, a Double in the "
            "unit below, whatever unit the station sends. Without a phase there is no suffix, nor for the usual "
            f"location. Phases: {', '.join(table.measurands.phases)}. "
            f"Locations: {', '.join(table.measurands.locations)}.\n"
        ),
        _table(("point", "unit", "description", "usual location"), measurands),
        "## Enumerations\n",
        *(
            f"- **{e.name}**: {', '.join(f'{n} {name}' for n, name in e.names.items())}"
            for e in table.enumerations.values()
        ),
    ]
    return "\n".join(parts) + "\n"


def commands_page() -> str:
    """docs/commands.md: every command with its parameters."""
    parts = [
        "# Commands\n",
        NOTE,
        (
            "Below `<Station>.Commands.<Action>`, and `<Station>.<Connector>.Commands.<Action>` where the column says "
            "so (the connector's number is filled in there). How to send one: [README](../README.md#write-a-command). "
            "A `*` marks what is required.\n"
        ),
    ]
    for version in VERSIONS.values():
        at_connector = commands(version, connector=True)
        rows = (
            (
                f"`{action}`",
                _inputs(command),
                "yes" if action in at_connector else "",
                _statuses(version.name, action),
            )
            for action, command in commands(version, connector=False).items()
        )
        parts += [
            f"## OCPP {version.name}\n",
            _table(("action", "parameters", "at the connector", "Result.Status"), rows),
        ]
    return "\n".join(parts) + "\n"


LEFT_OPEN = """\
## What stations leave open

- **An EVSE without a connector.** A TransactionEvent that names its EVSE alone belongs to the connector of it that has
  the transaction, else to the one that is occupied, else to the only one, and to connector 1 where the station has not
  told of any yet. Where nothing tells, it is stored, and shown as soon as a status does: a transaction is not put on
  connector 1 of several without a reason. Where it was is stored with it. MeterValues of an EVSE with several free
  connectors are those of `Connector<n>`.
- **An end without an EVSE** of a transaction that nobody knows is that of the station's only connector. A station with
  several is not guessed at: the end is stored, `State.LastError` says so, and `State.InvalidMessages` counts it.
- **A lost end.** A transaction ends with the reason `Unknown`, of uncertain quality, two minutes after its connector is
  Available, when another one starts there, when the station answers GetTransactionStatus that it neither goes on nor
  has messages in its queue, and when the station comes back with 1.6 instead of 2.x or the reverse: its transactions do
  not go on under the other version. An end that comes after all is taken, stored and shown.
- **A transaction of which nothing is heard** within 30 s after its station has come back is asked about once
  (GetTransactionStatus). While its messages are in the station's queue it stays open.
- **Configuration** of 2.x is read as a whole when a station is new, has become another one or has rebooted for a
  change, and when the bridge has started; a report of which parts are missing is asked for again, twice at most. After
  a mere reconnect its values are uncertain until they have been read again with GetVariables, 30 s later; with
  `read_configuration = false` they stay so. A variable that has become one of another type is shown with its old type,
  as uncertain, until the bridge starts again; `State.LastError` says so.
- **A variable that no report has described** has no point, whatever GetVariables tells of it: its type is not known. A
  report without `variableCharacteristics` leaves those that are known as they are; a new variable is a String then.
- **An id that comes again.** A Started with another time under the id of a transaction that has ended begins a charge
  of its own, on the screen and in `ocpp-bridge transactions`; late events of the one before are still taken as its own.
  So does one under the id of a transaction that still runs, with a seqNo of its past and a time after all of it: the
  station's counter has begun anew, and the one before has ended with the reason `Unknown`.
  **Two events with one seqNo** are both stored, and both taken. `State.LastError` tells either, and
  `State.InvalidMessages` counts it.
- **Alerts.** `Status.ErrorCode` is that of the newest alert that is not cleared. With its boot a station starts anew:
  what it does not raise again is not shown once another alert is cleared.
- **What StatusNotification, NotifyEvent and NotifyMonitoringReport have told** holds after a restart of the bridge,
  and no more once the station has spoken 1.6.
- **`MeterValues.Raw`** of a telegram of more than 65,536 characters lacks its last sampled values; it stays JSON.
- The events of a 2.x transaction are deleted `[store] keep_events` days after the last of them has come; those of one
  that runs are kept.
"""


def versions_page(table: Table) -> str:
    """docs/versions.md: what fills each point in each version, and which version has which command."""
    names = tuple(VERSIONS)
    parts = [
        "# OCPP 1.6 and 2.x side by side\n",
        NOTE,
        (
            "One tree serves every version, so one faceplate of an HMI does. Connector 1 of EVSE n is `Connector<n>`, "
            "as connector n of OCPP 1.6 is; connector m ≥ 2 of EVSE n is `Connector<n>_<m>`.\n"
        ),
        LEFT_OPEN,
        "## What fills a point\n",
    ]
    for title, kind in (("Station", "station"), ("Connector", "connector")):
        rows = (
            (f"`{found.row.key}`", *(_filled(found, name) for name in names))
            for found in table.rows[kind]
            if found.sources
        )
        parts += [f"### {title}\n", _table(("point", *names), rows)]
    actions = sorted({action for version in VERSIONS.values() for action in version.to_station})
    offered = (
        (f"`{action}`", *("yes" if action in version.to_station else "" for version in VERSIONS.values()))
        for action in actions
    )
    parts += ["## Commands\n", _table(("action", *names), offered)]
    sent = sorted({action for version in VERSIONS.values() for action in version.from_station | version.sends})
    taken = (
        (
            f"`{action}`",
            *("yes" if action in version.from_station | version.sends else "" for version in VERSIONS.values()),
        )
        for action in sent
    )
    parts += ["## What a station sends\n", _table(("message", *names), taken)]
    return "\n".join(parts) + "\n"


def readme(table: Table) -> str:
    """README.md with its generated parts filled in."""
    station, connector = ([f.row for f in table.rows[kind]] for kind in ("station", "connector"))  # type: ignore[index]
    made = {
        "points": _table(
            ("point", "type", "", "description"),
            (_point(row)[:4] for row in [*station, *_only(connector, station)]),
        ),
        "commands": _table(
            ("action", "parameters", "at the connector"),
            (
                (
                    f"`{action}`",
                    _inputs(command),
                    "yes" if action in commands(VERSIONS["1.6"], connector=True) else "",
                )
                for action, command in commands(VERSIONS["1.6"], connector=False).items()
            ),
        ),
    }
    return _fill(ROOT / "README.md", made)


def handlers_page() -> str:
    """docs/handlers.md with the fields of requests and answers filled in."""
    requests = [
        (f"`{method}`", f"`{kind.__name__}`", ", ".join(_fields(kind)))
        for method in RequestHandler.answers
        for kind in [get_type_hints(getattr(RequestHandler, method))["request"]]
    ]
    answers = [
        (f"`{kind.__name__}`", ", ".join(_fields(kind))) for kind in dict.fromkeys(RequestHandler.answers.values())
    ]
    made = {
        "requests": _table(("method", "request", "its fields, beside those above"), requests),
        "answers": _table(("answer", "fields"), answers),
    }
    return _fill(ROOT / "docs" / "handlers.md", made)


def _fields(kind: type) -> Iterable[str]:
    """The class's own fields with what they hold."""
    hints = get_type_hints(kind)
    return (f"`{name}` ({_held(hints[name])})" for name in kind.__annotations__)


def _held(hint: Any) -> str:
    """A type as a reader of Markdown takes it."""
    inner = get_args(hint)
    if NoneType in inner:
        return " or ".join(_held(one) for one in inner)
    if inner and all(isinstance(one, str) for one in inner):
        return ", ".join(inner)
    if hint is NoneType:
        return "None"
    return str(hint).replace("typing.", "").replace("collections.abc.", "") if inner else hint.__name__


def _fill(page: Path, made: Mapping[str, str]) -> str:
    """The page with what stands between its markers replaced."""
    text = page.read_text("utf-8")
    for name, content in made.items():
        start, end = f"<!-- {name}: written by docs/generate.py -->\n", f"<!-- end of {name} -->"
        head, _, rest = text.partition(start)
        text = f"{head}{start}\n{content}\n{end}{rest.partition(end)[2]}" if rest else text
    return text


def _filled(found: TableRow, version: str) -> str:
    fields = (
        f"{source.action}.{'response.' if source.response else ''}{'.'.join(source.path)}"
        for source in found.sources.get(version, ())
    )
    return ", ".join(fields)


def _only(rows: Iterable[Row], others: Iterable[Row]) -> list[Row]:
    known = {row.key for row in others}
    return [row for row in rows if row.key not in known]


def _point(row: Row) -> tuple[str, str, str, str, str]:
    type_ = row.enumeration.name if row.enumeration else row.type.value
    return (
        f"`{row.key}`",
        f"{type_}, {row.unit}" if row.unit else type_,
        "W" if row.writable else "R",
        row.description,
        row.source,
    )


def _inputs(command: Command) -> str:
    return ", ".join(f"{p.name}{'*' if p.required else ''}" for p in command.parameters)


def _statuses(version: str, action: str) -> str:
    schema = schemas(VERSIONS[version]).response(action)
    status = schema.get("properties", {}).get("status", {})
    reference = status.get("$ref", "").rpartition("/")[2]
    found = schema.get("definitions", {}).get(reference, status).get("enum", ())
    return ", ".join(found)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
