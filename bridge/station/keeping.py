"""What a restart must not lose of 2.x stations beside their points and transactions: device models, and notes of what
connectors were said to be, of alerts and of monitors.
"""

from collections.abc import Iterator, Mapping

import msgspec
import structlog

from bridge.points.rows import Value
from bridge.points.tree import Group
from bridge.station.context import Context
from bridge.station.known import OCCUPIED, Known
from bridge.station.v2.alerts import Alerts, Monitors
from bridge.station.v2.memory import Memory
from bridge.station.v2.status import ConnectorReport, state
from bridge.store.records import SUBJECTS
from bridge.store.store import Store

log = structlog.get_logger()

#: s from one writing of a device model to the next, whatever its station reports
KEEP_AFTER = 10.0
_NOTHING = "{}"
#: statuses that 2.x itself reports
_AS_REPORTED = frozenset({"Available", "Reserved", "Unavailable", "Faulted"})


def memory_of(context: Context, known: Known) -> Memory:
    """What is remembered of a 2.x station."""
    if known.memory is None:
        known.memory = Memory(context.catalogue)
    return known.memory


# Device models


def keep_model(context: Context, known: Known, memory: Memory) -> None:
    """Keeps what a report has changed: at once, or as soon as the last time is long enough ago."""
    if context.monotonic() - memory.kept < KEEP_AFTER:
        context.unkept.add(known)
    else:
        _put_model(context, known, memory)


def keep_models(context: Context, *, at_end: bool = False) -> Iterator[None]:
    """Keeps those that have waited long enough; at the end all of them. Yields after each: it takes a millisecond."""
    for known in tuple(context.unkept):
        memory = known.memory
        if known.removed or memory is None:
            context.unkept.discard(known)
        elif at_end or context.monotonic() - memory.kept >= KEEP_AFTER:
            _put_model(context, known, memory)
            yield


def _put_model(context: Context, known: Known, memory: Memory) -> None:
    memory.kept = context.monotonic()
    context.unkept.discard(known)
    context.store.put_model_soon(known.id, memory.model.keep())


# Notes


def keep_notes(context: Context, known: Known, memory: Memory) -> None:
    """Keeps what has changed of what is noted."""
    for subject in memory.unkept:
        text = msgspec.json.encode(getattr(memory, subject)).decode()
        context.store.put_note_soon(known.id, subject, text)
    memory.unkept.clear()


def forget_notes(store: Store, identity: str) -> None:
    """What a station said before it spoke OCPP 1.6 is no more."""
    for subject in SUBJECTS:
        store.put_note_soon(identity, subject, _NOTHING)


def restore_notes(context: Context, stations: Mapping[str, Known]) -> None:
    """Takes back what was noted before a restart; from the points where a store has no notes yet."""
    noted: set[str] = set()
    for identity, subject, text in context.store.load_notes():
        known = stations.get(identity)
        if known is None or subject not in SUBJECTS:
            continue
        noted.add(identity)
        if known.spoken == "1.6":
            forget_notes(context.store, identity)
        else:
            _restore_note(known, memory_of(context, known), subject, text)
    for known in stations.values():
        if known.spoken != "1.6" and known.id not in noted and known.points.connectors:
            memory_of(context, known).reported = _reports_of(known)


def _restore_note(known: Known, memory: Memory, subject: str, text: str) -> None:
    try:
        if subject == "reported":
            memory.reported = msgspec.json.decode(text, type=dict[str, ConnectorReport])
        elif subject == "alerts":
            memory.alerts = msgspec.json.decode(text, type=Alerts)
        elif subject == "monitors":
            memory.monitors = msgspec.json.decode(text, type=Monitors)
    except msgspec.MsgspecError as error:
        log.warning("note.not_restored", station=known.id, subject=subject, error=str(error))


def _reports_of(known: Known) -> dict[str, ConnectorReport]:
    """What connectors were said to be, as far as their points tell it."""
    found = {}
    for name, group in known.points.connectors.items():
        slot, shown = group.slot("Status.State"), group.value("Status.StateText")
        if slot is None or not isinstance(shown, str) or shown not in _AS_REPORTED | OCCUPIED:
            continue
        believed = group.sample(slot).source_time or 0.0
        own = believed + (known.clock.offset or 0.0)
        found[name] = ConnectorReport(shown if shown in _AS_REPORTED else "Occupied", own, own, believed)
    return found


def last_states(
    known: Known, received: Mapping[str, float], now: float
) -> Iterator[tuple[Group, list[tuple[str, Value]], float, float]]:
    """Status.State of the connectors of a 2.x station by all that was kept, which may be newer than what is shown, and
    when that was told: by the station's clock, which may be years off, and by ours.

    `received`: when the last event of a transaction came, by its id.
    """
    memory = known.memory
    if memory is None or known.spoken == "1.6":
        return
    for name, group in known.points.connectors.items():
        report, newest = memory.reported.get(name, ConnectorReport()), memory.transactions.at(name)
        found = state(report, None if newest is None else newest.charging)
        slot = group.slot("Status.State")
        enumeration = None if slot is None else group.row(slot).enumeration
        if found is None or enumeration is None or found not in enumeration.numbers:
            continue
        if newest is None and found == "Occupied" and group.value("Status.StateText") in OCCUPIED:
            continue  # what its last transaction made of that
        own, came = report.time, report.believed
        if newest is not None and newest.last_time is not None and newest.last_time >= own:
            own, came = newest.last_time, received.get(newest.id, now)
        yield group, [("Status.State", enumeration.numbers[found]), ("Status.StateText", found)], own, min(came, now)
