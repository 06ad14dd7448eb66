"""What all servers show alike: stations of 200 points, as the shipped datapoints/ have them, and a command."""

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.footprint import POINTS, Stations, rows_of
from bridge.points.rows import Value

COMMAND = "Commands.Reset"  # of the first station; the others' would be 500 nodes more in asyncua
REQUEST, METHOD = f"{COMMAND}.Request", f"{COMMAND}.Call"
ARGUMENTS, OUTPUTS = ("Type",), ("Status", "Response")
ANSWER = ("Accepted", '{"status":"Accepted"}')
SLICES = 20  # of a round of changes: a tick of the producer's timer each


@dataclass(frozen=True, slots=True)
class Pattern:
    """A station's folders, each behind the one that it lies in, and its points with their types.

    Paths lack the station; `""` is the station itself. A point is (path, folder, BrowseName, type).
    """

    folders: tuple[str, ...]
    points: tuple[tuple[str, str, str, str], ...]

    @property
    def changing(self) -> tuple[str, ...]:
        """The points that change in the benchmarks: what meters measure."""
        return tuple(path for path, folder, _, kind in self.points if kind == "DOUBLE" and "MeterValues" in folder)


def pattern() -> Pattern:
    stations = Stations()
    station = stations.make(0)
    stations.extend(station)
    folders, points = dict[str, None](), []
    for group in station.groups():
        inside = group.path.removeprefix(station.path).removeprefix(".")
        _add(folders, inside)
        for row in rows_of(group):
            folder = f"{inside}.{row.folder}" if inside else row.folder
            _add(folders, folder)
            points.append((f"{inside}.{row.key}" if inside else row.key, folder, row.name, row.type.name))
    assert len(points) == POINTS, len(points)
    return Pattern(tuple(folders), tuple(points))


def described(found: Pattern) -> dict[str, Any]:
    """The pattern and the command, for the server that is not in Python."""
    return asdict(found) | {
        "command": COMMAND,
        "request": REQUEST,
        "method": METHOD,
        "arguments": ARGUMENTS,
        "outputs": OUTPUTS,
        "answer": ANSWER,
        "slices": SLICES,
    }


def value(name: str, kind: str, number: int, now: float) -> Value:
    """What a station of this number reports for a point, a DATETIME in Unix seconds."""
    if kind == "STRING":
        return f"{name[:8]}-{number}"
    if kind == "DATETIME":
        return now
    if kind == "BOOLEAN":
        return True
    return number / 8 + len(name) if kind == "DOUBLE" else number % 8


def station(number: int) -> str:
    return f"CP{number:05}"


def items(found: Pattern, count: int) -> list[str]:
    """The paths of so many points that change, station by station."""
    each = found.changing
    return [f"{station(at // len(each))}.{each[at % len(each)]}" for at in range(count)]


def stations_for(found: Pattern, count: int) -> int:
    """How many stations have so many points that change."""
    return -(-count // len(found.changing))


def _add(folders: dict[str, None], folder: str) -> None:
    """A folder, and before it those that it lies in."""
    if folder and folder not in folders:
        _add(folders, folder.rpartition(".")[0])
    folders[folder] = None
