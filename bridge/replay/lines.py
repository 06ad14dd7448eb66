"""The lines of a recording. Pure but for the reading of the file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from bridge.errors import Problem, ProjectError
from bridge.ocpp.versions import VERSIONS
from bridge.station.recording.recorder import FORMAT

MAX_TIME = 253_402_300_799  # Unix seconds; the last that a calendar has
MAX_BINARY = 67_108_864  # bytes of a frame; no connection takes that many
CALL, RESULT, ERROR, RESULT_ERROR = 2, 3, 4, 5


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line: a frame, or an event of the connection.

    time: Unix seconds. direction: "in" from the station, "out" to it. Of a frame there is its JSON, or its text where
    it is none, or only its length where it is binary or could not be masked. registration, boot: of the event "open",
    what the bridge knew of the station.
    """

    time: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIME)]
    station: str
    version: str
    event: Literal["open", "close", ""] = ""
    direction: Literal["in", "out", ""] = ""
    frame: list[Any] | None = None
    text: str | None = None
    binary: Annotated[int, msgspec.Meta(ge=0, le=MAX_BINARY)] | None = None
    hidden: int | None = None
    registration: Literal["Accepted", "Pending", "Rejected", ""] | None = None
    boot: dict[str, Any] = {}

    @property
    def kind(self) -> int:
        """The message type of the frame, 0 for what is none."""
        return self.frame[0] if self.frame and type(self.frame[0]) is int else 0

    @property
    def id(self) -> str:
        """The message id of the frame, "" for what has none."""
        return self.frame[1] if self.frame and len(self.frame) > 1 and isinstance(self.frame[1], str) else ""

    @property
    def action(self) -> str:
        """The action of a CALL or SEND."""
        frame = self.frame
        return frame[2] if frame and len(frame) > 2 and self.kind in (2, 6) and isinstance(frame[2], str) else ""


def read_recording(path: Path, note: Callable[[str], None] = lambda text: None) -> list[Line]:
    """The lines of a recording; blank ones are passed over. The last one may be cut off, as by a recording that was
    killed: `note` is told. Raises ProjectError for a file that is none, with the number of the bad line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProjectError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
    texts = [(number, text) for number, text in enumerate(data.split(b"\n"), 1) if text.strip()]
    if not texts:
        raise ProjectError([Problem(str(path), "", "is empty")])
    found = []
    for number, text in texts:
        first, last = (number, text) == texts[0], (number, text) == texts[-1]
        try:
            line = _read(text, first=first)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if last and not first and isinstance(error, msgspec.DecodeError) and "truncated" in str(error):
                note(f"{path}, line {number}: cut off, left out")
                break
            raise ProjectError([Problem(str(path), f"line {number}", str(error))]) from None
        if line is not None:
            found.append(line)
    return found


def _read(text: bytes, *, first: bool) -> Line | None:
    found = msgspec.json.decode(text)
    if first:
        made = found.get("recording") if isinstance(found, dict) else None
        if made != FORMAT:
            raise ValueError(f'expected the first line of a recording, with "recording": {FORMAT}')
        return None
    if isinstance(found, dict) and found.get("event") == "lost":
        return None
    line = msgspec.convert(found, Line)
    if line.version not in VERSIONS:
        raise ValueError(f"version: expected one of {', '.join(VERSIONS)}")
    return line


def answers_of(lines: Sequence[Line]) -> Mapping[int, list[Any]]:
    """The answer that was recorded to each CALL of a station, by the place of the CALL in the lines."""
    waiting: dict[tuple[str, str], int] = {}
    found: dict[int, list[Any]] = {}
    for place, line in enumerate(lines):
        key = line.station, line.id
        if line.direction == "in" and line.kind == CALL:
            waiting[key] = place
        elif line.direction == "out" and line.kind in (RESULT, ERROR) and line.frame and key in waiting:
            found[waiting.pop(key)] = line.frame
    return found
