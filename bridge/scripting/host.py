"""What runs scripts, as the rest of the bridge sees it, and as a process of scripts sees who keeps it."""

from collections.abc import Callable, Collection, Mapping
from typing import Literal, Protocol, TypeVar

from bridge.api import Request, Station
from bridge.errors import Problem
from bridge.scripting.outcome import Failure, Result
from bridge.scripting.serving import Service
from bridge.scripting.sources import Bundle

W_contra = TypeVar("W_contra", contravariant=True)
#: script, hook → why it failed
HookFailed = Callable[[str, str, Failure], None]
#: what has become of the scripts' process: it takes nothing up for the moment, or for so long that it is no accident,
#: or it is no more
How = Literal["stuck", "blocked", "ended"]
#: scripts and the stations that they were asked about, one of which has cost others their process; "" for a station
#: where it was in no answer
Lost = Callable[[Collection[tuple[str, str]], How], None]
Care = Callable[[], float]


class Host(Protocol):
    """Runs scripts by name. `timeout` in seconds, for each call of a method."""

    timeout: float

    def has(self, script: str, method: str) -> bool:
        """Whether a script has this method."""

    async def start(self, bundle: Bundle) -> None:
        """Loads all and runs their `started`. Raises ProjectError with all that is wrong."""

    async def stop(self) -> None:
        """Runs the scripts' `stopped`."""

    async def run(self, script: str, method: str, request: Request, *, careful: Care = lambda: 0.0) -> Result:
        """The outcome of one call, in time. Raises nothing but CancelledError.

        `careful`: the seconds for which it should rather wait than make others wait, as it may end or block what
        scripts run in. It is asked each time that the call is about to begin.
        """

    async def reload(self, bundle: Bundle) -> list[Problem]:
        """Puts other texts in force once their `started` have run; calls that run end on the old ones.

        Returns what is wrong, a `started` that fails too; then all is as it was, and so it is where this is cancelled.
        """


class Owner(Protocol[W_contra]):
    """Whoever keeps a process; all are called on the loop."""

    @property
    def services(self) -> Mapping[str, Service]:
        """What scripts may ask the bridge for, beside their stations."""

    def station(self, identity: str) -> Station | None:
        """The station that a script speaks of."""

    def made(self, worker: W_contra) -> None:
        """The process has been started."""

    def stuck(self, worker: W_contra) -> None:
        """A request waits, and the process takes nothing up."""

    def lost(self, worker: W_contra, suspects: Collection[tuple[str, str]], how: How) -> None:
        """Others cannot use the process: because of one of these scripts, asked about its station, or for "" in a
        hook.
        """

    def worn(self, worker: W_contra, why: str) -> None:
        """The process works, and should be replaced."""

    def ending(self, worker: W_contra) -> None:
        """The process takes no more requests: it has ended, or is being ended."""

    def gone(self, worker: W_contra) -> None:
        """The process has ended."""
