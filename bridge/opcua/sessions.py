"""asyncua's sessions and internal server, with our services, users and tokens in them."""

import asyncio
import secrets
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import AttributeService, MethodService, NodeManagementService
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.services import Services
from bridge.opcua.subscriptions import Channel, SubscribingSession, Subscriptions
from bridge.opcua.users import BridgeUser, Users
from bridge.opcua.views import TreeViews


class Session(SubscribingSession):
    """A client's session. `user` is who it is, from ActivateSession on; before that nobody asks."""

    user: BridgeUser

    def __init__(self, server: "BridgeInternalServer", name: str) -> None:
        super().__init__(server, server.aspace, server.subscription_service, name, BridgeUser(), external=False)
        self._services = server.services
        self._server = server
        # 256 random bits: asyncua counts, so that anybody can guess another client's token
        self.auth_token = ua.NodeId(secrets.token_bytes(32), 0, ua.NodeIdType.ByteString)
        self.external = True
        server.register_external_session(self)
        self.identified: BridgeUser | None = None
        self.certificate: bytes | None = None  # of the client that created it
        self.channel: Channel | None = None

    async def identify(self, params: ua.ActivateSessionParameters, *, encrypted: bool) -> BridgeUser:
        """Who asks for the activation. Raises ServiceError. `encrypted`: the channel itself is."""
        token = params.UserIdentityToken
        if token is None or isinstance(token, ua.AnonymousIdentityToken) or _is_null(token):
            return self._server.users.anonymous()
        if not isinstance(token, ua.UserNameIdentityToken):
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        if not (encrypted or token.EncryptionAlgorithm or self._server.plain_passwords):
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        try:
            name, password = self._server.decrypt_user_token(self, token)
        except Exception:  # noqa: BLE001 - whatever is wrong with what came, it is no identity
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid) from None
        return await self._server.users.with_password(name or "", password or "")

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        """Activates it for who was identified. Raises ServiceError."""
        user, self.identified = self.identified, None
        if user is None:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        result = super().activate_session(params, peer_certificate)
        self.user = user
        return result

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        return self._services.read(params, self.user)

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        return self._services.write(params, self.user)

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        return await self._services.call(params, self.user)


def _is_null(token: Any) -> bool:
    """A token that is null means an anonymous client (OPC 10000-4 §5.7.3)."""
    return isinstance(token, ua.ExtensionObject) and token.TypeId.is_null()


class BridgeInternalServer(InternalServer):
    """asyncua's internal server over the tree."""

    aspace: TreeAddressSpace
    method_service: MethodService
    subscription_service: Subscriptions
    time_task: asyncio.Task[None] | None
    supported_tokens: tuple[type, ...]

    def __init__(self, aspace: TreeAddressSpace, services: Services, users: Users, *, plain_passwords: bool) -> None:
        super().__init__()
        self.services = services
        self.users = users
        self.plain_passwords = plain_passwords
        self.user_manager = None  # asyncua's takes anybody, and "admin" for one; `Session.identify` stands for it
        self.allow_remote_admin = False
        self.allows_none = False
        self.calls: set[asyncio.Task[None]] = set()
        self.method_service.stop()
        self.aspace = aspace
        self.attribute_service = AttributeService(aspace)
        self.view_service = TreeViews(aspace)
        self.method_service = MethodService(aspace)
        self.node_mgt_service = NodeManagementService(aspace)
        self.subscription_service = Subscriptions(aspace, iserver=self)
        self.isession.aspace = aspace
        self.isession.subscription_service = self.subscription_service

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> InternalSession:
        return Session(self, name)

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
        await super().stop()
