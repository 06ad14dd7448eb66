"""asyncua's sessions and internal server, with our services, users and tokens in them."""

import asyncio
import math
import secrets
import time
from pathlib import Path
from typing import Any, Protocol

import structlog
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import AttributeService, MethodService, NodeManagementService, ViewService
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession, SessionState

from bridge.opcua import identity
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.crowd import for_everybody
from bridge.opcua.diagnostics import Client, Totals
from bridge.opcua.guard import Guard
from bridge.opcua.identity import Challenge
from bridge.opcua.memory import AT_ONCE, Kept
from bridge.opcua.services import Services
from bridge.opcua.standard import StandardNodes
from bridge.opcua.subscriptions.monitoring import Monitoring
from bridge.opcua.subscriptions.publish_queue import PublishQueue
from bridge.opcua.subscriptions.service import Owned, Subscriptions
from bridge.opcua.users import BridgeUser, Place
from bridge.points.roles import at_least

log = structlog.get_logger()


class Channel(Kept, Protocol):
    """The connection that a session is on. `closing`: nothing more can be sent."""

    session: InternalSession | None

    def drop(self) -> None:
        """Ends the connection."""


class Session(InternalSession):
    """A client's session. `user` is who it is, from ActivateSession on; before that nobody asks.

    `owned` are its subscriptions by their ids, `publishing` its Publish requests that wait.
    """

    user: BridgeUser
    services: Services
    subscription_service: Subscriptions

    def __init__(self, server: "BridgeInternalServer", name: str) -> None:
        super().__init__(server, server.aspace, server.subscription_service, name, BridgeUser(), external=False)
        self.services = server.services
        self._server = server
        # 256 random bits: asyncua counts, so that anybody can guess another client's token
        self.auth_token = ua.NodeId(secrets.token_bytes(32), 0, ua.NodeIdType.ByteString)
        self.external = True
        server.register_external_session(self)
        self.identified: BridgeUser | None = None
        self.certificate: bytes | None = None  # of the client that created it
        self.chain = b""  # as it was sent, with those of authorities behind it perhaps; b"" for none
        self.thumbprint = self.address = ""  # of that certificate; of the client as it was last
        self.channel: Channel | None = None
        self.client = Client()
        server.totals.sessions += 1
        self.owned: dict[int, Owned] = {}
        self.publishing = PublishQueue(server.limits.max_publish_requests)

    @property
    def is_left(self) -> bool:
        """Its client's connection has gone, or it has ended and only its subscriptions live on."""
        return self.channel is None or self.channel.closing or self.state is SessionState.Closed

    @property
    def heard(self) -> float:
        """When it asked for something last (monotonic)."""
        return float(self._last_activity)

    async def identify(self, params: ua.ActivateSessionParameters, policy: Any, place: Place) -> BridgeUser:
        """Who asks for the activation, over a channel with this security policy. Raises ServiceError."""
        token, server = params.UserIdentityToken, self._server
        if identity.is_anonymous(token):
            return server.guard.users.anonymous()
        challenge = self._challenge(policy)
        if isinstance(token, ua.UserNameIdentityToken):
            password = identity.password_of(token, challenge)
            return await server.guard.users.with_password(place, token.UserName or "", password)
        if isinstance(token, ua.X509IdentityToken):
            der = identity.certificate_of(token, params.UserTokenSignature, challenge)
            return server.guard.users.with_certificate(der)
        raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)

    def recognize(self, token: ua.UserNameIdentityToken, policy: Any, place: Place) -> BridgeUser:
        """The user, who was at that place before. Raises ServiceError, as `identify` would."""
        password = identity.password_of(token, self._challenge(policy))
        return self._server.guard.users.recognize(place, token.UserName or "", password)

    def _challenge(self, policy: Any) -> Challenge:
        server = self._server
        encrypted = policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
        return Challenge(
            policy.host_certificate or uacrypto.der_from_x509(server.certificate) or b"",
            server.private_key,
            self.nonce or b"",
            encrypted or server.plain_passwords,
        )

    async def create_session(
        self, params: ua.CreateSessionParameters, sockname: tuple[str, int] | None = None
    ) -> ua.CreateSessionResult:
        """As asyncua's, but clients hear how large a request may be; asyncua says 64 KiB whatever the limit is.

        It would take a timeout of NaN as it is, and the session would never end: such a one gets the shortest.
        """
        if not math.isfinite(params.RequestedSessionTimeout):
            params.RequestedSessionTimeout = 0.0
        client = self.client
        client.session_name = params.SessionName or ""
        client.description, client.endpoint = params.ClientDescription, params.EndpointUrl or ""
        client.max_response = params.MaxResponseMessageSize
        result = await super().create_session(params, sockname)
        result.MaxRequestMessageSize = self._server.limits.max_message_size
        return result

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        """Activates it for who was identified. Raises ServiceError."""
        user, self.identified = self.identified, None
        if user is None:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        result = super().activate_session(params, peer_certificate)
        if not at_least(user.rights, self.user.rights):  # what was monitored may be hidden from this user
            for subscription in list(self.owned.values()):
                self.subscription_service.delete(subscription)
        self.user = user
        self.client.locales = params.LocaleIds or ()
        return result

    async def close_session(self, delete_subs: bool = True) -> None:
        """Without `delete_subs` its subscriptions live on, until somebody takes them or their lifetime is over."""
        if self.state is SessionState.Closed:
            return
        self.publishing.fail(ua.StatusCodes.BadSessionClosed)
        if delete_subs:
            for subscription in list(self.owned.values()):
                self.subscription_service.delete(subscription)
        await super().close_session(False)
        self._timeout_task = None  # which refers to the session

    async def _timeout_loop(self) -> None:
        """asyncua would delete the subscriptions of a client that is late (OPC 10000-4 §5.7.2.1)."""
        while True:
            left = self._last_activity + (self.session_timeout or 0) - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(left)
        self._server.totals.timed_out_sessions += 1
        await self.close_session(False)


