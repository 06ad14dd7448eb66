"""Who is who: names, passwords and roles. Nobody is an administrator of the address space."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole

from bridge.opcua.settings import Role

ANONYMOUS = "anonymous"


def may_write(role: str) -> bool:
    """Whether the role may write points and call methods."""
    return role in ("operator", "engineer")


@dataclass
class BridgeUser(User):
    """asyncua's User with our own role. To asyncua everybody is a plain user, who may not change nodes."""

    role: UserRole = UserRole.User
    name: str | None = ANONYMOUS
    rights: Role = "observer"


class Users:
    """Checks identities. Passwords are checked in one thread of their own: each takes some 30 ms of CPU."""

    def __init__(self, anonymous: str, users: Mapping[str, tuple[Role, str]]) -> None:
        self._anonymous = anonymous
        self._users = users
        self._hasher = PasswordHasher()
        self._thread = ThreadPoolExecutor(1, "opcua-password")
        self._nobody = ""

    def anonymous(self) -> BridgeUser:
        """The user of a client that names none. Raises ServiceError where the bridge wants to know."""
        if self._anonymous == "observer":
            return BridgeUser(rights="observer")
        if self._anonymous == "operator":
            return BridgeUser(rights="operator")
        if self._anonymous == "engineer":
            return BridgeUser(rights="engineer")
        raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)

    async def with_password(self, name: str, password: str) -> BridgeUser:
        """The user of that name. Raises ServiceError(BadUserAccessDenied), after the same time for any reason."""
        known = self._users.get(name)
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._thread, self._check, known[1] if known else None, password)
        if known is None or not right:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return BridgeUser(name=name, rights=known[0])

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _check(self, password_hash: str | None, password: str) -> bool:
        if password_hash is None:
            self._nobody = self._nobody or self._hasher.hash("")
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None
