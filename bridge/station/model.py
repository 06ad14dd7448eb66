"""What a station of one OCPP version looks like: its layouts, what fills them, its commands."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.commands.kinds import CommandKinds
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
    kinds = CommandKinds()  # of all versions: those that are alike are of one kind
    return {name: build_model(table, version, kinds) for name, version in VERSIONS.items()}


def build_model(table: Table, version: Version, kinds: CommandKinds) -> Model:
    return Model(
        version=version,
        station=_part(table, version, "station", kinds),
        connector=_part(table, version, "connector", kinds),
        messages=table.messages.get(version.name, {}),
        measurands=table.measurands,
    )


def bridge_layout(table: Table) -> Layout:
    """The layout of the bridge's own points."""
    return build_layout("bridge", [found.row for found in table.rows["bridge"]], descriptions=table.folders["bridge"])


def layouts(table: Table, models: Mapping[str, Model]) -> list[Layout]:
    """Every layout that there can be, the oldest version's first."""
    return [
        bridge_layout(table),
        *(part.layout for model in models.values() for part in (model.station, model.connector)),
    ]


def _part(table: Table, version: Version, kind: Kind, kinds: CommandKinds) -> Part:
    offered = commands(version, connector=kind == "connector")
    try:
        types = kinds.of(version, offered, connector=kind == "connector")
        layout = _layout(table, version, kind, offered, types)
    except ValueError as error:  # a row of the project has the key of a command's point
        raise ProjectError([Problem("datapoints", "", str(error))]) from None
    return Part(layout, bind(table, kind, version.name, layout), offered)


def _layout(
    table: Table, version: Version, kind: Kind, offered: Mapping[str, Command], types: Mapping[str, str]
) -> Layout:
    """Points that only messages of other versions fill take no room in a station of this one."""
    filled = [found.row for found in table.rows[kind] if not found.sources or version.name in found.sources]
    others = [found.row for found in table.rows[kind] if found.sources and version.name not in found.sources]
    return build_layout(
        kind,
        [*filled, *table.measurands.rows()],
        [*others, *command_rows(offered, table.enumerations["CommandState"])],
        command_methods(offered),
        {**table.folders[kind], **command_folders(offered)},
        types,
    )
