"""What the bridge remembers of one 2.x station beside its points."""

from random import randrange
from typing import Any

from bridge.station.v2.alerts import Alerts, Monitors
from bridge.station.v2.device_model import Catalogue, DeviceModel
from bridge.station.v2.reports import EventNumbers, Reports
from bridge.station.v2.status import ConnectorReport
from bridge.station.v2.transactions import Transactions
from bridge.store.records import SUBJECTS


class Memory:
    """`reported`: what StatusNotification last said, by connector. `answered`: what the token of a transaction was
    answered, so that a repeated event gets the same. `is_read`: the device model is complete. `unkept`: which of
    `reported`, `alerts` and `monitors` have changed since they were given to the store.
    """

    __slots__ = (
        "again",
        "alerts",
        "answered",
        "is_read",
        "kept",
        "model",
        "monitors",
        "numbers",
        "ours",
        "parts",
        "reported",
        "reports",
        "requests",
        "told",
        "transactions",
        "unkept",
    )

    def __init__(self, catalogue: Catalogue) -> None:
        self.transactions = Transactions()
        self.model = DeviceModel(catalogue)
        self.alerts = Alerts()
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
        self.parts = 0  # that have come of it
        self.unkept: set[str] = set()
        self.again = 0  # how often it has been asked for again over this connection

    def next_request(self) -> int:
        """A requestId for a report that the bridge itself asks for."""
        self.requests += 1
        while self.reports.open("NotifyReport", self.requests) is not None:
            self.requests += 1
        self.told, self.ours, self.parts = set(), self.requests, 0
        return self.requests

    def give_up(self) -> None:
        """What is missing of the report that the bridge has asked for does not come any more."""
        if self.ours is not None:
            self.reports.forget("NotifyReport", self.ours)
        self.ours = None

    def refused(self, request: Any) -> None:
        """No report comes for a request of the bridge itself."""
        if request == self.ours:
            self.ours = None

    def set_aside(self, transaction: str, name: str) -> None:
        """A transaction that has ended has another name from now on: its id is that of the next one."""
        self.transactions.set_aside(transaction, name)
        own = f"{transaction} "
        self.answered = {
            f"{name} {key.removeprefix(own)}" if key.startswith(own) else key: answer
            for key, answer in self.answered.items()
        }

    def forget_alerts(self) -> None:
        """The station has booted: it raises those anew that go on, and clears no other. What is shown stays."""
        if self.alerts.active:
            self.alerts = Alerts()
            self.unkept.add("alerts")

    def begin_anew(self) -> None:
        """The station has told it in another version since: what it said before is no more."""
        self.reported, self.alerts, self.monitors = {}, Alerts(), Monitors()
        self.unkept.update(SUBJECTS)

    def disconnected(self) -> None:
        """What was not reported to the end is not continued over another connection."""
        self.reports.clear()
        self.ours, self.again = None, 0
