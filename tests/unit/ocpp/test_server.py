"""The websockets: who is let in, and frames that no station should send."""

import asyncio
import json
from base64 import b64encode

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from bridge.errors import ProjectError
from bridge.ocpp.handshake import parse_basic, parse_identity
from bridge.station.credentials import hash_password
from tests.unit.station.rig import WAIT, ask, closed, logged

BEAT = [2, "beat", "Heartbeat", {}]


async def refusal(rig, path="CP1", **options):
    """The HTTP status that a handshake is refused with."""
    with pytest.raises(InvalidStatus) as caught:
        async with rig.socket(path, **options):
            pass
    return caught.value.response.status_code


def basic(user: str, password: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(user.encode() + b":" + password).decode()}


async def lives(socket) -> None:
    """The connection still answers."""
    answer = await ask(socket, BEAT)
    assert answer[:2] == [3, "beat"]


# --- the handshake ---


async def test_a_station_that_only_speaks_another_version_is_refused(rig):
    """J01"""
    assert await refusal(rig, subprotocols=["ocpp0.1"]) == 400


async def test_the_version_that_both_speak_is_chosen(rig):
    """J02 J04"""
    async with rig.socket(subprotocols=["ocpp0.1", "ocpp1.6", "ocpp2.0.1"]) as socket:
        assert socket.subprotocol == "ocpp2.0.1"
        assert rig.value("CP1.State.OcppVersion") == "2.0.1"


async def test_an_identity_with_a_colon_speaks_16_only(rig):
    """J07"""
    assert await refusal(rig, "CP:1", subprotocols=["ocpp2.0.1"]) == 400
    async with rig.socket("CP:1", subprotocols=["ocpp2.0.1", "ocpp1.6"]) as socket:
        assert socket.subprotocol == "ocpp1.6"


@pytest.mark.parametrize("ocpp", [{"default_version": ""}, {"validation": "strict"}, {"versions": ["2.1"]}])
async def test_a_station_without_subprotocol_is_refused_where_no_version_is_assumed(start, ocpp):
    """J03"""
    rig = await start(ocpp=ocpp)
    assert await refusal(rig, subprotocols=None) == 400


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_station_without_subprotocol_gets_the_configured_version(start, version):
    """J03"""
    rig = await start(ocpp={"default_version": version})
    async with rig.socket(subprotocols=None) as socket:
        assert socket.subprotocol is None
        await lives(socket)
        assert rig.value("CP1.State.OcppVersion") == version


async def test_a_version_in_the_url_does_not_count(rig):
    """J05: the identity is one segment; what looks like a version is no such thing."""
    assert await refusal(rig, "1.6/CP1") == 404
    async with rig.socket("ocpp2.1") as socket:
        assert socket.subprotocol == "ocpp1.6"
        assert rig.value("ocpp2_1.Info.Id") == "ocpp2.1"


async def test_unknown_stations_are_refused_where_configured(start):
    """J06"""
    rig = await start(stations={"unknown": "refuse"}, station=[{"id": "CP1"}])
    assert await refusal(rig, "CP2") == 404
    assert rig.stations.get("CP2") is None
    async with rig.socket("CP1") as socket:
        await lives(socket)


@pytest.mark.parametrize(
    ("target", "identity"),
    [
        ("/ocpp/CP001", "CP001"),
        ("/ocpp/CP001/", "CP001"),
        ("/ocpp/CP001?x=1", "CP001"),
        ("/ocpp/RDAM%20123", "RDAM 123"),
        ("/ocpp/RDAM:1", "RDAM:1"),
        ("/ocpp/S%C3%A4ule", "Säule"),
        ("/ocpp/" + "x" * 48, "x" * 48),
        ("/ocpp/" + "x" * 49, None),
        ("/ocpp/", None),
        ("/ocpp", None),
        ("/ocpp/a/b", None),
        ("/ocpp/a%2Fb", None),
        ("/ocpp//a", None),
        ("/ocpp/a//", None),
        ("/ocpp/..", None),
        ("/ocpp/%2e%2e", None),
        ("/ocpp/.", None),
        ("/ocpp/a%00", None),
        ("/ocpp/a%0Ab", None),
        ("/ocpp/a%7F", None),
        ("/ocpp/%FF", None),
        ("/ocpp/%", None),
        ("/ocpp/%zz", None),
        ("/other/CP001", None),
        ("/ocppCP001", None),
    ],
)
def test_identities(target, identity):
    """J07"""
    assert parse_identity(target, "/ocpp") == identity


