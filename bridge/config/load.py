"""Reads config.toml, puts the environment's variables over it, and checks the whole."""

import difflib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import tomli
from pydantic import ValidationError

from bridge.config.ocpp_security import ocpp_contradictions, ocpp_openings, ocpp_weaknesses
from bridge.config.opcua_security import opcua_openings, opcua_weaknesses, user_weaknesses
from bridge.config.tables import Config
from bridge.config.wording import Key, expectation, found, key_path
from bridge.errors import Problem, ProjectError
from bridge.project import Project

PREFIX = "OCPP_BRIDGE__"


def load_config(project: Project, environ: Mapping[str, str] | None = None) -> Config:
    """Read the project's configuration, with the environment's variables over the file's keys.

    Raises ProjectError with every mistake, and for a configuration that would leave the bridge open to other
    machines unless `allow_insecure` says that it is meant.
    """
    raw, sources = _read(project), _Sources(str(project.config_file))
    problems = sources.overlay(raw, os.environ if environ is None else environ)
    problems += [sources.problem(key, what) for key, what in _duplicates(raw)]
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems += [sources.problem(mistake["loc"], _what(mistake)) for mistake in _innermost(error)]
        raise ProjectError(problems) from None
    problems += [sources.problem(key, what) for key, what in ocpp_contradictions(config)]
    if not config.allow_insecure:
        advice = "; allow_insecure = true if it is meant"
        problems += [sources.problem(key, what + advice) for key, what in _weak(config)]
    if problems:
        raise ProjectError(problems)
    return config


def weaknesses(config: Config, file: str = "config.toml") -> list[Problem]:
    """What leaves the bridge open to other machines, whether or not `allow_insecure` permits it, and what less so."""
    found = itertools.chain(
        _weak(config), ocpp_weaknesses(config), opcua_weaknesses(config), user_weaknesses(config), _unprotected(config)
    )
    return [Problem(file, key_path(key), what) for key, what in found]


@dataclass(frozen=True)
class _Sources:
    """Where each key was given: by a variable of the environment, else in the file."""

    file: str
    variables: dict[Key, str] = field(default_factory=dict)

    def problem(self, key: Key, what: str) -> Problem:
        owners = (self.variables[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.variables)
        return Problem(next(owners, self.file), key_path(key), what)

    def overlay(self, raw: dict[str, Any], environ: Mapping[str, str]) -> list[Problem]:
        """Put the variables' values over the file's, and return those that name no key."""
        problems = []
        for name in sorted(environ, key=lambda name: (name.count("__"), name)):  # a table before its keys
            if not name.upper().startswith(PREFIX):
                continue
            key: Key = tuple(name[len(PREFIX) :].lower().split("__"))
            if (schema := _schema(key)) is None:
                problems.append(Problem(name, key_path(key), _unknown(key)))
                continue
            for leaf, value in _leaves(key, _decode(environ[name], schema)):
                self.variables[leaf] = name
                _put(raw, leaf, value)
        return problems


def _read(project: Project) -> dict[str, Any]:
    file = project.config_file
    try:
        return tomli.loads(file.read_text(encoding="utf-8"))
    except tomli.TOMLDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProjectError([Problem(str(file), where, f"not TOML: {error.msg}")]) from None
    except UnicodeDecodeError as error:
        raise ProjectError([Problem(str(file), f"byte {error.start}", "not UTF-8")]) from None
    except OSError as error:
        raise ProjectError([Problem(str(file), "", f"cannot be read: {error.strerror}")]) from None


def _decode(text: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:  # left as it is, for the check to say what was expected
        return text


def _leaves(key: Key, value: Any) -> Iterator[tuple[Key, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for name, inner in value.items():
        yield from _leaves((*key, name), inner)


def _put(raw: dict[str, Any], key: Key, value: Any) -> None:
    *tables, last = map(str, key)
    node: Any = raw
    for table in tables:
        node = node.setdefault(table, {})
        if not isinstance(node, dict):  # the file's mistake, which the check reports
            return
    node[last] = value


def _duplicates(raw: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    for table, name in (("station", "id"), ("area", "path"), ("user", "name")):
        rows = raw.get(table)
        seen: dict[str, int] = {}
        for index, row in enumerate(rows if isinstance(rows, list) else []):
            value = row.get(name) if isinstance(row, dict) else None
            if not isinstance(value, str):
                continue
            if value in seen:
                yield (table, index, name), f"{found(value)} is also {key_path((table, seen[value], name))}"
            seen.setdefault(value, index)


def _weak(config: Config) -> Iterator[tuple[Key, str]]:
    yield from ocpp_openings(config)
    yield from opcua_openings(config)


def _unprotected(config: Config) -> Iterator[tuple[Key, str]]:
    if config.handlers.isolation == "inline":
        yield ("handlers", "isolation"), '"inline" lets a script that hangs or fails take the bridge with it'
    elif not config.handlers.memory:
        yield ("handlers", "memory"), "0 lets a script take all memory"
    if config.log.level == "debug":
        yield ("log", "level"), '"debug" writes every message to the log, with the drivers\' id tags'


def _innermost(error: ValidationError) -> list[Any]:
    """Without the lists that pydantic finds too short because an item of theirs is wrong."""
    mistakes = error.errors()
    keys = {mistake["loc"][:n] for mistake in mistakes for n in range(len(mistake["loc"]))}
    return [mistake for mistake in mistakes if mistake["loc"] not in keys]


def _what(mistake: Any) -> str:
    """What was expected, in the words of the table above rather than of pydantic."""
    key: Key = mistake["loc"]
    if mistake["type"] == "extra_forbidden":
        return _unknown(key)
    if mistake["type"] == "value_error":
        return str(mistake["ctx"]["error"])
    expected = expectation(_schema(key) or {})
    if mistake["type"] == "missing":
        return f"missing; expected {expected}"
    if key[-1] == "password_hash":
        return f"expected {expected}"
    return f"expected {expected}, found {found(mistake['input'])}"


def _unknown(key: Key) -> str:
    parent = next((key[:n] for n in range(len(key) - 1, -1, -1) if _schema(key[:n]) is not None), ())
    schema = _schema(parent) or {}
    known = sorted(schema.get("properties", {}))
    if not known:
        return f"{key_path(parent)} is {expectation(schema)}, and is given as a whole"
    near = difflib.get_close_matches(str(key[len(parent)]), known, n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known here: {', '.join(known)}"


_SCHEMA = Config.model_json_schema()


def _schema(key: Key) -> Mapping[str, Any] | None:
    """The JSON schema of a key; None where there is no such key."""
    node: Mapping[str, Any] = _SCHEMA
    for part in key:
        inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
        if inner is None:
            return None
        node = _SCHEMA["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
    return node
