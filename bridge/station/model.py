"""What a station of one OCPP version looks like: its layouts, what fills them, its commands."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.commands.table import Command, command_folders, command_methods, command_rows, commands
from bridge.errors import Problem, ProjectError
from bridge.ocpp.versions import VERSIONS, Version
from bridge.points.bindings import Bindings, bind
from bridge.points.layout import Layout, build_layout
from bridge.points.measurands import Measurands
from bridge.points.table import Kind, MessageSpec, Table


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One kind of group: the station itself, or a connector."""

    layout: Layout
    bindings: Bindings
    commands: Mapping[str, Command]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """All that depends on the OCPP version of a station and not on the station."""

    version: Version
    station: Part
    connector: Part
    messages: Mapping[str, MessageSpec]
    measurands: Measurands


def build_models(table: Table) -> dict[str, Model]:
    """A model for every version that the bridge speaks, by the version's name."""
    return {name: build_model(table, version) for name, version in VERSIONS.items()}


def build_model(table: Table, version: Version) -> Model:
    return Model(
        version=version,
        station=_part(table, version, "station"),
        connector=_part(table, version, "connector"),
        messages=table.messages.get(version.name, {}),
        measurands=table.measurands,
    )


def bridge_layout(table: Table) -> Layout:
    """The layout of the bridge's own points."""
    return build_layout("bridge", [found.row for found in table.rows["bridge"]], descriptions=table.folders["bridge"])


def _part(table: Table, version: Version, kind: Kind) -> Part:
    offered = commands(version, connector=kind == "connector")
    try:
        layout = _layout(table, kind, offered)
    except ValueError as error:  # a row of the project has the key of a command's point
        raise ProjectError([Problem("datapoints", "", str(error))]) from None
    return Part(layout, bind(table, kind, version.name, layout), offered)


def _layout(table: Table, kind: Kind, offered: Mapping[str, Command]) -> Layout:
    return build_layout(
        kind,
        [*(found.row for found in table.rows[kind]), *table.measurands.rows()],
        command_rows(offered, table.enumerations["CommandState"]),
        command_methods(offered),
        {**table.folders[kind], **command_folders(offered)},
    )
