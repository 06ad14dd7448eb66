"""asyncua's address space with the tree in it: nodes of namespace 2 are derived, the others are asyncua's."""

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from bridge.errors import Refused
from bridge.opcua import shapes
from bridge.opcua.nodes import Node, Space
from bridge.opcua.rights import Rights
from bridge.opcua.shapes import NAMESPACE, TYPES, Shape
from bridge.opcua.sources import Foreign, ForeignKey
from bridge.opcua.variants import SharedDataValue, bad, data_value, status, text_value
from bridge.opcua.watch import Watch
from bridge.points.rows import Row
from bridge.points.tree import EMPTY, Quality, Sample

_VALUE = ua.AttributeIds.Value
_BY_ROLE = (ua.AttributeIds.UserAccessLevel, ua.AttributeIds.UserExecutable)
_OURS = (NAMESPACE, TYPES)
MOST_RANGES = 100  # parts of values of asyncua's nodes that are monitored


class TreeAddressSpace(AddressSpace):
    """Answers for the tree's nodes from `space`; what is monitored of them is in `watch`."""

    def __init__(self, space: Space, rights: Rights, *, initial_values: bool) -> None:
        super().__init__()
        self.space = space
        self.rights = rights
        self.watch = Watch(initial_values=initial_values)
        self.initial_values = initial_values
        self.foreign: dict[ForeignKey, Foreign] = {}
        self._ranges = 0  # of them are parts

    def add_roots(self) -> None:
        """Puts Stations and Bridge into OPC UA's Objects folder, and our types below its own."""
        for parent, link in self.space.roots():
            if link.node is not None:
                reference = describe(link.type, True, link.node.id, link.node.shape)
                self._nodes[parent].references.append(reference)

    def share(self, key: ForeignKey, value: ua.DataValue) -> Foreign:
        """What all items on an attribute of asyncua's follow; `unshare` it when it has no watcher any more.

        Raises Refused where there are too many parts, each of which has to be encoded at each change.
        """
        node_id, attribute, index_range = key
        if index_range and self._ranges >= MOST_RANGES:
            raise Refused("BadTooManyMonitoredItems", "there are too many on parts of values")
        self._ranges += bool(index_range)
        made = self.foreign[key] = Foreign(value, key)
        _, made.handle = self.add_datachange_callback(node_id, ua.AttributeIds(attribute), made.hear)
        return made

    def unshare(self, source: Foreign) -> None:
        """Forgets it, if nobody monitors it."""
        if not source.watchers and self.foreign.get(source.key) is source:
            del self.foreign[source.key]
            self._ranges -= bool(source.key[2])
            self.delete_datachange_callback(source.handle)

    def node(self, node_id: ua.NodeId) -> Node | None:
        """The tree's node of this id, or that of a type; None: there is none, or it is asyncua's."""
        return self.space.node(node_id)

    def knows(self, node_id: ua.NodeId) -> bool:
        """There is such a node, the tree's or asyncua's."""
        return node_id in self or self.node(node_id) is not None

    def read_attribute_value(self, nodeid: ua.NodeId, attr: ua.AttributeIds, role: str | None = None) -> ua.DataValue:
        """The attribute as a client of this role sees it; None: as the server itself does."""
        node = self.node(nodeid) if nodeid.NamespaceIndex in _OURS else None
        if node is None:  # asyncua's, or an event type
            return super().read_attribute_value(nodeid, attr)
        if attr == _VALUE and node.row is not None:
            return self._value(node, node.row, role)
        if attr == _VALUE and node.shape is shapes.VERSION:
            version = self.space.versions.of(node.path.rpartition(".")[0])
            return SharedDataValue(ua.Variant(version, ua.VariantType.String))
        if attr == ua.AttributeIds.NodeId:
            return SharedDataValue(ua.Variant(node.id, ua.VariantType.NodeId))
        if role is not None and attr in _BY_ROLE and not self.rights.allows_all(role, node):
            return self._restricted(node, attr, role)
        return node.shape.attributes.get(attr) or bad("BadAttributeIdInvalid")

    def _restricted(self, node: Node, attr: ua.AttributeIds, role: str) -> ua.DataValue:
        """What is left to a user who may not do everything."""
        if attr == ua.AttributeIds.UserAccessLevel and node.row is not None:
            return shapes.ACCESS[self.rights.access(role, node)]
        if attr == ua.AttributeIds.UserExecutable and node.method is not None:
            return shapes.NOT_EXECUTABLE
        return bad("BadAttributeIdInvalid")

    async def write_attribute_value(
        self, nodeid: ua.NodeId, attr: ua.AttributeIds, value: ua.DataValue
    ) -> ua.StatusCode:
        """Only asyncua itself writes here, and only its own nodes: what clients write goes another way."""
        if nodeid.NamespaceIndex in _OURS:
            return status("BadNotWritable")
        return await super().write_attribute_value(nodeid, attr, value)

    def _value(self, node: Node, row: Row, role: str | None) -> ua.DataValue:
        if not row.readable:
            return bad("BadNotReadable")
        if role is not None and not self.rights.sees(role, row):
            return bad("BadUserAccessDenied")
        if node.group is None:  # of a type: what its instances begin with
            sample = EMPTY if row.initial is None else Sample(row.initial, Quality.GOOD, None, None)
        else:
            sample = EMPTY if node.slot is None else node.group.sample(node.slot)
        return (text_value if node.as_text else data_value)(row, sample, self.initial_values)


def describe(type_: ua.NodeId, forward: bool, node_id: ua.NodeId, shape: Shape) -> ua.ReferenceDescription:
    """A reference to a node, as Browse returns it (OPC 10000-4 §7.30)."""
    return ua.ReferenceDescription(
        ReferenceTypeId=type_,
        IsForward=forward,
        NodeId=ua.ExpandedNodeId(node_id.Identifier, node_id.NamespaceIndex),
        BrowseName=shape.browse_name,
        DisplayName=shape.display_name,
        NodeClass=shape.node_class,
        TypeDefinition=shape.type_definition or ua.ExpandedNodeId(),
    )
