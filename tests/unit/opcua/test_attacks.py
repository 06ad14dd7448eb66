"""What somebody tries who has not logged in, or is not who it says, over a plain socket: nothing of it works."""

import asyncio
import struct
import tracemalloc
from typing import Self

import pytest
import pytest_asyncio
import structlog
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from bridge.opcua import encoding
from bridge.opcua.slowdown import Slowdown
from tests.unit.opcua.certificates import party
from tests.unit.opcua.helpers import read
from tests.unit.opcua.raw import Raw, hello
from tests.unit.opcua.test_getting_in import activation, created, sealed, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY = struct.pack("<i", 50_000_000)
NONE_POLICY = b"http://opcfoundation.org/UA/SecurityPolicy#None"


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _closed():
    yield
    await Raw.close_all()


# Bombs before the login


def extension_object(name: str, body: bytes) -> bytes:
    type_id = getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary")
    return encoding.node_id(ua.NodeId(type_id)) + b"\x01" + struct.pack("<i", len(body)) + body


#: an operand of a filter, which is a Variant: an array of 50 million nulls, which take no bytes
BOMB = extension_object("LiteralOperand", b"\x80" + MANY)


def header(service: str, token: ua.NodeId, additional: bytes) -> bytes:
    """TypeId and RequestHeader with an AdditionalHeader."""
    type_id = getattr(ua.ObjectIds, f"{service}Request_Encoding_DefaultBinary")
    plain = struct_to_binary(ua.RequestHeader(AuthenticationToken=token))
    assert plain.endswith(b"\0\0\0")
    return struct.pack("<BBH", 1, 0, type_id) + plain[:-3] + additional


BODIES = {
    "GetEndpoints": struct_to_binary(ua.GetEndpointsParameters()),
    "FindServers": struct_to_binary(ua.FindServersParameters()),
    "CreateSession": struct_to_binary(ua.CreateSessionParameters()),
    "ActivateSession": struct_to_binary(ua.ActivateSessionParameters()),
    "CloseSession": b"\x01",
    "RegisterServer": struct_to_binary(ua.RegisteredServer()),
    "Read": struct.pack("<di", 0.0, 2) + struct.pack("<i", 0),
}


class Cost:
    """How much memory was taken at most (bytes)."""

    def __enter__(self) -> Self:
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.mark.parametrize("service", BODIES)
async def test_what_rides_in_the_header_of_a_request_is_not_looked_into(site, service):
    """U26"""
    raw = await Raw.open(site)
    with Cost() as cost:
        answer = await raw.status(header(service, raw.token, BOMB) + BODIES[service])
    assert answer in ("Good", "BadSessionIdInvalid", "BadServiceUnsupported")
    assert cost.most < 20_000_000


async def test_an_identity_token_that_is_none_is_not_looked_into(site):
    """U26"""
    raw = await Raw.open(site)
    await created(raw)
    signature = struct_to_binary(ua.SignatureData())
    body = signature + encoding.count(0) * 2 + BOMB + signature
    with Cost() as cost:
        assert await raw.status(header("ActivateSession", raw.token, b"\0\0\0") + body) == "BadIdentityTokenRejected"
    assert cost.most < 20_000_000


async def test_what_rides_in_the_header_of_an_opening_is_not_looked_into(site):
    """U26"""
    raw = await Raw.connect(site)
    raw.writer.write(hello(site.server.endpoint))
    await raw.frame()
    algorithm = struct_to_binary(ua.AsymmetricAlgorithmHeader(SecurityPolicyURI=NONE_POLICY.decode()))
    wanted = ua.OpenSecureChannelParameters(SecurityMode=ua.MessageSecurityMode.None_, RequestedLifetime=60_000)
    request = header("OpenSecureChannel", ua.NodeId(), BOMB) + struct_to_binary(wanted)
    body = algorithm + struct.pack("<II", 1, 1) + request
    with Cost() as cost:
        raw.writer.write(struct.pack("<4sII", b"OPNF", 12 + len(body), 0) + body)
        assert (await raw.frame())[:3] == b"OPN"
    assert cost.most < 20_000_000


@pytest.mark.parametrize("kind", [b"ACKF", b"ERRF", b"RHEF"])
async def test_messages_that_only_a_server_sends_change_no_limit_and_end_the_connection(site, kind):
    """U25: asyncua takes the buffer sizes of an Acknowledge for its own."""
    raw = await Raw.open(site)
    served = site.server._server.bserver.clients[-1].processor
    before = vars(served._limits).copy()
    raw.writer.write(struct.pack("<4sI5I", kind, 28, 0, 2**32 - 1, 2**32 - 1, 0, 0))
    assert await raw.error() == "BadTcpMessageTypeInvalid"
    assert vars(served._limits) == before


