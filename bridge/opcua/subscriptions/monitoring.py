"""Makes monitored items, changes and deletes them (OPC 10000-4 §5.13), within the server's limits."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from asyncua import ua

from bridge.errors import Refused
from bridge.opcua import ranges, shapes
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.crowd import for_everybody
from bridge.opcua.node import Node
from bridge.opcua.settings import Limits
from bridge.opcua.shapes import NAMESPACE
from bridge.opcua.sources import Fixed, Foreign, Source
from bridge.opcua.subscriptions.event_filters import EventFilter
from bridge.opcua.subscriptions.events import Events
from bridge.opcua.subscriptions.filters import NUMERIC, DataFilter, data_filter
from bridge.opcua.subscriptions.items import DataItem, EventItem, Item, Mode
from bridge.opcua.subscriptions.subscription import Subscription
from bridge.opcua.subscriptions.turns import Turns
from bridge.opcua.watch import Part, Point, Watch
from bridge.points.roles import at_least
from bridge.points.rows import Row, Type

_VALUE, _EVENTS = int(ua.AttributeIds.Value), int(ua.AttributeIds.EventNotifier)
MOST_PARTS = 1_000  # items on parts of texts, which share no encoded value with others
LEAST_EVENTS = 10  # places in an event item's queue
_NUMBERS = frozenset(
    getattr(ua.VariantType, name)
    for name in ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double")
)
_MODES = {mode.value: mode for mode in Mode}


class DataFilterRequest(NamedTuple):
    """A DataChangeFilter as it was sent."""

    trigger: int
    deadband_type: int
    deadband: float


class Parameters(NamedTuple):
    """MonitoringParameters. `filter` is None for none, a string (a StatusCode) for one that cannot be had."""

    client_handle: int
    sampling: float
    filter: DataFilterRequest | EventFilter | str | None
    queue_size: int
    discard_oldest: bool


class Monitored(NamedTuple):
    """What is to be monitored: a path for a node of the tree, else a NodeId."""

    node: str | ua.NodeId
    attribute: int
    index_range: str | None
    encoding: str | None


class Revised(NamedTuple):
    """What an item got: its id, the sampling interval (ms) and the queue size."""

    number: int
    sampling: float
    queue_size: int


class Monitoring:
    """All monitored items. What cannot be had raises Refused with its StatusCode.

    `has_room` says whether a subscription may have one more item where there are many, having made room if need be.
    """

    def __init__(self, aspace: TreeAddressSpace, limits: Limits) -> None:
        self.turns = Turns()
        self.events = Events(aspace, self.turns)
        self.count = 0
        self.has_room: Callable[[Subscription], bool] = lambda _: False
        self._many = for_everybody(limits.max_monitored_items, has_users=True)
        self._aspace = aspace
        self._watch: Watch = aspace.watch
        self._tree = aspace.space.tree
        self._limits = limits
        self._numbers = itertools.count(1)
        self._parts = 0
        self._queued = 0  # places of all queues that have more than one

    def create(
        self, subscription: Subscription, monitored: Monitored, mode: int, wanted: Parameters, times: int, role: str
    ) -> Revised:
        """A new item, which reports the present value first. `role` is the user's."""
        if mode not in _MODES:
            raise Refused("BadMonitoringModeInvalid", "there is no such mode")
        limits = self._limits
        is_full = len(subscription.items) >= limits.max_monitored_items_per_subscription
        if not is_full and self.count >= self._many:
            is_full = not self.has_room(subscription)
        if is_full or subscription.ended:
            raise Refused("BadTooManyMonitoredItems", "there are too many monitored items")
        item: Item
        if monitored.attribute == _EVENTS:
            item = self._event_item(subscription, monitored, wanted, role)
        else:
            item = self._data_item(subscription, monitored, wanted, times, role)
        subscription.items[item.id] = item
        self.count += 1
        item.switch(_MODES[mode])
        return Revised(item.id, _sampling_of(subscription, item, wanted), item.queue_size)

    def modify(self, subscription: Subscription, number: int, wanted: Parameters, times: int) -> Revised:
        """ModifyMonitoredItems (OPC 10000-4 §5.13.3)."""
        item = subscription.items.get(number)
        if item is None:
            raise Refused("BadMonitoredItemIdInvalid", "there is no such item")
        if isinstance(item, DataItem):
            item.filter = self._filter(item.source, wanted)
            item.times = times
            self._configure(item, wanted, self._queue_size(wanted.queue_size, item.queue_size))
            self._set_sampling(subscription, item, wanted.sampling)
        elif isinstance(item, EventItem):
            item.filter = _event_filter(wanted)
            self._configure(item, wanted, self._event_queue_size(wanted.queue_size, item.queue_size))
        return Revised(item.id, _sampling_of(subscription, item, wanted), item.queue_size)

    def delete(self, subscription: Subscription, items: Iterable[Item]) -> None:
        """Deletes some of a subscription's items, in linear time."""
        sources: list[Source] = []
        deleted: list[Item] = []
        for item in items:
            if subscription.items.pop(item.id, None) is None:
                continue
            deleted.append(item)
            self.count -= not subscription.ended
            self._queued -= item.queue_size - 1
            item.close()
            if isinstance(item, EventItem):
                self.events.remove(item.node_id, item)
            elif isinstance(item, DataItem):
                item.source.remove(item)
                sources.append(item.source)
        subscription.tidy(deleted)
        self._drop(sources)

    def leave(self, subscription: Subscription) -> None:
        """A subscription ends: its items count no more, though they go one after the other."""
        if not subscription.ended:
            subscription.ended = True
            self.count -= len(subscription.items)

    def repeat(self, subscription: Subscription, most: int) -> Iterator[None]:
        """Queues the present value of every item that reports and has none queued, in slices (OPC 10000-5 §9.2)."""
        items = [item for item in subscription.items.values() if isinstance(item, DataItem)]
        for start in range(0, len(items), most):
            for item in items[start : start + most]:
                if item.mode is Mode.REPORTING and item.queue is None:
                    item.repeat()
            yield

    # ------------------------------------------------------------------ data

    def _data_item(
        self, subscription: Subscription, monitored: Monitored, wanted: Parameters, times: int, role: str
    ) -> DataItem:
        if monitored.encoding:
            raise Refused("BadDataEncodingInvalid", "there is only one encoding")
        source = self._source(monitored, role)
        try:
            if monitored.index_range:
                source = self._part(source, monitored.index_range)
            found = self._filter(source, wanted)
        except Refused:
            self._drop([source])
            raise
        item = DataItem(next(self._numbers), subscription, source, times)
        item.filter = found
        self._configure(item, wanted, self._queue_size(wanted.queue_size, 1))
        self._set_sampling(subscription, item, wanted.sampling)
        source.add(item)
        return item

    def _source(self, monitored: Monitored, role: str) -> Source:
        if type(monitored.node) is str and monitored.attribute == _VALUE:
            found = self._tree.find(monitored.node)
            if found is not None:
                group, key = found
                slot = group.slot(key)
                if slot is not None:
                    self._check_sight(group.row(slot), role)
                    return self._watch.point(group, slot, as_text=False)
        return self._source_of_any(monitored, role)

    def _source_of_any(self, monitored: Monitored, role: str) -> Source:
        node_id = _id_of(monitored.node)
        node = self._aspace.node(node_id)
        if node is not None and monitored.attribute == _VALUE and node.row is not None and node.group is not None:
            self._check_sight(node.row, role)
            slot = node.slot if node.slot is not None else node.group.extend(node.row)
            if slot is None:
                raise Refused("BadTooManyMonitoredItems", "the group has too many points")
            return self._watch.point(node.group, slot, as_text=node.as_text)
        key = node_id, monitored.attribute, monitored.index_range or ""
        shared = self._aspace.foreign.get(key)
        if shared is not None:
            return shared
        value = self._read(node_id, monitored.attribute, role)
        if node is not None:
            return self._watch.fixed(_home(node, monitored.attribute), value)
        return self._aspace.share(key, value)

    def _check_sight(self, row: Row, role: str) -> None:
        if not self._aspace.rights.sees(role, row):
            raise Refused("BadUserAccessDenied", f"an {role} may not see this")

    def _part(self, source: Source, index_range: str) -> Source:
        """What lies in a range of a value; that of a text may be shorter at times, of another point there is none."""
        slices = ranges.parse(index_range)
        if slices is None:
            raise Refused("BadIndexRangeInvalid", "this is no range")
        if isinstance(source, Point):
            if source.row.type is not Type.STRING or len(slices) > 1:
                raise Refused("BadIndexRangeNoData", "the value has no parts")
            if self._parts >= MOST_PARTS:
                raise Refused("BadTooManyMonitoredItems", "there are too many on parts of texts")
            self._parts += 1
            return Part(source, slices)
        if isinstance(source, Fixed):
            if source.slices != slices:  # not yet
                source.slices = slices
                source.show(source.present)
            if source.read()[1] == ua.StatusCodes.BadIndexRangeNoData:
                raise Refused("BadIndexRangeNoData", "nothing lies in the range")
        return source

    def _read(self, node_id: ua.NodeId, attribute: int, role: str) -> ua.DataValue:
        if attribute not in _ATTRIBUTES:
            raise Refused("BadAttributeIdInvalid", "there is no such attribute")
        value = self._aspace.read_attribute_value(node_id, ua.AttributeIds(attribute), role)
        if value.StatusCode is not None and value.StatusCode.value in _NO_SUCH_ATTRIBUTE:
            raise Refused(_NO_SUCH_ATTRIBUTE[value.StatusCode.value], "there is no such attribute")
        return value

    def _drop(self, sources: Sequence[Source]) -> None:
        """Lets go of what has no watcher any more."""
        for source in sources:
            self._parts -= isinstance(source, Part)
            if isinstance(source, Foreign):
                self._aspace.unshare(source)
        self._watch.release(sources)

    def _filter(self, source: Source, wanted: Parameters) -> DataFilter | None:
        asked = wanted.filter
        if asked is None:
            return None
        if isinstance(asked, str):
            raise Refused(_DATA_CODES.get(asked, asked), "there is no such filter")
        if isinstance(asked, EventFilter):
            raise Refused("BadFilterNotAllowed", "only events have this filter")
        if isinstance(source, Point):  # of a part of one there is no number
            is_number = source.row.type in NUMERIC and not source.as_text
            return data_filter(*asked, source.row, is_number=is_number)
        is_number = isinstance(source, Fixed) and source.variant_type in _NUMBERS
        return data_filter(*asked, None, is_number=is_number)

    def _set_sampling(self, subscription: Subscription, item: DataItem, requested: float) -> None:
        item.sampling = subscription.sampling(subscription.revised_sampling(requested))
        if item.dirty and item.sampling is None:
            item.dirty = False

    # ------------------------------------------------------------------ events

    def _event_item(self, subscription: Subscription, monitored: Monitored, wanted: Parameters, role: str) -> EventItem:
        node_id = _id_of(monitored.node)
        notifier = self._read(node_id, _EVENTS, "").Value.Value
        if not notifier & shapes.SUBSCRIBE_TO_EVENTS:
            raise Refused("BadNotSupported", "the node has no events")
        item = EventItem(
            next(self._numbers),
            subscription,
            node_id,
            hears_audit=at_least(role, "engineer"),
            sees_all=not self._aspace.rights.hides(role),
        )
        item.filter = _event_filter(wanted)
        self._configure(item, wanted, self._event_queue_size(wanted.queue_size, 1))
        self.events.add(node_id, item)
        return item

    # ------------------------------------------------------------------ queues

    def _configure(self, item: Item, wanted: Parameters, size: int) -> None:
        self._queued += size - item.queue_size
        item.configure(wanted.client_handle, size, wanted.discard_oldest)

    def _queue_size(self, requested: int, present: int) -> int:
        """Within the server's bound for one item, and for all together."""
        size = min(max(requested, 1), self._limits.max_queue_size)
        left = self._limits.max_queued_notifications - self._queued + present
        return max(1, min(size, left))

    def _event_queue_size(self, requested: int, present: int) -> int:
        """0 asks for the most, 1 for the least (OPC 10000-4 §7.21)."""
        return max(LEAST_EVENTS, self._queue_size(requested or self._limits.max_queue_size, present))


