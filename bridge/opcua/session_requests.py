"""The requests by which a client gets its session (OPC 10000-4 §5.7): asyncua's, with sessions guarded."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha1
from typing import Any

import structlog
from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.internal_session import InternalSession
from asyncua.ua.ua_binary import struct_from_binary
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.errors import Refused
from bridge.opcua import trust
from bridge.opcua.guard import MOST_NAME
from bridge.opcua.identity import is_anonymous
from bridge.opcua.opening import NONCE, Opening
from bridge.opcua.sessions import Session
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


class SessionRequests(Opening):
    """What asyncua answers, and nothing of it that is not meant for this client."""

    session: InternalSession | None
    _session_watchdog_task: asyncio.Task[None] | None

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> bool:
        if not self._connection.is_open():
            return False
        await self._guard(typeid, requesthdr)
        if typeid == _CREATE:
            await self._create(requesthdr, seqhdr, body)
            return True
        if typeid == _ACTIVATE:
            await self._activate(requesthdr, seqhdr, body)
            return True
        if typeid == _CLOSE and isinstance(self.session, Session) and self.session.is_activated():
            self._note("logout", "Good")
        return bool(await super()._process_message(typeid, requesthdr, seqhdr, body))

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
            await self.iserver.make_room()
        elif typeid != _ACTIVATE:
            if not self._is_own(requesthdr.AuthenticationToken):
                raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
            if typeid != _CLOSE:
                raise ServiceError(ua.StatusCodes.BadServiceUnsupported)

    def _is_own(self, token: ua.NodeId) -> bool:
        return self.session is not None and bool(token == self.session.auth_token)

    async def _create(self, requesthdr: Any, seqhdr: Any, body: Buffer) -> None:
        """CreateSession (OPC 10000-4 §5.7.2), for the client that has opened the channel and for no other."""
        params = decoded(lambda: struct_from_binary(ua.CreateSessionParameters, body))
        policy = self._connection.security_policy
        if policy.URI != SecurityPolicyNone.URI:
            self._check_client(params, policy.peer_certificate or b"")
        session = self.iserver.create_session(self.name, external=True)
        self.session = session
        session.channel, session.address = self, self.address
        session.certificate = policy.peer_certificate
        if policy.peer_certificate:
            session.thumbprint = sha1(policy.peer_certificate).hexdigest().upper()  # noqa: S324 - it is only a name
        response = ua.CreateSessionResponse()
        given = response.Parameters = await session.create_session(params, sockname=self.sockname)
        given.ServerCertificate = policy.host_certificate
        signed = (policy.peer_certificate or b"") + (params.ClientNonce or b"")
        given.ServerSignature.Signature = policy.asymmetric_cryptography.signature(signed)
        given.ServerSignature.Algorithm = policy.AsymmetricSignatureURI
        self._watch()
        self.send_response(requesthdr.RequestHandle, seqhdr, response)

    def _check_client(self, params: ua.CreateSessionParameters, der: bytes) -> None:
        """The session is the channel's client's, who is the application that it says it is."""
        try:
            sent = trust.parse(params.ClientCertificate or b"")[0]
        except Refused:
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid) from None
        if sent.public_bytes(Encoding.DER) != der:
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid)
        if len(params.ClientNonce or b"") < NONCE:
            raise ServiceError(ua.StatusCodes.BadNonceInvalid)
        if params.ClientDescription.ApplicationUri not in trust.application_uris(sent):
            raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)

    async def _activate(self, requesthdr: Any, seqhdr: Any, body: Buffer) -> None:
        """ActivateSession (OPC 10000-4 §5.7.3): nothing changes hands before everything has been checked."""
        params = decoded(lambda: struct_from_binary(ua.ActivateSessionParameters, body))
        session = self.iserver.lookup_external_session(requesthdr.AuthenticationToken)
        if not isinstance(session, Session) or session.certificate != self._connection.security_policy.peer_certificate:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        policy, nonce = self._connection.security_policy, session.nonce
        if policy.URI != SecurityPolicyNone.URI:
            self.iserver.guard.check_certificate(policy.peer_certificate or b"", self.address)  # it may have ended
        signed = (policy.host_certificate or b"") + (nonce or b"")
        try:
            policy.asymmetric_cryptography.verify(signed, params.ClientSignature.Signature)
        except Exception:  # noqa: BLE001 - each policy fails in its own way
            raise ServiceError(ua.StatusCodes.BadApplicationSignatureInvalid) from None
        user = await self._identify(session, params)
        if session.nonce is not nonce or self._transport.is_closing():  # another activation was faster, or all is over
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if session is not self.session:
            self._take_over(session, user)
        session.identified = user
        response = ua.ActivateSessionResponse()
        response.Parameters = session.activate_session(params, policy.peer_certificate)
        log.info("opcua.session", user=user.name, role=user.rights, client=str(self.name))
        self._note("login", "Good")
        self.send_response(requesthdr.RequestHandle, seqhdr, response)

    async def _identify(self, session: Session, params: ua.ActivateSessionParameters) -> BridgeUser:
        """Who it is. Whoever has failed before waits first, and nobody else does."""
        guard, policy = self.iserver.guard, self._connection.security_policy
        token = params.UserIdentityToken
        name = str(getattr(token, "UserName", None) or type(token).__name__)[:MOST_NAME]
        try:
            if is_anonymous(token):
                return await session.identify(params, policy)
            return await guard.slowdown.attempt(self.address, name, lambda: session.identify(params, policy))
        except ServiceError as error:
            self.iserver.totals.security_rejected_sessions += 1
            self.iserver.totals.rejected_sessions += 1
            guard.login_failed(name, self.address, error.code)
            note = guard.note(session, "login", ua.StatusCode(error.code).name)
            guard.audit([replace(note, user=name, role="", address=self.address)])
            raise

    def _note(self, action: str, status: str) -> None:
        guard = self.iserver.guard
        guard.audit([guard.note(self.session, action, status)])

    def _take_over(self, session: Session, user: BridgeUser) -> None:
        """A client that lost its connection goes on with its session on this one."""
        if not session.is_activated() or session.user != user:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        if session.channel is not None:
            session.channel.session = None
        session.channel, self.session = self, session
        session.address = self.address
        session.publishing.leave()
        self._watch()

    def _watch(self) -> None:
        self._closing = False
        if self._session_watchdog_task is None or self._session_watchdog_task.done():
            self._session_watchdog_task = asyncio.create_task(self._session_watchdog_loop())


def decoded(decode: Callable[[], Any]) -> Any:
    """What asyncua decodes. Raises ServiceError(BadDecodingError)."""
    try:
        return decode()
    except Exception:  # noqa: BLE001 - asyncua fails in many ways over what it cannot read
        raise malformed() from None