def test_the_path_may_be_the_root():
    assert parse_identity("/CP001", "/") == "CP001"


@pytest.mark.parametrize("path", ["a%2Fb", "..", "/a", "a%00", "x" * 49, ""])
async def test_what_is_no_identity_is_refused(rig, path):
    """J07"""
    assert await refusal(rig, path) == 404
    assert len(rig.stations) == 0


async def test_a_port_that_is_taken_is_named(rig, start, tmp_path):
    port = int(rig.ocpp.url.split(":")[2].split("/")[0])
    await rig.stop()
    listening = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    async with listening:
        with pytest.raises(ProjectError, match=f"cannot listen on 127.0.0.1:{port}"):
            await start(ocpp={"port": port})


# --- credentials ---

KEY = bytes.fromhex("ff00c3" + "28" * 17)  # 20 bytes that are no UTF-8


@pytest.fixture
async def guarded(start):
    """A bridge that wants passwords, CP1's being `secret`, CP2's a key."""
    rig = await start(ocpp={"security_profile": 1})
    await rig.store.set_password("CP1", hash_password("secret"))
    await rig.store.set_password("CP2", hash_password(KEY.hex().upper()))
    return rig


@pytest.mark.parametrize(
    ("identity", "password"),
    [("CP1", b"secret"), ("CP2", KEY), ("CP2", KEY.hex().encode()), ("CP2", KEY.hex().upper().encode())],
    ids=["password", "bytes", "digits", "capital digits"],
)
async def test_a_station_with_its_password_gets_in(guarded, identity, password):
    """J10"""
    async with guarded.socket(identity, additional_headers=basic(identity, password)) as socket:
        await lives(socket)
        assert guarded.value(f"{identity}.State.SecurityProfile") == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("CP1", b"wrong"),
        basic("CP1", b""),
        basic("CP2", b"secret"),
        basic("", b"secret"),
        {"Authorization": "Bearer secret"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + b64encode(b"no colon").decode()},
        [*basic("CP1", b"secret").items(), *basic("CP1", b"wrong").items()],
    ],
    ids=["none", "wrong", "empty", "another's name", "no name", "scheme", "base64", "colon", "two"],
)
async def test_wrong_credentials_are_refused(guarded, headers):
    """J08 J09"""
    with logged() as entries:
        assert await refusal(guarded, "CP1", additional_headers=headers) == 401
    assert guarded.stations.get("CP1") is None
    assert "secret" not in str(entries)


async def test_a_station_without_a_password_is_refused(guarded):
    """J08"""
    assert await refusal(guarded, "CP3", additional_headers=basic("CP3", b"secret")) == 401


async def test_wrong_credentials_do_not_disturb_the_true_station(guarded):
    """J13"""
    async with guarded.station("CP1", additional_headers=basic("CP1", b"secret")) as station:
        assert await refusal(guarded, "CP1", additional_headers=basic("CP1", b"wrong")) == 401
        await station.settle()
        assert guarded.value("CP1.State.Connected") is True
        assert guarded.value("CP1.State.Reconnects") == 0


