"""The Server object (OPC 10000-5 §6.3): what the bridge can do and has, and nothing of what it has not.

asyncua loads all that the standard has for servers of every kind, most of it with values that are null and Good.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from bridge.opcua.node import HAS_COMPONENT, HAS_PROPERTY
from bridge.opcua.settings import Limits
from bridge.opcua.shapes import POINTS_URI, TYPES_URI
from bridge.opcua.variants import bad
from bridge.points.values import MAX_TEXT

_O, _V = ua.ObjectIds, ua.VariantType
_PROFILES = "http://opcfoundation.org/UA-Profile/"
PROFILES = tuple(
    _PROFILES + name
    for name in ("Server/EmbeddedUA2017", "Server/DataAccess", "Server/Methods", "Transport/uatcp-uasc-uabinary")
)

#: optional parts of the Server object that are not there: roles, history, GDS push, PubSub and the like
_ABSENT = (
    _O.Server_UrisVersion,
    _O.Server_EstimatedReturnTime,
    _O.Server_LocalTime,
    _O.Server_ServerCapabilities_RoleSet,
    _O.Server_ServerCapabilities_ConformanceUnits,
    _O.Server_ServerCapabilities_MaxSelectClauseParameters,
    _O.Server_ServerCapabilities_MaxWhereClauseParameters,
    _O.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
    _O.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadEvents,
    _O.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryUpdateData,
    _O.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryUpdateEvents,
    _O.Server_ServerCapabilities_OperationLimits_MaxNodesPerNodeManagement,
    _O.Server_ServerDiagnostics_SamplingIntervalDiagnosticsArray,
    _O.Server_ServerRedundancy_RedundantServerArray,
    _O.Server_SetSubscriptionDurable,
    _O.Server_RequestServerStateChange,
    _O.OPCUANamespaceMetadata_StaticStringNodeIdPattern,
    _O.OPCUANamespaceMetadata_DefaultRolePermissions,
    _O.OPCUANamespaceMetadata_DefaultUserRolePermissions,
    _O.OPCUANamespaceMetadata_DefaultAccessRestrictions,
    _O.HistoryServerCapabilities,
    _O.ServerConfiguration,
    _O.ServerLog,
    _O.PublishSubscribe,
    _O.Dictionaries,
    _O.Quantities,
    _O.Resources,
    _O.DefaultHAConfiguration,
    _O.DefaultHEConfiguration,
)
_NAMESPACES = ua.NodeId(_O.Server_Namespaces)
_SECURITY = _O.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray
_LOCAL = 1  # the namespace of the server itself


def prepare(aspace: AddressSpace, limits: Limits, *, version: str, published: datetime) -> None:
    """Removes what there is not, and fills in what stays as it is. `published`: the release of this version."""
    for identifier in _ABSENT:
        _remove(aspace, ua.NodeId(identifier))
    for node_id, variant in _values(limits):
        show(aspace, node_id, variant)
    # Certificates and names of other clients' users: for nobody (OPC 10000-5 §6.3.5).
    secret = aspace[ua.NodeId(_SECURITY)].attributes[ua.AttributeIds.Value]
    secret.value = bad("BadUserAccessDenied")
    for uri, pattern in ((POINTS_URI, ""), (TYPES_URI, ".*")):
        _add_namespace(aspace, uri, version, published, pattern)


def show(aspace: AddressSpace, identifier: int, variant: ua.Variant) -> None:
    """Sets the value of a variable before anybody reads it."""
    attribute = aspace[ua.NodeId(identifier)].attributes[ua.AttributeIds.Value]
    attribute.value = ua.DataValue(variant)


def _values(limits: Limits) -> Iterator[tuple[int, ua.Variant]]:
    capability = "Server_ServerCapabilities_"
    operation = f"{capability}OperationLimits_"
    numbers: Mapping[str, int] = {
        f"{capability}MaxArrayLength": limits.max_message_size,
        f"{capability}MaxStringLength": MAX_TEXT,
        f"{capability}MaxByteStringLength": limits.max_message_size,
        f"{capability}MaxSessions": limits.max_sessions,
        f"{capability}MaxSubscriptions": limits.max_subscriptions,
        f"{capability}MaxSubscriptionsPerSession": limits.max_subscriptions_per_session,
        f"{capability}MaxMonitoredItems": limits.max_monitored_items,
        f"{capability}MaxMonitoredItemsPerSubscription": limits.max_monitored_items_per_subscription,
        f"{capability}MaxMonitoredItemsQueueSize": limits.max_queue_size,
        f"{operation}MaxNodesPerRead": limits.max_nodes_per_read,
        f"{operation}MaxNodesPerWrite": limits.max_nodes_per_write,
        f"{operation}MaxNodesPerMethodCall": limits.max_nodes_per_method_call,
        f"{operation}MaxNodesPerBrowse": limits.max_nodes_per_browse,
        f"{operation}MaxNodesPerRegisterNodes": limits.max_nodes_per_register,
        f"{operation}MaxNodesPerTranslateBrowsePathsToNodeIds": limits.max_nodes_per_translate,
        f"{operation}MaxMonitoredItemsPerCall": limits.max_monitored_items_per_call,
    }
    for name, number in numbers.items():
        yield getattr(_O, name), ua.Variant(number, _V.UInt32)
    points = min(limits.max_continuation_points, 0xFFFF)
    yield _O.Server_ServerCapabilities_MaxBrowseContinuationPoints, ua.Variant(points, _V.UInt16)
    yield _O.Server_ServerCapabilities_MaxQueryContinuationPoints, ua.Variant(0, _V.UInt16)
    yield _O.Server_ServerCapabilities_MaxHistoryContinuationPoints, ua.Variant(0, _V.UInt16)
    yield _O.Server_ServerCapabilities_MinSupportedSampleRate, ua.Variant(limits.min_sampling_interval, _V.Double)
    yield _O.Server_ServerCapabilities_ServerProfileArray, ua.Variant(list(PROFILES), _V.String)
    yield _O.Server_ServerCapabilities_LocaleIdArray, ua.Variant(["en"], _V.String)
    yield _O.Server_ServerCapabilities_SoftwareCertificates, ua.Variant([], _V.ExtensionObject, is_array=True)
    yield _O.Server_Auditing, ua.Variant(True, _V.Boolean)
    yield _O.Server_ServerRedundancy_RedundancySupport, ua.Variant(ua.RedundancySupport.None_, _V.Int32)
    yield _O.Server_ServerDiagnostics_EnabledFlag, ua.Variant(True, _V.Boolean)


def _remove(aspace: AddressSpace, node_id: ua.NodeId) -> None:
    """Takes a node and what lies below it out, with the references of others to them."""
    node = aspace.get(node_id)
    if node is None:
        return
    for reference in node.references:
        if reference.IsForward and reference.ReferenceTypeId in (HAS_COMPONENT, HAS_PROPERTY):
            _remove(aspace, reference.NodeId)
    for reference in node.references:
        other = aspace.get(reference.NodeId)
        if other is not None:
            other.references = [back for back in other.references if back.NodeId != node_id]
    del aspace[node_id]


def _add_namespace(aspace: AddressSpace, uri: str, version: str, published: datetime, pattern: str) -> None:
    """NamespaceMetadata (OPC 10000-5 §6.3.13); `pattern` is that of the NodeIds that are the same in all servers."""
    path = f"Namespaces.{uri}"
    parent = ua.NodeId(path, _LOCAL)
    index = aspace[ua.NodeId(_O.Server_NamespaceArray)].attributes[ua.AttributeIds.Value].value.Value.Value.index(uri)
    own = ua.QualifiedName(uri, index)
    _add(aspace, _NAMESPACES, _O.HasComponent, parent, own, ua.NodeClass.Object, _O.NamespaceMetadataType)
    for name, data_type, variant in (
        ("NamespaceUri", _O.String, ua.Variant(uri, _V.String)),
        ("NamespaceVersion", _O.String, ua.Variant(version, _V.String)),
        ("NamespacePublicationDate", _O.DateTime, ua.Variant(published, _V.DateTime)),
        ("IsNamespaceSubset", _O.Boolean, ua.Variant(False, _V.Boolean)),
        ("StaticNodeIdTypes", _O.IdType, ua.Variant([1] if pattern else [], _V.Int32, is_array=True)),
        ("StaticNumericNodeIdRange", _O.NumericRange, ua.Variant([], _V.String, is_array=True)),
        ("StaticStringNodeIdPattern", _O.String, ua.Variant(pattern, _V.String)),
    ):
        node_id = ua.NodeId(f"{path}.{name}", _LOCAL)
        own = ua.QualifiedName(name, 0)
        node = _add(aspace, parent, _O.HasProperty, node_id, own, ua.NodeClass.Variable, _O.PropertyType)
        rank = 1 if variant.is_array else -1
        for attribute, value in (
            (ua.AttributeIds.Value, variant),
            (ua.AttributeIds.DataType, ua.Variant(ua.NodeId(data_type), _V.NodeId)),
            (ua.AttributeIds.ValueRank, ua.Variant(rank, _V.Int32)),
            (ua.AttributeIds.AccessLevel, ua.Variant(1, _V.Byte)),
            (ua.AttributeIds.UserAccessLevel, ua.Variant(1, _V.Byte)),
            (ua.AttributeIds.MinimumSamplingInterval, ua.Variant(0.0, _V.Double)),
            (ua.AttributeIds.Historizing, ua.Variant(False, _V.Boolean)),
        ):
            _set(node, attribute, value)
        if variant.is_array:
            _set(node, ua.AttributeIds.ArrayDimensions, ua.Variant([0], _V.UInt32))


def _add(
    aspace: AddressSpace,
    parent: ua.NodeId,
    reference_type: int,
    node_id: ua.NodeId,
    name: ua.QualifiedName,
    node_class: ua.NodeClass,
    type_definition: int,
) -> NodeData:
    node = aspace[node_id] = NodeData(node_id)
    zero = ua.Variant(0, _V.UInt32)
    for attribute, variant in (
        (ua.AttributeIds.NodeId, ua.Variant(node_id, _V.NodeId)),
        (ua.AttributeIds.NodeClass, ua.Variant(node_class, _V.Int32)),
        (ua.AttributeIds.BrowseName, ua.Variant(name, _V.QualifiedName)),
        (ua.AttributeIds.DisplayName, ua.Variant(ua.LocalizedText(name.Name), _V.LocalizedText)),
        (ua.AttributeIds.Description, ua.Variant(ua.LocalizedText(), _V.LocalizedText)),
        (ua.AttributeIds.WriteMask, zero),
        (ua.AttributeIds.UserWriteMask, zero),
    ):
        _set(node, attribute, variant)
    if node_class is ua.NodeClass.Object:
        _set(node, ua.AttributeIds.EventNotifier, ua.Variant(0, _V.Byte))
    type_id = ua.NodeId(type_definition)
    _refer(aspace, node_id, ua.NodeId(_O.HasTypeDefinition), type_id, forward=True)
    _refer(aspace, parent, ua.NodeId(reference_type), node_id, forward=True)
    _refer(aspace, node_id, ua.NodeId(reference_type), parent, forward=False)
    return node


def _set(node: NodeData, attribute: ua.AttributeIds, variant: ua.Variant) -> None:
    node.attributes[attribute] = AttributeValue(ua.DataValue(variant))


def _refer(aspace: AddressSpace, source: ua.NodeId, type_: ua.NodeId, target: ua.NodeId, *, forward: bool) -> None:
    def of(attribute: ua.AttributeIds) -> Any:
        return aspace[target].attributes[attribute].value.Value.Value

    definitions = (r.NodeId for r in aspace[target].references if r.ReferenceTypeId == ua.NodeId(_O.HasTypeDefinition))
    aspace[source].references.append(
        ua.ReferenceDescription(
            ReferenceTypeId=type_,
            IsForward=forward,
            NodeId=ua.ExpandedNodeId(target.Identifier, target.NamespaceIndex),
            BrowseName=of(ua.AttributeIds.BrowseName),
            DisplayName=of(ua.AttributeIds.DisplayName),
            NodeClass=of(ua.AttributeIds.NodeClass),
            TypeDefinition=next(definitions, ua.NodeId()),
        )
    )
