"""The nodes of namespace 3, derived from the object types and enumerations when somebody asks for one.

A type's NodeId is its name, an instance declaration's the path below it: `ns=3;s=StationType.Info.Vendor`. The
BrowseNames of instance declarations are those of the instances, so they are of namespace 2 (OPC 10000-3 §6.2.6).
"""

from collections.abc import Iterable, Iterator

from asyncua import ua

from bridge.opcua import shapes
from bridge.opcua.node import HAS_COMPONENT, HAS_PROPERTY, HAS_TYPE_DEFINITION, Link, Node
from bridge.opcua.shapes import TYPES
from bridge.opcua.types import ObjectType, enumerations, object_types
from bridge.points.layout import Layout

HAS_MODELLING_RULE = ua.NodeId(ua.ObjectIds.HasModellingRule)
HAS_SUBTYPE = ua.NodeId(ua.ObjectIds.HasSubtype)
MANDATORY = ua.NodeId(ua.ObjectIds.ModellingRule_Mandatory)
OPTIONAL_PLACEHOLDER = ua.NodeId(ua.ObjectIds.ModellingRule_OptionalPlaceholder)
_ENUMERATION = ua.NodeId(ua.ObjectIds.Enumeration)


class TypeSpace:
    """All nodes of namespace 3, for the layouts of stations and connectors of every OCPP version and of the bridge."""

    def __init__(self, layouts: Iterable[Layout] = ()) -> None:
        known = list(layouts)
        self._types = object_types(known)
        self._enumerations = enumerations(known)

    def roots(self) -> Iterator[tuple[ua.NodeId, Link]]:
        """What lies below a node of namespace 0, with that one's NodeId."""
        for name, found in self._types.items():
            if isinstance(found.base, ua.NodeId):
                yield found.base, Link(HAS_SUBTYPE, True, self._type(name))
        for name in self._enumerations:
            yield _ENUMERATION, Link(HAS_SUBTYPE, True, self._type(name))

    def all(self) -> Iterator[Node]:
        """Every node, each behind its supertype or parent."""
        for name in (*self._enumerations, *self._types):
            yield from self._tree(self._type(name))

    def find(self, path: str) -> Node | None:
        """The node at a path, None where there is none."""
        name, dot, key = path.partition(".")
        if name not in self._types and name not in self._enumerations:
            return None
        if not dot:
            return self._type(name)
        return self._below(self._type(name), key)

    def is_a(self, name: str, wanted: str) -> bool:
        """Whether an object type is `wanted` or derived from it."""
        found: str | ua.NodeId = name
        while isinstance(found, str):
            if found == wanted:
                return True
            found = self._types[found].base
        return False

    def links(self, node: Node) -> Iterator[Link]:
        """All references of a node, forward and inverse."""
        if node.key:
            if node.shape.type_definition is not None:
                yield Link(HAS_TYPE_DEFINITION, True, None, node.shape.type_definition)
            rule = modelling_rule(node)
            if rule is not None:
                yield Link(HAS_MODELLING_RULE, True, None, rule)
        yield self._parent(node)
        yield from self.children(node)

    def children(self, node: Node) -> Iterator[Link]:
        """What lies directly below a node: its declarations, its properties, its subtypes."""
        for name in node.shape.properties:
            yield Link(HAS_PROPERTY, True, _property(node, name))
        found = self._types.get(node.path.partition(".")[0])
        if found is None:
            return
        if not node.key:
            yield from self._subtypes(found)
        elif node.shape.node_class is not ua.NodeClass.Object:
            return
        for _, key in found.layout.folders.get(node.key, ()):
            child = _declaration(found, key)
            if child is not None:
                yield Link(HAS_COMPONENT, True, child)
        for key in found.placeholders:
            if key.rpartition(".")[0] == node.key:
                yield Link(HAS_COMPONENT, True, _declaration(found, key))

    def _subtypes(self, found: ObjectType) -> Iterator[Link]:
        for name, other in self._types.items():
            if other.base == found.name:
                yield Link(HAS_SUBTYPE, True, self._type(name))

    def _type(self, name: str) -> Node:
        found = self._types.get(name)
        shape = shapes.data_type(self._enumerations[name]) if found is None else found.shape
        return Node(name, shape, namespace=TYPES)

    def _below(self, type_: Node, key: str) -> Node | None:
        found = self._types.get(type_.path)
        declared = None if found is None else _declaration(found, key)
        if declared is not None:
            return declared
        parent, _, name = key.rpartition(".")
        owner = type_ if not parent else None if found is None else _declaration(found, parent)
        return None if owner is None or name not in owner.shape.properties else _property(owner, name)

    def _parent(self, node: Node) -> Link:
        if not node.key:
            found = self._types.get(node.path)
            base = _ENUMERATION if found is None else found.base
            if isinstance(base, str):
                return Link(HAS_SUBTYPE, False, self._type(base))
            return Link(HAS_SUBTYPE, False, None, base)
        is_property = node.shape.type_definition == shapes.PROPERTY
        parent = self.find(node.path.removesuffix(f".{node.shape.name}"))
        if parent is None:
            raise LookupError(node.path)  # every declaration has a parent
        return Link(HAS_PROPERTY if is_property else HAS_COMPONENT, False, parent)

    def _tree(self, node: Node) -> Iterator[Node]:
        yield node
        for link in self.children(node):
            if link.node is not None and link.type != HAS_SUBTYPE:
                yield from self._tree(link.node)


def modelling_rule(node: Node) -> ua.NodeId | None:
    """OPC 10000-3 §6.4.4.4: what every instance has is Mandatory. A DataType's own property has no rule."""
    if node.key == shapes.ENUM_VALUES:
        return None
    return OPTIONAL_PLACEHOLDER if node.shape.name.startswith("<") else MANDATORY


def _declaration(found: ObjectType, key: str) -> Node | None:
    """A folder, a point, a method or a placeholder of a type."""
    path, layout = f"{found.name}.{key}", found.layout
    slot = layout.index.get(key)
    if slot is not None:
        row = layout.rows[slot]
        return Node(path, shapes.point(row), None, key, row, namespace=TYPES)
    if key in layout.folders and key:
        return Node(path, shapes.folder(layout, key), None, key, namespace=TYPES)
    method = layout.methods.get(key)
    if method is not None:
        return Node(path, shapes.method(method), None, key, method=method, namespace=TYPES)
    shape = found.placeholders.get(key)
    return None if shape is None else Node(path, shape, None, key, namespace=TYPES)


def _property(owner: Node, name: str) -> Node:
    key = f"{owner.key}.{name}" if owner.key else name
    shape = owner.shape.properties[name]
    as_text = name == shapes.VALUE_AS_TEXT
    return Node(
        f"{owner.path}.{name}", shape, None, key, owner.row if as_text else None, as_text=as_text, namespace=TYPES
    )
