"""The 26 commands of OCPP 1.6 as the station of the `ocpp` package answers them."""

import json
from dataclasses import dataclass
from typing import Any

from ocpp.charge_point import camel_to_snake_case

from tests.unit.commands.actions import ACTIONS


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: its payload, what a station answers for yes, and for no (None: it cannot say no), in snake case."""

    action: str
    payload: dict[str, Any]
    yes: dict[str, Any]
    no: dict[str, Any] | None

    @property
    def connector(self) -> bool:
        """Whether it names a connector."""
        return "connectorId" in self.payload

    def parameters(self) -> dict[str, Any]:
        """What is written to the points: by the points' names, objects and arrays as JSON."""
        return {
            name[0].upper() + name[1:]: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in self.payload.items()
        }


COMMANDS = tuple(
    Command(
        action=action,
        payload=found.payload,
        yes=camel_to_snake_case(found.yes),
        no=None if found.no is None else camel_to_snake_case(found.no),
    )
    for action, found in ACTIONS.items()
)
