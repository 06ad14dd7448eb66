"""Payloads as structs: decoded and validated in one pass, for the messages that come most often.

A struct is made from a message's JSON schema and takes nothing that the schema refuses. It may refuse what the
schema takes, such as a timestamp written in a rare way: then the ordinary way decides (`schemas`), which also says
what is wrong. A timestamp is a float of Unix seconds; a field that is not there is UNSET.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from bridge.ocpp.frames import CALL, MAX_ID
from bridge.ocpp.schemas import INT32, resolved

# Much less than RFC 3339, and what nearly every station sends.
_PLAIN = re.compile(
    r"(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


class Moment(float):
    """A timestamp that was a string of the format `date-time`."""

    __slots__ = ()


class NoStructError(Exception):
    """The schema says something that no struct can hold to."""


CallDecoder = Callable[[str], tuple[int, str, str, Any]]
"""The text of a CALL → (2, id, action, struct). Raises msgspec.MsgspecError or ValueError for what is not one, or not
certainly a good one.
"""


def call_decoder(action: str, schema: Mapping[str, Any]) -> CallDecoder:
    """What decodes the CALLs of an action. Raises NoStructError."""
    message_id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
    payload = _Maker(schema).type_of(dict(schema), action)
    call: Any = tuple[Literal[CALL], message_id, Literal[action], payload]  # type: ignore[valid-type]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(call, dec_hook=_read)
    return decoder.decode


class _Maker:
    """Makes types from the nodes of one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def type_of(self, node: dict[str, Any], name: str) -> Any:
        node = resolved(self._schema, node)
        make = {"object": self._object, "array": self._array, "string": self._string, "integer": self._integer}
        kind = node.get("type")
        if kind not in make:
            raise NoStructError(f"{name}: {kind}")
        return make[kind](node, name)

    def _object(self, node: dict[str, Any], name: str) -> Any:
        _known(node, name, "properties", "required", "additionalProperties")
        required = node.get("required", [])
        fields = []
        for key, child in node["properties"].items():
            found = self.type_of(child, f"{name}_{key}")
            fields.append((key, found) if key in required else (key, found | msgspec.UnsetType, msgspec.UNSET))
        fields.sort(key=len)  # those that are required come first
        closed = node.get("additionalProperties") is False
        return msgspec.defstruct(name, fields, forbid_unknown_fields=closed, frozen=True, eq=False, gc=False)

    def _array(self, node: dict[str, Any], name: str) -> Any:
        _known(node, name, "items", "minItems", "maxItems")
        limits = msgspec.Meta(min_length=node.get("minItems"), max_length=node.get("maxItems"))
        return Annotated[list[self.type_of(node["items"], name)], limits]  # type: ignore[misc]

    def _string(self, node: dict[str, Any], name: str) -> Any:
        _known(node, name, "enum", "format", "maxLength", "additionalProperties")
        if "enum" in node:
            return Literal[tuple(node["enum"])]
        if "format" in node:
            if node["format"] != "date-time" or "maxLength" in node:
                raise NoStructError(f"{name}: {node}")
            return Moment
        return Annotated[str, msgspec.Meta(max_length=node.get("maxLength"))]

    def _integer(self, node: dict[str, Any], name: str) -> Any:
        _known(node, name, "minimum", "maximum")
        return Annotated[int, msgspec.Meta(ge=node.get("minimum", INT32[0]), le=node.get("maximum", INT32[1]))]


def _known(node: dict[str, Any], name: str, *keywords: str) -> None:
    """Raises NoStructError for a keyword that is not looked at."""
    if more := node.keys() - {"type", "$schema", "$id", "title", "description", "comment", "javaType", *keywords}:
        raise NoStructError(f"{name}: {more}")


@lru_cache(maxsize=256)  # many stations speak of the same seconds
def moment(text: str) -> Moment:
    """A timestamp of the plain form. Raises ValueError for any other."""
    if not _PLAIN.fullmatch(text):
        raise ValueError("not a timestamp of the plain form")
    return Moment(datetime.fromisoformat(text).timestamp())


def _read(_type: Any, raw: Any) -> Moment:
    if type(raw) is not str:
        raise ValueError("not a timestamp")
    return moment(raw)