async def test_an_answer_does_not_repeat_what_a_stranger_has_sent_many_times(site):
    """GetEndpoints names the host that was asked for in each endpoint."""
    raw = await Raw.open(site)
    asked = ua.GetEndpointsParameters(f"opc.tcp://{'x' * 60_000}:4840/")
    raw.send(raw.header("GetEndpoints") + struct_to_binary(asked))
    assert len((await raw.message())[1]) < 60_000


async def test_what_a_client_says_of_itself_is_cut_before_others_read_it(site, client):
    raw = await Raw.open(site)
    request = ua.CreateSessionRequest()
    request.Parameters.SessionName = "x" * 30_000
    request.Parameters.ClientDescription.DiscoveryUrls = ["y"] * 900
    request.Parameters.ClientDescription.ApplicationName = ua.LocalizedText("z" * 30_000)
    (await raw.ask(request, ua.CreateSessionResponse)).ResponseHeader.ServiceResult.check()
    array = ua.ObjectIds.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray
    shown = repr(await client.get_node(ua.NodeId(array)).read_value())
    assert "xxx" in shown
    assert len(shown) < 20_000 * len(site.server._server.iserver.clients())
    assert "'y'" not in shown


@pytest.mark.parametrize("service", ["GetEndpoints", "FindServers"])
async def test_lists_with_nulls_in_them_are_answered_and_cost_no_line_of_the_log(site, service):
    raw = await Raw.open(site)
    text = encoding.string(None)
    nulls = encoding.count(3) + encoding.string(None) * 3
    with structlog.testing.capture_logs() as lines:
        assert await raw.status(raw.header(service) + text + nulls + nulls) == "Good"
    assert lines == []


# Names


NAMES = [b"\xff\xfe", b"\xed\xa0\x80", b"a\0b", b"line\nbreak", b"'; DROP TABLE audit; --", b"\x1b[2J", b"x" * 5_000]


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_is_no_text_or_would_be_misread_harms_nobody(site, client, name):
    """S05: whatever is told of the login can be read and stored."""
    raw = await Raw.open(site)
    await created(raw)
    fields = (None, name, b"secret", None)
    token_ = b"".join(encoding.bytestring(field) for field in fields)
    signature = struct_to_binary(ua.SignatureData())
    body = signature + encoding.count(0) * 2 + extension_object("UserNameIdentityToken", token_) + signature
    assert await raw.status(header("ActivateSession", raw.token, b"\0\0\0") + body) in (
        *("BadDecodingError", "BadIdentityTokenRejected", "BadUserAccessDenied"),
    )
    told = await read(client, "Bridge.Security.Clients.LastFailedLogin")
    assert told.StatusCode.name == "Good"
    assert len(told.Value.Value) < 200
    for record in site.audit:
        record.user.encode()


# Passwords


async def refusals(site, secrets) -> set[str]:
    found = set()
    for make in secrets:
        site.server._guard.slowdown = Slowdown()
        raw = await Raw.open(site)
        nonce = (await created(raw)).ServerNonce
        found.add(await activation(raw, make(nonce)))
        await raw.close()
    return found


async def test_nobody_learns_how_near_an_encrypted_password_came(site):
    """U11: garbage, another key's, a wrong nonce, a wrong length and a wrong password look alike."""

    def changed(name: str, secret: bytes, **fields: object) -> ua.UserNameIdentityToken:
        made = token(site, name, secret)
        for field, value in fields.items():
            setattr(made, field, value)
        return made

    made = [
        lambda nonce: token(site, "olga", sealed(b"wrong", nonce)),
        lambda nonce: token(site, "nobody", sealed(b"done", nonce)),
        lambda nonce: token(site, "olga", sealed(b"done", bytes(32))),
        lambda nonce: token(site, "olga", sealed(b"done", nonce)[:-1]),
        lambda nonce: token(site, "olga", b""),
        lambda nonce: token(site, "olga", (2**32 - 1).to_bytes(4, "little") + b"done" + nonce),
        lambda nonce: token(site, "olga", sealed(b"\xff", nonce)),
        lambda nonce: changed("olga", sealed(b"done", nonce), Password=bytes(256)),
        lambda nonce: changed("olga", sealed(b"done", nonce), Password=b"\xff" * 256),
        lambda nonce: changed("olga", sealed(b"done", nonce), Password=bytes(255)),
    ]
    assert await refusals(site, made) == {"BadUserAccessDenied"}


