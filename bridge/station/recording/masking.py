"""A frame as it may be given away: without passwords and keys, and on demand without tokens. Pure."""

import re
import secrets
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from bridge.ocpp.secrets import MASK, Hides, Masking, folded, setting_in, unreadable_in

#: fields that hold a token, and settings that do, by their folded names
_TOKENS = frozenset(
    {
        "additionalidtoken",
        "customeridentifier",
        "idtag",
        "idtoken",
        "masterpassgroupid",
        "parentidtag",
        "parentidtoken",
    }
)
_TOKEN_SETTINGS = ("idtag", "idtoken", "masterpassgroupid")
_VALUES = frozenset({"actualvalue", "attributevalue", "value"})
MAX_TOKENS = 1_000
"""Of one recording that are looked for in texts, the last ones."""
SHORTEST = 4
"""Characters of those; a shorter one stands in too many texts by chance."""


class Tokens:
    """What stands for the tokens of one recording."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._seen: dict[str, None] = {}  # in small letters, the last one last

    def hidden(self, token: str) -> str:
        """The same for the same token, and nobody can reckon it back."""
        # Tokens are equal in whatever capitals; an idTag has at most 20 characters (OCPP 1.6 §7.28).
        plain = token.lower()
        self._seen.pop(plain, None)
        self._seen[plain] = None
        if len(self._seen) > MAX_TOKENS:
            del self._seen[next(iter(self._seen))]
        return "#" + blake2b(plain.encode("utf-8", "replace"), key=self._key, digest_size=8).hexdigest()

    def hidden_in(self, text: str) -> str:
        """A text that somebody wrote, with the same for each token in it that has come before."""
        plain = text.lower()
        found = [token for token in self._seen if len(token) >= SHORTEST and token in plain]
        for token in sorted(found, key=len, reverse=True):  # one may be the beginning of another
            text = re.sub(re.escape(token), self.hidden(token), text, flags=re.IGNORECASE)
        return text


def masked_frame(frame: list[Any], hides: Hides, tokens: Tokens | None) -> list[Any]:
    """The frame with *** for each secret, and a code for each token where `tokens` are to be hidden."""
    masking = Masking(hides, unreadable_in(frame)) if tokens is None else _TokenMasking(hides, frame, tokens)
    if len(frame) > 3 and str(frame[2]).lower() == "notifycustomerinformation" and isinstance(frame[3], dict):
        open_data = {name: MASK if name.lower() == "data" else child for name, child in frame[3].items()}
        frame = [*frame[:3], open_data, *frame[4:]]
    found = masking.frame(frame)
    return found if isinstance(found, list) else []


class _TokenMasking(Masking):
    """With a code for each token."""

    def __init__(self, hides: Hides, frame: list[Any], tokens: Tokens) -> None:
        super().__init__(hides, unreadable_in(frame))
        self._tokens = tokens
        self._is_tokens = False  # what is read belongs to a setting that holds a token

    def open_text(self, text: str) -> Any:
        found = super().open_text(text)
        return self._tokens.hidden_in(found) if isinstance(found, str) else found

    def field(self, spelled: str, child: Any, fields: Mapping[str, Any], secret: bool) -> Any:
        name, setting = folded(spelled), setting_in(fields).lower()
        of_tokens = setting == "token" or any(word in setting for word in _TOKEN_SETTINGS)
        before, self._is_tokens = self._is_tokens, self._is_tokens or of_tokens
        try:
            token = name in _TOKENS or (self._is_tokens and name in _VALUES)
            if token and isinstance(child, str | int) and not isinstance(child, bool) and child != "":
                return self._tokens.hidden(str(child))
            if name == "info" and isinstance(child, str):
                return self.open_text(child)
            return super().field(spelled, child, fields, secret)
        finally:
            self._is_tokens = before
