"""OCPP-J frames: JSON text ↔ Call, CallResult, CallError (OCPP-J 1.6 §4.2), ResultError, Send (OCPP 2.1 part 4 §4.2).

A frame that `decode` gives has at most MAX_DEPTH levels, no NaN and no lone surrogates: what takes a payload from
here can encode it as JSON again. Its integers may have up to 4,300 digits. Of two equal keys the last one counts.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.errors import BridgeError
from bridge.ocpp.versions import FrameKind

CALL = 2
CALLRESULT = 3
CALLERROR = 4
CALLRESULTERROR = 5
SEND = 6
_KNOWN = frozenset({CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND})

MAX_ID = 36
"""Characters in a message id (OCPP-J 1.6 §4.1.4)."""
MAX_DEPTH = 64
"""Levels of arrays and objects in a frame; OCPP itself needs ten."""
MAX_DESCRIPTION = 255
"""Characters in an errorDescription (OCPP-J 1.6 §4.2.3)."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

# The head of a frame whose JSON is broken further on: it tells which CALL was not understood.
_HEAD = re.compile(r'\ufeff?[ \t\r\n]*\[[ \t\r\n]*([0-9])[ \t\r\n]*,[ \t\r\n]*"([^"\\\x00-\x1f\ud800-\udfff]{1,36})"')


class Call(msgspec.Struct, frozen=True):
    """A request. `flaw` says what was wrong and tolerated; `digest` is equal for equal texts."""

    id: str
    action: str
    payload: dict[str, Any]
    flaw: str = ""
    digest: int = 0


class CallResult(msgspec.Struct, frozen=True):
    """The answer to a CALL. `flaw` says what was wrong and tolerated."""

    id: str
    payload: dict[str, Any]
    flaw: str = ""


class CallError(msgspec.Struct, frozen=True):
    """The refusal of a CALL."""

    id: str
    code: str
    description: str
    details: dict[str, Any]


class ResultError(msgspec.Struct, frozen=True):
    """The other side cannot use our CALLRESULT. OCPP 2.1 only."""

    id: str
    code: str
    description: str
    details: dict[str, Any]


class Send(msgspec.Struct, frozen=True):
    """A message that is never answered. OCPP 2.1 only. `flaw` says what was wrong and tolerated."""

    id: str
    action: str
    payload: dict[str, Any]
    flaw: str = ""


Frame = Call | CallResult | CallError | ResultError | Send


class FrameError(BridgeError):
    """A text that is no OCPP-J frame.

    kind: what is wrong, a key of `Version.codes`. message_id: the frame's own id where it can be read and is
    a legal one, else None. message_type: 2, 3, 4 … where it can be read. The description holds nothing of the
    frame's own content.
    """

    def __init__(
        self,
        kind: FrameKind,
        description: str,
        message_id: str | None = None,
        message_type: int | None = None,
    ) -> None:
        super().__init__(description)
        self.kind = kind
        self.description = description
        self.message_id = message_id
        self.message_type = message_type


def decode(data: str | bytes) -> Frame:
    """The frame in `data` (bytes are UTF-8). Raises FrameError, and never anything else.

    Tolerated: a payload that is null or missing, for an empty one (`flaw`), a CALLERROR without description or
    details. Which versions have which types of message is the peer's business.
    """
    text = data if isinstance(data, str) else _text(data)
    items = _array(text)
    message_type = items[0]
    if type(message_type) is not int:
        raise FrameError("frame", "the message type is not an integer", _id_or_none(items))
    if message_type not in _KNOWN:
        raise FrameError("message_type", "unknown message type", _id_or_none(items), message_type)
    message_id = _id_or_none(items)
    if message_id is None:
        raise FrameError("frame", "the message id is not a string of 1 to 36 characters", None, message_type)
    try:
        _check_depth(text, items)
        if message_type == CALL:
            return _call(message_id, items, hash(text))
        if message_type == CALLRESULT:
            return _result(message_id, items)
        if message_type == SEND:
            return _send(message_id, items)
        return _error(message_id, items) if message_type == CALLERROR else _result_error(message_id, items)
    except _BadFrameError as flaw:
        raise FrameError(flaw.kind, str(flaw), message_id, message_type) from None


def encode_call(message_id: str, action: str, payload: Mapping[str, Any]) -> str:
    """The text of a CALL. Raises TypeError, ValueError or RecursionError for a payload that is no JSON."""
    return _encode([CALL, message_id, action, payload]).decode()


