"""The short way of a text frame that comes whole: what takes it, and that everything else goes the long way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from bridge.ocpp.websocket import whole_text
from tests.unit.ocpp.wires import Host, connected, framed, on_both_loops

LIMIT = 70_000


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, **more: bool) -> bytes:
    return Frame(opcode, data, **more).serialize(mask=True)


@given(st.binary(max_size=300) | st.binary(min_size=65_000, max_size=65_535))
def test_a_whole_text_frame_is_read_as_the_package_reads_it(data: bytes) -> None:
    assert whole_text(frame(data), LIMIT) == data


@given(st.binary(max_size=300))
def test_whatever_bytes_come_nothing_is_raised(data: bytes) -> None:
    assert whole_text(data, LIMIT) is None or data[:1] == b"\x81"


@pytest.mark.parametrize(
    "data",
    [
        frame(b"x")[:-1],
        frame(b"x") + b"\x81",
        frame(b"x", fin=False),
        frame(b"x", Opcode.BINARY),
        frame(b"x", Opcode.CONT),
        frame(b"", Opcode.PING),
        frame(b"", Opcode.CLOSE),
        b"\xc1" + frame(b"x")[1:],  # a reserved bit
        Frame(Opcode.TEXT, b"not masked").serialize(mask=False),
        frame(b"x" * 65_536),
        b"",
        b"\x81",
        b"\x81\xfe\x00\x00\x00",
    ],
)
def test_everything_else_goes_the_long_way(data: bytes) -> None:
    assert whole_text(data, LIMIT) is None


def test_a_message_over_the_limit_goes_the_long_way() -> None:
    assert whole_text(frame(b"x" * 100), 99) is None


@on_both_loops
async def test_a_whole_frame_passes_the_protocol_by_between_messages_and_at_no_other_time(host: Host) -> None:
    """Looks at the package's parser: an upgrade that changes where it waits fails here, and loses only speed."""
    async with connected(host) as peer:
        connection = host.connections[0]
        assert connection._is_between_messages()
        whole = framed(Opcode.TEXT, b"one")
        for piece in (whole[:1], whole[1:2], whole[2:6], whole[6:-1]):
            peer.send(piece)
            await peer.writer.drain()
            await host.until(lambda: not connection._is_between_messages())
        peer.send(whole[-1:])
        await host.until(lambda: host.messages == ["one"])
        assert connection._is_between_messages()
        peer.frame(Opcode.TEXT, b"tw", fin=False)
        await host.until(lambda: not connection._is_between_messages())
        peer.frame(Opcode.CONT, b"o")
        await host.until(lambda: host.messages == ["one", "two"])
        assert connection._is_between_messages()
