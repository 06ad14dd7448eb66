"""Whoever fails to log in waits before the next try; nobody else does."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import TypeVar
from weakref import WeakValueDictionary

from asyncua.common.utils import ServiceError

T = TypeVar("T")

FIRST = 0.5  # s to wait after the first failure that counts; each one more doubles it
FORGOTTEN = 600.0  # s after which a failure counts no more
MOST = 10_000  # who is remembered; the one whose failure is longest ago is forgotten first


@dataclass(frozen=True, slots=True)
class Failures:
    """Counts failures by any key: `free` of them cost nothing, since people mistype; `longest` is in s."""

    free: int
    longest: float
    _known: OrderedDict[Hashable, tuple[int, float]] = field(default_factory=OrderedDict)

    def delay(self, key: Hashable, now: float) -> float:
        """Seconds to wait before the next try, from the last failure on: who gave up waiting need not begin again."""
        count, last = self._known.get(key, (0, now))
        if count <= self.free or now - last > FORGOTTEN:
            return 0.0
        pause = min(FIRST * 2.0 ** min(count - self.free - 1, 20), self.longest)
        return max(last + pause - now, 0.0)

    def failed(self, key: Hashable, now: float) -> None:
        count, last = self._known.pop(key, (0, now))
        self._known[key] = (1 if now - last > FORGOTTEN else count + 1), now
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def succeeded(self, key: Hashable) -> None:
        self._known.pop(key, None)


class Slowdown:
    """Lets one try after the other through, of each machine and of each name from there.

    Tries from elsewhere under the same name wait 2 s at most: else anybody could lock a user out by failing in the
    user's name. So do tries under other names from the same machine, behind which there may be many clients.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._exact = Failures(free=2, longest=15.0)
        self._names = Failures(free=10, longest=2.0)
        self._machines = Failures(free=20, longest=2.0)
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def attempt(
        self, place: tuple[str, str], name: str, check: Callable[[], Awaitable[T]], *, is_wrong: bool = False
    ) -> T:
        """What `check` returns. Raises what it raises; a ServiceError counts as a failure.

        `place` is a machine, and a client there: "" where they cannot be told apart. `is_wrong`: that it fails is known
        already. It waits like any other, but counts at once: who hangs up while it waits has failed all the same.
        """
        there, exact = place[0], (*place, name)
        end = 0.0
        if is_wrong:
            end = self._clock() + self._delay(there, name, exact)
            self._failed(there, name, exact)
        async with self._turn(exact):
            delay = max(end - self._clock(), 0.0) if is_wrong else self._delay(there, name, exact)
            if delay:
                await self._sleep(delay)
            async with self._turn(there):
                try:
                    found = await check()
                except ServiceError:
                    if not is_wrong:
                        self._failed(there, name, exact)
                    raise
        self._exact.succeeded(exact)
        self._names.succeeded(name)
        return found

    def _failed(self, there: str, name: str, exact: Hashable) -> None:
        now = self._clock()
        self._exact.failed(exact, now)
        self._names.failed(name, now)
        self._machines.failed(there, now)

    def _delay(self, there: str, name: str, exact: Hashable) -> float:
        now = self._clock()
        others = max(self._names.delay(name, now), self._machines.delay(there, now))
        return max(self._exact.delay(exact, now), others)

    def _turn(self, key: Hashable) -> asyncio.Lock:
        lock = self._turns.get(key)
        if lock is None:
            lock = self._turns[key] = asyncio.Lock()
        return lock


def machine(address: str) -> str:
    """What counts as one machine: an IPv4 address, or the /64 of which anybody with IPv6 has every address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found) if found.is_loopback else str(IPv6Address(int(found) >> 64 << 64))
