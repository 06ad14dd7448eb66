"""How a connection begins: what is let in, what is refused, who is too slow."""

import asyncio
import os
import socket
from http import HTTPStatus
from typing import Any

import pytest
from websockets.exceptions import NegotiationError
from websockets.frames import Opcode

from bridge.ocpp.websocket import MOST_UNKNOWN, Connection
from tests.unit.ocpp.wires import REQUEST, RESET, SOON, Host, framed, on_both_loops, raw
from tests.unit.station.rig import logged


@on_both_loops
async def test_who_says_nothing_is_disconnected(host: Host):
    """L11"""
    host.timeouts(OPEN_TIMEOUT=SOON)
    async with raw(host) as peer:
        assert await peer.ended() == b""
        await host.all_gone()


@on_both_loops
async def test_who_dribbles_a_header_is_disconnected(host: Host):
    """L12"""
    host.timeouts(OPEN_TIMEOUT=SOON)
    async with raw(host) as peer:
        peer.send(b"GET /x HTTP/1.1\r\n")

        async def dribble() -> None:
            while True:
                peer.send(b"X: y\r\n")
                await asyncio.sleep(0.01)

        dribbling = asyncio.create_task(dribble())
        assert await peer.ended() == b""
        dribbling.cancel()
        await host.all_gone()
        assert host.opened_count == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (os.urandom(300).replace(b"\n", b""), b""),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b""),
        (b"\r\n\r\n", b""),
        (b"GET\r\n\r\n", b""),
        (b"GET /" + b"x" * 20_000, b"414"),
        (b"GET /x HTTP/1.1\r\nX: " + b"y" * 20_000, b"431"),
        (b"GET /x HTTP/1.1\r\n" + b"X: y\r\n" * 1000, b"431"),
        (REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"), b"505"),
        (REQUEST.replace(b"GET", b"POST") + b"more that is no frame", b"405"),
        (REQUEST.replace(b"Upgrade: websocket\r\n", b""), b"426"),
        (REQUEST.replace(b"Version: 13", b"Version: 8"), b"400"),
        (REQUEST.replace(b"dGhl", b"!"), b"400"),
        (REQUEST[:-2] + b"Content-Length: 4\r\n\r\nbody", b""),
    ],
    ids=[
        "noise",
        "TLS",
        "empty",
        "half a line",
        "long line",
        "long header",
        "many headers",
        "1.0",
        "POST",
        "plain",
        "old",
        "key",
        "body",
    ],
)
@on_both_loops
async def test_what_is_no_handshake_is_refused_quietly(host: Host, sent: bytes, status: bytes):
    """It costs no traceback, and ends though the other side does nothing."""
    host.timeouts(CLOSE_TIMEOUT=SOON, OPEN_TIMEOUT=10 * SOON)
    with logged() as entries:
        async with raw(host) as peer:
            peer.send(sent)
            answer = await peer.ended()
            assert answer[:13] == (b"HTTP/1.1 " + status + b" " if status else b"")
            await host.all_gone()
    assert (host.opened_count, host.problems, entries) == (0, [], [])


@on_both_loops
async def test_a_request_may_come_in_any_pieces(host: Host):
    for cut in (1, len(REQUEST) - 4, len(REQUEST) - 3, len(REQUEST) - 2, len(REQUEST) - 1, len(REQUEST)):
        pieces = REQUEST + framed(Opcode.TEXT, str(cut).encode())
        before = len(host.messages)
        async with raw(host) as peer:
            peer.send(pieces[:cut])
            await host.until(lambda: host.connections)
            await asyncio.sleep(0.01)
            peer.send(pieces[cut:])
            await host.until(lambda: len(host.messages) > before)  # noqa: B023 - awaited here
            assert host.messages[-1] == str(cut)
        await host.all_gone()


@on_both_loops
async def test_a_request_may_come_byte_by_byte(host: Host):
    async with raw(host) as peer:
        peer.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in REQUEST:
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        assert b" 101 " in await peer.head()


@on_both_loops
async def test_what_comes_with_the_request_waits_for_its_answer(host: Host):
    ready = asyncio.Event()

    async def slow(connection: Connection) -> None:
        await ready.wait()

    host.answer = slow
    async with raw(host) as peer:
        parts = framed(Opcode.TEXT, b"fir", fin=False), framed(Opcode.PING, b"?"), framed(Opcode.CONT, b"st")
        peer.send(REQUEST + b"".join(parts) + framed(Opcode.TEXT, b"second"))
        await host.until(lambda: host.connections)
        peer.text("third")
        await asyncio.sleep(0.01)
        assert host.messages == []
        ready.set()
        assert b" 101 " in await peer.head()
        assert await peer.next() == (Opcode.PONG, b"?")
        await host.until(lambda: len(host.messages) == 3)
        assert host.messages == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("sent", "code"), [(framed(Opcode.CLOSE, b"\x03\xe8"), 1000), (b"\xff" * 20, 1002)], ids=["close", "noise"]
)
@on_both_loops
async def test_an_end_that_comes_with_the_request_is_answered_after_it(host: Host, sent: bytes, code: int):
    with logged() as entries:
        async with raw(host) as peer:
            peer.send(REQUEST + sent)
            assert b" 101 " in await peer.head()
            assert await peer.code() == code
            assert await peer.ended() == b""
        await host.all_gone()
    assert (len(host.losses), entries, host.problems) == (1, [], [])


