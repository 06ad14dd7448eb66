"""The transactions of a 2.x station, from events that come late, twice, out of order or not at all.

    taken = transactions.take(event, locate, now)

`taken.state` is all that is known of the transaction, `transaction_points` what is shown of it. A state is a plain
structure: `msgspec.json.encode(state)` is what a store keeps, so that a restart in the middle loses nothing. An event
is kept in the store with its payload and its digest: it is the record.

Rules (OCPP 2.0.1 E01 to E12, and what stations make of them):
- Events are put in order by seqNo, not by when they come; one without a seqNo by its timestamp.
- An event with the number and the digest of one that came before changes nothing. With another digest it is taken
  and marked as a conflict.
- An id that the station gives to another transaction afterwards is that of the new one (`set_aside`).
- Ended is for good: what comes later fills gaps and readings, and does not make the transaction run again.
- Missing numbers are counted from that of Started; from 0 while Started has not come.
- At a connector one transaction runs: that of two which started earlier has ended. So has one whose connector the
  station has said to be free (`close`), unless the station tells more of it afterwards. Its own Ended, if it comes,
  says how.
- An event that names no EVSE belongs to where the transaction is. What comes before an EVSE is named, or before it is
  known which of its connectors is meant, is kept and shown as soon as it is (`place`).
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from bridge.station.v2.events import ENDED, STARTED, Event
from bridge.station.v2.transaction import (
    Kind,
    Locate,
    TransactionState,
    advance,
    find_again,
    is_late,
    lose,
    move,
    note,
)

MAX_RUNNING = 256
"""Transactions of one station that run at the same time; the oldest beyond it are forgotten (the store has them)."""
MAX_ENDED = 16
"""Ended ones that are kept for what may still come."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What an event was.

    kind: new; repeated: the same has come before; conflict: another one with its number has.
    started, ended: it was this event that made the transaction start or end, as far as is known.
    left: the connector where the transaction was shown before, "" where it has not moved.
    current: it is the newest transaction at its connector, so the points of what runs are its own.
    changed: it has just become so.
    late: a later event of the transaction came before.
    closed: the transaction that runs no more at the connector because another one started later, "" for none.
    asks: the script to ask for the event's token: "start_transaction", "stop_transaction", or "" for none.
    """

    state: TransactionState
    kind: Kind
    started: bool = False
    ended: bool = False
    left: str = ""
    current: bool = False
    changed: bool = False
    late: bool = False
    closed: str = ""
    asks: str = ""


class Transactions:
    """The transactions of one station: those that run, and the last that have ended."""

    def __init__(self) -> None:
        self._running: OrderedDict[str, TransactionState] = OrderedDict()
        self._ended: OrderedDict[str, TransactionState] = OrderedDict()
        self._newest: dict[str, TransactionState] = {}

    def __iter__(self) -> Iterator[TransactionState]:
        """Those that run."""
        return iter(tuple(self._running.values()))

    def get(self, transaction: str) -> TransactionState | None:
        """A transaction that runs or has ended lately. None: ask the store before you take an event of it."""
        return self._running.get(transaction) or self._ended.get(transaction)

    def at(self, connector: str) -> TransactionState | None:
        """The newest transaction at a connector, running or ended."""
        return self._newest.get(connector)

    def restore(self, states: Iterable[TransactionState]) -> None:
        """Takes transactions back from the store."""
        for state in states:
            self._keep(state)
            self._is_current(state)

    def close(self, transaction: str, gone: float) -> TransactionState | None:
        """A transaction whose connector has been free since `gone` has ended, nobody knows how."""
        state = self._running.get(transaction)
        if state is not None:
            lose(state, gone)
            self._keep(state)
        return state

    def set_aside(self, transaction: str, name: str) -> None:
        """One that has ended has another name from now on: its id is that of the next one."""
        state = self._ended.pop(transaction, None)
        if state is not None:
            state.id = name
            self._ended[name] = state

    def take(self, event: Event, locate: Locate, now: float) -> Taken:
        """Takes an event in. `now` stands for a time that the station did not give."""
        state = self.get(event.transaction) or TransactionState(id=event.transaction)
        kind = note(state, event)
        if kind == "repeated":
            return Taken(state=state, kind=kind, current=self._newest.get(state.at) is state, asks=_asks(event))
        started = event.type == STARTED and not state.started
        ended = event.type == ENDED and (not state.ended or state.lost)
        late = is_late(state, event)
        advance(state, event, now)
        left = move(state, event, locate)
        if left and self._newest.get(left) is state:
            del self._newest[left]
        before = self._newest.get(state.at)
        current = self._is_current(state)
        if current and state.gone is not None and (now if event.time is None else event.time) > state.gone:
            find_again(state)
        self._keep(state)
        return Taken(
            state=state,
            kind=kind,
            started=started,
            ended=ended,
            left=left,
            current=current,
            changed=current and before is not state,
            late=late,
            closed=self._close_older(state, before, current=current),
            asks=_asks(event),
        )

    def waiting(self, evse: int) -> list[TransactionState]:
        """Those that run at an EVSE, nobody knows at which of its connectors; the first to start first."""
        return sorted((state for state in self if not state.at and state.evse == evse), key=lambda state: state.begun)

    def place(self, state: TransactionState, connector: str) -> Taken:
        """It has become known where a transaction is that waited for that."""
        before, state.at = self._newest.get(connector), connector
        current = self._is_current(state)
        closed = self._close_older(state, before, current=current)
        return Taken(state=state, kind="new", current=current, changed=current, closed=closed)

    def _close_older(self, state: TransactionState, before: TransactionState | None, *, current: bool) -> str:
        """Of two at one connector the one that started earlier runs no more."""
        newer, older = (state, before) if current else (before, state)
        if newer is None or older is None or newer is older or (older.ended and not older.lost):
            return ""
        self.close(older.id, newer.begun)
        return older.id

    def _keep(self, state: TransactionState) -> None:
        kept, limit = (self._ended, MAX_ENDED) if state.ended else (self._running, MAX_RUNNING)
        (self._running if state.ended else self._ended).pop(state.id, None)
        kept[state.id] = state
        if len(kept) > limit:
            _, oldest = kept.popitem(last=False)
            if self._newest.get(oldest.at) is oldest:
                del self._newest[oldest.at]

    def _is_current(self, state: TransactionState) -> bool:
        """Whether it is the newest at its connector; becomes so if it started later than the one that was."""
        if not state.at:
            return False
        newest = self._newest.get(state.at)
        if newest is None or newest is state or state.begun >= newest.begun:
            self._newest[state.at] = state
            return True
        return False


def _asks(event: Event) -> str:
    if not event.has_token:
        return ""
    return "stop_transaction" if event.stops else "start_transaction"
