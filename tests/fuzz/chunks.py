"""What `make fuzz` feeds to the OPC UA server: chunks as they come off a socket, and bodies of requests in good ones.

The server is the real one but for its sockets; the session is an activated one.
"""

import asyncio
import socket
import struct
import tempfile
import traceback
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import structlog
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from tests.unit.opcua.helpers import MODEL, NOW, Site, make_site
from tests.unit.opcua.raw import Raw

RAW = 40  # first bytes below this: what follows is no message but what comes off the socket
FAILURES = {"opcua.request_failed", "tree.failed"}
SOCKET = socket.socket()  # whose options the server may set
STATE = ua.NodeId("CP001.Connector1.Status.State", 2)


class Wire(asyncio.Transport):
    """The server's end of a connection; what it writes can be read as from a socket."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "socket": SOCKET})
        self._reader = reader
        self.ended = False

    def write(self, data: Any) -> None:
        self._reader.feed_data(bytes(data))

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self._reader.feed_eof()

    abort = close

    def is_closing(self) -> bool:
        return self.ended

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    def resume_reading(self) -> None:
        """The same."""


class Link:
    """The client's end: what is written has been received."""

    def __init__(self, protocol: Any, wire: Wire) -> None:
        self.transport = wire
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.protocol.data_received(data)


class Client(Raw):
    """A client in the server's own process."""

    @classmethod
    async def connect(cls, site: Site) -> "Client":
        reader = asyncio.StreamReader()
        wire = Wire(reader)
        server = site.server._server
        assert server is not None
        assert server.bserver is not None
        protocol = server.bserver._make_protocol()
        protocol.connection_made(wire)
        return cls(reader, Link(protocol, wire), ua.NodeId())  # type: ignore[arg-type]

    @property
    def ended(self) -> bool:
        return self.writer.transport.is_closing()

    @property
    def usable(self) -> bool:
        """It has its session still, and no half of a chunk waits that would swallow the next one."""
        protocol = self.writer.protocol  # type: ignore[attr-defined]
        session = protocol.processor.session
        own = session is not None and session.auth_token == self.token and session.is_activated()
        return own and not protocol._buffer and not protocol.processor._connection._incoming_parts

    async def leave(self) -> None:
        self.writer.transport.close()
        self.writer.protocol.connection_lost(None)  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    def forget(self) -> None:
        """What was answered so far."""
        self.reader._buffer.clear()  # type: ignore[attr-defined]


class Target:
    """Takes bytes; no request may fail inside, no task may, and the server goes on."""

    def __init__(self) -> None:
        self._failures: list[str] = []
        structlog.configure(processors=[self._note, _drop])
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _, context: self._failures.append(repr(context)))
        self._site = make_site(Path(tempfile.mkdtemp(prefix="fuzz-")), security=("None",))
        self._client = self._run(self._begin())

    def _note(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] in FAILURES:
            error = event.get("exc_info")
            self._failures.append("".join(traceback.format_exception(error)) if error else repr(event))
        return event

    def _run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(coroutine)

    async def _begin(self) -> Client:
        await self._site.server.start()
        tree = self._site.tree
        station = tree.add_station("CP001", "CP001", MODEL.station.layout)
        for number in (1, 2):
            tree.add_connector(station, f"Connector{number}", MODEL.connector.layout)
        tree.set_online(station, NOW - 60)
        return await Client.activated(self._site)

    def close(self) -> None:
        self._run(self._end())
        self._loop.close()

    async def _end(self) -> None:
        await self._client.leave()
        await self._site.server.stop()

    def __call__(self, data: bytes) -> None:
        if data:
            self._run(self._take(data[0], data[1:]))
        if self._failures:
            raise AssertionError("\n".join(self._failures))

    async def _take(self, kind: int, body: bytes) -> None:
        client = self._client
        if kind < RAW:
            client.writer.write(body)
        else:
            service = SERVICES[kind % len(SERVICES)]
            client.writer.write(client.chunk(client.header(service) + body))
        for _ in range(3):  # what has to wait gets its turn
            await asyncio.sleep(0)
        client.forget()
        if client.ended or not client.usable:
            await client.leave()
            self._client = await Client.activated(self._site)


def _drop(_: Any, __: str, ___: Any) -> str:
    raise structlog.DropEvent


