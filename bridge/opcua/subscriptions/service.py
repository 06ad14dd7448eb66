"""All subscriptions: their timers, their owners, and the Publish requests that they answer."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua.crowd import first_to_go, for_everybody
from bridge.opcua.diagnostics import Client
from bridge.opcua.settings import Limits
from bridge.opcua.subscriptions.cycle import Action, Cycle, State
from bridge.opcua.subscriptions.items import Item
from bridge.opcua.subscriptions.monitoring import Monitoring
from bridge.opcua.subscriptions.publish_queue import PublishQueue, PublishRequest
from bridge.opcua.subscriptions.room import Room
from bridge.opcua.subscriptions.sampling import TimedSampling
from bridge.opcua.subscriptions.subscription import Subscription
from bridge.opcua.users import BridgeUser

SLICE = 500  # items that are sampled, or let go, before others get their turn
SLOWEST = 3_600_000.0  # ms between two publishings
LONGEST = 3_600_000.0  # ms that a subscription lives without its client, unless its keep-alives want more
MOST_KEEP_ALIVES, MOST_LIVES = 5_000, 15_000  # publishing intervals
UNUSED = 60.0  # s without items, after which a subscription may be taken for one that nobody needs
KEEP_ALIVES = 3  # in a subscription's lifetime at least (OPC 10000-4 §5.14.2)


class Owner(Protocol):
    """A session, as its subscriptions see it."""

    session_id: ua.NodeId
    owned: dict[int, "Owned"]
    publishing: PublishQueue
    user: BridgeUser
    certificate: bytes | None
    client: Client

    @property
    def is_left(self) -> bool:
        """Its client's connection has gone, or it has ended."""

    @property
    def heard(self) -> float:
        """When it asked for something last (monotonic)."""


class Owned(Subscription):
    """A subscription with the session that it belongs to."""

    owner: Owner
    emptied: float  # since when it has no items, where it has none (the event loop's time)
    timer: asyncio.TimerHandle | None = None

    @property
    def session_id(self) -> ua.NodeId:
        """asyncua asks for it when a connection is lost."""
        return self.owner.session_id

    def tidy(self, deleted: Sequence[Item]) -> None:
        """As a subscription's own; who only asks for it does not make use of it."""
        super().tidy(deleted)
        if deleted and not self.items:
            self.emptied = asyncio.get_running_loop().time()


