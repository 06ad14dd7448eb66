"""What each role may do at each node, what is hidden, and what is noted of it all."""

import uuid
from fnmatch import fnmatchcase

import pytest
from asyncua import ua

from bridge.points.roles import ROLES
from tests.unit.opcua.asking import Asking, item
from tests.unit.opcua.helpers import MODELS, NOW, TABLE, call, read, text, write
from tests.unit.opcua.raw import Raw
from tests.unit.opcua.test_getting_in import activation, created, sealed, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

V = ua.VariantType
USERS = {"observer": "otto", "operator": "olga", "engineer": "emma", "admin": "anna"}
TYPE, KEY, CERTIFICATE = (
    "Commands.Reset.Type",
    "Commands.ChangeConfiguration.Key",
    "Commands.InstallCertificate.Certificate",
)
LEAST = {TYPE: "operator", KEY: "engineer", CERTIFICATE: "admin"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("key", LEAST)
async def test_a_role_may_write_and_call_what_the_table_says_and_sees_so(site, role, key):
    """U14"""
    station = site.station()
    path, folder = f"{station.path}.{key}", f"{station.path}.{key.rpartition('.')[0]}"
    may = ROLES.index(role) >= ROLES.index(LEAST[key])
    async with site.client(USERS[role]) as client:
        assert await write(client, (path, text("x"))) == ["Good" if may else "BadUserAccessDenied"]
        assert (await read(client, path, ua.AttributeIds.UserAccessLevel)).Value.Value == (3 if may else 1)
        assert (await read(client, f"{folder}.Call", ua.AttributeIds.UserExecutable)).Value.Value is may
        refused = (await call(client, folder)).StatusCode.name == "BadUserAccessDenied"
        assert refused is not may
    assert bool(site.writer.writes) is may


def needed(key: str) -> str:
    """What the table says, read anew: the first line that fits, and admin for what is in none."""
    if key.startswith("Commands."):
        return TABLE.roles.commands.get(key.split(".")[1], "admin")
    return next((role for pattern, role in TABLE.roles.points.items() if fnmatchcase(key, pattern)), "admin")


@pytest.mark.parametrize("version", MODELS)
@pytest.mark.parametrize("role", ROLES)
async def test_every_point_and_every_method_of_every_version_is_kept_from_who_may_not(site, role, version):
    """U14: each is tried, with a value of a type that none has and with too many arguments, so that nothing is done."""
    model, name = MODELS[version], f"All{version.replace('.', '')}{role}"
    station = site.tree.add_station(name, name, model.station.layout, "")
    connector = site.tree.add_connector(station, "Connector1", model.connector.layout)
    site.tree.set_online(station, NOW)
    points = [(group.path, row.key) for group in (station, connector) for row in group.layout.rows if row.writable]
    methods = [(group.path, key) for group in (station, connector) for key in group.layout.methods]
    wrong, many = ua.Variant(uuid.uuid4(), V.Guid), [ua.Variant()] * 100
    async with site.client(USERS[role]) as client:
        written = await write(client, *((f"{path}.{key}", wrong) for path, key in points))
        levels = await client.uaclient.read(
            ua.ReadParameters(
                NodesToRead=[
                    ua.ReadValueId(ua.NodeId(f"{path}.{key}", 2), ua.AttributeIds.UserAccessLevel)
                    for path, key in points
                ]
            )
        )
        called = []
        for start in range(0, len(methods), 50):
            requests = [
                ua.CallMethodRequest(
                    ua.NodeId(f"{path}.{key}".rpartition(".")[0], 2), ua.NodeId(f"{path}.{key}", 2), many
                )
                for path, key in methods[start : start + 50]
            ]
            called += [result.StatusCode.name for result in await client.uaclient.call(requests)]

    def may(key: str) -> bool:
        return ROLES.index(role) >= ROLES.index(needed(key))

    assert len(points) > 100
    assert len(methods) > 20
    assert written == ["BadTypeMismatch" if may(key) else "BadUserAccessDenied" for _, key in points]
    assert [bool(level.Value.Value & 2) for level in levels] == [may(key) for _, key in points]
    assert called == ["BadTooManyArguments" if may(key) else "BadUserAccessDenied" for _, key in methods]
    assert site.writer.writes == site.writer.calls == []


async def test_every_command_of_every_version_has_its_role():
    offered = {action for model in MODELS.values() for action in model.station.commands}
    assert offered == TABLE.roles.commands.keys()


async def test_every_writable_point_has_its_role():
    for model in MODELS.values():
        for row in (*model.station.layout.rows, *model.connector.layout.rows):
            if row.writable and not row.key.startswith("Commands."):
                assert any(TABLE.roles.needed(row.key) == role for role in ("operator", "engineer")), row.key


@pytest.mark.parametrize("role", ROLES)
async def test_nobody_is_asyncuas_administrator(site, role):
    """U12"""
    async with site.client(USERS[role]) as client:
        with pytest.raises(ua.UaStatusCodeError):
            await client.nodes.objects.add_variable(2, "mine", 1)
        with pytest.raises(ua.UaStatusCodeError):
            await client.delete_nodes([client.nodes.server])


# What is personal


def personal() -> set[str]:
    rows = (row for model in MODELS.values() for part in (model.station, model.connector) for row in part.layout.rows)
    return {row.key for row in rows if row.personal}


#: words in the names of points that hold tokens; what is listed is none
TOKEN_WORDS = ("idtag", "idtoken", "customer")
NO_TOKENS = {"Transaction.Start.IdTokenType"}


async def test_the_points_that_hold_tokens_are_personal():
    rows = {row.key for model in MODELS.values() for p in (model.station, model.connector) for row in p.layout.rows}
    named = {
        key
        for key in rows
        if any(word in key.rpartition(".")[2].lower() for word in TOKEN_WORDS) and key not in NO_TOKENS
    }
    assert named <= personal()
    assert {"MeterValues.Raw", "State.LastError", "Commands.SendLocalList.LocalAuthorizationList"} <= personal()
    for action in ("RemoteStartTransaction", "RequestStartTransaction", "ReserveNow", "SendLocalList", "DataTransfer"):
        assert f"Commands.{action}.Request" in personal()
    assert "Commands.DataTransfer.Result.Response" in personal()
    assert "Commands.Reset.Request" not in personal()
    assert {"Status.Info", "DER.LastAlarm.Info", "Security.LastEvent.TechInfo"} <= personal()  # a station's own words
    for shown in ("Transaction.Energy", "Status.State", "Status.ErrorCode", "Status.VendorErrorCode"):
        assert shown not in personal()


TAG = "DEADBEEF"
HIDDEN = "Connector1.Transaction.IdTag"


async def shown(client, path: str) -> list[str]:
    """All that a client gets to see of a point: Read, with a range too, and what a subscription says."""
    answers = [await read(client, path)]
    part = ua.ReadValueId(ua.NodeId(path, 2), ua.AttributeIds.Value, IndexRange="0:3")
    answers += await client.uaclient.read(ua.ReadParameters(NodesToRead=[part]))
    asking = Asking(client)
    number = (await asking.subscribe()).SubscriptionId
    results = await asking.monitor(number, item(path), item("Bridge.Version", 2))
    answers += results
    answers.append(await asking.publish())
    return [repr(answer) for answer in answers]


async def test_an_observer_sees_no_id_tags_on_any_way_and_an_operator_does(site):
    station = site.station()
    site.set(station.connectors["Connector1"], "Transaction.IdTag", TAG)
    path = f"{station.path}.{HIDDEN}"
    async with site.client("otto") as observer:
        answers = await shown(observer, path)
        assert not any(TAG in answer or TAG[:4] in answer for answer in answers)
        assert (await read(observer, path)).StatusCode.name == "BadUserAccessDenied"
        assert (await read(observer, path, ua.AttributeIds.UserAccessLevel)).Value.Value == 0
        assert (await read(observer, path, ua.AttributeIds.AccessLevel)).Value.Value == 1
        assert (
            await read(observer, f"{station.path}.Connector1.Status.State")
        ).StatusCode.name != "BadUserAccessDenied"
    async with site.client("olga") as operator:
        answers = await shown(operator, path)
        assert sum(TAG in answer for answer in answers) >= 2
        assert (await read(operator, path, ua.AttributeIds.UserAccessLevel)).Value.Value == 1


async def test_id_tags_are_shown_to_observers_where_that_is_configured(start_site):
    site = await start_site(hide_personal=False)
    station = site.station()
    site.set(station.connectors["Connector1"], "Transaction.IdTag", TAG)
    async with site.client("otto") as observer:
        assert (await read(observer, f"{station.path}.{HIDDEN}")).Value.Value == TAG


async def test_who_becomes_an_observer_loses_what_it_monitored(site):
    """U05"""
    raw = await Raw.open(site)
    nonce = (await created(raw)).ServerNonce
    assert await activation(raw, token(site, "olga", sealed(b"done", nonce))) == "Good"
    session = next(each for each in site.server._server.iserver.clients() if each.auth_token == raw.token)
    made = await raw.ask(ua.CreateSubscriptionRequest(), ua.CreateSubscriptionResponse)
    assert made.Parameters.SubscriptionId in session.owned
    assert await activation(raw, token(site, "otto", sealed(b"seen", session.nonce))) == "Good"
    assert (session.user.name, session.owned) == ("otto", {})
    await raw.close()


# Audit


async def test_every_write_and_call_is_noted_with_who_from_where_and_how_it_ended(site):
    """U19"""
    station = site.station()
    path, folder = f"{station.path}.{TYPE}", f"{station.path}.Commands.Reset"
    async with site.client("olga") as client:
        await write(client, (path, text("Soft")), (path, ua.Variant(1, V.Int32)), ("Bridge.Version", text("x")))
        await call(client, folder, text("Hard"))
    login, *done, logout = site.audit
    assert {(record.user, record.role, record.address) for record in site.audit} == {("olga", "operator", "127.0.0.1")}
    assert len({record.session for record in site.audit}) == 1
    assert [(record.action, record.status) for record in (login, logout)] == [("login", "Good"), ("logout", "Good")]
    assert [(record.action, record.path, record.value, record.status) for record in done] == [
        ("write", path, "'Soft'", "Good"),
        ("write", path, "", "BadTypeMismatch"),
        ("write", "Bridge.Version", "", "BadNotWritable"),
        ("call", f"{folder}.Call", "['Hard']", "Good"),
    ]


async def test_a_flood_of_refused_writes_is_one_entry(site, client):
    """U19"""
    await write(client, *[("Bridge.Version", text("x"))] * 500)
    (entry,) = (record for record in site.audit if record.action == "write")
    assert entry.path == "Bridge.Version and 499 more"


async def test_a_failed_login_is_noted_counted_and_told(site):
    """U13, U19"""
    before = site.tree.bridge.value("Security.Clients.FailedLogins")
    with pytest.raises(ua.uaerrors.BadUserAccessDenied):
        await site.client("olga", "wrong").connect()
    (entry,) = (record for record in site.audit if record.action == "login")
    assert (entry.user, entry.status) == ("olga", "BadUserAccessDenied")
    assert site.tree.bridge.value("Security.Clients.FailedLogins") == before + 1
    assert site.tree.bridge.value("Security.Clients.LastFailedLogin") == "olga at 127.0.0.1: BadUserAccessDenied"
    assert "wrong" not in repr(site.audit)


async def test_who_comes_and_goes_without_a_name_does_not_bury_the_audit_trail(site, monkeypatch):
    """U19: what is done is noted all the same, and users' logins."""
    path = f"{site.station().path}.Config.HeartbeatInterval"
    raw = await Raw.open(site)
    await created(raw)
    for _ in range(600):
        await raw.activate()
    async with site.client() as nobody:
        assert await write(nobody, (path, ua.Variant(60, ua.VariantType.Int32))) == ["Good"]
    async with site.client("olga"):
        pass
    assert len([record for record in site.audit if record.user == "anonymous" and record.action == "login"]) < 550
    assert [record.path for record in site.audit if record.action == "write"] == [path]
    assert [record.action for record in site.audit if record.user == "olga"] == ["login", "logout"]
    await raw.close()


async def test_nobody_can_bury_the_audit_trail_under_refusals(start_site):
    """U19"""
    site = await start_site()
    async with site.client("otto") as client:
        requests = [ua.CallMethodRequest(ua.NodeId("Bridge", 2), ua.NodeId(f"no{n}", 2), []) for n in range(100)]
        for _ in range(10):
            await client.uaclient.call(requests)
    assert len([record for record in site.audit if record.action == "call"]) < 600
    assert {record.status for record in site.audit if record.action == "logout"} == {"Good"}
