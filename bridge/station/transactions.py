"""Transactions: recorded before they are answered, recognised when they are repeated, shown as points.

Knows no OCPP version; `v16` and its like bring the fields.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import structlog

from bridge.errors import StoreError
from bridge.points.rows import Value
from bridge.points.tree import Group, Quality, Tree, Update
from bridge.station.context import Context
from bridge.station.known import Known, Running
from bridge.store.records import Transaction, TransactionStart, TransactionStop

log = structlog.get_logger()

#: s that a station which has become Available has for the stop of its transaction; it may have to send others before
LOST_AFTER = 120.0
#: Transaction.Stop.Reason of a transaction whose stop was lost
UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Begun:
    """A transaction that has been recorded. `shown`: it still runs, so the tree is to show it. `doubt`: why its
    meterStart is uncertain.
    """

    id: int
    authorization: Mapping[str, Any]
    shown: bool
    show: Callable[[float | None], None]
    doubt: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A stop that has been recorded. `id`: its transaction's; `asks`: nobody has decided about its token;
    `authorization`: what was decided; `group`: where it is to be shown, if anywhere; `doubt`: why its energy is
    uncertain.
    """

    id: int
    asks: bool
    connector: str
    group: Group | None
    show: Callable[[float | None], None]
    doubt: str
    authorization: Mapping[str, Any] | None = None


async def begin(
    context: Context,
    known: Known,
    group: Group | None,
    start: TransactionStart,
    ask: Callable[[], Awaitable[dict[str, Any]]],
) -> Begun:
    """Records a transaction durably, once, however often it is sent; `ask` decides who may charge.

    Raises StoreError when it could not be recorded: the station is to send it again.
    """
    key = (start.station, start.connector, start.id_tag, start.start_timestamp, start.meter_start)
    before = context.store.find_start(*key)
    if before is None:
        decided = replace(start, authorization=await ask())
        number, authorization, repeated = await context.store.start_transaction(decided)
    else:
        (number, authorization), repeated = before, True
    overtaken: Running | None = None
    # One that came to the disk after we had given up waiting for it has come before, and is shown nowhere yet.
    unheard = repeated and number not in known.running and context.store.runs(number)
    if not repeated or unheard:
        overtaken = _lose_overtaken(known, group, start.start_time)
        begun = Running(
            number,
            group,
            start.meter_start,
            start.id_tag,
            start_time=start.start_time,
            named=False,
            begun=own_start(start.start_time, start.received),
        )
        known.run(begun)
    running = known.running.get(number)
    log.info(
        "transaction.started",
        station=known.id,
        connector=start.connector,
        transaction=number,
        status=authorization.get("status"),
        repeated=repeated,
    )

    def show(time: float | None) -> None:
        if group is not None and overtaken is not None:
            stop, last = lost_values(overtaken, group)
            context.tree.apply(group, _doubtful(group, stop, last), context.clock())
        if group is not None and running is not None and known.running_at(group) is running:
            values = running_values(running, None if repeated else start.meter_start)
            updates = _updates(group, dict(zip(RUNNING, values, strict=False)), time)
            if doubt:
                updates += _doubtful(group, {"Transaction.Start.MeterStart": start.meter_start}, time)
            context.tree.apply(group, updates, context.clock())

    doubt = _not_whole("meterStart", start.meter_start)
    return Begun(number, authorization, running is not None, show, doubt)


def own_start(start_time: float, received: float) -> float:
    """When a transaction began by its station's clock; -inf where the time of receipt stands for what it has not said,
    with which none of its timestamps can be compared.
    """
    return -inf if start_time == received else start_time


def _lose_overtaken(known: Known, group: Group | None, start_time: float) -> Running | None:
    """Those that began earlier at the connector of one that begins: the store has noted the same. The one that is shown
    there, if there is one.
    """
    shown, overtaken = None if group is None else known.running_at(group), None
    for older in tuple(known.running.values()):
        if group is not None and older.group is group and (older.start_time or 0.0) <= start_time and not older.lost:
            log.warning("transaction.lost", station=known.id, transaction=older.id)
            known.lose(older)
            overtaken = older if older is shown else overtaken
    return overtaken


