"""The publishing state machine of a subscription (OPC 10000-4 §5.14.1.2, Table 84). Pure: it has no clock.

Everything that affects the state stands in the two tables below. Numbers in them are the standard's rows.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class State(enum.Enum):
    NORMAL = "normal"
    LATE = "late"  # the publishing timer has expired and nobody asked: the next Publish request is answered at once
    KEEP_ALIVE = "keep-alive"  # nothing happened for an interval: keep-alives are counted


class Action(enum.Enum):
    """What to do with a Publish request, or when the timer has expired."""

    NOTHING = "nothing"
    QUEUE = "queue"  # the request is kept
    NOTIFY = "notify"  # answer a request with notifications, as long as there are both
    KEEP_ALIVE = "keep-alive"  # answer a request with an empty message
    CLOSE = "close"  # the lifetime is over


class _Step(NamedTuple):
    action: Action
    state: State


@dataclass(slots=True)
class Cycle:
    """`keep_alive_count` and `lifetime_count` are publishing intervals.

    `sent`: a first message has gone out. `more`: notifications were left over when requests ran out.
    """

    keep_alive_count: int
    lifetime_count: int
    enabled: bool = True
    state: State = State.NORMAL
    sent: bool = False
    more: bool = False
    keep_alive: int = field(init=False)
    lifetime: int = field(init=False)

    def __post_init__(self) -> None:
        self.keep_alive = self.keep_alive_count
        self.lifetime = self.lifetime_count

    def renew(self) -> None:
        """The client showed that it lives: a Publish request, or another service that names the subscription."""
        self.lifetime = self.lifetime_count

    def revise(self, keep_alive_count: int, lifetime_count: int) -> None:
        """ModifySubscription."""
        self.keep_alive_count, self.lifetime_count = keep_alive_count, lifetime_count
        self.keep_alive = keep_alive_count
        self.renew()

    def enable(self, enabled: bool) -> None:
        """SetPublishingMode (17)."""
        self.enabled, self.more = enabled, False
        self.renew()

    def request(self, *, available: bool) -> Action:
        """A Publish request came; `available`: there are notifications."""
        self.renew()
        if self.state is State.LATE:
            step = _LATE_REQUEST[self.enabled and (available or self.more)]
        elif self.state is State.NORMAL and self.enabled and self.more:
            step = _Step(Action.NOTIFY, State.NORMAL)  # 4
        else:
            step = _Step(Action.QUEUE, self.state)  # 3, 12
        return self._take(step)

    def expire(self, *, requested: bool, available: bool) -> Action:
        """The publishing timer expired; `requested`: a Publish request waits and can be answered."""
        if requested:
            self.renew()
        else:
            self.lifetime -= 1
            if self.lifetime <= 0:
                return Action.CLOSE  # 27
        available = available and self.enabled
        if self.state is State.LATE and requested:  # one that could not be answered before
            return self._take(_LATE_REQUEST[available or (self.enabled and self.more)])
        if self.state is State.KEEP_ALIVE and not available and self.keep_alive > 1:
            self.keep_alive -= 1  # 15
            return Action.NOTHING
        return self._take(_EXPIRED[self.state, requested, available, self.sent])

    def _take(self, step: _Step) -> Action:
        if step.state is State.KEEP_ALIVE and (step.action is Action.KEEP_ALIVE or self.state is not step.state):
            self.keep_alive = self.keep_alive_count
        if step.action is Action.NOTIFY or step.action is Action.KEEP_ALIVE:
            self.sent = True
        self.state = step.state
        return step.action


_NORMAL, _LATE, _KEEP_ALIVE = State.NORMAL, State.LATE, State.KEEP_ALIVE

#: whether there is something to report → what a Publish request brings a late subscription
_LATE_REQUEST: Mapping[bool, _Step] = {
    True: _Step(Action.NOTIFY, _NORMAL),  # 9
    False: _Step(Action.KEEP_ALIVE, _KEEP_ALIVE),  # 10
}

#: state, requested, available, sent → what happens when the publishing timer expires
_EXPIRED: Mapping[tuple[State, bool, bool, bool], _Step] = {
    (_NORMAL, True, True, True): _Step(Action.NOTIFY, _NORMAL),  # 5
    (_NORMAL, True, True, False): _Step(Action.NOTIFY, _NORMAL),  # 5
    (_NORMAL, True, False, False): _Step(Action.KEEP_ALIVE, _NORMAL),  # 6
    (_NORMAL, False, True, True): _Step(Action.NOTHING, _LATE),  # 7
    (_NORMAL, False, True, False): _Step(Action.NOTHING, _LATE),  # 7
    (_NORMAL, False, False, False): _Step(Action.NOTHING, _LATE),  # 7
    (_NORMAL, True, False, True): _Step(Action.NOTHING, _KEEP_ALIVE),  # 8
    (_NORMAL, False, False, True): _Step(Action.NOTHING, _KEEP_ALIVE),  # 8
    (_LATE, False, True, True): _Step(Action.NOTHING, _LATE),  # 11
    (_LATE, False, True, False): _Step(Action.NOTHING, _LATE),  # 11
    (_LATE, False, False, True): _Step(Action.NOTHING, _LATE),  # 11
    (_LATE, False, False, False): _Step(Action.NOTHING, _LATE),  # 11
    (_KEEP_ALIVE, True, True, True): _Step(Action.NOTIFY, _NORMAL),  # 13
    (_KEEP_ALIVE, True, False, True): _Step(Action.KEEP_ALIVE, _KEEP_ALIVE),  # 14
    (_KEEP_ALIVE, False, False, True): _Step(Action.NOTHING, _LATE),  # 16
    (_KEEP_ALIVE, False, True, True): _Step(Action.NOTHING, _LATE),  # 16
}
