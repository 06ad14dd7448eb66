"""What a station says of itself when it connects: the identity in its URL, user and password. Pure."""

import binascii
import re
from urllib.parse import unquote_to_bytes

MAX_IDENTITY = 48  # OCPP 2.0.1 §4.1: identifierString[48]; 1.6 sets no limit
_IDENTITY = re.compile(r"[^\x00-\x1f\x7f/]+")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


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
    if identity in (".", "..") or len(identity) > MAX_IDENTITY or not _IDENTITY.fullmatch(identity):
        return None
    return identity


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
