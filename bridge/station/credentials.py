"""Passwords of stations (security profile 1): argon2 hashes, checked beside the event loop.

A check takes 50 to 250 ms of a core. One that went well is remembered, so that a station that comes back costs nothing:
what is kept is a digest of it under a key that this process alone has, and never a password.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_HEX_KEY = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,20}")
#: many logins at once must not take the memory that argon2 wants for each
_AT_ONCE = 4
#: stations whose last good login is remembered
REMEMBERED = 50_000


def hash_password(password: str) -> str:
    """The hash to store of a station's password. One of 32 to 40 hexadecimal digits is a key of bytes."""
    return PasswordHasher().hash(_canonical(password.encode()))


class Credentials:
    """Checks a station's basic authentication against the hash in the store."""

    def __init__(self, stored: Callable[[str], str | None]) -> None:
        self._stored = stored
        self._hasher = PasswordHasher()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._good: dict[str, bytes] = {}  # identity → digest of its last good login, the oldest first

    async def check(self, identity: str, user: str, password: bytes) -> bool:
        """Whether the station may connect: the user is its identity and the password is its own.

        Takes as long for an unknown station as for a wrong password.
        """
        stored = self._stored(identity)
        digest = self._digest(identity, user, password, stored or "")
        if stored is not None and secrets.compare_digest(self._good.get(identity, b""), digest):
            return True
        async with self._gate:
            right = await asyncio.to_thread(self._verify, stored, password)
        good = right and stored is not None and secrets.compare_digest(user.encode(), identity.encode())
        if good:
            self._remember(identity, digest)
        return good

    def _digest(self, identity: str, user: str, password: bytes, stored: str) -> bytes:
        """Of all that a login's outcome depends on: with another stored hash an earlier one counts no more."""
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in (identity.encode(), user.encode(), password, stored.encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def _remember(self, identity: str, digest: bytes) -> None:
        self._good.pop(identity, None)  # so that it goes to the end
        self._good[identity] = digest
        if len(self._good) > REMEMBERED:
            del self._good[next(iter(self._good))]

    @cached_property
    def _nobody(self) -> str:
        """What an unknown station's password is compared with. It takes a while, so not before it is needed."""
        return self._hasher.hash(secrets.token_bytes(16))

    def _verify(self, known: str | None, password: bytes) -> bool:
        nobody = self._nobody  # whoever asks first: it must not show who is unknown
        stored = known or nobody
        # A key is sent as its bytes (OCPP whitepaper, A00.FR.204), by many stations as its hexadecimal digits.
        text = _canonical(password) if _HEX_KEY.fullmatch(password) else password
        return self._matches(stored, text) or self._matches(stored, password.hex().encode())

    def _matches(self, stored: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False


def _canonical(password: bytes) -> bytes:
    return password.lower() if _HEX_KEY.fullmatch(password) else password
