"""Commands with the same parameters are of one kind, and a kind keeps its name."""

from bridge.commands.kinds import CommandKinds
from bridge.commands.table import Command, commands
from bridge.ocpp.parameters import Parameter
from bridge.ocpp.versions import VERSIONS


def parameter(field: str, **more: object) -> Parameter:
    return Parameter(field=field, name=field.capitalize(), type="string", required=True, **more)  # type: ignore[arg-type]


def kinds(*parameters: Parameter) -> dict[str, Command]:
    command = next(iter(commands(VERSIONS["1.6"], connector=False).values()))
    return {"Reset": Command("Reset", parameters, type(command.filled)())}


def test_the_first_version_gives_the_plain_name_and_others_share_it_or_have_their_own():
    known = CommandKinds()
    old, new = VERSIONS["1.6"], list(VERSIONS.values())[-1]
    digits = new.name.replace(".", "")
    assert known.of(old, kinds(parameter("type")), connector=False)["Commands.Reset"] == "ResetCommandType"
    same = known.of(new, kinds(parameter("type", description="said otherwise")), connector=True)
    assert same["Commands.Reset"] == "ResetCommandType"
    fewer = known.of(new, kinds(), connector=True)
    assert fewer["Commands.Reset"] == "ConnectorResetCommandType"
    other = CommandKinds()
    other.of(old, kinds(parameter("type")), connector=False)
    more = other.of(new, kinds(parameter("type"), parameter("evseId")), connector=False)
    assert more["Commands.Reset"] == f"Reset{digits}CommandType"
    assert more["Commands"] == f"StationCommands{digits}Type"


def test_the_kinds_of_ocpp_16_have_plain_names():
    version = VERSIONS["1.6"]
    found = CommandKinds().of(version, commands(version, connector=False), connector=False)
    del found["Commands"]
    assert found == {f"Commands.{action}": f"{action}CommandType" for action in version.to_station}
