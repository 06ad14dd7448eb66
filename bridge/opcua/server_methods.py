"""The methods of the Server object: by them a client that has lost count finds its way back (OPC 10000-5 §9)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncua import ua

from bridge.errors import Refused
from bridge.opcua.node import SERVER
from bridge.opcua.subscriptions.service import Owned

_O, _V = ua.ObjectIds, ua.VariantType

#: takes the session and a subscription of its own, returns the output arguments
ServerMethod = Callable[[Any, Owned], list[ua.Variant]]


def call(session: Any, object_id: ua.NodeId, method_id: ua.NodeId, given: Sequence[ua.Variant]) -> list[ua.Variant]:
    """Calls a method of the Server object, all of which take a SubscriptionId. Raises Refused."""
    if object_id != SERVER:
        raise Refused("BadMethodInvalid", "the object does not have this method")
    if len(given) != 1:
        raise Refused("BadTooManyArguments" if given else "BadArgumentsMissing", "a SubscriptionId is expected")
    if given[0].VariantType is not _V.UInt32 or given[0].is_array:
        raise Refused("BadInvalidArgument", "a SubscriptionId is a UInt32", ["BadTypeMismatch"])
    subscription = session.subscription_service.subscriptions.get(given[0].Value)
    if subscription is None:
        raise Refused("BadSubscriptionIdInvalid", "there is no such subscription")
    if subscription.owner is not session:
        raise Refused("BadUserAccessDenied", "the subscription is another session's")
    return METHODS[method_id](session, subscription)


def _get_monitored_items(session: Any, subscription: Owned) -> list[ua.Variant]:
    """GetMonitoredItems (§9.1): ServerHandles and ClientHandles."""
    items = list(subscription.items.values())
    handles = [[item.id for item in items], [int.from_bytes(item.prefix, "little") for item in items]]
    return [ua.Variant(numbers, _V.UInt32, is_array=True) for numbers in handles]


def _resend_data(session: Any, subscription: Owned) -> list[ua.Variant]:
    """ResendData (§9.2)."""
    session.subscription_service.resend(subscription)
    return []


#: by their NodeIds on the Server object, and on its type
METHODS: Mapping[ua.NodeId, ServerMethod] = {
    ua.NodeId(_O.Server_GetMonitoredItems): _get_monitored_items,
    ua.NodeId(_O.ServerType_GetMonitoredItems): _get_monitored_items,
    ua.NodeId(_O.Server_ResendData): _resend_data,
    ua.NodeId(_O.ServerType_ResendData): _resend_data,
}
