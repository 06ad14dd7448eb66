"""Reads the rows of a project: datapoints/*.yaml → `Table`. All mistakes are reported in one go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import msgspec
import yaml

from bridge.errors import Problem, ProjectError
from bridge.points.layout import with_twins
from bridge.points.measurands import Measurand, Measurands
from bridge.points.roles import Role, Roles
from bridge.points.rows import INTEGER_RANGES, Enumeration, Row, Type
from bridge.points.rowspec import RowSpec, TableRow, make_row, row_problems, unknown
from bridge.points.units import UNITS

Kind = Literal["station", "connector", "bridge"]
T = TypeVar("T")


class FileSpec(msgspec.Struct, forbid_unknown_fields=True, rename={"kinds": "for"}):
    """A file of rows."""

    kinds: list[Kind]
    points: list[RowSpec]
    folders: dict[str, str] = {}


class MessageSpec(msgspec.Struct, forbid_unknown_fields=True):
    """How a message of a station is read; datapoints/messages.yaml explains the fields."""

    connector: str = ""
    evse: str = ""
    time: str = ""
    defaults: dict[str, Any] = {}
    code: dict[str, str] = {}
    unmapped: dict[str, str] = {}


class MeasurandSpec(msgspec.Struct, forbid_unknown_fields=True):
    description: str
    unit: str = ""
    location: str = "Outlet"
    usual: bool = True


class MeasurandsSpec(msgspec.Struct, forbid_unknown_fields=True):
    measurands: dict[str, Any]  # of MeasurandSpec
    phases: list[str]
    locations: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of a project."""

    rows: Mapping[Kind, tuple[TableRow, ...]]
    folders: Mapping[Kind, Mapping[str, str]]
    enumerations: Mapping[str, Enumeration]
    messages: Mapping[str, Mapping[str, MessageSpec]]
    measurands: Measurands
    roles: Roles = field(default_factory=lambda: Roles({}, {}))


#: enumerations whose states the bridge itself speaks of
NEEDED_STATES: Mapping[str, tuple[str, ...]] = {
    "RegistrationStatus": ("Accepted", "Pending", "Rejected"),
    "ConfigurationState": ("NotRequired", "Unconfigured", "Configuring", "Configured", "Drifted", "RebootRequired"),
    "CommandState": ("Idle", "Queued", "Sent", "Accepted", "Rejected", "Failed", "Timeout", "Offline"),
    "FileState": ("Loaded", "Failed", "Disabled", "RestartNeeded"),
}
#: files with a form of their own; every other file is a FileSpec
NEEDED = ("enumerations.yaml", "messages.yaml", "measurands.yaml")
OWN_FORM = (*NEEDED, "roles.yaml")


def load_table(files: Mapping[str, Path]) -> Table:
    """Reads the files (name → path). Raises ProjectError with every problem that it found."""
    problems: list[Problem] = []
    texts = {name: text for name, path in files.items() if (text := _read(path, problems)) is not _UNREADABLE}
    problems += [Problem(f"datapoints/{name}", "", "this file is missing") for name in NEEDED if name not in files]
    enumerations = _enumerations(files, texts, problems)
    messages = _nested("messages.yaml", files, texts, MessageSpec, problems) or {}
    measurands = _measurands(files, texts, problems)
    roles = _roles(files, texts, problems)
    rows: dict[Kind, list[TableRow]] = {"station": [], "connector": [], "bridge": []}
    folders: dict[Kind, dict[str, str]] = {"station": {}, "connector": {}, "bridge": {}}
    origins: dict[Kind, list[tuple[Row, str]]] = {"station": [], "connector": [], "bridge": []}
    for name in files:
        spec = None if name in OWN_FORM else _convert(name, files, texts, FileSpec, problems)
        if spec is None:
            continue
        made = [] if enumerations is None else _rows(spec, str(files[name]), enumerations, problems)
        for kind in spec.kinds:
            rows[kind].extend(made)
            folders[kind].update(spec.folders)
            origins[kind].extend((row.row, str(files[name])) for row in made)
    for kind, found in origins.items():
        shown = () if kind == "bridge" else measurands.rows()
        problems += _clashes(kind, [*found, *((row, "measurands.yaml") for row in shown)])
    if problems or enumerations is None:
        raise ProjectError(problems)
    return Table(
        rows={kind: tuple(found) for kind, found in rows.items()},
        folders=folders,
        enumerations=enumerations,
        messages=messages,
        measurands=measurands,
        roles=roles,
    )


_UNREADABLE = object()