async def test_credentials_that_cannot_be_read_refuse_for_now(guarded):
    guarded.store.close_sync()
    assert await refusal(guarded, "CP1", additional_headers=basic("CP1", b"secret")) == 503


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic Q1AxOnNlY3JldA==", ("CP1", b"secret")),
        ("basic Q1AxOnNlY3JldA==", ("CP1", b"secret")),
        ("Basic Q1AxOmE6Yg==", ("CP1", b"a:b")),
        ("Basic Q1AxOv8=", ("CP1", b"\xff")),
        ("Basic /zp4", None),
        ("Basic", None),
        ("", None),
    ],
)
def test_basic_authentication(header, expected):
    assert parse_basic(header) == expected


# --- frames ---


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ([2, "1", "Nonsense", {}], "NotImplemented"),
        ([2, "1", "Reset", {"type": "Hard"}], "NotSupported"),
        ([2, "1", "Heartbeat", []], "FormationViolation"),
        ([2, "1", "Heartbeat", "text"], "FormationViolation"),
        ([2, "1"], "FormationViolation"),
        ([2, "1", "Heartbeat", {}, {}], "FormationViolation"),
        ([2, "1", ["Heartbeat"], {}], "FormationViolation"),
        ([2, "1", 7, {}], "FormationViolation"),
        ([2, "1", {"a": 1}, {}], "FormationViolation"),
        ('[2,"1","Heartbeat",{"a":NaN}]', "FormationViolation"),
        ('[2,"1","Heartbeat",{"a":"\\ud800"}]', "FormationViolation"),
        ('[2,"1","Heartbeat",' + "[" * 100_000, "FormationViolation"),
        ('[2,"1","Heartbeat",{"a":' + "[" * 100 + "]" * 100 + "}]", "FormationViolation"),
        ([2, "1", "Authorize", {}], "OccurenceConstraintViolation"),
        ([2, "1", "Authorize", {"idTag": ["x"]}], "TypeConstraintViolation"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else None,
)
async def test_a_frame_that_cannot_be_served_gets_its_error(rig, frame, code):
    """J31 J32 J33 J34 J35 J36: in lenient mode, which answers all that can be answered."""
    async with rig.socket() as socket:
        kind, number, found, description, details = await ask(socket, frame)
        assert (kind, number, found) == (4, "1", code)
        assert len(description) <= 255
        assert details == {}
        await lives(socket)
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert rig.value("CP1.State.LastError")


@pytest.mark.parametrize(
    "frame",
    [
        b'[2,"1","Heartbeat",{}]',
        "",
        "nonsense",
        "{}",
        "[]",
        "[2]",
        "[" * 100_000,
        "1" * 5000,
        '[2,7,"Heartbeat",{}]',
        '[2,"","Heartbeat",{}]',
        '[2,"' + "x" * 37 + '","Heartbeat",{}]',
        '[9,"1","Heartbeat",{}]',
        '[3,"1",{}]',
        '[4,"1","InternalError","",{}]',
        '[6,"1","Heartbeat",{}]',
    ],
    ids=lambda frame: str(frame)[:24],
)
async def test_a_frame_without_an_answer_is_counted_and_logged(rig, frame):
    """J25 J27 J28 J35 J37: of 1.6. A binary frame is never read, whatever it holds."""
    async with rig.socket() as socket:
        with logged() as entries:
            await socket.send(frame)
            await lives(socket)
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert [entry["event"] for entry in entries].count("message.invalid") == 1


async def test_a_long_message_id_is_not_echoed(rig):
    """J25"""
    async with rig.socket() as socket:
        with logged() as entries:
            await socket.send(json.dumps([2, "x" * 100_000, "Heartbeat", {}]))
            await lives(socket)
        assert all(len(str(entry)) < 1000 for entry in entries if entry["event"] == "message.invalid")
        assert len(str(rig.value("CP1.State.LastError"))) < 1000


async def test_of_two_equal_keys_the_last_counts(rig):
    """J35"""
    async with rig.socket() as socket:
        answer = await ask(socket, '[2,"1","LogStatusNotification",{"status":"Idle","status":"Uploaded"}]')
        assert answer == [3, "1", {}]
        await lives(socket)
        assert rig.value("CP1.State.LogStatusText") == "Uploaded"


