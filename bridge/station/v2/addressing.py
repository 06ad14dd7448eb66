"""Which connector's points a message of OCPP 2.x speaks of.

Connector 1 of EVSE n is `Connector<n>`, connector m ≥ 2 of it `Connector<n>_<m>`: one HMI faceplate serves every
station.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_NAME = re.compile(r"Connector([1-9][0-9]{0,9})(?:_([1-9][0-9]{0,9}))?")
_HIGHEST = 2**31 - 1


class Place(NamedTuple):
    """An EVSE, and one of its connectors; `connector` is None where none is named. EVSE 0 is the station itself."""

    evse: int
    connector: int | None = None


STATION = Place(0)


class Outlet(NamedTuple):
    """A connector that is known: its number in its EVSE, and how it is."""

    connector: int
    charges: bool
    occupied: bool


def place_of(payload: Mapping[str, Any], evse: str, connector: str) -> Place:
    """What a message speaks of. `evse` and `connector` name its fields ("": it has none); an EVSE is a number or
    OCPP's EVSEType.

    A message that names no EVSE speaks of the station. Raises ValueError for what is no number of one.
    """
    found = payload.get(evse) if evse else None
    if isinstance(found, dict):
        return place(found.get("id"), found.get("connectorId"))
    return place(found, payload.get(connector) if connector else None)


def place(evse: Any, connector: Any) -> Place:
    """The place of these numbers; None for what is not named. Raises ValueError."""
    if evse is None:
        return STATION
    number = _number("EVSE", evse)
    return Place(number, _number("connector", connector) or None if connector is not None and number else None)


def connector_name(evse: int, connector: int) -> str:
    """The first segment of the connector's paths."""
    return f"Connector{evse}" if connector == 1 else f"Connector{evse}_{connector}"


def parse_name(name: str) -> Place | None:
    """The place of a connector's name; None for any other name."""
    found = _NAME.fullmatch(name)
    if found is None or found[2] == "1":  # connector 1 has the short name
        return None
    return Place(int(found[1]), int(found[2] or 1))


def choose(outlets: Iterable[Outlet]) -> int | None:
    """The connector that is meant where a station names only the EVSE: the one with the transaction, else the
    occupied one, else the only one; connector 1 where none is known yet. None: nothing tells.
    """
    known = sorted(outlets)
    charging = [outlet.connector for outlet in known if outlet.charges]
    occupied = [outlet.connector for outlet in known if outlet.occupied]
    for found in charging[:1], occupied, [outlet.connector for outlet in known] or [1]:
        if len(found) == 1:
            return found[0]
    return None


def _number(what: str, raw: Any) -> int:
    if type(raw) is not int or not 0 <= raw <= _HIGHEST:
        raise ValueError(f"the number of the {what} is none")
    return raw
