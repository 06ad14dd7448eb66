"""A frame as it may be given away: without passwords and keys, and on demand without tokens. Pure."""

import secrets
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from bridge.ocpp.secrets import MASK, Hides, Masking, setting_in, unreadable_in

#: fields that hold a token, and settings that do, by their folded names
_TOKENS = frozenset({"additionalidtoken", "idtag", "idtoken", "masterpassgroupid", "parentidtag", "parentidtoken"})
_TOKEN_SETTINGS = ("idtag", "idtoken", "masterpassgroupid")
_VALUES = frozenset({"actualvalue", "attributevalue", "value"})

HideToken = Callable[[str], str]


def token_hasher() -> HideToken:
    """What stands for a token: the same for the same token within one recording, and nobody can reckon it back."""
    key = secrets.token_bytes(32)

    def hidden(token: str) -> str:
        # Tokens are equal in whatever capitals; an idTag has at most 20 characters (OCPP 1.6 §7.28).
        return "#" + blake2b(token.lower().encode("utf-8", "replace"), key=key, digest_size=8).hexdigest()

    return hidden


def masked_frame(frame: list[Any], hides: Hides, hide_token: HideToken | None) -> list[Any]:
    """The frame with *** for each secret."""
    masking = _Masking(hides, unreadable_in(frame), hide_token)
    if len(frame) > 3 and str(frame[2]).lower() == "notifycustomerinformation" and isinstance(frame[3], dict):
        open_data = {name: MASK if name.lower() == "data" else child for name, child in frame[3].items()}
        frame = [*frame[:3], open_data, *frame[4:]]
    found = masking.frame(frame)
    return found if isinstance(found, list) else []


class _Masking(Masking):
    """With a code for each token, where one is asked for."""

    def __init__(self, hides: Hides, unreadable: frozenset[str], hide_token: HideToken | None) -> None:
        super().__init__(hides, unreadable)
        self._hide_token = hide_token
        self._is_tokens = False  # what is read belongs to a setting that holds a token

    def field(self, name: str, child: Any, fields: Mapping[str, Any], secret: bool) -> Any:
        if self._hide_token is None:
            return super().field(name, child, fields, secret)
        setting = setting_in(fields).lower()
        before, self._is_tokens = self._is_tokens, self._is_tokens or any(word in setting for word in _TOKEN_SETTINGS)
        try:
            token = name in _TOKENS or (self._is_tokens and name in _VALUES)
            if token and isinstance(child, str | int) and not isinstance(child, bool) and child != "":
                return self._hide_token(str(child))
            return super().field(name, child, fields, secret)
        finally:
            self._is_tokens = before
