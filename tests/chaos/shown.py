"""The points as an OPC UA client reads them, compared with what the stations have said."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from asyncua import Client, ua

from tests.chaos.messages import Broken
from tests.chaos.said import Value
from tests.chaos.station import Station
from tests.chaos.stored import Opened

GOOD, LAST, WAITING = "Good", "UncertainLastUsableValue", "BadWaitingForInitialData"
DOUBTFUL = "UncertainSubNormal"
UNKNOWN = "BadNodeIdUnknown"


class Point(NamedTuple):
    """A point as an OPC UA client reads it. `time`: its SourceTimestamp in Unix seconds."""

    value: Any
    status: str
    time: float | None

    def __str__(self) -> str:
        return f"{self.value!r} ({self.status}, {self.time})"


def point(found: ua.DataValue) -> Point:
    value = found.Value.Value if found.Value is not None else None
    if hasattr(value, "timestamp"):
        value = value.timestamp()
    stamp = found.SourceTimestamp
    return Point(value, found.StatusCode.name, None if stamp is None else stamp.timestamp())


async def read(client: Client, paths: Iterable[str]) -> dict[str, Point]:
    """Points by their paths; in one request."""
    asked = list(paths)
    found = await client.read_attributes([client.get_node(f"ns=2;s={path}") for path in asked], ua.AttributeIds.Value)
    return dict(zip(asked, map(point, found), strict=True))


def paths(stations: Iterable[Station]) -> list[str]:
    """The points that these stations have given something to show."""
    return [
        f"{station.identity}.{path}"
        for station in stations
        for path in dict.fromkeys([*station.said.now, *_transaction_points(station), "State.Connected"])
    ]


START = ("Id", "IdTag", "MeterStart", "Time")
STOP = ("Id", "IdTag", "Reason", "MeterStop", "Energy", "Time")


def _transaction_points(station: Station) -> list[str]:
    names = [f"Start.{name}" for name in START] + [f"Stop.{name}" for name in STOP]
    folders = [f"Connector{connector.number}.Transaction" for connector in station.outlets]
    shown = [f"{folder}.{name}" for folder in folders for name in (*names, "Active", "Id", "IdTag", "Energy")]
    return shown + [f"Connector{connector.number}.{key}" for connector in station.outlets for key in station.MORE]


def _allows(allowed: Iterable[Value], found: Point) -> bool:
    return any(
        value == found.value and (time is None or (found.time is not None and abs(time - found.time) < 1e-3))
        for value, time in allowed
    )


def check_settled(station: Station, points: Mapping[str, Point]) -> None:
    """The points of a station that has said all that it has to say."""
    own = _own(station, points)
    _expect(station, "State.Connected", own["State.Connected"], True, GOOD)
    for path, allowed in station.said.now.items():
        if not _allows(allowed, own[path]) or own[path].status != GOOD:
            raise Broken(f"{station.identity}.{path} is {own[path]}; it was told {allowed}")
    for path, wanted in station.transactions().items():
        _expect(station, path, own[path], wanted, GOOD, LAST)
    for connector in station.outlets:
        if connector.charge is not None:
            for name in ("Active", "Id", "IdTag", "Energy"):
                path = f"Connector{connector.number}.Transaction.{name}"
                _expect(station, path, own[path], own[path].value, GOOD)


def _own(station: Station, points: Mapping[str, Point]) -> dict[str, Point]:
    """A station's points, by their paths below it."""
    prefix = f"{station.identity}."
    return {path.removeprefix(prefix): found for path, found in points.items() if path.startswith(prefix)}


def _expect(station: Station, path: str, found: Point, value: Any, *statuses: str) -> None:
    if found.value != value or found.status not in statuses:
        raise Broken(f"{station.identity}.{path} is {found}; it must be {value!r}, {' or '.join(statuses)}")


def check_away(station: Station, points: Mapping[str, Point]) -> None:
    """The points of a station that is not connected, or not yet: the last values, and marked as that."""
    own = _own(station, points)
    connected, sure = own.pop("State.Connected"), station.said.sure
    if connected.status == UNKNOWN and not sure:
        return  # never answered; or the bridge was killed before it had written that there is such a station
    _expect(station, "State.Connected", connected, False, GOOD)
    for path, found in own.items():
        allowed = station.said.now.get(path, [])
        if found.status == LAST or _is_of_forgotten(path, found, own):
            right = not allowed or _allows(allowed, found)
        else:
            right = found.status in (WAITING, UNKNOWN) and path not in sure
        if not right:
            raise Broken(f"{station.identity}.{path} is {found} and the station is away; it was told {allowed}")


def _is_of_forgotten(path: str, found: Point, own: Mapping[str, Point]) -> bool:
    """Of a transaction that its station has forgotten nobody knows how it ended."""
    folder, stop, _ = path.partition("Transaction.Stop.")
    return found.status == DOUBTFUL and bool(stop) and own[f"{folder}Transaction.Stop.Reason"].value == "Unknown"


def check_restored(station: Station, points: Mapping[str, Point], opened: Iterable[Opened]) -> None:
    """The points after a start, before any station has come: transactions are as they are in the store."""
    check_away(station, points)
    own = _own(station, points)
    mine = {one.connector: one for one in opened if one.station == station.identity}
    for connector in station.outlets:
        _check_restored_transaction(station, own, f"Connector{connector.number}", mine)


def _check_restored_transaction(
    station: Station, own: Mapping[str, Point], name: str, opened: Mapping[str, Opened]
) -> None:
    running, at = opened.get(name), f"{name}.Transaction"
    found = own[f"{at}.Active"]
    if bool(found.value) != (running is not None):
        raise Broken(f"{station.identity}.{at}.Active is {found}; the store has {running}")
    if running is not None:
        started = {"Start.Id": running.id, "Start.Time": running.time} if running.time is not None else {}
        for key, value in {"Id": running.id, "IdTag": running.tag, **started}.items():
            _expect(station, f"{at}.{key}", own[f"{at}.{key}"], value, LAST)
