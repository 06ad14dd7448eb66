"""A node and a reference of it, whichever of our namespaces it is in, and how often its references changed."""

import time
from dataclasses import dataclass
from typing import NamedTuple

from asyncua import ua

from bridge.opcua.shapes import NAMESPACE, Shape
from bridge.points.rows import Method, Row
from bridge.points.tree import Group

SERVER = ua.NodeId(ua.ObjectIds.Server)
OBJECTS = ua.NodeId(ua.ObjectIds.ObjectsFolder)
HAS_COMPONENT = ua.NodeId(ua.ObjectIds.HasComponent)
HAS_NOTIFIER = ua.NodeId(ua.ObjectIds.HasNotifier)
HAS_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
HAS_TYPE_DEFINITION = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
ORGANIZES = ua.NodeId(ua.ObjectIds.Organizes)


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it was asked for.

    `key` is its path within `group`. A point has its `row`; `slot` is None while the group has no place for
    it yet (a measurand that was never reported). `as_text`: it is the ValueAsText of its row's enumeration.
    A node of the types' `namespace` has no group; `key` is its path within its type.
    """

    path: str
    shape: Shape
    group: Group | None = None
    key: str = ""
    row: Row | None = None
    slot: int | None = None
    method: Method | None = None
    as_text: bool = False
    namespace: int = NAMESPACE

    @property
    def id(self) -> ua.NodeId:
        return ua.NodeId(self.path, self.namespace)


class Link(NamedTuple):
    """A reference of a node: to `node`, or to the one with the NodeId `standard` (OPC UA's own, or a type of ours)."""

    type: ua.NodeId
    forward: bool
    node: Node | None
    standard: ua.NodeId | None = None


class Versions:
    """The NodeVersion of the nodes whose references come and go (OPC 10000-3 §9.32.2), kept for those alone."""

    def __init__(self) -> None:
        self._first = time.time_ns() // 1_000_000  # no version comes twice, whatever changed before a restart
        self._changes: dict[str, int] = {}

    def of(self, path: str) -> str:
        return str(self._first + self._changes.get(path, 0))

    def changed(self, path: str) -> str:
        """Gives the node at a path its next version."""
        self._changes[path] = self._changes.get(path, 0) + 1
        return self.of(path)
