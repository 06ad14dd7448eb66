"""The commands that clients gave: their log in the store, Result.* after a restart, and what reached the stations."""

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.chaos.messages import Broken
from tests.chaos.shown import Point
from tests.chaos.station import Station
from tests.chaos.stored import CommandRow, Stored

ACTION = "ClearCache"
UNKNOWN = "unknown whether"
_RESULT = ("Id", "StateText", "Error")


def paths(stations: Iterable[Station]) -> list[str]:
    """Result.* of the command at each station."""
    return [f"{station.identity}.Commands.{ACTION}.Result.{name}" for station in stations for name in _RESULT]


def check_log(stored: Stored, stations: Iterable[Station], given: Counter[str]) -> None:
    """None is there twice or was never given; none was sent to its station more often than it was given."""
    for station in stations:
        numbers = [row.number for row in _rows(stored, station)]
        if numbers != sorted(set(numbers)) or len(numbers) > given[station.identity]:
            raise Broken(f"{station.identity}: {given[station.identity]} commands were given; the log has {numbers}")
        if station.asked[ACTION] > given[station.identity]:
            raise Broken(f"{station.identity} was sent {station.asked[ACTION]} of {given[station.identity]} commands")


def check_restored(stored: Stored, stations: Iterable[Station], points: Mapping[str, Point]) -> None:
    """Result.* after a start are what the log had; a command that had no end then has failed, and says so."""
    for station in stations:
        rows = _rows(stored, station)
        if not rows:
            continue
        number, state, error = (points[path].value for path in paths([station]))
        last = rows[-1]
        wanted = ("Failed", True) if last.ended is None else (last.state, UNKNOWN in (last.error or ""))
        if number != last.number or (state, UNKNOWN in error) != wanted:
            raise Broken(f"{station.identity}: Result is {number}, {state}, {error!r}; the log has {last}")


def _rows(stored: Stored, station: Station) -> list[CommandRow]:
    return [row for row in stored.commands if (row.station, row.action) == (station.identity, ACTION)]
