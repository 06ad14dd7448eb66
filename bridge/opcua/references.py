"""What a client sees of references: which ones it wants, and each of them as bytes (OPC 10000-4 §7.30).

All nodes of one layout have the same references but for the path that they begin with, so those are encoded once
per layout and filter. What is one station's own (its connectors, points that came at run time) is encoded each time.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from asyncua import ua

from bridge.opcua import encoding, shapes
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.node import HAS_NOTIFIER, SERVER
from bridge.opcua.nodes import HAS_COMPONENT, HAS_PROPERTY, HAS_TYPE_DEFINITION, ORGANIZES, STATIONS, Link, Node
from bridge.opcua.shapes import NAMESPACE, TYPES, Shape
from bridge.points.layout import Layout
from bridge.points.tree import Group, Station

MAX_FILTERS = 16  # kept with what was encoded for them; clients use two or three
MAX_CACHED = 50_000  # of each kind of a filter's encodings

TYPE, FORWARD, CLASS, NAME, DISPLAY, DEFINITION = 1, 2, 4, 8, 16, 32
"""Bits of a ResultMask (OPC 10000-4 §5.9.2.2)."""

_LENGTH = Struct("<i").pack
_NO_NAME = b"\0\0" + encoding.NULL_STRING
_STRING_ID = b"\x03\x02\x00"  # a NodeId of namespace 2 that is a path


class Template(NamedTuple):
    """A reference to a node below a group: what stands before its path's length, and behind the group's path."""

    head: bytes
    length: int
    tail: bytes


class Fixed(NamedTuple):
    """The references that a node has in every group of its layout."""

    absolute: tuple[bytes, ...]
    relative: tuple[Template, ...]


class Wanted:
    """The references that a BrowseDescription asks for, and what of them. `types`: None for all."""

    __slots__ = ("_groups", "_heads", "_tails", "classes", "direction", "fixed", "mask", "standard", "types")

    def __init__(self, direction: int, types: frozenset[ua.NodeId] | None, classes: int, mask: int) -> None:
        self.direction = direction
        self.types = types
        self.classes = classes
        self.mask = mask
        self.fixed: dict[tuple[Layout, str], Fixed] = {}
        self.standard: dict[ua.NodeId, tuple[int, list[bytes]]] = {}
        self._heads: dict[tuple[ua.NodeId, bool], bytes | None] = {}
        self._tails: dict[Shape, bytes | None] = {}
        self._groups: dict[str, bytes] = {}

    def head(self, type_: ua.NodeId, forward: bool) -> bytes | None:
        """What stands before the NodeId; None: such references are not wanted."""
        key = (type_, forward)
        if key not in self._heads:
            self._heads[key] = self._head(type_, forward)
        return self._heads[key]

    def _head(self, type_: ua.NodeId, forward: bool) -> bytes | None:
        if self.direction == (ua.BrowseDirection.Inverse if forward else ua.BrowseDirection.Forward):
            return None
        if self.types is not None and type_ not in self.types:
            return None
        shown = encoding.node_id(type_) if self.mask & TYPE else b"\0\0"
        return shown + bytes([forward and bool(self.mask & FORWARD)])

    def tail(self, shape: Shape) -> bytes | None:
        """What stands behind the NodeId; None: nodes of this class are not wanted."""
        if shape not in self._tails:
            if len(self._tails) >= MAX_CACHED:
                self._tails.clear()
            name, display = shape.browse_name, shape.display_name
            self._tails[shape] = self.named(name, display, shape.node_class, shape.type_definition)
        return self._tails[shape]

    def named(
        self,
        name: ua.QualifiedName,
        display: ua.LocalizedText,
        node_class: int,
        definition: ua.NodeId | None,
    ) -> bytes | None:
        """As `tail`."""
        if self.classes and not self.classes & node_class:
            return None
        shown = encoding.qualified_name(name) if self.mask & NAME else _NO_NAME
        shown += encoding.localized_text(display) if self.mask & DISPLAY else b"\0"
        return shown + self._class_and_type(node_class, definition)

    def _class_and_type(self, node_class: int, definition: ua.NodeId | None) -> bytes:
        shown = encoding.count(int(node_class) if self.mask & CLASS else 0)
        return shown + (encoding.node_id(definition) if self.mask & DEFINITION and definition is not None else b"\0\0")

    def group_tail(self, group: Group) -> bytes | None:
        """As `tail`. Every group has a name of its own: the tails of thousands of stations are not worth keeping."""
        if self.classes and not self.classes & ua.NodeClass.Object:
            return None
        kind = group.layout.kind
        rest = self._groups.get(kind)
        if rest is None:
            definition = ua.NodeId(shapes.GROUP_TYPES[kind], TYPES)
            rest = self._groups[kind] = self._class_and_type(ua.NodeClass.Object, definition)
        name = encoding.string(group.path.rpartition(".")[2])
        shown = b"\2\0" + name if self.mask & NAME else _NO_NAME
        return shown + (b"\2" + name if self.mask & DISPLAY else b"\0") + rest


class References:
    """The references of every node, as bytes."""

    def __init__(self, aspace: TreeAddressSpace) -> None:
        self._aspace = aspace
        self._space = aspace.space
        self._subtypes = lru_cache(256)(self._closure)
        self._interned = lru_cache(MAX_FILTERS)(Wanted)

    def wanted(self, direction: int, type_: ua.NodeId, subtypes: bool, classes: int, mask: int) -> Wanted | str:
        """The filter of a BrowseDescription, or the name of the StatusCode that says what is wrong with it."""
        types = self.types(type_, subtypes)
        if isinstance(types, str):
            return types
        if direction not in (0, 1, 2):
            return "BadBrowseDirectionInvalid"
        return self._interned(direction, types, classes & 0xFF, mask & 0x3F)

    def types(self, type_: ua.NodeId, subtypes: bool) -> frozenset[ua.NodeId] | str | None:
        """The reference types that are meant; None for all, the name of a StatusCode for what is no such type."""
        if type_.is_null():
            return None
        found = self._subtypes(type_, subtypes)
        return "BadReferenceTypeIdInvalid" if found is None else found

    def _closure(self, type_: ua.NodeId, subtypes: bool) -> frozenset[ua.NodeId] | None:
        node_class = self._aspace.read_attribute_value(type_, ua.AttributeIds.NodeClass).Value
        if node_class is None or node_class.Value != ua.NodeClass.ReferenceType:
            return None
        found, below = {type_}, [type_] if subtypes else []
        while below:
            for reference in self._aspace[below.pop()].references:
                if reference.IsForward and reference.ReferenceTypeId == _HAS_SUBTYPE and reference.NodeId not in found:
                    found.add(reference.NodeId)
                    below.append(reference.NodeId)
        return frozenset(found)

    def of(self, node_id: ua.NodeId, wanted: Wanted) -> Iterable[bytes] | None:
        """The references of a node; None: there is no such node."""
        if node_id.NamespaceIndex == NAMESPACE and isinstance(node_id.Identifier, str):
            return self.of_path(node_id.Identifier, wanted)
        node = self._space.node(node_id)
        if node is not None:
            return self._encoded(self._space.links(node), wanted)
        return self._standard(node_id, wanted)

    def of_path(self, path: str, wanted: Wanted) -> Iterable[bytes] | None:
        """The references of a node of the tree."""
        found = self._space.tree.find(path)
        if found is not None:
            group, key = found
            layout = group.layout
            if key in layout.folders or key in layout.index or key in layout.methods:
                return self._laid_out(group, key, wanted) if key or path == group.path else None
        node = self._space.find(path)
        if node is None:
            return None
        if node.group is None and node.shape.node_class is ua.NodeClass.Object:
            return self._holder(node, wanted)
        return self._encoded(self._space.links(node), wanted)

    def _laid_out(self, group: Group, key: str, wanted: Wanted) -> list[bytes]:
        fixed = wanted.fixed.get((group.layout, key)) or self._fix(group, key, wanted)
        base = group.path.encode()
        size = len(base)
        found = [*fixed.absolute]
        found += [head + _LENGTH(size + length) + base + tail for head, length, tail in fixed.relative]
        if not key or "." not in key:
            found += self._around(group, key, wanted)
        if key in group.layout.folders:
            found += self._encoded(self._space.extra_below(group, key), wanted)
        return found

    def _fix(self, group: Group, key: str, wanted: Wanted) -> Fixed:
        """Encodes what all groups of this layout have in common."""
        path = f"{group.path}.{key}" if key else group.path
        node = self._space.find(path)
        absolute: list[bytes] = []
        relative: list[Template] = []
        for link in self._space.links(node) if node is not None else ():
            if link.node is None or link.node.namespace == TYPES:
                absolute += self._encoded((link,), wanted)
            elif link.node.group is group and link.node.key and not self._came_later(link.node):
                head, tail = wanted.head(link.type, link.forward), wanted.tail(link.node.shape)
                if head is not None and tail is not None:
                    behind = f".{link.node.key}".encode()
                    relative.append(Template(head + _STRING_ID, len(behind), behind + tail))
        if len(wanted.fixed) >= MAX_CACHED:
            wanted.fixed.clear()
        fixed = wanted.fixed[group.layout, key] = Fixed(tuple(absolute), tuple(relative))
        return fixed

    @staticmethod
    def _came_later(node: Node) -> bool:
        """It is this group's own, not its layout's."""
        if node.group is None:
            return False
        layout, key = node.group.layout, node.key
        if node.shape.type_definition == shapes.PROPERTY:
            key = key.rpartition(".")[0]
        return bool(key) and not (key in layout.index or key in layout.folders or key in layout.methods)

    def _around(self, group: Group, key: str, wanted: Wanted) -> Iterator[bytes]:
        """References from and to the group itself, whose name is its own: its parent, its connectors."""
        if key:
            yield from self._to_group(group, HAS_COMPONENT, False, wanted)
            return
        if isinstance(group, Station):
            parent = f"{STATIONS}/{group.area}" if group.area else STATIONS
            head = wanted.head(ORGANIZES, False)
            tail = wanted.tail(shapes.area(parent.rpartition("/")[2]) if group.area else shapes.STATIONS)
            if head is not None and tail is not None:
                yield head + encoding.point_id(parent) + tail
            for connector in group.connectors.values():
                yield from self._to_group(connector, HAS_COMPONENT, True, wanted)
        elif group.station is not None:
            yield from self._to_group(group.station, HAS_COMPONENT, False, wanted)

    def _to_group(self, group: Group, type_: ua.NodeId, forward: bool, wanted: Wanted) -> Iterator[bytes]:
        head = wanted.head(type_, forward)
        if head is not None:
            tail = wanted.group_tail(group)
            if tail is not None:
                yield head + encoding.point_id(group.path) + tail

    def _holder(self, node: Node, wanted: Wanted) -> Iterator[bytes]:
        """Stations or an area: as many references as there are stations, so one at a time."""
        properties = (
            Link(HAS_PROPERTY, True, self._space.find(f"{node.path}.{name}")) for name in node.shape.properties
        )
        definition = Link(HAS_TYPE_DEFINITION, True, None, node.shape.type_definition)
        yield from self._encoded((definition, self._space.parent(node), *properties), wanted)
        if node.path == STATIONS:
            yield from self._encoded((Link(HAS_NOTIFIER, False, None, SERVER),), wanted)
        head = wanted.head(ORGANIZES, True)
        if head is None:
            return
        areas, stations = self._space.organized(node.path[len(STATIONS) + 1 :])
        for name in areas:
            tail = wanted.tail(shapes.area(name))
            if tail is not None:
                yield head + encoding.point_id(f"{node.path}/{name}") + tail
        for station in stations:
            tail = wanted.group_tail(station)
            if tail is not None:
                yield head + encoding.point_id(station.path) + tail

    def _encoded(self, links: Iterable[Link], wanted: Wanted) -> list[bytes]:
        found: list[bytes] = []
        for link in links:
            head = wanted.head(link.type, link.forward)
            if head is None:
                continue
            target = link.node.id if link.node is not None else link.standard
            tail = wanted.tail(link.node.shape) if link.node is not None else self._tail_of(link.standard, wanted)
            if target is not None and tail is not None:
                found.append(head + encoding.node_id(target) + tail)
        return found

    def _tail_of(self, node_id: ua.NodeId | None, wanted: Wanted) -> bytes | None:
        """A node of which only the NodeId is known: OPC UA's own, or a type of ours."""
        if node_id is None:
            return None
        node = self._space.node(node_id)
        if node is not None:
            return wanted.tail(node.shape)
        read: Callable[[ua.AttributeIds], ua.DataValue] = lambda attribute: self._aspace.read_attribute_value(  # noqa: E731
            node_id, attribute
        )
        name, display, node_class = (
            read(attribute).Value.Value
            for attribute in (ua.AttributeIds.BrowseName, ua.AttributeIds.DisplayName, ua.AttributeIds.NodeClass)
        )
        references = self._aspace[node_id].references
        definitions = (each.NodeId for each in references if each.ReferenceTypeId == HAS_TYPE_DEFINITION)
        return wanted.named(name, display, int(node_class), next(definitions, None))

    def _standard(self, node_id: ua.NodeId, wanted: Wanted) -> list[bytes] | None:
        """asyncua's own nodes hardly ever change: what is encoded stays good as long as none is added."""
        data = self._aspace.get(node_id)
        if data is None:
            return None
        count, encoded = wanted.standard.get(node_id, (-1, []))
        if count != len(data.references):
            encoded = [each for each in (_description(ref, wanted) for ref in data.references) if each is not None]
            wanted.standard[node_id] = len(data.references), encoded
        return encoded


_HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)


def _description(reference: ua.ReferenceDescription, wanted: Wanted) -> bytes | None:
    head = wanted.head(reference.ReferenceTypeId, reference.IsForward)
    definition = (
        None if reference.TypeDefinition is None or reference.TypeDefinition.is_null() else reference.TypeDefinition
    )
    tail = wanted.named(reference.BrowseName, reference.DisplayName, int(reference.NodeClass), definition)
    return None if head is None or tail is None else head + encoding.node_id(reference.NodeId) + tail
