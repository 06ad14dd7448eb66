"""One subscription: its items, what they have to report, and what may be asked for again."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import isnan

import structlog

from bridge.opcua.settings import Limits
from bridge.opcua.subscriptions import notifications
from bridge.opcua.subscriptions.counts import Counts
from bridge.opcua.subscriptions.cycle import Cycle, State
from bridge.opcua.subscriptions.items import HANDLE_SIZE, DataItem, EventItem, Item, Mode
from bridge.opcua.subscriptions.room import Room
from bridge.opcua.subscriptions.sampling import Sampling, TimedSampling
from bridge.opcua.variants import ticks

log = structlog.get_logger("bridge.opcua")

MESSAGE_SIZE = 1_048_576  # bytes of notifications in a message, unless one alone has more
SHARE = 4  # so much of the room for all may one subscription have
SLOWEST_SAMPLING = 3_600_000.0  # ms
LAST_NUMBER = 2**32 - 1
LEFT_BEHIND = 500  # items that are deleted and still wait in lists, at least, before these are tidied up

Wake = Callable[["Subscription", TimedSampling], None]


class Subscription:
    """`interval` in ms; `priority` 0 to 255; `max_notifications` in a message, 0: as many as the server likes.

    `due` is when its publishing timer expires next, and `start` when it was created, on the event loop's clock.
    """

    def __init__(
        self,
        number: int,
        cycle: Cycle,
        interval: float,
        start: float,
        limits: Limits,
        wake: Wake,
        room: Room | None = None,
    ) -> None:
        """`room` is for what all subscriptions keep."""
        self.id = number
        self.cycle = cycle
        self.interval = interval
        self.priority = 0
        self.max_notifications = 0
        self.items: dict[int, Item] = {}
        self.start = self.due = start
        self.busy = self.ended = False
        self.served = 0  # when it was answered last, in order
        self._limits = limits
        self._wake = wake
        self._waiting: deque[Item] = deque()
        self.waits = self._waiting.append
        self._triggered: dict[Item, None] = {}
        self._left_behind = 0
        self.links = 0
        self._number = 0
        self._retained: dict[int, bytes] = {}
        self.room = Room(limits.max_queued_bytes // SHARE, room)
        self.counts = Counts()
        self._publishing = Sampling()
        self._samplings: dict[float, TimedSampling] = {}

    # ------------------------------------------------------------------ sampling

    def revised_sampling(self, requested: float) -> float:
        """The sampling interval (ms) that an item gets; 0: every change (OPC 10000-4 §5.13.1.2).

        Less than 0 and NaN mean the publishing interval. Two digits are kept of an interval, so that a client
        cannot have a timer for each of its items.
        """
        if requested == 0:
            return 0.0
        if not requested > 0 or requested == self.interval:
            return self.interval
        bounded = min(max(requested, self._limits.min_sampling_interval), SLOWEST_SAMPLING)
        return self.interval if isnan(bounded) else float(f"{bounded:.2g}")

    def sampling(self, revised: float) -> Sampling | None:
        """Where items with this sampling interval wait; None: nowhere."""
        if revised == 0:
            return None
        if revised == self.interval:
            return self._publishing
        found = self._samplings.get(revised)
        if found is None:
            found = TimedSampling(revised / 1000, self.start, lambda sampling: self._wake(self, sampling))
            self._samplings[revised] = found
        return found

    def sample(self, most: int) -> Iterator[None]:
        """Samples what is sampled at the publishing interval, in slices."""
        while self._publishing.sample(most):
            yield

    def revise_interval(self, interval: float, start: float) -> None:
        """ModifySubscription: an item that was sampled at the publishing interval keeps its sampling interval."""
        if interval == self.interval:
            return
        before, old = self._publishing, self.interval
        self._publishing = Sampling()
        self.interval, self.start, self.due = interval, start, start
        moved = [item for item in self.items.values() if isinstance(item, DataItem) and item.sampling is before]
        for item in moved:
            item.sampling = self.sampling(old)
            if item.dirty and item.sampling is not None:
                item.sampling.mark(item)

    def tidy(self, deleted: Sequence[Item]) -> None:
        """Nothing keeps deleted items for long, however late the lists are read in which they wait."""
        for item in deleted:
            self._triggered.pop(item, None)
        self._left_behind += len(deleted)
        if self._left_behind <= len(self.items) + LEFT_BEHIND:
            return
        self._left_behind = 0
        kept = [item for item in self._waiting if item.id in self.items]
        self._waiting.clear()
        self._waiting.extend(kept)
        for sampling in (self._publishing, *self._samplings.values()):
            sampling.dirty[:] = [item for item in sampling.dirty if item.id in self.items]

    # ------------------------------------------------------------------ reporting

    def triggers(self, item: Item) -> None:
        self._triggered.update(item.links or {})

    def available(self) -> bool:
        """There are notifications."""
        if self._triggered:
            self._report_triggered()
        waiting = self._waiting
        while waiting and not waiting[0].reports:
            self._done(waiting.popleft())
        return bool(waiting)

    def review(self) -> bool:
        """There are notifications; those that were left over may have gone with their items since."""
        available = self.available()
        self.cycle.more = self.cycle.more and available
        return available

    def _done(self, item: Item) -> None:
        item.waiting = item.released = False

    def _report_triggered(self) -> None:
        """What is queued in items that sample only is reported once with what triggered it (§5.13.1.6)."""
        triggered, self._triggered = self._triggered, {}
        for item in triggered:
            if item.mode is Mode.SAMPLING and item.queue is not None:
                item.released = True
                if not item.waiting:
                    item.waiting = True
                    self._waiting.append(item)

    def next_message(self, now: float, size: int = MESSAGE_SIZE) -> bytes:
        """The next message with notifications, which is kept for Republish; `now` in Unix seconds.

        `size` is how many bytes its client takes.

        `cycle.more` says whether there are others.
        """
        content = self._content(min(size, MESSAGE_SIZE))
        self._number = following(self._number)
        made = notifications.message(self._number, ticks(now), content)
        self._retain(self._number, made)
        self.cycle.more = self.available()
        return made

    def keep_alive(self, now: float) -> bytes:
        """Has the number that the next message will have."""
        return notifications.message(self.next_number, ticks(now))

    def last_message(self, code: int, now: float) -> bytes:
        """A StatusChangeNotification for a session that loses it: in the numbers of who goes on with it is no gap."""
        return notifications.message(self.next_number, ticks(now), [notifications.status_change(code)])

    def _content(self, size: int) -> list[bytes]:
        left, begun = self._most(), False
        data: list[bytes] = []
        events: list[bytes] = []
        waiting = self._waiting
        while waiting and left > 0:
            item = waiting[0]
            try:
                item.settle()
            except Exception:  # a value that its type cannot hold: the others are told all the same
                log.exception("opcua.value_not_told")
                item.queue = None
            prefix, queue = item.prefix, item.queue
            if queue is None or (item.mode is not Mode.REPORTING and not item.released):
                self._done(waiting.popleft())
                continue
            first = len(queue if type(queue) is bytes else queue[0]) + HANDLE_SIZE  # type: ignore[arg-type]
            if first > size and begun:
                break
            begun = True
            size -= first
            if type(queue) is bytes and type(item) is DataItem:
                data += prefix, queue
                item.queue = None
                left -= 1
            else:
                taken = item.drain(left, size + first)
                for entry in taken:
                    (events if type(item) is EventItem else data).extend((prefix, entry))
                left -= len(taken)
                size -= sum(map(len, taken[1:])) + HANDLE_SIZE * (len(taken) - 1)
            if item.queue is None:
                waiting.popleft()
                item.waiting = item.released = False
        self.counts.data_changes += len(data) // 2
        self.counts.events += len(events) // 2
        content = [notifications.data_change(len(data) // 2, data)] if data else []
        if events:
            content.append(notifications.event_list(len(events) // 2, events))
        return content

    def _most(self) -> int:
        most = self._limits.max_notifications_per_publish
        return min(self.max_notifications, most) if self.max_notifications else most

    # ------------------------------------------------------------------ retransmission

    def _retain(self, number: int, made: bytes) -> None:
        retained, room = self._retained, self.room
        while retained and (len(retained) >= self._limits.max_retransmissions or not room.has(len(made))):
            self.acknowledge(next(iter(retained)))
            self.counts.discarded += 1
        if room.has(len(made)):
            retained[number] = made
            room.left -= len(made)

    def forget(self) -> None:
        """It has ended: nobody asks again."""
        for number in self.numbers():
            self.acknowledge(number)

    def forget_waiting(self, most: int) -> Iterator[None]:
        """It has ended: nothing of what its items have to say is sent any more. In slices."""
        lists: list[deque[Item] | list[DataItem]] = [self._waiting, self._publishing.dirty]
        lists += [sampling.dirty for sampling in self._samplings.values()]
        for waiting in lists:
            while waiting:
                for _ in range(min(most, len(waiting))):
                    waiting.pop()
                yield

    def forget_items(self) -> None:
        """They are deleted. Opens the rings of objects that they are in with it: nothing waits for a collection."""
        self._waiting.clear()
        self._triggered.clear()
        for sampling in (self._publishing, *self._samplings.values()):
            sampling.close()
        self._samplings.clear()

    def acknowledge(self, number: int) -> bool:
        """The client has this message; False: there is none."""
        made = self._retained.pop(number, None)
        if made is None:
            return False
        self.room.give(len(made))
        return True

    def retained(self, number: int) -> bytes | None:
        """A message that was not acknowledged."""
        return self._retained.get(number)

    def numbers(self) -> list[int]:
        """The sequence numbers of the messages that can be had again."""
        return list(self._retained)

    @property
    def next_number(self) -> int:
        """The sequence number of the next message."""
        return following(self._number)

    @property
    def wants(self) -> bool:
        """The next Publish request is for it."""
        return self.cycle.state is State.LATE or (self.cycle.more and self.cycle.enabled)


def following(number: int) -> int:
    """The sequence number after this one; 0 is none (OPC 10000-4 §7.37)."""
    return 1 if number == LAST_NUMBER else number + 1
