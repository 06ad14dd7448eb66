"""Which field of which message fills which point: the rows of one OCPP version, ready to be applied."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.points.layout import Layout
from bridge.points.rows import Row, Value
from bridge.points.rowspec import Source
from bridge.points.table import Kind, MessageSpec, Table
from bridge.points.tree import Quality, Update
from bridge.points.values import TRANSFORMS, converter

TIME = "@time"


@dataclass(frozen=True, slots=True)
class Binding:
    """One point that an action fills: the first of `paths` that is there counts, `convert` reads it.

    `field` is the one field of the payload that fills the point, "" where it is not as simple as that.
    """

    slot: int
    row: Row
    paths: tuple[tuple[str, ...], ...]
    convert: Callable[[Any], Value]
    field: str


@dataclass(frozen=True, slots=True)
class Bindings:
    """The points of one kind of group that messages fill: by action, from the request and from our answer."""

    requests: Mapping[str, tuple[Binding, ...]]
    responses: Mapping[str, tuple[Binding, ...]]

    def updates(
        self, action: str, payload: Mapping[str, Any], time: float | None, now: float | None
    ) -> tuple[list[Update], str]:
        """What a message of a station changes, and why a field could not be read ("" when all could).

        `time` is the station's own time of the message, None where it gave none. `now` takes its place, None where it
        gave one that cannot be read.
        """
        return _updates(self.requests.get(action, ()), payload, time, now)

    def answered(self, action: str, response: Mapping[str, Any], time: float | None, now: float) -> list[Update]:
        """What our answer to a message changes."""
        return _updates(self.responses.get(action, ()), response, time, now)[0]


def bind(table: Table, kind: Kind, version: str, layout: Layout) -> Bindings:
    """The bindings of one version for the groups of one layout."""
    requests: dict[str, list[Binding]] = {}
    responses: dict[str, list[Binding]] = {}
    messages = table.messages.get(version, {})
    for row in table.rows[kind]:
        bound = tuple(source for source in row.sources.get(version, ()) if not _is_code(messages, source))
        for action, response, paths in _by_action(bound):
            convert = converter(row.row, TRANSFORMS.get(row.transform))
            simple = len(paths) == 1 and len(paths[0]) == 1 and paths[0][0] != TIME
            field = paths[0][0] if simple else ""
            binding = Binding(layout.index[row.row.key], row.row, paths, convert, field)
            (responses if response else requests).setdefault(action, []).append(binding)
    return Bindings(
        {action: tuple(found) for action, found in requests.items()},
        {action: tuple(found) for action, found in responses.items()},
    )


def _is_code(messages: Mapping[str, MessageSpec], source: Source) -> bool:
    """Whether a field is read by code, which fills the point too."""
    spec = messages.get(source.action)
    path = ("response", *source.path) if source.response else source.path
    return spec is not None and any(tuple(head.split(".")) == path[: head.count(".") + 1] for head in spec.code)


def _by_action(sources: tuple[Source, ...]) -> list[tuple[str, bool, tuple[tuple[str, ...], ...]]]:
    grouped: dict[tuple[str, bool], list[tuple[str, ...]]] = {}
    for source in sources:
        grouped.setdefault((source.action, source.response), []).append(source.path)
    return [(action, response, tuple(paths)) for (action, response), paths in grouped.items()]


def _updates(
    bindings: tuple[Binding, ...], payload: Mapping[str, Any], time: float | None, now: float | None
) -> tuple[list[Update], str]:
    updates: list[Update] = []
    problem = ""
    for binding in bindings:
        field = binding.field
        try:
            raw = payload.get(field) if field else _field(binding.paths, payload, time, now)
            updates.append(Update(binding.slot, binding.convert(raw), time))
        except (ValueError, TypeError) as error:
            problem = f"{'.'.join(binding.paths[0])}: {error}"
            updates.append(Update(binding.slot, None, None, Quality.SUBNORMAL))
    return updates, problem


def _field(
    paths: tuple[tuple[str, ...], ...], payload: Mapping[str, Any], time: float | None, now: float | None
) -> Any:
    for path in paths:
        if path[0] == TIME:
            if time is None and now is None:
                raise ValueError("cannot be read")
            return now if time is None else time
        found: Any = payload
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if found is not None:
            return found
    return None
