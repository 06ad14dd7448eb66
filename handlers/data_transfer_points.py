"""Makes points of what a vendor sends as DataTransfer: below `Custom.` of the station, where HMIs find them.

    [[handlers.settings.data_transfer_points.rules]]
    vendor_id = "com.example"           # patterns: * any text, ? any character; case does not matter
    message_id = "*"
    folder = "Example"                  # Custom.Example.<name>
    points = { "battery.soc" = "BatteryLevel", "temps.0" = "Temperature" }  # path in the JSON = name of the point
    max_points = 50                     # of one station by this rule

Without `points` every value becomes a point named by its path: {"fan": {"rpm": [900, 910]}} becomes
Custom.Example.fan.rpm.0 and Custom.Example.fan.rpm.1. Data that is no JSON object or list becomes Custom.Example.Value.
Numbers are Double points, so that a 20 today and a 20.5 tomorrow fit the same one.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
import structlog

from bridge.api import DataTransferAnswer, DataTransferRequest, RequestHandler, Value

log = structlog.get_logger()

DEEPEST = 8  # levels of the JSON
LONGEST = 1000  # characters of a text

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose message becomes which points."""

    vendor_id: str
    folder: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,40}(\.[A-Za-z0-9_-]{1,40})*$")]
    message_id: str = "*"
    points: dict[str, str] = {}
    max_points: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50

    def fits(self, request: DataTransferRequest) -> bool:
        return all(
            fnmatchcase(said.lower(), pattern.lower())
            for said, pattern in ((request.vendor_id, self.vendor_id), (request.message_id, self.message_id))
        )


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: list[Rule]


class Handler(RequestHandler):
    """Takes a message by the first rule that fits; where none does, the next script is asked."""

    def __init__(self) -> None:
        self._rules = msgspec.convert(dict(self.settings), Settings).rules
        self._made: defaultdict[tuple[str, int], set[str]] = defaultdict(set)  # station and rule → its points

    async def data_transfer(self, request: DataTransferRequest) -> DataTransferAnswer | None:
        for number, rule in enumerate(self._rules):
            if rule.fits(request):
                await self._take(request, rule, self._made[request.station.id, number])
                return DataTransferAnswer(status="Accepted")
        return None

    async def _take(self, request: DataTransferRequest, rule: Rule, made: set[str]) -> None:
        values: dict[str, Value] = {}
        left_out = 0
        for name, value in _named(_decoded(request.data), rule):
            if name not in made and (value is None or len(made) >= rule.max_points):
                left_out += value is not None  # a point begins with a value: that is what its type is taken from
                continue
            made.add(name)
            values[name] = value
        for name, value in values.items():
            try:
                await request.station.write(f"Custom.{rule.folder}.{name}", value)
            except ValueError as error:  # a text where a number was, or more points than a station may have
                left_out += 1
                log.warning("data_transfer_points.not_written", station=request.station.id, error=str(error))
        if left_out:
            log.warning("data_transfer_points.left_out", station=request.station.id, points=left_out)


def _decoded(data: Any) -> Any:
    """OCPP 1.6 sends a text, which may be JSON; 2.x any JSON value."""
    if isinstance(data, str):
        with suppress(ValueError, RecursionError):
            return json.loads(data)
    return data


def _named(data: Any, rule: Rule) -> Iterator[tuple[str, Value]]:
    """The values that become points, by the point's name below the folder."""
    for path, value in _flat(data, ()):
        if not rule.points:
            yield ".".join(NOT_IN_NAMES.sub("_", part) or "_" for part in path) or "Value", value
        elif ".".join(path) in rule.points:
            yield rule.points[".".join(path)], value


def _flat(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Value]]:
    """Every value below a node of the JSON with the keys and indices that lead to it."""
    if len(path) > DEEPEST:
        return
    if isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _flat(child, (*path, str(key)))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        # as a float, and nothing where there is none: JSON may hold 1e999
        yield path, float(node) if abs(node) <= sys.float_info.max else None
    else:
        yield path, node[:LONGEST] if isinstance(node, str) else node
