"""Who has failed waits, and nobody else. The clock is the test's own: no test waits."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua.slowdown import FORGOTTEN, MOST, Failures, Slowdown, machine


class World:
    """`waited` are the delays in the order in which they came."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []
        self.slowdown = Slowdown(lambda: self.now, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds

    async def try_it(self, address: str, name: str, *, right: bool = False) -> float:
        """How long it had to wait."""

        async def check() -> str:
            if not right:
                raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
            return name

        before = len(self.waited)
        try:
            await self.slowdown.attempt((address, ""), name, check)
        except ServiceError:
            assert not right
        return sum(self.waited[before:])


async def test_failures_are_slowed_more_and_more_up_to_a_bound():
    world = World()
    waited = [await world.try_it("10.0.0.1", "olga") for _ in range(10)]
    assert waited == [0, 0, 0, 0.5, 1, 2, 4, 8, 15, 15]


async def test_what_is_known_to_be_wrong_counts_though_nobody_waits_for_the_answer():
    world = World()

    async def check() -> None:
        raise ServiceError(ua.StatusCodes.BadUserAccessDenied)

    async def hang_up(seconds: float) -> None:
        raise asyncio.CancelledError

    slowdown = Slowdown(lambda: 0.0, hang_up)
    for expected in [ServiceError] * 3 + [asyncio.CancelledError] * 2:
        with pytest.raises(expected):
            await slowdown.attempt(("10.0.0.1", ""), "olga", check, is_wrong=True)
    slowdown._sleep = world._sleep
    with pytest.raises(ServiceError):
        await slowdown.attempt(("10.0.0.1", ""), "olga", check)
    assert world.waited == [2]


async def test_a_right_password_ends_it_and_time_does():
    world = World()
    for _ in range(5):
        await world.try_it("10.0.0.1", "olga")
    await world.try_it("10.0.0.1", "olga", right=True)
    assert await world.try_it("10.0.0.1", "olga") == 0
    for _ in range(5):
        await world.try_it("10.0.0.1", "olga")
    world.now += FORGOTTEN + 1
    assert await world.try_it("10.0.0.1", "olga") == 0


async def test_who_gives_up_waiting_need_not_begin_again():
    world = World()
    for _ in range(5):
        await world.try_it("10.0.0.1", "olga")
    world.now += 1.5
    assert await world.try_it("10.0.0.1", "olga", right=True) == 0.5


async def test_others_are_not_slowed_and_the_same_user_elsewhere_only_a_little():
    world = World()
    for _ in range(100):
        await world.try_it("10.0.0.1", "olga")
    assert await world.try_it("10.0.0.2", "emma", right=True) == 0
    assert await world.try_it("10.0.0.2", "olga", right=True) <= 2


async def test_many_names_from_one_machine_are_slowed():
    world = World()
    waited = [await world.try_it("10.0.0.1", f"user{number}") for number in range(40)]
    assert waited[0] == 0
    assert waited[-1] == 2


async def test_tries_at_the_same_time_come_one_after_the_other():
    world = World()
    running, most = 0, 0

    async def check() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        raise ServiceError(ua.StatusCodes.BadUserAccessDenied)

    tries: list[Callable[[], Awaitable[object]]] = [
        lambda name=name: world.slowdown.attempt(("10.0.0.1", ""), name, check)  # type: ignore[misc]
        for name in ("a", "b", "c", "a", "b")
    ]
    results = await asyncio.gather(*(one() for one in tries), return_exceptions=True)
    assert most == 1
    assert all(isinstance(result, ServiceError) for result in results)


def test_who_failed_is_remembered_up_to_a_bound():
    failures = Failures(free=0, longest=1)
    for number in range(MOST + 10):
        failures.failed(number, 0.0)
    assert failures.delay(0, 0.0) == 0
    assert failures.delay(MOST + 9, 0.0) > 0


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::"),
        ("2001:db8::ffff:2", "2001:db8::"),
        ("fe80::1%eth0", "fe80::"),
        ("what", "what"),
    ],
)
def test_what_counts_as_one_machine(address, expected):
    assert machine(address) == expected
