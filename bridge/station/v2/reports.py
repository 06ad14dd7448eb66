"""Reports that come in several messages: complete when all have come, whatever their order.

NotifyReport, NotifyMonitoringReport, NotifyCustomerInformation number their parts (seqNo from 0) and say whether more
is to come (tbc). NotifyDisplayMessages, ReportChargingProfiles and ReportDERControl only say the latter: their parts
count as they come.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridge.points.values import MAX_TEXT, to_json

MAX_OPEN = 16
"""Reports of one station that are incomplete; the oldest beyond it are given up."""
MAX_PARTS = 10_000


class Report:
    """One report. `last` is the number of its last part, once that has come. It keeps as many entries as a point's
    text can hold.
    """

    __slots__ = ("_room", "last", "parts")

    def __init__(self) -> None:
        self.parts: dict[int, Sequence[Any]] = {}
        self._room = MAX_TEXT
        self.last: int | None = None

    @property
    def is_complete(self) -> bool:
        return self.last is not None and len(self.parts) > self.last

    @property
    def missing(self) -> list[int]:
        """The numbers of the parts before the last known one that have not come."""
        highest = self.last if self.last is not None else max(self.parts, default=-1)
        return [number for number in range(highest + 1) if number not in self.parts]

    def take(self, number: int | None, items: list[Any], *, more: bool) -> None:
        """Takes a part in; None: it has no number. One that came before changes nothing."""
        number = len(self.parts) if number is None else number
        if not 0 <= number < MAX_PARTS or number in self.parts or (self.last is not None and number > self.last):
            return
        self.parts[number] = self._fitting(items)
        if not more:
            self.last = number
            for beyond in [n for n in self.parts if n > number]:
                del self.parts[beyond]

    def _fitting(self, items: list[Any]) -> Sequence[Any]:
        kept = []
        for item in items:
            entry = item[: self._room] if isinstance(item, str) else item
            size = len(entry) if isinstance(entry, str) else len(to_json(entry)) + 1
            if 0 < size <= self._room:
                self._room -= size
                kept.append(entry)
        return kept or ()

    def items(self) -> list[Any]:
        """What has come, in the order of the parts."""
        return [item for number in sorted(self.parts) for item in self.parts[number]]


class Reports:
    """The reports of one station that are under way, by action and requestId."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, int], Report] = OrderedDict()

    def take(self, action: str, payload: Mapping[str, Any], items: list[Any]) -> Report | None:
        """Takes a part in; returns the report when it is complete.

        `items` is what of the part is kept: nothing where each part is taken in as it comes.
        """
        request = payload.get("requestId")
        key = action, request if type(request) is int else 0
        report = self._open.setdefault(key, Report())
        number = payload.get("seqNo")
        report.take(number if type(number) is int else None, items, more=payload.get("tbc") is True)
        if report.is_complete:
            del self._open[key]
            return report
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        return None

    def clear(self) -> None:
        """Gives up what is incomplete."""
        self._open.clear()

    def forget(self, action: str, request: int) -> None:
        """Gives one of them up."""
        self._open.pop((action, request), None)

    def open(self, action: str, request: int) -> Report | None:
        """A report that is incomplete."""
        return self._open.get((action, request))


def json_of(entries: Iterable[Any]) -> str:
    """A JSON array of those entries that a point's text has room for, each of them whole."""
    texts: list[str] = []
    room = MAX_TEXT - 2
    for text in map(to_json, entries):
        if len(text) < room:
            room -= len(text) + 1
            texts.append(text)
    return f"[{','.join(texts)}]"


class EventNumbers:
    """The seqNo of NotifyEvent, which counts the messages of a batch from 0, or all messages: both exist."""

    __slots__ = ("_last", "_more")

    def __init__(self) -> None:
        self._last = -1
        self._more = False

    def take(self, number: Any, *, more: bool) -> int:
        """How many messages are missing before this one."""
        if type(number) is not int or number < 0:
            return 0
        if self._last < 0 or number == self._last:  # the first that is heard of, or one that came again
            missed = 0
        elif number > self._last:
            missed = number - self._last - 1
        else:
            missed = number + self._more  # a new batch: its first parts, and the rest of the one before
        self._last, self._more = number, more
        return missed
