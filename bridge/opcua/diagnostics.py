"""What of the Server object lives: its status, and its diagnostics (OPC 10000-5 §6.3.3), made when they are read."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from asyncua import ua

from bridge.opcua.address_space import TreeAddressSpace

_O, _V = ua.ObjectIds, ua.VariantType
_SUMMARY = "Server_ServerDiagnostics_ServerDiagnosticsSummary"
Make = Callable[[], ua.Variant]

#: fields of SessionDiagnosticsDataType that count a service, with the number of its answer
_COUNTED: Mapping[str, int] = {
    name: getattr(_O, answer)
    for name in ua.SessionDiagnosticsDataType.__dataclass_fields__
    if hasattr(_O, answer := f"{name.removesuffix('Count')}Response_Encoding_DefaultBinary")
}


@dataclass(slots=True)
class Totals:
    """What is counted since the start, and cannot be seen from what is there now (OPC 10000-5 §12.9)."""

    sessions: int = 0
    rejected_sessions: int = 0
    security_rejected_sessions: int = 0
    timed_out_sessions: int = 0
    aborted_sessions: int = 0
    rejected_requests: int = 0
    security_rejected_requests: int = 0


@dataclass(slots=True)
class Client:
    """What a session keeps of its client for diagnostics. Times in Unix seconds.

    `requests` and `errors` count by the number of the service's answer (its binary encoding's NodeId).
    """

    session_name: str = ""
    description: ua.ApplicationDescription = field(default_factory=ua.ApplicationDescription)
    endpoint: str = ""
    connected: float = field(default_factory=time.time)
    last_contact: float = field(default_factory=time.time)
    max_response: int = 0
    locales: Sequence[str] = ()
    unauthorized: int = 0
    requests: Counter[int] = field(default_factory=Counter)
    errors: Counter[int] = field(default_factory=Counter)


class SeenCycle(Protocol):
    """When a subscription publishes."""

    enabled: bool
    keep_alive_count: int
    lifetime_count: int
    keep_alive: int
    lifetime: int


class SeenCounts(Protocol):
    """What is counted of a subscription (bridge.opcua.subscriptions.counts)."""

    modified: int
    enabled: int
    disabled: int
    republish_requests: int
    republished: int
    transfers: int
    alternate: int
    publish_requests: int
    data_changes: int
    events: int
    late: int
    discarded: int
    overflows: int
    event_overflows: int


class SeenSubscription(Protocol):
    """A subscription as diagnostics see it; `interval` in ms."""

    id: int
    priority: int
    interval: float
    max_notifications: int

    @property
    def items(self) -> Mapping[int, Any]: ...

    @property
    def cycle(self) -> SeenCycle: ...

    @property
    def counts(self) -> SeenCounts: ...

    @property
    def next_number(self) -> int: ...

    @property
    def session_id(self) -> ua.NodeId: ...

    def numbers(self) -> Sized: ...


class SeenSession(Protocol):
    """A session as diagnostics see it; `session_timeout` in seconds. `publishing`: its Publish requests that wait."""

    session_id: ua.NodeId
    session_timeout: float | None
    client: Client

    @property
    def owned(self) -> Mapping[int, SeenSubscription]: ...

    @property
    def publishing(self) -> Sized: ...

    def is_activated(self) -> bool: ...


class SeenSubscriptions(Protocol):
    """All subscriptions; `created` counts those that there ever were."""

    created: int

    @property
    def subscriptions(self) -> Mapping[int, SeenSubscription]: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is now, and what there was."""

    sessions: Callable[[], Iterable[SeenSession]]
    service: SeenSubscriptions
    totals: Totals


