"""Read (OPC 10000-4 §5.11.2). A point's value goes from the tree to its bytes without an object of OPC UA's."""

import time
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua import encoding, ranges
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.requests import Clock, Request, Sliced, Steps, in_slices, operations
from bridge.opcua.settings import Limits
from bridge.opcua.shapes import Shape
from bridge.opcua.variants import BOTH, NEITHER, SERVER, SOURCE, bad, encode_sample, ticks
from bridge.opcua.wire import Reader
from bridge.points.tree import EMPTY

_VALUE = ua.AttributeIds.Value
_BY_ROLE = (ua.AttributeIds.UserAccessLevel, ua.AttributeIds.UserExecutable)
_SMALLEST = 16  # bytes of a ReadValueId
_HEAD = Struct("<di")  # MaxAge, TimestampsToReturn
_LENGTH = Struct("<i")
_TAIL = Struct("<IiHi")  # AttributeId, length of IndexRange, DataEncoding: its namespace and length
#: what follows the NodeId of a ReadValueId that asks for a whole value: null and empty strings mean the same
_WHOLE = frozenset(_TAIL.pack(_VALUE, index, 0, name) for index in (-1, 0) for name in (-1, 0))
_POINT = b"\x03\x02\x00"  # a String NodeId of namespace 2
_TURN = 64  # items between two looks at the clock
SLICE_SIZE = 262_144  # bytes of an answer after which others get their turn, and nothing more is kept for now
_FIRST_TURN = 1  # as long as it is not known how long they take: diagnostics of many sessions take milliseconds


class Item(NamedTuple):
    """A ReadValueId (OPC 10000-4 §7.29): what is to be read of which node."""

    node_id: ua.NodeId
    attribute: int
    index_range: str
    encoding: ua.QualifiedName


def read_item(body: Reader) -> Item:
    """The ReadValueId that a request has at its position. Raises ServiceError."""
    node_id, attribute = body.node_id(), body.uint32()
    index_range = body.string() or ""
    return Item(node_id, attribute, index_range, body.qualified_name())


def _path_of_value(data: bytes, position: int) -> tuple[str, int] | None:
    """The path of a node of the tree whose whole Value is asked for, and where the next item begins."""
    if not data.startswith(_POINT, position) or position + 7 > len(data):
        return None
    end = position + 7 + _LENGTH.unpack_from(data, position + 3)[0]
    if end < position + 7 or data[end : end + _TAIL.size] not in _WHOLE:
        return None
    try:
        return data[position + 7 : end].decode(), end + _TAIL.size
    except UnicodeDecodeError:
        return None


