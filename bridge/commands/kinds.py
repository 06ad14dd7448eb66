"""What kind of thing each command is: commands with the same parameters are of one kind, in whatever OCPP version.

The names are part of the product's public interface (OPC UA's ObjectTypes), as paths are. So a name that has shipped
never changes its meaning: the oldest version that has an action gives its kind the plain name, `ResetCommandType`. A
later version in which the parameters are others has a kind of its own, `Reset201CommandType`, and so have connectors
where they fill a parameter in: `ConnectorChangeAvailabilityCommandType`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bridge.commands.table import FOLDER, Command
from bridge.ocpp.parameters import Parameter
from bridge.ocpp.versions import Version


class CommandKinds:
    """The kinds of the versions so far; versions are asked for in the order in which they came into the product."""

    def __init__(self) -> None:
        self._parameters: dict[str, tuple[Parameter, ...]] = {}
        self._of_action: dict[str, list[str]] = {}

    def of(self, version: Version, offered: Mapping[str, Command], *, connector: bool) -> dict[str, str]:
        """The kind of each folder of the commands, by the folder's key."""
        digits = version.name.replace(".", "")
        place = "Connector" if connector else "Station"
        kinds = {command.folder: self._kind(command, digits, connector=connector) for command in offered.values()}
        return {FOLDER: f"{place}Commands{digits}Type", **kinds}

    def _kind(self, command: Command, digits: str, *, connector: bool) -> str:
        known = self._of_action.setdefault(command.action, [])
        inputs = tuple(replace(parameter, description="") for parameter in command.parameters)  # wording is no kind
        for name in known:
            if self._parameters[name] == inputs:
                return name
        name = next(
            name for name in _names(command.action, digits, connector=connector) if name not in self._parameters
        )
        self._parameters[name] = inputs
        known.append(name)
        return name


def _names(action: str, digits: str, *, connector: bool) -> Iterator[str]:
    place = "Connector" if connector else ""
    yield f"{place}{action}CommandType"
    yield f"{place}{action}{digits}CommandType"
