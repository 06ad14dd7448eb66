"""Nodes, derived from the tree's layouts when somebody asks for one; nothing is kept per station.

What all nodes of one row, folder or method have in common is a `Shape`, made once. A `Node` is a shape at a
path. NodeIds are `ns=2;s=<path>` (OPC 10000-3 §8.2); below `Stations/` lie the folders of areas.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from asyncua import ua

from bridge.opcua import shapes
from bridge.opcua.shapes import Shape
from bridge.points.rows import Method, Row
from bridge.points.tree import Group, Station, Tree

STATIONS = "Stations"
BRIDGE = "Bridge"
NAMESPACE = shapes.NAMESPACE

OBJECTS = ua.NodeId(ua.ObjectIds.ObjectsFolder)
HAS_COMPONENT = ua.NodeId(ua.ObjectIds.HasComponent)
HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
HAS_TYPE_DEFINITION = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
ORGANIZES = ua.NodeId(ua.ObjectIds.Organizes)

Dynamic = Callable[[str], Row | None]


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it was asked for.

    `key` is its path within `group`. A point has its `row`; `slot` is None while the group has no place for
    it yet (a measurand that was never reported). `as_text`: it is the ValueAsText of its row's enumeration.
    """

    path: str
    shape: Shape
    group: Group | None = None
    key: str = ""
    row: Row | None = None
    slot: int | None = None
    method: Method | None = None
    as_text: bool = False

    @property
    def id(self) -> ua.NodeId:
        return ua.NodeId(self.path, NAMESPACE)


class Link(NamedTuple):
    """A reference of a node: to one of ours, or to one of OPC UA's own (`standard`)."""

    type: ua.NodeId
    forward: bool
    node: Node | None
    standard: ua.NodeId | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """All nodes of namespace 2. `dynamic` finds rows that a group may get but does not have yet."""

    tree: Tree
    dynamic: Dynamic

    def find(self, path: str) -> Node | None:
        """The node at a path, None where there is none."""
        if path == STATIONS:
            return Node(path, shapes.STATIONS)
        if path.startswith(STATIONS + "/"):
            return self._area(path)
        found = self.tree.find(path)
        if found is None:
            return None
        group, key = found
        if not key:
            return self._group(group) if path == group.path else None
        return self._within(group, key)

    def links(self, node: Node) -> Iterator[Link]:
        """All references of a node, forward and inverse."""
        if node.shape.type_definition is not None:
            yield Link(HAS_TYPE_DEFINITION, True, None, node.shape.type_definition)
        yield self._parent(node)
        yield from self.children(node)

    def children(self, node: Node) -> Iterator[Link]:
        """What lies directly below a node."""
        if node.group is None:
            yield from self._organized(node)
        elif node.shape.node_class is ua.NodeClass.Object:
            yield from self._below(node.group, node.key)
        else:
            for name in node.shape.properties:
                yield Link(HAS_PROPERTY, True, self._property(node, name))

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
            owner = self._within(group, parent) if parent else None
            return self._property(owner, name) if owner is not None and name in owner.shape.properties else None
        row = self.dynamic(key) if group.station is not None else None
        if row is not None:
            return Node(f"{group.path}.{key}", shapes.point(row), group, key, row)
        below = key + "."
        if any(extra.folder == key or extra.folder.startswith(below) for extra in group.extra_rows()):
            return self._folder(group, key)
        return None

    def _point(self, group: Group, slot: int) -> Node:
        row = group.row(slot)
        key = row.key
        return Node(f"{group.path}.{key}", shapes.point(row), group, key, row, slot)

    def _folder(self, group: Group, key: str) -> Node:
        return Node(f"{group.path}.{key}", shapes.folder(group.layout, key), group, key)

    def _property(self, owner: Node, name: str) -> Node:
        path, key, shape = f"{owner.path}.{name}", f"{owner.key}.{name}", owner.shape.properties[name]
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
        yield from self._extra_below(group, key)
        if isinstance(group, Station) and not key:
            for connector in group.connectors.values():
                yield Link(HAS_COMPONENT, True, self._group(connector))

    def _extra_below(self, group: Group, key: str) -> Iterator[Link]:
        """What came at run time: points of this folder, and folders that only hold such points."""
        seen: set[str] = set()
        start = f"{key}." if key else ""
        for row in group.extra_rows():
            if row.folder == key:
                slot = group.slot(row.key)
                if slot is not None:
                    yield Link(HAS_COMPONENT, True, self._point(group, slot))
            elif row.folder.startswith(start):
                folder = start + row.folder[len(start) :].partition(".")[0]
                if folder not in group.layout.folders and folder not in seen:
                    seen.add(folder)
                    yield Link(HAS_COMPONENT, True, self._folder(group, folder))

    def _parent(self, node: Node) -> Link:
        group = node.group
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

    def _area(self, path: str) -> Node | None:
        area = path[len(STATIONS) + 1 :]
        below = area + "/"
        if area and any(s.area == area or s.area.startswith(below) for s in self.tree.stations.values()):
            return Node(path, shapes.area(area.rpartition("/")[2]))
        return None

    def _organized(self, node: Node) -> Iterator[Link]:
        """The areas and stations directly below Stations or an area."""
        area = node.path[len(STATIONS) + 1 :]
        start = f"{area}/" if area else ""
        stations: list[Station] = []
        areas: dict[str, None] = {}
        for station in self.tree.stations.values():
            if station.area == area:
                stations.append(station)
            elif station.area.startswith(start):
                areas[station.area[len(start) :].partition("/")[0]] = None
        for name in areas:
            yield Link(ORGANIZES, True, Node(f"{node.path}/{name}", shapes.area(name)))
        for station in stations:
            yield Link(ORGANIZES, True, self._group(station))


def roots() -> Mapping[str, Shape]:
    """The nodes that lie directly in OPC UA's Objects folder, by path."""
    return {STATIONS: shapes.STATIONS, BRIDGE: shapes.group(BRIDGE, "bridge")}
