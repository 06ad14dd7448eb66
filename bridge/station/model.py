"""What a station of one OCPP version looks like: its layouts, what fills them, its commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.commands.table import Command, command_folders, command_methods, command_rows, commands
from bridge.ocpp.versions import VERSIONS, Version
from bridge.points.bindings import Bindings, bind
from bridge.points.layout import Layout, build_layout
from bridge.points.measurands import Measurands
from bridge.points.rows import Row
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


def dynamic_row(measurands: Measurands) -> Callable[[str], Row | None]:
    """Finds the row of a point that a group does not have yet but may get (a measurand's phase)."""
    return measurands.row_of


def _part(table: Table, version: Version, kind: Kind) -> Part:
    offered = commands(version, connector=kind == "connector")
    layout = build_layout(
        kind,
        [*(found.row for found in table.rows[kind]), *table.measurands.rows()],
        command_rows(offered, table.enumerations["CommandState"]),
        command_methods(offered),
        {**table.folders[kind], **command_folders(offered)},
    )
    return Part(layout, bind(table, kind, version.name, layout), offered)