class LiveValues:
    """Variables of asyncua's whose values are made when somebody reads them.

    Whoever monitors one hears of it each time that `tell` is called: it is made once for all of them.
    """

    def __init__(self, aspace: TreeAddressSpace) -> None:
        self._aspace = aspace
        self._values: dict[ua.NodeId, Callable[[], ua.DataValue]] = {}

    def add(self, identifier: int, make: Make) -> None:
        def read() -> ua.DataValue:
            now = datetime.now(UTC)
            return ua.DataValue(make(), SourceTimestamp=now, ServerTimestamp=now)

        node_id = ua.NodeId(identifier)
        attribute = self._aspace[node_id].attributes[ua.AttributeIds.Value]
        attribute.value, attribute.value_callback = None, lambda node_id, attribute_id: read()
        self._values[node_id] = read

    async def tell(self) -> None:
        """In slices."""
        made: dict[ua.NodeId, ua.DataValue] = {}
        for source in tuple(self._aspace.foreign.values()):
            node_id, attribute, _ = source.key
            read = self._values.get(node_id) if attribute == ua.AttributeIds.Value else None
            if read is not None and source.watchers:
                if node_id not in made:
                    made[node_id] = read()
                await source.tell(made[node_id])


def show_status(live: LiveValues, build: ua.BuildInfo) -> None:
    """ServerStatus (OPC 10000-5 §12.10): the server runs from now on."""
    started = datetime.now(UTC)
    fixed: Mapping[str, tuple[Any, ua.VariantType]] = {
        "StartTime": (started, _V.DateTime),
        "State": (ua.ServerState.Running, _V.Int32),
        "BuildInfo": (build, _V.ExtensionObject),
        "SecondsTillShutdown": (0, _V.UInt32),
        "ShutdownReason": (ua.LocalizedText(""), _V.LocalizedText),
    }

    def status() -> ua.Variant:
        values = {name: value for name, (value, _) in fixed.items()}
        return ua.Variant(ua.ServerStatusDataType(CurrentTime=datetime.now(UTC), **values), _V.ExtensionObject)

    def constant(value: Any, type_: ua.VariantType) -> Make:
        return lambda: ua.Variant(value, type_)

    live.add(_O.Server_ServerStatus, status)
    live.add(_O.Server_ServerStatus_CurrentTime, lambda: ua.Variant(datetime.now(UTC), _V.DateTime))
    for name, (value, type_) in fixed.items():
        live.add(getattr(_O, f"Server_ServerStatus_{name}"), constant(value, type_))
    for name in ("ProductUri", "ManufacturerName", "ProductName", "SoftwareVersion", "BuildNumber", "BuildDate"):
        type_ = _V.DateTime if name == "BuildDate" else _V.String
        live.add(getattr(_O, f"Server_ServerStatus_BuildInfo_{name}"), constant(getattr(build, name), type_))


def show_diagnostics(live: LiveValues, seen: Seen) -> None:
    """ServerDiagnostics, read off the sessions and subscriptions that there are."""
    live.add(getattr(_O, _SUMMARY), lambda: ua.Variant(summary(seen), _V.ExtensionObject))

    def count(name: str) -> Make:
        return lambda: ua.Variant(getattr(summary(seen), name), _V.UInt32)

    for name in ua.ServerDiagnosticsSummaryDataType.__dataclass_fields__:
        live.add(getattr(_O, f"{_SUMMARY}_{name}"), count(name))
    arrays: Mapping[str, Callable[[], Iterator[Any]]] = {
        "SubscriptionDiagnosticsArray": lambda: map(of_subscription, seen.service.subscriptions.values()),
        "SessionsDiagnosticsSummary_SessionDiagnosticsArray": lambda: map(of_session, seen.sessions()),
    }

    def array(make: Callable[[], Iterator[Any]]) -> Make:
        return lambda: ua.Variant(list(make()), _V.ExtensionObject, is_array=True)

    for name, make in arrays.items():
        live.add(getattr(_O, f"Server_ServerDiagnostics_{name}"), array(make))