def encode_result(message_id: str, payload: Mapping[str, Any]) -> str:
    """The text of a CALLRESULT. Raises as `encode_call` does."""
    return _encode([CALLRESULT, message_id, payload]).decode()


def encode_result_error(message_id: str, code: str, description: str = "") -> str:
    """The text of a CALLRESULTERROR, the description cut to what OCPP allows. Never raises."""
    return _encode([CALLRESULTERROR, message_id, code, _cut(description), {}]).decode()


def encode_error(message_id: str, code: str, description: str = "", details: Mapping[str, Any] | None = None) -> str:
    """The text of a CALLERROR, the description cut to what OCPP allows.

    Never raises: details that are no JSON are left out, since a station must get an answer in any case.
    """
    cut = _cut(description)
    try:
        return _encode([CALLERROR, message_id, code, cut, details or {}]).decode()
    except (TypeError, ValueError, RecursionError):
        return _encode([CALLERROR, message_id, code, cut, {}]).decode()


def _cut(description: str) -> str:
    return description[:MAX_DESCRIPTION].encode("utf-8", "replace").decode()


class _BadFrameError(Exception):
    """What is wrong with a frame whose head was good."""

    def __init__(self, kind: FrameKind, description: str) -> None:
        super().__init__(description)
        self.kind = kind


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _unreadable(data.decode(errors="replace"), "the frame is not UTF-8") from None


def _array(text: str) -> list[Any]:
    try:
        items = _decode(text)
    except RecursionError:
        raise _unreadable(text, "the frame is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError):
        raise _unreadable(text, "the frame is not JSON") from None
    if not isinstance(items, list):
        raise FrameError("frame", "the frame is not a JSON array")
    if not items:
        raise FrameError("frame", "the frame is an empty array")
    return items


def _unreadable(text: str, description: str) -> FrameError:
    head = _HEAD.match(text)
    if head is None:
        return FrameError("frame", description)
    return FrameError("frame", description, head[2], int(head[1]))


def _id_or_none(items: list[Any]) -> str | None:
    if len(items) > 1 and isinstance(items[1], str) and 0 < len(items[1]) <= MAX_ID:
        return items[1]
    return None


def _call(message_id: str, items: list[Any], digest: int) -> Call:
    action, payload, flaw = _request("CALL", items)
    return Call(message_id, action, payload, flaw, digest)


def _send(message_id: str, items: list[Any]) -> Send:
    return Send(message_id, *_request("SEND", items))


def _request(name: str, items: list[Any]) -> tuple[str, dict[str, Any], str]:
    if not 3 <= len(items) <= 4:
        raise _BadFrameError("frame", f"a {name} has 4 elements, not {len(items)}")
    if not isinstance(items[2], str):
        raise _BadFrameError("frame", "the action is not a string")
    return items[2], *_payload(items[3:])


def _result(message_id: str, items: list[Any]) -> CallResult:
    if not 2 <= len(items) <= 3:
        raise _BadFrameError("frame", f"a CALLRESULT has 3 elements, not {len(items)}")
    payload, flaw = _payload(items[2:])
    return CallResult(message_id, payload, flaw)


def _error(message_id: str, items: list[Any]) -> CallError:
    return CallError(message_id, *_refusal("CALLERROR", items))


def _result_error(message_id: str, items: list[Any]) -> ResultError:
    return ResultError(message_id, *_refusal("CALLRESULTERROR", items))


def _refusal(name: str, items: list[Any]) -> tuple[str, str, dict[str, Any]]:
    if not 3 <= len(items) <= 5:
        raise _BadFrameError("frame", f"a {name} has 5 elements, not {len(items)}")
    code, description, details = [*items[2:], None, None][:3]
    if not isinstance(code, str):
        raise _BadFrameError("frame", "the error code is not a string")
    return code, description if isinstance(description, str) else "", details if isinstance(details, dict) else {}


def _payload(rest: list[Any]) -> tuple[dict[str, Any], str]:
    if not rest:
        return {}, "the payload is missing"
    if isinstance(rest[0], dict):
        return rest[0], ""
    if rest[0] is None:
        return {}, "the payload is null instead of an empty object"
    raise _BadFrameError("formation", "the payload is not an object")


def _check_depth(text: str, items: list[Any]) -> None:
    # Counting brackets is quick, and enough for nearly every frame.
    if text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(items):
        raise _BadFrameError("frame", "the frame is nested too deeply")


def _too_deep(items: list[Any]) -> bool:
    level: list[Any] = [items]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            below += [
                child for child in (node.values() if isinstance(node, dict) else node) if isinstance(child, dict | list)
            ]
        if not below:
            return False
        level = below
    return True