class BridgeInternalServer(InternalServer):
    """asyncua's internal server over the tree."""

    aspace: TreeAddressSpace
    method_service: MethodService
    subscription_service: Subscriptions
    time_task: asyncio.Task[None] | None
    supported_tokens: tuple[type, ...]

    def __init__(self, aspace: TreeAddressSpace, services: Services, guard: Guard, *, plain_passwords: bool) -> None:
        super().__init__()
        self.services = services
        self.guard = guard
        self.plain_passwords = plain_passwords
        self.user_manager = None  # asyncua's takes anybody, and "admin" for one; `Session.identify` stands for it
        self.allow_remote_admin = False
        self.allows_none = False
        self.max_pending_activation_seconds = 0.0  # each connection looks after that itself
        self.totals = Totals()
        self.limits = services.limits
        self.connections: set[Kept] = set()
        self.calls: set[asyncio.Task[None]] = set()
        self.long = asyncio.Semaphore(AT_ONCE)  # answers
        self.method_service.stop()
        self.aspace = aspace
        self.attribute_service = AttributeService(aspace)
        self.view_service = ViewService(aspace)
        self.method_service = MethodService(aspace)
        self.node_mgt_service = NodeManagementService(aspace)
        self.subscription_service = Subscriptions(
            Monitoring(aspace, self.limits), self.limits, lambda: bool(guard.users)
        )
        self.isession.aspace = aspace
        self.isession.subscription_service = self.subscription_service

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Without asyncua's second of work."""
        self.aspace._nodes = StandardNodes()

    def clients(self) -> list[Session]:
        """The clients' sessions."""
        return [session for session in self._external_sessions.values() if isinstance(session, Session)]

    def check_room(self) -> None:
        """Whether one more client may try to log in. Raises ServiceError(BadTooManySessions).

        There are no more that try than connections: a session that is not activated ends with its own.
        """
        activated = [session for session in self.clients() if session.is_activated()]
        used = [session for session in activated if not session.is_left]
        trying = len(self.clients()) - len(activated)
        if len(used) >= self.limits.max_sessions or trying >= self.limits.max_connections:
            self.totals.rejected_sessions += 1
            raise ServiceError(ua.StatusCodes.BadTooManySessions)

    async def make_room(self, user: BridgeUser) -> None:
        """For one more session, of a user that has just logged in: where there are too many, one goes that is kept for
        a client whose connection has gone, the one that is away longest. The last tenth is for users with a name, where
        there are any, and who has none displaces nobody that has.

        Raises ServiceError(BadTooManySessions).
        """
        most = self.limits.max_sessions
        if not user.is_known:
            most = for_everybody(most, has_users=bool(self.guard.users))
        found = [session for session in self.clients() if session.is_activated()]
        if len(found) < most:
            return
        left = [each for each in found if each.is_left and (user.is_known or not each.user.is_known)]
        goes = min(left, key=lambda session: session.heard, default=None)
        if goes is None:
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        await goes.close_session(True)
        self.totals.aborted_sessions += 1

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> Session:
        return Session(self, name)

    def end_strangers(self) -> None:
        """Ends the sessions of users that are users no more, or have another role or no trusted certificate now."""
        sessions = [session for session in self.clients() if session.is_activated()]
        trusted = {each: self.guard.trusts(each) for each in {session.chain for session in sessions}}
        for session in sessions:
            if not trusted[session.chain] or not self.guard.users.still_is(session.user):
                log.info("opcua.session_ended", user=session.user.name, why="no user any more, or not trusted")
                if session.channel is not None:
                    session.channel.drop()
                task = asyncio.ensure_future(session.close_session(True))
                self.calls.add(task)
                task.add_done_callback(self.calls.discard)

    async def stop(self) -> None:
        """At once: asyncua would wait for its clock, and leave sessions with subscriptions running."""
        for call in list(self.calls):
            call.cancel()
        for session in list(self._external_sessions.values()):
            await session.close_session(True)
        if self.time_task is not None:
            self.time_task.cancel()
            await asyncio.gather(self.time_task, return_exceptions=True)
            self.time_task = None
        self.subscription_service.stop()
        await super().stop()