def summary(seen: Seen) -> ua.ServerDiagnosticsSummaryDataType:
    """OPC 10000-5 §12.9. A session is aborted by another one on its connection."""
    totals = seen.totals
    subscriptions = list(seen.service.subscriptions.values())
    return ua.ServerDiagnosticsSummaryDataType(
        ServerViewCount=0,
        CurrentSessionCount=sum(session.is_activated() for session in seen.sessions()),
        CumulatedSessionCount=totals.sessions,
        SecurityRejectedSessionCount=totals.security_rejected_sessions,
        RejectedSessionCount=totals.rejected_sessions,
        SessionTimeoutCount=totals.timed_out_sessions,
        SessionAbortCount=totals.aborted_sessions,
        CurrentSubscriptionCount=len(subscriptions),
        CumulatedSubscriptionCount=seen.service.created,
        PublishingIntervalCount=len({subscription.interval for subscription in subscriptions}),
        SecurityRejectedRequestsCount=totals.security_rejected_requests,
        RejectedRequestsCount=totals.rejected_requests,
    )


def of_session(session: SeenSession) -> ua.SessionDiagnosticsDataType:
    """OPC 10000-5 §12.11."""
    client = session.client
    own = session.owned.values()
    counters = {
        field: ua.ServiceCounterDataType(client.requests[answer], client.errors[answer])
        for field, answer in _COUNTED.items()
    }
    return ua.SessionDiagnosticsDataType(
        SessionId=session.session_id,
        SessionName=client.session_name,
        ClientDescription=client.description,
        EndpointUrl=client.endpoint,
        LocaleIds=list(client.locales),
        ActualSessionTimeout=(session.session_timeout or 0.0) * 1000,
        MaxResponseMessageSize=client.max_response,
        ClientConnectionTime=datetime.fromtimestamp(client.connected, UTC),
        ClientLastContactTime=datetime.fromtimestamp(client.last_contact, UTC),
        CurrentSubscriptionsCount=len(own),
        CurrentMonitoredItemsCount=sum(len(each.items) for each in own),
        CurrentPublishRequestsInQueue=len(session.publishing),
        TotalRequestCount=ua.ServiceCounterDataType(client.requests.total(), client.errors.total()),
        UnauthorizedRequestCount=client.unauthorized,
        **counters,
    )


def of_subscription(subscription: SeenSubscription) -> ua.SubscriptionDiagnosticsDataType:
    """OPC 10000-5 §12.15."""
    cycle, counts = subscription.cycle, subscription.counts
    return ua.SubscriptionDiagnosticsDataType(
        SessionId=subscription.session_id,
        SubscriptionId=subscription.id,
        Priority=subscription.priority,
        PublishingInterval=subscription.interval,
        MaxKeepAliveCount=cycle.keep_alive_count,
        MaxLifetimeCount=cycle.lifetime_count,
        MaxNotificationsPerPublish=subscription.max_notifications,
        PublishingEnabled=cycle.enabled,
        ModifyCount=counts.modified,
        EnableCount=counts.enabled,
        DisableCount=counts.disabled,
        RepublishRequestCount=counts.republish_requests,
        RepublishMessageRequestCount=counts.republish_requests,
        RepublishMessageCount=counts.republished,
        TransferRequestCount=counts.transfers,
        TransferredToAltClientCount=counts.alternate,
        TransferredToSameClientCount=counts.transfers - counts.alternate,
        PublishRequestCount=counts.publish_requests,
        DataChangeNotificationsCount=counts.data_changes,
        EventNotificationsCount=counts.events,
        NotificationsCount=counts.data_changes + counts.events,
        LatePublishRequestCount=counts.late,
        CurrentKeepAliveCount=cycle.keep_alive_count - cycle.keep_alive,
        CurrentLifetimeCount=cycle.lifetime_count - cycle.lifetime,
        UnacknowledgedMessageCount=len(subscription.numbers()),
        DiscardedMessageCount=counts.discarded,
        MonitoredItemCount=len(subscription.items),
        DisabledMonitoredItemCount=sum(not item.mode for item in tuple(subscription.items.values())),
        MonitoringQueueOverflowCount=counts.overflows,
        NextSequenceNumber=subscription.next_number,
        EventQueueOverflowCount=counts.event_overflows,
    )