async def test_each_refused_password_takes_one_look_at_a_hash(site, monkeypatch):
    """U11: so that how long it takes says nothing either."""
    looks = []
    users = site.server._users
    check = users._check
    monkeypatch.setattr(users, "_check", lambda stored, password: looks.append(stored) or check(stored, password))
    made = [
        lambda nonce: token(site, "olga", sealed(b"wrong", nonce)),
        lambda nonce: token(site, "nobody", sealed(b"done", nonce)),
        lambda nonce: token(site, "olga", sealed(b"done", bytes(32))),
        lambda nonce: token(site, "olga", b""),
    ]
    await refusals(site, made)
    assert len(looks) == len(made)
    assert all(looks)


# Sessions


async def test_a_refused_activation_of_somebody_elses_session_is_noted(site):
    """U04, U19: olga has a session; emma, whose password is right, tries to take it from another connection."""
    own = await Raw.open(site)
    nonce = (await created(own)).ServerNonce
    assert await activation(own, token(site, "olga", sealed(b"done", nonce))) == "Good"
    session = site.server._server.iserver.lookup_external_session(own.token)
    site.audit.clear()
    thief = await Raw.open(site)
    thief.token = own.token
    assert await activation(thief, token(site, "emma", sealed(b"made", session.nonce))) == "BadUserAccessDenied"
    (entry,) = site.audit
    assert (entry.action, entry.user, entry.status) == ("login", "emma", "BadUserAccessDenied")
    assert (entry.address, entry.session) == ("127.0.0.1", str(session.session_id.Identifier))
    assert session.user.name == "olga"
    assert site.server._server.iserver.lookup_external_session(own.token) is session


async def test_without_security_nobody_has_the_certificate_that_it_shows(start_site, tmp_path):
    """U10, U19: it takes over nobody's session with it, is noted under nobody's, and waits for its own failures."""
    site = await start_site(trusts_everybody=False)
    victim = party()
    folder = tmp_path / "pki" / "trusted" / "certs"
    folder.mkdir(parents=True)
    (folder / "victim.der").write_bytes(victim.der)
    async with await victim.secure(site.client(), tmp_path / "victim", mode="Sign") as client:
        thief = await Raw.open(site, victim.der)
        thief.token = (
            client.uaclient.protocol.authentication_token
        )  # which all can read on a channel without encryption
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
        assert await thief.status(thief.encode(request)) == "BadSessionIdInvalid"
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
    site.audit.clear()
    waited = []
    slept = site.server._guard.slowdown._sleep
    site.server._guard.slowdown._sleep = lambda seconds: waited.append(seconds) or slept(0)
    for number in range(4):
        raw = await Raw.open(site, party(f"guesser {number}").der)
        nonce = (await created(raw)).ServerNonce
        assert await activation(raw, token(site, "olga", sealed(b"wrong", nonce))) == "BadUserAccessDenied"
    assert {record.certificate for record in site.audit} == {""}
    assert len(waited) == 1


async def test_a_session_that_a_restart_has_ended_is_no_failed_login(site):
    """Every client tries its old session first: that is no attack."""
    before = site.tree.bridge.value("Security.Clients.FailedLogins")
    raw = await Raw.open(site)
    raw.token = ua.NodeId(bytes(32), 0)
    assert await activation(raw, token(site, "olga", b"x")) == "BadSessionIdInvalid"
    assert (site.audit, site.tree.bridge.value("Security.Clients.FailedLogins")) == ([], before)


async def test_two_activations_at_once_do_not_both_win(site):
    """U04: the nonce is good for one of them."""
    own, other = await Raw.open(site), await Raw.open(site)
    nonce = (await created(own)).ServerNonce
    assert await activation(own, token(site, "olga", sealed(b"done", nonce))) == "Good"
    other.token = own.token
    fresh = site.server._server.iserver.lookup_external_session(own.token).nonce
    same = token(site, "olga", sealed(b"done", fresh))
    answers = await asyncio.gather(activation(own, same), activation(other, same))
    assert answers.count("Good") == 1


async def test_a_flood_of_refusals_does_not_fill_the_log(site):
    with structlog.testing.capture_logs() as lines:
        for _ in range(300):
            raw = await Raw.connect(site)
            raw.writer.write(hello(site.server.endpoint) + struct.pack("<4sI", b"MSGF", 24) + bytes(16))
            await raw.frame()
            assert (await raw.error()) == "BadSecureChannelClosed"
    assert len(lines) < 280
