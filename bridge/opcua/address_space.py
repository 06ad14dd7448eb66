"""asyncua's address space with the tree in it: nodes of namespace 2 are derived, the others are asyncua's."""

from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from bridge.opcua import shapes
from bridge.opcua.nodes import OBJECTS, ORGANIZES, Node, Space, roots
from bridge.opcua.shapes import NAMESPACE, Shape
from bridge.opcua.users import may_write
from bridge.opcua.variants import SharedDataValue, bad, data_value, status, text_value
from bridge.opcua.watch import Watch
from bridge.points.rows import Row
from bridge.points.tree import EMPTY, Group

_VALUE = ua.AttributeIds.Value


class TreeAddressSpace(AddressSpace):
    """Answers for the tree's nodes from `space`; what is monitored of them is in `watch`."""

    def __init__(self, space: Space, *, initial_values: bool) -> None:
        super().__init__()
        self.space = space
        self.watch = Watch(self._changed_value)
        self._initial_values = initial_values

    def add_roots(self) -> None:
        """Puts Stations and Bridge into OPC UA's Objects folder."""
        references = self._nodes[OBJECTS].references
        for path, shape in roots().items():
            references.append(describe(ORGANIZES, True, ua.NodeId(path, NAMESPACE), shape))

    def node(self, node_id: ua.NodeId) -> Node | None:
        """The tree's node of this id; None: there is none, or it is not the tree's."""
        if node_id.NamespaceIndex != NAMESPACE or not isinstance(node_id.Identifier, str):
            return None
        return self.space.find(node_id.Identifier)

    def knows(self, node_id: ua.NodeId) -> bool:
        """There is such a node, the tree's or asyncua's."""
        return node_id in self or self.node(node_id) is not None

    def read_attribute_value(self, nodeid: ua.NodeId, attr: ua.AttributeIds, role: str | None = None) -> ua.DataValue:
        """The attribute as a client of this role sees it; None: as the server itself does."""
        if nodeid.NamespaceIndex != NAMESPACE:
            return super().read_attribute_value(nodeid, attr)
        node = self.node(nodeid)
        if node is None:
            return bad("BadNodeIdUnknown")
        if attr == _VALUE and node.group is not None and node.row is not None:
            return self._value(node.group, node.slot, node.row, node.as_text)
        if attr == ua.AttributeIds.NodeId:
            return SharedDataValue(ua.Variant(node.id, ua.VariantType.NodeId))
        if role is not None and not may_write(role):
            if attr == ua.AttributeIds.UserAccessLevel and node.shape.writable:
                return shapes.READ_ONLY
            if attr == ua.AttributeIds.UserExecutable and node.method is not None:
                return shapes.NOT_EXECUTABLE
        return node.shape.attributes.get(attr) or bad("BadAttributeIdInvalid")

    async def write_attribute_value(
        self, nodeid: ua.NodeId, attr: ua.AttributeIds, value: ua.DataValue
    ) -> ua.StatusCode:
        """Only asyncua itself writes here, and only its own nodes: what clients write goes another way."""
        if nodeid.NamespaceIndex == NAMESPACE:
            return status("BadNotWritable")
        return await super().write_attribute_value(nodeid, attr, value)

    def add_datachange_callback(
        self, nodeid: ua.NodeId, attr: ua.AttributeIds, callback: Callable[..., Any]
    ) -> tuple[ua.StatusCode, int]:
        """A monitored item: of a point's value (or its text), or of an attribute that never changes.

        A measurand that was never reported gets its place in the group now.
        """
        if nodeid.NamespaceIndex != NAMESPACE:
            code, handle = super().add_datachange_callback(nodeid, attr, callback)
            return code, handle
        code = self.read_attribute_value(nodeid, attr).StatusCode
        if code is not None and code.value in _NO_SUCH_ATTRIBUTE:
            return code, 0
        self._datachange_callback_counter += 1
        handle = int(self._datachange_callback_counter)
        node = self.node(nodeid)
        if attr == _VALUE and node is not None and node.group is not None and node.row is not None:
            slot = node.slot if node.slot is not None else node.group.extend(node.row)
            if slot is None:
                return status("BadTooManyMonitoredItems"), 0
            self.watch.add(handle, node.group, slot, as_text=node.as_text, callback=callback)
        return status("Good"), handle

    def delete_datachange_callback(self, handle: int) -> None:
        if not self.watch.remove(handle):
            super().delete_datachange_callback(handle)

    def _changed_value(self, group: Group, slot: int, as_text: bool) -> ua.DataValue:
        return self._value(group, slot, group.row(slot), as_text)

    def _value(self, group: Group, slot: int | None, row: Row, as_text: bool) -> ua.DataValue:
        sample = EMPTY if slot is None else group.sample(slot)
        return (text_value if as_text else data_value)(row, sample, self._initial_values)


_NO_SUCH_ATTRIBUTE = (ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadAttributeIdInvalid)


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
