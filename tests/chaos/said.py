"""What a station has said, as the points that must show it. Knows nothing of the bridge but its points' names."""

import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

BELIEVED = 200.0  # s that a clock may be off and is believed all the same

FORMATS: tuple[Callable[[datetime], str], ...] = (
    lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    lambda at: at.isoformat(timespec="milliseconds"),
    lambda at: at.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="milliseconds"),
    lambda at: at.astimezone(timezone(-timedelta(hours=3, minutes=30))).isoformat(timespec="milliseconds"),
)


class Clock:
    """A station's clock: `offset` seconds off, in its own way of writing, never twice the same time."""

    def __init__(self, rng: random.Random) -> None:
        self.offset = rng.choice((0.0, 0.0, 0.0, -30.0, 45.0, -7_200.0, 86_400.0))
        self._write = rng.choice(FORMATS)
        self._last = 0

    @property
    def believed(self) -> bool:
        return abs(self.offset) < BELIEVED

    def age(self, stamp: str) -> float:
        """How long ago that was, s."""
        return time.time() + self.offset - seconds(stamp)

    def __call__(self) -> str:
        self._last = max(self._last + 1, round((time.time() + self.offset) * 1000))
        return self._write(datetime.fromtimestamp(self._last / 1000, UTC))


def seconds(stamp: str) -> float:
    """Unix seconds of a timestamp."""
    return datetime.fromisoformat(stamp).timestamp()


class Value(NamedTuple):
    """A point's value and the station's time of it; None: its time says nothing."""

    value: Any
    time: float | None


class Said:
    """By path below the station: `now` is what a point may show. `sure` are the points that must show something.

    A message counts from when it is sent; what was sent before it counts no more once it has been answered, or, after
    a kill, once something later is in the store.
    """

    def __init__(self, believed: bool) -> None:
        """`believed`: whether the bridge believes the station's timestamps."""
        self.now: dict[str, list[Value]] = {}
        self.sure: set[str] = set()
        self._ever: dict[str, list[Value]] = {}
        self._believed = believed
        self._sent: dict[str, Value] = {}
        self._kept: set[str] = set()

    def confirm(self) -> None:
        """The message that was sent last has been answered."""
        for path, value in self._sent.items():
            self.now[path] = [value]
            self.sure.add(path)
        self._sent = {}

    def doubt(self) -> None:
        """The bridge was killed: what it had not yet written is lost, and it shows what it was told before."""
        self.now = {path: list(values) for path, values in self._ever.items()}
        self.sure = set(self._kept)

    def keep(self) -> None:
        """The bridge has written what it shows: that, or something later, is what it shows after a kill."""
        self._ever = {path: list(values) for path, values in self.now.items()}
        self._kept = set(self.sure)

    def meter(self, connector: int, telegram: list[dict[str, Any]]) -> None:
        """A MeterValue array of one element."""
        stamp, samples = telegram[0]["timestamp"], telegram[0]["sampledValue"]
        values: dict[str, Any] = {f"MeterValues.{sample['measurand']}": float(sample["value"]) for sample in samples}
        values["MeterValues.Raw"] = json.dumps(telegram, separators=(",", ":"))
        self.say(connector, values, stamp, "MeterValues.Time")

    def nothing(self) -> None:
        """A message is sent that no point here shows."""
        self._sent = {}

    def say(self, connector: int, values: Mapping[str, Any], stamp: str | None, time: str = "") -> None:
        """A message is sent that gives a connector (0: the station) these values; `time` is the point of its stamp."""
        at = seconds(stamp) if stamp is not None and self._believed else None
        values = values if at is None or not time else {**values, time: at}
        folder = f"Connector{connector}." if connector else ""
        self._sent = {f"{folder}{key}": Value(value, at) for key, value in values.items()}
        for path, value in self._sent.items():
            self.now.setdefault(path, []).append(value)
            self._ever.setdefault(path, []).append(value)
