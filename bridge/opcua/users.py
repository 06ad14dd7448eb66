"""Who is who: names, passwords, certificates and roles. Nobody is an administrator of the address space."""

import asyncio
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole

from bridge.opcua.settings import Account
from bridge.points.roles import Role

ANONYMOUS = "anonymous"
NOBODY = "nobody"
MOST_PASSWORD = 1_024  # bytes; argon2 would hash a megabyte


@dataclass
class BridgeUser(User):
    """asyncua's User with our own role. To asyncua everybody is a plain user, who may not change nodes."""

    role: UserRole = UserRole.User
    name: str | None = NOBODY
    rights: Role = "observer"


class Users:
    """Checks identities. Passwords are checked in one thread of their own: each takes some 30 ms of CPU."""

    def __init__(self, anonymous: str, accounts: Mapping[str, Account]) -> None:
        self._anonymous = anonymous
        self._accounts = dict(accounts)
        self._hasher = PasswordHasher()
        self._thread = ThreadPoolExecutor(1, "opcua-password")
        self._unknown = ""

    def replace(self, accounts: Mapping[str, Account]) -> None:
        """These are the users from now on."""
        self._accounts = dict(accounts)

    def anonymous(self) -> BridgeUser:
        """The user of a client that names none. Raises ServiceError where the bridge wants to know."""
        role = self._anonymous
        if role in ("observer", "operator", "engineer", "admin"):
            return BridgeUser(name=ANONYMOUS, rights=role)  # type: ignore[arg-type]
        raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)

    async def with_password(self, name: str, password: str) -> BridgeUser:
        """The user of that name. Raises ServiceError(BadUserAccessDenied), after the same time for any reason."""
        known = self._accounts.get(name)
        stored = known.password_hash if known is not None else ""
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._thread, self._check, stored, password)
        if known is None or not right:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return BridgeUser(name=name, rights=known.role)

    def with_certificate(self, der: bytes) -> BridgeUser:
        """The user of that certificate, who has shown that the key is there. Raises ServiceError."""
        fingerprint = hashlib.sha256(der).hexdigest()
        for name, account in self._accounts.items():
            if account.certificate == fingerprint:
                return BridgeUser(name=name, rights=account.role)
        raise ServiceError(ua.StatusCodes.BadUserAccessDenied)

    def still_is(self, user: BridgeUser) -> bool:
        """Whether a user that was identified before is one now, with the same role."""
        if user.name == ANONYMOUS and user.rights == self._anonymous:
            return True
        account = self._accounts.get(user.name or "")
        return account is not None and account.role == user.rights

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _check(self, password_hash: str, password: str) -> bool:
        if not password_hash:
            self._unknown = self._unknown or self._hasher.hash("")
        try:
            self._hasher.verify(password_hash or self._unknown, password)
        except (VerificationError, InvalidHashError):
            return False
        return bool(password_hash)
