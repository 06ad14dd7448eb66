"""A client's connection: asyncua's, but method calls wait beside the rest, and sessions are guarded."""

import asyncio
from typing import Any

import structlog
from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_session import InternalSession
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary

from bridge.opcua.sessions import BridgeInternalServer, Session
from bridge.opcua.users import BridgeUser

log = structlog.get_logger()

MAX_CALLS = 100  # method calls of one connection that may wait for stations at a time


def _encoding(name: str) -> ua.NodeId:
    return ua.NodeId(getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary"))


_CALL = _encoding("Call")
_CREATE = _encoding("CreateSession")
_ACTIVATE = _encoding("ActivateSession")
_CLOSE_CHANNEL = _encoding("CloseSecureChannel")
_DISCOVERY = frozenset((_encoding("GetEndpoints"), _encoding("FindServers")))
_REGISTER = frozenset((_encoding("RegisterServer"), _encoding("RegisterServer2")))


class Processor(UaProcessor):
    """Answers the requests of one connection, one after the other; only calls run beside them."""

    iserver: BridgeInternalServer
    session: InternalSession | None
    _session_watchdog_task: asyncio.Task[None] | None

    def __init__(self, server: BridgeInternalServer, transport: Any, limits: Any) -> None:
        super().__init__(server, transport, limits)
        self._calls: set[asyncio.Task[None]] = set()

    def send_response(self, *args: Any, **kwargs: Any) -> None:
        if not self._transport.is_closing():  # a call may end after its client has gone
            super().send_response(*args, **kwargs)

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> bool:
        if not self._connection.is_open():
            return False
        await self._guard(typeid, requesthdr)
        if typeid == _ACTIVATE:
            await self._activate(requesthdr, seqhdr, body)
            return True
        if typeid == _CALL:
            self._start_call(typeid, requesthdr, seqhdr, body)
            return True
        going_on = bool(await super()._process_message(typeid, requesthdr, seqhdr, body))
        if typeid == _CREATE and isinstance(self.session, Session):
            self.session.channel = self
            self.session.certificate = self._connection.security_policy.peer_certificate
        return going_on

    async def _guard(self, typeid: ua.NodeId, requesthdr: Any) -> None:
        """What asyncua lets through: registrations, sessions over None, other sessions' tokens."""
        if typeid in _DISCOVERY or typeid == _CLOSE_CHANNEL:
            return
        if typeid in _REGISTER:
            raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
        if not self.iserver.allows_none and self._connection.security_policy.URI == SecurityPolicyNone.URI:
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        if typeid == _CREATE:
            if self.session is not None:  # asyncua keeps one per connection and forgets the one before
                await self.session.close_session(True)
        elif typeid != _ACTIVATE and not self._is_own(requesthdr.AuthenticationToken):
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)

    def _is_own(self, token: ua.NodeId) -> bool:
        return self.session is not None and bool(token == self.session.auth_token)

    async def _activate(self, requesthdr: Any, seqhdr: Any, body: Buffer) -> None:
        """ActivateSession (OPC 10000-4 §5.7.3): nothing changes hands before everything has been checked."""
        params = struct_from_binary(ua.ActivateSessionParameters, body)
        session = self.iserver.lookup_external_session(requesthdr.AuthenticationToken)
        if not isinstance(session, Session):
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        policy = self._connection.security_policy
        signed = (policy.host_certificate or b"") + (session.nonce or b"")
        try:
            policy.asymmetric_cryptography.verify(signed, params.ClientSignature.Signature)
        except Exception:  # noqa: BLE001 - each policy fails in its own way
            raise ServiceError(ua.StatusCodes.BadApplicationSignatureInvalid) from None
        encrypted = policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
        user = await session.identify(params, encrypted=encrypted)
        if session is not self.session:
            self._take_over(session, user)
        session.identified = user
        response = ua.ActivateSessionResponse()
        response.Parameters = session.activate_session(params, policy.peer_certificate)
        log.info("opcua.session", user=user.name, role=user.rights, client=str(self.name))
        self.send_response(requesthdr.RequestHandle, seqhdr, response)

    def _take_over(self, session: Session, user: BridgeUser) -> None:
        """A client that lost its connection goes on with its session on this one."""
        same_client = session.certificate == self._connection.security_policy.peer_certificate
        if not session.is_activated() or not same_client or session.user != user:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        if session.channel is not None:
            session.channel.session = None
        session.channel, self.session = self, session
        self._closing = False
        if self._session_watchdog_task is None or self._session_watchdog_task.done():
            self._session_watchdog_task = asyncio.create_task(self._session_watchdog_loop())
        for subscription in self.iserver.subscription_service.subscriptions.values():
            if subscription.session_id == session.session_id:
                subscription.pub_result_callback = self.forward_publish_response
                subscription.pub_request_callback = self.get_publish_request

    def _start_call(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> None:
        if len(self._calls) >= MAX_CALLS:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        task = asyncio.create_task(self._call(typeid, requesthdr, seqhdr, body))
        self._calls.add(task)
        self.iserver.calls.add(task)
        task.add_done_callback(self._calls.discard)
        task.add_done_callback(self.iserver.calls.discard)

    async def _call(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> None:
        try:
            await super()._process_message(typeid, requesthdr, seqhdr, body)
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            self._fault(requesthdr, seqhdr, error.code)
        except Exception:  # the client gets an answer whatever happens
            log.exception("opcua.call_failed")
            self._fault(requesthdr, seqhdr, ua.StatusCodes.BadInternalError)

    def _fault(self, requesthdr: Any, seqhdr: Any, code: int) -> None:
        response = ua.ServiceFault()
        response.ResponseHeader.ServiceResult = ua.StatusCode(code)
        self.send_response(requesthdr.RequestHandle, seqhdr, response)


class Protocol(OPCUAProtocol):
    """asyncua's protocol with our processor."""

    iserver: BridgeInternalServer
    processor: UaProcessor | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, transport, self.limits)
            self.processor.set_policies(self.policies)


class Listener(BinaryServer):
    """asyncua's TCP server with our protocol."""

    iserver: BridgeInternalServer

    def _make_protocol(self) -> OPCUAProtocol:
        return Protocol(self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)
