"""The OPC UA server: the tree for any client. Asyncua's server put together from our parts."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from urllib.parse import urlparse

import structlog
from asyncua import Server, ua
from cryptography.hazmat.primitives.serialization import Encoding

from bridge import RELEASED
from bridge.opcua import server_object
from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.certificate import Identity, application_uri, load_identity
from bridge.opcua.connection import Listener
from bridge.opcua.diagnostics import LiveValues, Seen, show_diagnostics, show_status
from bridge.opcua.guard import Auditor, Guard
from bridge.opcua.happenings import Happenings, add_event_types
from bridge.opcua.nodes import Space
from bridge.opcua.rights import Rights
from bridge.opcua.services import Services
from bridge.opcua.sessions import BridgeInternalServer
from bridge.opcua.settings import NONE, Account, OpcUaSettings
from bridge.opcua.shapes import POINTS_URI, TYPES_URI
from bridge.opcua.subscriptions.model_changes import ModelChanges
from bridge.opcua.trust import TrustList
from bridge.opcua.typespace import TypeSpace
from bridge.opcua.upkeep import Upkeep
from bridge.opcua.users import Users
from bridge.opcua.variants import SharedDataValue, to_datetime
from bridge.opcua.writer import Writer
from bridge.points.layout import Layout
from bridge.points.rows import Row
from bridge.points.tree import Group, StructureListener, Tree
from bridge.store.records import AuditRecord

__all__ = ["OpcUaServer", "OpcUaSettings"]

log = structlog.get_logger()

PRODUCT_URI = "urn:ocpp-bridge"

_SERVICE_LEVEL = ua.NodeId(ua.ObjectIds.Server_ServiceLevel)

_TYPES = ua.SecurityPolicyType
_POLICIES = {
    NONE: (_TYPES.NoSecurity,),
    "Basic256Sha256": (_TYPES.Basic256Sha256_SignAndEncrypt, _TYPES.Basic256Sha256_Sign),
    "Aes128_Sha256_RsaOaep": (_TYPES.Aes128Sha256RsaOaep_SignAndEncrypt, _TYPES.Aes128Sha256RsaOaep_Sign),
    "Aes256_Sha256_RsaPss": (_TYPES.Aes256Sha256RsaPss_SignAndEncrypt, _TYPES.Aes256Sha256RsaPss_Sign),
}


class OpcUaServer:
    """Shows a tree to OPC UA clients, and gives a writer what they write and call.

    `audit` takes what clients do. `layouts` are those that stations and connectors of any OCPP version have, and the
    bridge's: the types show them.
    `dynamic` finds the row of a point that a group may get but does not have yet. `endpoint` is the
    configured URL, from `start` on with the port that was found where 0 was configured.
    """

    def __init__(
        self,
        tree: Tree,
        writer: Writer,
        settings: OpcUaSettings,
        *,
        software_version: str,
        layouts: Iterable[Layout],
        dynamic: Callable[[str], Row | None] = lambda key: None,
        audit: Auditor = lambda records: None,
    ) -> None:
        self.endpoint = settings.endpoint
        self._tree = tree
        self._settings = settings
        self._version = software_version
        self._aspace = TreeAddressSpace(
            Space(tree, dynamic, TypeSpace(layouts)),
            Rights(settings.roles, hidden=settings.hide_personal),
            initial_values=settings.initial_values,
        )
        self._users = Users(settings.anonymous, settings.users)
        self._audit = audit
        certificates = TrustList(settings.pki_dir, everybody=settings.trusts_everybody)
        self._guard = Guard(tree, self._users, certificates, self._audited)
        self._happenings: Happenings | None = None
        self._services = Services(self._aspace, writer, settings.limits, self._guard)
        self._server: _Server | None = None
        self._telling: asyncio.Task[None] | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._structure: list[StructureListener] = []
        self._levels: set[asyncio.Task[ua.StatusCode]] = set()

    async def start(self) -> None:
        """Opens the endpoint. Raises OSError where it is taken, ProjectError for a certificate that is no good."""
        _quieten_asyncua()
        settings = self._settings
        internal = BridgeInternalServer(
            self._aspace, self._services, self._guard, plain_passwords=settings.plain_passwords
        )
        internal.max_connections = settings.limits.max_connections
        internal.disabled_clock = True
        internal.allows_none = NONE in settings.security
        internal.supported_tokens = _tokens(settings)
        server = self._server = _Server(internal)
        server.limits.max_chunk_count = settings.limits.max_chunk_count
        server.limits.max_message_size = settings.limits.max_message_size
        identity = await self._prepare(server, internal)
        await server.start()
        self._show_live(internal)
        self._look_after(server, identity)
        self.endpoint = server.endpoint.geturl()
        self._tree.listeners.append(self._aspace.watch.changed)
        self._tree.listeners.append(self._level_changed)
        self._level_changed(self._tree.bridge, [_level_slot(self._tree.bridge)])
        events = internal.subscription_service.monitoring.events
        self._happenings = Happenings(self._tree, events, server._application_uri)
        self._tree.events.append(self._happenings.tell)
        changes = ModelChanges(self._aspace, events)
        self._structure = [self._aspace.watch.restructured, changes.restructured]
        self._tree.structure += self._structure

    async def stop(self) -> None:
        """Closes every session and connection. A server that has stopped does not start again."""
        if self._level_changed in self._tree.listeners:
            self._tree.listeners.remove(self._aspace.watch.changed)
            self._tree.listeners.remove(self._level_changed)
            for listener in self._structure:
                self._tree.structure.remove(listener)
        if self._happenings is not None:
            self._tree.events.remove(self._happenings.tell)
            self._happenings = None
        for task in (self._telling, self._upkeep):
            if task is not None:
                task.cancel()
        self._telling = self._upkeep = None
        if self._server is not None:
            await self._server.stop()
            self._server = None
        self._users.close()

    def set_users(self, users: Mapping[str, Account]) -> None:
        """These are the users from now on; sessions of those that are users no more end."""
        self._users.replace(users)
        if self._server is not None:
            self._server.iserver.end_strangers()

    def _audited(self, records: list[AuditRecord]) -> None:
        if records:
            self._audit(records)
            if self._happenings is not None:
                self._happenings.audited(records)

    def _level_changed(self, group: Group, slots: list[int]) -> None:
        """Bridge.ServiceLevel is the Server object's ServiceLevel too (OPC 10000-4 §6.6.2.4)."""
        slot = _level_slot(self._tree.bridge)
        if group is not self._tree.bridge or slot not in slots:
            return
        level, received = group.value("ServiceLevel"), group.sample(slot).server_time
        if isinstance(level, int):
            variant = ua.Variant(min(level, 255), ua.VariantType.Byte)
            value = SharedDataValue(variant, SourceTimestamp=None if received is None else to_datetime(received))
            writing = self._aspace.write_attribute_value(_SERVICE_LEVEL, ua.AttributeIds.Value, value)
            task = asyncio.get_running_loop().create_task(writing)
            self._levels.add(task)
            task.add_done_callback(self._levels.discard)

    def _look_after(self, server: "_Server", identity: Identity | None) -> None:
        upkeep = Upkeep(
            self._settings.pki_dir,
            self._host,
            self._guard,
            replace=server.replace_identity,
            end_strangers=server.iserver.end_strangers,
        )
        self._upkeep = asyncio.create_task(upkeep.run(identity))

    @property
    def _host(self) -> str:
        return urlparse(self._settings.endpoint).hostname or "localhost"

    async def _prepare(self, server: "_Server", internal: BridgeInternalServer) -> Identity | None:
        uri, identity = application_uri(), None
        if _is_secure(self._settings):
            identity = await asyncio.to_thread(load_identity, self._settings.pki_dir, self._host)
            internal.certificate, internal.private_key = identity.certificate, identity.key
            uri = identity.uri
        server.set_endpoint(self._settings.endpoint)
        server.name, server.manufacturer_name, server.product_uri = "ocpp-bridge", "ocpp-bridge", PRODUCT_URI
        server.application_type = ua.ApplicationType.Server
        server.set_security_policy([policy for name in self._settings.security for policy in _POLICIES[name]])
        await server.init()
        await server.set_application_uri(uri)
        for namespace in (POINTS_URI, TYPES_URI):
            await server.register_namespace(namespace)
        released = datetime.fromisoformat(RELEASED)
        server_object.prepare(self._aspace, self._settings.limits, version=self._version, published=released)
        self._aspace.add_roots()
        add_event_types(self._aspace)
        return identity

    def _show_live(self, internal: BridgeInternalServer) -> None:
        """What asyncua would write once a second."""
        live = LiveValues(self._aspace)
        name = "ocpp-bridge"
        released = datetime.fromisoformat(RELEASED)
        show_status(live, ua.BuildInfo(PRODUCT_URI, name, name, self._version, "", released))
        show_diagnostics(live, Seen(internal.clients, internal.subscription_service, internal.totals))
        self._telling = asyncio.create_task(_tell(live))


