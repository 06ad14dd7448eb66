"""What happens, as OPC UA events: those of the tree, and who did what (OPC 10000-5 §6.4.3).

The types are nodes of namespace 3 beside those of the tree: `ns=3;s=StationConnectedEventType`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import structlog
from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from bridge.opcua.node import HAS_PROPERTY, SERVER
from bridge.opcua.nodes import STATIONS
from bridge.opcua.shapes import NAMESPACE, PROPERTY, TYPES
from bridge.opcua.subscriptions.events import Event as UaEvent
from bridge.opcua.subscriptions.events import Events
from bridge.opcua.variants import DATA_TYPES, to_datetime, to_variant
from bridge.points.events import EVENT_TYPES, Event, EventType
from bridge.points.tree import Tree
from bridge.store.records import AuditRecord

log = structlog.get_logger()

_A, _O, _V = ua.AttributeIds, ua.ObjectIds, ua.VariantType
_HAS_SUBTYPE = ua.NodeId(_O.HasSubtype)
_SUFFIX = "EventType"
_FAILED_SEVERITY = 500

#: by the action of an AuditRecord: the type, and the SourceName
_AUDIT: Mapping[str, tuple[int, str]] = {
    "write": (_O.AuditWriteUpdateEventType, "Attribute/Write"),
    "call": (_O.AuditUpdateMethodEventType, "Attribute/Call"),
    "login": (_O.AuditActivateSessionEventType, "Session/ActivateSession"),
    "logout": (_O.AuditSessionEventType, "Session/CloseSession"),
}


class Happenings:
    """Tells who listens. `server` is the application URI."""

    def __init__(self, tree: Tree, events: Events, server: str) -> None:
        self._tree = tree
        self._events = events
        self._server = server

    def tell(self, event: Event) -> None:
        """An event of the tree: at the station, in its areas and at the Server object, or there alone."""
        if not self._events:
            return
        station = self._tree.stations.get(event.source)
        source = SERVER if station is None else ua.NodeId(station.path, NAMESPACE)
        fields = {name: to_variant(EVENT_TYPES[event.type].fields[name], value) for name, value in event.fields.items()}
        if _is_audit(event.type):
            failed = event.severity >= _FAILED_SEVERITY
            fields |= self._audit_fields(event.time, not failed, str(event.fields.get("User", "")))
        made = self._events.make(
            type_id(event.type),
            source,
            "Server" if station is None else station.path,
            event.message,
            severity=event.severity,
            happened=event.time,
            fields=fields,
        )
        masked = _with_mask(made, EVENT_TYPES[event.type])
        self._events.emit(masked, above=() if station is None else _above(station.area))

    def audited(self, records: list[AuditRecord]) -> None:
        """What clients did, at the Server object, for those who may know it."""
        if not self._events.is_heard_at(SERVER):
            return
        for record in records:
            self._events.emit_at(SERVER, self._made(record))

    def _made(self, record: AuditRecord) -> UaEvent:
        type_, name = _AUDIT[record.action]
        good = record.status == "Good"
        fields = self._audit_fields(record.time, good, record.user)
        if record.action == "write":
            fields["AttributeId"] = ua.Variant(int(_A.Value), _V.UInt32)
            fields["NewValue"] = ua.Variant(record.value, _V.String)
        elif record.action == "call":
            fields["MethodId"] = ua.Variant(ua.NodeId(record.path, NAMESPACE), _V.NodeId)
            fields["InputArguments"] = ua.Variant([ua.Variant(record.value, _V.String)], _V.Variant, is_array=True)
            fields["StatusCodeId"] = ua.Variant(ua.StatusCode(getattr(ua.StatusCodes, record.status)), _V.StatusCode)
        elif record.action in ("login", "logout"):
            fields["SessionId"] = ua.Variant(ua.NodeId(int(record.session)), _V.NodeId)
        source = ua.NodeId(record.path, NAMESPACE) if record.path else SERVER
        text = f"{record.user} at {record.address}: {record.action} {record.path} {record.status}"
        severity = 100 if good else _FAILED_SEVERITY
        return self._events.make(
            ua.NodeId(type_), source, name, text, severity=severity, happened=record.time, fields=fields
        )

    def _audit_fields(self, time: float, good: bool, user: str) -> dict[str, ua.Variant]:
        return {
            "ActionTimeStamp": ua.Variant(to_datetime(time), _V.DateTime),
            "Status": ua.Variant(good, _V.Boolean),
            "ServerId": ua.Variant(self._server, _V.String),
            "ClientUserId": ua.Variant(user, _V.String),
        }


def _with_mask(event: UaEvent, type_: EventType) -> UaEvent:
    """An event that knows what of it those hear who may see nothing personal."""
    if not type_.personal:
        return event
    instead = dict.fromkeys(type_.personal, ua.Variant())
    if "Message" in instead:
        instead["Message"] = ua.Variant(ua.LocalizedText(type_.description), _V.LocalizedText)
    return replace(event, masked=replace(event, fields={**event.fields, **instead}))


def type_id(name: str) -> ua.NodeId:
    """The event type of a row of EVENT_TYPES."""
    return ua.NodeId(name + _SUFFIX, TYPES)


def _is_audit(name: str) -> bool:
    return EVENT_TYPES[name].supertype.startswith("Audit")


def _above(area: str) -> Iterator[ua.NodeId]:
    """The areas that a station lies in, and Stations."""
    while area:
        yield ua.NodeId(f"{STATIONS}/{area}", NAMESPACE)
        area = area.rpartition("/")[0]
    yield ua.NodeId(STATIONS, NAMESPACE)


def add_event_types(aspace: AddressSpace) -> None:
    """Puts the types of EVENT_TYPES below OPC UA's own, with their fields."""
    for row in EVENT_TYPES.values():
        _add_type(aspace, row)


