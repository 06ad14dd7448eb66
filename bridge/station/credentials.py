"""Passwords of stations (security profile 1): argon2 hashes, checked beside the event loop."""

import asyncio
import re
import secrets
from collections.abc import Callable
from functools import cached_property

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
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def check(self, identity: str, user: str, password: bytes) -> bool:
        """Whether the station may connect: the user is its identity and the password is its own.

        Takes as long for an unknown station as for a wrong password.
        """
        stored = self._stored(identity)
        async with self._gate:
            right = await asyncio.to_thread(self._verify, stored, password)
        return right and stored is not None and secrets.compare_digest(user.encode(), identity.encode())

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
