"""The MonitoredItem services (OPC 10000-4 §5.13): requests decoded, carried out, answered."""

from collections.abc import Callable, Mapping, Sequence
from struct import Struct

import structlog
from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.errors import Refused
from bridge.opcua import encoding
from bridge.opcua.requests import Clock, Handler, Request, Sliced, Steps, in_slices, operations
from bridge.opcua.subscriptions import decoding
from bridge.opcua.subscriptions.decoding import Decoded
from bridge.opcua.subscriptions.items import Item, Mode
from bridge.opcua.subscriptions.monitoring import Monitored, Revised
from bridge.opcua.subscriptions.notifications import codes
from bridge.opcua.subscriptions.service import Owned, Subscriptions

log = structlog.get_logger()

_CREATED = Struct("<IIdI")  # StatusCode, MonitoredItemId, RevisedSamplingInterval, RevisedQueueSize
_MODIFIED = Struct("<IdI")
_NULL = b"\xff\xff\xff\xff"
_MODES = frozenset(Mode)
_GOOD = int(ua.StatusCodes.Good)
_UNKNOWN_ITEM = int(ua.StatusCodes.BadMonitoredItemIdInvalid)
_TOO_MANY = int(ua.StatusCodes.BadTooManyMonitoredItems)
MOST_LINKS = 10_000  # by which the items of a subscription trigger each other


def create(request: Request) -> bytes | Sliced:
    """CreateMonitoredItems (§5.13.2)."""
    body, service = request.body, request.session.subscription_service
    subscription = service.of(request.session, body.uint32())
    times = decoding.times(body)
    count = operations(body, service.limits.max_monitored_items_per_call, 37)
    return in_slices(_create(request, service, subscription, times, count))


def _create(request: Request, service: Subscriptions, subscription: Owned, times: int, count: int) -> Steps:
    """Everything is read before anything is created: a request that cannot be read changes nothing."""
    clock, body, events = Clock(), request.body, service.monitoring.events
    wanted: list[tuple[Monitored, int, Decoded]] = []
    for _ in range(count):
        wanted.append((decoding.monitored(body), body.uint32(), decoding.parameters(body, events)))
        if clock.is_over():
            yield
    role, make = request.session.user.rights, service.monitoring.create
    results = [encoding.count(count)]
    for monitored, mode, (parameters, filter_result) in wanted:
        if subscription.id not in service.subscriptions:  # deleted meanwhile
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        code, revised = _done(lambda: make(subscription, monitored, mode, parameters, times, role))  # noqa: B023
        results.append(_CREATED.pack(code, *revised) + filter_result)
        if clock.is_over():
            yield
    results.append(_NULL)
    return b"".join(results)


def modify(request: Request) -> bytes | Sliced:
    """ModifyMonitoredItems (§5.13.3)."""
    body, service = request.body, request.session.subscription_service
    subscription = service.of(request.session, body.uint32())
    times = decoding.times(body)
    count = operations(body, service.limits.max_monitored_items_per_call, 24)
    return in_slices(_modify(request, service, subscription, times, count))


def _modify(request: Request, service: Subscriptions, subscription: Owned, times: int, count: int) -> Steps:
    clock, body, events = Clock(), request.body, service.monitoring.events
    wanted: list[tuple[int, Decoded]] = []
    for _ in range(count):
        wanted.append((body.uint32(), decoding.parameters(body, events)))
        if clock.is_over():
            yield
    change = service.monitoring.modify
    results = [encoding.count(count)]
    for number, (parameters, filter_result) in wanted:
        code, revised = _done(lambda: change(subscription, number, parameters, times))  # noqa: B023 - called at once
        results.append(_MODIFIED.pack(code, revised.sampling, revised.queue_size) + filter_result)
        if clock.is_over():
            yield
    results.append(_NULL)
    return b"".join(results)


_NOTHING = Revised(0, 0.0, 0)


