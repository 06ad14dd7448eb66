"""What answers the requests of sessions, by the names of the services (OPC 10000-4 §5)."""

from collections.abc import Awaitable, Generator, Mapping
from typing import NoReturn

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua import encoding
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.browsing import Browsing
from bridge.opcua.calling import Calling
from bridge.opcua.guard import Guard
from bridge.opcua.paths import Paths
from bridge.opcua.reading import Reading
from bridge.opcua.references import References
from bridge.opcua.requests import Clock, Handler, Request, Sliced, Steps, in_slices, operations
from bridge.opcua.settings import Limits
from bridge.opcua.wire import Reader
from bridge.opcua.writer import Writer
from bridge.opcua.writing import Writing


class Services:
    """Reads, writes, calls and browses for every session. Every item of a request has a result of its own."""

    def __init__(self, aspace: TreeAddressSpace, writer: Writer, limits: Limits, guard: Guard) -> None:
        references = References(aspace)
        self.limits = limits
        self._reading = Reading(aspace)
        self._writing = Writing(aspace, writer, guard)
        self._calling = Calling(aspace, writer, guard)
        self._browsing = Browsing(references)
        self._paths = Paths(aspace, references)

    def read(self, request: Request) -> bytes | Sliced:
        return self._reading.read(request, self.limits)

    def write(self, request: Request) -> bytes:
        return self._writing.write(request, self.limits)

    def call(self, request: Request) -> Awaitable[bytes]:
        return self._calling.call(request, self.limits)

    def browse(self, request: Request) -> bytes | Sliced:
        return self._browsing.browse(request, self.limits)

    def browse_next(self, request: Request) -> bytes | Sliced:
        return self._browsing.browse_next(request, self.limits)

    def translate(self, request: Request) -> bytes | Sliced:
        return self._paths.translate(request, self.limits)

    def register(self, request: Request) -> bytes | Sliced:
        """A path is as fast as any alias, so each node's is its own NodeId (OPC 10000-4 §5.9.5)."""
        return in_slices(self._registered(request.body))

    def unregister(self, request: Request) -> bytes | Sliced:
        return in_slices(self._unregistered(request.body))

    def _registered(self, body: Reader) -> Steps:
        ids = yield from self._node_ids(body)
        return encoding.count(len(ids)) + b"".join(ids)

    def _unregistered(self, body: Reader) -> Steps:
        yield from self._node_ids(body)
        return b""

    def _node_ids(self, body: Reader) -> Generator[None, None, list[bytes]]:
        clock, found = Clock(), list[bytes]()
        for _ in range(operations(body, self.limits.max_nodes_per_register, 2)):
            if clock.is_over():
                yield
            found.append(encoding.node_id(body.node_id()))
        return found


def _unsupported(request: Request) -> NoReturn:
    """Nobody changes nodes, there is no history, and nothing to query."""
    raise ServiceError(ua.StatusCodes.BadServiceUnsupported)


def _of(request: Request) -> Services:
    services: Services = request.session.services
    return services


_UNSUPPORTED = (
    *("AddNodes", "AddReferences", "DeleteNodes", "DeleteReferences"),
    *("HistoryRead", "HistoryUpdate", "QueryFirst", "QueryNext"),
)

HANDLERS: Mapping[str, Handler] = {
    "Read": lambda request: _of(request).read(request),
    "Write": lambda request: _of(request).write(request),
    "Call": lambda request: _of(request).call(request),
    "Browse": lambda request: _of(request).browse(request),
    "BrowseNext": lambda request: _of(request).browse_next(request),
    "TranslateBrowsePathsToNodeIds": lambda request: _of(request).translate(request),
    "RegisterNodes": lambda request: _of(request).register(request),
    "UnregisterNodes": lambda request: _of(request).unregister(request),
    **dict.fromkeys(_UNSUPPORTED, _unsupported),
}
