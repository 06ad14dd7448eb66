"""A client's channel: its requests, each answered by what there is for it."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from typing import Any

import structlog
from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.server.internal_session import InternalSession
from asyncua.ua.ua_binary import header_from_binary, struct_to_binary, uatcp_to_binary

from bridge.opcua import encoding, memory, services
from bridge.opcua.chunks import FRAME, count_chunks, room_of, seal, unseal
from bridge.opcua.opening import Body
from bridge.opcua.requests import Handler, Request, Sliced, request_header
from bridge.opcua.session_requests import SessionRequests, encoding_id
from bridge.opcua.sessions import BridgeInternalServer, Session
from bridge.opcua.subscriptions import handlers as subscription_handlers
from bridge.opcua.wire import Reader

log = structlog.get_logger()

MAX_BEFORE_SESSION = 131_072  # bytes of a message of somebody who has not said who it is
MOST_LONG = 4  # long answers of one connection that are begun: what there is of each is kept until it is sent
MAX_CALLS = 100  # requests of one connection that may wait for stations, or for their turn, at a time


def _routes(handlers: Mapping[str, Handler]) -> dict[int, tuple[Handler, int]]:
    return {
        encoding_id(f"{name}Request"): (handler, encoding_id(f"{name}Response")) for name, handler in handlers.items()
    }


#: by the numeric id of a request's encoding: what answers it, and the id of the answer's encoding
HANDLERS: Mapping[int, tuple[Handler, int]] = _routes({**services.HANDLERS, **subscription_handlers.HANDLERS})

_FAULT = encoding_id("ServiceFault")

#: what diagnostics call a request that is rejected for security (OPC 10000-5 §12.9)
_SECURITY = frozenset(
    getattr(ua.StatusCodes, name)
    for name in (
        *("BadSecurityChecksFailed", "BadSecurityPolicyRejected", "BadApplicationSignatureInvalid"),
        *("BadSessionIdInvalid", "BadSessionNotActivated", "BadUserAccessDenied"),
        *("BadIdentityTokenInvalid", "BadIdentityTokenRejected"),
    )
)

_CHANNEL = (ua.MessageType.SecureMessage, ua.MessageType.SecureClose)
_FORGED = ua.StatusCodes.BadSecurityChecksFailed
_TYPE = struct.Struct("<BBH")
#: TypeId, Timestamp, RequestHandle, ServiceResult; then no diagnostics, no strings, no additional header
_RESPONSE = struct.Struct("<BBHqII8s")
_EPOCH = 116_444_736_000_000_000  # 100 ns between 1601 and 1970


class Processor(SessionRequests):
    """Answers the requests of one connection, one after the other; what has to wait runs beside them."""

    def __init__(self, server: BridgeInternalServer, transport: Any, limits: Any) -> None:
        super().__init__(server, transport, limits)
        self._loop = asyncio.get_running_loop()
        self._calls: set[asyncio.Task[None]] = set()
        self._long = asyncio.Lock()
        self.is_read = asyncio.Event()  # the client reads what it is sent, or has gone
        self.is_read.set()
        self._begun = 0  # long answers
        self.go_on: Callable[[], None] = _nothing
        self._token_of: InternalSession | None = None
        self._token = b""

    @property
    def closing(self) -> bool:
        """Nothing more can be sent."""
        return bool(self._transport.is_closing())

    @property
    def owner(self) -> Hashable:
        """A machine, the client there where that can be told, and its user."""
        user = self.session.user if isinstance(self.session, Session) else None
        return *self.iserver.guard.place(self.address, self.thumbprint), user.name if user is not None else ""

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client to read them."""
        return int(self._transport.get_write_buffer_size())

    @property
    def has_enough(self) -> bool:
        """So many long answers are being made that nothing more is begun; `go_on` is called when that is over."""
        return self._begun >= MOST_LONG

    @property
    def arriving(self) -> int:
        """Bytes of a message of which not all chunks have come."""
        return int(self._connection._incoming_size)

    @property
    def largest(self) -> int:
        """Bytes of the longest message that the client takes, and that is sent at all."""
        largest = min(self._most or self._limits.max_message_size, self._limits.max_message_size)
        return min(largest, self._most_chunks * room_of(self._connection)) if self._most_chunks else int(largest)

    async def close(self) -> None:
        """The connection has gone. Opens the rings of objects in which it lies: nothing waits for a collection."""
        try:
            await super().close()
        finally:
            session, self.session, self._token_of = self.session, None, None
            if isinstance(session, Session) and session.channel is self:
                session.channel = None
            self._session_watchdog_task, self.go_on = None, _nothing

    def receive(self, frame: bytes) -> bool | Coroutine[Any, Any, bool]:
        """Takes one chunk; what comes back, at once or later, says whether the connection goes on."""
        simple = unseal(self._connection, frame)
        if simple is None:
            return self._receive_any(frame)
        request_id, data, start = simple
        return self._dispatch(data, start, request_id)

    async def _receive_any(self, frame: bytes) -> bool:
        try:
            if frame[:3] == ua.MessageType.Hello:
                return self.hello(Reader(frame, FRAME.size))
            if frame[:3] == ua.MessageType.SecureOpen:
                self.check_opening(frame)
            elif frame[:3] not in _CHANNEL:  # asyncua would take the limits of an Acknowledge for its own
                raise ua.UaStatusCodeError(ua.StatusCodes.BadTcpMessageTypeInvalid)  # noqa: TRY301 - likewise
            elif not self._connection.is_open():
                raise ua.UaStatusCodeError(ua.StatusCodes.BadSecureChannelClosed)  # noqa: TRY301 - told like the others
            buffer = Body(frame)
            header = header_from_binary(buffer)
            going_on = bool(await self.process(header, buffer))
            if self.arriving > MAX_BEFORE_SESSION and not self.has_session():
                raise ua.UaStatusCodeError(ua.StatusCodes.BadTcpMessageTooLarge)  # noqa: TRY301 - likewise
            if self.arriving > memory.LARGE:
                most = memory.MOST_ARRIVING * self.iserver.limits.max_message_size
                memory.bound(self.iserver.connections, memory.arriving, most)
            return going_on  # noqa: TRY300 - it is what the process says
        except Exception as error:  # noqa: BLE001 - a channel that is out of step cannot go on (OPC 10000-6 §6.7.2)
            is_opening = frame[:3] == ua.MessageType.SecureOpen  # whoever has no key does not hear how near it came
            code = getattr(error, "code", _FORGED if is_opening else ua.StatusCodes.BadTcpInternalError)
            self.iserver.guard.log("opcua.channel_refused", self.address, why=repr(error)[:200])
            self.end(code)
            return False

    def end(self, code: int) -> None:
        """Says why the connection ends (OPC 10000-6 §7.1.5)."""
        if not self.closing:
            self._transport.write(uatcp_to_binary(ua.MessageType.Error, ua.ErrorMessage(ua.StatusCode(code), "")))

    async def process_message(self, seqhdr: Any, body: Buffer) -> bool:
        """A message that asyncua has put together, of several chunks perhaps."""
        answered = self._dispatch(bytes(body), 0, seqhdr.RequestId)
        return answered if isinstance(answered, bool) else await answered

    def _dispatch(self, data: bytes, start: int, request_id: int) -> bool | Coroutine[Any, Any, bool]:
        reader = Reader(data, start)
        route = None
        try:
            kind, namespace, type_id = reader.fields(_TYPE)
            route = HANDLERS.get(type_id) if kind == 1 and not namespace else None
            if route is None:
                return self._early(data, start, request_id)
            is_own = self._skip_token(reader)
            header = request_header(reader)
        except ServiceError as error:
            self._refuse(request_id, 0, error.code)
            return True
        self._handle(route, is_own, reader, header, request_id)
        return True

    def _handle(
        self, route: tuple[Handler, int], is_own: bool, reader: Reader, header: tuple[int, int, int], request_id: int
    ) -> None:
        handler, response_type = route
        handle = header[0]
        session = self.session
        try:
            if not is_own or not isinstance(session, Session):
                raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)  # noqa: TRY301 - answered as the handler's own
            self.session_last_activity = time.monotonic()
            session.touch()
            client = session.client
            client.last_contact = time.time()
            client.requests[response_type] += 1
            if not session.is_activated():
                raise ServiceError(ua.StatusCodes.BadSessionNotActivated)  # noqa: TRY301 - likewise
            request = Request(session, self, request_id, header, reader, self._loop.time())
            answer = handler(request)
            if isinstance(answer, bytes):
                self._answer(request_id, response_type, handle, 0, answer)
            elif answer is not None:
                self._run(request, response_type, answer)
        except Exception as error:  # noqa: BLE001 - told apart and logged there
            self._refuse(request_id, handle, _code_of(error), response_type)

    def _refuse(self, request_id: int, handle: int, code: int, response_type: int = 0) -> None:
        """Answers with a ServiceFault, and counts it. `response_type`: of what the client has asked for."""
        totals, is_security = self.iserver.totals, code in _SECURITY
        totals.rejected_requests += 1
        totals.security_rejected_requests += is_security
        if isinstance(self.session, Session):
            self.session.client.errors[response_type] += 1
            self.session.client.unauthorized += is_security
        self._answer(request_id, _FAULT, handle, code, b"")

    def _skip_token(self, reader: Reader) -> bool:
        """Passes over the AuthenticationToken; whether it is that of this connection's session."""
        if self._token_of is not self.session:
            self._token_of = self.session
            self._token = encoding.node_id(self.session.auth_token) if self.session is not None else b""
        if self._token and reader.data.startswith(self._token, reader.position):
            reader.position += len(self._token)
            return True
        reader.node_id()
        return False

    def _run(self, request: Request, response_type: int, answer: Awaitable[bytes | None] | Sliced) -> None:
        """What waits does so beside the other requests."""
        if len(self._calls) >= MAX_CALLS:
            if asyncio.iscoroutine(answer):
                answer.close()
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        task = asyncio.ensure_future(self._wait(request, response_type, answer))
        self._calls.add(task)
        self.iserver.calls.add(task)
        if isinstance(answer, Sliced):
            self._begun += 1
            task.add_done_callback(self._long_is_done)
        task.add_done_callback(self._calls.discard)
        task.add_done_callback(self.iserver.calls.discard)

    def _long_is_done(self, _: object) -> None:
        self._begun -= 1
        self.go_on()

    async def _wait(self, request: Request, response_type: int, answer: Awaitable[bytes | None] | Sliced) -> None:
        try:
            body = await self._in_turn(answer)
            if body is not None:
                self._answer(request.request_id, response_type, request.handle, 0, body)
        except Exception as error:  # noqa: BLE001 - told apart and logged there
            self._refuse(request.request_id, request.handle, _code_of(error), response_type)

    async def _in_turn(self, answer: Awaitable[bytes | None] | Sliced) -> bytes | None:
        """Of a client's long answers one is made at a time: all at once they would take a hundred times the memory."""
        if not isinstance(answer, Sliced):
            return await answer
        async with self._long:
            await self.is_read.wait()
            async with self.iserver.long:
                return await answer.finish(self)

    def send(self, request: Request, response_type_id: int, body: bytes) -> None:
        """Answers a request whose handler returned None: `body` is what stands behind the ResponseHeader."""
        self._answer(request.request_id, response_type_id, request.handle, 0, body)

    def fault(self, request: Request, code: int) -> None:
        """Answers a request with a ServiceFault."""
        self._answer(request.request_id, _FAULT, request.handle, code, b"")

    def _answer(self, request_id: int, response_type: int, handle: int, code: int, body: bytes) -> None:
        now = time.time_ns() // 100 + _EPOCH
        self._send(request_id, _RESPONSE.pack(1, 0, response_type, now, handle, code, bytes(8)) + body)

    def send_response(
        self, requesthandle: int, seqhdr: Any, response: Any, msgtype: bytes = ua.MessageType.SecureMessage
    ) -> None:
        """What asyncua answers."""
        if msgtype != ua.MessageType.SecureMessage:
            if not self.closing:
                super().send_response(requesthandle, seqhdr, response, msgtype)
            return
        response.ResponseHeader.RequestHandle = requesthandle
        self._send(seqhdr.RequestId, struct_to_binary(response))

    def _send(self, request_id: int, message: bytes) -> None:
        if self.closing:  # a call may end after its client has gone
            return
        if len(message) > self._always_taken and self._is_too_large(len(message)):
            fault = _TYPE.pack(1, 0, _FAULT) + message[4:16] + struct.pack("<I", ua.StatusCodes.BadResponseTooLarge)
            message = fault + bytes(8)
        self._transport.write(seal(self._connection, message, request_id))
        if self.backlog > self.iserver.limits.max_backlog:
            log.warning("opcua.client_does_not_read", client=str(self.name), backlog=self.backlog)
            self.cut()
        elif self.backlog > memory.LARGE:
            most = memory.MOST_BACKLOG * self.iserver.limits.max_backlog
            memory.bound(self.iserver.connections, memory.backlog, most)

    def cut(self) -> None:
        """Ends the connection at once, and all that waits for it."""
        self._transport.abort()

    def _is_too_large(self, size: int) -> bool:
        if size > (self._most or size) or size > self._limits.max_message_size:
            return True
        return 0 < self._most_chunks < count_chunks(self._connection, size)

    async def _early(self, data: bytes, start: int, request_id: int) -> bool:
        """What needs no session that is activated, and what there is not."""
        header, reader = ua.RequestHeader(), Reader(data, start)
        try:
            kind, header.AuthenticationToken = reader.node_id(), reader.node_id()
            header.RequestHandle, _, _ = request_header(reader)
            return await self.serve(kind, header, ua.SequenceHeader(RequestId=request_id), reader)
        except Exception as error:  # noqa: BLE001 - told apart and logged there
            self._refuse(request_id, header.RequestHandle, _code_of(error))
            return True


def _nothing() -> None:
    """Nobody waits."""


def _code_of(error: Exception) -> int:
    """The ServiceResult for what a service raised."""
    if isinstance(error, ServiceError | ua.UaStatusCodeError):
        return int(error.code)
    log.error("opcua.request_failed", exc_info=error)
    return int(ua.StatusCodes.BadInternalError)
