"""Nodes, derived from the tree's layouts when somebody asks for one; nothing is kept per station.

What all nodes of one row, folder or method have in common is a `Shape`, made once. A `Node` is a shape at a
path. NodeIds are `ns=2;s=<path>` (OPC 10000-3 §8.2); below `Stations/` lie the folders of areas.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from asyncua import ua

from bridge.opcua import shapes
from bridge.opcua.node import (
    HAS_COMPONENT,
    HAS_NOTIFIER,
    HAS_PROPERTY,
    HAS_TYPE_DEFINITION,
    OBJECTS,
    ORGANIZES,
    SERVER,
    Link,
    Node,
    Versions,
)
from bridge.opcua.typespace import TypeSpace
from bridge.points.rows import Row
from bridge.points.tree import Group, Station, Tree

__all__ = [
    "BRIDGE",
    "HAS_COMPONENT",
    "HAS_PROPERTY",
    "HAS_TYPE_DEFINITION",
    "NAMESPACE",
    "OBJECTS",
    "ORGANIZES",
    "STATIONS",
    "TYPES",
    "Link",
    "Node",
    "Space",
]

STATIONS = "Stations"
_VERSION = f".{shapes.NODE_VERSION}"
BRIDGE = "Bridge"
NAMESPACE, TYPES = shapes.NAMESPACE, shapes.TYPES

Dynamic = Callable[[str], Row | None]


@dataclass(frozen=True, slots=True)
class Space:
    """All nodes of namespace 2, and through `types` those of namespace 3.

    `dynamic` finds rows that a group may get but does not have yet.
    """

    tree: Tree
    dynamic: Dynamic
    types: TypeSpace = field(default_factory=TypeSpace)
    versions: Versions = field(default_factory=Versions)

    def roots(self) -> Iterator[tuple[ua.NodeId, Link]]:
        """What lies directly below a node of namespace 0, with that one's NodeId."""
        for path in (STATIONS, BRIDGE):
            yield OBJECTS, Link(ORGANIZES, True, self.find(path))
        yield SERVER, Link(HAS_NOTIFIER, True, self.find(STATIONS))
        yield from self.types.roots()

    def node(self, node_id: ua.NodeId) -> Node | None:
        """The node of this id; None: there is none, or it is of another namespace."""
        if not isinstance(node_id.Identifier, str):
            return None
        if node_id.NamespaceIndex == NAMESPACE:
            return self.find(node_id.Identifier)
        return self.types.find(node_id.Identifier) if node_id.NamespaceIndex == TYPES else None

    def find(self, path: str) -> Node | None:
        """The node at a path, None where there is none."""
        if path.startswith(STATIONS):
            node = self._holder(path)
            if node is not None:
                return node
            owner = self._holder(path.removesuffix(_VERSION)) if path.endswith(_VERSION) else None
            if owner is not None:
                return self._property(owner, shapes.NODE_VERSION)
        found = self.tree.find(path)
        if found is None:
            return None
        group, key = found
        if not key:
            return self._group(group) if path == group.path else None
        return self._within(group, key)

    def method_of(self, owner: Node | None, declared: Node) -> Node | None:
        """The method of an object that its type, or a supertype of that, declares as `declared`."""
        if owner is None or owner.group is None or owner.shape.type_definition is None:
            return None
        own, declaring = owner.shape.type_definition, declared.path.removesuffix(f".{declared.shape.name}")
        if own.NamespaceIndex != TYPES or not self.types.is_a(str(own.Identifier), declaring):
            return None
        return self.find(f"{owner.path}.{declared.shape.name}")

    def links(self, node: Node) -> Iterator[Link]:
        """All references of a node, forward and inverse."""
        if node.namespace == TYPES:
            yield from self.types.links(node)
            return
        if node.shape.type_definition is not None:
            yield Link(HAS_TYPE_DEFINITION, True, None, node.shape.type_definition)
        yield self.parent(node)
        if node.path == STATIONS:
            yield Link(HAS_NOTIFIER, False, None, SERVER)
        yield from self.children(node)

    def children(self, node: Node) -> Iterator[Link]:
        """What lies directly below a node."""
        if node.namespace == TYPES:
            yield from self.types.children(node)
            return
        for name in node.shape.properties:
            yield Link(HAS_PROPERTY, True, self._property(node, name))
        if node.shape.node_class is ua.NodeClass.Object:
            yield from self._organized(node) if node.group is None else self._below(node.group, node.key)

    def _group(self, group: Group) -> Node:
        return Node(group.path, shapes.group(group.path.rpartition(".")[2], group.layout.kind), group)

    def _within(self, group: Group, key: str) -> Node | None:
        slot = group.slot(key)
        if slot is not None:
            return self._point(group, slot)
        if key in group.layout.folders:
            return self._folder(group, key)
        method = group.layout.methods.get(key)
        if method is not None:
            return Node(f"{group.path}.{key}", shapes.method(method), group, key, method=method)
        parent, _, name = key.rpartition(".")
        if name in shapes.PROPERTIES:
            owner = self._within(group, parent) if parent else self._group(group)
            return self._property(owner, name) if owner is not None and name in owner.shape.properties else None
        row = self.dynamic(key) if group.station is not None else None
        if row is not None:
            return Node(f"{group.path}.{key}", shapes.point(row), group, key, row)
        return None if group.extra_below(key) is None else self._folder(group, key)

    def _point(self, group: Group, slot: int) -> Node:
        row = group.row(slot)
        key = row.key
        return Node(f"{group.path}.{key}", shapes.point(row), group, key, row, slot)

    def _folder(self, group: Group, key: str) -> Node:
        return Node(f"{group.path}.{key}", shapes.folder(group.layout, key), group, key)

    def _property(self, owner: Node, name: str) -> Node:
        path, shape = f"{owner.path}.{name}", owner.shape.properties[name]
        key = f"{owner.key}.{name}" if owner.key else name
        if name == shapes.VALUE_AS_TEXT:
            return Node(path, shape, owner.group, key, owner.row, owner.slot, as_text=True)
        return Node(path, shape, owner.group, key)

    def _below(self, group: Group, key: str) -> Iterator[Link]:
        """The children of a group (key "") or of one of its folders."""
        layout = group.layout
        for _, below in layout.folders.get(key, ()):
            child = self._within(group, below)
            if child is not None:
                yield Link(HAS_COMPONENT, True, child)
        yield from self.extra_below(group, key)
        if isinstance(group, Station) and not key:
            for connector in group.connectors.values():
                yield Link(HAS_COMPONENT, True, self._group(connector))

    def extra_below(self, group: Group, key: str) -> Iterator[Link]:
        """What came at run time: points of this folder, and folders that only hold such points."""
        below = group.extra_below(key)
        if below is None:
            return
        for slot in below.slots:
            yield Link(HAS_COMPONENT, True, self._point(group, slot))
        for folder in below.folders:
            if folder not in group.layout.folders:
                yield Link(HAS_COMPONENT, True, self._folder(group, folder))

    def parent(self, node: Node) -> Link:
        group = node.group
        if group is None and node.key:
            return self._inverse(HAS_PROPERTY, node.path.removesuffix(_VERSION))
        if group is None:  # Stations, or an area: Stations/Depot/Hall 1 lies in Stations/Depot
            parent = node.path.rpartition("/")[0]
            return self._inverse(ORGANIZES, parent) if parent else Link(ORGANIZES, False, None, OBJECTS)
        if node.key:
            folder = node.path.removesuffix(f".{node.shape.name}")
            is_property = node.shape.type_definition == shapes.PROPERTY
            return self._inverse(HAS_PROPERTY if is_property else HAS_COMPONENT, folder)
        if not isinstance(group, Station):
            parent = group.path.rpartition(".")[0]
            return self._inverse(HAS_COMPONENT, parent) if parent else Link(ORGANIZES, False, None, OBJECTS)
        return self._inverse(ORGANIZES, f"{STATIONS}/{group.area}" if group.area else STATIONS)

    def _inverse(self, type_: ua.NodeId, path: str) -> Link:
        node = self.find(path)
        if node is None:
            raise LookupError(path)  # every node of the tree has a parent
        return Link(type_, False, node)

    def _holder(self, path: str) -> Node | None:
        """Stations, or an area that has any."""
        if path == STATIONS:
            return Node(path, shapes.STATIONS)
        if not path.startswith(STATIONS + "/"):
            return None
        area = path[len(STATIONS) + 1 :]
        below = area + "/"
        if area and any(s.area == area or s.area.startswith(below) for s in self.tree.stations.values()):
            return Node(path, shapes.area(area.rpartition("/")[2]))
        return None

    def _organized(self, node: Node) -> Iterator[Link]:
        """The areas and stations directly below Stations or an area."""
        areas, stations = self.organized(node.path[len(STATIONS) + 1 :])
        for name in areas:
            yield Link(ORGANIZES, True, Node(f"{node.path}/{name}", shapes.area(name)))
        for station in stations:
            yield Link(ORGANIZES, True, self._group(station))

    def organized(self, area: str) -> tuple[list[str], list[Station]]:
        """The names of the areas and the stations directly below an area ("": Stations itself)."""
        start = f"{area}/" if area else ""
        stations: list[Station] = []
        areas: dict[str, None] = {}
        for station in self.tree.stations.values():
            if station.area == area:
                stations.append(station)
            elif station.area.startswith(start):
                areas[station.area[len(start) :].partition("/")[0]] = None
        return list(areas), stations
