"""What a station says of itself when it connects: the identity in its URL, user and password, or a browser. Pure."""

import binascii
import re
from typing import Protocol
from urllib.parse import unquote_to_bytes

MAX_IDENTITY = 48  # OCPP 2.0.1 §4.1: identifierString[48]; 1.6 sets no limit
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Headers(Protocol):
    """Those of a request, by name."""

    def get_all(self, name: str) -> list[str]: ...


def is_web_page(headers: Headers) -> bool:
    """Whether a page in a browser connects (RFC 6455 §10.2): it cannot choose these two, and stations send not both."""
    agents = headers.get_all("User-Agent")
    return bool(headers.get_all("Origin")) and any(agent.startswith("Mozilla/") for agent in agents)


def parse_identity(target: str, path: str) -> str | None:
    """The station's identity: the one segment of a request target behind `path`, percent-decoded.

    A trailing slash and a query are passed over. None for anything else that is no identity.
    """
    prefix = path.rstrip("/") + "/"
    plain = target.partition("?")[0]
    if not plain.startswith(prefix):
        return None
    segment = plain.removeprefix(prefix).removesuffix("/").encode("ascii", "surrogateescape")
    if _ESCAPE.search(segment):
        return None
    try:
        identity = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if identity in (".", "..") or len(identity) > MAX_IDENTITY or "/" in identity or not identity.isprintable():
        return None
    return identity or None


def parse_basic(header: str) -> tuple[str, bytes] | None:
    """User and password of an Authorization header (RFC 7617); the password need not be UTF-8."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, found, password = binascii.a2b_base64(encoded.strip(), strict_mode=True).partition(b":")
        return (user.decode("utf-8"), password) if found else None
    except (binascii.Error, ValueError):
        return None
