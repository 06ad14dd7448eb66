"""Connections and chunks: what a client may not send, and what its mistakes cost the others."""

import asyncio
import contextlib
import struct

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from bridge.opcua import connection, encoding
from bridge.opcua.settings import Limits
from tests.unit.opcua.helpers import read
from tests.unit.opcua.raw import Raw, hello, status_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

KNOWN = encoding.point_id("Bridge.StationsKnown")
ITEM = KNOWN + struct.pack("<IiHi", ua.AttributeIds.Value, -1, 0, -1)
READ_HEAD = struct.pack("<di", 0.0, 2)
TWO_BILLION = struct.pack("<i", 2**31 - 1)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _closed():
    yield
    await Raw.close_all()


@pytest_asyncio.fixture(loop_scope="session")
async def raw(site):
    return await Raw.activated(site)


def read_request(*items: bytes) -> bytes:
    return READ_HEAD + encoding.count(len(items)) + b"".join(items)


async def test_requests_that_come_together_are_answered_in_their_order(raw):
    chunks = [raw.chunk(raw.header("Read", number) + read_request(ITEM), number) for number in range(1, 400)]
    raw.writer.write(b"".join(chunks))
    for number in range(1, 400):
        request_id, body = await raw.message()
        assert request_id == number
        assert struct.unpack_from("<I", body, 12) == (number,)
        assert status_of(body) == "Good"


async def test_a_request_that_comes_byte_by_byte_is_answered(raw):
    for byte in raw.chunk(raw.header("Read") + read_request(ITEM)):
        raw.writer.write(bytes([byte]))
        await raw.writer.drain()
    assert status_of((await raw.message())[1]) == "Good"


async def test_a_request_of_several_chunks_is_answered(raw):
    body = raw.header("Read") + read_request(*[ITEM] * 50)
    raw.writer.write(
        raw.chunk(body[:100], 7, b"MSGC") + raw.chunk(body[100:900], 7, b"MSGC") + raw.chunk(body[900:], 7)
    )
    assert (await raw.message())[0] == 7
    assert await raw.status(raw.header("Read") + read_request(ITEM)) == "Good"


async def test_a_request_that_is_given_up_is_forgotten(raw):
    abort = struct.pack("<Ii", ua.StatusCodes.BadRequestCancelledByClient, -1)
    raw.writer.write(raw.chunk(raw.header("Read"), 7, b"MSGC") + raw.chunk(abort, 7, b"MSGA"))
    assert await raw.status(raw.header("Read") + read_request(ITEM)) == "Good"


async def test_an_answer_comes_in_chunks_that_fit_the_clients_buffer(site):
    site.station()
    raw = await Raw.connect(site)
    raw.writer.write(hello(site.server.endpoint, buffer=8_192))
    assert struct.unpack_from("<III", await raw.frame(), 8) == (0, 65_535, 8_192)
    async with site.client() as client:
        limits = site.server._server.bserver.clients[-1].processor._limits
        limits.max_send_buffer = 8_192
        items = [ua.ReadValueId(ua.NodeId("Stations", 2), ua.AttributeIds.Description)] * 1_000
        values = await client.uaclient.read(ua.ReadParameters(NodesToRead=items))
        assert {value.Value.Value.Text for value in values} == {"All charging stations, in their areas"}


WRONG = {
    "a channel of somebody else": lambda raw, body: raw.chunk(body)[:8] + b"\xff\0\0\0" + raw.chunk(body)[12:],
    "a token that there is not": lambda raw, body: raw.chunk(body)[:12] + b"\xff\0\0\0" + raw.chunk(body)[16:],
    "a sequence number again": lambda raw, body: raw.chunk(body, sequence=1),
    "a sequence number left out": lambda raw, body: raw.chunk(body, sequence=raw.sequence + 2),
    "a kind of message that there is not": lambda raw, body: b"XYZF" + raw.chunk(body)[4:],
    "a kind of chunk that there is not": lambda raw, body: b"MSGX" + raw.chunk(body)[4:],
    "a chunk that is too short": lambda raw, body: struct.pack("<4sII", b"MSGF", 12, raw.channel),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
async def test_a_channel_that_is_out_of_step_ends_and_says_so(site, client, raw, make):
    raw.writer.write(make(raw, raw.header("Read") + read_request(ITEM)))
    assert (await raw.error()).startswith("Bad")
    assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (struct.pack("<4sI", b"MSGF", 2**31), "BadTcpMessageTooLarge"),
        (struct.pack("<4sI", b"MSGF", 65_536), "BadTcpMessageTooLarge"),
        (struct.pack("<4sI", b"HELF", 0), "BadTcpMessageTooLarge"),
        (struct.pack("<4sI", b"HELF", 8), "BadTcpMessageTooLarge"),
    ],
)
async def test_a_chunk_of_a_size_that_cannot_be_ends_the_connection_at_once(site, head, code):
    """U25"""
    raw = await Raw.connect(site)
    raw.writer.write(head)
    assert await raw.error() == code


