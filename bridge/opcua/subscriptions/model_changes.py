"""Tells clients that a station, a connector or an area has come or gone (OPC 10000-3 §9.32.7)."""

import asyncio
import enum
from collections import Counter
from collections.abc import Iterator

from asyncua import ua

from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.node import SERVER
from bridge.opcua.nodes import STATIONS
from bridge.opcua.shapes import NAMESPACE, NODE_VERSION
from bridge.opcua.subscriptions.events import GENERAL_MODEL_CHANGE, Event, Events
from bridge.points.tree import Group, Station

MOST_CHANGES = 1_000  # in one event

Changes = dict[str, int]
"""What happened to each node, by its path: a Verb."""


class Verb(enum.IntFlag):
    """What happened to a node (OPC 10000-5 §12.17)."""

    NODE_ADDED = 1
    NODE_DELETED = 2
    REFERENCE_ADDED = 4
    REFERENCE_DELETED = 8


class ModelChanges:
    """The tree's listener. What changes in one go is one event for who listens to the Server object or to Stations.

    Who listens to an area or a station hears of what changes in there alone.
    """

    def __init__(self, aspace: TreeAddressSpace, events: Events) -> None:
        self._space = aspace.space
        self._aspace = aspace
        self._events = events
        self._all: Changes = {}
        self._within: dict[str, Changes] = {}
        self._handle: asyncio.Handle | None = None
        stations = self._space.tree.stations.values()
        self._stations = Counter(area for station in stations for area in _areas(station))

    def restructured(self, group: Group, added: bool) -> None:
        """A station or connector has come or gone, and perhaps the areas that it lies in with it."""
        for path in (group.path, *self._count(group, added)):
            parent = _parent(path, group)
            self._space.versions.changed(parent)
            for changed in (path, parent):
                self._show_version(changed)
            if self._events:
                self._note(group, path, Verb.NODE_ADDED if added else Verb.NODE_DELETED)
                self._note(group, parent, Verb.REFERENCE_ADDED if added else Verb.REFERENCE_DELETED)

    def _count(self, group: Group, added: bool) -> Iterator[str]:
        """The areas that have come with their first station, or gone with their last, the innermost first."""
        for area in _areas(group) if isinstance(group, Station) else ():
            self._stations[area] += 1 if added else -1
            if self._stations[area] == int(added):
                self._aspace.watch.show_presence(area, added)
                yield area

    def _show_version(self, path: str) -> None:
        """Whoever monitors the node's NodeVersion hears of the new one, or that the node has gone."""
        version = f"{path}.{NODE_VERSION}"
        if self._aspace.watch.is_fixed(version):
            value = self._aspace.read_attribute_value(ua.NodeId(version, NAMESPACE), ua.AttributeIds.Value)
            self._aspace.watch.rewrite(version, value)

    def _note(self, group: Group, path: str, verb: Verb) -> None:
        self._all[path] = self._all.get(path, 0) | verb
        station = group.station
        for notifier in (station.path, *_areas(station)) if station is not None else ():
            if self._events.is_heard_at(ua.NodeId(notifier, NAMESPACE)):
                changes = self._within.setdefault(notifier, {})
                changes[path] = changes.get(path, 0) | verb
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self._emit)

    def _emit(self) -> None:
        self._handle = None
        everything, self._all = self._all, {}
        within, self._within = self._within, {}
        for event in self._made(everything):
            self._events.emit(event, above=(ua.NodeId(STATIONS, NAMESPACE),))
        for notifier, changes in within.items():
            for event in self._made(changes):
                self._events.emit_at(ua.NodeId(notifier, NAMESPACE), event)

    def _made(self, changes: Changes) -> Iterator[Event]:
        listed = list(changes.items())
        for start in range(0, len(listed), MOST_CHANGES):
            some = [self._structure(path, verb) for path, verb in listed[start : start + MOST_CHANGES]]
            fields = {"Changes": ua.Variant(some, ua.VariantType.ExtensionObject)}
            text = "Stations or connectors have come or gone"
            yield self._events.make(GENERAL_MODEL_CHANGE, SERVER, "Server", text, fields=fields)

    def _structure(self, path: str, verb: int) -> ua.ModelChangeStructureDataType:
        node = self._space.find(path)
        type_ = None if node is None else node.shape.type_definition
        return ua.ModelChangeStructureDataType(ua.NodeId(path, NAMESPACE), type_ or ua.NodeId(), verb)


def _areas(station: Station) -> Iterator[str]:
    """The paths of the areas that a station lies in, the innermost first."""
    area = station.area
    while area:
        yield f"{STATIONS}/{area}"
        area = area.rpartition("/")[0]


def _parent(path: str, group: Group) -> str:
    """The node that a station or connector, or one of the areas that it lies in, lies in."""
    if path != group.path:
        return path.rpartition("/")[0]
    if isinstance(group, Station):
        return f"{STATIONS}/{group.area}" if group.area else STATIONS
    return path.rpartition(".")[0]
