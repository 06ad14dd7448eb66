"""Who is who: names, passwords, certificates and roles. Nobody is an administrator of the address space."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

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
MOST_PLACES = 10_000  # from which users have logged in, that are remembered

Place = tuple[str, str]
"""A machine, and the thumbprint of a client there: "" where clients cannot be told apart."""


@dataclass
class BridgeUser(User):
    """asyncua's User with our own role. To asyncua everybody is a plain user, who may not change nodes."""

    role: UserRole = UserRole.User
    name: str | None = NOBODY
    rights: Role = "observer"
    proof: str = field(default="", compare=False)  # hash of the password, or of the certificate, that it came with

    @property
    def is_known(self) -> bool:
        """It has said and shown who it is."""
        return bool(self.proof)


class Users:
    """Checks identities. Passwords are checked in one thread of their own: each takes some 30 ms of CPU."""

    def __init__(self, anonymous: str, accounts: Mapping[str, Account]) -> None:
        self._anonymous = anonymous
        self._accounts = dict(accounts)
        self._hasher = PasswordHasher()
        self._thread = ThreadPoolExecutor(1, "opcua-password")
        self._key = secrets.token_bytes(32)
        # by place and name: digests of the passwords that were right there, with what the users have now
        self._good: OrderedDict[tuple[Place, str], bytes] = OrderedDict()

    def __bool__(self) -> bool:
        """There are users with a name."""
        return bool(self._accounts)

    def replace(self, accounts: Mapping[str, Account]) -> None:
        """These are the users from now on."""
        before, self._accounts = self._accounts, dict(accounts)
        for place, name in list(self._good):
            if _hash_of(before.get(name)) != _hash_of(accounts.get(name)):
                del self._good[place, name]

    def anonymous(self) -> BridgeUser:
        """The user of a client that names none. Raises ServiceError where the bridge wants to know."""
        role = self._anonymous
        if role in ("observer", "operator", "engineer", "admin"):
            return BridgeUser(name=ANONYMOUS, rights=role)  # type: ignore[arg-type]
        raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)

    def was_here(self, place: Place, name: str) -> bool:
        """The user of that name has logged in from there with the password that is right now: any other is wrong."""
        return (place, name) in self._good

    def recognize(self, place: Place, name: str, password: str | None) -> BridgeUser:
        """A user who `was_here`, at once. Raises ServiceError(BadUserAccessDenied): the password is wrong."""
        known, good = self._accounts.get(name), self._good.get((place, name), b"")
        stored = known.password_hash if known is not None else ""
        right = secrets.compare_digest(good, self._digest(name, password or "", stored))
        if known is None or password is None or not right:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return BridgeUser(name=name, rights=known.role, proof=known.password_hash)

    def _digest(self, *parts: str) -> bytes:
        """Under a key that this process alone has."""
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
        return digest.digest()

    async def with_password(self, place: Place, name: str, password: str | None) -> BridgeUser:
        """The user of that name. Raises ServiceError(BadUserAccessDenied), after the same time for any reason.

        None: what came was no password.
        """
        known = self._accounts.get(name)
        stored = known.password_hash if known is not None else ""
        loop = asyncio.get_running_loop()
        decoy = next((account.password_hash for account in self._accounts.values() if account.password_hash), "")
        right = await loop.run_in_executor(self._thread, self._check, stored or decoy, password)
        right = right and bool(stored) and password is not None
        if known is None or not right or self._accounts.get(name) != known:  # it may have changed meanwhile
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        self._good[place, name] = self._digest(name, password or "", known.password_hash)
        self._good.move_to_end((place, name))
        if len(self._good) > MOST_PLACES:
            self._good.popitem(last=False)
        return BridgeUser(name=name, rights=known.role, proof=known.password_hash)

    def with_certificate(self, der: bytes) -> BridgeUser:
        """The user of that certificate, who has shown that the key is there. Raises ServiceError."""
        fingerprint = hashlib.sha256(der).hexdigest()
        for name, account in self._accounts.items():
            if account.certificate == fingerprint:
                return BridgeUser(name=name, rights=account.role, proof=fingerprint)
        raise ServiceError(ua.StatusCodes.BadUserAccessDenied)

    def still_is(self, user: BridgeUser) -> bool:
        """Whether a user that was identified before is one now, with the same role and by the same proof."""
        if not user.proof:
            return user.rights == self._anonymous
        account = self._accounts.get(user.name or "")
        if account is None or account.role != user.rights:
            return False
        return user.proof in (account.password_hash, account.certificate)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _check(self, password_hash: str, password: str | None) -> bool:
        try:
            return self._hasher.verify(password_hash, password or "")
        except (VerificationError, InvalidHashError):
            return False


def _hash_of(account: Account | None) -> str:
    return account.password_hash if account is not None else ""