class Reading:
    """Reads attributes for clients. Each item has a result of its own."""

    def __init__(self, aspace: TreeAddressSpace) -> None:
        self._aspace = aspace
        self._tree = aspace.space.tree

    def read(self, request: Request, limits: Limits) -> bytes | Sliced:
        body = request.body
        max_age, times = body.fields(_HEAD)
        if not max_age >= 0:
            raise ServiceError(ua.StatusCodes.BadMaxAgeInvalid)
        if times not in (SOURCE, SERVER, BOTH, NEITHER):
            raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
        count = operations(body, limits.max_nodes_per_read, _SMALLEST)
        return in_slices(self._results(body, count, times, request.session.user.rights, limits.max_message_size))

    def _results(self, body: Reader, count: int, times: int, role: str, most: int) -> Steps:
        clock, now, size, enough = Clock(), time.time(), 0, SLICE_SIZE
        read = self._some_seen if self._aspace.rights.hides(role) else self._some
        parts = [encoding.count(count)]
        done, turn = 0, _FIRST_TURN
        while done < count:
            some = read(body, min(turn, count - done), times, role, now)
            done += turn
            parts += some
            size += sum(map(len, some))
            if 0 < most < size:
                raise ServiceError(ua.StatusCodes.BadResponseTooLarge)
            turn = min(turn * 4, _TURN)
            if done < count and (size > enough or clock.is_over()):
                turn, enough = _FIRST_TURN, size + SLICE_SIZE
                yield
        parts.append(encoding.count(0))  # no diagnostics
        return b"".join(parts)

    def _some(self, body: Reader, count: int, times: int, role: str, now: float) -> list[bytes]:
        """The next items. All that a point's Value needs stands in this loop: a call more costs a tenth of it."""
        data, find, initial_values = body.data, self._tree.find, self._aspace.initial_values
        parts: list[bytes] = []
        for _ in range(count):
            position = body.position
            path = _path_of_value(data, position)
            found = None if path is None else find(path[0])
            if path is not None and found is not None:
                group, key = found
                slot = group.slot(key)
                row = None if slot is None else group.row(slot)
                if slot is not None and row is not None and row.readable:
                    body.position = path[1]
                    parts.append(encode_sample(row, group.sample(slot), times, initial_values, False, now))
                    continue
            parts.append(self._any(read_item(body), times, role, now))
        return parts

    def _some_seen(self, body: Reader, count: int, times: int, role: str, now: float) -> list[bytes]:
        """As `_some`, for somebody from whom something is hidden: each point is looked at."""
        return [self._any(read_item(body), times, role, now) for _ in range(count)]

    def _any(self, item: Item, times: int, role: str, now: float) -> bytes:
        if not item.index_range and not item.encoding.Name:
            simple = self._attribute(item, times, role, now)
            if simple is not None:
                return simple
        value = self.value(item, role)
        is_value = item.attribute == _VALUE
        received = value.ServerTimestamp
        server = received.timestamp() if received is not None else now
        source = value.SourceTimestamp if is_value and times in (SOURCE, BOTH) else None
        code = value.StatusCode.value if value.StatusCode is not None else 0
        return encoding.data_value(
            None if value.Value is None else encoding.variant(value.Value),
            code,
            None if source is None else ticks(source.timestamp()),
            ticks(server) if times in (SERVER, BOTH) else None,
        )

    def _attribute(self, item: Item, times: int, role: str, now: float) -> bytes | None:
        """What is asked for when a client browses: attributes that all nodes of a shape share."""
        node = self._aspace.node(item.node_id)
        if node is None:
            return None
        if item.attribute == _VALUE and node.row is not None:
            if not node.row.readable or not self._aspace.rights.sees(role, node.row):
                return None
            sample = EMPTY if node.group is None or node.slot is None else node.group.sample(node.slot)
            return encode_sample(node.row, sample, times, self._aspace.initial_values, node.as_text, now)
        if item.attribute in _BY_ROLE and not self._aspace.rights.allows_all(role, node):
            return None
        variant = encoded_attribute(node.shape, item.attribute)
        if variant is None:
            return None
        return encoding.data_value(variant, 0, None, ticks(now) if times in (SERVER, BOTH) else None)

    def value(self, item: Item, role: str) -> ua.DataValue:
        """An attribute, or the part of it that is asked for; its StatusCode says why not."""
        value = self._aspace.read_attribute_value(item.node_id, item.attribute, role)
        code = value.StatusCode
        if code is not None and not code.is_good() and value.Value is None:
            return value
        if item.attribute == _VALUE and not self._is_readable(item.node_id):
            return bad("BadNotReadable")
        if item.encoding.Name:
            refusal = _refusal(item, value)
            if refusal:
                return bad(refusal)
        return _part(item.index_range, value) if item.index_range else value

    def _is_readable(self, node_id: ua.NodeId) -> bool:
        """Those that say so."""
        level = self._aspace.read_attribute_value(node_id, ua.AttributeIds.UserAccessLevel).Value
        return level is None or level.Value is None or bool(level.Value & ua.AccessLevel.CurrentRead.mask)


@lru_cache(65_536)
def encoded_attribute(shape: Shape, attribute: int) -> bytes | None:
    """The Variant of an attribute that all nodes of a shape share; None: they do not, or do not have it."""
    value = shape.attributes.get(attribute)
    return None if value is None or value.Value is None else encoding.variant(value.Value)


def _refusal(item: Item, value: ua.DataValue) -> str:
    """Why a value cannot be had in the encoding that is asked for (OPC 10000-4 §5.11.2.4)."""
    structured = value.Value is not None and value.Value.VariantType is ua.VariantType.ExtensionObject
    if item.attribute != _VALUE or not structured or item.encoding.NamespaceIndex:
        return "BadDataEncodingInvalid"
    if item.encoding.Name == "Default Binary":
        return ""
    known = item.encoding.Name in ("Default XML", "Default JSON")
    return "BadDataEncodingUnsupported" if known else "BadDataEncodingInvalid"


def _part(index_range: str, value: ua.DataValue) -> ua.DataValue:
    slices = ranges.parse(index_range)
    if slices is None:
        return bad("BadIndexRangeInvalid")
    if value.Value is None or (value.Value.Value is None and not (value.StatusCode and value.StatusCode.is_good())):
        return value
    part = ranges.part_of(value.Value, slices)
    if part is None:
        return bad("BadIndexRangeNoData")
    return ua.DataValue(part, value.StatusCode, value.SourceTimestamp, value.ServerTimestamp)
