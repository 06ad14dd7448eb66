"""What is wrong with a project, what its stations look like, and what was charged."""

import asyncio
import contextlib
import enum
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, TypeVar

import tomli
import typer

from bridge import RELEASED, __version__
from bridge.cli import listing
from bridge.cli.files import open_files, tls_doubts, tls_problems
from bridge.cli.listing import Line
from bridge.cli.options import FormatOption, ProjectOption, beginning, load, peek, station
from bridge.cli.output import Cell, Format, moment, show
from bridge.config import Config, load_config, weaknesses
from bridge.errors import Problem, ProjectError
from bridge.points.layout import Layout
from bridge.points.measurands import Measurands
from bridge.points.table import Table, load_table
from bridge.project import Project
from bridge.scripting.build import chains_of
from bridge.scripting.checking import check_scripts
from bridge.station.model import Model, bridge_layout, build_models, layouts
from bridge.station.profiles.load import doubts, load_profiles
from bridge.station.transactions import UNKNOWN
from bridge.station.v2.addressing import parse_name
from bridge.station.v2.stored import states
from bridge.station.v2.transaction import TransactionState
from bridge.store import Transaction

T = TypeVar("T")


class PointsFormat(enum.StrEnum):
    """How points are printed: as rows, or the types of all of them as an OPC UA NodeSet2 file."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NODESET = "nodeset"


LONGEST_VALUE = 40  # characters
TABLE_COLUMNS = ("path", "type", "unit", "access", "description")
TRANSACTION_COLUMNS = (
    "id",
    "station",
    "connector",
    "id_tag",
    "start_time",
    "meter_start",
    "stop_time",
    "meter_stop",
    "energy",
    "reason",
)


def check(project: ProjectOption = None) -> None:
    """Name everything that is wrong in a project, with file and line."""
    found = Project.find(project)
    problems: list[Problem] = []
    config = _attempt(lambda: load_config(found), problems)
    table = _attempt(lambda: load_table(found.datapoints()), problems)
    models = None if table is None else _attempt(lambda: build_models(table), problems)
    assigned = [] if config is None else [declared.profile for declared in config.station]
    measurands = Measurands({}, (), ()) if table is None else table.measurands
    file = str(found.config_file)
    profiles = _attempt(lambda: load_profiles(found.profiles(), measurands, assigned, file), problems)
    problems += _script_problems(found, config)
    problems += [] if config is None else tls_problems(found, config)
    if problems or config is None or models is None or profiles is None:
        raise ProjectError(problems)
    slow = _slow_scripts(config, file)
    files = (*tls_doubts(found, config), *open_files(found, config))
    for doubt in (*weaknesses(config, file), *files, *slow, *doubts(profiles, measurands)):
        typer.echo(f"warning: {doubt}", err=True)
    typer.echo(f"OK: {found.folder}")
    typer.echo(f"  configuration  {found.config_file}")
    for name, model in models.items():
        points = f"{len(model.station.layout.rows)} of a station, {len(model.connector.layout.rows)} of a connector"
        typer.echo(f"  points         {points} (OCPP {name}, commands included)")
    typer.echo(f"  profiles       {', '.join(profile.name for profile in profiles) or 'none'}")
    typer.echo(f"  handlers       {', '.join(chains_of(config).names()) or 'none'}")


def points(
    project: ProjectOption = None,
    station_id: Annotated[
        str | None,
        typer.Option("--station", metavar="ID", help="A station of the store, with its last values."),
    ] = None,
    connector: Annotated[
        str | None,
        typer.Option(
            "--connector", metavar="N", help="Only this connector, such as 1 or 1_2; 0: the station's own points."
        ),
    ] = None,
    form: Annotated[
        PointsFormat,
        typer.Option("--format", help="How the rows are printed; nodeset: the types of all, as a NodeSet2 file."),
    ] = PointsFormat.TABLE,
) -> None:
    """Print the points of every station, or of one: paths, NodeIds, types, units, access, sources."""
    found, config = load(project)
    table = load_table(found.datapoints())
    models = build_models(table)
    if form is PointsFormat.NODESET:
        if station_id is not None or connector is not None:
            what = "the types are those of all stations: leave --station and --connector out"
            raise typer.BadParameter(what, param_hint="--format nodeset")
        _print_nodeset(layouts(table, models))
        return
    name = None if connector is None else _connector_name(connector)
    if station_id is None:
        lines = _of_any_station(table, models[config.ocpp.versions[0]], name)
    else:
        lines = _of_station(found, config, models, station_id, name)
    values = listing.VALUE_COLUMNS if station_id is not None else ()
    cells = (line.cells() for line in lines)
    if form is PointsFormat.TABLE:
        show((*TABLE_COLUMNS[:-1], *values[:2], TABLE_COLUMNS[-1]), map(_short, cells), Format.TABLE)
        typer.echo(f"The NodeId of a point is ns={listing.NAMESPACE};s=<path>.", err=True)
    else:
        show((*listing.COLUMNS, *values), cells, Format(form.value))


def _print_nodeset(every: list[Layout]) -> None:
    # asyncua is slow to import, and other commands do without
    from bridge.opcua.nodeset import nodeset  # noqa: PLC0415
    from bridge.opcua.typespace import TypeSpace  # noqa: PLC0415

    for part in nodeset(TypeSpace(every), version=__version__, published=RELEASED):
        typer.echo(part, nl=False)


def transactions(
    project: ProjectOption = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only those that began then or later; ISO 8601, UTC if no zone."),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print the transactions, those of OCPP 1.6 first: times in UTC, energies in Wh, empty while it runs."""
    found, config = load(project)
    begin = beginning(since)
    with peek(found, config) as reader:
        of_16 = map(_transaction, reader.transactions(begin))
        of_2 = (_state(station, state) for station, state in states(reader.events()) if _began(state, begin))
        show(TRANSACTION_COLUMNS, chain(of_16, of_2), form)


