"""A real tree, a real server, and the other side of its writes."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher
from asyncua import Client, ua

from bridge.errors import BridgeError
from bridge.opcua.server import OpcUaServer
from bridge.opcua.settings import SECURE, Account, OpcUaSettings
from bridge.points.rows import Method, Row, Value
from bridge.points.table import load_table
from bridge.points.tree import Group, Quality, Station, Tree, Update
from bridge.project import Project, shipped
from bridge.station.model import bridge_layout, build_models, layouts
from bridge.store.records import AuditRecord

NOW = 1_700_000_000.0
PASSWORDS = {"otto": "seen", "olga": "done", "emma": "made", "anna": "kept"}
_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
USERS = {
    "otto": Account(role="observer", password_hash=_HASHER.hash("seen")),
    "olga": Account(role="operator", password_hash=_HASHER.hash("done")),
    "emma": Account(role="engineer", password_hash=_HASHER.hash("made")),
    "anna": Account(role="admin", password_hash=_HASHER.hash("kept")),
}

TABLE = load_table(Project(shipped()).datapoints())
MODELS = build_models(TABLE)
MODEL = MODELS["1.6"]
LAYOUTS = layouts(TABLE, MODELS)
_numbers = itertools.count(1)


@dataclass
class Recorder:
    """Writes down what it is given. `refusals` and `failures` say, by the row's or method's key, what it raises."""

    writes: list[tuple[str, Value, str]] = field(default_factory=list)
    calls: list[tuple[str, list[Value], str]] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    waits: dict[str, asyncio.Event] = field(default_factory=dict)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, group: Group, slot: int, value: Value, user: str) -> None:
        key = f"{group.path}.{group.row(slot).key}"
        if key in self.refusals:
            raise self.refusals[key]
        self.writes.append((key, value, user))

    def shown(self, group: Group, slot: int, value: Value) -> str:
        return repr(value)

    def shown_arguments(self, group: Group, method: Method, arguments: Sequence[Value]) -> str:
        return repr(list(arguments))

    async def call(self, group: Group, method: Method, arguments: Sequence[Value], user: str) -> Sequence[Value]:
        key = f"{group.path}.{method.key}"
        self.calls.append((key, list(arguments), user))
        self.started.set()
        if key in self.waits:
            await self.waits[key].wait()
        if key in self.refusals:
            raise self.refusals[key]
        return "Accepted", '{"status":"Accepted"}'


@dataclass
class Site:
    """A server over a tree. Every test takes a new station, so that tests share the server only."""

    tree: Tree
    writer: Recorder
    server: OpcUaServer
    audit: list[AuditRecord] = field(default_factory=list)

    def station(self, area: str = "", *, connectors: int = 1, online: bool = True) -> Station:
        name = f"CP{next(_numbers):03}"
        station = self.tree.add_station(name, name, MODEL.station.layout, area)
        for number in range(1, connectors + 1):
            self.tree.add_connector(station, f"Connector{number}", MODEL.connector.layout)
        if online:
            self.tree.set_online(station, NOW - 60)
        return station

    def set(
        self, group: Group, key: str, value: Value, time: float | None = None, quality: Quality = Quality.GOOD
    ) -> None:
        slot = group.slot(key)
        assert slot is not None, key
        self.tree.apply(group, [Update(slot, value, time, quality)], NOW)

    def client(self, user: str = "", password: str | None = None) -> Client:
        client = Client(self.server.endpoint)
        if user:
            client.set_user(user)
            client.set_password(PASSWORDS[user] if password is None else password)
        return client


def make_site(folder: Path, **changes: object) -> Site:
    tree = Tree(bridge_layout(TABLE))
    writer = Recorder()
    values: dict[str, object] = {
        "endpoint": "opc.tcp://127.0.0.1:0/ocpp-bridge",
        "security": ("None", *SECURE),
        "anonymous": "engineer",
        "pki_dir": folder / "pki",
        "users": USERS,
        "roles": TABLE.roles,
        "trusts_everybody": True,
    }
    settings = OpcUaSettings(**{**values, **changes})  # type: ignore[arg-type]
    audit: list[AuditRecord] = []
    server = OpcUaServer(
        tree,
        writer,
        settings,
        software_version="1.2.3",
        layouts=LAYOUTS,
        dynamic=TABLE.measurands.row_of,
        audit=audit.extend,
    )
    return Site(tree, writer, server, audit)


def point(client: Client, path: str):
    return client.get_node(ua.NodeId(path, 2))


def row_of(group: Group, key: str) -> Row:
    slot = group.slot(key)
    assert slot is not None, key
    return group.row(slot)


async def read(client: Client, path: str, attribute: ua.AttributeIds = ua.AttributeIds.Value) -> ua.DataValue:
    """One attribute, whatever its status."""
    return (await read_raw(client, [ua.ReadValueId(ua.NodeId(path, 2), attribute)]))[0]


async def read_raw(
    client: Client, items: list[ua.ReadValueId], times: ua.TimestampsToReturn = ua.TimestampsToReturn.Both
) -> list[ua.DataValue]:
    params = ua.ReadParameters(NodesToRead=items, TimestampsToReturn=times)
    return await client.uaclient.read(params)


async def write(client: Client, *items: tuple[str, ua.Variant | ua.DataValue]) -> list[str]:
    """Writes in one request; the names of the StatusCodes."""
    params = ua.WriteParameters(
        [
            ua.WriteValue(
                ua.NodeId(path, 2),
                ua.AttributeIds.Value,
                Value=value if isinstance(value, ua.DataValue) else ua.DataValue(value),
            )
            for path, value in items
        ]
    )
    return [code.name for code in await client.uaclient.write(params)]


async def call(client: Client, folder: str, *arguments: ua.Variant, method: str = "") -> ua.CallMethodResult:
    request = ua.CallMethodRequest(ua.NodeId(folder, 2), ua.NodeId(method or f"{folder}.Call", 2), list(arguments))
    return (await client.uaclient.call([request]))[0]


def text(value: str | None) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.String)


def status_error(status: str) -> BridgeError:
    error = BridgeError(status)
    error.status = status
    return error


class Changes:
    """What a subscription heard, in order; `wait(n)` until there are n."""

    def __init__(self) -> None:
        self.values: list[tuple[str, ua.DataValue]] = []
        self._more = asyncio.Event()

    def datachange_notification(self, node, value, data) -> None:
        self.values.append((str(node.nodeid.Identifier), data.monitored_item.Value))
        self._more.set()

    async def wait(self, count: int) -> list[ua.DataValue]:
        async with asyncio.timeout(10):
            while len(self.values) < count:
                self._more.clear()
                await self._more.wait()
        return [value for _, value in self.values]
