"""Passwords of stations (security profiles 1 and 2): hashes, and checks beside the event loop.

A check takes 20 to 50 ms of a core. One that went well is remembered, so that a station that comes back costs nothing:
what is kept is a digest of it under a key that this process alone has, and never a password. The hash of a key that
the bridge has made itself is quick: nobody guesses 20 random bytes, and a thousand stations may come back at once.

Beside the hash of any other password stands its mark, a digest under the key of the installation. So a right password
is known at once, also amid guesses from the same address, and also after a restart. That key is no part of the store:
who has a copy of the store alone has to guess as slowly as without the mark. A hash without one, or with that of
another installation as in a backup that was restored, gets its own with the first good login.
"""

import asyncio
import base64
import hashlib
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from bridge.store.logins import Login

_HEX_KEY = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,40}")
_QUICK = "$blake2b$"
_MARK = "!"
"""Between the hash of a password and its mark."""
_KEY_SIZE = 32
#: what OWASP asks for at least, "argon2id, 19 MiB, 2 iterations": after a restart all stations are checked anew
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
#: guessers must leave half of the machine to the rest
_AT_ONCE = max(1, (os.cpu_count() or 2) // 2)
#: stations whose last good login is remembered
REMEMBERED = 50_000


def installation_key(folder: Path) -> bytes:
    """The key of the marks, made the first time. Where the folder cannot be written it lasts for this process."""
    file = folder / "logins.key"
    with suppress(OSError):
        if len(key := file.read_bytes()) == _KEY_SIZE:
            return key
    key, part = secrets.token_bytes(_KEY_SIZE), file.with_suffix(f".{secrets.token_hex(4)}")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        part.touch(0o600, exist_ok=False)
        part.write_bytes(key)
        part.replace(file)
    return key


def hash_password(password: str, key: bytes = b"") -> str:
    """The hash to store of a station's password. One of 32 to 80 hexadecimal digits is a key of bytes.

    key: the installation's, for the mark; without it there is none.
    """
    text = _canonical(password.encode())
    return _marked(_HASHER.hash(text), text, key)


def password_problem(password: str, longest: int = 40) -> str:
    """What is wrong with a new password, "" for nothing (OCPP 1.6 whitepaper A00.FR.205, OCPP 2.0.1 A00.FR.205).

    A key of 16 to 40 bytes may be given as its hexadecimal digits. longest: characters; 64 from OCPP 2.1 on.
    """
    if 16 <= len(password) <= longest or _HEX_KEY.fullmatch(password.encode()):
        return ""
    return f"expected a password of 16 to {longest} characters, or 32 to 80 hexadecimal digits, not {len(password)}"


def make_key() -> tuple[str, str]:
    """A new random key of 20 bytes, as the 40 hexadecimal digits of an AuthorizationKey, and its hash."""
    key = secrets.token_hex(20)
    return key, _quick_hash(key.encode(), secrets.token_bytes(16))


def fitting_hash(hashes: tuple[str, ...], password: bytes) -> str | None:
    """The first of the hashes that a password fits; takes its time."""
    return next((stored for stored in hashes if _fitting_text(stored, password) is not None), None)


class Fitting(NamedTuple):
    """The stored hash that a login fits, and how it should be stored: with a mark of this installation."""

    stored: str
    marked: str


class Credentials:
    """Checks a station's basic authentication against the hashes in the store."""

    def __init__(self, login: Callable[[str], Login], key: bytes = b"") -> None:
        """key: the installation's; without it no mark counts."""
        self._login = login
        self._marks = key
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._good: dict[str, tuple[bytes, str]] = {}  # identity → digest of its last good login and the hash it fits

    def recognize(self, identity: str, user: str, password: bytes) -> str | None:
        """The stored hash that a login fits, where that shows at once. None says nothing."""
        login = self._login(identity)
        if user != identity or not password:
            return None
        digest = self._digest(identity, password, login.hashes)
        known, fitting = self._good.get(identity, (b"", ""))
        if secrets.compare_digest(known, digest):
            return fitting
        marked = next((stored for stored in login.hashes if _bears_mark(stored, password, self._marks)), None)
        if marked is not None:
            return marked
        quick = [stored for stored in login.hashes if stored.startswith(_QUICK)]
        return fitting_hash(tuple(quick), password)

    async def check(self, identity: str, user: str, password: bytes) -> Fitting | None:
        """What a login fits; None: the station may not connect.

        The user has to be the station's identity. Takes as long for an unknown station as for a wrong password.
        """
        recognized = self.recognize(identity, user, password)
        if recognized is not None:
            return Fitting(recognized, recognized)
        login = self._login(identity)
        async with self._gate:
            fitting = await asyncio.to_thread(self._verify, login.hashes, password)
        if fitting is None or not password or not secrets.compare_digest(user.encode(), identity.encode()):
            return None
        self._remember(identity, self._digest(identity, password, login.hashes), fitting.stored)
        return fitting

    def _digest(self, identity: str, password: bytes, hashes: tuple[str, ...]) -> bytes:
        """Of all that a login's outcome depends on: with other stored hashes an earlier one counts no more."""
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in (identity.encode(), password, *(stored.encode() for stored in hashes)):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def _remember(self, identity: str, digest: bytes, fitting: str) -> None:
        self._good.pop(identity, None)  # so that it goes to the end
        self._good[identity] = digest, fitting
        if len(self._good) > REMEMBERED:
            del self._good[next(iter(self._good))]

    @cached_property
    def _nobody(self) -> str:
        """What an unknown station's password is compared with. It takes a while, so not before it is needed."""
        return _HASHER.hash(secrets.token_bytes(16))

    def _verify(self, hashes: tuple[str, ...], password: bytes) -> Fitting | None:
        nobody = self._nobody  # whoever asks first: it must not show who is unknown
        slow = [stored for stored in hashes if not stored.startswith(_QUICK)]
        if not slow:
            _fitting_text(nobody, password)
        for stored in slow:
            if (text := _fitting_text(stored, password)) is not None:
                return Fitting(stored, self._marked(stored, text))
        return None

    def _marked(self, stored: str, text: bytes) -> str:
        return _marked(stored.partition(_MARK)[0], text, self._marks) if self._marks else stored


def _fitting_text(stored: str, password: bytes) -> bytes | None:
    """What of a password was hashed, if it fits."""
    return next((text for text in _texts(password) if _matches(stored, text)), None)


def _texts(password: bytes) -> tuple[bytes, bytes]:
    # A key is sent as its bytes (OCPP whitepaper, A00.FR.204), by many stations as its hexadecimal digits.
    return _canonical(password), password.hex().encode()


def _matches(stored: str, text: bytes) -> bool:
    try:
        if stored.startswith(_QUICK):
            salt = base64.b64decode(stored.split("$")[2], validate=True)
            return secrets.compare_digest(_quick_hash(text, salt), stored)
        return _HASHER.verify(stored.partition(_MARK)[0], text)
    except (Argon2Error, InvalidHashError, ValueError, IndexError):
        return False


def _bears_mark(stored: str, password: bytes, key: bytes) -> bool:
    hashed, _, mark = stored.partition(_MARK)
    if not mark or not key:
        return False
    return any(secrets.compare_digest(_mark(hashed, text, key), mark) for text in _texts(password))


def _marked(hashed: str, text: bytes, key: bytes) -> str:
    return f"{hashed}{_MARK}{_mark(hashed, text, key)}" if key else hashed


def _mark(hashed: str, text: bytes, key: bytes) -> str:
    """The salt is in the hash."""
    return hashlib.blake2b(hashed.encode() + b"\0" + text, key=key, digest_size=32).hexdigest()


def _quick_hash(text: bytes, salt: bytes) -> str:
    digest = hashlib.blake2b(text, salt=salt, digest_size=32).digest()
    return f"{_QUICK}{base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _canonical(password: bytes) -> bytes:
    return password.lower() if _HEX_KEY.fullmatch(password) else password
