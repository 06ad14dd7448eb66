"""OCPP 1.6: which messages the bridge answers by itself, and how the others are decided.

The only place in this room that knows field names of 1.6.
"""

from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
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
from bridge.ocpp.telegrams import Telegram
from bridge.points.tree import Group
from bridge.points.values import format_time, parse_time, to_json
from bridge.station import transactions
from bridge.station.configuration import take_change, take_configuration
from bridge.station.context import Answer, Context, Quick
from bridge.station.fields import INT32, integer, optional_integer, optional_text, real, text
from bridge.station.known import Known
from bridge.station.metering import take_meter_values, take_telegram
from bridge.station.registration import answer_boot, answer_sign_certificate
from bridge.station.scripted import ScriptedStation
from bridge.station.stops import read_stop
from bridge.station.told_events import TOLD, security_event, tell
from bridge.station.v2.addressing import parse_name
from bridge.store.records import TransactionStart

log = structlog.get_logger()

VERSION = "1.6"
#: actions that a station may not be sent while its registration is Pending (OCPP 1.6 §4.2)
FORBIDDEN_WHILE_PENDING = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})
#: whether a station that is not accepted is refused also where validation is lenient
STRICT_REGISTRATION = False

#: AuthorizationStatus (OCPP 1.6 §7.3); what only 2.x has is Invalid here
_STATUSES = frozenset({"Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"})
#: s in which a StartTransaction without a time, with the same content as the last one, is taken for the same
SENT_AGAIN_WITHIN = 600.0
MAX_ID_TAG = 20  # characters (OCPP 1.6 §7.28 IdToken)
#: statuses of a connector at which no transaction runs (OCPP 1.6 §4.9)
_WITHOUT_TRANSACTION = frozenset({"Available", "Preparing", "Reserved"})
#: messages that a trigger calls by another name than their own
_TRIGGERED: Mapping[str, frozenset[str]] = {
    "FirmwareStatusNotification": frozenset({"FirmwareStatusNotification", "SignedFirmwareStatusNotification"}),
    "SignChargePointCertificate": frozenset({"SignCertificate"}),
}

Payload = Mapping[str, Any]
Decide = Callable[[Context, Known, Group | None, Payload, float], Awaitable[Answer]]

#: what is answered without asking anybody
AUTOMATIC: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "DiagnosticsStatusNotification": lambda now: {},
    "FirmwareStatusNotification": lambda now: {},
    "Heartbeat": lambda now: {"currentTime": format_time(now)},
    "LogStatusNotification": lambda now: {},
    "MeterValues": lambda now: {},
    "SignedFirmwareStatusNotification": lambda now: {},
    "StatusNotification": lambda now: {},
}


async def boot_notification(
    context: Context, known: Known, group: Group | None, payload: Payload, now: float
) -> Answer:
    """OCPP 1.6 §4.2"""
    request = BootNotificationRequest(
        station=_station(context, known),
        version=VERSION,
        payload=payload,
        vendor=optional_text(payload, "chargePointVendor"),
        model=optional_text(payload, "chargePointModel"),
        serial_number=optional_text(payload, "chargePointSerialNumber")
        or optional_text(payload, "chargeBoxSerialNumber"),
        firmware_version=optional_text(payload, "firmwareVersion"),
    )
    decided = await context.runner.ask("boot_notification", request)
    status, interval = await answer_boot(
        context, known, payload, decided if isinstance(decided, BootNotificationAnswer) else None, now
    )
    answer = {"status": status, "currentTime": format_time(context.clock()), "interval": interval}
    return Answer(answer, group, lambda _: context.booted(known))


