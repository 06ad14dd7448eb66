"""Puts back what was known before a restart, when the bridge starts: last values, and transactions that run."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice

import msgspec
import structlog

from bridge.points.measurands import Measurands
from bridge.points.rows import Row, Type, Value
from bridge.points.tree import Group, Quality, Sample, Stamp, Tree
from bridge.station import charges, transactions
from bridge.station.configuration import FOLDER as CONFIGURATION
from bridge.station.configuration import configuration_row
from bridge.station.connectors import Connectors
from bridge.station.context import Context
from bridge.station.keeping import last_states, memory_of, restore_notes
from bridge.station.known import Known, Running
from bridge.station.scripted import custom_row
from bridge.station.v2.memory import Memory
from bridge.station.v2.transaction import TransactionState
from bridge.station.v2.transaction_points import OF_ANOTHER, points
from bridge.store.records import ASIDE, LastValue, Transaction

log = structlog.get_logger()

_QUALITIES = dict(Quality.__members__)

#: ends of one 2.x station that may not have been shown when the bridge was killed; what is older was
MAX_UNSHOWN = 64
#: s within which what was shown is surely among the last values; they are written every few seconds
KEPT_WITHIN = 60.0

DynamicRow = Callable[[str, str], Row | None]
Points = list[tuple[str, Value]]


class Restorer:
    """Restores the stations `known`, by identity, from the store. `measurands` knows the rows of meter values."""

    def __init__(
        self, context: Context, connectors: Connectors, measurands: Measurands, known: Mapping[str, Known]
    ) -> None:
        self._context = context
        self._connectors = connectors
        self._measurands = measurands
        self._known = known
        self._by_path = {found.points.path: found for found in known.values()}
        #: when the last event of each 2.x transaction that may not have been shown came, by station
        self._received: defaultdict[str, dict[str, float]] = defaultdict(dict)

    def restore(self) -> None:
        """Puts back everything."""
        store = self._context.store
        self._restore_models()
        for values in store.load_group_values():
            name, _, connector = values.path.partition(".")
            known = self._by_path.get(name)
            if known is None:
                continue
            group = self._connectors.named(known, connector) if connector else known.points
            if group is not None:
                dynamic = partial(self._dynamic_row, known)
                restore_values(self._context.tree, group, values.values, dynamic)
        for known in self._known.values():
            offset = known.points.value("State.ClockOffset")
            if isinstance(offset, float):
                known.clock.restore(offset)
        restore_notes(self._context, self._known)
        self._restore_transactions()
        for known in self._known.values():
            self._forget_ended(known)
            for group, shown, time, received in last_states(known, self._received[known.id], self._context.clock()):
                self._put(known, group, shown, time, received)

    def _restore_models(self) -> None:
        """Configuration.* of OCPP 2.x, written or not: what the points are. Their values follow."""
        for text, stations in self._context.store.load_models():
            try:
                points = self._context.catalogue.read(text)
            except msgspec.MsgspecError as error:
                log.warning("device_model.not_restored", stations=stations, error=str(error))
                continue
            rows = [described.row for described in points.values() if not described.gone]
            for known in filter(None, map(self._known.get, stations)):
                if known.model.version.name != "1.6":
                    model = memory_of(self._context, known).model
                    model.restore(points)
                    for row in rows:
                        known.points.extend(row)

    def _dynamic_row(self, known: Known, key: str, type_: str) -> Row | None:
        """The row of a point that came at run time before the restart."""
        folder, _, name = key.partition(".")
        if folder == CONFIGURATION:
            if known.model.version.name == "1.6":
                return configuration_row(name, writable=True)
            described = None if known.memory is None else known.memory.model.at(key)
            return None if described is None else described.row
        if folder == "Custom" and type_ in Type.__members__.values():
            return custom_row(name, Type(type_))
        return self._measurands.row_of(key)

    # OCPP 1.6

    def _restore_transactions(self) -> None:
        """The store is right: what a transaction has changed may not have been among the last values yet."""
        store = self._context.store
        for ended in store.load_last_ended():
            found = self._place(ended)
            if found is not None:
                self._show_ended(*found, ended)
        for event in store.load_running_events():
            if known := self._known.get(event.station):
                charges.replay(self._context, known, memory_of(self._context, known), [event])
                self._received[known.id][event.transaction_id] = event.received
        for known in self._known.values():
            if known.model.version.name != "1.6":  # what ran before is closed when the station connects
                self._restore_charges(known, self._received[known.id])
        for transaction in store.load_open_transactions():
            if known := self._known.get(transaction.station):
                self._show_running(known, transaction)

    def _place(self, transaction: Transaction) -> tuple[Known, Group] | None:
        known = self._known.get(transaction.station)
        group = None if known is None else self._connectors.named(known, transaction.connector)
        return None if known is None or group is None else (known, group)

    def _show_ended(self, known: Known, group: Group, ended: Transaction) -> None:
        """The last transaction that has ended at a connector, where another one is shown as the last."""
        shown, time = group.value("Transaction.Stop.Time"), ended.stop_time
        if time is None or ended.stop_received is None or (isinstance(shown, float) and shown >= time):
            return
        if _number(group.value("Transaction.Start.Id")) < ended.id:
            self._show_start(known, group, ended)
        stop: Points = [
            (f"Transaction.Stop.{name}", value)
            for name, value in (
                ("Id", str(ended.id)),
                ("IdTag", ended.stop_id_tag or ""),
                ("Reason", ended.reason or ""),
                ("MeterStop", ended.meter_stop),
                ("Energy", ended.energy),
                ("Time", time),
            )
        ]
        if _number(group.value("Transaction.Id")) <= ended.id:
            stop += [("Transaction.Active", False), ("Transaction.Id", ""), ("Transaction.IdTag", "")]
            stop.append(("Transaction.Energy", ended.energy))
        self._put(known, group, stop, time, ended.stop_received)

    def _show_running(self, known: Known, transaction: Transaction) -> None:
        group = self._connectors.named(known, transaction.connector)
        running = Running(
            transaction.id,
            group,
            transaction.meter_start,
            transaction.id_tag,
            transaction.lost is not None,
            transaction.start_time,
            begun=transactions.own_start(transaction.start_time, transaction.received),
        )
        if group is not None:  # the last one to start there may have ended
            known.newest[group] = max(known.newest.get(group, 0), _number(group.value("Transaction.Start.Id")))
        known.run(running)
        if group is None or known.model.version.name != "1.6":  # that one is closed when the station connects
            return
        if running.lost:
            self._show_lost(known, group, running, transaction.received)
        elif known.running_at(group) is running:
            now: Points = [
                ("Transaction.Active", True),
                ("Transaction.Id", str(transaction.id)),
                ("Transaction.IdTag", transaction.id_tag),
            ]
            self._put(known, group, now, transaction.start_time, transaction.received)
            self._show_start(known, group, transaction)

    def _show_lost(self, known: Known, group: Group, running: Running, received: float) -> None:
        """One that was lost after what is shown was stored."""
        if group.value("Transaction.Start.Id") == str(running.id) and group.value("Transaction.Active"):
            stop, time = transactions.lost_values(running, group)
            self._put(known, group, list(stop.items()), time, received)

    def _show_start(self, known: Known, group: Group, transaction: Transaction) -> None:
        start: Points = [
            (f"Transaction.Start.{name}", value)
            for name, value in (
                ("Id", str(transaction.id)),
                ("IdTag", transaction.id_tag),
                ("MeterStart", transaction.meter_start),
                ("Time", transaction.start_time),
                ("Authorization", str(transaction.authorization.get("status", ""))),
                ("ParentIdTag", str(transaction.authorization.get("parentIdTag", ""))),
                ("ReservationId", transaction.reservation_id),
            )
        ]
        self._put(known, group, start, transaction.start_time, transaction.received)

    # OCPP 2.x

    def _restore_charges(self, known: Known, received: dict[str, float]) -> None:
        """The newest transaction of each connector whether it runs or has ended, and the last ends. `received`: when
        the last event of those came that run.
        """
        memory = memory_of(self._context, known)
        for state in memory.transactions:
            charges.recall(self._context, known, memory, state.id, state.at)
        for state, time in self._replay_ended(known, memory):
            received[state.id] = time
            group = known.points.connectors.get(state.at)
            if group is not None and charges.is_last_end(group, state):
                self._show_state(known, group, state, time, current=memory.transactions.at(state.at) is state)
        for state in memory.transactions:
            group = known.points.connectors.get(state.at)
            if group is not None and memory.transactions.at(state.at) is state:
                self._show_state(known, group, state, received.get(state.id, self._context.clock()), current=True)

    def _replay_ended(self, known: Known, memory: Memory) -> Iterator[tuple[TransactionState, float]]:
        """Those that ended after what is shown was stored, the oldest first, and when the end came. A repeated end of
        one that is shown changes nothing.
        """
        ends = list(islice(self._context.store.load_ends_of(known.id), MAX_UNSHOWN))
        reused = {transaction.partition(ASIDE)[0] for transaction, _ in ends if ASIDE in transaction}
        shown = {group.value("Transaction.Stop.Id") for group in known.points.connectors.values()} - reused
        found: dict[str, float] = {}
        kept: float | None = None
        for transaction, received in ends:
            if kept is not None and received < kept - KEPT_WITHIN:
                break
            if transaction in shown:
                kept = received if kept is None else kept
            else:
                found.setdefault(transaction, received)
        for transaction, received in reversed(found.items()):  # more than memory keeps: the newest are to stay
            charges.replay(self._context, known, memory, self._context.store.events_of(known.id, transaction))
            state = memory.transactions.get(transaction)
            if state is not None:
                yield state, received

    def _show_state(
        self, known: Known, group: Group, state: TransactionState, received: float, *, current: bool
    ) -> None:
        found = points(state, current=current, ended=True)
        if current and group.value("Transaction.Start.Id") not in (state.id, None):
            found += [(key, None, None) for key in OF_ANOTHER]
        for key, value, time in found:
            self._put(known, group, [(key, value)], time, received)

    # All

    def _forget_ended(self, known: Known) -> None:
        """A transaction of which the store knows no more that it runs."""
        for group in known.points.connectors.values():
            if group.value("Transaction.Active") and not known.charges_at(group):
                ended: Points = [("Transaction.Active", False), ("Transaction.Id", ""), ("Transaction.IdTag", "")]
                self._put(known, group, ended, None, self._context.clock())

    def _put(self, known: Known, group: Group, values: Points, time: float | None, received: float) -> None:
        """Shows values that the station has not repeated yet; `time` is its own. What is shown already stays."""
        believed = None if time is None else known.clock.believed(time, received)
        for key, value in values:
            slot = group.slot(key)
            if slot is None or (value is None and group.value(key) is None):
                continue
            if group.value(key) != value or group.sample(slot).quality is Quality.WAITING:
                sample = Sample(value, Quality.LAST, received if believed is None else believed, received)
                self._context.tree.restore(group, slot, sample)


def _number(shown: Value) -> int:
    """The id of a transaction of OCPP 1.6 that a point shows; 0 for any other."""
    return int(shown) if isinstance(shown, str) and shown.isascii() and shown.isdecimal() else 0


def restore_values(tree: Tree, group: Group, values: Iterable[LastValue], dynamic: DynamicRow) -> None:
    """`dynamic` finds the row of a point that came at run time by its key and type. What has no row any more, or
    one of another type, is left out.
    """
    tree.restore_all(group, _found(group, values, dynamic))


def _found(group: Group, values: Iterable[LastValue], dynamic: DynamicRow) -> Iterator[tuple[int, Value, Stamp]]:
    index, rows = group.layout.index, group.layout.rows
    said: tuple[str, float | None, float] | None = None
    stamp: Stamp = (Quality.LAST, None, None)
    for key, kind, value, quality, source, received in values:
        slot = index.get(key)
        if slot is None:
            slot = group.slot(key)
        if slot is None:
            made = dynamic(key, kind)
            slot = None if made is None else group.extend(made)
            if slot is None:
                continue
        row = rows[slot] if slot < len(rows) else group.row(slot)
        if row.type == kind:
            if (quality, source, received) != said:  # the points that one message changed share their stamp
                said = quality, source, received
                stamp = _QUALITIES.get(quality, Quality.LAST), source, received
            yield slot, value, stamp
