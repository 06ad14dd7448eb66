"""What of an answer is another one than was recorded. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

#: what is another one each time: the time of the answer, and a number that is given by the bridge (OCPP 1.6)
_OWN: Mapping[str, frozenset[str]] = {
    "BootNotification": frozenset({"currentTime"}),
    "Heartbeat": frozenset({"currentTime"}),
    "StartTransaction": frozenset({"transactionId"}),
}
_NONE = "nothing"
_MISSING: Any = object()


def differences(action: str, answer: list[Any] | None, recorded: list[Any] | None) -> list[str]:
    """How an answer to a CALL differs from the recorded one; [] for not at all, or where none was recorded."""
    if recorded is None or answer == recorded:
        return []
    if answer is None:
        return [f"no answer, was {_kind(recorded)}"]
    if answer[0] != recorded[0] or answer[0] == 4:
        now, before = _kind(answer), _kind(recorded)
        return [] if now == before else [f"{now}, was {before}"]
    return list(_payloads(_OWN.get(action, frozenset()), answer[2:3], recorded[2:3]))


def changes(payload: Any, recorded: Any) -> list[str]:
    """How the payload of a CALL differs from the recorded one. The bridge gives a new requestId each time."""
    if isinstance(payload, dict) and isinstance(recorded, dict) and {"requestId"} <= payload.keys() & recorded.keys():
        payload = {**payload, "requestId": recorded["requestId"]}
    return list(_below("", payload, recorded))


def _payloads(own: frozenset[str], answer: list[Any], recorded: list[Any]) -> Iterator[str]:
    now, before = (items[0] if items and isinstance(items[0], dict) else {} for items in (answer, recorded))
    yield from _below("", *({name: value for name, value in side.items() if name not in own} for side in (now, before)))


def _kind(frame: list[Any]) -> str:
    return f"CALLERROR {frame[2]}" if frame[0] == 4 and len(frame) > 2 else "CALLRESULT"


def _below(path: str, now: Any, before: Any) -> Iterator[str]:
    if isinstance(now, dict) and isinstance(before, dict):
        for name in [*now, *(name for name in before if name not in now)]:
            place = f"{path}.{name}" if path else name
            yield from _below(place, now.get(name, _MISSING), before.get(name, _MISSING))
    elif now != before:
        yield f"{path or 'payload'}: {_shown(now)}, was {_shown(before)}"


def _shown(value: Any) -> str:
    return _NONE if value is _MISSING else repr(value)
