"""Who is recorded, and the lines that become of their frames."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
import structlog

from bridge.ocpp.secrets import Hides, speaks_of_secret
from bridge.station.recording.masking import Tokens, masked_frame

log = structlog.get_logger()

FORMAT = 1
"""Of the lines; the first line of a recording says which it has."""
MAX_TEXT = 65_536
"""Characters of a frame that is no JSON; the rest is left out."""


class Tap(Protocol):
    """Hears a station."""

    def __call__(self, what: str, data: str | bytes = "") -> None:
        """`what` is "in" or "out" with the frame, or "open" or "close". Never raises."""


class Recorded(Protocol):
    """A station, as the recorder knows it."""

    tap: Tap | None

    @property
    def id(self) -> str: ...

    @property
    def is_connected(self) -> bool: ...

    @property
    def spoken(self) -> str: ...

    @property
    def introduction(self) -> Mapping[str, Any]: ...

    def hides(self, named: Mapping[str, Any]) -> bool: ...


class Recording:
    """One recording: of these stations (none: of all), each line to `write`, which must not raise."""

    def __init__(self, stations: frozenset[str], write: Callable[[bytes], None], *, hide_tokens: bool) -> None:
        self.stations = stations
        self._write = write
        self._tokens = Tokens() if hide_tokens else None

    def wants(self, identity: str) -> bool:
        return not self.stations or identity in self.stations

    def frame(self, about: dict[str, Any], data: str | bytes, frame: list[Any] | None, hides: Hides) -> None:
        if frame is not None:
            self.line({**about, "frame": masked_frame(frame, hides, self._tokens)})
        elif isinstance(data, bytes):
            self.line({**about, "binary": len(data)})
        elif self._tokens is not None or speaks_of_secret(data):
            self.line({**about, "hidden": len(data)})  # what is no JSON cannot be masked in part
        else:
            self.line({**about, "text": data[:MAX_TEXT]})

    def opened(self, about: Mapping[str, Any], station: Recorded) -> None:
        """What a replay has to know of a station that connects, or has connected."""
        told = dict(station.introduction)
        boot = masked_frame([2, "", "BootNotification", told.pop("boot")], station.hides, self._tokens)[3]
        self.line({**about, "event": "open", **told, "boot": boot})

    def line(self, content: Mapping[str, Any]) -> None:
        self._write(msgspec.json.encode(content) + b"\n")


class Recorder:
    """Gives each station that is recorded its tap. `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float], stations: Callable[[], Iterable[Recorded]]) -> None:
        self._clock = clock
        self._stations = stations
        self._recordings: list[Recording] = []

    def begin(self, recording: Recording) -> None:
        """Records from now on; a station that is connected begins as one that has just connected."""
        self._recordings.append(recording)
        for station in self._stations():
            if recording.wants(station.id):
                self.listen(station)
                if station.is_connected:
                    recording.opened(self._about(station), station)

    def end(self, recording: Recording) -> None:
        """Nothing more is recorded for it."""
        self._recordings.remove(recording)
        for station in self._stations():
            self.listen(station)

    def listen(self, station: Recorded) -> None:
        """Sets the station's tap, or takes it away where nobody wants to hear it. For each station that is new too."""
        wanted = [recording for recording in self._recordings if recording.wants(station.id)]
        station.tap = _Tap(self._about, station, wanted) if wanted else None

    def _about(self, station: Recorded) -> dict[str, Any]:
        return {"time": round(self._clock(), 6), "station": station.id, "version": station.spoken}


class _Tap:
    """Hears one station for the recordings that want it."""

    __slots__ = ("_about", "_recordings", "_station")

    def __init__(
        self, about: Callable[[Recorded], dict[str, Any]], station: Recorded, recordings: list[Recording]
    ) -> None:
        self._about = about
        self._station = station
        self._recordings = recordings

    def __call__(self, what: str, data: str | bytes = "") -> None:
        try:
            self._hear(what, data)
        except Exception:  # a station is answered whatever becomes of its recording
            log.exception("recording.failed", station=self._station.id)

    def _hear(self, what: str, data: str | bytes) -> None:
        about = self._about(self._station)
        if what == "open":
            for recording in self._recordings:
                recording.opened(about, self._station)
            return
        if what not in {"in", "out"}:
            for recording in self._recordings:
                recording.line({**about, "event": what})
            return
        about["direction"] = what
        frame = _read(data)
        for recording in self._recordings:
            recording.frame(about, data, frame, self._station.hides)


def _read(data: str | bytes) -> list[Any] | None:
    try:
        found = msgspec.json.decode(data) if isinstance(data, str) else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None
