"""The requests by which a client gets its session (OPC 10000-4 §5.7): asyncua's, with sessions guarded."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.internal_session import InternalSession
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary

from bridge.opcua.sessions import BridgeInternalServer, Session
from bridge.opcua.users import BridgeUser
from bridge.opcua.wire import malformed

log = structlog.get_logger()


def encoding_id(name: str) -> int:
    """The numeric NodeId of the binary encoding of a request or response."""
    return int(getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary"))


_CREATE = ua.NodeId(encoding_id("CreateSessionRequest"))
_ACTIVATE = ua.NodeId(encoding_id("ActivateSessionRequest"))
_CLOSE = ua.NodeId(encoding_id("CloseSessionRequest"))
_CLOSE_CHANNEL = ua.NodeId(encoding_id("CloseSecureChannelRequest"))
_DISCOVERY = frozenset(ua.NodeId(encoding_id(f"{name}Request")) for name in ("GetEndpoints", "FindServers"))
_REGISTER = frozenset(ua.NodeId(encoding_id(f"{name}Request")) for name in ("RegisterServer", "RegisterServer2"))


class SessionRequests(UaProcessor):
    """What asyncua answers, and nothing of it that is not meant for this client."""

    iserver: BridgeInternalServer
    session: InternalSession | None
    _session_watchdog_task: asyncio.Task[None] | None

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> bool:
        if not self._connection.is_open():
            return False
        await self._guard(typeid, requesthdr)
        if typeid == _ACTIVATE:
            await self._activate(requesthdr, seqhdr, body)
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
                self.iserver.totals.aborted_sessions += 1
            if len(self.iserver._external_sessions) >= self.iserver.limits.max_sessions:
                self.iserver.totals.rejected_sessions += 1
                raise ServiceError(ua.StatusCodes.BadTooManySessions)
        elif typeid != _ACTIVATE:
            if not self._is_own(requesthdr.AuthenticationToken):
                raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
            if typeid != _CLOSE:
                raise ServiceError(ua.StatusCodes.BadServiceUnsupported)

    def _is_own(self, token: ua.NodeId) -> bool:
        return self.session is not None and bool(token == self.session.auth_token)

    async def _activate(self, requesthdr: Any, seqhdr: Any, body: Buffer) -> None:
        """ActivateSession (OPC 10000-4 §5.7.3): nothing changes hands before everything has been checked."""
        params = decoded(lambda: struct_from_binary(ua.ActivateSessionParameters, body))
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
        try:
            user = await session.identify(params, encrypted=encrypted)
        except ServiceError:
            self.iserver.totals.security_rejected_sessions += 1
            self.iserver.totals.rejected_sessions += 1
            raise
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
        session.publishing.leave()
        self._closing = False
        if self._session_watchdog_task is None or self._session_watchdog_task.done():
            self._session_watchdog_task = asyncio.create_task(self._session_watchdog_loop())


def decoded(decode: Callable[[], Any]) -> Any:
    """What asyncua decodes. Raises ServiceError(BadDecodingError)."""
    try:
        return decode()
    except Exception:  # noqa: BLE001 - asyncua fails in many ways over what it cannot read
        raise malformed() from None