@pytest.mark.parametrize("buffer", [0, 1, 25, 8_191])
async def test_a_client_without_room_for_a_chunk_is_refused(site, buffer):
    """U27"""
    raw = await Raw.connect(site)
    raw.writer.write(hello(site.server.endpoint, buffer=buffer))
    assert await raw.error() == "BadConnectionRejected"


async def test_a_message_before_the_channel_is_open_ends_the_connection(site):
    """U06"""
    raw = await Raw.connect(site)
    raw.writer.write(hello(site.server.endpoint))
    await raw.frame()
    raw.send(raw.header("GetEndpoints"))
    assert (await raw.error()).startswith("Bad")


async def test_somebody_without_a_session_cannot_fill_the_memory(site):
    """U25"""
    raw = await Raw.open(site)
    part = bytes(60_000)
    with contextlib.suppress(ConnectionError):
        for _ in range(40):
            raw.writer.write(raw.chunk(part, 7, b"MSGC"))
            await raw.writer.drain()
    with contextlib.suppress(ConnectionError):
        await raw.reader.read()
    assert raw.reader.at_eof() or raw.reader.exception()


def opening(uri: bytes, certificate: bytes, thumbprint: bytes = struct.pack("<i", -1)) -> bytes:
    """An OPN frame whose AsymmetricAlgorithmHeader is made by hand; each part with its length."""
    body = uri + certificate + thumbprint + bytes(100)
    return struct.pack("<4sII", b"OPNF", 12 + len(body), 0) + body


NONE_URI = b"http://opcfoundation.org/UA/SecurityPolicy#None"
SECURE_URI = NONE_URI.replace(b"None", b"Basic256Sha256")
NONE, SECURE = (struct.pack("<i", len(uri)) + uri for uri in (NONE_URI, SECURE_URI))
HEADERS = {
    "a policy of a negative length": opening(struct.pack("<i", -4), struct.pack("<i", -4)),
    "a policy of two billion bytes": opening(TWO_BILLION, TWO_BILLION),
    "a certificate of a negative length": opening(
        struct.pack("<i", len(SECURE_URI)) + SECURE_URI, struct.pack("<i", -9)
    ),
    "a certificate of two billion bytes": opening(SECURE, TWO_BILLION),
    "no certificate": opening(SECURE, struct.pack("<i", -1)),
    "a certificate that is none": opening(
        struct.pack("<i", len(SECURE_URI)) + SECURE_URI, struct.pack("<i", 3) + b"abc"
    ),
    "a policy that there is not": opening(struct.pack("<i", 4) + b"what", struct.pack("<i", -1)),
    "an opening that is cut": opening(NONE, struct.pack("<i", -1))[:70],
}


@pytest.mark.parametrize("frame", HEADERS.values(), ids=HEADERS)
async def test_an_opening_that_cannot_be_read_ends_its_connection_and_costs_nobody_else(site, client, frame):
    """U26: before anybody has said who it is."""
    raw = await Raw.connect(site)
    raw.writer.write(hello(site.server.endpoint))
    await raw.frame()
    raw.writer.write(frame[:4] + struct.pack("<I", len(frame)) + frame[8:])
    assert (await raw.error()).startswith("Bad")
    assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_one_connection_has_one_session_however_often_it_asks(site):
    """U22"""
    raw, sessions = await Raw.open(site), site.server._server.iserver.clients
    before = len(sessions())
    for _ in range(50):
        created = await raw.ask(ua.CreateSessionRequest(), ua.CreateSessionResponse)
        created.ResponseHeader.ServiceResult.check()
    assert len(sessions()) == before + 1


#: a null text, and two billion texts, each of which is said to be -4 bytes long: behind it stands itself again
BACKWARDS = struct.pack("<iii", -1, 2**31 - 1, -4)
MALFORMED = {
    "Read": [
        READ_HEAD + TWO_BILLION,
        READ_HEAD + struct.pack("<i", -2),
        read_request(ITEM)[:-1],
        b"",
        read_request(b"\xff" * 99),
    ],
    "Write": [TWO_BILLION, encoding.count(1) + KNOWN + struct.pack("<Ii", 13, -1) + bytes([1, 0x98]) + TWO_BILLION],
    "Call": [TWO_BILLION, encoding.count(1) + KNOWN + KNOWN + TWO_BILLION],
    "Browse": [TWO_BILLION, bytes(2) + bytes(12) + bytes(4) + TWO_BILLION],
    "BrowseNext": [b"\0" + TWO_BILLION, b"\0" + encoding.count(1) + TWO_BILLION],
    "TranslateBrowsePathsToNodeIds": [TWO_BILLION, encoding.count(1) + KNOWN + TWO_BILLION],
    "RegisterNodes": [TWO_BILLION],
    "UnregisterNodes": [TWO_BILLION],
    "ActivateSession": [TWO_BILLION, b"", b"\xff" * 50],
    "GetEndpoints": [TWO_BILLION, b"", BACKWARDS],
    "FindServers": [TWO_BILLION, b"", BACKWARDS],
    "CloseSession": [b""],
}


