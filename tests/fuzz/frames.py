"""Frames as stations send them, nearly so, and as whoever means harm does: made from OCPP's own schemas."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from bridge.ocpp.schemas import resolved, schemas
from bridge.ocpp.versions import Version

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(["", "x" * 5000, "\x00", "2026-13-45T99:99:99Z", "-1", "1e400", "NaN"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
DEEP = st.sampled_from([10, 62, 70, 500]).map(lambda depth: json.loads("[" * depth + "]" * depth))
TIMES = st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z")


def valid(version: Version, action: str) -> st.SearchStrategy[dict[str, Any]]:
    """Payloads of a station's request that its schema allows."""
    schema = schemas(version).request(action)
    return _node(schema, schema)


def _node(schema: Mapping[str, Any], node: dict[str, Any]) -> st.SearchStrategy[Any]:
    node = resolved(schema, node)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node.get("type"):
        case "object":
            return _object(schema, node)
        case "array":
            least = node.get("minItems", 0)
            most = min(node.get("maxItems", least + 2), least + 2)
            return st.lists(_node(schema, node["items"]), min_size=least, max_size=most)
        case "integer":
            low, high = node.get("minimum", -(2**31)), node.get("maximum", 2**31 - 1)
            return st.integers(int(low), int(high))
        case "number":
            # Whole numbers are multiples of every step that the schemas know.
            return st.integers(int(node.get("minimum", -(10**6))), int(node.get("maximum", 10**6))).map(float)
        case "boolean":
            return st.booleans()
        case "string":
            return _string(node)
        case _:  # anything goes: customData, DataTransfer.data
            return TEXT


def _object(schema: Mapping[str, Any], node: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    properties = node.get("properties", {})
    required = set(node.get("required", ()))
    parts = {name: _node(schema, child) for name, child in properties.items()}
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def _string(node: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if node.get("format") == "date-time":
        return TIMES
    if node.get("format") == "uri":
        return st.just("http://host/file")
    longest = min(node.get("maxLength", 60), 60)
    return st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=longest)


@st.composite
def nearly_valid(draw: st.DrawFn, version: Version, action: str) -> dict[str, Any]:
    """A valid payload with one to three things wrong somewhere in it."""
    payload = draw(valid(version, action))
    for _ in range(draw(st.integers(1, 3))):
        _spoil(draw, payload)
    return payload


def _spoil(draw: st.DrawFn, payload: dict[str, Any]) -> None:
    holder, key = draw(st.sampled_from(_places(payload) or [(payload, "new")]))
    kind = draw(st.sampled_from(["gone", "other", "more", "null"]))
    if kind == "gone" and isinstance(holder, dict):
        holder.pop(key, None)
    elif kind == "more" and isinstance(holder, dict):
        holder[draw(TEXT)] = draw(ANYTHING)
    else:
        holder[key] = None if kind == "null" else draw(ANYTHING)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """All the places of a payload: what holds each, and its key there."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [(node, key) for key in keys] + [place for key in keys for place in _places(node[key])]


@st.composite
def calls(draw: st.DrawFn, version: Version, message_id: str) -> str:
    """The text of a CALL, whose payload may be anything."""
    action = draw(st.sampled_from(sorted(version.from_station)))
    payload = draw(st.one_of(valid(version, action), nearly_valid(version, action), ANYTHING))
    return json.dumps([2, message_id, action, payload], ensure_ascii=draw(st.booleans()))


@st.composite
def broken(draw: st.DrawFn, version: Version, message_id: str) -> str:
    """A text that was a frame once."""
    text = draw(calls(version, message_id))
    at = draw(st.integers(0, len(text)))
    match draw(st.sampled_from(["cut", "insert", "double", "deep", "remove"])):
        case "cut":
            return text[:at]
        case "insert":
            return text[:at] + draw(st.text(max_size=5)) + text[at:]
        case "double":
            return text + text
        case "deep":
            depth = draw(st.sampled_from([10, 70, 5_000]))
            return text[:-1] + "," + "[" * depth + "]" * depth + "]"
        case _:
            return text[:at] + text[at + 1 :]


@st.composite
def strange(draw: st.DrawFn, version: Version, message_id: str) -> str:
    """A frame one element of which is of another kind, missing or too much."""
    names = [*sorted(version.from_station), *version.to_station, "Nonsense"]
    kind = draw(st.sampled_from([2, 2, 2, 2, 3, 4, 5, 6, 9, 0, -1]))
    frame: list[Any] = [kind, message_id, draw(st.sampled_from(names)), {}]
    place = draw(st.integers(0, 3))
    match draw(st.sampled_from(["other", "other", "more", "gone"])):
        case "other":
            frame[place] = draw(ANYTHING | DEEP)
        case "more":
            frame.insert(place, draw(ANYTHING | DEEP))
        case _:
            del frame[place]
    return json.dumps(frame)


def frames(version: Version, message_id: str) -> st.SearchStrategy[str | bytes]:
    """Whatever a websocket message can hold. CALLs that can be read have `message_id`."""
    return st.one_of(
        calls(version, message_id),
        calls(version, message_id),
        strange(version, message_id),
        strange(version, message_id),
        broken(version, message_id),
        ANYTHING.map(json.dumps),
        st.text(st.characters(codec="utf-8")),
        st.binary(max_size=50),
    )
