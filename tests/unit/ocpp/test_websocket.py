"""A connection over real sockets, on asyncio's loop and on uvloop: its messages, its end, and who does not read."""

import asyncio
import contextlib
import gc
import socket
import time
import weakref
from typing import Any

import pytest
from websockets.frames import Close, Opcode

from bridge.errors import StationOffline
from bridge.ocpp.turns import WAITED
from bridge.ocpp.websocket import Connection
from tests.unit.ocpp.wires import REQUEST, RESET, SOON, Host, Peer, connected, deaf, fill, framed, on_both_loops, raw
from tests.unit.station.rig import WAIT, logged

# --- messages ---


@on_both_loops
async def test_a_message_comes_and_goes(host: Host):
    async with connected(host) as peer:
        peer.text("Säule")
        await host.until(lambda: host.messages)
        assert host.messages == ["Säule"]
        host.connections[0].write("Löschen")
        assert await peer.next() == (Opcode.TEXT, "Löschen".encode())


@on_both_loops
async def test_what_comes_with_the_request_is_taken_before_what_comes_after_it(host: Host):
    """Also in a storm, when it has to wait for a turn of its own."""

    def busy() -> None:
        ends = time.thread_time() + 2 * WAITED
        while time.thread_time() < ends:
            pass

    async with raw(host) as peer:

        async def admit(_: Connection) -> None:
            peer.text("second")

        host.answer, host.on_open = admit, lambda: host.turns.later(busy)
        peer.send(REQUEST + framed(Opcode.TEXT, b"first"))
        await host.until(lambda: len(host.messages) == 2)
    assert host.messages == ["first", "second"]


@on_both_loops
async def test_fragments_make_one_message(host: Host):
    async with connected(host) as peer:
        whole = "Säule 1 ⚡".encode()
        for number, byte in enumerate(whole):
            peer.frame(Opcode.CONT if number else Opcode.TEXT, bytes([byte]), fin=False)
            peer.frame(Opcode.PING)
        peer.frame(Opcode.CONT)
        peer.frame(Opcode.BINARY, b"\x00", fin=False)
        peer.frame(Opcode.CONT, b"\xff")
        peer.frame(Opcode.TEXT)
        peer.frame(Opcode.BINARY, b"\xfe")
        await host.until(lambda: len(host.messages) == 4)
        assert host.messages == [whole.decode(), b"\x00\xff", "", b"\xfe"]


@on_both_loops
async def test_empty_fragments_cost_nothing(host: Host):
    async with connected(host) as peer:
        peer.frame(Opcode.TEXT, b"x", fin=False)
        for _ in range(100):
            peer.send(framed(Opcode.CONT, b"", fin=False) * 1000)
            await peer.writer.drain()
        peer.frame(Opcode.PING)
        assert (await peer.next())[0] is Opcode.PONG
        assert host.connections[0]._parts.__sizeof__() < 1000
        peer.frame(Opcode.CONT, b"y")
        await host.until(lambda: host.messages)
        assert host.messages == ["xy"]


@on_both_loops
async def test_pings_are_answered_with_what_they_hold(host: Host):
    async with connected(host) as peer:
        for data in (b"", b"x" * 125):
            peer.frame(Opcode.PING, data)
            assert await peer.next() == (Opcode.PONG, data)
        peer.frame(Opcode.PONG, b"nobody asked")
        peer.text("x")
        await host.until(lambda: host.messages)


BAD_TEXT = b"\xc3\x28"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (framed(Opcode.TEXT, BAD_TEXT), 1007),
        (framed(Opcode.TEXT, b"\xc3", fin=False) + framed(Opcode.CONT, b"\x28"), 1007),
        (framed(Opcode.TEXT, "\ud800".encode("utf-8", "surrogatepass")), 1007),
        (framed(Opcode.TEXT, BAD_TEXT) * 3, 1007),
        (framed(Opcode.TEXT, b"x" * 4097), 1009),
        (framed(Opcode.TEXT, b"x" * 4096, fin=False) + framed(Opcode.CONT, b"x"), 1009),
        (b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"mask", 1009),
        (b"\x81\x01x", 1002),
        (b"\x83\x80mask", 1002),
        (b"\xf1\x80mask", 1002),
        (framed(Opcode.CONT, b"x"), 1002),
        (framed(Opcode.TEXT, b"x", fin=False) * 2, 1002),
        (b"\x89\xfe\x00\x7emask" + b"x" * 126, 1002),
    ],
    ids=[
        "no UTF-8",
        "no UTF-8 in fragments",
        "surrogate",
        "no UTF-8 again and again",
        "too large",
        "too large in fragments",
        "8 EB",
        "unmasked",
        "opcode",
        "reserved bits",
        "nothing to continue",
        "not continued",
        "long ping",
    ],
)
@on_both_loops
async def test_what_breaks_the_protocol_ends_the_connection(host: Host, sent: bytes, code: int):
    """J38: with the code that says why; what came before is taken, what comes after is not."""
    async with connected(host) as peer:
        peer.send(framed(Opcode.TEXT, b"before") + sent + framed(Opcode.TEXT, b"after"))
        assert await peer.code() == code
        assert await peer.ended() == b""
        with pytest.raises(StationOffline):
            host.connections[0].write("x")
    await host.all_gone()
    assert (host.messages, len(host.losses), host.problems) == (["before"], 1, [])


