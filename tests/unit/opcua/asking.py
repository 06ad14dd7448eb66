"""A client that sends each request of the Subscription and MonitoredItem services by itself."""

import asyncio
from typing import Any

from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary

LONG = 100_000  # keep-alives or lives: more than a test lasts


class Asking:
    """What asyncua's client does by itself, Publish above all, is the test's own decision here."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, service: str, *, hint: float | None = None, **parameters: object) -> Any:
        """The response; raises UaStatusCodeError for a ServiceFault. `hint` in seconds is the TimeoutHint."""
        request = getattr(ua, f"{service}Request")()
        for name, value in parameters.items():
            setattr(request.Parameters, name, value)
        protocol = self.client.uaclient.protocol
        data = await asyncio.wait_for(protocol._send_request(request, hint or 0), 10)
        protocol.check_answer(data, "")
        return struct_from_binary(getattr(ua, f"{service}Response"), data)

    async def subscribe(self, interval: float = 20, **parameters: object) -> ua.CreateSubscriptionResult:
        given = {"RequestedLifetimeCount": LONG, "RequestedMaxKeepAliveCount": LONG, "PublishingEnabled": True}
        response = await self.ask(
            "CreateSubscription", RequestedPublishingInterval=float(interval), **{**given, **parameters}
        )
        return response.Parameters

    async def monitor(self, subscription: int, *items: ua.MonitoredItemCreateRequest) -> list[Any]:
        response = await self.ask(
            "CreateMonitoredItems",
            SubscriptionId=subscription,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=list(items),
        )
        return response.Results

    async def follow(self, subscription: int, *paths: str, **parameters: object) -> list[int]:
        """Items on values, numbered 1, 2 … as ClientHandles; their ids."""
        items = [item(path, handle, **parameters) for handle, path in enumerate(paths, 1)]
        results = await self.monitor(subscription, *items)
        for result in results:
            result.StatusCode.check()
        return [result.MonitoredItemId for result in results]

    async def publish(self, *acknowledged: tuple[int, int], hint: float | None = None) -> ua.PublishResult:
        acks = [ua.SubscriptionAcknowledgement(*each) for each in acknowledged]
        return (await self.ask("Publish", hint=hint, SubscriptionAcknowledgements=acks)).Parameters

    async def changes(self, *acknowledged: tuple[int, int]) -> list[tuple[int, Any]]:
        """The next message's values: ClientHandle and value."""
        return values(await self.publish(*acknowledged))


def item(
    node: str | ua.NodeId,
    handle: int = 1,
    *,
    attribute: int = ua.AttributeIds.Value,
    mode: ua.MonitoringMode = ua.MonitoringMode.Reporting,
    sampling: float = 0.0,
    wanted: object = None,
    queue: int = 1,
    discard_oldest: bool = True,
) -> ua.MonitoredItemCreateRequest:
    node_id = ua.NodeId(node, 2) if isinstance(node, str) else node
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(node_id, attribute), mode, settings(handle, sampling, wanted, queue, discard_oldest)
    )


def settings(
    handle: int = 1, sampling: float = 0.0, wanted: object = None, queue: int = 1, discard_oldest: bool = True
) -> ua.MonitoringParameters:
    return ua.MonitoringParameters(
        ClientHandle=handle,
        SamplingInterval=float(sampling),
        Filter=wanted,
        QueueSize=queue,
        DiscardOldest=discard_oldest,
    )


def notified(result: ua.PublishResult) -> list[ua.MonitoredItemNotification]:
    data = result.NotificationMessage.NotificationData
    return [item for each in data if isinstance(each, ua.DataChangeNotification) for item in each.MonitoredItems]


def values(result: ua.PublishResult) -> list[tuple[int, Any]]:
    return [(each.ClientHandle, each.Value.Value.Value) for each in notified(result)]


def events(result: ua.PublishResult) -> list[list[Any]]:
    """The fields of each event."""
    data = result.NotificationMessage.NotificationData
    lists = [each for each in data if isinstance(each, ua.EventNotificationList)]
    return [[field.Value for field in event.EventFields] for each in lists for event in each.Events]


def codes(response: Any) -> list[str]:
    results = response.Results if hasattr(response, "Results") else response.Parameters.Results
    return [code.name for code in results]
