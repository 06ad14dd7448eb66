"""Passwords of stations (security profile 1): argon2 hashes, checked beside the event loop."""

import asyncio
import re
import secrets
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_HEX_KEY = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,20}")
#: many logins at once must not take the memory that argon2 wants for each
_AT_ONCE = 4


def hash_password(password: str) -> str:
    """The hash to store of a station's password. One of 32 to 40 hexadecimal digits is a key of bytes."""
    return PasswordHasher().hash(_canonical(password.encode()))


class Credentials:
    """Checks a station's basic authentication against the hash in the store."""

    def __init__(self, stored: Callable[[str], str | None]) -> None:
        self._stored = stored
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_bytes(16))
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def check(self, identity: str, user: str, password: bytes) -> bool:
        """Whether the station may connect: the user is its identity and the password is its own.

        Takes as long for an unknown station as for a wrong password.
        """
        stored = self._stored(identity)
        async with self._gate:
            right = await asyncio.to_thread(self._verify, stored or self._nobody, password)
        return right and stored is not None and secrets.compare_digest(user.encode(), identity.encode())

    def _verify(self, stored: str, password: bytes) -> bool:
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
