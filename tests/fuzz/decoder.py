"""What `make fuzz` feeds to the decoder of OCPP frames, and to the peer behind it."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from bridge.ocpp.frames import CALL, CALLERROR, CALLRESULT, CALLRESULTERROR, SEND
from bridge.ocpp.peer import Peer, ReceivedCall, ReceivedQuick, Reply
from bridge.ocpp.schemas import resolved, schemas
from bridge.ocpp.versions import VERSIONS, Version
from bridge.station.dialects import quick_decoders
from tests.unit.station.rig import MODELS

OURS = "ours"  # the id of the CALL that is always waiting


class Target:
    """Takes bytes as a frame, or as the choices by which one is put together: every version's peer, in every
    strictness, lives through all of them."""

    def __init__(self) -> None:
        self._peers = [
            (Peer(version, validation, lambda: OURS, quick_decoders(MODELS[version.name])), version)
            for version in VERSIONS.values()
            for validation in ("lenient", "strict", "off")
        ]

    def __call__(self, data: bytes) -> None:
        if not data:
            return
        peer, version = self._peers[data[0] % len(self._peers)]
        if peer._outstanding is None:
            peer.call("Reset", {"type": "Soft"})
        if data[0] < 120:
            received = peer.receive(data[1:].decode("utf-8", "replace"))
        elif data[0] < 250:
            received = peer.receive(assembled(Choices(data[1:]), version))
        else:
            received = peer.receive(data[1:])
        if isinstance(received, ReceivedQuick):
            received = peer.open(received)
        if isinstance(received, ReceivedCall):
            check(peer.answer(received.id, {"echo": received.payload}))
        elif isinstance(received, Reply):
            check(received.text)


class Choices:
    """Decisions read off a fuzzer's bytes; the first one, for ever, behind their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def below(self, limit: int) -> int:
        self._position += 1
        return self._data[self._position - 1] % limit if self._position <= len(self._data) else 0

    def one_of(self, options: Sequence[Any]) -> Any:
        return options[(self.below(256) * 256 + self.below(256)) % len(options)]


WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, -0.0, 0.1, "", "x", "x" * 600, "\x00", "\ud800", "é"),
    *("2026-02-30T00:00:00Z", "2026-01-01T00:00:00+99:99", "9999-12-31T23:59:59.9999999Z", [], {}, [[]], [{}], {"": 0}),
)


def assembled(choices: Choices, version: Version) -> str:
    """A frame of a known action, in whose payload any part may be left out or wrong."""
    kind = choices.one_of((CALL, CALL, CALL, SEND, CALLRESULT, CALLERROR, CALLRESULTERROR, *WRONG))
    message_id = choices.one_of(("1", "2", OURS, *WRONG))
    if kind == CALLRESULT:
        schema = schemas(version).response("Reset")
        return json.dumps([kind, message_id, _part(choices, schema, schema)])
    action = choices.one_of(sorted(version.from_station | version.sends))
    schema = schemas(version).request(action)
    frame = [kind, message_id, action, _part(choices, schema, schema)]
    for _ in range(choices.below(3)):
        frame.insert(choices.below(6), choices.one_of(WRONG))
    return json.dumps(frame)


def _part(choices: Choices, schema: dict[str, Any], node: dict[str, Any]) -> Any:
    if choices.below(24) == 23:
        return choices.one_of(WRONG)
    node = resolved(schema, node)
    match node.get("type"):
        case "object":
            fields = node.get("properties", {})
            payload = {
                name: _part(choices, schema, child)
                for name, child in fields.items()
                if choices.below(16) > (1 if name in node.get("required", ()) else 8)
            }
            return payload | {choices.one_of(WRONG[11:17]): 0} if choices.below(32) == 31 else payload
        case "array":
            return [_part(choices, schema, node["items"]) for _ in range(choices.below(3))]
        case "integer" | "number":
            return choices.one_of((0, 1, 2, 7, 0.1, -1, 100))
        case "boolean":
            return choices.below(2) == 1
    return choices.one_of(node["enum"]) if "enum" in node else choices.one_of(("x", "2026-01-01T00:00:00Z"))


def check(answer: str) -> None:
    """Raises AssertionError for what is no answer."""
    kind, message_id, *rest = json.loads(answer)
    assert (kind, len(rest)) in ((CALLRESULT, 1), (CALLERROR, 3)), answer
    assert 0 < len(message_id) <= 36, answer
    assert kind == CALLRESULT or len(rest[1]) <= 255, answer


def corpus() -> Iterator[bytes]:
    """A frame of each kind, to begin with."""
    for version in VERSIONS.values():
        for action in sorted(version.from_station):
            schema = schemas(version).request(action)
            for whole in (False, True):
                yield _input([2, "1", action, sample(schema, schema, whole=whole)])
        yield _input([3, OURS, {"status": "Accepted"}])
        yield _input([4, OURS, "NotSupported", "it cannot", {}])
        yield _input([5, OURS, "FormatViolation", "", {}])
        yield _input([6, "1", "NotifyPeriodicEventStream", {}])
    for number in range(200):
        yield bytes([120 + number % 130]) + random.Random(number).randbytes(200)  # noqa: S311


def _input(frame: list[Any]) -> bytes:
    return b"\x00" + json.dumps(frame, separators=(",", ":")).encode()


def sample(schema: dict[str, Any], node: dict[str, Any], *, whole: bool) -> Any:
    """A payload with every field, or with those that have to be there."""
    node = resolved(schema, node)
    match node.get("type"):
        case "object":
            names = node.get("properties", {}) if whole else node.get("required", ())
            return {name: sample(schema, node["properties"][name], whole=whole) for name in names}
        case "array":
            return [sample(schema, node["items"], whole=whole)]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return node["enum"][0] if "enum" in node else "2026-01-01T00:00:00Z"


def words() -> list[str]:
    """Actions and field names, for a fuzzer that puts texts together."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.update(node.get("properties", {}), (text for text in node.get("enum", ()) if isinstance(text, str)))
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    for version in VERSIONS.values():
        found |= version.from_station
        for action in version.from_station:
            walk(schemas(version).request(action))
    return sorted(word for word in found if word.isascii())
