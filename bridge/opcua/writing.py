"""Write (OPC 10000-4 §5.11.4): item by item, never waiting for a station."""

from typing import NamedTuple

import structlog
from asyncua import ua

from bridge.errors import BridgeError, Refused
from bridge.opcua import encoding, ranges
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.requests import Request, operations
from bridge.opcua.settings import Limits
from bridge.opcua.users import BridgeUser, may_write
from bridge.opcua.variants import from_variant
from bridge.opcua.wire import Reader
from bridge.opcua.writer import Writer
from bridge.points.rows import Type

log = structlog.get_logger()

_VALUE = ua.AttributeIds.Value
_SMALLEST = 11  # bytes of a WriteValue


class Item(NamedTuple):
    """A WriteValue (OPC 10000-4 §5.11.4.2)."""

    node_id: ua.NodeId
    attribute: int
    index_range: str
    value: ua.DataValue


class Refusal(NamedTuple):
    """What is logged of an item that was not written."""

    node_id: ua.NodeId
    status: str
    why: str


class Writing:
    """Writes what can be written, and says of each of the others why not."""

    def __init__(self, aspace: TreeAddressSpace, writer: Writer) -> None:
        self._aspace = aspace
        self._writer = writer

    def write(self, request: Request, limits: Limits) -> bytes:
        body = request.body
        count = operations(body, limits.max_nodes_per_write, _SMALLEST)
        items = [_item(body) for _ in range(count)]  # all of them before any: a malformed request changes nothing
        refused: list[Refusal] = []
        user = request.session.user
        codes = [
            encoding.GOOD if (name := self._write(item, user, refused)) == "Good" else encoding.status_code(name)
            for item in items
        ]
        if refused:  # one line, however many there are
            node_id, status, why = refused[0]
            node, many = shown(node_id), len(refused)
            log.info("opcua.write_refused", node=node, user=user.name, status=status, why=why, count=many)
        return b"".join((encoding.count(count), *codes, encoding.count(0)))

    def _write(self, item: Item, user: BridgeUser, refused: list[Refusal]) -> str:
        try:
            self._write_point(item, user)
        except BridgeError as error:
            refused.append(Refusal(item.node_id, error.status, str(error)))  # the error itself keeps its frames
            return error.status
        except Exception:  # whatever goes wrong with one node, the others are written
            log.exception("opcua.write_failed", node=shown(item.node_id), user=user.name)
            return "BadInternalError"
        return "Good"

    def _write_point(self, item: Item, user: BridgeUser) -> None:
        node, given = self._aspace.node(item.node_id), item.value
        if node is None and not self._aspace.knows(item.node_id):
            raise Refused("BadNodeIdUnknown", "there is no such node")
        if (
            item.attribute != _VALUE
            or node is None
            or node.row is None
            or node.group is None
            or not node.shape.writable
        ):
            is_value = item.attribute == _VALUE and node is not None and node.row is not None
            exists = is_value or self._has(item.node_id, item.attribute)
            raise Refused("BadNotWritable" if exists else "BadAttributeIdInvalid", "nobody may write this")
        if not may_write(user.rights):
            raise Refused("BadUserAccessDenied", f"an {user.rights} may not write")
        if item.index_range:
            raise Refused(_why_not(item.index_range, node.row.type), "a part of a value cannot be written")
        # A client's times mean nothing to a station and are passed over; a value that the client itself calls
        # doubtful is none.
        if given.StatusCode is not None and given.StatusCode.value != ua.StatusCodes.Good:
            raise Refused("BadWriteNotSupported", "a StatusCode cannot be written")
        if node.slot is None:
            raise Refused("BadNotWritable", "nobody may write this")
        self._writer.write(node.group, node.slot, from_variant(node.row, given.Value), user.name or "")

    def _has(self, node_id: ua.NodeId, attribute: int) -> bool:
        code = self._aspace.read_attribute_value(node_id, attribute).StatusCode
        return code is None or code.value != ua.StatusCodes.BadAttributeIdInvalid


def _item(body: Reader) -> Item:
    node_id, attribute = body.node_id(), body.uint32()
    index_range = body.string() or ""
    return Item(node_id, attribute, index_range, body.data_value())


def _why_not(index_range: str, type_: Type) -> str:
    """A text has parts that could be written, other scalars have none (OPC 10000-4 §7.27)."""
    if ranges.parse(index_range) is None:
        return "BadIndexRangeInvalid"
    return "BadWriteNotSupported" if type_ is Type.STRING else "BadIndexRangeNoData"


def shown(node_id: ua.NodeId) -> str:
    """A NodeId for the log."""
    return str(node_id.Identifier)[:200]