@on_both_loops
async def test_a_refusal_is_read_whole(host: Host):
    async def refuse(connection: Connection) -> Any:
        return connection.refusal(HTTPStatus.NOT_FOUND, "No.\n")

    host.answer = refuse
    async with raw(host) as peer:
        peer.send(REQUEST + framed(Opcode.TEXT, b"x"))
        answer = await peer.ended()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert answer.endswith(b"No.\n")
        await host.all_gone()
    assert (host.opened_count, host.losses) == (0, [])


@on_both_loops
async def test_a_refused_subprotocol_is_a_bad_request(host: Host):
    def refuse() -> None:
        raise NegotiationError("none of these")

    host.choice = refuse
    async with raw(host) as peer:
        peer.send(REQUEST)
        assert (await peer.ended()).startswith(b"HTTP/1.1 400 ")
    await host.all_gone()


@on_both_loops
async def test_admission_that_takes_too_long_is_given_up(host: Host):
    host.timeouts(OPEN_TIMEOUT=SOON)
    ends = []

    async def never(connection: Connection) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    host.answer = never
    async with raw(host) as peer:
        peer.send(REQUEST)
        assert await peer.ended() == b""
        await host.all_gone()
    await asyncio.sleep(0)
    assert (ends, host.opened_count) == (["cancelled"], 0)


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@on_both_loops
async def test_a_station_that_goes_while_it_is_admitted_leaves_nothing(host: Host, reset: bool):
    asked, ready = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> None:
        asked.set()
        await ready.wait()

    host.answer = slow
    with logged() as entries:
        async with raw(host) as peer:
            peer.send(REQUEST)
            await asked.wait()
            if reset:
                peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        ready.set()
        await host.all_gone()
    assert len(host.losses) == host.opened_count
    assert (host.problems, entries) == ([], [])


@on_both_loops
async def test_closing_during_the_handshake_ends_it(host: Host):
    asked = asyncio.Event()

    async def never(connection: Connection) -> None:
        asked.set()
        await asyncio.Event().wait()

    host.answer = never
    async with raw(host) as silent, raw(host) as waiting:
        waiting.send(REQUEST)
        await asked.wait()
        await host.until(lambda: len(host.connections) == 2)
        for connection in list(host.connections):
            connection.close(1012, "stops")
        assert await silent.ended() == await waiting.ended() == b""
        await host.all_gone()
    assert host.opened_count == 0


@on_both_loops
async def test_a_connection_aborted_as_it_is_admitted_is_not_opened(host: Host):
    async def abort(connection: Connection) -> None:
        connection._transport.abort()

    host.answer = abort
    with logged() as entries:
        async with raw(host) as peer:
            peer.send(REQUEST)
            assert await peer.ended() == b""
            await host.all_gone()
    assert (host.opened_count, host.problems, entries) == (0, [], [])


@on_both_loops
async def test_a_request_of_many_long_lines_is_refused_before_it_is_whole(host: Host):
    """Each line may be long and there may be many; not for thousands who hold on to them."""
    async with raw(host) as peer:
        peer.send(b"GET /x HTTP/1.1\r\n")
        for number in range(100):
            peer.send(b"X-%d: " % number + b"y" * 8000 + b"\r\n")
        assert (await peer.ended()).startswith(b"HTTP/1.1 431 ")
        await host.all_gone()
    assert (host.opened_count, host.problems) == (0, [])


@on_both_loops
async def test_who_sends_more_with_the_request_than_a_station_would_is_refused(host: Host):
    """It would be kept until it is known who it is, for thousands at once."""
    async with raw(host) as peer:
        peer.send(REQUEST + b"x" * 2 * MOST_UNKNOWN)
        assert (await peer.ended())[:13] in (b"HTTP/1.1 431 ", b"")
        await host.all_gone()
    assert (host.opened_count, host.problems) == (0, [])


@on_both_loops
async def test_a_long_message_may_come_with_the_request(host: Host):
    """Some stations do not wait for the answer."""
    text = "x" * 4000
    async with raw(host) as peer:
        peer.send(REQUEST + framed(Opcode.TEXT, text.encode()) * 4)
        assert b" 101 " in await peer.head()
        await host.until(lambda: len(host.messages) == 4)
        assert host.messages == [text] * 4
