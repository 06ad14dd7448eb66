"""Reads datapoints/profiles/*.yaml. All mistakes are reported in one go, each with its line.

The values of `configuration` and `variables` are texts as they are written: 010 and 1.10 are no numbers.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from bridge.errors import Problem, ProjectError
from bridge.ocpp.secrets import is_secret
from bridge.points.measurands import Measurands
from bridge.points.table import Loader
from bridge.points.units import CONVERSIONS
from bridge.station.profiles.profile import Match, Profile, Profiles, fold
from bridge.station.profiles.settings import DEFAULT, Settings
from bridge.station.profiles.targets import targets

MAX_IDENTITY = 48
#: s; no zone is further from UTC
MAX_OFFSET = 86_400
#: what a station is set to → characters of a name and of a value (OCPP 1.6 §6.7, 2.1 SetVariableDataType)
WANTED = {"configuration": (50, 500), "variables": (50, 2500)}

Patterns = str | list[str]
Place = tuple[str, ...]
_TEXT = "tag:yaml.org,2002:str"
_PLAIN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp", "value", "merge"))
#: what a profile may say: the type of each key; a dict's values are checked one by one
FORM: Mapping[str, Any] = {
    "description": str,
    "match": {"vendor": Patterns, "model": Patterns, "firmware": Patterns},
    "connectors": Annotated[int, msgspec.Meta(ge=0, le=1000)],
    "identities": dict[str, str],
    "validation": Literal["strict", "lenient", "off"],
    "units": dict[str, str],
    "phases": dict[str, str],
    "meter": Literal["Wh", "kWh"],
    "clock_offset": Annotated[float, msgspec.Meta(ge=-MAX_OFFSET, le=MAX_OFFSET)],
    "configuration": dict[str, str],
    "variables": dict[str, str],
    "pending_until_configured": bool,
    "required": bool,
    "reset": Literal["never", "when-idle"],
}


def load_profiles(
    files: Mapping[str, Path], measurands: Measurands, assigned: Sequence[str] = (), config_file: str = "config.toml"
) -> Profiles:
    """Reads the files (name → path); a profile is called as its file, less `.yaml`.

    `assigned`: the profile that the configuration gives each of its stations, "" for none. Raises ProjectError with
    every problem that it found.
    """
    problems: list[Problem] = []
    found = [_profile(name, path, measurands, problems) for name, path in files.items()]
    profiles = [profile for profile in found if profile is not None]
    problems += _clashes(profiles, files)
    names = [name.removesuffix(".yaml") for name in files]
    for number, name in enumerate(assigned):
        if name and name not in names:
            what = f'expected one of {", ".join(names)} (datapoints/profiles/), found "{name}"'
            problems.append(Problem(config_file, f"station[{number}].profile", what))
    if problems:
        raise ProjectError(problems)
    return Profiles(profiles)


class _File:
    """One file: its text as values, and the lines that they stand in."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = str(path)
        self.problems = problems
        self.lines: dict[Place, int] = {}

    def complain(self, place: Place, what: str) -> None:
        line = next((self.lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in self.lines), 1)
        key = ".".join(place)
        self.problems.append(Problem(self.path, f"line {line}" + (f", {key}" if key else ""), what))

    def read(self) -> dict[str, Any] | None:
        """None: it cannot be read."""
        try:
            loader = Loader(Path(self.path).read_text(encoding="utf-8"))
            node = loader.get_single_node()
            if node is None:
                return {}
            self._mark((), node)
            _keep_texts(node)
            values = loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            self.problems.append(Problem(self.path, f"line {line}", f"this is not YAML: {error.problem}"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            self.problems.append(Problem(self.path, "", f"cannot be read: {error}"))
        else:
            if isinstance(values, dict):
                return values
            self.complain((), "expected keys with their values, such as `connectors: 2`")
        return None

    def _mark(self, place: Place, node: yaml.Node) -> None:
        """Notes the lines of keys, two deep, and complains of those that are there twice: YAML takes the last."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        if not isinstance(node, yaml.MappingNode) or len(place) > 1:
            return
        for key, value in node.value:
            inner = (*place, str(key.value))
            first = self.lines.get(inner)
            self.lines[inner] = key.start_mark.line + 1
            if first is not None:
                self.complain(inner, f"is there twice, first in line {first}; expected once")
            self._mark(inner, value)


def _keep_texts(node: yaml.Node) -> None:
    """Makes texts of the scalars that stations are set to, before YAML makes numbers, times and Booleans of them."""
    for key, section in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in WANTED and isinstance(section, yaml.MappingNode):
            for _, value in section.value:
                if isinstance(value, yaml.ScalarNode) and value.tag in _PLAIN:
                    value.tag = _TEXT


def _profile(name: str, path: Path, measurands: Measurands, problems: list[Problem]) -> Profile | None:
    before = len(problems)
    file = _File(path, problems)
    raw = file.read()
    if raw is None:
        return None
    said = _checked(file, (), raw, FORM)
    _check_identities(file, said.get("identities", {}))
    _check_settings(file, said, measurands)
    _check_wanted(file, said)
    if len(problems) > before:
        return None
    return Profile(
        name=name.removesuffix(".yaml"),
        match=_match(said.get("match")),
        settings=_settings(said),
        connectors=said.get("connectors", 0),
        identities=said.get("identities", {}),
        configuration=said.get("configuration", {}),
        variables=said.get("variables", {}),
        pending_until_configured=said.get("pending_until_configured"),
        required=said.get("required", False),
        reset=said.get("reset", "never"),
    )


def _checked(file: _File, place: Place, raw: Mapping[Any, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """What is right of a mapping; a key without a value is as one that is not there."""
    said: dict[str, Any] = {}
    for key, value in raw.items():
        at = (*place, str(key))
        if key not in form:
            near = difflib.get_close_matches(str(key), form, n=1)
            known = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(form)}"
            file.complain(at, f"unknown key; {known}")
        elif value is not None:
            found = _converted(file, at, value, form[key])
            if found is not None:
                said[key] = found
    return said


def _converted(file: _File, at: Place, value: Any, form: Any) -> Any:
    """None: it is wrong."""
    if isinstance(form, Mapping) or getattr(form, "__origin__", None) is dict:
        if not isinstance(value, dict):
            file.complain(at, f"expected keys with their values, found {_shown(value)}")
            return None
        if isinstance(form, Mapping):
            return _checked(file, at, value, form)
        entries = {key: _converted_entry(file, (*at, str(key)), key, inner, form) for key, inner in value.items()}
        return {key: inner for key, inner in entries.items() if inner is not None}
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        options = f"expected one of {', '.join(form.__args__)}" if getattr(form, "__origin__", None) is Literal else ""
        what = options or str(error).partition(" - at ")[0].replace("Expected", "expected")
        file.complain(at, f"{what}, found {_shown(value)}{_hint(value, form)}")
        return None


def _converted_entry(file: _File, at: Place, key: Any, value: Any, form: Any) -> Any:
    if not isinstance(key, str):
        file.complain(at, f'expected a text as the key; put it into quotes: "{key}"')
        return None
    if value is None:
        file.complain(at, "expected a value, found nothing")
        return None
    return _converted(file, at, value, form.__args__[1])


def _hint(value: Any, form: Any) -> str:
    takes_text = form is str or form is Patterns
    return '; put it into quotes: "1.10"' if takes_text and isinstance(value, int | float) else ""


def _check_identities(file: _File, identities: Mapping[str, str]) -> None:
    for connects_as, identity in identities.items():
        at = ("identities", connects_as)
        if connects_as.count("*") > 1 or connects_as.count("*") != identity.count("*"):
            file.complain(at, "expected at most one *, and then one on either side")
        if not connects_as.strip() or not 0 < len(identity) <= MAX_IDENTITY or "/" in identity:
            file.complain(at, f"expected identities of 1 to {MAX_IDENTITY} characters without /")


def _check_settings(file: _File, said: Mapping[str, Any], measurands: Measurands) -> None:
    for name, unit in said.get("units", {}).items():
        conversion, known = CONVERSIONS.get(unit), measurands.known.get(name)
        fitting = [symbol for symbol, other in CONVERSIONS.items() if known is None or other.base == known.unit]
        if conversion is None or (known is not None and conversion.base != known.unit):
            file.complain(("units", name), f'expected one of {", ".join(fitting) or "no unit"}, found "{unit}"')
    for name, phase in said.get("phases", {}).items():
        if phase and phase not in measurands.phases:
            expected = ", ".join(measurands.phases)
            file.complain(("phases", name), f'expected one of {expected} or "" for none, found "{phase}"')


def _check_wanted(file: _File, said: Mapping[str, Any]) -> None:
    secret = "is a secret: set it with `ocpp-bridge stations password` or by a command; expected no secrets here"  # noqa: S105
    for section, (name_room, room) in WANTED.items():
        seen: dict[str, str] = {}
        for key, text in said.get(section, {}).items():
            at = section, key
            if is_secret(key):
                file.complain(at, secret)
            if seen.setdefault(key.lower(), key) != key:
                file.complain(at, f"is the same as {seen[key.lower()]}: capitals do not count; expected once")
            if any(len(part) > name_room for part in ([key] if section == "configuration" else key.split("."))):
                file.complain(at, f"expected names of at most {name_room} characters")
            if len(text) > room:
                file.complain(at, f"expected at most {room} characters, found {len(text)}")
    for path in said.get("variables", {}):
        try:
            targets("2.1", {path: ""})
        except ValueError as error:
            file.complain(("variables", path), str(error))


def _settings(said: Mapping[str, Any]) -> Settings:
    found = Settings(
        validation=said.get("validation"),
        clock_offset=said.get("clock_offset", 0.0),
        units=said.get("units", {}),
        phases=said.get("phases", {}),
        meter=said.get("meter", ""),
    )
    return DEFAULT if found == DEFAULT else found


def _match(said: Mapping[str, Patterns] | None) -> Match | None:
    return None if said is None else Match(**{key: _listed(patterns) for key, patterns in said.items()})


def _listed(patterns: Patterns) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def doubts(profiles: Profiles, measurands: Measurands) -> Iterator[Problem]:
    """What is no mistake, since a vendor may have measurands of its own, but may be a slip."""
    for profile in profiles:
        for name in profile.settings.units:
            if name not in measurands.known:
                near = difflib.get_close_matches(name, measurands.known, n=1)
                what = "no measurand of OCPP" + (f"; did you mean {near[0]}?" if near else "")
                yield Problem(f"datapoints/profiles/{profile.name}.yaml", f"units.{name}", what)


def _clashes(profiles: Iterable[Profile], files: Mapping[str, Path]) -> Iterator[Problem]:
    """What a station connects as can only be one identity."""
    seen: dict[str, tuple[str, str]] = {}
    for profile in profiles:
        for connects_as, identity in profile.identities.items():
            other, where = seen.setdefault(fold(connects_as), (identity, profile.name))
            if other != identity:
                file = str(files[f"{profile.name}.yaml"])
                yield Problem(file, f"identities.{connects_as}", f"is {other} in {where}.yaml; expected one of them")


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 60 else f"{text[:57]}…"
