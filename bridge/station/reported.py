"""What the rows cannot say of a 2.x message that was answered automatically: into the tree.

Every function gets the group that the message speaks of; what belongs to another one is found from there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bridge.points.measurands import in_order
from bridge.points.rows import Type, Value
from bridge.points.tree import Group, Quality, Tree, Update
from bridge.points.values import parse_time, to_json
from bridge.station.known import Known
from bridge.station.metering import raw_of
from bridge.station.transactions import show_none
from bridge.station.v2.addressing import Place, connector_name
from bridge.station.v2.alerts import place_of_alert, time_of
from bridge.station.v2.device_model import MAX_POINTS, Reading
from bridge.station.v2.memory import Memory
from bridge.station.v2.reports import json_of
from bridge.station.v2.samples import unit_of
from bridge.station.v2.status import ConnectorReport, state

#: statuses of a connector at which no transaction runs (OCPP 2.0.1 E02)
_WITHOUT_TRANSACTION = frozenset({"Available", "Reserved"})

Payload = Mapping[str, Any]
Points = Iterable[tuple[str, Value, float | None]]


def apply_points(tree: Tree, group: Group, points: Points, now: float) -> None:
    """Applies points by key; those that the group does not have are passed over."""
    slots = ((group.slot(key), value, time) for key, value, time in points)
    tree.apply(group, [Update(slot, value, time) for slot, value, time in slots if slot is not None], now)


def show_status(tree: Tree, memory: Memory, group: Group, time: float | None, now: float) -> None:
    """Status.State of a connector, from all that is known of it."""
    name = name_of(group)
    newest = memory.transactions.at(name)
    found = state(memory.reported.get(name, ConnectorReport()), None if newest is None else newest.charging)
    slot = group.slot("Status.State")
    enumeration = None if slot is None else group.row(slot).enumeration
    if slot is None or enumeration is None or found is None:
        return
    if found in enumeration.numbers:
        tree.apply(group, [Update(slot, enumeration.numbers[found], time)], now)
    else:
        tree.apply(group, [Update(slot, None, None, Quality.SUBNORMAL)], now)


def take_status(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    """StatusNotification (OCPP 2.0.1 G01)."""
    status, stamp = payload.get("connectorStatus"), _stamp(payload.get("timestamp"))
    if not isinstance(status, str):
        return "connectorStatus: expected a string"
    time = None if stamp is None else known.clock.heard(stamp, now)
    own, believed = now if stamp is None else stamp, now if time is None else time
    if memory.reported.setdefault(name_of(group), ConnectorReport()).take(status, own, believed):
        memory.unkept.add("reported")
        show_status(tree, memory, group, time, now)
        if status in _WITHOUT_TRANSACTION:
            show_none(tree, known, group, time, now)
    slot = group.slot("Status.State")
    enumeration = None if slot is None else group.row(slot).enumeration
    return "" if enumeration is None or status in enumeration.numbers else f"connectorStatus: no {enumeration.name}"


def take_meter_values(
    tree: Tree, known: Known, group: Group, meter_values: Any, now: float, *, newer: bool = False
) -> str:
    """A MeterValue array, of MeterValues or of a TransactionEvent; returns why a value could not be read.

    `newer`: only what is newer than what is shown, as of a message that is known to come late.
    """
    if not meter_values:
        return ""
    raw = to_json(meter_values)
    updates, latest, _, problem, _ = known.model.measurands.telegram(
        group, in_order(meter_values, raw), lambda stamp: known.clock.heard(stamp, now), unit_of
    )
    for key, value in (
        ("MeterValues.Time", now if latest is None else latest),
        ("MeterValues.Raw", raw_of(raw)),
    ):
        slot = group.slot(key)
        if slot is not None:
            updates.append(Update(slot, value, latest))
    tree.apply(group, [update for update in updates if _is_newer(group, update)] if newer else updates, now)
    return problem


def _is_newer(group: Group, update: Update) -> bool:
    shown = group.sample(update.slot).source_time
    return shown is None or (update.time is not None and update.time > shown)


def show_readings(tree: Tree, known: Known, readings: Sequence[Reading], time: float | None, now: float) -> str:
    """Configuration.*: points are made the first time; returns why a value could not be read."""
    group, updates, problem = known.points, [], ""
    for reading in readings:
        slot = group.extend(reading.described.row)
        if slot is None:
            problem = f"{reading.described.row.key}: there are too many points"
            continue
        if not reading.told:
            continue
        if reading.problem or not _fits(group.row(slot).type, reading.value):
            problem = f"{reading.described.row.key}: {reading.problem or _retyped(reading, group.row(slot).type)}"
            updates.append(Update(slot, None, None, Quality.SUBNORMAL))
        else:
            updates.append(Update(slot, reading.value, time))
    tree.apply(group, updates, now)
    if known.provision is not None:
        for reading in readings:
            known.provision.heard(reading.described.row.key)
    return problem


def take_report(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    """NotifyReport (OCPP 2.0.1 B07, B08): each part as it comes."""
    left_out = memory.model.left_out
    readings = memory.model.report(payload)
    ours = memory.ours is not None and payload.get("requestId") == memory.ours
    if ours:
        memory.parts += 1
        memory.told.update(reading.described.row.key for reading in readings)
    if memory.reports.take("NotifyReport", payload, []) is not None and ours:
        memory.is_read, memory.ours = True, None
        gone = memory.model.forget(memory.told)
        slots = [slot for slot in map(known.points.slot, gone) if slot is not None]
        tree.apply(known.points, [Update(slot, None, None, Quality.WAITING) for slot in slots], now)
    problem = show_readings(tree, known, readings, _believed(known, payload, now), now)
    if memory.model.left_out > left_out:
        more = memory.model.left_out - left_out
        return f"reportData: {more} attributes are left out, a station can have {MAX_POINTS}"
    return problem


def take_events(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    """NotifyEvent (OCPP 2.0.1 N07): variables change, alerts show where their components are."""
    missed = memory.numbers.take(payload.get("seqNo"), more=payload.get("tbc") is True)
    if missed:
        before = known.points.value("State.MissedEvents")
        count = (before if isinstance(before, int) else 0) + missed & 0xFFFFFFFF
        apply_points(tree, known.points, [("State.MissedEvents", count, None)], now)
    entries = payload.get("eventData")
    problem = ""
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        stamp = time_of(entry)
        time = None if stamp is None else known.clock.heard(stamp, now)
        reading = memory.model.event(entry)
        if reading is not None:
            problem = show_readings(tree, known, [reading], time, now) or problem
        place = place_of_alert(entry)
        if place is not None:
            _take_alert(tree, known, memory, place, entry, time, now)
    return problem


def _take_alert(
    tree: Tree, known: Known, memory: Memory, place: Place, entry: Payload, time: float | None, now: float
) -> None:
    group = _group_at(known, place)
    shown = memory.alerts.take(entry, "" if group is known.points else name_of(group), known.hides)
    memory.unkept.add("alerts")
    for name, points in shown.items():
        at = known.points.connectors.get(name, known.points)
        apply_points(tree, at, [(key, value, time) for key, value in points.items()], now)


def take_limit(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    apply_points(tree, group, [("ChargingLimit.Active", True, None)], now)
    return ""


def take_cleared_limit(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    apply_points(tree, group, [("ChargingLimit.Active", False, None)], now)
    return ""


def take_priority(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    """NotifyPriorityCharging (OCPP 2.1): at the connector of the transaction that it names."""
    found = memory.transactions.get(str(payload.get("transactionId")))
    at = None if found is None else known.points.connectors.get(found.at)
    if at is not None:
        apply_points(tree, at, [("Transaction.PriorityCharging", payload.get("activated") is True, None)], now)
    return ""


def take_monitors(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    memory.monitors.report(payload)
    memory.unkept.add("monitors")
    return _take_part("NotifyMonitoringReport", tree, known, memory, group, payload, now)


def take_opened(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    memory.monitors.opened(payload)
    memory.unkept.add("monitors")
    return ""


def take_closed(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    memory.monitors.closed(payload)
    memory.unkept.add("monitors")
    return ""


def take_stream(tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float) -> str:
    """NotifyPeriodicEventStream (OCPP 2.1 N11), which is sent and not called."""
    try:
        values = memory.monitors.values(payload)
    except LookupError as error:  # the station does nothing wrong: it is not counted
        apply_points(tree, known.points, [("State.LastError", str(error.args[0]), None)], now)
        return ""
    for variable, text, stamp in values:
        reading = memory.model.value(variable, text)
        if reading is not None:
            time = None if stamp is None else known.clock.heard(stamp, now)
            show_readings(tree, known, [reading], time, now)
    return ""


#: reports in several messages: the field that is kept of each part ("" for the whole part), and the point
REPORTS: Mapping[str, tuple[str, str]] = {
    "NotifyCustomerInformation": ("data", "Reports.CustomerInformation"),
    "NotifyDisplayMessages": ("messageInfo", "Reports.DisplayMessages"),
    "NotifyMonitoringReport": ("monitor", "Reports.Monitors"),
    "ReportChargingProfiles": ("", "Reports.ChargingProfiles"),
    "ReportDERControl": ("", "Reports.DERControls"),
}
_FRAMING = frozenset({"requestId", "tbc", "seqNo", "generatedAt"})


def _take_part(
    action: str, tree: Tree, known: Known, memory: Memory, group: Group, payload: Payload, now: float
) -> str:
    field, key = REPORTS[action]
    kept = payload.get(field) if field else {k: v for k, v in payload.items() if k not in _FRAMING}
    parts = kept if isinstance(kept, list) else [kept]
    report = memory.reports.take(action, payload, [part for part in parts if part is not None])
    if report is not None:
        items = report.items()
        texts = all(isinstance(item, str) for item in items)
        text = "".join(items) if texts else json_of(items)
        apply_points(tree, known.points, [(key, text, _believed(known, payload, now))], now)
    return ""


def _part_of(action: str) -> "Take":
    return lambda *arguments: _take_part(action, *arguments)


Take = Callable[[Tree, Known, Memory, Group, Payload, float], str]
"""(…, the group that the message speaks of, its payload, now) → what could not be read."""

TAKES: Mapping[str, Take] = {
    **{action: _part_of(action) for action in REPORTS},
    "ClearedChargingLimit": take_cleared_limit,
    "ClosePeriodicEventStream": take_closed,
    "MeterValues": lambda tree, known, memory, group, payload, now: take_meter_values(
        tree, known, group, payload.get("meterValue"), now
    ),
    "NotifyChargingLimit": take_limit,
    "NotifyEvent": take_events,
    "NotifyMonitoringReport": take_monitors,
    "NotifyPeriodicEventStream": take_stream,
    "NotifyPriorityCharging": take_priority,
    "NotifyReport": take_report,
    "OpenPeriodicEventStream": take_opened,
    "StatusNotification": take_status,
}


def name_of(group: Group) -> str:
    """The connector's name; the station's own for the station."""
    return group.path.rpartition(".")[2]


def _group_at(known: Known, place: Place) -> Group:
    """The points of a place; the station's own where nothing is known of that connector."""
    name = connector_name(place.evse, place.connector or 1)
    return known.points.connectors.get(name, known.points) if place.evse else known.points


def _believed(known: Known, payload: Payload, now: float) -> float | None:
    stamp = _stamp(payload.get("generatedAt"))
    return None if stamp is None else known.clock.heard(stamp, now)


def _stamp(raw: Any) -> float | None:
    try:
        return parse_time(raw)
    except ValueError:
        return None


def _retyped(reading: Reading, before: Type) -> str:
    """The type of an OPC UA variable does not change while clients may have it open."""
    return f"is of type {reading.described.row.type.value} now, shown as {before.value} until the bridge starts again"


def _fits(type_: Type, value: Value) -> bool:
    """Whether a value is of the type that its point was made with; a new firmware may have changed the variable's."""
    if value is None or type_ is Type.STRING:
        return value is None or isinstance(value, str)
    if type_ is Type.BOOLEAN or isinstance(value, bool):
        return type_ is Type.BOOLEAN and isinstance(value, bool)
    return isinstance(value, int) if type_ in (Type.INT32, Type.UINT32) else isinstance(value, int | float)
