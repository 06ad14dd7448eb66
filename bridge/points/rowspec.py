"""One row as it stands in datapoints/*.yaml, what may be wrong with it, and what it becomes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from bridge.errors import Problem
from bridge.points.rows import Enumeration, Row, Type, Value
from bridge.points.units import UNITS
from bridge.points.values import TRANSFORMS, coerce


class RowSpec(msgspec.Struct, forbid_unknown_fields=True, rename={"sources": "from"}):
    """A row as it stands in a file."""

    key: str
    type: str
    description: str
    unit: str = ""
    access: Literal["R", "W"] = "R"
    sources: dict[str, str | list[str]] = {}
    by: str = ""
    transform: str = ""
    quality: Literal["kept", "live"] = "live"
    initial: bool | int | float | str | None = None
    range: tuple[float, float] | None = None
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A field that fills a row, of the request or of our answer (`response`); `@time`: the message's time."""

    action: str
    path: tuple[str, ...]
    response: bool = False

    @classmethod
    def parse(cls, text: str) -> "Source":
        action, _, field = text.partition(".")
        if field.startswith("response."):
            return cls(action, tuple(field.removeprefix("response.").split(".")), True)
        return cls(action, tuple(field.split(".")))


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row with what fills it: per OCPP version the fields, of which the first that is there counts."""

    row: Row
    sources: Mapping[str, tuple[Source, ...]]
    transform: str


def row_problems(spec: RowSpec, file: str, where: str, enumerations: Mapping[str, Enumeration]) -> Iterator[Problem]:
    """What is wrong with a row, at `where` in the file."""
    if not all(spec.key.split(".")):
        yield Problem(file, where, "a key is names with a dot between them")
    if not spec.description.strip():
        yield Problem(file, where, "a description is missing")
    types = [*(type_.value for type_ in Type), *enumerations]
    for what, found, known in (
        ("type", spec.type, types),
        ("unit", spec.unit or None, UNITS),
        ("transform", spec.transform or None, TRANSFORMS),
    ):
        if found is not None and found not in known:
            yield unknown(file, where, what, found, known)
    if spec.type in types:
        yield from _value_problems(spec, file, where, enumerations)
    for text in (text for texts in _sources(spec).values() for text in texts):
        if "." not in text or not all(text.split(".")):
            yield Problem(file, where, f'from: expected "Action.field", found "{text}"')


def _value_problems(spec: RowSpec, file: str, where: str, enumerations: Mapping[str, Enumeration]) -> Iterator[Problem]:
    if spec.range and not spec.range[0] < spec.range[1]:
        yield Problem(file, where, f"range: expected the lower end first, found {list(spec.range)}")
    try:
        _initial(spec, enumerations)
    except ValueError as error:
        yield Problem(file, where, f"initial: expected a {spec.type}, but {error}")


def make_row(spec: RowSpec, enumerations: Mapping[str, Enumeration]) -> TableRow:
    """The row, of which `row_problems` found nothing wrong."""
    enumeration = enumerations.get(spec.type)
    folder, _, name = spec.key.rpartition(".")
    sources = _sources(spec)
    row = Row(
        folder=folder,
        name=name,
        type=Type.INT32 if enumeration else Type(spec.type),
        description=spec.description,
        unit=spec.unit,
        writable=spec.access == "W",
        enumeration=enumeration,
        initial=_initial(spec, enumerations),
        kept=spec.quality == "kept",
        range=spec.range,
        personal=spec.personal,
        source=spec.by or "; ".join(f"{version}: {' or '.join(texts)}" for version, texts in sources.items()),
    )
    parsed = {version: tuple(Source.parse(text) for text in texts) for version, texts in sources.items()}
    return TableRow(row, parsed, spec.transform)


def _initial(spec: RowSpec, enumerations: Mapping[str, Enumeration]) -> Value:
    if spec.initial is None:
        return None
    enumeration = enumerations.get(spec.type)
    type_ = Type.INT32 if enumeration else Type(spec.type)
    row = Row(folder="", name=spec.key, type=type_, description="", enumeration=enumeration)
    return coerce(row, spec.initial)


def _sources(spec: RowSpec) -> dict[str, Sequence[str]]:
    return {version: [text] if isinstance(text, str) else text for version, text in spec.sources.items()}


def unknown(file: str, where: str, what: str, found: str, expected: Iterable[str]) -> Problem:
    """A name that is none of those that are expected."""
    return Problem(file, where, f'{what}: expected one of {", ".join(expected)}; found "{found}"')