class Subscriptions:
    """Creates, publishes and ends subscriptions. `monitoring` has their items; `has_users`: there are some with a name.

    Who has no name takes nothing of theirs, and leaves them the last tenth of subscriptions and of items.
    """

    def __init__(self, monitoring: Monitoring, limits: Limits, has_users: Callable[[], bool]) -> None:
        self.monitoring = monitoring
        self.limits = limits
        self.subscriptions: dict[int, Owned] = {}
        self.created = 0  # ever
        self.room = Room(limits.max_queued_bytes)
        self._numbers = itertools.count(1)
        self._served = itertools.count(1)
        self._turns = monitoring.turns
        self._wakings: dict[int, dict[TimedSampling, asyncio.TimerHandle]] = {}
        self._has_users = has_users
        monitoring.has_room = self._has_room_for_item

    # ------------------------------------------------------------------ creating and ending

    def create(self, owner: Owner, interval: float, lifetime: int, keep_alive: int) -> Owned:
        """A new subscription with revised values. Raises ServiceError where there are too many."""
        limits = self.limits
        if len(owner.owned) >= limits.max_subscriptions_per_session or (
            len(self.subscriptions) >= self._most(limits.max_subscriptions, owner)
            and not self._make_room_for_one(owner)
        ):
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        revised = self.revised_interval(interval)
        cycle = Cycle(*revised_counts(revised, keep_alive, lifetime))
        now = asyncio.get_running_loop().time()
        made = Owned(next(self._numbers), cycle, revised, now, limits, self._wake, self.room)
        made.owner, made.emptied = owner, now
        self.created += 1
        self.subscriptions[made.id] = owner.owned[made.id] = made
        self._start_timer(made)
        return made

    def _most(self, most: int, owner: Owner) -> int:
        """How many of so many there may be, with one more for this owner."""
        return most if owner.user.is_known else for_everybody(most, has_users=self._has_users())

    def _within_reach(self, owner: Owner) -> Iterator[Owned]:
        """What may be ended for this owner, as far as it depends on whose it is."""
        return (one for one in self.subscriptions.values() if owner.user.is_known or not one.owner.user.is_known)

    def _make_room_for_one(self, owner: Owner) -> bool:
        """Ends a subscription with nothing in it: one that waits for a client whose connection has gone, else one of
        the session that has most of them, if that makes no use of it; else one that waits, with what is in it.
        False: there is none.
        """
        used = asyncio.get_running_loop().time() - UNUSED
        empty = [one for one in self._within_reach(owner) if not one.items]
        waits = [one for one in empty if one.owner.is_left]
        goes = first_to_go(waits or (one for one in empty if one.emptied < used), lambda one: id(one.owner))
        if goes is None:
            return self._make_room_for_items(owner)
        self._time_out(goes)
        return True

    def _has_room_for_item(self, subscription: Subscription) -> bool:
        """For one more, after room was made if need be."""
        found = self.subscriptions.get(subscription.id)
        if found is None:
            return False
        most = self._most(self.limits.max_monitored_items, found.owner)
        if self.monitoring.count < most:
            return True
        left = sum(len(one.items) for one in self._within_reach(found.owner) if one.owner.is_left)
        if self.monitoring.count - left >= most:
            return False  # nobody loses what waits for nothing
        while self.monitoring.count >= most:
            if not self._make_room_for_items(found.owner):
                return False
        return True

    def _make_room_for_items(self, owner: Owner) -> bool:
        """Ends a subscription with items that only waits for a client whose connection has gone, the one that is away
        longest. What a client has left behind does not keep the same client out when it is back. False: there is none.
        """
        waits = (one for one in self._within_reach(owner) if one.items and one.owner.is_left)
        goes = min(waits, key=lambda one: one.owner.heard, default=None)
        if goes is None:
            return False
        self._time_out(goes)
        return True

    def revised_interval(self, requested: float) -> float:
        """The publishing interval (ms) that a client gets; 0, less, and NaN ask for the fastest."""
        fastest = self.limits.min_publishing_interval
        return min(requested, SLOWEST) if requested >= fastest else fastest

    def modify(self, subscription: Owned, interval: float, lifetime: int, keep_alive: int) -> None:
        """ModifySubscription (OPC 10000-4 §5.14.3)."""
        revised = self.revised_interval(interval)
        subscription.counts.modified += 1
        subscription.cycle.revise(*revised_counts(revised, keep_alive, lifetime))
        if revised != subscription.interval:
            subscription.revise_interval(revised, asyncio.get_running_loop().time())
            self._start_timer(subscription)

    def of(self, owner: Owner, number: int) -> Owned:
        """A session's own subscription, which has shown that it lives.

        Raises ServiceError: to anybody else it is not there.
        """
        found = owner.owned.get(number)
        if found is None:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        found.cycle.renew()
        return found

    def delete(self, subscription: Owned) -> None:
        """Its items go in slices; without a subscription nobody has anything to wait for."""
        self._end(subscription)
        owner = subscription.owner
        if not owner.owned:
            owner.publishing.fail(ua.StatusCodes.BadNoSubscription)

    def _end(self, subscription: Owned) -> None:
        if self.subscriptions.pop(subscription.id, None) is None:
            return
        subscription.owner.owned.pop(subscription.id, None)
        if subscription.timer is not None:
            subscription.timer.cancel()
        for waking in self._wakings.pop(subscription.id, {}).values():
            waking.cancel()
        subscription.forget()
        self.monitoring.leave(subscription)
        self._turns.add(0, self._let_go(subscription))

    def _let_go(self, subscription: Subscription) -> Iterator[None]:
        yield from subscription.forget_waiting(SLICE)
        while items := list(itertools.islice(subscription.items.values(), SLICE)):
            self.monitoring.delete(subscription, items)
            yield
        subscription.room.close()
        subscription.forget_items()

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        """asyncua ends those of a session that it closes."""
        found = [self.subscriptions.get(number) for number in ids]
        for subscription in found:
            if subscription is not None:
                self.delete(subscription)
        codes = (ua.StatusCodes.BadSubscriptionIdInvalid if one is None else ua.StatusCodes.Good for one in found)
        return [ua.StatusCode(code) for code in codes]

    def stop(self) -> None:
        """Ends everything, without a word to anybody."""
        for subscription in list(self.subscriptions.values()):
            self._end(subscription)
        self._turns.stop()

    # ------------------------------------------------------------------ owners

    def transfer(self, subscription: Owned, owner: Owner, *, initial_values: bool) -> None:
        """Another session of the same client goes on with it (OPC 10000-4 §5.14.7), and the old one is told.

        Raises ServiceError where the session has too many.
        """
        if len(owner.owned) >= self.limits.max_subscriptions_per_session:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        before, counts = subscription.owner, subscription.counts
        counts.transfers += 1
        counts.alternate += before.client.description.ApplicationUri != owner.client.description.ApplicationUri
        del before.owned[subscription.id]
        notice = subscription.last_message(ua.StatusCodes.GoodSubscriptionTransferred, time.time())
        self._notify(before, subscription.id, notice)
        subscription.owner = owner
        owner.owned[subscription.id] = subscription
        subscription.cycle.renew()
        if initial_values:
            self.resend(subscription)

    def resend(self, subscription: Owned) -> None:
        """Every item that reports does so once more."""
        self._turns.add(subscription.priority, self.monitoring.repeat(subscription, SLICE))

    def _notify(self, owner: Owner, number: int, notice: bytes) -> None:
        """The last message about a subscription goes out now, or with the session's next Publish request."""
        owner.publishing.notices.append((number, notice))
        self._serve_notices(owner, asyncio.get_running_loop().time())

    def _serve_notices(self, owner: Owner, now: float) -> None:
        queue = owner.publishing
        while queue.notices and queue.ready(now):
            number, notice = queue.notices.popleft()
            queue.answer(number, (), False, notice)
        if not owner.owned and not queue.notices:
            queue.fail(ua.StatusCodes.BadNoSubscription)

    # ------------------------------------------------------------------ publishing

    def publish(self, owner: Owner, waiting: PublishRequest) -> None:
        """A Publish request. Raises ServiceError(BadNoSubscription)."""
        queue = owner.publishing
        if not owner.owned and not queue.notices:
            raise ServiceError(ua.StatusCodes.BadNoSubscription)
        queue.add(waiting)
        now = asyncio.get_running_loop().time()
        self._serve_notices(owner, now)
        late: list[Owned] = []
        for subscription in owner.owned.values():
            subscription.cycle.renew()
            if subscription.wants and not subscription.busy:
                late.append(subscription)
        late.sort(key=lambda one: (-one.priority, one.served))
        for subscription in late:
            if not queue.ready(now):
                break
            self._act(subscription, subscription.cycle.request(available=subscription.review()))

    def _act(self, subscription: Owned, action: Action) -> None:
        """Answers one Publish request, where the state machine says so."""
        if action is Action.NOTIFY:
            size = subscription.owner.publishing.room(len(subscription.numbers()) + 1)
            self._answer(subscription, subscription.next_message(time.time(), size))
        elif action is Action.KEEP_ALIVE:
            self._answer(subscription, subscription.keep_alive(time.time()))

    def _answer(self, subscription: Owned, message: bytes) -> None:
        subscription.served = next(self._served)
        subscription.counts.publish_requests += 1
        numbers, more = subscription.numbers(), subscription.cycle.more
        subscription.owner.publishing.answer(subscription.id, numbers, more, message)

    def _start_timer(self, subscription: Owned) -> None:
        loop = asyncio.get_running_loop()
        if subscription.timer is not None:
            subscription.timer.cancel()
        subscription.due = _following(subscription.due, subscription.interval / 1000, loop.time())
        subscription.timer = loop.call_at(subscription.due, self._expired, subscription)

    def _expired(self, subscription: Owned) -> None:
        subscription.timer = None
        self._start_timer(subscription)
        if not subscription.busy:  # else it has not got through with the interval before
            subscription.busy = True
            self._turns.add(subscription.priority, self._expire(subscription))

    def _expire(self, subscription: Owned) -> Iterator[None]:
        """What happens when the publishing timer expires: one slice, and one message, at a time."""
        try:
            yield from subscription.sample(SLICE)
            if subscription.id not in self.subscriptions:
                return
            queue = subscription.owner.publishing
            ready = queue.ready(asyncio.get_running_loop().time())
            was_late = subscription.cycle.state is State.LATE
            action = subscription.cycle.expire(requested=ready, available=subscription.review())
            subscription.counts.late += not was_late and subscription.cycle.state is State.LATE
            if action is Action.CLOSE:
                self._time_out(subscription)
                return
            self._act(subscription, action)
            while action is Action.NOTIFY and subscription.cycle.more:
                yield
                queue = subscription.owner.publishing
                ready = queue.ready(asyncio.get_running_loop().time())
                if not ready or subscription.id not in self.subscriptions or not subscription.cycle.enabled:
                    return
                if not subscription.review():
                    return
                self._act(subscription, Action.NOTIFY)
        finally:
            subscription.busy = False

    def _time_out(self, subscription: Owned) -> None:
        """Its client has not been heard of for its lifetime (27)."""
        notice = subscription.last_message(ua.StatusCodes.BadTimeout, time.time())
        self._notify(subscription.owner, subscription.id, notice)
        self._end(subscription)

    def _wake(self, subscription: Subscription, sampling: TimedSampling) -> None:
        if subscription.id not in self.subscriptions:  # its items are just being let go
            return
        wakings = self._wakings.setdefault(subscription.id, {})
        if sampling not in wakings:
            loop = asyncio.get_running_loop()
            wakings[sampling] = loop.call_at(sampling.due(loop.time()), self._sample, subscription, sampling)

    def _sample(self, subscription: Subscription, sampling: TimedSampling) -> None:
        if self._wakings.get(subscription.id, {}).pop(sampling, None) is not None:
            self._turns.add(subscription.priority, _sampled(sampling))

    async def in_slices(self, work: Iterator[None]) -> None:
        """Carries a request's work out beside everybody else's."""
        for _ in work:
            await asyncio.sleep(0)


def _sampled(sampling: TimedSampling) -> Iterator[None]:
    while sampling.sample(SLICE):
        yield


def _following(due: float, interval: float, now: float) -> float:
    """The next moment of a rhythm: what was missed is not made up for, and nothing drifts."""
    due += interval
    return due if due > now else now + interval - (now - due) % interval


def revised_counts(interval: float, keep_alive: int, lifetime: int) -> tuple[int, int]:
    """Keep-alive and lifetime counts for a publishing interval (ms) (OPC 10000-4 §5.14.2)."""
    longest = max(1, int(LONGEST / interval))
    keep_alive = min(keep_alive or MOST_KEEP_ALIVES, MOST_KEEP_ALIVES, max(1, longest // KEEP_ALIVES))
    return keep_alive, max(min(lifetime, MOST_LIVES, longest), KEEP_ALIVES * keep_alive)