@on_both_loops
async def test_a_message_of_the_largest_size_is_taken(host: Host):
    async with connected(host) as peer:
        peer.frame(Opcode.TEXT, b"x" * 4096)
        peer.frame(Opcode.TEXT, b"x" * 4095, fin=False)
        peer.frame(Opcode.CONT, b"x")
        await host.until(lambda: len(host.messages) == 2)
        assert [len(message) for message in host.messages] == [4096, 4096]


# --- the end ---


@on_both_loops
async def test_a_station_that_closes_gets_its_close_back(host: Host):
    async with connected(host) as peer:
        peer.frame(Opcode.CLOSE, Close(1001, "going").serialize())
        assert await peer.code() == 1001
        assert await peer.ended() == b""
    await host.all_gone()
    assert len(host.losses) == 1
    assert "1001" in host.losses[0]


@on_both_loops
async def test_a_station_that_closes_but_stays_is_dropped(host: Host):
    host.timeouts(CLOSE_TIMEOUT=SOON)
    async with connected(host) as peer:
        peer.frame(Opcode.CLOSE, Close(1000, "").serialize())
        await host.all_gone()
        assert len(host.losses) == 1


@on_both_loops
async def test_a_station_answers_our_close(host: Host):
    async with connected(host) as peer:
        connection = host.connections[0]
        connection.close(1012, "stops")
        connection.close(1000, "again")
        with pytest.raises(StationOffline):
            connection.write("x")
        assert await peer.code() == 1012
        peer.text("on its way before")
        peer.frame(Opcode.CLOSE, Close(1012, "").serialize())
        assert await peer.ended() == b""
    await host.all_gone()
    assert host.messages == ["on its way before"]


@on_both_loops
async def test_a_station_that_does_not_answer_our_close_is_dropped(host: Host):
    host.timeouts(CLOSE_TIMEOUT=SOON)
    async with connected(host) as peer:
        host.connections[0].close(1012, "stops")
        assert await peer.code() == 1012
        assert await peer.ended() == b""
        await host.all_gone()


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "half-closed"])
@on_both_loops
async def test_a_connection_that_breaks_off_is_lost_once(host: Host, reset: bool):
    async with connected(host) as peer:
        if reset:
            peer.writer.transport.abort()
        else:
            peer.writer.write_eof()
            assert await peer.ended() == b""
        await host.all_gone()
    assert len(host.losses) == 1
    assert host.problems == []


@on_both_loops
async def test_nothing_can_be_written_to_a_transport_that_has_gone(host: Host):
    async with connected(host):
        connection = host.connections[0]
        connection._transport.abort()
        with pytest.raises(StationOffline):
            connection.write("x")
        await host.all_gone()
        with pytest.raises(StationOffline):
            connection.write("x")
        connection.close(1000, "")
        await connection.drain()
    assert host.problems == []


# --- signs of life ---


@on_both_loops
async def test_a_dead_station_is_found(host: Host):
    """J16"""
    host.timeouts(CLOSE_TIMEOUT=SOON)
    host.ping_interval, host.options["ping_timeout"] = SOON, SOON
    async with connected(host) as peer:
        assert await peer.next() == (Opcode.PING, b"")
        assert await peer.code() == 1011
        await host.all_gone()
    assert len(host.losses) == 1


@pytest.mark.parametrize("opcode", [Opcode.PONG, Opcode.TEXT, Opcode.PING])
@on_both_loops
async def test_any_sign_of_life_will_do(host: Host, opcode: Opcode):
    host.ping_interval, host.options["ping_timeout"] = 0.01, 0.5
    async with connected(host) as peer:
        for _ in range(2):
            while (await peer.next())[0] is not Opcode.PING:
                pass
            peer.frame(opcode)
        assert host.losses == []


@on_both_loops
async def test_a_station_whose_answer_waits_while_the_whole_program_stands_still_is_not_dead(host: Host):
    """L07: both loops read what waits before they look at what is due."""
    host.ping_interval, host.options["ping_timeout"] = SOON, 0.1
    async with connected(host) as peer:
        assert await peer.next() == (Opcode.PING, b"")
        peer.frame(Opcode.PONG)
        time.sleep(0.3)  # noqa: ASYNC251 - that is what it is about
        for _ in range(2):
            assert await peer.next() == (Opcode.PING, b"")
            peer.frame(Opcode.PONG)
        assert host.losses == []


