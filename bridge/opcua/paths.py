"""TranslateBrowsePathsToNodeIds (OPC 10000-4 §5.9.4): from names that a client knows to NodeIds."""

from collections.abc import Iterator
from typing import NamedTuple

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua import encoding
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.nodes import NAMESPACE, STATIONS, Node
from bridge.opcua.references import References
from bridge.opcua.requests import Clock, Request, Sliced, Steps, in_slices, operations
from bridge.opcua.settings import Limits
from bridge.opcua.wire import Reader

MAX_TARGETS = 1_000  # of one path
MAX_ELEMENTS = 100  # of one path
_SMALLEST = 6  # bytes of a BrowsePath
_SMALLEST_ELEMENT = 10
_ALL = encoding.uint32(0xFFFFFFFF)  # RemainingPathIndex: the whole path was followed


class Element(NamedTuple):
    """A step of a path (OPC 10000-4 §7.31)."""

    type: ua.NodeId
    inverse: bool
    subtypes: bool
    name: ua.QualifiedName


class Paths:
    """Follows browse paths."""

    def __init__(self, aspace: TreeAddressSpace, references: References) -> None:
        self._aspace = aspace
        self._references = references

    def translate(self, request: Request, limits: Limits) -> bytes | Sliced:
        body = request.body
        count = operations(body, limits.max_nodes_per_translate, _SMALLEST)
        return in_slices(self._results(body, count))

    def _results(self, body: Reader, count: int) -> Steps:
        clock, parts = Clock(), [encoding.count(count)]
        for number in range(count):
            if number and clock.is_over():
                yield
            start = body.node_id()
            parts.append(self._result(start, _elements(body)))
        parts.append(encoding.count(0))  # no diagnostics
        return b"".join(parts)

    def _result(self, start: ua.NodeId, elements: list[Element]) -> bytes:
        found = self._follow(start, elements)
        if isinstance(found, str):
            return encoding.status_code(found) + encoding.count(0)
        targets = (encoding.node_id(node_id) + _ALL for node_id in found)
        return b"".join((encoding.GOOD, encoding.count(len(found)), *targets))

    def _follow(self, start: ua.NodeId, elements: list[Element]) -> list[ua.NodeId] | str:
        """The targets, or the name of the StatusCode that says why there are none."""
        if not elements:
            return "BadNothingToDo"
        if not all(element.name.Name for element in elements):
            return "BadBrowseNameInvalid"
        if not self._aspace.knows(start):
            return "BadNodeIdUnknown"
        found = [start]
        for element in elements:
            types = self._references.types(element.type, element.subtypes)
            if isinstance(types, str):
                return "BadReferenceTypeIdInvalid"
            # a node may be reached in two ways and is one target all the same
            found = list(dict.fromkeys(each for node in found for each in self._step(node, element, types)))
            if not found:
                return "BadNoMatch"
            if len(found) > MAX_TARGETS:
                return "BadTooManyMatches"
        return found

    def _step(self, node_id: ua.NodeId, element: Element, types: frozenset[ua.NodeId] | None) -> Iterator[ua.NodeId]:
        node = self._aspace.node(node_id)
        if node is None:
            yield from self._standard(node_id, element, types)
            return
        if not element.inverse and node.namespace == NAMESPACE:
            child = self._child(node, element.name)
            if child is not None:
                above = next((link for link in self._aspace.space.links(child) if not link.forward), None)
                if above is not None and (types is None or above.type in types):
                    yield child.id
                return
        for link in self._aspace.space.links(node):
            if link.forward is element.inverse or not (types is None or link.type in types):
                continue
            target = link.node.id if link.node is not None else link.standard
            if target is not None and self._name(target) == element.name:
                yield target

    def _child(self, node: Node, name: ua.QualifiedName) -> Node | None:
        """The child of this name, without a look at the others: a path is made of names."""
        space = self._aspace.space
        in_area = node.path.startswith(STATIONS) and node.group is None
        for path in (
            (name.Name, f"{node.path}/{name.Name}", f"{node.path}.{name.Name}")
            if in_area
            else (f"{node.path}.{name.Name}",)
        ):
            child = space.find(path)
            if child is None or child.shape.browse_name != name:
                continue
            above = space.parent(child).node
            if above is not None and above.path == node.path:
                return child
        return None

    def _standard(
        self, node_id: ua.NodeId, element: Element, types: frozenset[ua.NodeId] | None
    ) -> Iterator[ua.NodeId]:
        for reference in self._aspace[node_id].references:
            matches = reference.IsForward is not element.inverse and reference.BrowseName == element.name
            if matches and (types is None or reference.ReferenceTypeId in types):
                yield ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)

    def _name(self, node_id: ua.NodeId) -> ua.QualifiedName | None:
        value = self._aspace.read_attribute_value(node_id, ua.AttributeIds.BrowseName).Value
        return None if value is None else value.Value


def _elements(body: Reader) -> list[Element]:
    """A RelativePath. What is longer than any path is not even read, so the request fails as a whole."""
    count = body.count(_SMALLEST_ELEMENT)
    if count > MAX_ELEMENTS:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    return [_element(body) for _ in range(count)]


def _element(body: Reader) -> Element:
    return Element(body.node_id(), body.boolean(), body.boolean(), body.qualified_name())