async def end(context: Context, known: Known, stop: TransactionStop, doubt: str = "") -> Ended:
    """Records a stop durably. A stop of an unknown transaction, or of another station's, touches nothing.

    `doubt` says why its meterStop is uncertain, where it is.
    """
    stopped = await context.store.stop_transaction(stop)
    number = stop.transaction_id if stopped is None else stopped.id
    running = known.running.get(number)
    group = None if stopped is None else running.group if running is not None else _shown_before(known, stopped)
    was = "unknown" if stopped is None else stopped.stop_was
    log.info(
        "transaction.stopped",
        station=known.id,
        transaction=number,
        energy=None if stopped is None else stopped.energy,
        stop=was,
    )
    if stopped is None:
        return Ended(number, False, "", None, lambda time: None, doubt)
    if was == "other":
        known.running.pop(stopped.id, None)
        problem = f"transaction {stopped.id} had ended with another meterStop, time, reason or the like; both are kept"
        return Ended(number, False, stopped.connector, None, lambda time: None, problem, stopped.stop_authorization)
    doubt = doubt or _doubt_of(stopped)

    def show(time: float | None) -> None:
        clear = group is not None and known.running_at(group) in (running, None)
        known.running.pop(stopped.id, None)
        if group is not None and was == "corrected":
            _show_corrected(context, group, stopped, time)
        if group is not None:
            _show_ended(context, group, stopped, time, clear=clear, sure=not doubt)

    if group is None:
        known.running.pop(stopped.id, None)
    before = stopped.stop_authorization
    return Ended(number, before is None, stopped.connector, group, show, doubt, before)


def _doubt_of(stopped: Transaction) -> str:
    """Why the energy of a transaction is uncertain: a register in Wh has no decimals, and does not run backwards."""
    if stopped.energy is not None and stopped.energy < 0:
        return f"meterStop: {stopped.meter_stop:g} Wh is less than at the start, {stopped.meter_start:g} Wh"
    return _not_whole("meterStop", stopped.meter_stop) or _not_whole("meterStart", stopped.meter_start)


def _not_whole(field: str, register: float | None) -> str:
    return "" if register is None or register == int(register) else f"{field}: {register:g} is no whole number of Wh"


def _shown_before(known: Known, stopped: Transaction) -> Group | None:
    """Where a stop is shown that the station sends again: what it has not repeated is not sure, nor a guess."""
    group = known.points.connectors.get(stopped.connector)
    slot = None if group is None else group.slot("Transaction.Stop.Id")
    if group is None or slot is None:
        return None
    shown = group.sample(slot)
    unsure = shown.quality is Quality.LAST or stopped.stop_was == "corrected"
    return group if shown.value == str(stopped.id) and unsure else None


def _show_corrected(context: Context, group: Group, stopped: Transaction, time: float | None) -> None:
    """The stop that names the transaction, in the place of a guessed one, which may have had a later time."""
    stop: dict[str, Value] = {
        "Transaction.Stop.IdTag": stopped.stop_id_tag or "",
        "Transaction.Stop.Reason": stopped.reason or "",
        "Transaction.Stop.MeterStop": stopped.meter_stop,
        "Transaction.Stop.Time": stopped.stop_time,
    }
    slot = group.slot("Transaction.Stop.MeterStop")
    shown = None if slot is None else group.sample(slot).source_time
    late = time is not None and shown is not None and time < shown
    context.tree.apply(group, _updates(group, stop, None if late else time), context.clock())


def show_none(tree: Tree, known: Known, group: Group, time: float | None, now: float) -> None:
    """A connector has a status that it only has without a transaction, and none is known: so none runs there."""
    if not known.charges_at(group):
        values: dict[str, Value] = {"Transaction.Active": False, "Transaction.Id": "", "Transaction.IdTag": ""}
        tree.apply(group, _updates(group, values, time), now)


def miss_stop(context: Context, known: Known, group: Group) -> None:
    """A connector is Available though a transaction runs there: its stop is still to come, or it was lost."""
    running, session = known.running_at(group), known.session
    if running is None:
        return

    async def close() -> None:
        lost = False
        while not lost:  # the disk may refuse it for a while
            await asyncio.sleep(LOST_AFTER)
            if known.session is not session or known.running.get(running.id) is not running or not _is_available(group):
                return
            lost = await _lose(context, known, running)

    context.spawn(close())


def miss_stops(context: Context, known: Known) -> None:
    """The same of all connectors of a station that has connected: it need not say again what it said before."""
    for group in known.points.connectors.values():
        if _is_available(group) and _told(group, "Status.StateText") >= _told(group, "Transaction.Active"):
            miss_stop(context, known, group)


def _told(group: Group, key: str) -> float:
    """When a point was last told, by our clock."""
    slot = group.slot(key)
    return (None if slot is None else group.sample(slot).server_time) or 0.0


