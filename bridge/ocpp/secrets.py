"""What of a station's messages must not be stored, shown or given away: passwords, keys, PINs. Pure.

Log, store, audit trail, points and recordings all ask here. Names count in whatever capitals they come, and without
the marks between their words: `WiFi_PSK` is `wifipsk`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

MASK = "***"
Hides = Callable[[Mapping[str, Any]], bool]
"""Whether what names a variable of a 2.x device model names one whose value nobody may read."""

_SECRET = re.compile(
    r"passw|passphrase|passcode|pwd|secret|credential|psk$|^psk|presharedkey|privatekey"
    r"|(access|api|auth|bearer|refresh|security|session)token$|^pin$|(sim|user|puk|card)pin$|pincode|^puk$"
)
#: a name that ends so is a key's, unless what stands before it says otherwise
_KEY = re.compile(r"keys?\d*$")
#: words before it: everybody may know it, it says which key is meant or how many, or it is pressed or looked up by
_OPEN_KEY = re.compile(
    r"(public|configuration|unknown)$|^(arrow|foreign|function|hot|max|number|of|primary|routing|soft|sort)$"
)
#: words of one piece that end so by chance
_NO_KEY = frozenset({"donkey", "hockey", "jockey", "monkey", "turkey", "turnkey", "whiskey"})
_MARKS = re.compile(r"[^a-z0-9]+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: parameters of a URL that let in whoever has it
_IN_URL = re.compile(r"^(token|sig|auth|code)$|signature$|token$")
#: where a frame that is no JSON, or a text, may speak of a secret
_WORDS = re.compile(
    r"passw|passphrase|pwd|secret|credential|psk\b|(?<!public)key\b.?\s*[\":=]|authorizationkey|private ?key"
)
#: what one of them begins with: looking for these is quick, also in megabytes
_STEMS = ("passw", "passphrase", "pwd", "secret", "credential", "psk", "key")
#: fields beside which `key` is the name of a setting (OCPP 1.6 §7.22, §7.29)
_BESIDE_KEY = frozenset({"value", "readonly"})
#: where the value of a setting stands that another field names
_VALUES = frozenset({"actualvalue", "attributevalue", "value"})
_ATTRIBUTES = frozenset({"variableattribute", "variablemonitoring"})
_KINDS = ("Actual", "Target", "MinSet", "MaxSet")
#: the password in a URL such as ftp://user:password@host (RFC 3986 §3.2.1); one with a / in it, which may not stand
#: there and does, is told from host:port. Lengths have an end: who sends a megabyte of them must not hold us up
_PASSWORD = re.compile(
    r"(?<=://)(?P<user>[^/?#\s:@\[]{0,200}:)([^/?#\s]{0,200}(?=@)|(?!\d{0,9}(?:[/?#\s]|$))\S{0,200}(?=@))"
)
#: what stands alone for both is a token on the web, and a user's name elsewhere
_WEB_TOKEN = re.compile(r"(?P<scheme>\b(?:https?|wss?)://)[^/?#\s:@]+(?=@)", re.IGNORECASE)
_QUERY = re.compile(r"(?P<name>[?&;#](?P<word>[^=&;#\s]{1,100})=)[^&;#\s\"']+")
#: a value behind its name, in a text that somebody wrote
_TOLD = re.compile(r"(?P<name>[\w-]{1,60})(?P<is>[\"']?\s*[=:]\s*[\"']?)(?P<value>[^\s\"',;]+)")
#: a key in the form of RFC 7468
PEM = "PRIVATE KEY-----"
#: texts of no schema: of vendors, customers, and what is told of an error
_OPEN_TEXTS = frozenset({"additionalinfo", "data", "errordescription", "techinfo"})
MAX_DEPTH = 100  # of what is looked through; what lies deeper is left out


def folded(name: str) -> str:
    """A name in small letters, without the marks between its words."""
    return _MARKS.sub("", name.lower())


def is_secret(name: str) -> bool:
    """Whether a field, configuration key or variable of this name holds a secret."""
    plain = folded(name)
    return bool(_SECRET.search(plain)) or (plain not in ("key", "keys") and bool(_KEY.search(plain)) and _is_key(name))


def _is_key(name: str) -> bool:
    """Whether a name that ends with `key` is that of one: what its last word but one says, or its only one."""
    words = [word.lower() for word in _WORD.findall(name) if not word.isdecimal()]
    last = words.pop().removesuffix("s") if words else "key"
    if last in _NO_KEY:
        return False
    before = last.removesuffix("key") or (words[-1] if words else "")
    return not _OPEN_KEY.search(before)


def hides_nothing(named: Mapping[str, Any]) -> bool:
    """For a station whose device model is not known."""
    return False


def masked(payload: Mapping[str, Any], hides: Hides = hides_nothing) -> dict[str, Any]:
    """A payload, or any JSON object of one, with *** for each secret."""
    found = Masking(hides, unreadable_in(payload)).below(payload)
    return found if isinstance(found, dict) else {}


def masked_text(text: str) -> str:
    """The same of a text that somebody wrote, such as the description of an error."""
    found = Masking(hides_nothing).open_text(text)
    return found if isinstance(found, str) else MASK


def masked_values(text: str) -> str:
    """A text that somebody wrote with *** for what stands behind a secret's name in it, and in URLs."""
    found = Masking(hides_nothing).below(text)
    return _TOLD.sub(
        lambda told: f"{told['name']}{told['is']}{MASK}" if is_secret(told["name"]) else told[0], str(found)
    )


