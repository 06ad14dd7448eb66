"""Browse and TranslateBrowsePathsToNodeIds over the tree (OPC 10000-4 §5.9)."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from asyncua import ua
from asyncua.server.address_space import ViewService

from bridge.opcua.address_space import TreeAddressSpace, describe
from bridge.opcua.nodes import Link, Node
from bridge.opcua.variants import status

_DIRECTIONS = (ua.BrowseDirection.Forward, ua.BrowseDirection.Inverse, ua.BrowseDirection.Both)
_FORWARD = (ua.BrowseDirection.Forward, ua.BrowseDirection.Both)
_INVERSE = (ua.BrowseDirection.Inverse, ua.BrowseDirection.Both)
_ALL_REMAINING = 0xFFFFFFFF  # RemainingPathIndex: the whole path was followed


class TreeViews(ViewService):
    """Browses the tree's nodes by their links; asyncua browses its own."""

    def __init__(self, aspace: TreeAddressSpace) -> None:
        super().__init__(aspace)
        self._tree = aspace
        self._matches = lru_cache(1024)(self._suitable_reftype)

    def _browse(self, desc: ua.BrowseDescription) -> ua.BrowseResult:
        if not desc.ReferenceTypeId.is_null() and desc.ReferenceTypeId not in self._tree:
            return ua.BrowseResult(status("BadReferenceTypeIdInvalid"))
        if desc.BrowseDirection not in _DIRECTIONS:
            return ua.BrowseResult(status("BadBrowseDirectionInvalid"))
        node = self._tree.node(desc.NodeId)
        if node is not None:
            return ua.BrowseResult(References=[self._describe(link) for link in self._suitable(desc, node)])
        if desc.NodeId not in self._tree:
            return ua.BrowseResult(status("BadNodeIdUnknown"))
        return super()._browse(desc)

    def _suitable(self, desc: ua.BrowseDescription, node: Node) -> Iterator[Link]:
        mask = desc.NodeClassMask
        for link in self._tree.space.links(node):
            if desc.BrowseDirection not in (_FORWARD if link.forward else _INVERSE):
                continue
            if not self._matches(desc.ReferenceTypeId, link.type, desc.IncludeSubtypes):
                continue
            if not mask or mask & self._node_class(link):
                yield link

    def _node_class(self, link: Link) -> int:
        if link.node is not None:
            return int(link.node.shape.node_class)
        return int(self._attribute(link, ua.AttributeIds.NodeClass))

    def _describe(self, link: Link) -> ua.ReferenceDescription:
        if link.node is not None:
            return describe(link.type, link.forward, link.node.id, link.node.shape)
        target = link.standard
        return ua.ReferenceDescription(
            ReferenceTypeId=link.type,
            IsForward=link.forward,
            NodeId=ua.ExpandedNodeId(target.Identifier, target.NamespaceIndex) if target else ua.ExpandedNodeId(),
            BrowseName=self._attribute(link, ua.AttributeIds.BrowseName),
            DisplayName=self._attribute(link, ua.AttributeIds.DisplayName),
            NodeClass=ua.NodeClass(self._attribute(link, ua.AttributeIds.NodeClass)),
        )

    def _attribute(self, link: Link, attribute: ua.AttributeIds) -> Any:
        return self._tree.read_attribute_value(link.standard, attribute).Value.Value

    def _translate_browsepath_to_nodeid(self, path: ua.BrowsePath) -> ua.BrowsePathResult:
        elements = path.RelativePath.Elements
        if not elements:
            return ua.BrowsePathResult(status("BadNothingToDo"))
        if not all(element.TargetName and element.TargetName.Name for element in elements):
            return ua.BrowsePathResult(status("BadBrowseNameInvalid"))
        if not self._tree.knows(path.StartingNode):
            return ua.BrowsePathResult(status("BadNodeIdUnknown"))
        found = self._navigate(path.StartingNode, elements)
        if not found:
            return ua.BrowsePathResult(status("BadNoMatch"))
        targets = [
            ua.BrowsePathTarget(ua.ExpandedNodeId(node_id.Identifier, node_id.NamespaceIndex), _ALL_REMAINING)
            for node_id in found
        ]
        return ua.BrowsePathResult(Targets=targets)

    def _find_elements_in_node(self, el: ua.RelativePathElement, nodeid: ua.NodeId) -> list[ua.NodeId]:
        node = self._tree.node(nodeid)
        if node is None:
            return list(super()._find_elements_in_node(el, nodeid))
        return [
            link.node.id
            for link in self._tree.space.links(node)
            if link.forward != el.IsInverse
            and link.node is not None
            and link.node.shape.browse_name == el.TargetName
            and self._matches(el.ReferenceTypeId, link.type, el.IncludeSubtypes)
        ]