async def _lose(context: Context, known: Known, running: Running) -> bool:
    """Ends a transaction that the station no longer knows. Its stop is taken all the same, if it ever comes."""
    try:
        await context.store.lose_transaction(running.id, context.clock())
    except StoreError as error:
        log.error("store.failed", station=known.id, error=str(error))
        return False
    _show_lost(context, known, running)
    return True


async def lose_all(context: Context, known: Known) -> None:
    """The same of all that run: the station speaks a version of OCPP now that knows none of them."""
    before = [running for running in known.running.values() if not running.lost]
    try:
        await context.store.lose_transactions(known.id, context.clock())
    except StoreError as error:
        log.error("store.failed", station=known.id, error=str(error))
        return
    for running in before:
        _show_lost(context, known, running)


def _show_lost(context: Context, known: Known, running: Running) -> None:
    if known.running.get(running.id) is not running:  # it was stopped meanwhile
        return
    group, now = running.group, context.clock()
    shown = group is not None and known.running_at(group) is running
    known.lose(running)
    log.warning("transaction.lost", station=known.id, transaction=running.id)
    if group is None or not shown:
        return
    stop, last = lost_values(running, group)
    context.tree.apply(group, _doubtful(group, stop, last), now)
    show_none(context.tree, known, group, None, now)


def lost_values(running: Running, group: Group) -> tuple[dict[str, Value], float | None]:
    """Transaction.Stop.* of a transaction whose stop was lost, from what is shown of it, and the time of that."""
    slot, energy = group.slot("Transaction.Active"), group.value("Transaction.Energy")
    last = None if slot is None else group.sample(slot).source_time  # a stop that comes late is not before that
    drawn = energy if isinstance(energy, float) else None
    stop: dict[str, Value] = {
        "Transaction.Stop.Id": str(running.id),
        "Transaction.Stop.IdTag": "",
        "Transaction.Stop.Reason": UNKNOWN,
        "Transaction.Stop.MeterStop": None if drawn is None else running.meter_start + drawn,
        "Transaction.Stop.Energy": drawn,
        "Transaction.Stop.Time": last,
    }
    return stop, last


def _is_available(group: Group) -> bool:
    return group.value("Status.StateText") == "Available"


#: the points of what runs, in the order of `running_values`
RUNNING = ("Transaction.Active", "Transaction.Id", "Transaction.IdTag", "Transaction.Energy")


def running_values(running: Running, register: float | None) -> list[Value]:
    """The values of RUNNING: what runs now, said again with every telegram, so that it is known after a reconnect too.

    `register` is the energy register in Wh, None where the message has none; then there is no energy either.
    """
    if register is None:
        return [True, str(running.id), running.id_tag]
    return [True, str(running.id), running.id_tag, round(register - running.meter_start, 6)]


def _show_ended(
    context: Context, group: Group, stopped: Transaction, time: float | None, *, clear: bool, sure: bool
) -> None:
    energy: dict[str, Value] = {"Transaction.Stop.Energy": stopped.energy}
    if sure:
        updates = _updates(group, energy, time)
    else:
        updates = _doubtful(group, energy | {"Transaction.Stop.MeterStop": stopped.meter_stop}, time)
    if clear:
        ended: dict[str, Value] = {
            "Transaction.Active": False,
            "Transaction.Id": "",
            "Transaction.IdTag": "",
        }
        at, last = _not_before(group, time), {"Transaction.Energy": stopped.energy}
        updates += [*_updates(group, ended, at), *(_updates if sure else _doubtful)(group, last, at)]
    context.tree.apply(group, updates, context.clock())


def _not_before(group: Group, time: float | None) -> float | None:
    """None, the time of receipt, where the station's time of an end lies before what is shown of the transaction.

    It has ended all the same: as a value of long ago it would be passed over, and run for ever.
    """
    slots = (group.slot(key) for key in ("Transaction.Active", "Transaction.Energy"))
    shown = [group.sample(slot).source_time for slot in slots if slot is not None]
    return None if time is not None and any(last is not None and time < last for last in shown) else time


def _updates(group: Group, values: Mapping[str, Value], time: float | None) -> list[Update]:
    slots = ((group.slot(key), value) for key, value in values.items())
    return [Update(slot, value, time) for slot, value in slots if slot is not None]


def _doubtful(group: Group, values: Mapping[str, Value], time: float | None) -> list[Update]:
    return [update._replace(quality=Quality.SUBNORMAL) for update in _updates(group, values, time)]
