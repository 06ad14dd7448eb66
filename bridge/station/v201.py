"""OCPP 2.0.1 and 2.1: which messages the bridge answers by itself, and how the others are decided.

`bridge.station.v2` has what the messages mean; this is where they meet the store, the scripts and the tree.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog

from bridge.api import (
    Authorization,
    AuthorizeRequest,
    BootNotificationAnswer,
    BootNotificationRequest,
    DataTransferAnswer,
    DataTransferRequest,
    StartTransactionRequest,
    StopTransactionRequest,
)
from bridge.errors import OcppError, StoreError
from bridge.ocpp.secrets import masked
from bridge.ocpp.versions import VERSIONS
from bridge.points.tree import Group
from bridge.points.values import format_time
from bridge.station import charges, inquiries, lost, placing, reported, reusing
from bridge.station.context import Answer, Context, Quick
from bridge.station.fields import optional_text, text
from bridge.station.keeping import keep_model, keep_notes, memory_of
from bridge.station.known import Known
from bridge.station.registration import answer_boot, answer_sign_certificate
from bridge.station.scripted import ScriptedStation
from bridge.station.told_events import TOLD, security_event, tell
from bridge.station.v2 import answers
from bridge.station.v2.events import ENDED, Event, read_event
from bridge.station.v2.memory import Memory
from bridge.station.v2.stored import located
from bridge.station.v2.transaction_points import Point
from bridge.station.v2.transactions import Taken
from bridge.store.records import EventRecord

log = structlog.get_logger()

#: what a station that is Pending may be sent (OCPP 2.0.1 B02)
_WHILE_PENDING = frozenset({"GetBaseReport", "GetReport", "GetVariables", "SetVariables", "TriggerMessage"})
FORBIDDEN_WHILE_PENDING = frozenset(VERSIONS["2.1"].to_station) - _WHILE_PENDING
#: whether a station that is not accepted is refused whatever it sends, even where validation is lenient (B02.FR.09)
STRICT_REGISTRATION = True

AUTOMATIC = answers.AUTOMATIC
QUICK: Mapping[str, Quick] = {}

#: messages that a trigger calls by another name than their own
_TRIGGERED: Mapping[str, frozenset[str]] = {
    name: frozenset({"SignCertificate"})
    for name in (
        "SignChargingStationCertificate",
        "SignCombinedCertificate",
        "SignV2GCertificate",
        "SignV2G20Certificate",
    )
}

MAX_ANSWERED = 64
"""Answers to tokens of one station that are kept for events that come again."""

Payload = Mapping[str, Any]
Decide = Callable[[Context, Known, Group | None, Payload, float], Awaitable[Answer]]


async def boot_notification(
    context: Context, known: Known, group: Group | None, payload: Payload, now: float
) -> Answer:
    """OCPP 2.0.1 B01 to B04"""
    station = _object(payload, "chargingStation")
    changed = _object(known.record.boot, "chargingStation") != masked(station)
    request = BootNotificationRequest(
        station=_station(context, known),
        version=known.model.version.name,
        payload=payload,
        vendor=optional_text(station, "vendorName"),
        model=optional_text(station, "model"),
        serial_number=optional_text(station, "serialNumber"),
        firmware_version=optional_text(station, "firmwareVersion"),
        reason=optional_text(payload, "reason"),
    )
    decided = await context.runner.ask("boot_notification", request)
    status, interval = await answer_boot(
        context, known, payload, decided if isinstance(decided, BootNotificationAnswer) else None, now
    )
    memory = memory_of(context, known)
    # What was set and waited for this boot has another value now.
    rebooted = known.points.value("State.RebootRequired") is True and request.reason != "Triggered"
    memory.is_read = memory.is_read and not changed and not rebooted

    def then(time: float | None) -> None:
        if request.reason != "Triggered":
            memory.forget_alerts()
            keep_notes(context, known, memory)
            reported.apply_points(context.tree, known.points, [("State.RebootRequired", False, time)], now)
        context.booted(known)

    return Answer({"status": status, "currentTime": format_time(context.clock()), "interval": interval}, group, then)


async def authorize(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
    """OCPP 2.0.1 C01 to C08"""
    token = _object(payload, "idToken")
    hashes, more = payload.get("iso15118CertificateHashData"), token.get("additionalInfo")
    request = AuthorizeRequest(
        station=_station(context, known),
        version=known.model.version.name,
        payload=payload,
        id_token=text(known.model.version, token, "idToken"),
        id_token_type=optional_text(token, "type"),
        additional_info=tuple(more) if isinstance(more, list) else (),
        certificate=optional_text(payload, "certificate"),
        certificate_hash_data=tuple(hashes) if isinstance(hashes, list) else (),
    )
    decided = await context.runner.ask("authorize", request) if known.is_accepted else None
    return Answer(_authorized(known, "Authorize", decided, accepted=known.is_accepted), group)


async def data_transfer(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
    """OCPP 2.0.1 P02. Without a script that knows the vendor: UnknownVendorId."""
    request = DataTransferRequest(
        station=_station(context, known),
        version=known.model.version.name,
        payload=payload,
        vendor_id=text(known.model.version, payload, "vendorId"),
        message_id=optional_text(payload, "messageId"),
        data=payload.get("data"),
    )
    decided = await context.runner.ask("data_transfer", request)
    if not isinstance(decided, DataTransferAnswer):
        return Answer({"status": "UnknownVendorId"}, group)
    data = {} if decided.data is None else {"data": decided.data}
    return Answer({"status": decided.status, **data}, group)


async def transaction_event(
    context: Context, known: Known, group: Group | None, payload: Payload, now: float
) -> Answer:
    """OCPP 2.0.1 E01 to E12. Stored before it is answered, and answered whatever it says of the past."""
    try:
        event = read_event(payload)
    except ValueError as error:
        raise OcppError(known.model.version.codes["occurrence"], str(error)) from None
    memory = memory_of(context, known)
    before = memory.transactions.get(event.transaction)
    if before is None:
        at_first = "" if group is None or group is known.points else reported.name_of(group)
        before = charges.recall(context, known, memory, event.transaction, at_first)
    event, reused = await reusing.tell_apart(context, known, memory, event, before)
    before = memory.transactions.get(event.transaction)
    name = placing.find(known, event, group, before)
    event = located(event, name)
    stored = await context.store.put_event(_record(known, event, payload, now, name))
    taken = memory.transactions.take(event, partial(charges.locate, name or ""), now)
    taken.state.unheard = False
    if taken.closed:
        await lost.close_older(context, known, taken)
    at = known.points.connectors.get(taken.state.at)
    try:
        answer = await _answer_token(context, known, event, taken, payload, stored=stored)
    except StoreError:
        if at is not None and taken.kind != "repeated":  # which it is when it comes again
            charges.show(context, known, memory, at, event, taken, [])
        raise
    log.info(
        "transaction.event",
        station=known.id,
        connector=taken.state.at,
        transaction=event.transaction,
        type=event.type,
        seq_no=event.seq_no,
        kind=taken.kind,
        missing=taken.state.missing,
    )

    def show(time: float | None) -> str:
        if at is None or taken.kind == "repeated":
            return ""
        told = _told(_answered(memory, taken, answer)) if taken.current else []
        return charges.show(context, known, memory, at, event, taken, told)

    return Answer(answer, known.points, show, reused or _complaint(taken, event, stored=stored))


def _complaint(taken: Taken, event: Event, *, stored: bool) -> str:
    """Of an end nobody knows where, and of two events with one number. All are stored."""
    name = f"transactionId {taken.state.own_id[:50]}"
    if stored and taken.kind != "new":
        return f"{name} has another event with the seqNo {event.seq_no}: both are kept"
    if event.type == ENDED and not taken.state.at:
        return f"{name} has ended, nothing tells at which connector: it is not shown"
    return ""


def _answered(memory: Memory, taken: Taken, answer: Payload) -> Payload | None:
    """What is to be shown of the answer to the token of a start: to this event's, or to that of one before which could
    not be shown yet.
    """
    if taken.asks == "start_transaction":
        return answer
    return _answer_before(memory, taken.state.id) if taken.changed else None


def _answer_before(memory: Memory, transaction: str) -> Payload | None:
    return next((found for key, found in memory.answered.items() if key.startswith(f"{transaction} ")), None)


def _told(event_answer: Payload | None) -> list[Point]:
    """What a token was answered, as points."""
    if event_answer is None:
        return []
    info = _object(event_answer, "idTokenInfo")
    parent = optional_text(_object(info, "groupIdToken"), "idToken")
    return [
        ("Transaction.Start.Authorization", optional_text(info, "status"), None),
        ("Transaction.Start.ParentIdTag", parent, None),
    ]


async def _answer_token(
    context: Context, known: Known, event: Event, taken: Taken, payload: Payload, *, stored: bool
) -> dict[str, Any]:
    """The answer to an event: with idTokenInfo where it has a token. A script decides about an event once; what it has
    decided is on the disk before it is told. `stored`: the event has not come before. Raises StoreError.
    """
    if not taken.asks:
        return {}
    memory, key = memory_of(context, known), f"{event.transaction} {event.digest}"
    if key in memory.answered:
        return memory.answered[key]
    before = None if stored else context.store.answer_of(known.id, event.transaction, event.digest)
    if before is not None:
        return before
    ends = taken.asks == "stop_transaction"
    accepted = known.is_accepted or ends
    request = _stop_request if ends else _start_request
    decided = await context.runner.ask(taken.asks, request(context, known, event, taken, payload)) if accepted else None
    answer = _authorized(known, "TransactionEvent", decided, accepted=accepted)
    await context.store.answer_event(known.id, event.transaction, event.digest, answer)
    memory.answered[key] = answer
    if len(memory.answered) > MAX_ANSWERED:
        del memory.answered[next(iter(memory.answered))]
    return answer


def _start_request(
    context: Context, known: Known, event: Event, taken: Taken, payload: Payload
) -> StartTransactionRequest:
    return StartTransactionRequest(
        station=_station(context, known),
        version=known.model.version.name,
        payload=payload,
        connector=taken.state.at,
        id_token=event.id_token,
        id_token_type=event.id_token_type,
        meter_start=taken.state.meter_start,
        timestamp=event.time,
        reservation_id=taken.state.reservation_id,
        transaction_id=taken.state.own_id,
        remote_start_id=taken.state.remote_start_id,
    )


def _stop_request(
    context: Context, known: Known, event: Event, taken: Taken, payload: Payload
) -> StopTransactionRequest:
    return StopTransactionRequest(
        station=_station(context, known),
        version=known.model.version.name,
        payload=payload,
        transaction_id=taken.state.own_id,
        connector=taken.state.at,
        id_token=event.id_token,
        id_token_type=event.id_token_type,
        meter_stop=taken.state.meter_stop,
        timestamp=event.time,
        reason=event.stopped_reason or "Local",
    )


async def sign_certificate(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
    """OCPP 2.0.1 A02, A03"""
    return Answer(await answer_sign_certificate(context, known, payload, now), group)


def _computed(action: str) -> Decide:
    async def decide(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
        return Answer(answers.COMPUTED[action](payload, now), group)

    return decide


#: what scripts have a say in, and what is answered from the request alone
DECISIONS: Mapping[str, Decide] = {
    "Authorize": authorize,
    "BootNotification": boot_notification,
    "DataTransfer": data_transfer,
    "SecurityEventNotification": security_event,
    "SignCertificate": sign_certificate,
    "TransactionEvent": transaction_event,
    **{action: _computed(action) for action in answers.COMPUTED},
}


def take(context: Context, known: Known, group: Group, action: str, payload: Payload, now: float) -> str:
    """What the rows cannot say of a message that was answered automatically; returns what could not be read."""
    memory = memory_of(context, known)
    found = reported.TAKES.get(action)
    if action in TOLD:
        tell(context.tree, known, action, payload, now)
    if found is None:
        return ""
    problem = found(context.tree, known, memory, group, payload, now)
    if action == "NotifyReport":
        _keep_model(context, known, memory, payload)
    if action == "StatusNotification":
        for state in placing.place_waiting(context, known, memory, group):
            told = _told(_answer_before(memory, state.id))
            reported.apply_points(context.tree, group, told, context.clock())
        if payload.get("connectorStatus") == "Available":
            lost.miss_end(context, known, memory, group)
    keep_notes(context, known, memory)
    return problem


def _keep_model(context: Context, known: Known, memory: Memory, payload: Payload) -> None:
    """Keeps the device model when a report is complete, so that its points are there after a restart."""
    request = payload.get("requestId")
    is_open = isinstance(request, int) and memory.reports.open("NotifyReport", request) is not None
    if memory.model.changed and not is_open:
        keep_model(context, known, memory)


def configuration_request(context: Context, known: Known) -> tuple[str, dict[str, Any]] | None:
    """OCPP 2.0.1 B07: a full report of the device model, once, and again when the station has become another one."""
    memory = memory_of(context, known)
    if memory.is_read:
        return None
    return "GetBaseReport", {"requestId": memory.next_request(), "reportBase": "FullInventory"}


def command_done(context: Context, known: Known, action: str, payload: Payload, response: Payload) -> None:
    """What a station's answer to a command changes in the tree."""
    tree, memory, now = context.tree, memory_of(context, known), context.clock()
    if action == "GetVariables":
        reported.show_readings(tree, known, memory.model.results(response), now, now)
    elif action == "SetVariables":
        results = memory.model.set(payload, response)
        reported.show_readings(tree, known, [found.reading for found in results if found.reading], now, now)
        if any(found.status == "RebootRequired" for found in results):
            reported.apply_points(tree, known.points, [("State.RebootRequired", True, None)], now)
    elif action == "GetBaseReport" and response.get("status") != "Accepted":
        memory.refused(payload.get("requestId"))
    elif action == "GetBaseReport" and payload.get("requestId") == memory.ours:
        inquiries.await_report(context, known, memory, configuration_request)
    elif action == "GetTransactionStatus":
        lost.take_answer(context, known, memory, payload, response)
    elif action == "SetVariableMonitoring":
        memory.monitors.set(response)
        memory.unkept.add("monitors")
        keep_notes(context, known, memory)