@pytest.mark.parametrize(("service", "body"), [(name, body) for name, bodies in MALFORMED.items() for body in bodies])
async def test_a_malformed_request_is_a_fault_and_nothing_more(raw, service, body):
    """U26"""
    assert await raw.status(raw.header(service) + body) == "BadDecodingError"
    assert await raw.status(raw.header("Read") + read_request(ITEM)) == "Good"


@pytest.mark.parametrize("cut", [3, 4, 10, 30, 60])
async def test_a_request_without_a_whole_header_is_a_fault(raw, cut):
    assert await raw.status(raw.header("Read")[:cut]) == "BadDecodingError"


async def test_a_malformed_write_writes_nothing(site, raw):
    path = f"{site.station().path}.Config.HeartbeatInterval"
    item = ua.WriteValue(
        ua.NodeId(path, 2), ua.AttributeIds.Value, None, ua.DataValue(ua.Variant(60, ua.VariantType.Int32))
    )
    body = encoding.count(2) + struct_to_binary(item) + struct_to_binary(item)[:-1]
    assert await raw.status(raw.header("Write") + body) == "BadDecodingError"
    assert site.writer.writes == []


async def test_a_null_array_bomb_is_a_fault(raw):
    """U26"""
    bomb = bytes([1, 0x98]) + struct.pack("<i", 60_000) + bytes(60_000)
    item = KNOWN + struct.pack("<Ii", ua.AttributeIds.Value, -1) + bomb
    body = raw.header("Write") + encoding.count(2) + item + item
    raw.writer.write(raw.chunk(body[:60_000], 7, b"MSGC") + raw.chunk(body[60_000:120_000], 7, b"MSGC"))
    raw.writer.write(raw.chunk(body[120_000:], 7))
    assert status_of((await raw.message())[1]) == "BadEncodingLimitsExceeded"


async def test_a_service_that_there_is_not_is_a_fault(raw):
    for service in ("HistoryRead", "HistoryUpdate", "QueryFirst", "Cancel", "AddNodes", "DeleteReferences"):
        assert await raw.status(raw.header(service)) == "BadServiceUnsupported"
    unknown = struct.pack("<BBH", 1, 0, 9_999) + raw.header("Read")[4:]
    assert await raw.status(unknown) == "BadServiceUnsupported"


async def test_a_session_that_is_not_activated_can_read_nothing(site):
    raw = await Raw.open(site)
    assert await raw.status(raw.header("Read") + read_request(ITEM)) == "BadSessionIdInvalid"
    created = await raw.ask(ua.CreateSessionRequest(), ua.CreateSessionResponse)
    raw.token = created.Parameters.AuthenticationToken
    assert await raw.status(raw.header("Read") + read_request(ITEM)) == "BadSessionNotActivated"


@pytest.mark.parametrize("asked", [float("nan"), float("inf"), float("-inf")])
async def test_a_session_timeout_that_is_no_number_is_the_shortest(site, asked):
    async def revised(milliseconds: float) -> float:
        create = ua.CreateSessionRequest()
        create.Parameters.RequestedSessionTimeout = milliseconds
        created = await (await Raw.open(site)).ask(create, ua.CreateSessionResponse)
        return created.Parameters.RevisedSessionTimeout

    shortest = await revised(0.0)
    assert shortest > 0
    assert await revised(asked) == shortest
    await Raw.close_all()


async def test_more_sessions_than_allowed_are_refused_until_one_ends(start_site):
    site = await start_site(limits=Limits(max_sessions=1))
    first = site.client()
    await first.connect()
    with pytest.raises(ua.uaerrors.BadTooManySessions):
        await site.client().connect()
    await first.disconnect()
    async with site.client() as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_sessions_that_were_dropped_lock_nobody_out(start_site):
    """U22"""
    site = await start_site(limits=Limits(max_sessions=5, max_connections=5))
    for _ in range(20):
        raw = await Raw.activated(site)
        raw.writer.transport.abort()
        async with asyncio.timeout(10):
            while site.server._server.iserver._external_sessions:  # noqa: ASYNC110 - nobody tells when one has gone
                await asyncio.sleep(0.01)
    async with site.client() as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_sessions_that_keep_their_subscriptions_for_a_client_that_is_gone_lock_nobody_out(start_site):
    """U22"""
    site = await start_site(limits=Limits(max_sessions=3))
    for _ in range(9):
        raw = await Raw.activated(site)
        created = await raw.ask(ua.CreateSubscriptionRequest(), ua.CreateSubscriptionResponse)
        created.ResponseHeader.ServiceResult.check()
        await raw.close()
    async with site.client() as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_more_connections_than_allowed_are_refused_while_all_are_used(start_site):
    site = await start_site(limits=Limits(max_connections=2))
    for _ in range(2):
        await Raw.activated(site)
    refused = await Raw.connect(site)
    assert await refused.reader.read() == b""


