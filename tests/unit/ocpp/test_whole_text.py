"""The short way of a text frame that comes whole: what takes it, and that everything else goes the long way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from bridge.ocpp.framing import forget_request, is_between_messages, whole_text

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


def test_a_frame_passes_the_protocol_by_between_messages_and_at_no_other_time() -> None:
    """Looks at where the package's parser waits: an upgrade that changes this fails here, and loses only speed."""
    protocol = ServerProtocol(state=State.OPEN)
    forget_request(protocol)
    assert is_between_messages(protocol)
    for byte in frame(b"one")[:-1]:
        protocol.receive_data(bytes([byte]))
        assert not is_between_messages(protocol)
    protocol.receive_data(frame(b"one")[-1:])
    assert is_between_messages(protocol)
    protocol.receive_data(frame(b"tw", fin=False))
    assert not is_between_messages(protocol)
    protocol.receive_data(frame(b"", Opcode.PING))
    assert not is_between_messages(protocol)
    protocol.receive_data(frame(b"o", Opcode.CONT))
    assert is_between_messages(protocol)
    protocol.receive_data(frame(b"", Opcode.CLOSE))
    assert not is_between_messages(protocol)
    assert not is_between_messages(ServerProtocol())
