"""The end of the server: whatever state its connections are in, it comes soon."""

import asyncio
import contextlib

import pytest

from bridge.ocpp import server, websocket
from tests.unit.ocpp.wires import REQUEST, SOON
from tests.unit.station.rig import WAIT, ask

HANDSHAKE = REQUEST.replace(b"GET /x", b"GET /ocpp/CP1").replace(b"Key:", b"Protocol: ocpp1.6\r\nSec-WebSocket-Key:")
CLOSE = b"\x88\x80mask"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT", SOON)
    monkeypatch.setattr(server, "WORK_TIMEOUT", SOON)


async def connect(rig, data: bytes):
    port = int(rig.ocpp.url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", False),
        (HANDSHAKE[:-1], False),
        (HANDSHAKE, True),
        (HANDSHAKE + b"\x81\x85mask", True),
        (HANDSHAKE + CLOSE, True),
        (b"noise\r\n\r\n", False),
        (HANDSHAKE.replace(b"/ocpp/CP1", b"/nothing"), True),
    ],
    ids=["silent", "half a request", "open", "half a frame", "closing", "refused", "no station"],
)
async def test_a_connection_in_any_state_does_not_hold_up_the_end(rig, sent, answered):
    reader, writer = await connect(rig, sent)
    async with asyncio.timeout(WAIT):
        if answered:
            await reader.readuntil(b"\r\n\r\n")
        else:
            async with rig.socket("CP2") as other:  # by then the server knows of the first one
                await ask(other, [2, "1", "Heartbeat", {}])
        await rig.ocpp.stop()
        assert rig.ocpp._connections == set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_station_whose_password_is_being_checked_does_not_hold_up_the_end(start, monkeypatch):
    rig = await start(ocpp={"security_profile": 1})
    asked = asyncio.Event()

    async def never(*_):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(rig.admission._credentials, "check", never)
    head = HANDSHAKE.replace(b"Host: x", b"Host: x\r\nAuthorization: Basic Q1AxOnNlY3JldA==")
    _, writer = await connect(rig, head)
    async with asyncio.timeout(WAIT):
        await asked.wait()
        await rig.ocpp.stop()
    assert rig.ocpp._connections == set()
    writer.close()


async def test_a_script_that_still_decides_does_not_hold_up_the_end(start):
    rig = await start("async def authorize(self, r): await asyncio.sleep(1000)", handlers={"timeout": 1000})
    async with rig.socket() as socket:
        await socket.send('[2,"1","Authorize",{"idTag":"T"}]')
        await ask(socket, [2, "2", "Nonsense", {}])  # the script has been asked
        async with asyncio.timeout(WAIT):
            await rig.ocpp.stop()
        assert rig.ocpp._working == set()


async def test_a_station_that_had_been_accepted_at_the_end_is_not_let_in(rig):
    async with asyncio.timeout(WAIT):
        await rig.ocpp.stop()
        late = rig.ocpp._connection()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: late, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(HANDSHAKE)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        listening.close()
    writer.close()
    assert rig.stations.get("CP1") is None
    assert rig.ocpp._connections == set()
