"""What the OPC UA server writes to: the other half of a write, on the way to a station."""

from collections.abc import Sequence
from typing import Protocol

from bridge.points.rows import Method, Value
from bridge.points.tree import Group


class Writer(Protocol):
    """Takes what clients write and call. Values have the types of the rows and arguments already."""

    def write(self, group: Group, slot: int, value: Value, user: str) -> None:
        """Takes a value for a writable point and returns at once; None: the client wrote a null.

        Raises Refused, whose `status` is the client's StatusCode, and nothing has changed.
        """

    def shown(self, group: Group, slot: int, value: Value) -> str:
        """What may be noted of a value that was written, as JSON: no secret."""

    def shown_arguments(self, group: Group, method: Method, arguments: Sequence[Value]) -> str:
        """The same of the arguments of a method."""

    async def call(self, group: Group, method: Method, arguments: Sequence[Value], user: str) -> Sequence[Value]:
        """Carries a method call out, however long that takes, and returns the output arguments.

        Raises Refused (its `arguments` name a StatusCode for each input argument) or CallFailed (its `outputs`
        go to the client together with its `status`).
        """
