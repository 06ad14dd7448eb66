"""Write (OPC 10000-4 §5.11.4): item by item, never waiting for a station."""

from collections import Counter
from typing import Any, NamedTuple

import structlog
from asyncua import ua

from bridge.errors import BridgeError, Refused
from bridge.opcua import encoding, ranges
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.guard import Guard
from bridge.opcua.requests import Request, operations
from bridge.opcua.settings import Limits
from bridge.opcua.users import BridgeUser
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

    def __init__(self, aspace: TreeAddressSpace, writer: Writer, guard: Guard) -> None:
        self._aspace = aspace
        self._writer = writer
        self._guard = guard

    def write(self, request: Request, limits: Limits) -> bytes:
        body = request.body
        count = operations(body, limits.max_nodes_per_write, _SMALLEST)
        items = [_item(body) for _ in range(count)]  # all of them before any: a malformed request changes nothing
        refused: list[Refusal] = []
        written: list[tuple[str, str]] = []
        user = request.session.user
        names = [self._write(item, user, written, refused) for item in items]
        codes = [encoding.GOOD if name == "Good" else encoding.status_code(name) for name in names]
        if refused:  # one line, however many there are
            node_id, status, why = refused[0]
            node, many = shown(node_id), len(refused)
            what = {"node": node, "user": user.name, "status": status, "why": why, "count": many}
            self._guard.log("opcua.write_refused", request.session.address, **what)
        self._note(request.session, written, refused)
        return b"".join((encoding.count(count), *codes, encoding.count(0)))

    def _note(self, session: Any, written: list[tuple[str, str]], refused: list[Refusal]) -> None:
        """For the audit trail: each write, and what was refused once for each reason, so that nobody can flood it."""
        note, many = self._guard.note, Counter(refusal.status for refusal in refused)
        first: dict[str, Refusal] = {}
        for refusal in refused:
            first.setdefault(refusal.status, refusal)
        notes = [note(session, "write", "Good", path, value) for path, value in written]
        for status, refusal in first.items():
            more = f" and {many[status] - 1} more" if many[status] > 1 else ""
            notes.append(note(session, "write", status, shown(refusal.node_id) + more))
        self._guard.audit(notes)

    def _write(self, item: Item, user: BridgeUser, written: list[tuple[str, str]], refused: list[Refusal]) -> str:
        try:
            written.append(self._write_point(item, user))
        except BridgeError as error:
            refused.append(Refusal(item.node_id, error.status, str(error)))  # the error itself keeps its frames
            return error.status
        except Exception:  # whatever goes wrong with one node, the others are written
            log.exception("opcua.write_failed", node=shown(item.node_id), user=user.name)
            refused.append(Refusal(item.node_id, "BadInternalError", "an error of the bridge"))
            return "BadInternalError"
        return "Good"

    def _write_point(self, item: Item, user: BridgeUser) -> tuple[str, str]:
        """What was written: its path, and its value as it may be noted. Raises Refused."""
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
        if not self._aspace.rights.permits(user.rights, node.row.key):
            raise Refused("BadUserAccessDenied", f"an {user.rights} may not write this")
        if item.index_range:
            raise Refused(_why_not(item.index_range, node.row.type), "a part of a value cannot be written")
        # A client's times mean nothing to a station and are passed over; a value that the client itself calls
        # doubtful is none.
        if given.StatusCode is not None and given.StatusCode.value != ua.StatusCodes.Good:
            raise Refused("BadWriteNotSupported", "a StatusCode cannot be written")
        if node.slot is None:
            raise Refused("BadNotWritable", "nobody may write this")
        value = from_variant(node.row, given.Value)
        self._writer.write(node.group, node.slot, value, user.name or "")
        return node.path, self._writer.shown(node.group, node.slot, value)

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
