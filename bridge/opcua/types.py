"""The ObjectTypes of namespace 3: what stations, connectors and commands have, read off the tree's own layouts.

`StationType` and `ConnectorType` are one for all OCPP versions, as the tree is: a faceplate that is made for them
serves every station, and a station keeps its type when its firmware brings a newer OCPP. What differs between
versions is what can be asked of a station, so the versions stand at the folder `Commands` alone: its type is
`StationCommands16Type` or another subtype of `CommandsType`, and that of each command a subtype of `CommandType`
(bridge.commands.kinds).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from asyncua import ua

from bridge.commands.table import CALL, EXECUTE, FOLDER, OUTPUTS, REQUEST, RESULT
from bridge.opcua import shapes
from bridge.opcua.shapes import GROUP_TEXTS, GROUP_TYPES, Shape
from bridge.points.layout import Layout, build_layout
from bridge.points.measurands import FOLDER as METER_VALUES
from bridge.points.rows import Enumeration, Method, Row
from bridge.station.configuration import FOLDER as CONFIGURATION
from bridge.station.scripted import CUSTOM

COMMANDS_TYPE, COMMAND_TYPE = "CommandsType", "CommandType"
#: subtypes of these stand in namespace 0
_BASE_OBJECT = ua.NodeId(ua.ObjectIds.BaseObjectType)
_COMMON = (REQUEST, EXECUTE, RESULT)
_ANY = ua.ObjectIds.BaseDataType


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A type with its own instance declarations, those of its supertype not among them.

    `base` is its supertype: the name of one of ours, or the NodeId of one of OPC UA's. `placeholders` stand, by
    their keys, for what an instance may have any number of (OPC 10000-3 §6.4.4.4.4).
    """

    name: str
    base: str | ua.NodeId
    description: str
    layout: Layout
    placeholders: Mapping[str, Shape]
    abstract: bool = False

    @property
    def shape(self) -> Shape:
        return shapes.object_type(self.name, self.description, abstract=self.abstract)


def object_types(layouts: Iterable[Layout]) -> dict[str, ObjectType]:
    """The types that the layouts speak of, by name, each behind its supertype."""
    found: dict[str, ObjectType] = {}
    for layout in layouts:
        if FOLDER in layout.folders and COMMAND_TYPE not in found:
            found[COMMAND_TYPE] = _command_type(layout)
            found[COMMANDS_TYPE] = _commands_type()
        if GROUP_TYPES[layout.kind] not in found:
            found[GROUP_TYPES[layout.kind]] = _group_type(layout)
        for key, name in layout.types.items():
            if name not in found:
                found[name] = _offered(layout, name) if key == FOLDER else _one_command(layout, key, name)
    return found


def enumerations(layouts: Iterable[Layout]) -> dict[str, Enumeration]:
    """The enumerations that the rows of the layouts use, by name."""
    rows = (row for layout in layouts for row in layout.rows)
    return {row.enumeration.name: row.enumeration for row in rows if row.enumeration is not None}


def _group_type(layout: Layout) -> ObjectType:
    """The type of stations, connectors or the bridge: all but the commands."""
    own = [row for row in layout.rows if not _lies_in(row, FOLDER) and not row.twin_of]
    texts = {key: text for key, text in layout.descriptions.items() if not key.startswith(f"{FOLDER}.")}
    types = {FOLDER: COMMANDS_TYPE} if FOLDER in layout.folders else {}
    return ObjectType(
        GROUP_TYPES[layout.kind],
        _BASE_OBJECT,
        GROUP_TEXTS[layout.kind],
        build_layout(layout.kind, own, descriptions=texts, types=types),
        _run_time_points(layout),
    )


def _run_time_points(layout: Layout) -> dict[str, Shape]:
    custom = CUSTOM.rstrip(".")
    found = {
        METER_VALUES: shapes.any_point("<Measurand>", "A measurand of one phase or place", ua.ObjectIds.Double),
        CONFIGURATION: shapes.any_point("<Key>", "A configuration key of the station", _ANY),
        custom: shapes.any_point("<Point>", "A point that a handler script has made", _ANY),
    }
    points = {f"{folder}.{shape.name}": shape for folder, shape in found.items() if folder in layout.folders}
    if layout.kind == "station":
        points["<Connector>"] = shapes.any_object("<Connector>", GROUP_TEXTS["connector"], GROUP_TYPES["connector"])
    return points


def _commands_type() -> ObjectType:
    command = shapes.any_object("<Command>", "A request that can be sent to the station", COMMAND_TYPE)
    layout = build_layout(COMMANDS_TYPE, [])
    return ObjectType(COMMANDS_TYPE, shapes.FOLDER, "What can be asked", layout, {command.name: command}, abstract=True)


def _offered(layout: Layout, name: str) -> ObjectType:
    """What can be asked of the stations, or the connectors, of one OCPP version."""
    folders = dict(_below(FOLDER, layout.types))
    texts = {key: text for key, text in _below(FOLDER, layout.descriptions) if key in folders}
    own = build_layout(name, [], descriptions=texts, types=folders)
    return ObjectType(name, COMMANDS_TYPE, layout.descriptions[FOLDER], own, {})


def _command_type(layout: Layout) -> ObjectType:
    """What all commands have in common, read off the first one."""
    folder = next(key for key in layout.types if key != FOLDER)
    rows = [row for row in _rows(layout, folder) if row.key.partition(".")[0] in _COMMON]
    text = "Sends the command and waits for the station's answer"
    call = Method(folder="", name=CALL, description=text, inputs=(), outputs=OUTPUTS)
    own = build_layout(COMMAND_TYPE, rows, methods=[call], descriptions={RESULT: "How the last request went"})
    return ObjectType(COMMAND_TYPE, _BASE_OBJECT, "A request that can be sent to the station", own, {}, abstract=True)


def _one_command(layout: Layout, folder: str, name: str) -> ObjectType:
    rows = [row for row in _rows(layout, folder) if row.key.partition(".")[0] not in _COMMON]
    methods = [replace(method, folder="") for method in layout.methods.values() if method.folder == folder]
    own = build_layout(name, rows, methods=methods)
    return ObjectType(name, COMMAND_TYPE, layout.descriptions[folder], own, {})


def _rows(layout: Layout, folder: str) -> Iterator[Row]:
    """The rows of a folder and of those below it, as if it were the whole; twins come of themselves."""
    for row in layout.rows:
        if _lies_in(row, folder) and not row.twin_of:
            yield replace(row, folder=row.folder[len(folder) + 1 :])


def _lies_in(row: Row, folder: str) -> bool:
    return row.folder == folder or row.folder.startswith(f"{folder}.")


def _below(folder: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, name in names.items():
        if key.startswith(f"{folder}."):
            yield key[len(folder) + 1 :], name