def _attempt(work: Callable[[], T], problems: list[Problem]) -> T | None:
    """Goes on after a mistake, so that all are named in one go."""
    try:
        return work()
    except ProjectError as error:
        problems += error.problems
        return None


def _script_problems(project: Project, config: Config | None) -> list[Problem]:
    """What is wrong with every script that some chain names; where the configuration is wrong, with those it seems to
    name.
    """
    names = _scripts(project) if config is None else chains_of(config).names()
    settings = {} if config is None else config.handlers.settings
    return asyncio.run(check_scripts(names, project.handlers, settings))


def _slow_scripts(config: Config, file: str) -> Iterator[Problem]:
    """Scripts that wait for something longer than stations wait for scripts, by the setting that is called so."""
    for name in chains_of(config).names():
        script = Path(name).stem
        timeout = config.handlers.settings.get(script, {}).get("timeout")
        if isinstance(timeout, int | float) and timeout >= config.handlers.timeout:
            what = f"{timeout:g} s is not below [handlers] timeout, {config.handlers.timeout:g} s"
            yield Problem(file, f"handlers.settings.{script}.timeout", what)


def _scripts(project: Project) -> tuple[str, ...]:
    """The scripts that a configuration names which is wrong in other places."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        names = tomli.loads(project.config_file.read_text(encoding="utf-8"))["handlers"]["scripts"]
        return tuple(name for name in names if isinstance(name, str))
    return Config().handlers.scripts


def _connector_name(number: str) -> str:
    """`Connector<number>`; "" for 0, the station itself."""
    name = f"Connector{number}"
    if number != "0" and parse_name(name) is None:
        raise typer.BadParameter(
            "expected a number such as 2, or 1_2 for connector 2 of EVSE 1", param_hint="--connector"
        )
    return "" if number == "0" else name


def _of_any_station(table: Table, model: Model, connector: str | None) -> Iterator[Line]:
    if connector:
        yield from listing.any_connector(model, connector)
        return
    yield from listing.any_station(model)
    if connector is None:
        yield from listing.any_connector(model)
        yield from listing.the_bridge(bridge_layout(table))


def _of_station(
    project: Project, config: Config, models: dict[str, Model], identity: str, connector: str | None
) -> Iterator[Line]:
    with peek(project, config) as reader:
        record = station(reader, identity)
        values = [value for value in reader.values() if value.path.startswith(f"{record.name}.")]
    model = models.get(record.version or "") or models[config.ocpp.versions[-1]]
    declared = next((declared.connectors for declared in config.station if declared.id == identity), 0)
    found = listing.a_station(record.name, model, [f"Connector{n}" for n in range(1, declared + 1)], values)
    if connector is not None and connector not in found:
        known = ", ".join(name.removeprefix("Connector") for name in found if name) or "none"
        number = connector.removeprefix("Connector")
        raise ProjectError([Problem(identity, "", f"has no connector {number} yet; known are: {known}")])
    for name, lines in found.items():
        if connector is None or name == connector:
            yield from lines


def _short(cells: dict[str, Cell]) -> dict[str, Cell]:
    """For a table: the JSON of a whole telegram would hide all else."""
    value = cells["value"]
    too_long = isinstance(value, str) and len(value) > LONGEST_VALUE
    return {**cells, "value": f"{str(value)[:LONGEST_VALUE]}…"} if too_long else cells


def _began(state: TransactionState, since: float | None) -> bool:
    begin = state.start_time or state.first_time
    return since is None or (begin is not None and begin >= since)


def _state(station: str, state: TransactionState) -> dict[str, Cell]:
    """Of OCPP 2.x, where the station makes the ids."""
    return {
        "id": state.own_id,
        "station": station,
        "connector": state.at,
        "id_tag": state.id_token,
        "start_time": None if state.start_time is None else moment(state.start_time),
        "meter_start": state.meter_start,
        "stop_time": None if state.end_time is None else moment(state.end_time),
        "meter_stop": state.meter_stop,
        "energy": state.energy if state.ended else None,
        "reason": state.reason or None,
    }


def _transaction(record: Transaction) -> dict[str, Cell]:
    return {
        "id": record.id,
        "station": record.station,
        "connector": record.connector,
        "id_tag": record.id_tag,
        "start_time": moment(record.start_time),
        "meter_start": record.meter_start,
        "stop_time": moment(record.stop_time),
        "meter_stop": record.meter_stop,
        "energy": record.energy,
        "reason": UNKNOWN if record.reason is None and record.lost is not None else record.reason,
    }