async def _tell(live: LiveValues) -> None:
    while True:
        await asyncio.sleep(1)
        try:
            await live.tell()
        except Exception:  # whatever one second brings, the next one comes
            log.exception("opcua.diagnostics_failed")


def _level_slot(bridge: Group) -> int:
    slot = bridge.slot("ServiceLevel")
    return -1 if slot is None else slot


class _Server(Server):
    """asyncua's server with our listener, which is bound before the endpoints are told."""

    iserver: BridgeInternalServer

    async def start(self) -> None:
        host, port = self._get_bind_socket_info()
        self.bserver = Listener(self.iserver, host or "", port or 0, self.limits)
        await self.bserver.start()
        if not port:
            self.set_endpoint(self.endpoint._replace(netloc=f"{self.endpoint.hostname}:{self.bserver.port}").geturl())
        await self._setup_server_nodes()
        self.bserver.set_policies(self._policies)
        await self.iserver.start()

    def replace_identity(self, identity: Identity) -> None:
        """Channels that are opened from now on are the new certificate's; those that are open stay as they are."""
        self.iserver.certificate, self.iserver.private_key = identity.certificate, identity.key
        for policy in self._policies:
            policy.certificate, policy.private_key = identity.certificate, identity.key
        der = identity.certificate.public_bytes(Encoding.DER)
        for endpoint in self.iserver.endpoints:
            endpoint.ServerCertificate = der


def _is_secure(settings: OpcUaSettings) -> bool:
    return any(name != NONE for name in settings.security)


def _tokens(settings: OpcUaSettings) -> tuple[type, ...]:
    """The ways to say who one is that make sense here (OPC 10000-4 §7.41). Users may come while the server runs."""
    tokens: list[type] = [ua.AnonymousIdentityToken] if settings.anonymous != "none" else []
    if settings.plain_passwords or _is_secure(settings):
        tokens.append(ua.UserNameIdentityToken)
    if _is_secure(settings):
        tokens.append(ua.X509IdentityToken)
    return tuple(tokens)


def _quieten_asyncua() -> None:
    """asyncua tells every request at info, and a client's mistakes as errors of the server."""
    logging.getLogger("asyncua").setLevel(logging.WARNING)
    logging.getLogger("asyncua.common.connection").setLevel(logging.CRITICAL)  # a line for each frame of a flood
    logging.getLogger("asyncua.server.uaprocessor").addFilter(_not_a_fault)


def _not_a_fault(record: logging.LogRecord) -> bool:
    return "service fault" not in str(record.msg)
