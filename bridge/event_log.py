"""What happens, as lines of the log."""

from collections.abc import Callable
from typing import Any

import structlog

from bridge.points.allowance import Allowance
from bridge.points.events import Event

log = structlog.get_logger()

WARNING = 500  # from this severity on it is a warning
#: what has a line of its own where it happens
LOGGED_ALREADY = frozenset({"StationConnected", "StationDisconnected", "StationDisplaced"})
BURST, EACH_SECOND = 100, 10.0  # lines of one type of event at once, and from then on


class EventLog:
    """Writes events to the log, of each type no more than what somebody can read. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._allowance = Allowance(BURST, EACH_SECOND, clock)

    def __call__(self, event: Event) -> None:
        if event.type in LOGGED_ALREADY:
            return
        left_out = self._allowance.admit(event.type)
        if left_out is None:
            return
        more: dict[str, Any] = {name: value for name, value in event.fields.items() if value is not None}
        if left_out:
            more["left_out"] = left_out
        if event.source:
            more["station"] = event.source
        say = log.warning if event.severity >= WARNING else log.info
        say(f"event.{event.type}", message=event.message, severity=event.severity, **more)
