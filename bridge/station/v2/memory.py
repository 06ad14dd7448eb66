"""What the bridge remembers of one 2.x station beside its points."""

from random import randrange
from typing import Any

from bridge.station.v2.alerts import Monitors
from bridge.station.v2.device_model import Catalogue, DeviceModel
from bridge.station.v2.reports import EventNumbers, Reports
from bridge.station.v2.status import ConnectorReport
from bridge.station.v2.transactions import Transactions


class Memory:
    """`reported`: what StatusNotification last said, by connector. `answered`: what the token of a transaction was
    answered, so that a repeated event gets the same. `is_read`: the device model is complete.
    """

    __slots__ = (
        "answered",
        "is_read",
        "kept",
        "model",
        "monitors",
        "numbers",
        "ours",
        "reported",
        "reports",
        "requests",
        "told",
        "transactions",
    )

    def __init__(self, catalogue: Catalogue) -> None:
        self.transactions = Transactions()
        self.model = DeviceModel(catalogue)
        self.monitors = Monitors()
        self.numbers = EventNumbers()
        self.reports = Reports()
        self.reported: dict[str, ConnectorReport] = {}
        self.answered: dict[str, dict[str, Any]] = {}
        self.is_read = False
        self.told: set[str] = set()  # keys of the points in the report that the bridge has asked for
        self.kept = float("-inf")  # when the device model was last given to the store, by the monotonic clock
        self.requests = randrange(2**30)  # noqa: S311 - the last requestId of the bridge itself; none of an earlier run
        self.ours: int | None = None  # the requestId of the report that the bridge has asked for and waits for

    def next_request(self) -> int:
        """A requestId for a report that the bridge itself asks for."""
        self.requests += 1
        while self.reports.open("NotifyReport", self.requests) is not None:
            self.requests += 1
        self.told, self.ours = set(), self.requests
        return self.requests

    def refused(self, request: Any) -> None:
        """No report comes for a request of the bridge itself."""
        if request == self.ours:
            self.ours = None

    def disconnected(self) -> None:
        """What was not reported to the end is not continued over another connection."""
        self.reports.clear()
        self.ours = None