def _add_type(aspace: AddressSpace, row: EventType) -> None:
    node_id, above = type_id(row.name), ua.NodeId(getattr(_O, row.supertype))
    node = _add(aspace, node_id, row.name + _SUFFIX, ua.NodeClass.ObjectType, row.description)
    _set(node, _A.IsAbstract, ua.Variant(False, _V.Boolean))
    _refer(aspace, above, _HAS_SUBTYPE, node_id)
    for name, type_ in row.fields.items():
        field_id = ua.NodeId(f"{node_id.Identifier}.{name}", TYPES)
        field = _add(aspace, field_id, name, ua.NodeClass.Variable, "")
        for attribute, variant in (
            (_A.Value, ua.Variant()),
            (_A.DataType, ua.Variant(DATA_TYPES[type_], _V.NodeId)),
            (_A.ValueRank, ua.Variant(-1, _V.Int32)),
            (_A.AccessLevel, ua.Variant(1, _V.Byte)),
            (_A.UserAccessLevel, ua.Variant(1, _V.Byte)),
            (_A.MinimumSamplingInterval, ua.Variant(0.0, _V.Double)),
            (_A.Historizing, ua.Variant(False, _V.Boolean)),
        ):
            _set(field, attribute, variant)
        _refer(aspace, node_id, HAS_PROPERTY, field_id)
        field.references.append(_reference(aspace, ua.NodeId(_O.HasTypeDefinition), PROPERTY, forward=True))
        rule = ua.NodeId(_O.ModellingRule_Optional)
        field.references.append(_reference(aspace, ua.NodeId(_O.HasModellingRule), rule, forward=True))


def _add(aspace: AddressSpace, node_id: ua.NodeId, name: str, node_class: ua.NodeClass, description: str) -> NodeData:
    node = aspace[node_id] = NodeData(node_id)
    zero = ua.Variant(0, _V.UInt32)
    for attribute, variant in (
        (_A.NodeId, ua.Variant(node_id, _V.NodeId)),
        (_A.NodeClass, ua.Variant(node_class, _V.Int32)),
        (_A.BrowseName, ua.Variant(ua.QualifiedName(name, TYPES), _V.QualifiedName)),
        (_A.DisplayName, ua.Variant(ua.LocalizedText(name), _V.LocalizedText)),
        (_A.Description, ua.Variant(ua.LocalizedText(description), _V.LocalizedText)),
        (_A.WriteMask, zero),
        (_A.UserWriteMask, zero),
    ):
        _set(node, attribute, variant)
    return node


def _set(node: NodeData, attribute: ua.AttributeIds, variant: ua.Variant) -> None:
    node.attributes[attribute] = AttributeValue(ua.DataValue(variant))


def _refer(aspace: AddressSpace, source: ua.NodeId, type_: ua.NodeId, target: ua.NodeId) -> None:
    """A reference and its inverse."""
    aspace[source].references.append(_reference(aspace, type_, target, forward=True))
    aspace[target].references.append(_reference(aspace, type_, source, forward=False))


def _reference(aspace: AddressSpace, type_: ua.NodeId, target: ua.NodeId, *, forward: bool) -> ua.ReferenceDescription:
    attributes = aspace[target].attributes

    def of(attribute: ua.AttributeIds) -> object:
        return attributes[attribute].value.Value.Value

    is_instance = of(_A.NodeClass) in (ua.NodeClass.Variable, ua.NodeClass.Object)
    return ua.ReferenceDescription(
        ReferenceTypeId=type_,
        IsForward=forward,
        NodeId=ua.ExpandedNodeId(target.Identifier, target.NamespaceIndex),
        BrowseName=of(_A.BrowseName),
        DisplayName=of(_A.DisplayName),
        NodeClass=of(_A.NodeClass),
        TypeDefinition=PROPERTY if is_instance and type_ == HAS_PROPERTY else ua.NodeId(),
    )
