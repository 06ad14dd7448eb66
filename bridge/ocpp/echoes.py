"""What may be told of the words of a station, which may repeat a secret that it was sent. Pure."""

import json
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from itertools import takewhile
from typing import Any

import msgspec

from bridge.ocpp.schemas import resolved
from bridge.ocpp.secrets import MASK, PEM, Hides, masked

SHORTEST = 4
"""Characters: what is shorter stands in too many texts by chance."""
MOST = 16
"""CALLs with secrets whose secrets are remembered, of those that a station was sent."""
_HEX = re.compile(r"[0-9A-Fa-f]+")
LONG = 8
"""Characters: in what a station says unasked a shorter one may stand by chance, as a PIN in a token or a register."""


def public(text: str) -> str:
    """The value of a setting with *** for the secrets in it, such as the password in a URL."""
    if "://" not in text and PEM not in text and not text.lstrip().startswith(("{", "[")):
        return text
    return str(masked({"value": text})["value"])


def secrets_in(payload: Mapping[str, Any], hides: Hides) -> frozenset[str]:
    """The secrets in a CALL to a station."""
    return frozenset(found for found in _hidden(payload, masked(payload, hides)) if len(found) >= SHORTEST)


class Sent:
    """The secrets that a station was sent last, over whatever connection: it may repeat them after a reconnect too.

    `spelled`: those that are looked for in what it says unasked, as they may stand in a text.
    """

    def __init__(self) -> None:
        self.all: frozenset[str] = frozenset()
        self.spelled: tuple[str, ...] = ()
        self._latest: deque[frozenset[str]] = deque(maxlen=MOST)

    def add(self, secrets: frozenset[str]) -> None:
        """It is sent these in one CALL."""
        if secrets in self._latest:
            self._latest.remove(secrets)
        self._latest.append(secrets)
        self.all = frozenset().union(*self._latest)
        self.spelled = _spellings(self.all)


def _spellings(secrets: Collection[str]) -> tuple[str, ...]:
    """The secrets as they may stand in a text, also in JSON within it, the longest first. Not those that are short."""
    found = set[str]()
    for secret in secrets:
        if len(secret) < LONG:
            continue
        for case in {secret, secret.upper(), secret.lower()} if _HEX.fullmatch(secret) else {secret}:
            for is_ascii in (True, False):
                once = json.dumps(case, ensure_ascii=is_ascii)[1:-1]
                found |= {case, once, once.replace("/", "\\/"), json.dumps(once, ensure_ascii=is_ascii)[1:-1]}
    return tuple(sorted(found, key=len, reverse=True))


def without(node: Any, secrets: Collection[str]) -> Any:
    """What JSON can hold, with *** for each of the secrets wherever it stands in a text."""
    if isinstance(node, str):
        for secret in sorted(secrets, key=len, reverse=True):  # one may be the beginning of another
            node = node.replace(secret, MASK)
        return node
    if isinstance(node, Mapping):
        return {without(name, secrets): without(child, secrets) for name, child in node.items()}
    if isinstance(node, list):
        return [without(child, secrets) for child in node]
    if isinstance(node, int | float) and not isinstance(node, bool):
        return MASK if str(node) in secrets else node
    return node


def text_without(text: str, spelled: Collection[str]) -> str:
    """A text in which there may be a station's words, with *** for each of `Sent.spelled`."""
    for secret in spelled:
        text = text.replace(secret, MASK)
    return text


def texts_without(node: Any, spelled: Collection[str], schema: Mapping[str, Any], part: dict[str, Any]) -> Any:
    """The same of the texts of a CALL's payload: not of names, numbers, enumerations and times, which keep their
    meaning. `part` is what the action's `schema` says of the node.
    """
    part = resolved(schema, part)
    if isinstance(node, str):
        return node if "enum" in part or part.get("format") == "date-time" else text_without(node, spelled)
    if isinstance(node, Mapping):
        parts = part.get("properties", {})
        return {name: texts_without(child, spelled, schema, parts.get(name, {})) for name, child in node.items()}
    if isinstance(node, list):
        return [texts_without(child, spelled, schema, part.get("items", {})) for child in node]
    return node


def frame_without(frame: str | bytes, secrets: Collection[str]) -> str | bytes:
    """The same of a frame that has not been read yet."""
    try:
        node = msgspec.json.decode(frame)
        if isinstance(node, list) and node[:1] in ([2], [6]):
            secrets = [secret for secret in secrets if len(secret) >= LONG]
        found = without(node, secrets)
        return frame if found == node else msgspec.json.encode(found).decode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return without(frame if isinstance(frame, str) else frame.decode("utf-8", "replace"), secrets)  # type: ignore[no-any-return]


def _hidden(node: Any, shown: Any) -> Iterator[str]:
    """The texts in which two trees of the same shape differ."""
    if node == shown:
        return
    if isinstance(node, Mapping) and isinstance(shown, Mapping):
        for name, child in node.items():
            yield from _hidden(child, shown.get(name))
    elif isinstance(node, list) and isinstance(shown, list):
        for child, of_it in zip(node, shown, strict=True):
            yield from _hidden(child, of_it)
    elif isinstance(node, list | Mapping):
        yield from _leaves(node)
    else:
        text = str(node)
        yield text
        if PEM in text:  # a station that repeats a part of it repeats a line
            yield from (line for line in text.splitlines() if not line.startswith("-----"))
        elif isinstance(shown, str) and shown.startswith(("{", "[")):
            yield from _hidden(*(msgspec.json.decode(each) for each in (text, shown)))
        elif isinstance(shown, str) and shown != MASK:  # a part of it, such as the password in a URL
            begin = _alike(text, shown)
            end = _alike(text[:begin:-1], shown[:begin:-1])
            yield text[begin : len(text) - end]


def _alike(one: str, other: str) -> int:
    """Characters at the beginning of both."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, list | Mapping):
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _leaves(child)
    else:
        yield str(node)