def corpus() -> Iterator[bytes]:
    """A request of each service, and frames of each kind."""
    for service, request in _requests():
        whole = struct_to_binary(request)
        header = struct_to_binary(request.RequestHeader)
        body = whole[whole.index(header) + len(header) :]
        yield bytes([RAW + (SERVICES.index(service) - RAW) % len(SERVICES)]) + body
    yield b"\x00" + struct.pack("<4s6I", b"HELF", 32, 0, 65_535, 65_535, 0, 0) + struct.pack("<i", 0)
    yield b"\x00" + struct.pack("<4sIIIII", b"MSGF", 24, 1, 13, 1, 1)
    yield b"\x00" + struct.pack("<4sIIIII", b"MSGC", 24, 1, 13, 1, 1)
    yield b"\x00" + struct.pack("<4sII", b"OPNF", 12, 0)
    yield b"\x00" + struct.pack("<4sIIIII", b"CLOF", 24, 1, 13, 1, 1)


def words() -> list[str]:
    return ["CP001", "Connector1", "Status", "State", "Bridge", "Commands", "ns=2", "Execute"]


SERVICES = (
    *("Read", "Write", "Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds", "RegisterNodes", "UnregisterNodes"),
    *("Call", "CreateSubscription", "ModifySubscription", "SetPublishingMode", "Publish", "Republish"),
    *("CreateMonitoredItems", "ModifyMonitoredItems", "SetMonitoringMode", "SetTriggering", "DeleteMonitoredItems"),
    *("DeleteSubscriptions", "TransferSubscriptions", "GetEndpoints", "FindServers", "HistoryRead", "AddNodes"),
    *("CreateSession", "ActivateSession", "CloseSession", "Cancel", "QueryFirst", "RegisterServer"),
)


def _requests() -> Iterator[tuple[str, Any]]:
    for service in SERVICES:
        request = getattr(ua, f"{service}Request")()
        yield service, request
        more = _FILLED.get(service)
        if more is not None:
            for name, value in more.items():
                setattr(request.Parameters, name, value)
            yield service, request


_ITEM = ua.ReadValueId(STATE, ua.AttributeIds.Value)
_FILLED: dict[str, dict[str, Any]] = {
    "Read": {"NodesToRead": [_ITEM, ua.ReadValueId(ua.NodeId(2253), ua.AttributeIds.BrowseName)]},
    "Write": {
        "NodesToWrite": [
            ua.WriteValue(
                ua.NodeId("CP001.Commands.Reset.Type", 2),
                ua.AttributeIds.Value,
                Value=ua.DataValue(ua.Variant("Soft", ua.VariantType.String)),
            )
        ]
    },
    "Browse": {"NodesToBrowse": [ua.BrowseDescription(NodeId=ua.NodeId("CP001", 2), ResultMask=63)]},
    "BrowseNext": {"ContinuationPoints": [b"x" * 8]},
    "TranslateBrowsePathsToNodeIds": {
        "BrowsePaths": [
            ua.BrowsePath(
                ua.NodeId("CP001", 2),
                ua.RelativePath([ua.RelativePathElement(ua.NodeId(33), False, True, ua.QualifiedName("Info", 2))]),
            )
        ]
    },
    "RegisterNodes": {"NodesToRegister": [STATE]},
    "Call": {
        "MethodsToCall": [
            ua.CallMethodRequest(
                ua.NodeId("CP001.Commands.Reset", 2),
                ua.NodeId("CP001.Commands.Reset.Call", 2),
                [ua.Variant("Soft", ua.VariantType.String)],
            )
        ]
    },
    "CreateSubscription": {"RequestedPublishingInterval": 100.0, "RequestedLifetimeCount": 100},
    "CreateMonitoredItems": {
        "SubscriptionId": 1,
        "ItemsToCreate": [
            ua.MonitoredItemCreateRequest(
                _ITEM,
                ua.MonitoringMode.Reporting,
                ua.MonitoringParameters(1, 100.0, ua.DataChangeFilter(), 10, True),
            )
        ],
    },
    "DeleteMonitoredItems": {"SubscriptionId": 1, "MonitoredItemIds": [1, 2]},
    "DeleteSubscriptions": {"SubscriptionIds": [1]},
    "TransferSubscriptions": {"SubscriptionIds": [1]},
}
