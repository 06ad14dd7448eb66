"""What a profile wants a station to be set to: each value with what names it in OCPP's messages."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bridge.station.v2.variables import ACTUAL, ATTRIBUTES, FOLDER, Attribute, Variable

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
EXPECTED = "Component[.instance][.evse[.connector]].Variable[.instance][.Target|.MinSet|.MaxSet]"


class Target(NamedTuple):
    """A value that is wanted. `key` as the profile writes it; `place` is the point that shows it, in small letters.

    `variables`: what the path may mean in OCPP 2.x, the likeliest first; nothing in 1.6.
    """

    key: str
    text: str
    place: str
    variables: tuple[Variable, ...] = ()
    attribute: Attribute = ACTUAL


def targets(version: str, wanted: Mapping[str, str]) -> tuple[Target, ...]:
    """What is wanted of a station of this OCPP version. Raises ValueError for a path that names no variable."""
    if version == "1.6":
        return tuple(Target(key, text, f"{FOLDER}.{key_name(key)}".lower()) for key, text in wanted.items())
    return tuple(_of_path(path, text) for path, text in wanted.items())


def key_name(key: str) -> str:
    """The name of the point of a configuration key (OCPP 1.6)."""
    return _UNSAFE.sub("_", key)


def _of_path(path: str, text: str) -> Target:
    parts, attribute = path.split("."), ACTUAL
    if parts[-1] in ATTRIBUTES:
        parts, attribute = parts[:-1], next(name for name in ATTRIBUTES if name == parts[-1])
    place = ".".join([FOLDER, *parts] + ([] if attribute == ACTUAL else [attribute])).lower()
    found = tuple(sorted(_readings(parts), key=_unlikely))
    if not found or not all(parts):
        raise ValueError(f"expected {EXPECTED}")
    return Target(path, text, place, found, attribute)


def _readings(parts: list[str]) -> Iterator[Variable]:
    """Every way in which the parts of a path can name a variable."""
    for with_instance in (False, True):
        for numbers in range(3):
            for with_name_instance in (False, True):
                if 2 + with_instance + numbers + with_name_instance == len(parts):
                    found = _reading(parts, with_instance, numbers, with_name_instance)
                    if found is not None and not found.name.isdecimal():
                        yield found


def _reading(parts: list[str], with_instance: bool, numbers: int, with_name_instance: bool) -> Variable | None:
    rest = iter(parts)
    component = next(rest)
    instance = next(rest) if with_instance else ""
    at = [next(rest) for _ in range(numbers)]
    if not all(text.isascii() and text.isdecimal() and 0 < int(text) < 2**31 for text in at):
        return None
    evse, connector = [*map(int, at), 0, 0][:2]
    return Variable(component, instance, evse, connector, next(rest), next(rest) if with_name_instance else "")


def _unlikely(variable: Variable) -> tuple[bool, ...]:
    """A number is an EVSE where it can be one, and instances are the variable's."""
    return variable.instance.isdecimal(), not variable.evse, bool(variable.instance)