async def test_who_only_holds_connections_open_keeps_nobody_out(start_site):
    """U22: connections that say nothing, that have a channel, or a session that is not activated."""
    site = await start_site(limits=Limits(max_connections=3, max_sessions=1))
    held = [await Raw.connect(site), await Raw.open(site), await Raw.open(site)]
    created = await held[2].ask(ua.CreateSessionRequest(), ua.CreateSessionResponse)
    created.ResponseHeader.ServiceResult.check()
    for _ in range(3):
        async with site.client() as client:
            assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
    assert await held[0].reader.read() == b""


async def test_one_machine_has_only_so_many_connections(start_site):
    site = await start_site(limits=Limits(max_connections_per_address=2))
    first = await Raw.activated(site)
    await Raw.activated(site)
    refused = await Raw.connect(site)
    assert await refused.reader.read() == b""
    await first.close()
    async with asyncio.timeout(10):
        while len(site.server._server.bserver.clients) > 1:  # noqa: ASYNC110 - nobody tells when one has gone
            await asyncio.sleep(0.01)
    async with site.client() as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


@pytest.mark.parametrize("how", ["connect", "open"])
async def test_a_connection_without_a_session_is_closed_after_a_while(start_site, how, monkeypatch):
    monkeypatch.setattr(connection, "WITHOUT_SESSION", 0.05)
    site = await start_site()
    raw = await getattr(Raw, how)(site)
    async with asyncio.timeout(10):
        assert await raw.reader.read() == b""


async def test_a_session_that_nobody_uses_ends(start_site):
    site = await start_site()
    internal = site.server._server.iserver
    internal.min_session_timeout_ms = 50
    raw = await Raw.open(site)
    create = ua.CreateSessionRequest()
    create.Parameters.RequestedSessionTimeout = 50
    raw.token = (await raw.ask(create, ua.CreateSessionResponse)).Parameters.AuthenticationToken
    await raw.activate()
    async with asyncio.timeout(10):
        while internal.clients():  # noqa: ASYNC110 - nobody tells when one has gone
            await asyncio.sleep(0.01)
    assert (await raw.status(raw.header("Read") + read_request(ITEM))).startswith("BadSession")


async def test_an_answer_that_is_too_large_for_the_client_is_a_fault(start_site):
    site = await start_site(limits=Limits(max_message_size=70_000))
    async with site.client() as client:
        items = [ua.ReadValueId(ua.NodeId("Stations", 2), ua.AttributeIds.Description)] * 2_000
        with pytest.raises(ua.uaerrors.BadResponseTooLarge):
            await client.uaclient.read(ua.ReadParameters(NodesToRead=items))
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_a_request_that_is_too_large_ends_the_connection(start_site):
    site = await start_site(limits=Limits(max_message_size=70_000))
    raw = await Raw.activated(site)
    raw.writer.write(raw.chunk(bytes(60_000), 7, b"MSGC") + raw.chunk(bytes(60_000), 7, b"MSGC"))
    assert await raw.error() == "BadRequestTooLarge"


async def test_clients_hear_how_large_a_request_may_be(start_site):
    site = await start_site(limits=Limits(max_message_size=70_000))
    raw = await Raw.open(site)
    created = await raw.ask(ua.CreateSessionRequest(), ua.CreateSessionResponse)
    assert created.Parameters.MaxRequestMessageSize == 70_000


async def test_a_client_that_never_reads_is_disconnected(site, client, raw, monkeypatch):
    """U28"""
    monkeypatch.setattr(connection, "PATIENCE", 0.3)
    large = ua.ReadValueId(ua.NodeId(ua.ObjectIds.Server_NamespaceArray), ua.AttributeIds.Value)
    body = raw.header("Read") + read_request(*[struct_to_binary(large)] * 500)
    served = site.server._server.bserver.clients[-1]
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(20):
            while not served.transport.is_closing():
                raw.send(body)
                await asyncio.sleep(0)
                assert served.processor.backlog < 2_000_000
                assert len(served._buffer) + served._size < 1_000_000
                assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"
    assert served.transport.is_closing()