def _home(node: Node, attribute: int) -> str | None:
    """What an attribute comes, goes or changes with (`Watch.fixed`); None: it is always there."""
    if node.namespace != NAMESPACE:
        return None
    if attribute == _VALUE and node.shape is shapes.VERSION:
        return node.path
    if node.group is not None:
        return node.group.path
    return node.path.removesuffix(f".{shapes.NODE_VERSION}")  # an area, or Stations


def _event_filter(wanted: Parameters) -> EventFilter:
    asked = wanted.filter
    if isinstance(asked, EventFilter):
        return asked
    if isinstance(asked, str):
        raise Refused(asked, "there is no such filter")
    raise Refused("BadEventFilterInvalid" if asked is None else "BadFilterNotAllowed", "events need an EventFilter")


def _sampling_of(subscription: Subscription, item: Item, wanted: Parameters) -> float:
    return subscription.revised_sampling(wanted.sampling) if isinstance(item, DataItem) else 0.0


def _id_of(node: str | ua.NodeId) -> ua.NodeId:
    return ua.NodeId(node, 2) if isinstance(node, str) else node


#: an EventFilter is out of place whatever is in it
_DATA_CODES = {"BadEventFilterInvalid": "BadFilterNotAllowed"}
_ATTRIBUTES = frozenset(int(attribute) for attribute in ua.AttributeIds)
_NO_SUCH_ATTRIBUTE = {
    ua.StatusCodes.BadNodeIdUnknown: "BadNodeIdUnknown",
    ua.StatusCodes.BadAttributeIdInvalid: "BadAttributeIdInvalid",
}