async def test_a_byte_order_mark_is_no_reason_to_fall_silent(rig):
    """J35"""
    async with rig.socket() as socket:
        answer = await ask(socket, '\ufeff[2,"1","Heartbeat",{}]')
        assert answer[1] == "1"
        await lives(socket)


async def test_a_message_of_the_largest_size_is_taken_and_one_byte_more_closes(start):
    """J38"""
    rig = await start(ocpp={"max_message_size": 4096})
    async with rig.socket() as socket:
        frame = '[2,"1","Heartbeat",{}]'
        answer = await ask(socket, frame + " " * (4096 - len(frame)))
        assert answer[0] == 3
        await socket.send(frame + " " * (4097 - len(frame)))
        assert await closed(socket) == 1009
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)


async def test_compression_is_not_negotiated(rig):
    """J38: what compresses 200 MB into a few frames cannot be sent at all."""
    async with rig.socket(compression="deflate") as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        await lives(socket)


async def test_unsolicited_answers_cost_nothing(rig):
    """J20"""
    async with rig.station() as station:
        for number in range(5000):
            await station.socket.send(f'[3,"{number}",{{}}]')
        assert await rig.call("CP1.Commands.ClearCache") == ("Accepted", '{"status":"Accepted"}')
        assert rig.value("CP1.State.InvalidMessages") == 5000


# --- the same CALL again ---


async def test_a_repeated_call_gets_the_same_answer_and_has_one_effect(rig):
    """J22"""
    start = [
        2,
        "7",
        "StartTransaction",
        {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": "2027-01-15T08:00:00Z"},
    ]
    async with rig.socket() as socket:
        first = await ask(socket, start)
        assert await ask(socket, start) == first
        assert len(list(rig.store.transactions())) == 1


async def test_a_call_that_comes_again_while_it_is_handled_is_answered_once(start):
    """J23"""
    rig = await start(
        """
        async def authorize(self, request):
            await request.station.write("Custom.Asked", 1 + (await self.asked(request)))
            await request.station.call("ClearCache", {})

        async def asked(self, request):
            try:
                return await request.station.read("Custom.Asked")
            except KeyError:
                return 0
        """
    )
    authorize = [2, "7", "Authorize", {"idTag": "T"}]
    async with rig.socket() as socket:
        kind, number, action, _ = await ask(socket, authorize)  # the handler has begun
        assert (kind, action) == (2, "ClearCache")
        await socket.send(json.dumps(authorize))
        assert await ask(socket, [3, number, {"status": "Accepted"}]) == [3, "7", {"idTagInfo": {"status": "Accepted"}}]
        await lives(socket)
        assert rig.value("CP1.Custom.Asked") == 1


async def test_a_flood_of_calls_is_answered_one_by_one(rig):
    """B14"""
    async with rig.socket() as socket:
        for number in range(200):
            await socket.send(json.dumps([2, str(number), "Heartbeat", {}]))
        async with asyncio.timeout(WAIT):
            answers = [json.loads(await socket.recv()) for _ in range(200)]
        assert [answer[:2] for answer in answers] == [[3, str(number)] for number in range(200)]


async def test_fifty_stations_at_once_are_all_answered(rig):
    """B14"""

    async def one(number: int) -> list:
        async with rig.socket(f"S{number}") as socket:
            payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            answer = await ask(socket, [2, "1", "StatusNotification", payload])
            await lives(socket)
            return answer

    assert await asyncio.gather(*map(one, range(50))) == [[3, "1", {}]] * 50
    assert all(rig.value(f"S{number}.Connector1.Status.StateText") == "Available" for number in range(50))


async def test_plain_http_is_no_station(rig):
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.ocpp.url.split(":")[2].split("/")[0])
    writer.write(b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(WAIT):
        assert b" 426 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(rig.ocpp.url + "a/b")
