"""A client that sends what no client would: chunks by hand, over a plain socket, without security."""

import asyncio
import contextlib
import struct
from dataclasses import dataclass
from typing import ClassVar

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from tests.unit.opcua.helpers import Site

HELLO = struct.Struct("<4sIIIIII")


def hello(url: str, *, buffer: int = 65_535, message: int = 0, chunks: int = 0) -> bytes:
    """`message` bytes and `chunks` are the most that the client takes in one answer; 0: any."""
    raw = url.encode()
    size = HELLO.size + 4 + len(raw)
    return HELLO.pack(b"HELF", size, 0, buffer, 65_535, message, chunks) + struct.pack("<i", len(raw)) + raw


@dataclass
class Raw:
    """`token` is the session's, `channel` and `token_id` are those of the secure channel."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    token: ua.NodeId
    channel: int = 0
    token_id: int = 0
    sequence: int = 0
    certificate: bytes | None = None  # what it says that it has, without security
    opened: ClassVar[list["Raw"]] = []

    @classmethod
    async def connect(cls, site: Site) -> "Raw":
        """A connection that has said nothing yet."""
        host, _, port = site.server.endpoint.removeprefix("opc.tcp://").partition("/")[0].partition(":")
        raw = cls(*await asyncio.open_connection(host, int(port)), ua.NodeId())
        cls.opened.append(raw)
        return raw

    @classmethod
    async def close_all(cls) -> None:
        while cls.opened:
            await cls.opened.pop().close()

    @classmethod
    async def open(cls, site: Site, certificate: bytes | None = None, **limits: int) -> "Raw":
        """A connection with a channel; `limits` are those of its `hello`."""
        raw = await cls.connect(site)
        raw.certificate = certificate
        raw.writer.write(hello(site.server.endpoint, **limits))
        assert (await raw.frame())[:4] == b"ACKF"
        raw.writer.write(raw._opening(ua.SecurityTokenRequestType.Issue))
        answer = await raw.frame()
        raw.channel = struct.unpack_from("<I", answer, 8)[0]
        raw.token_id = 13
        return raw

    def _opening(self, kind: ua.SecurityTokenRequestType) -> bytes:
        request = ua.OpenSecureChannelRequest()
        request.Parameters.RequestType = kind
        request.Parameters.RequestedLifetime = 3_600_000
        request.Parameters.SecurityMode = ua.MessageSecurityMode.None_
        request.Parameters.ClientNonce = b""
        header = ua.AsymmetricAlgorithmHeader(
            SecurityPolicyURI="http://opcfoundation.org/UA/SecurityPolicy#None", SenderCertificate=self.certificate
        )
        body = struct_to_binary(header) + struct.pack("<II", self._next(), 1) + struct_to_binary(request)
        return struct.pack("<4sII", b"OPNF", 12 + len(body), self.channel) + body

    def reopen(self) -> None:
        """Asks for a new token."""
        self.writer.write(self._opening(ua.SecurityTokenRequestType.Renew))

    @classmethod
    async def activated(cls, site: Site, **limits: int) -> "Raw":
        """A connection with an activated session of an anonymous user."""
        raw = await cls.open(site, **limits)
        create = ua.CreateSessionRequest()
        create.Parameters.RequestedSessionTimeout = 60_000
        created = await raw.ask(create, ua.CreateSessionResponse)
        raw.token = created.Parameters.AuthenticationToken
        await raw.activate()
        return raw

    async def activate(self) -> None:
        """Activates the session of its token on this connection."""
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
        answer = await self.ask(request, ua.ActivateSessionResponse)
        answer.ResponseHeader.ServiceResult.check()  # type: ignore[attr-defined]

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence

    def chunk(self, body: bytes, request_id: int = 1, kind: bytes = b"MSGF", *, sequence: int | None = None) -> bytes:
        number = self._next() if sequence is None else sequence
        return struct.pack("<4sIIIII", kind, 24 + len(body), self.channel, self.token_id, number, request_id) + body

    def encode(self, request: object, handle: int = 1) -> bytes:
        request.RequestHeader.AuthenticationToken = self.token  # type: ignore[attr-defined]
        request.RequestHeader.RequestHandle = handle  # type: ignore[attr-defined]
        return struct_to_binary(request)

    def header(self, service: str, handle: int = 1) -> bytes:
        """TypeId and RequestHeader of a request, for a body made by hand."""
        header = ua.RequestHeader(AuthenticationToken=self.token, RequestHandle=handle)
        type_id = ua.NodeId(getattr(ua.ObjectIds, f"{service}Request_Encoding_DefaultBinary"))
        return struct.pack("<BBH", 1, 0, type_id.Identifier) + struct_to_binary(header)

    def send(self, body: bytes, request_id: int = 1) -> None:
        self.writer.write(self.chunk(body, request_id))

    async def frame(self) -> bytes:
        """One chunk from the server. Raises IncompleteReadError where the connection has ended."""
        async with asyncio.timeout(10):
            head = await self.reader.readexactly(8)
            return head + await self.reader.readexactly(struct.unpack_from("<I", head, 4)[0] - 8)

    async def message(self) -> tuple[int, bytes]:
        """One message from the server: its request's id and its body."""
        body = b""
        while True:
            frame = await self.frame()
            assert frame[:3] == b"MSG", frame[:20]
            body += frame[24:]
            if frame[3:4] == b"F":
                return struct.unpack_from("<I", frame, 20)[0], body

    async def ask(self, request: object, response: type, request_id: int = 1) -> object:
        """Sends a request of asyncua's and decodes the answer."""
        self.send(self.encode(request), request_id)
        answered, body = await self.message()
        assert answered == request_id
        return struct_from_binary(response, ua.utils.Buffer(body))

    async def status(self, body: bytes) -> str:
        """The ServiceResult for a request made by hand."""
        self.send(body)
        return status_of((await self.message())[1])

    async def error(self) -> str:
        """Why the server has ended the connection."""
        frame = await self.frame()
        assert frame[:3] == b"ERR", frame[:20]
        assert await self.reader.read() == b""
        return ua.StatusCode(struct.unpack_from("<I", frame, 8)[0]).name

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def status_of(body: bytes) -> str:
    buffer = ua.utils.Buffer(body)
    nodeid_from_binary(buffer)
    return struct_from_binary(ua.ResponseHeader, buffer).ServiceResult.name