def _read(path: Path, problems: list[Problem]) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problems.append(Problem(str(path), f"line {line}", f"this is not YAML: {error.problem}"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(Problem(str(path), "", f"cannot be read: {error}"))
    return _UNREADABLE


class Loader(yaml.SafeLoader):
    """YAML as everybody expects it: only true and false are Booleans, so that `N` and `on` stay texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _convert(
    name: str, files: Mapping[str, Path], texts: Mapping[str, Any], form: type[T], problems: list[Problem]
) -> T | None:
    if name not in texts:
        return None
    try:
        return msgspec.convert(texts[name], form)
    except msgspec.ValidationError as error:
        problems.append(_misfit(str(files[name]), "", error))
        return None


def _nested(
    name: str, files: Mapping[str, Path], texts: Mapping[str, Any], form: type[T], problems: list[Problem]
) -> dict[str, dict[str, T]] | None:
    """A file of names in names, each with a `form`; None when anything in it is wrong."""
    outer = _convert(name, files, texts, dict[str, Any], problems)
    if outer is None:
        return None
    file = str(files[name])
    before = len(problems)
    inner = _entries(outer, dict[str, Any], file, "", problems)
    found = {key: _entries(value, form, file, f"{key}.", problems) for key, value in inner.items()}
    return found if len(problems) == before else None


def _entries(raw: Mapping[str, Any], form: type[T], file: str, above: str, problems: list[Problem]) -> dict[str, T]:
    """Each entry by itself: msgspec does not say which one of a mapping it cannot take."""
    found: dict[str, T] = {}
    for key, value in raw.items():
        try:
            found[key] = msgspec.convert(value, form)
        except msgspec.ValidationError as error:
            problems.append(_misfit(file, f"{above}{key}", error))
    return found


def _misfit(file: str, above: str, error: msgspec.ValidationError) -> Problem:
    what, _, where = str(error).partition(" - at ")
    where = where.replace("`", "").replace("$.", "").replace("$", "")
    return Problem(file, f"{above}.{where}".strip(".") if above else where, what)


def _enumerations(
    files: Mapping[str, Path], texts: Mapping[str, Any], problems: list[Problem]
) -> dict[str, Enumeration] | None:
    """None when the file cannot be used: then no row can be judged."""
    raw = _nested("enumerations.yaml", files, texts, int, problems)
    if raw is None:
        return None
    file = str(files["enumerations.yaml"])
    low, high = INTEGER_RANGES[Type.INT32]
    for name, numbers in raw.items():
        if len(set(numbers.values())) != len(numbers):
            problems.append(Problem(file, name, "two states have the same number"))
        if not all(low <= number <= high for number in numbers.values()):
            problems.append(Problem(file, name, "expected numbers that fit into an Int32"))
    for name, states in NEEDED_STATES.items():
        lacks = [state for state in states if state not in raw.get(name, {})]
        if lacks:
            what = f"expected the states {', '.join(lacks)}, which the bridge itself uses"
            problems.append(Problem(file, name, what))
    return {name: Enumeration(name, numbers) for name, numbers in raw.items()}


def _measurands(files: Mapping[str, Path], texts: Mapping[str, Any], problems: list[Problem]) -> Measurands:
    spec = _convert("measurands.yaml", files, texts, MeasurandsSpec, problems) or MeasurandsSpec({}, [], [])
    file = str(files.get("measurands.yaml"))
    found = _entries(spec.measurands, MeasurandSpec, file, "measurands.", problems)
    for name, measurand in found.items():
        for what, used, expected in (
            ("unit", measurand.unit or None, UNITS),
            ("location", measurand.location, spec.locations),
        ):
            if used is not None and used not in expected:
                problems.append(unknown(file, f"measurands.{name}", what, used, expected))
    known = {
        name: Measurand(name, measurand.unit, measurand.location, measurand.description, measurand.usual)
        for name, measurand in found.items()
    }
    return Measurands(known, tuple(spec.phases), tuple(spec.locations))


def _roles(files: Mapping[str, Path], texts: Mapping[str, Any], problems: list[Problem]) -> Roles:
    raw: Any = _nested("roles.yaml", files, texts, cast("type[str]", Role), problems) or {}
    problems += [
        Problem(str(files["roles.yaml"]), name, "expected points or commands")
        for name in raw
        if name not in ("points", "commands")
    ]
    return Roles(raw.get("points", {}), raw.get("commands", {}))


def _rows(
    spec: FileSpec, file: str, enumerations: Mapping[str, Enumeration], problems: list[Problem]
) -> list[TableRow]:
    found: list[TableRow] = []
    for number, row in enumerate(spec.points):
        wrong = list(row_problems(row, f"{file}", f"points[{number}] ({row.key})", enumerations))
        problems += wrong
        if not wrong:
            found.append(make_row(row, enumerations))
    return found


def _clashes(kind: Kind, rows: Iterable[tuple[Row, str]]) -> Iterable[Problem]:
    """Points that would have the same path, twins included, and points where there is a folder."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for row, file in rows:
        for key in (twin.key for twin in with_twins([row])):
            if key in files:
                yield Problem(file, key, f"another point of the {kind} has this path, in {files[key]}")
            files.setdefault(key, file)
        names = row.folder.split(".") if row.folder else []
        folders.update((".".join(names[: depth + 1]), row.key) for depth in range(len(names)))
    for key in sorted(files.keys() & folders.keys()):
        yield Problem(files[key], key, f"is a point and the folder of {folders[key]}; expected one of them")
