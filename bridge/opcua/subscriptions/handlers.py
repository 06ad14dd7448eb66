"""The Subscription services (OPC 10000-4 §5.14): requests decoded, carried out, answered."""

from collections.abc import Mapping
from struct import Struct

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua import encoding
from bridge.opcua.requests import Handler, Request, operations
from bridge.opcua.subscriptions import decoding, item_handlers
from bridge.opcua.subscriptions.notifications import codes
from bridge.opcua.subscriptions.publish_queue import PublishRequest
from bridge.opcua.subscriptions.service import Owned, Owner
from bridge.opcua.users import ANONYMOUS

_CREATE = Struct("<dIIIBB")  # interval, lifetime, keep-alives, notifications per publish, enabled, priority
_MODIFY = Struct("<IdIIIB")
_CREATED = Struct("<IdII")
_MODIFIED = Struct("<dII")
_ACKNOWLEDGEMENT = Struct("<II")
_NULL = b"\xff\xff\xff\xff"
_GOOD = int(ua.StatusCodes.Good)
_UNKNOWN = int(ua.StatusCodes.BadSubscriptionIdInvalid)
MOST_SUBSCRIPTIONS = 1_000  # in one request


def create(request: Request) -> bytes:
    """CreateSubscription (§5.14.2)."""
    interval, lifetime, keep_alives, most, enabled, priority = request.body.fields(_CREATE)
    made = request.session.subscription_service.create(request.session, interval, lifetime, keep_alives)
    made.max_notifications, made.priority, made.cycle.enabled = most, priority, enabled != 0
    return _CREATED.pack(made.id, *_revised(made))


def modify(request: Request) -> bytes:
    """ModifySubscription (§5.14.3)."""
    number, interval, lifetime, keep_alives, most, priority = request.body.fields(_MODIFY)
    service = request.session.subscription_service
    subscription = service.of(request.session, number)
    service.modify(subscription, interval, lifetime, keep_alives)
    subscription.max_notifications, subscription.priority = most, priority
    return _MODIFIED.pack(*_revised(subscription))


def _revised(subscription: Owned) -> tuple[float, int, int]:
    cycle = subscription.cycle
    return subscription.interval, cycle.lifetime_count, cycle.keep_alive_count


def set_publishing_mode(request: Request) -> bytes:
    """SetPublishingMode (§5.14.4)."""
    enabled = request.body.boolean()
    count = operations(request.body, MOST_SUBSCRIPTIONS, 4)
    results = []
    for number in decoding.numbers(request.body, count):
        found = request.session.owned.get(number)
        if found is not None:
            found.cycle.enable(enabled)
            found.counts.enabled += enabled
            found.counts.disabled += not enabled
        results.append(_UNKNOWN if found is None else _GOOD)
    return codes(results) + _NULL


def publish(request: Request) -> None:
    """Publish (§5.14.5). The answer comes when there is something to tell."""
    body, owned = request.body, request.session.owned
    limits = request.session.subscription_service.limits
    count = body.count(_ACKNOWLEDGEMENT.size)
    if count > limits.max_subscriptions_per_session * limits.max_retransmissions:  # all that can wait for it
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    results = []
    for number, acknowledged in _ACKNOWLEDGEMENT.iter_unpack(body.raw(count * _ACKNOWLEDGEMENT.size)):
        found = owned.get(number)
        if found is None:
            results.append(_UNKNOWN)
        else:
            known = found.acknowledge(acknowledged)
            results.append(_GOOD if known else int(ua.StatusCodes.BadSequenceNumberUnknown))
    hint = request.timeout_hint
    deadline = request.received + hint / 1000 if hint else 0.0
    request.session.subscription_service.publish(request.session, PublishRequest(request, results, deadline))


def republish(request: Request) -> bytes:
    """Republish (§5.14.6): a message that was not acknowledged, once more."""
    number, sequence_number = request.body.fields(_ACKNOWLEDGEMENT)
    subscription: Owned = request.session.subscription_service.of(request.session, number)
    found = subscription.retained(sequence_number)
    subscription.counts.republish_requests += 1
    if found is None:
        raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
    subscription.counts.republished += 1
    return found


def transfer(request: Request) -> bytes:
    """TransferSubscriptions (§5.14.7): from the same client's other session."""
    count = operations(request.body, MOST_SUBSCRIPTIONS, 4)
    numbers = list(decoding.numbers(request.body, count))
    initial_values = request.body.boolean()
    parts = [encoding.count(count)]
    for number in numbers:
        code, available = _transferred(request, number, initial_values)
        parts += encoding.uint32(code), encoding.count(len(available)), *map(encoding.uint32, available)
    return b"".join(parts) + _NULL


def _transferred(request: Request, number: int, initial_values: bool) -> tuple[int, list[int]]:
    session, service = request.session, request.session.subscription_service
    found = service.subscriptions.get(number)
    if found is None:
        return _UNKNOWN, []
    if found.owner is session:
        return int(ua.StatusCodes.BadNothingToDo), []
    if not _may_take(session, found.owner):
        return int(ua.StatusCodes.BadUserAccessDenied), []
    available = found.numbers()
    try:
        service.transfer(found, session, initial_values=initial_values)
    except ServiceError as error:
        return int(error.code), []
    return _GOOD, available


def _may_take(session: Owner, other: Owner) -> bool:
    """The other session is this user's; an anonymous user is known by a certificate only."""
    if other.user != session.user:
        return False
    known = session.user.name != ANONYMOUS or bool(session.certificate)
    return known and other.certificate == session.certificate


def delete(request: Request) -> bytes:
    """DeleteSubscriptions (§5.14.8)."""
    count = operations(request.body, MOST_SUBSCRIPTIONS, 4)
    results = []
    for number in decoding.numbers(request.body, count):
        found = request.session.owned.get(number)
        if found is not None:
            request.session.subscription_service.delete(found)
        results.append(_UNKNOWN if found is None else _GOOD)
    return codes(results) + _NULL


#: by the name of the service
HANDLERS: Mapping[str, Handler] = {
    "CreateSubscription": create,
    "ModifySubscription": modify,
    "SetPublishingMode": set_publishing_mode,
    "Publish": publish,
    "Republish": republish,
    "TransferSubscriptions": transfer,
    "DeleteSubscriptions": delete,
    **item_handlers.HANDLERS,
}
