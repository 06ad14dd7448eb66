"""The errors of the bridge: one small tree.

    BridgeError
    ├── ProjectError         a mistake in the project folder; names every file, place and expectation
    ├── StoreError           the store cannot be opened or written
    ├── OcppError            a CALL that is answered with a CALLERROR
    ├── Refused              a write or a method call that is refused with an OPC UA StatusCode
    └── CallFailed           a CALL to a station that ended without a CALLRESULT
        ├── CallErrorAnswer  the station answered with a CALLERROR
        ├── CallTimeout      no answer in time
        └── StationOffline   not connected, or the connection went while we waited

Each says what it becomes on the other side: `code` is the OCPP error code (OCPP-J 1.6 §4.2.3),
`status` the name of the OPC UA StatusCode (OPC 10000-4 §7.39).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class BridgeError(Exception):
    """Base of every error that the bridge raises on purpose."""

    code = "InternalError"
    status = "BadInternalError"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of a user: where it is and what was expected there."""

    file: str
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        return f"{place}: {self.what}"


class ProjectError(BridgeError):
    """The project folder cannot be used. Holds all problems that were found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StoreError(BridgeError):
    """The store cannot be opened, or a write did not reach the disk."""

    status = "BadResourceUnavailable"


class OcppError(BridgeError):
    """A CALL of a station that is answered with a CALLERROR of this code."""

    def __init__(self, code: str, description: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = dict(details or {})


class Refused(BridgeError):
    """A write or a method call that is not carried out. `arguments` has one StatusCode name per input argument."""

    def __init__(self, status: str, reason: str, arguments: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.arguments = tuple(arguments)


class CallFailed(BridgeError):
    """A CALL to a station that ended without a CALLRESULT. `outputs`: what a method call returns all the same."""

    outputs: tuple[Any, ...] = ()


class CallErrorAnswer(CallFailed):
    """The station answered our CALL with a CALLERROR (or, from 2.1 on, our answer with a CALLRESULTERROR)."""

    status = "BadUnexpectedError"

    def __init__(self, code: str, description: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = dict(details or {})


class CallTimeout(CallFailed):
    """The station did not answer our CALL in time."""

    status = "BadTimeout"


class StationOffline(CallFailed):
    """The station is not connected, or its connection went before the answer came."""

    status = "BadNotConnected"