def triggered(action: str, payload: Payload) -> frozenset[str]:
    """The messages that a command asks the station for (OCPP 2.0.1 B02, B07, F06)."""
    if action in {"GetBaseReport", "GetReport"}:
        return frozenset({"NotifyReport"})
    if action != "TriggerMessage":
        return frozenset()
    name = str(payload.get("requestedMessage"))
    return _TRIGGERED.get(name, frozenset({name}))


def connector_number(known: Known, payload: Payload, field: str) -> int:
    """Messages of 2.x name an EVSE (`MessageSpec.evse`); this one speaks of the station."""
    return 0


def _authorized(known: Known, action: str, decided: Any, *, accepted: bool) -> dict[str, Any]:
    found = decided if isinstance(decided, Authorization) else None
    return answers.authorized(known.model.version, action, found, accepted=accepted)


def _record(known: Known, event: Event, payload: Payload, now: float, connector: str | None) -> EventRecord:
    return EventRecord(
        station=known.id,
        transaction_id=event.transaction,
        seq_no=event.seq_no,
        digest=event.digest,
        ended=event.type == "Ended",
        payload=masked(payload, known.hides) if event.has_token or "customData" in payload else dict(payload),
        received=now,
        connector=connector,
    )


def _object(node: Payload, field: str) -> Payload:
    found = node.get(field)
    return found if isinstance(found, dict) else {}


def _station(context: Context, known: Known) -> ScriptedStation:
    return ScriptedStation(known, context.tree, context.clock)
