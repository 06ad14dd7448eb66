"""Events (OPC 10000-3 §4.6, OPC 10000-5 §6.4) and who hears of them."""

import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from bridge.opcua.node import SERVER
from bridge.opcua.subscriptions.turns import Turns
from bridge.opcua.variants import to_datetime

BASE = ua.NodeId(ua.ObjectIds.BaseEventType)
AUDIT = ua.NodeId(ua.ObjectIds.AuditEventType)
QUEUE_OVERFLOW = ua.NodeId(ua.ObjectIds.EventQueueOverflowEventType)
GENERAL_MODEL_CHANGE = ua.NodeId(ua.ObjectIds.GeneralModelChangeEventType)
_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
_V = ua.VariantType
SLICE = 100  # items that hear of an event before others get their turn
MOST_UNTOLD = 10_000  # events that wait to be told; more can only be a flood, and are left out
URGENT = 255  # as the highest priority of a subscription


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that happened. `types` are the event's type and all its supertypes.

    `fields` are its values by their path of BrowseNames (`Message`, `EnabledState/Id`). `is_audit`: not everybody may
    hear of it. `masked`: what those hear who may see nothing personal, None where there is nothing of that kind.
    """

    source: ua.NodeId
    types: frozenset[ua.NodeId]
    fields: Mapping[str, ua.Variant]
    is_audit: bool = False
    masked: "Event | None" = None


class Listener(Protocol):
    """A monitored item for events."""

    def tell(self, event: Event, lost: Any, told: Any) -> None: ...


class Events:
    """The way in for events, and the items that monitor each node for them.

    An event is heard of at its source, at the areas that hold it, and at the Server object, which is above all.
    `filters` are those that items have, by a digest of what was sent: what is selected is encoded once for each.
    """

    def __init__(self, aspace: AddressSpace, turns: Turns) -> None:
        self.filters: WeakValueDictionary[bytes, Any] = WeakValueDictionary()
        self._aspace = aspace
        self._turns = turns
        self._untold: deque[tuple[Event, tuple[Listener, ...]]] = deque()
        self._telling = False
        self._listeners: dict[ua.NodeId, dict[Listener, None]] = {}
        self._supertypes: dict[ua.NodeId, frozenset[ua.NodeId]] = {}

    def __bool__(self) -> bool:
        """Somebody listens."""
        return bool(self._listeners)

    def add(self, node_id: ua.NodeId, listener: Listener) -> None:
        self._listeners.setdefault(node_id, {})[listener] = None

    def remove(self, node_id: ua.NodeId, listener: Listener) -> None:
        here = self._listeners.get(node_id, {})
        here.pop(listener, None)
        if not here:
            self._listeners.pop(node_id, None)

    def make(
        self,
        type_: ua.NodeId,
        source: ua.NodeId,
        source_name: str,
        message: str,
        *,
        severity: int = 100,
        happened: float | None = None,
        fields: Mapping[str, ua.Variant] | None = None,
    ) -> Event:
        """An event with the fields of BaseEventType (OPC 10000-5 §6.4.2) and its type's own.

        `severity` is 1 to 1000, `happened` Unix seconds, None for now.
        """
        now = time.time()
        values = {
            "EventId": ua.Variant(uuid.uuid4().bytes, _V.ByteString),
            "EventType": ua.Variant(type_, _V.NodeId),
            "SourceNode": ua.Variant(source, _V.NodeId),
            "SourceName": ua.Variant(source_name, _V.String),
            "Time": ua.Variant(to_datetime(now if happened is None else happened), _V.DateTime),
            "ReceiveTime": ua.Variant(to_datetime(now), _V.DateTime),
            "Message": ua.Variant(ua.LocalizedText(message), _V.LocalizedText),
            "Severity": ua.Variant(severity, _V.UInt16),
        }
        types = self.supertypes(type_)
        return Event(source, types, {**values, **(fields or {})}, AUDIT in types)

    def emit(self, event: Event, above: Iterable[ua.NodeId] = ()) -> None:
        """Tells everybody who listens at the event's source, at a node in `above`, or at the Server object."""
        if not self._listeners:
            return
        for node_id in {event.source: None, **dict.fromkeys(above), SERVER: None}:
            self.emit_at(node_id, event)

    def emit_at(self, node_id: ua.NodeId, event: Event) -> None:
        """Tells those alone who listen at this node."""
        listeners = self._listeners.get(node_id)
        if listeners and len(self._untold) < MOST_UNTOLD:
            self._untold.append((event, tuple(listeners)))
            if not self._telling:
                self._telling = True
                self._turns.add(URGENT, self._tell())

    def _tell(self) -> Iterator[None]:
        """One event after the other, so that everybody hears of them in their order."""
        try:
            while self._untold:
                event, listeners = self._untold.popleft()
                told: dict[Any, bytes | None] = {}
                for start in range(0, len(listeners), SLICE):
                    for listener in listeners[start : start + SLICE]:
                        listener.tell(event, self._lost, told)
                    yield
        finally:
            self._telling = False

    def is_heard_at(self, node_id: ua.NodeId) -> bool:
        """Somebody listens at this node."""
        return node_id in self._listeners

    def _lost(self) -> Event:
        return self.make(QUEUE_OVERFLOW, SERVER, "Server", "Events were lost: a queue was full", severity=500)

    def supertypes(self, type_: ua.NodeId) -> frozenset[ua.NodeId]:
        """A type with all that it is derived from; types do not change."""
        found = self._supertypes.get(type_)
        if found is None:
            found = self._supertypes[type_] = frozenset(self._lineage(type_))
        return found

    def _lineage(self, type_: ua.NodeId) -> Iterator[ua.NodeId]:
        seen: set[ua.NodeId] = set()
        above: ua.NodeId | None = type_
        while above is not None and above not in seen:
            seen.add(above)
            yield above
            above = self._supertype(above)

    def _supertype(self, type_: ua.NodeId) -> ua.NodeId | None:
        data = self._aspace.get(type_)
        for reference in data.references if data is not None else ():
            if reference.ReferenceTypeId == _HAS_SUBTYPE and not reference.IsForward:
                return plain(reference.NodeId)
        return None

    def is_event_type(self, type_: ua.NodeId) -> bool:
        return BASE in self.supertypes(type_)

    def has_field(self, type_: ua.NodeId, path: Iterable[str]) -> bool:
        """Whether the type, or one that it is derived from, declares a field at this path of BrowseNames."""
        names = tuple(path)
        return any(self._declares(supertype, names) for supertype in self.supertypes(type_))

    def _declares(self, node_id: ua.NodeId, names: tuple[str, ...]) -> bool:
        if not names:
            return True
        data = self._aspace.get(node_id)
        return data is not None and any(
            self._declares(plain(reference.NodeId), names[1:])
            for reference in data.references
            if reference.IsForward and reference.BrowseName.Name == names[0]
        )


def plain(node_id: ua.NodeId) -> ua.NodeId:
    """An ExpandedNodeId of this server as a NodeId: those that are equal are not always of one kind."""
    return ua.NodeId(node_id.Identifier, node_id.NamespaceIndex)