def _done(work: Callable[[], Revised]) -> tuple[int, Revised]:
    """A StatusCode, and what came of it: one item's failure is not the others'."""
    try:
        return _GOOD, work()
    except Refused as error:
        return int(getattr(ua.StatusCodes, error.status)), _NOTHING
    except Exception:  # whatever is wrong with one, the others are monitored
        log.exception("opcua.monitoring_failed")
        return int(ua.StatusCodes.BadInternalError), _NOTHING


def delete(request: Request) -> bytes | Sliced:
    """DeleteMonitoredItems (§5.13.6)."""
    body, service = request.body, request.session.subscription_service
    subscription = service.of(request.session, body.uint32())
    count = operations(body, service.limits.max_monitored_items_per_call, 4)
    return in_slices(_delete(service, subscription, list(decoding.numbers(body, count))))


def _delete(service: Subscriptions, subscription: Owned, numbers: Sequence[int]) -> Steps:
    clock, results = Clock(), []
    for start in range(0, len(numbers), 500):
        found: dict[int, Item] = {}
        for number in numbers[start : start + 500]:
            item = subscription.items.get(number)
            known = item is not None and number not in found
            if item is not None:
                found[number] = item
            results.append(_GOOD if known else _UNKNOWN_ITEM)
        service.monitoring.delete(subscription, found.values())
        if clock.is_over():
            yield
    return codes(results) + _NULL


def set_mode(request: Request) -> bytes | Sliced:
    """SetMonitoringMode (§5.13.4)."""
    body, service = request.body, request.session.subscription_service
    subscription, mode = service.of(request.session, body.uint32()), body.uint32()
    if mode not in _MODES:
        raise ServiceError(ua.StatusCodes.BadMonitoringModeInvalid)
    count = operations(body, service.limits.max_monitored_items_per_call, 4)
    return in_slices(_set_mode(subscription, Mode(mode), list(decoding.numbers(body, count))))


def _set_mode(subscription: Owned, mode: Mode, numbers: Sequence[int]) -> Steps:
    clock, results = Clock(), []
    for number in numbers:
        item = subscription.items.get(number)
        if item is not None:
            item.switch(mode)
        results.append(_UNKNOWN_ITEM if item is None else _GOOD)
        if clock.is_over():
            yield
    return codes(results) + _NULL


def set_triggering(request: Request) -> bytes:
    """SetTriggering (§5.13.5): links that go are taken before those that come."""
    body, service = request.body, request.session.subscription_service
    subscription, number = service.of(request.session, body.uint32()), body.uint32()
    most = service.limits.max_monitored_items_per_call
    added = list(decoding.numbers(body, body.count(4)))
    removed = list(decoding.numbers(body, body.count(4)))
    if not added and not removed:
        raise ServiceError(ua.StatusCodes.BadNothingToDo)
    if len(added) + len(removed) > most:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    item = subscription.items.get(number)
    if item is None:
        raise ServiceError(_UNKNOWN_ITEM)
    gone = [_unlinked(item, subscription.items.get(other)) for other in removed]
    come = [_linked(item, subscription.items.get(other)) for other in added]
    return codes(come) + _NULL + codes(gone) + _NULL


def _linked(item: Item, other: Item | None) -> int:
    if other is None or other is item:
        return _UNKNOWN_ITEM
    if item.subscription.links >= MOST_LINKS:
        return _TOO_MANY
    item.link(other)
    return _GOOD


def _unlinked(item: Item, other: Item | None) -> int:
    return _GOOD if other is not None and item.unlink(other) else _UNKNOWN_ITEM


#: by the name of the service
HANDLERS: Mapping[str, Handler] = {
    "CreateMonitoredItems": create,
    "ModifyMonitoredItems": modify,
    "DeleteMonitoredItems": delete,
    "SetMonitoringMode": set_mode,
    "SetTriggering": set_triggering,
}
