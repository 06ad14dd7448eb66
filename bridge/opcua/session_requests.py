"""The requests by which a client gets its session (OPC 10000-4 §5.7), with sessions guarded, and discovery."""

import time
from functools import partial
from hashlib import sha1
from typing import Any

import structlog
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.internal_session import InternalSession
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.errors import Refused
from bridge.opcua import first_requests, trust
from bridge.opcua.identity import is_anonymous, shown_name
from bridge.opcua.opening import NONCE, Opening
from bridge.opcua.sessions import Session
from bridge.opcua.users import BridgeUser
from bridge.opcua.wire import Reader

log = structlog.get_logger()


def encoding_id(name: str) -> int:
    """The numeric NodeId of the binary encoding of a request or response."""
    return int(getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary"))


_CREATE = ua.NodeId(encoding_id("CreateSessionRequest"))
_ACTIVATE = ua.NodeId(encoding_id("ActivateSessionRequest"))
_CLOSE = ua.NodeId(encoding_id("CloseSessionRequest"))
_CLOSE_CHANNEL = ua.NodeId(encoding_id("CloseSecureChannelRequest"))
_ENDPOINTS = ua.NodeId(encoding_id("GetEndpointsRequest"))
_SERVERS = ua.NodeId(encoding_id("FindServersRequest"))
_REGISTER = frozenset(ua.NodeId(encoding_id(f"{name}Request")) for name in ("RegisterServer", "RegisterServer2"))


class _ToldError(ServiceError):
    """A refusal that has been counted and noted."""


class SessionRequests(Opening):
    """What is answered before there is an activated session, and nothing of it that is not meant for this client."""

    session: InternalSession | None

    async def serve(self, kind: ua.NodeId, header: ua.RequestHeader, seqhdr: Any, reader: Reader) -> bool:
        """Answers a request of this kind; False: the connection ends. Raises ServiceError for a ServiceFault."""
        if kind == _CLOSE_CHANNEL:
            self._connection.close()
            return False
        if kind in (_ENDPOINTS, _SERVERS):
            response = await self._discover(kind, reader)
        else:
            response = await self._with_session(kind, header, reader)
        self.send_response(header.RequestHandle, seqhdr, response)
        return True

    async def _discover(self, kind: ua.NodeId, reader: Reader) -> Any:
        """GetEndpoints and FindServers (OPC 10000-4 §5.5)."""
        if kind == _ENDPOINTS:
            asked = first_requests.endpoints(reader)
            return ua.GetEndpointsResponse(Endpoints=await self.iserver.get_endpoints(asked, sockname=self.sockname))
        found = self.iserver.find_servers(first_requests.servers(reader), sockname=self.sockname)
        return ua.FindServersResponse(Servers=found)

    async def _with_session(self, kind: ua.NodeId, header: ua.RequestHeader, reader: Reader) -> Any:
        """What asyncua lets through is refused: registrations, sessions over None, other sessions' tokens."""
        if kind in _REGISTER:
            raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
        if not self.iserver.allows_none and self._connection.security_policy.URI == SecurityPolicyNone.URI:
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        if kind == _CREATE:
            return await self._create(first_requests.creation(reader))
        if kind == _ACTIVATE:
            return await self._activate(header.AuthenticationToken, first_requests.activation(reader))
        if self.session is None or header.AuthenticationToken != self.session.auth_token:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if kind != _CLOSE:
            raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
        return await self._close(self.session, delete_subscriptions=reader.boolean())

    async def _create(self, params: ua.CreateSessionParameters) -> ua.CreateSessionResponse:
        """CreateSession (§5.7.2), for the client that has opened the channel and for no other."""
        policy = self._connection.security_policy
        if policy.URI != SecurityPolicyNone.URI:
            self._check_client(params, self.certificate or b"")
        if self.session is not None:  # one for each connection
            await self.session.close_session(True)
            self.iserver.totals.aborted_sessions += 1
        self.iserver.check_room()
        session = self.iserver.create_session(self.name, external=True)
        self.session = session
        session.channel, session.address = self, self.address
        session.certificate, session.chain, session.thumbprint = self.certificate, self.chain, self.thumbprint
        given = await session.create_session(params, sockname=self.sockname)
        given.ServerCertificate = policy.host_certificate
        signed = (policy.peer_certificate or b"") + (params.ClientNonce or b"")
        given.ServerSignature.Signature = policy.asymmetric_cryptography.signature(signed)
        given.ServerSignature.Algorithm = policy.AsymmetricSignatureURI
        return ua.CreateSessionResponse(Parameters=given)

    @property
    def thumbprint(self) -> str:
        """Of the channel's certificate, as OPC UA tools show it."""
        der = self.certificate
        return sha1(der).hexdigest().upper() if der else ""  # noqa: S324 - it is only a name

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

    async def _activate(self, token: ua.NodeId, params: ua.ActivateSessionParameters) -> ua.ActivateSessionResponse:
        """ActivateSession (§5.7.3). Who is refused is noted, but not for a session that has ended, as by a restart."""
        session = self.iserver.lookup_external_session(token)
        if not isinstance(session, Session):
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        name = shown_name(params.UserIdentityToken)
        try:
            result = await self._activated(session, params, name)
        except _ToldError:
            raise
        except ServiceError as error:
            self._tell(session, name, error.code)
            raise
        log.info("opcua.session", user=session.user.name, role=session.user.rights, client=str(self.name))
        self._note(session, "login")
        return ua.ActivateSessionResponse(Parameters=result)

    async def _activated(
        self, session: Session, params: ua.ActivateSessionParameters, name: str
    ) -> ua.ActivateSessionResult:
        """Nothing changes hands before everything has been checked."""
        policy, nonce, guard = self._connection.security_policy, session.nonce, self.iserver.guard
        if session.certificate != self.certificate:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if policy.URI != SecurityPolicyNone.URI:
            guard.check_certificate(self.chain, self.address)  # it may have ended
        signed = (policy.host_certificate or b"") + (nonce or b"")
        try:
            policy.asymmetric_cryptography.verify(signed, params.ClientSignature.Signature)
        except Exception:  # noqa: BLE001 - each policy fails in its own way
            raise ServiceError(ua.StatusCodes.BadApplicationSignatureInvalid) from None
        user = await self._identify(session, params, name)
        if session.nonce is not nonce or self._transport.is_closing():  # another activation was faster, or all is over
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if session is not self.session:
            await self._take_over(session, user)
        elif not session.is_activated():
            await self.iserver.make_room(user)
        session.identified = user
        self.session_last_activity = time.monotonic()
        return session.activate_session(params, self.certificate)

    async def _identify(self, session: Session, params: ua.ActivateSessionParameters, name: str) -> BridgeUser:
        """Who it is. Whoever has failed before waits first, and nobody else does."""
        guard, policy, token = self.iserver.guard, self._connection.security_policy, params.UserIdentityToken
        place = guard.place(self.address, self.thumbprint)
        if is_anonymous(token):
            return await session.identify(params, policy, place)
        is_wrong = False
        if isinstance(token, ua.UserNameIdentityToken) and guard.may_glance(place, token.UserName or ""):
            try:
                known = session.recognize(token, policy, place)
            except ServiceError as error:
                self._tell(session, name, error.code)  # now: it may hang up while it waits
                is_wrong = True
            else:
                guard.recognized(place, token.UserName or "")
                return known
        check = partial(session.identify, params, policy, place)
        try:
            return await guard.slowdown.attempt(place, name, check, is_wrong=is_wrong)
        except ServiceError as error:
            raise (_ToldError(error.code) if is_wrong else error) from None

    def _tell(self, session: Session, name: str, code: int) -> None:
        """Counts and notes that somebody was not let in."""
        totals, guard = self.iserver.totals, self.iserver.guard
        totals.security_rejected_sessions += 1
        totals.rejected_sessions += 1
        guard.login_failed(name, self.address, code, str(session.session_id.Identifier), self.thumbprint)

    async def _close(self, session: InternalSession, *, delete_subscriptions: bool) -> ua.CloseSessionResponse:
        """CloseSession (§5.7.4)."""
        if isinstance(session, Session) and session.is_activated():
            self._note(session, "logout")
        await session.close_session(delete_subscriptions)
        return ua.CloseSessionResponse()

    def _note(self, session: Session, action: str) -> None:
        guard = self.iserver.guard
        guard.audit([guard.note(session, action, "Good")])

    async def _take_over(self, session: Session, user: BridgeUser) -> None:
        """A client that lost its connection goes on with its session on this one.

        The one that was here is left as if the connection had gone: else nothing would ever end it.
        """
        if not session.is_activated() or session.user != user:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        if session.channel is not None:
            session.channel.session = None
        await self._leave()
        session.channel, self.session = self, session
        session.address = self.address
        session.publishing.leave()

    async def _leave(self) -> None:
        """Without subscriptions the session of this connection ends, as one that is not activated does. One with some
        waits for its client, for as long as its timeout is, and counts among those that are kept."""
        session = self.session
        if not isinstance(session, Session):
            return
        if self._should_close_session_on_transport_loss():
            await session.close_session(True)
            self.iserver.totals.aborted_sessions += 1
        session.channel = None
        session.publishing.leave()