async def authorize(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
    """OCPP 1.6 §4.1"""
    token = text(known.model.version, payload, "idTag")
    request = AuthorizeRequest(station=_station(context, known), version=VERSION, payload=payload, id_token=token)
    return Answer({"idTagInfo": await _id_tag_info(context, known, "authorize", request)}, group)


async def start_transaction(
    context: Context, known: Known, group: Group | None, payload: Payload, now: float
) -> Answer:
    """OCPP 1.6 §4.8. The transaction is recorded whatever the answer is: the energy has been or will be drawn."""
    version = known.model.version
    number = _connector_or_none(known, payload)
    tag, meter = text(version, payload, "idTag"), real(version, payload, "meterStart")
    start_time, start_timestamp = _start_of(known, group if number else None, payload.get("timestamp"), tag, meter, now)
    start = TransactionStart(
        station=known.id,
        connector=f"Connector{number}" if number else "",
        connector_id=number,
        id_tag=tag,
        start_time=start_time,
        start_timestamp=start_timestamp,
        meter_start=meter,
        reservation_id=optional_integer(payload, "reservationId"),
        received=now,
    )

    async def ask() -> dict[str, Any]:
        request = StartTransactionRequest(
            station=_station(context, known),
            version=VERSION,
            payload=payload,
            connector=start.connector,
            id_token=start.id_tag,
            meter_start=start.meter_start,
            timestamp=start.start_time,
            reservation_id=start.reservation_id,
        )
        return await _id_tag_info(context, known, "start_transaction", request)

    at = group if number else None  # the station itself, connector 0, has no transaction's points
    begun = await transactions.begin(context, known, at, start, ask)
    answer = {"transactionId": begun.id, "idTagInfo": begun.authorization}
    return Answer(answer, at if begun.shown else None, begun.show, begun.doubt)


async def stop_transaction(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
    """OCPP 1.6 §4.10. Answered whatever it says, or the station would send it for ever."""
    stop, problem, doubt, meant = read_stop(context, known, payload, now)
    data = payload.get("transactionData")
    ended = await transactions.end(context, known, stop, doubt)
    info = ended.authorization
    if ended.asks:
        request = StopTransactionRequest(
            station=_station(context, known),
            version=VERSION,
            payload=payload,
            transaction_id=str(ended.id),
            connector=ended.connector,
            id_token=stop.id_tag or "",
            meter_stop=stop.meter_stop,
            timestamp=stop.stop_time,
            reason=stop.reason,
        )
        info = await _id_tag_info(context, known, "stop_transaction", request)
        await context.store.answer_stop(ended.id, info)

    def show(time: float | None) -> str:
        unread = ""
        if data is not None and ended.group is not None:
            other = known.running_at(ended.group)  # that has begun since: none of the data is its own
            number = None if other is None else ended.id
            unread = take_meter_values(context, known, ended.group, data, number, context.clock())
        ended.show(time)
        return unread

    answer = {"idTagInfo": info} if info is not None and stop.id_tag else {}
    problem = "; ".join(filter(None, (problem, ended.doubt)))
    return Answer(answer, ended.group, show if ended.group is not None else None, problem, meant)


async def data_transfer(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
    """OCPP 1.6 §4.3. Without a script that knows the vendor: UnknownVendorId."""
    request = DataTransferRequest(
        station=_station(context, known),
        version=VERSION,
        payload=payload,
        vendor_id=text(known.model.version, payload, "vendorId"),
        message_id=optional_text(payload, "messageId"),
        data=payload.get("data"),
    )
    decided = await context.runner.ask("data_transfer", request)
    if not isinstance(decided, DataTransferAnswer):
        return Answer({"status": "UnknownVendorId"}, group)
    if decided.data is None:
        return Answer({"status": decided.status}, group)
    data = decided.data if isinstance(decided.data, str) else to_json(decided.data)
    return Answer({"status": decided.status, "data": data}, group)


async def sign_certificate(context: Context, known: Known, group: Group | None, payload: Payload, now: float) -> Answer:
    """The whitepaper on security §4.6"""
    return Answer(await answer_sign_certificate(context, known, payload, now), group)


#: what scripts have a say in, or takes its time
DECISIONS: Mapping[str, Decide] = {
    "Authorize": authorize,
    "BootNotification": boot_notification,
    "DataTransfer": data_transfer,
    "SecurityEventNotification": security_event,
    "SignCertificate": sign_certificate,
    "StartTransaction": start_transaction,
    "StopTransaction": stop_transaction,
}


def take(context: Context, known: Known, group: Group, action: str, payload: Payload, now: float) -> str:
    """What the rows cannot say of a message that was answered automatically; returns what could not be read."""
    if action == "StatusNotification":
        if payload.get("status") in _WITHOUT_TRANSACTION:
            time = known.clock.believed(_time(payload.get("timestamp"), now), now)
            transactions.show_none(context.tree, known, group, time, now)
        if payload.get("status") == "Available":
            transactions.miss_stop(context, known, group)
        return ""
    if action != "MeterValues":
        if action in TOLD:
            tell(context.tree, known, action, payload, now)
        return ""
    transaction = optional_integer(payload, "transactionId") or None  # 0: in none
    if transaction is not None and transaction < 0:
        transaction = None
    running = None if transaction is None else known.running.get(transaction)
    if running is not None:
        running.named = True
    problem = take_meter_values(context, known, group, payload.get("meterValue"), transaction, now)
    if transaction is None or group.value("Transaction.Stop.Id") != str(transaction):
        return problem
    return "; ".join(filter(None, (f"transactionId: transaction {transaction} has ended", problem)))


def take_quickly(context: Context, known: Known, group: Group, telegram: Telegram, now: float) -> bool:
    """`take` of a MeterValues that is a telegram."""
    transaction = telegram.transaction
    if transaction is not None and transaction <= 0:
        transaction = None
    if transaction is not None:
        running = known.running.get(transaction)
        if running is not None:
            running.named = True
        elif group.value("Transaction.Stop.Id") == str(transaction):
            return False  # to be complained of
    return take_telegram(context, known, group, telegram, transaction, now)


#: messages that come most often
QUICK: Mapping[str, Quick] = {"MeterValues": Quick(attrgetter("connector"), take_quickly)}


def configuration_request(context: Context, known: Known) -> tuple[str, dict[str, Any]] | None:
    """OCPP 1.6 §5.8: all keys."""
    return "GetConfiguration", {}


def command_done(context: Context, known: Known, action: str, payload: Payload, response: Payload) -> None:
    """What a station's answer to a command changes in the tree."""
    now = context.clock()
    if action == "GetConfiguration":
        take_configuration(known, context.tree, response, now)
    elif action == "ChangeConfiguration":
        take_change(known, context.tree, payload, response, now)
    elif action == "RemoteStopTransaction" and response.get("status") == "Accepted":
        running = known.running.get(payload["transactionId"])
        if running is not None:
            running.named = True


def triggered(action: str, payload: Payload) -> frozenset[str]:
    """The messages that a command asks the station for (OCPP 1.6 §5.17, and the security extension)."""
    if action not in {"TriggerMessage", "ExtendedTriggerMessage"}:
        return frozenset()
    name = str(payload.get("requestedMessage"))
    return _TRIGGERED.get(name, frozenset({name}))


def _connector_or_none(known: Known, payload: Payload) -> int:
    """The connector that a transaction says it runs at; 0 where it says none that can be."""
    if payload.get("connectorId") is None:
        return _only_connector(known)
    return max(optional_integer(payload, "connectorId") or 0, 0)


def connector_number(known: Known, payload: Payload, field: str) -> int:
    """The connector that a message speaks of; 0 is the station. Raises OcppError for what is no connector."""
    number = payload.get(field)
    if type(number) is int and 0 <= number < INT32:
        return number
    if number is None:
        return _only_connector(known)
    return integer(known.model.version, payload, field, low=0)


def _only_connector(known: Known) -> int:
    """The connector that a message means which names none; 0, the station, where it has not exactly one."""
    if len(known.points.connectors) != 1:
        return 0
    (name,) = known.points.connectors
    place = parse_name(name)
    return place.evse if place is not None and place.connector == 1 else 0


async def _id_tag_info(context: Context, known: Known, method: str, request: Any) -> dict[str, Any]:
    """The idTagInfo that the scripts decide (OCPP 1.6 §7.27). A station that isn't accepted charges nobody."""
    if not known.is_accepted and method != "stop_transaction":
        return {"status": "Invalid"}
    decided = await context.runner.ask(method, request)
    if not isinstance(decided, Authorization):
        return {"status": "Accepted"}
    info: dict[str, Any] = {"status": decided.status if decided.status in _STATUSES else "Invalid"}
    if decided.parent_id_token is not None and len(decided.parent_id_token) <= MAX_ID_TAG:
        info["parentIdTag"] = decided.parent_id_token
    elif decided.parent_id_token is not None:  # the station would take none of the answer
        log.warning("handler.parent_left_out", station=known.id, method=method, parent=decided.parent_id_token[:60])
    if decided.expiry is not None:
        try:
            info["expiryDate"] = format_time(decided.expiry)
        except (ValueError, OverflowError, OSError):  # no calendar has it; the station is answered all the same
            log.warning("handler.expiry_left_out", station=known.id, method=method, expiry=decided.expiry)
    return info


def _start_of(known: Known, group: Group | None, stamp: Any, tag: str, meter: float, now: float) -> tuple[float, str]:
    """When a transaction began, and the text by which the same StartTransaction is known again: one time has several.

    One without a time is the one that runs at its connector, where that has the same token and register and has just
    begun: the station sends it again.
    """
    try:
        time = parse_time(stamp)
    except ValueError:
        if isinstance(stamp, str) and stamp:
            return now, stamp
        running, time = None if group is None else known.running_at(group), now
        if running is not None and (running.id_tag, running.meter_start) == (tag, meter):
            before = running.start_time
            time = before if before is not None and 0 <= now - before <= SENT_AGAIN_WITHIN else now
    return time, format_time(time)


def _station(context: Context, known: Known) -> ScriptedStation:
    return ScriptedStation(known, context.tree, context.clock)


def _time(stamp: Any, now: float) -> float:
    try:
        return parse_time(stamp)
    except ValueError:
        return now
