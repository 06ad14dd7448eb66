"""Subscriptions and monitored items (OPC 10000-4 §5.13, §5.14): asyncua's, with what it gets wrong put right."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.uaprotocol_auto import DataChangeFilter, EventFilter  # those that are decoded; `ua` has subclasses

from bridge.opcua.users import ANONYMOUS, BridgeUser
from bridge.opcua.variants import status

FASTEST, SLOWEST = 10.0, 3_600_000.0  # ms between two publishings
KEEP_ALIVES = 3  # in a subscription's lifetime at least (OPC 10000-4 §5.14.2)

_NUMBERS = frozenset(
    getattr(ua.VariantType, name)
    for name in ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double")
)
_WITH_VALUE = (ua.DataChangeTrigger.StatusValue, ua.DataChangeTrigger.StatusValueTimestamp)


class Channel(Protocol):
    """The connection that a session is on."""

    session: InternalSession | None

    def get_publish_request(self, subscription_id: int) -> Any:
        """A Publish request of the client that waits, if there is one."""


class Subscriptions(SubscriptionService):
    """All subscriptions. asyncua takes any interval: one of 0 or NaN never publishes, a tiny one dies at once."""

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        params.RequestedPublishingInterval = revised_interval(params.RequestedPublishingInterval)
        keep_alive = self._clamp_keep_alive_count(params.RequestedMaxKeepAliveCount)
        params.RequestedLifetimeCount = max(params.RequestedLifetimeCount, KEEP_ALIVES * keep_alive)
        result = await super().create_subscription(params, callback, session_id, request_callback)
        subscription = self.subscriptions[result.SubscriptionId]
        subscription.monitored_item_srv = MonitoredItems(subscription, self.aspace)
        return result

    def of(self, subscription_id: int, session_id: ua.NodeId) -> InternalSubscription:
        """A session's own subscription. Raises ServiceError: to anybody else it is not there."""
        found = self.subscriptions.get(subscription_id)
        if found is None or found.session_id != session_id:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        return found


def revised_interval(requested: float) -> float:
    """The publishing interval (ms) that a client gets; 0, less, and NaN ask for the fastest."""
    return min(requested, SLOWEST) if requested >= FASTEST else FASTEST


