"""Call (OPC 10000-4 §5.12): methods side by side, beside everything else that their client asks for."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import structlog
from asyncua import ua

from bridge.errors import CallFailed, Refused
from bridge.opcua import encoding, server_methods
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.guard import MOST_AUDITED, Guard
from bridge.opcua.nodes import NAMESPACE, TYPES, Node
from bridge.opcua.requests import Request, operations
from bridge.opcua.settings import Limits
from bridge.opcua.users import BridgeUser
from bridge.opcua.variants import from_argument, to_variant
from bridge.opcua.wire import Reader
from bridge.opcua.writer import Writer
from bridge.opcua.writing import shown
from bridge.points.rows import Argument, Method, Value
from bridge.points.tree import Group

log = structlog.get_logger()

_SMALLEST = 8  # bytes of a CallMethodRequest


class Call(NamedTuple):
    """A CallMethodRequest (OPC 10000-4 §5.12.2.2)."""

    object_id: ua.NodeId
    method_id: ua.NodeId
    arguments: list[ua.Variant]


@dataclass(slots=True)
class Noted:
    """What the audit trail gets of the arguments, once they are known."""

    arguments: str = ""


class Calling:
    """Carries method calls out."""

    def __init__(self, aspace: TreeAddressSpace, writer: Writer, guard: Guard) -> None:
        self._aspace = aspace
        self._writer = writer
        self._guard = guard

    def call(self, request: Request, limits: Limits) -> Awaitable[bytes]:
        body = request.body
        calls = [_call(body) for _ in range(operations(body, limits.max_nodes_per_method_call, _SMALLEST))]
        return self._answer(calls, request.session)

    async def _answer(self, calls: Sequence[Call], session: Any) -> bytes:
        if len(calls) == 1:  # as nearly always: no task for it
            results = [await self._call(calls[0], session)]
        else:
            results = await asyncio.gather(*(self._call(call, session) for call in calls))
        return b"".join((encoding.count(len(results)), *results, encoding.count(0)))

    async def _call(self, call: Call, session: Any) -> bytes:
        if call.method_id in server_methods.METHODS:
            return await self._outcome(call, session, Noted())
        noted = Noted()
        before = self._guard.note(session, "call", "", shown(call.method_id))  # the session may be another's afterwards
        result = await self._outcome(call, session, noted)
        status = ua.StatusCode(int.from_bytes(result[:4], "little")).name
        self._guard.audit([replace(before, status=status, value=noted.arguments)])
        return result

    async def _outcome(self, call: Call, session: Any, noted: "Noted") -> bytes:
        method: Method | None = None
        user: BridgeUser = session.user
        try:
            if call.method_id in server_methods.METHODS:
                return _result("Good", outputs=server_methods.call(session, *call))
            group, method = self._method(call)
            if not self._aspace.rights.permits(user.rights, method.key):
                raise Refused("BadUserAccessDenied", f"an {user.rights} may not call this")  # noqa: TRY301 - one answer
            arguments = _arguments(method, call.arguments)
            noted.arguments = self._writer.shown_arguments(group, method, arguments)[:MOST_AUDITED]
            outputs = await self._writer.call(group, method, arguments, user.name or "")
            return _result("Good", outputs=_variants(method.outputs, outputs))
        except Refused as error:
            node = shown(call.method_id)
            self._guard.log("opcua.call_refused", session.address, node=node, user=user.name, status=error.status)
            return _result(error.status, error.arguments)
        except CallFailed as error:
            return _result(error.status, outputs=_variants(method.outputs, error.outputs) if method else [])
        except Exception:  # one call's failure is not the others'
            log.exception("opcua.call_failed", node=shown(call.method_id), user=user.name)
            return _result("BadInternalError")

    def _method(self, call: Call) -> tuple[Group, Method]:
        if not self._aspace.knows(call.object_id):
            raise Refused("BadNodeIdUnknown", "there is no such object")
        node = self._aspace.node(call.method_id)
        if node is not None and node.namespace == TYPES:  # "or of the type of the Object" (OPC 10000-4 §5.12.2.2)
            node = self._aspace.space.method_of(self._aspace.node(call.object_id), node)
        if node is None or node.method is None or node.group is None:
            raise Refused("BadMethodInvalid", "there is no such method")
        if call.object_id != _owner(node):
            raise Refused("BadMethodInvalid", "the object does not have this method")
        return node.group, node.method


def _call(body: Reader) -> Call:
    return Call(body.node_id(), body.node_id(), [body.variant() for _ in range(body.count())])


def _owner(node: Node) -> ua.NodeId:
    return ua.NodeId(node.path.removesuffix(f".{node.shape.name}"), NAMESPACE)


def _result(status: str, arguments: Sequence[str] = (), outputs: Sequence[ua.Variant] = ()) -> bytes:
    """A CallMethodResult; `arguments` names a StatusCode for each input argument."""
    return b"".join(
        (
            encoding.status_code(status),
            encoding.count(len(arguments)),
            *(encoding.status_code(name) for name in arguments),
            encoding.count(0),  # no diagnostics
            encoding.count(len(outputs)),
            *(encoding.variant(output) for output in outputs),
        )
    )


def _arguments(method: Method, given: Sequence[ua.Variant]) -> list[Value]:
    """Raises Refused, for a wrong argument with a StatusCode for each."""
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
