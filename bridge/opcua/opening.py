"""Hello, and opening and renewing a secure channel (OPC 10000-4 §5.6.2, OPC 10000-6 §6.7.4): who may, before anything
is computed.

asyncua takes any certificate there, any nonce and any lifetime.
"""

import struct
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.opcua.chunks import SMALLEST_BUFFER
from bridge.opcua.first_requests import opening
from bridge.opcua.sessions import BridgeInternalServer
from bridge.opcua.wire import Reader, malformed

NONCE = 32  # bytes, of every policy that is offered
LIFETIMES = 60_000, 3_600_000  # ms, of a token: the shortest and the longest
MOST_OPENINGS = 5  # of a connection without a session: each costs two operations of the private key
_HELLO, _ACKNOWLEDGE = struct.Struct("<5I"), struct.Struct("<4sI5I")  # … version, buffers, message size, chunks
_HEAD = 12  # bytes before the AsymmetricAlgorithmHeader
_SECURITY = ua.StatusCodes.BadSecurityChecksFailed


class Body(Buffer):
    """What is left of a request, as asyncua reads it; asyncua's own goes back by a negative length, without end."""

    def read(self, size: int) -> bytes:
        if size < 0:
            raise malformed()
        return bytes(super().read(size))

    def skip(self, size: int) -> None:
        if size < 0:
            raise malformed()
        super().skip(size)

    def copy(self, size: int = -1) -> "Body":
        return Body(self._data, self._cur_pos, self._size if size < 0 else min(size, self._size))


class Opening(UaProcessor):
    """The channel of a connection."""

    iserver: BridgeInternalServer
    openings = 0
    is_greeted = False
    _most = _most_chunks = 0  # bytes and chunks of an answer that the client takes; 0: any
    _always_taken = 0  # bytes of an answer that need no closer look
    chain = b""  # what the client has sent as its certificate

    @property
    def address(self) -> str:
        """Of the client's machine."""
        return str(self.name[0]) if self.name else ""

    @property
    def certificate(self) -> bytes | None:
        """The client's (DER), who has shown that it has the key; None without security, whatever was sent."""
        policy = self._connection.security_policy
        return None if policy.URI == SecurityPolicyNone.URI else policy.peer_certificate

    def has_session(self) -> bool:
        """Somebody has said who it is."""
        return self.session is not None and self.session.is_activated()

    def drop(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def hello(self, body: Reader) -> bool:
        """How large chunks and messages may be, each way (OPC 10000-6 §7.1.2.3); asyncua mixes the ways up."""
        limits = self._limits
        _, receive, send, self._most, self._most_chunks = body.fields(_HELLO)
        if self.is_greeted or min(receive, send) < SMALLEST_BUFFER:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadConnectionRejected)
        self.is_greeted = True
        limits.max_send_buffer = min(receive, limits.max_send_buffer)
        self._always_taken = min(limits.max_send_buffer, limits.max_message_size, self._most or limits.max_send_buffer)
        limits.max_recv_buffer = min(send, limits.max_recv_buffer)
        ours = (limits.max_recv_buffer, limits.max_send_buffer, limits.max_message_size, limits.max_chunk_count)
        self._transport.write(_ACKNOWLEDGE.pack(b"ACKF", _ACKNOWLEDGE.size, 0, *ours))
        return True

    def check_opening(self, frame: bytes) -> None:
        """Whether this client may open or renew this channel. Raises ServiceError."""
        self.openings += 1
        if self.openings > MOST_OPENINGS and not self.has_session():
            raise ServiceError(ua.StatusCodes.BadTcpNotEnoughResources)
        header = struct_from_binary(ua.AsymmetricAlgorithmHeader, Body(frame, _HEAD))
        policy, renews = self._connection.security_policy, self._connection.is_open()
        if renews and header.SecurityPolicyURI != policy.URI:
            raise ServiceError(_SECURITY)
        if header.SecurityPolicyURI == SecurityPolicyNone.URI:
            return
        if not any(offered.matches(header.SecurityPolicyURI) for offered in self._connection._policies):
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        certificate = self.iserver.guard.check_certificate(header.SenderCertificate or b"", self.address)
        if renews and certificate.public_bytes(Encoding.DER) != policy.peer_certificate:
            raise ServiceError(_SECURITY)
        self.chain = header.SenderCertificate or b""

    def open_secure_channel(self, algohdr: Any, seqhdr: Any, body: Buffer) -> None:
        """asyncua's, with what the client asks for checked and revised."""
        connection, (handle, given) = self._connection, opening(Reader(bytes(body)))
        if algohdr.SecurityPolicyURI != SecurityPolicyNone.URI and len(given.ClientNonce or b"") != NONCE:
            raise ServiceError(ua.StatusCodes.BadNonceInvalid)
        if (given.RequestType == ua.SecurityTokenRequestType.Renew) != connection.is_open():
            raise ServiceError(ua.StatusCodes.BadRequestTypeInvalid)
        given.RequestedLifetime = min(max(given.RequestedLifetime, LIFETIMES[0]), LIFETIMES[1])
        if not connection.is_open():
            connection.select_policy(algohdr.SecurityPolicyURI, algohdr.SenderCertificate, given.SecurityMode)
        response = ua.OpenSecureChannelResponse()
        response.Parameters = connection.open(given, self.iserver)
        self.send_response(handle, seqhdr, response, ua.MessageType.SecureOpen)