def may_hold_secret(frame: str | bytes, hides: Hides = hides_nothing) -> bool:
    """Whether a frame that has not been read yet holds a secret in the clear.

    Customers' data is none of the log's business either, nor what is told of a token beside its id, such as a PIN.
    """
    if not isinstance(frame, str):
        return False
    text = frame.lower()
    if "notifycustomerinformation" in text or "additionalidtoken" in text:
        return True
    try:
        found = msgspec.json.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return speaks_of_secret(text)
    return bool(Masking(hides, unreadable_in(found)).frame(found) != found)


def speaks_of_secret(text: str) -> bool:
    """Whether a text of no known form has a word in it that goes with a secret."""
    text = text.lower()
    if any(stem in text for stem in _STEMS) and _WORDS.search(text):
        return True
    return "://" in text and bool(_PASSWORD.search(text) or _WEB_TOKEN.search(text) or _in_query(text))


def unreadable_in(node: Any, depth: int = 0) -> frozenset[str]:
    """The variables that a report says may only be written, also where this is the first word of them."""
    return frozenset(_unreadable(node, depth))


def _unreadable(node: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH or not isinstance(node, list | dict):
        return
    if isinstance(node, dict):
        fields = _folded_fields(node)
        if any(_write_only(entry) for entry in _entries(fields.get("variableattribute"))):
            yield _place(fields)
        node = list(node.values())
    for child in node:
        yield from _unreadable(child, depth + 1)


class Masking:
    """Goes through what JSON can hold. `unreadable`: variables that may only be written, beside those of `hides`."""

    def __init__(self, hides: Hides, unreadable: frozenset[str] = frozenset()) -> None:
        self._hides = hides
        self._unreadable = unreadable
        self._depth = 0

    def frame(self, node: Any) -> Any:
        """A whole frame. The description of a CALLERROR may repeat what was sent."""
        if isinstance(node, list) and len(node) > 3 and node[0] in (4, 5) and isinstance(node[3], str):
            return [*map(self.below, node[:3]), self.open_text(node[3]), *map(self.below, node[4:])]
        return self.below(node)

    def below(self, node: Any) -> Any:
        if isinstance(node, str):
            return self._text(node)
        if not isinstance(node, list | Mapping):
            return node
        if self._depth >= MAX_DEPTH:
            return MASK
        self._depth += 1
        try:
            return self._object(node) if isinstance(node, Mapping) else [self.below(child) for child in node]
        finally:
            self._depth -= 1

    def open_text(self, text: str) -> Any:
        """A text of no schema: masked whole where it speaks of a secret and is no JSON."""
        found = self._text(text)
        return MASK if found == text and not _is_json(text) and speaks_of_secret(text) else found

    def _object(self, node: Mapping[str, Any]) -> dict[str, Any]:
        fields = _folded_fields(node)
        setting = setting_in(fields)
        secret = is_secret(setting) or self._is_hidden(node, fields)
        return {name: self.field(str(name), child, fields, secret) for name, child in node.items()}

    def field(self, spelled: str, child: Any, fields: Mapping[str, Any], secret: bool) -> Any:
        """One field of an object: its name and value; the object's fields; whether it names a secret."""
        name = folded(spelled)
        if child is None or child == "" or isinstance(child, bool):
            return child
        if not isinstance(child, list | Mapping):
            own = is_secret(spelled) or (name == "key" and not fields.keys() & _BESIDE_KEY)
            if own or (secret and name in _VALUES) or (name == "additionalidtoken" and _is_pin(fields)):
                return MASK
        elif is_secret(spelled):
            return self._covered(child)
        elif name in _ATTRIBUTES:
            return self._attributes(child, secret)
        if name in _OPEN_TEXTS and isinstance(child, str):
            return self.open_text(child)
        return self.below(child)

    def _attributes(self, node: Any, secret: bool) -> Any:
        if isinstance(node, list):
            return [self._attributes(child, secret) for child in node]
        if not isinstance(node, Mapping) or not (secret or _write_only(node)):
            return self.below(node)
        return {
            name: MASK if folded(str(name)) in _VALUES and child not in (None, "") else self.below(child)
            for name, child in node.items()
        }

    def _is_hidden(self, node: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
        if not isinstance(fields.get("variable"), Mapping):
            return False
        if self._unreadable and _place(fields) in self._unreadable:
            return True
        if self._hides(node):
            return True
        # A report has attributes where a question has the kind of one.
        named = {"component": fields.get("component"), "variable": fields["variable"]}
        kinds = {
            str(_folded_fields(entry).get("type", "Actual")) for entry in _entries(fields.get("variableattribute"))
        }
        return any(self._hides({**named, "attributeType": kind}) for kind in kinds & set(_KINDS))

    def _text(self, text: str) -> str:
        if _is_json(text):
            return self._json(text)
        if PEM in text:
            return MASK
        if "://" not in text:
            return text
        text = _WEB_TOKEN.sub(rf"\g<scheme>{MASK}", _PASSWORD.sub(rf"\g<user>{MASK}", text))
        return _QUERY.sub(lambda found: found["name"] + MASK if _opens(found["word"]) else found[0], text)

    def _covered(self, node: Any) -> Any:
        """What stands below the name of a secret, whatever it is."""
        if isinstance(node, Mapping):
            return {name: self._covered(child) for name, child in node.items()}
        if isinstance(node, list):
            return [self._covered(child) for child in node]
        return node if node is None or node == "" or isinstance(node, bool) else MASK

    def _json(self, text: str) -> str:
        """JSON within a text, as in DataTransfer."""
        try:
            node = msgspec.json.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return MASK if speaks_of_secret(text) else text
        found = self.below(node)
        return text if found == node else msgspec.json.encode(found).decode()


def setting_in(fields: Mapping[str, Any]) -> str:
    """The configuration key or variable that an object names, "" for none. `fields`: by their folded names."""
    key, variable = fields.get("key"), fields.get("variable")
    if isinstance(key, str):
        return key
    name = _folded_fields(variable).get("name") if isinstance(variable, Mapping) else None
    return name if isinstance(name, str) else ""


def _folded_fields(node: Mapping[str, Any]) -> dict[str, Any]:
    return {folded(str(name)): child for name, child in node.items()}


def _place(fields: Mapping[str, Any]) -> str:
    """Equal for the same variable of the same component."""
    component = fields.get("component")
    name = _folded_fields(component).get("name") if isinstance(component, Mapping) else ""
    return f"{name}.{setting_in(fields)}".lower()


def _entries(found: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in (found if isinstance(found, list) else [found]) if isinstance(entry, Mapping)]


def _write_only(entry: Any) -> bool:
    return isinstance(entry, Mapping) and folded(str(_folded_fields(entry).get("mutability"))) == "writeonly"


def _is_pin(fields: Mapping[str, Any]) -> bool:
    """Whether what is told of a token beside its id is a PIN or the like (OCPP 2.0.1 §2.1 AdditionalInfoType)."""
    return is_secret(str(fields.get("type", "")))


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _in_query(text: str) -> bool:
    return any(_opens(found["word"]) for found in _QUERY.finditer(text))


def _opens(word: str) -> bool:
    plain = folded(word)
    return plain == "key" or bool(_IN_URL.search(plain)) or is_secret(word)