# --- a station that does not read ---


@on_both_loops
async def test_nothing_is_read_from_a_station_that_does_not_read(host: Host):
    """So what it is owed stays bounded, whatever it asks for."""
    answer = "x" * 1000
    host.options["max_size"] = 100_000
    async with deaf(host) as plain:
        host.on_message = lambda message: host.connections[0].write(answer)
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(loop.sock_sendall(plain, framed(Opcode.TEXT, b"y" * 1000) * 30_000))
        while host.connections[0]._writable is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        for _ in range(20):
            await asyncio.sleep(0.001)
        transport = host.connections[0]._transport
        assert transport.get_write_buffer_size() < 1_000_000
        assert not asking.done()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
    await host.all_gone()


@on_both_loops
async def test_a_station_that_reads_again_gets_everything_in_order(host: Host):
    async with deaf(host) as plain:
        connection = host.connections[0]
        count = fill(connection)
        draining = asyncio.create_task(connection.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        plain.setblocking(True)
        plain.settimeout(WAIT)
        reader, writer = await asyncio.open_connection(sock=plain)
        peer = Peer(reader, writer)
        await peer.head()
        for number in range(count):
            assert int((await peer.next())[1]) == number
        await draining
        peer.text("and is read again")
        await host.until(lambda: host.messages)
        writer.close()
    await host.all_gone()


@pytest.mark.parametrize("end", ["close", "half-close", "reset", "dead"])
@on_both_loops
async def test_what_is_stuck_ends(host: Host, end: str):
    """J14 J16: whoever waits for the station hears of it, and the connection does not stay."""
    host.timeouts(CLOSE_TIMEOUT=SOON)
    if end == "dead":
        host.ping_interval, host.options["ping_timeout"] = SOON, SOON
    async with deaf(host) as plain:
        connection = host.connections[0]
        fill(connection)
        draining = asyncio.create_task(connection.drain())
        await asyncio.sleep(0)
        if end == "close":
            connection.close(1000, "a newer connection")
        elif end == "half-close":
            connection._transport.resume_reading()  # as it was when the end came
            plain.shutdown(socket.SHUT_WR)
        elif end == "reset":
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            plain.close()
            connection._transport.resume_reading()
        with pytest.raises(StationOffline):
            async with asyncio.timeout(WAIT):
                await draining
        await host.all_gone()
    assert len(host.losses) == 1
    assert host.problems == []


# --- faults of the listener ---


@pytest.mark.parametrize("where", ["admit", "choose", "opened", "take", "lost"])
@on_both_loops
async def test_a_fault_ends_its_own_connection_and_no_other(host: Host, where: str):
    def fault(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    async def slow_fault(_: Connection) -> Any:
        fault()

    async with connected(host) as other:
        match where:
            case "admit":
                host.answer = slow_fault
            case "choose":
                host.choice = fault
            case "opened":
                host.on_open = fault
            case "take":
                host.on_message = fault
            case "lost":
                host.on_loss = fault
        with logged():
            async with raw(host) as peer:
                peer.send(REQUEST + framed(Opcode.TEXT, b"x") + framed(Opcode.CLOSE))
                await peer.ended()
            await host.until(lambda: host.gone_count == 1)
        host.on_message = lambda message: None
        other.text("lives")
        await host.until(lambda: "lives" in host.messages)
        host.on_loss = lambda: None
    await host.all_gone()


# --- many ---


@on_both_loops
async def test_connections_leave_nothing_behind(host: Host):
    """B14"""
    host.timeouts(CLOSE_TIMEOUT=SOON)
    host.ping_interval = 60.0
    tasks = len(asyncio.all_tasks())
    alive: weakref.WeakSet[Connection] = weakref.WeakSet()

    async def one(number: int) -> None:
        async with raw(host) as peer:
            how = number % 5
            if how == 0:
                return
            peer.send(REQUEST[:-1] if how == 1 else REQUEST)
            if how == 1:
                return
            await peer.head()
            peer.text("x")
            if how == 2:
                peer.writer.transport.abort()
            elif how == 3:
                peer.frame(Opcode.CLOSE)
                await peer.ended()

    for start in range(0, 1000, 100):
        await asyncio.gather(*(one(number) for number in range(start, start + 100)))
        alive.update(host.connections)
    await host.until(lambda: host.made_count == 1000)
    await host.all_gone()
    assert host.connections == []
    assert len(host.losses) == host.opened_count
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert len(alive) == 0
    assert len(asyncio.all_tasks()) == tasks
    assert host.problems == []
