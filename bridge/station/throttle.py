"""Slows down who guesses, without locking out whom they pretend to be. Pure: the clock is given.

Every login that has to be looked into takes its turn, and turns lie the further apart the more of them failed. What
counts is the address together with the identity: a station with a wrong password does not hold up its neighbours
behind the same router, and a guesser elsewhere does not hold up the true station.

A password that can be recognized needs no turn, only a glance. Of these there are so many a second that the true
station gets one within a few tries however fast somebody guesses beside it, and so few that no guesser gets far.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from bridge.points.allowance import Allowance

FREE_TRIES = 3
"""Tries of an identity from an address that need not wait."""
LONGEST_GAP = 4.0
"""Seconds between later ones, at most."""
FREE_OF_ADDRESS, ADDRESS_GAP = 20, 0.025
"""The same of an address, whatever the identities; a whole depot may come back from behind one router."""
LONGEST_WAIT = 6.0
"""Seconds after which a try is refused rather than made to wait: a handshake has to end."""
GLANCES, GLANCES_EACH_SECOND = 100, 50.0
"""At passwords of an identity from an address: so many at once, and from then on."""
GLANCES_OF_ADDRESS, GLANCES_OF_ADDRESS_EACH_SECOND = 400, 200.0
"""The same of an address, whatever the identities. What was right does not count."""
FORGOTTEN = 900.0
"""Seconds after the last try."""
MOST = 20_000
"""Addresses, and pairs of address and identity, that are remembered."""


def network(host: str) -> str:
    """What counts as one address: an IPv6 site has 2^64 of them, a /64 (RFC 4291 §2.5.4)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own: that of a proxy, behind which anybody may be."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return not host  # a Unix socket


@dataclass(slots=True)
class _Turns:
    tries: int = 0
    next: float = 0.0
    last: float = 0.0


class Throttle:
    """`clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turns: OrderedDict[Hashable, _Turns] = OrderedDict()
        self._glances = Allowance(GLANCES, GLANCES_EACH_SECOND, clock)
        self._glances_of_address = Allowance(GLANCES_OF_ADDRESS, GLANCES_OF_ADDRESS_EACH_SECOND, clock)

    def __len__(self) -> int:
        return len(self._turns)

    def glance(self, host: str, identity: str) -> bool:
        """Whether a password may be looked at now, if that costs nothing."""
        address = network(host)
        own = self._glances.admit((address, identity)) is not None
        return own and self._glances_of_address.admit(address) is not None

    def wait(self, host: str, identity: str | None) -> float | None:
        """Takes a turn: seconds until a try may be looked at, or None if that is too long and no turn was taken.

        identity: None for what names no station, such as an unknown one.
        """
        now, address = self._clock(), network(host)
        asked = [(self._of(address, now), FREE_OF_ADDRESS, ADDRESS_GAP, 1.0)]
        if identity is not None:
            asked.append((self._of((address, identity), now), FREE_TRIES, 0.25, 2.0))
        seconds = max(max(turns.next - now, 0.0) for turns, *_ in asked)
        if seconds > LONGEST_WAIT:
            return None
        for turns, free, gap, growth in asked:
            turns.tries, turns.last = turns.tries + 1, now
            if turns.tries >= free:
                apart = min(gap * growth ** min(turns.tries - free, 10), LONGEST_GAP)
                turns.next = max(turns.next, now) + apart
        return seconds

    def passed(self, host: str, identity: str) -> None:
        """The try was no guess."""
        address = network(host)
        self._glances.give_back((address, identity))
        self._glances_of_address.give_back(address)
        self._turns.pop((address, identity), None)
        turns = self._turns.get(address)
        if turns is not None:
            turns.tries = max(turns.tries - 1, 0)

    def _of(self, key: Hashable, now: float) -> _Turns:
        turns = self._turns.get(key)
        if turns is None or now - turns.last > FORGOTTEN:
            turns = self._turns[key] = _Turns(last=now)
        self._turns.move_to_end(key)
        while len(self._turns) > MOST:
            self._turns.popitem(last=False)
        return turns


class Crowd:
    """How many connections each address has. `most`: of one, 0 for any number. Loopback is not counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count: dict[str, int] = {}

    def enter(self, host: str) -> bool:
        """Whether one more may come; each that may has to `leave`."""
        if not self._most or is_loopback(host):
            return True
        address = network(host)
        count = self._count.get(address, 0)
        if count >= self._most:
            return False
        self._count[address] = count + 1
        return True

    def leave(self, host: str) -> None:
        if not self._most or is_loopback(host):
            return
        address = network(host)
        count = self._count.get(address, 0) - 1
        if count > 0:
            self._count[address] = count
        else:
            self._count.pop(address, None)
