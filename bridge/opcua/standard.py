"""OPC UA's own nodes, each made when somebody asks for it: asyncua makes all 6,000 before it starts, in a second."""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence

from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeData, NodeManagementService
from asyncua.server.standard_address_space.standard_address_space import fill_address_space

_HAS_TYPE_DEFINITION = ua.NodeId(ua.ObjectIds.HasTypeDefinition)


class _Collected:
    """Takes what asyncua's generated code would add, as `fill_address_space` hands it over."""

    def __init__(self) -> None:
        self.items: dict[ua.NodeId, ua.AddNodesItem] = {}
        self.references: dict[ua.NodeId, list[tuple[ua.NodeId, ua.NodeId, bool]]] = {}

    def try_add_nodes(self, items: Sequence[ua.AddNodesItem], check: bool = True) -> Iterable[ua.AddNodesItem]:
        for item in items:
            node_id, parent, kind = item.RequestedNewNodeId, item.ParentNodeId, item.ReferenceTypeId
            self.items[node_id] = item
            if not parent.is_null():
                self._refer(node_id, kind, parent, forward=False)
                self._refer(parent, kind, node_id, forward=True)
            if not item.TypeDefinition.is_null():
                self._refer(node_id, _HAS_TYPE_DEFINITION, item.TypeDefinition, forward=True)
        return ()

    def try_add_references(self, references: Sequence[ua.AddReferencesItem]) -> Iterable[ua.AddReferencesItem]:
        for one in references:
            self._refer(one.SourceNodeId, one.ReferenceTypeId, one.TargetNodeId, forward=one.IsForward)
        return ()

    def _refer(self, source: ua.NodeId, kind: ua.NodeId, target: ua.NodeId, *, forward: bool) -> None:
        self.references.setdefault(source, []).append((kind, target, forward))


class StandardNodes(MutableMapping[ua.NodeId, NodeData]):
    """An address space's nodes by NodeId: those of the standard, and what is put in beside them."""

    def __init__(self) -> None:
        collected = _Collected()
        fill_address_space(collected)
        self._items, self._references = collected.items, collected.references
        self._made: dict[ua.NodeId, NodeData] = {}
        self._maker = NodeManagementService(AddressSpace())

    def __getitem__(self, node_id: ua.NodeId) -> NodeData:
        node = self._made.get(node_id)
        if node is None:
            node = self._made[node_id] = self._make(self._items[node_id])
        return node

    def __setitem__(self, node_id: ua.NodeId, node: NodeData) -> None:
        self._made[node_id] = node

    def __delitem__(self, node_id: ua.NodeId) -> None:
        if node_id not in self:
            raise KeyError(node_id)
        self._made.pop(node_id, None)
        self._items.pop(node_id, None)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._items or node_id in self._made

    def __iter__(self) -> Iterator[ua.NodeId]:
        yield from self._items
        yield from (node_id for node_id in list(self._made) if node_id not in self._items)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _make(self, item: ua.AddNodesItem) -> NodeData:
        node_id = item.RequestedNewNodeId
        node = NodeData(node_id)
        self._maker._add_node_attributes(node, item, add_timestamps=False)
        seen = set()
        for kind, target, forward in self._references.pop(node_id, ()):
            if (kind, target) not in seen and target in self._items:
                seen.add((kind, target))
                node.references.append(self._description(kind, target, forward))
        return node

    def _description(self, kind: ua.NodeId, target: ua.NodeId, forward: bool) -> ua.ReferenceDescription:
        item = self._items[target]
        return ua.ReferenceDescription(
            ReferenceTypeId=kind,
            IsForward=forward,
            NodeId=target,
            BrowseName=item.BrowseName,
            DisplayName=item.NodeAttributes.DisplayName,
            NodeClass=item.NodeClass,
            TypeDefinition=item.TypeDefinition,
        )
