"""The points and methods of every command, from the JSON schemas of an OCPP version. Nothing is coded by hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.commands.personal import has_personal_answer, personal_inputs
from bridge.ocpp.parameters import Parameter, addresses_connector, connector_fields, parameters
from bridge.ocpp.versions import Version
from bridge.points.rows import ZEROS, Argument, Enumeration, Method, Row, Type, Value

FOLDER = "Commands"
EXECUTE, REQUEST, RESULT, CALL = "Execute", "Request", "Result", "Call"

_TYPES: Mapping[str, Type] = {
    "string": Type.STRING,
    "integer": Type.INT32,
    "number": Type.DOUBLE,
    "boolean": Type.BOOLEAN,
    "json": Type.STRING,
    "any": Type.STRING,
}

OUTPUTS = (
    Argument(name="Status", type=Type.STRING, description="The status that the station answered with"),
    Argument(name="Response", type=Type.STRING, description="The station's answer as JSON"),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One action as a station or a connector offers it.

    `filled` are the fields that the connector fills in, () at the station; they are no parameters there. `personal`
    are the fields that may hold an id tag; `answers_personal`: the answer may.
    """

    action: str
    parameters: tuple[Parameter, ...]
    filled: tuple[str, ...]
    personal: frozenset[str] = frozenset()
    answers_personal: bool = False

    @property
    def folder(self) -> str:
        return f"{FOLDER}.{self.action}"

    def point(self, name: str) -> str:
        """The key of one of its points: `Request`, `Result.State`, `ConnectorId` …"""
        return f"{FOLDER}.{self.action}.{name}"


def commands(version: Version, *, connector: bool) -> dict[str, Command]:
    """The commands of a station, or those that stand at a connector, by action."""
    found: dict[str, Command] = {}
    for action in version.to_station:
        if connector and not addresses_connector(version, action):
            continue
        filled = connector_fields(version, action) if connector else ()
        inputs = tuple(p for p in parameters(version, action) if p.field not in filled)
        personal = personal_inputs(version, action)
        found[action] = Command(action, inputs, filled, personal, has_personal_answer(version, action))
    return found


def command_rows(offered: Mapping[str, Command], states: Enumeration) -> tuple[Row, ...]:
    """The points of the commands. `states` is the enumeration of Result.State."""
    return tuple(row for command in offered.values() for row in _rows(command, states))


def command_methods(offered: Mapping[str, Command]) -> tuple[Method, ...]:
    """The method `Call` of each command."""
    return tuple(
        Method(
            folder=command.folder,
            name=CALL,
            description=f"Sends {command.action} and waits for the station's answer",
            inputs=tuple(_argument(parameter) for parameter in command.parameters),
            outputs=OUTPUTS,
        )
        for command in offered.values()
    )


def command_folders(offered: Mapping[str, Command]) -> dict[str, str]:
    """The folders of the commands with their descriptions."""
    return {
        FOLDER: "What can be asked of the station",
        **{command.folder: f"OCPP's {command.action}" for command in offered.values()},
    }


def _rows(command: Command, states: Enumeration) -> Iterator[Row]:
    for parameter in command.parameters:
        yield Row(
            folder=command.folder,
            name=parameter.name,
            type=_TYPES[parameter.type],
            description=_describe(parameter),
            writable=True,
            kept=True,
            range=_range(parameter),
            source="written by a client",
            personal=parameter.field in command.personal,
        )
    yield _point(command, REQUEST, Type.STRING, "The whole payload as JSON: writing it sends the command", True)
    yield _point(command, EXECUTE, Type.BOOLEAN, "Writing true sends the command with its parameters", True, False)
    result = f"{command.folder}.{RESULT}"
    yield Row(
        folder=result,
        name="State",
        type=Type.INT32,
        description="How far the last request is, or how it ended",
        enumeration=states,
        initial=states.numbers["Idle"],
        kept=True,
        source="the command",
    )
    for name, type_, description in _RESULTS:
        initial: Value = None if type_ is Type.DATETIME else ZEROS[type_]
        yield Row(
            folder=result,
            name=name,
            type=type_,
            description=description,
            initial=initial,
            kept=True,
            source="the command",
            personal=(name == "Response" and command.answers_personal) or (name == "Error" and bool(command.personal)),
        )


_RESULTS = (
    ("Status", Type.STRING, "The status that the station answered with, as it gave it"),
    ("Response", Type.STRING, "The station's answer as JSON"),
    ("Error", Type.STRING, "Code and description of a CALLERROR, or why the command was not sent"),
    ("Time", Type.DATETIME, "When the state last changed"),
    ("User", Type.STRING, "Who asked"),
    ("Id", Type.UINT32, "Counts the requests"),
)


def _point(
    command: Command, name: str, type_: Type, description: str, writable: bool, initial: bool | None = None
) -> Row:
    return Row(
        folder=command.folder,
        name=name,
        type=type_,
        description=description,
        writable=writable,
        kept=True,
        initial=initial,
        source="written by a client",
        personal=name == REQUEST and bool(command.personal),
    )


def _argument(parameter: Parameter) -> Argument:
    return Argument(
        name=parameter.name,
        type=_TYPES[parameter.type],
        description=_describe(parameter),
        optional=not parameter.required,
    )


def _describe(parameter: Parameter) -> str:
    notes = ["required" if parameter.required else "optional"]
    if parameter.type == "json":
        notes.append("as JSON")
    if parameter.type == "any":
        notes.append("any JSON; what is no JSON is sent as a text")
    if parameter.enum:
        notes.append("one of " + ", ".join(parameter.enum))
    if parameter.max_length is not None:
        notes.append(f"at most {parameter.max_length} characters")
    if parameter.format == "date-time":
        notes.append("a time such as 2026-01-31T12:00:00Z")
    return f"{parameter.field}: {'; '.join(notes)}"


def _range(parameter: Parameter) -> tuple[float, float] | None:
    if parameter.minimum is None or parameter.maximum is None:
        return None
    return parameter.minimum, parameter.maximum