class MonitoredItems(MonitoredItemService):
    """The items of one subscription. An item's queue starts from the value that was reported last."""

    async def _create_data_change_monitored_item(
        self, params: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        wrong = self._wrong_filter(params.ItemToMonitor, params.RequestedParameters.Filter)
        if wrong:
            return ua.MonitoredItemCreateResult(status(wrong))
        return await super()._create_data_change_monitored_item(params)

    def _modify_monitored_item(self, params: ua.MonitoredItemModifyRequest) -> ua.MonitoredItemModifyResult:
        item, wanted = self._monitored_items.get(params.MonitoredItemId), params.RequestedParameters
        if item is None:
            return ua.MonitoredItemModifyResult(status("BadMonitoredItemIdInvalid"))
        wrong = self._wrong_filter(item.read_value_id, wanted.Filter)
        if wrong:
            return ua.MonitoredItemModifyResult(status(wrong))
        item.filter, item.client_handle = wanted.Filter, wanted.ClientHandle
        item.queue_size = self._revise_queue_size(wanted.QueueSize)
        return ua.MonitoredItemModifyResult(
            RevisedSamplingInterval=self.isub.data.RevisedPublishingInterval, RevisedQueueSize=item.queue_size
        )

    def _wrong_filter(self, monitored: ua.ReadValueId, wanted: Any) -> str:
        """Why a filter cannot be had ("": it can); asyncua takes any, and fails with the item's first change."""
        if wanted is None or (isinstance(wanted, ua.ExtensionObject) and wanted.TypeId.is_null()):
            return ""
        if monitored.AttributeId == ua.AttributeIds.EventNotifier:
            return "" if isinstance(wanted, EventFilter) else "BadFilterNotAllowed"
        if not isinstance(wanted, DataChangeFilter):
            return "BadFilterNotAllowed"
        if wanted.DeadbandType == ua.DeadbandType.None_:
            return ""
        if wanted.DeadbandType != ua.DeadbandType.Absolute:
            return "BadMonitoredItemFilterUnsupported"
        if not wanted.DeadbandValue >= 0 or math.isinf(wanted.DeadbandValue):
            return "BadDeadbandFilterInvalid"
        return "" if self._is_number(monitored) else "BadFilterNotAllowed"

    def _is_number(self, monitored: ua.ReadValueId) -> bool:
        kind = self.aspace.read_attribute_value(monitored.NodeId, ua.AttributeIds.DataType).Value
        numeric = kind is not None and kind.Value in {ua.NodeId(number.value) for number in _NUMBERS}
        return numeric and monitored.AttributeId == ua.AttributeIds.Value

    async def datachange_callback(self, handle: int, value: ua.DataValue, error: ua.StatusCode | None = None) -> None:
        """Queues what differs from what was queued last (OPC 10000-4 §7.22.2).

        asyncua compares with the value before, so that slow drift never leaves a deadband, and hides a change of
        quality behind it.
        """
        if error is not None:
            await super().datachange_callback(handle, value, error)
            return
        number = self._monitored_datachange[handle]
        item = self._monitored_items[number]
        if item.mode == ua.MonitoringMode.Disabled:
            return
        last = item.mvalue.get_current_datavalue()
        if last is not None and not differs(last, value, item.filter):
            return
        item.mvalue.set_current_datavalue(value)
        notification = ua.MonitoredItemNotification(item.client_handle, value)
        await self.isub.enqueue_datachange_event(number, notification, item.queue_size)


def differs(last: ua.DataValue, value: ua.DataValue, wanted: DataChangeFilter | None) -> bool:
    """Whether a client with this filter wants to hear of `value` after `last`."""
    if last.StatusCode != value.StatusCode:
        return True
    trigger = wanted.Trigger if isinstance(wanted, DataChangeFilter) else ua.DataChangeTrigger.StatusValue
    if trigger == ua.DataChangeTrigger.StatusValueTimestamp and last.SourceTimestamp != value.SourceTimestamp:
        return True
    return trigger in _WITH_VALUE and last.Value != value.Value and _leaves_deadband(last, value, wanted)


def _leaves_deadband(last: ua.DataValue, value: ua.DataValue, wanted: DataChangeFilter | None) -> bool:
    if not isinstance(wanted, DataChangeFilter) or wanted.DeadbandType != ua.DeadbandType.Absolute:
        return True
    before = last.Value.Value if last.Value is not None else None
    after = value.Value.Value if value.Value is not None else None
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return True
    return not abs(after - before) <= wanted.DeadbandValue


class SubscribingSession(InternalSession):
    """A session that reaches its own subscriptions only; asyncua lets it at everybody's."""

    user: BridgeUser
    subscription_service: Subscriptions
    certificate: bytes | None
    channel: Channel | None

    def _own(self, subscription_id: int) -> InternalSubscription:
        return self.subscription_service.of(subscription_id, self.session_id)

    def _owns(self, subscription_id: int) -> bool:
        found = self.subscription_service.subscriptions.get(subscription_id)
        return found is not None and bool(found.session_id == self.session_id)

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        self._own(params.SubscriptionId)
        results: list[ua.MonitoredItemCreateResult] = await super().create_monitored_items(params)
        return results

    async def modify_monitored_items(
        self, params: ua.ModifyMonitoredItemsParameters
    ) -> list[ua.MonitoredItemModifyResult]:
        self._own(params.SubscriptionId)
        results: list[ua.MonitoredItemModifyResult] = await super().modify_monitored_items(params)
        return results

    async def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        self._own(params.SubscriptionId)
        results: list[ua.StatusCode] = await super().delete_monitored_items(params)
        return results

    async def set_monitoring_mode(self, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        self._own(params.SubscriptionId)
        results: list[ua.StatusCode] = await super().set_monitoring_mode(params)
        return results

    def modify_subscription(self, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        self._own(params.SubscriptionId)
        return super().modify_subscription(params)

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """A message that was not acknowledged, once more (OPC 10000-4 §5.14.6). Raises ServiceError without it."""
        waiting = self._own(params.SubscriptionId)._not_acknowledged_results
        result = waiting.get(params.RetransmitSequenceNumber)
        if result is None:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        return result.NotificationMessage

    def publish(self, acks: Iterable[ua.SubscriptionAcknowledgement] | None = None) -> tuple[int, list[ua.StatusCode]]:
        given = list(acks or [])
        mine = [ack for ack in given if self._owns(ack.SubscriptionId)]
        count, _ = super().publish(mine)
        return count, [status("Good" if ack in mine else "BadSubscriptionIdInvalid") for ack in given]

    async def set_publishing_mode(self, params: ua.SetPublishingModeParameters) -> list[ua.StatusCode]:
        given = list(params.SubscriptionIds)
        params.SubscriptionIds = [number for number in given if self._owns(number)]
        await super().set_publishing_mode(params)
        return [status("Good" if number in params.SubscriptionIds else "BadSubscriptionIdInvalid") for number in given]

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        mine = {number for number in ids if self._owns(number)}
        await super().delete_subscriptions(list(mine))
        return [status("Good" if number in mine else "BadSubscriptionIdInvalid") for number in ids]

    async def transfer_subscriptions(
        self, params: ua.TransferSubscriptionsParameters, callback: Callable[..., Any]
    ) -> list[ua.TransferResult]:
        """Takes over what the same user's other session has (OPC 10000-4 §5.14.7)."""
        service = self.subscription_service
        return [self._transfer(service.subscriptions.get(number), callback) for number in params.SubscriptionIds]

    def _transfer(self, found: InternalSubscription | None, callback: Callable[..., Any]) -> ua.TransferResult:
        if found is None or self.channel is None:
            return ua.TransferResult(status("BadSubscriptionIdInvalid"))
        if found.session_id == self.session_id:
            return ua.TransferResult(status("BadNothingToDo"))
        if not self._may_take(found.session_id):
            return ua.TransferResult(status("BadUserAccessDenied"))
        found.session_id = self.session_id
        found.pub_result_callback, found.pub_request_callback = callback, self.channel.get_publish_request
        return ua.TransferResult(AvailableSequenceNumbers=sorted(found._not_acknowledged_results))

    def _may_take(self, session_id: ua.NodeId) -> bool:
        """The other session is this user's; an anonymous user is known by a certificate only."""
        sessions = self.iserver._external_sessions.values()
        other = next((session for session in sessions if session.session_id == session_id), None)
        if not isinstance(other, SubscribingSession) or other.user != self.user:
            return False
        known = self.user.name != ANONYMOUS or bool(self.certificate)
        return known and other.certificate == self.certificate
