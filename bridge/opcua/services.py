"""Read, Write and Call as clients have them (OPC 10000-4 §5.11, §5.12), item by item and with their roles."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from asyncua import ua

from bridge.errors import BridgeError, CallFailed, Refused
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.nodes import Node
from bridge.opcua.shapes import NAMESPACE
from bridge.opcua.users import BridgeUser, may_write
from bridge.opcua.variants import bad, from_argument, from_variant, status, to_variant
from bridge.opcua.writer import Writer
from bridge.points.rows import Argument, Method, Value
from bridge.points.tree import Group

log = structlog.get_logger()

_VALUE = ua.AttributeIds.Value
_RANGE = re.compile(r"\d+(:\d+)?(,\d+(:\d+)?)*", re.ASCII)
_WITH_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
_WITH_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)


class Services:
    """What sessions ask for. Every item of a request has a result of its own."""

    def __init__(self, aspace: TreeAddressSpace, writer: Writer) -> None:
        self._aspace = aspace
        self._writer = writer

    def read(self, params: ua.ReadParameters, user: BridgeUser) -> list[ua.DataValue]:
        """Raises nothing: what cannot be read has its StatusCode."""
        now = datetime.now(UTC)
        return [self._read(item, params.TimestampsToReturn, user, now) for item in params.NodesToRead]

    def write(self, params: ua.WriteParameters, user: BridgeUser) -> list[ua.StatusCode]:
        """Writes what can be written and says of each of the others why not. Never waits for a station."""
        return [self._write(item, user) for item in params.NodesToWrite]

    async def call(self, methods: Sequence[ua.CallMethodRequest], user: BridgeUser) -> list[ua.CallMethodResult]:
        """Carries the calls out side by side and waits for all of them."""
        return await asyncio.gather(*(self._call(method, user) for method in methods))

    def _read(
        self, item: ua.ReadValueId, times: ua.TimestampsToReturn, user: BridgeUser, now: datetime
    ) -> ua.DataValue:
        value = self._aspace.read_attribute_value(item.NodeId, item.AttributeId, user.rights)
        if refusal := _not_whole(item, value):
            return bad(refusal)
        is_value = item.AttributeId == _VALUE
        return ua.DataValue(
            value.Value,
            value.StatusCode,
            value.SourceTimestamp if is_value and times in _WITH_SOURCE else None,
            (value.ServerTimestamp or now) if times in _WITH_SERVER else None,
        )

    def _write(self, item: ua.WriteValue, user: BridgeUser) -> ua.StatusCode:
        try:
            self._write_point(item, user)
        except BridgeError as error:
            node = _shown(item.NodeId)
            log.info("opcua.write_refused", node=node, user=user.name, status=error.status, why=str(error))
            return status(error.status)
        except Exception:  # whatever goes wrong with one node, the others are written
            log.exception("opcua.write_failed", node=_shown(item.NodeId), user=user.name)
            return status("BadInternalError")
        return status("Good")

    def _write_point(self, item: ua.WriteValue, user: BridgeUser) -> None:
        node, given = self._aspace.node(item.NodeId), item.Value
        if node is None and not self._aspace.knows(item.NodeId):
            raise Refused("BadNodeIdUnknown", "there is no such node")
        if item.AttributeId != _VALUE or node is None or node.row is None or not node.shape.writable:
            exists = self._aspace.read_attribute_value(item.NodeId, item.AttributeId).StatusCode
            unknown = exists is not None and exists.value == ua.StatusCodes.BadAttributeIdInvalid
            raise Refused("BadAttributeIdInvalid" if unknown else "BadNotWritable", "nobody may write this")
        if not may_write(user.rights):
            raise Refused("BadUserAccessDenied", f"an {user.rights} may not write")
        if item.IndexRange:
            raise Refused("BadIndexRangeNoData", "a scalar has no elements")
        # A client's times mean nothing to a station and are passed over; a value that the client itself calls
        # doubtful is none.
        if given.StatusCode is not None and given.StatusCode.value != ua.StatusCodes.Good:
            raise Refused("BadWriteNotSupported", "a StatusCode cannot be written")
        group, slot = node.group, node.slot
        if group is None or slot is None:
            raise Refused("BadNotWritable", "nobody may write this")
        self._writer.write(group, slot, from_variant(node.row, given.Value), user.name or "")

    async def _call(self, request: ua.CallMethodRequest, user: BridgeUser) -> ua.CallMethodResult:
        try:
            group, method = self._method(request)
            arguments = _arguments(method, request.InputArguments or [], user)
            outputs = await self._writer.call(group, method, arguments, user.name or "")
            return ua.CallMethodResult(OutputArguments=_variants(method.outputs, outputs))
        except Refused as error:
            log.info("opcua.call_refused", node=_shown(request.MethodId), user=user.name, status=error.status)
            results = [status(name) for name in error.arguments]
            return ua.CallMethodResult(status(error.status), InputArgumentResults=results)
        except CallFailed as error:
            outputs = _variants(method.outputs, error.outputs)
            return ua.CallMethodResult(status(error.status), OutputArguments=outputs)
        except Exception:  # one call's failure is not the others'
            log.exception("opcua.call_failed", node=_shown(request.MethodId), user=user.name)
            return ua.CallMethodResult(status("BadInternalError"))

    def _method(self, request: ua.CallMethodRequest) -> tuple[Group, Method]:
        if not self._aspace.knows(request.ObjectId):
            raise Refused("BadNodeIdUnknown", "there is no such object")
        node = self._aspace.node(request.MethodId)
        if node is None or node.method is None or node.group is None:
            raise Refused("BadMethodInvalid", "there is no such method")
        if request.ObjectId != _owner(node):
            raise Refused("BadMethodInvalid", "the object does not have this method")
        return node.group, node.method


def _owner(node: Node) -> ua.NodeId:
    return ua.NodeId(node.path.removesuffix(f".{node.shape.name}"), NAMESPACE)


def _not_whole(item: ua.ReadValueId, value: ua.DataValue) -> str:
    """Why a part of a value, or another encoding of it, cannot be had."""
    if item.IndexRange:
        if not _RANGE.fullmatch(item.IndexRange):
            return "BadIndexRangeInvalid"
        if value.Value is None or not value.Value.is_array:
            return "BadIndexRangeNoData"
    if item.DataEncoding is not None and item.DataEncoding.Name:
        return "BadDataEncodingInvalid"
    return ""


def _arguments(method: Method, given: Sequence[ua.Variant], user: BridgeUser) -> list[Value]:
    """Raises Refused, for a wrong argument with a StatusCode for each."""
    if not may_write(user.rights):
        raise Refused("BadUserAccessDenied", f"an {user.rights} may not call methods")
    if len(given) != len(method.inputs):
        missing = len(given) < len(method.inputs)
        name = "BadArgumentsMissing" if missing else "BadTooManyArguments"
        raise Refused(name, f"{len(method.inputs)} arguments are expected")
    values: list[Value] = []
    statuses: list[str] = []
    for argument, variant in zip(method.inputs, given, strict=True):
        try:
            values.append(from_argument(argument, variant))
            statuses.append("Good")
        except Refused as error:
            statuses.append(error.status)
    if len(values) != len(given):
        raise Refused("BadInvalidArgument", "an argument cannot be taken", statuses)
    return values


def _variants(arguments: Sequence[Argument], values: Sequence[Value]) -> list[ua.Variant]:
    return [to_variant(argument.type, value) for argument, value in zip(arguments, values, strict=False)]


def _shown(node_id: ua.NodeId) -> str:
    return str(node_id.Identifier)[:200]
