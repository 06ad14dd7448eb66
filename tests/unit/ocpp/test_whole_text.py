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


#: as bytes of its own choice they would be more than hypothesis takes
LONG = st.tuples(st.binary(min_size=1, max_size=50), st.integers(65_000, 65_535)).map(
    lambda of: (of[0] * of[1])[: of[1]]
)


@given(st.binary(max_size=300) | LONG)
def test_a_whole_text_frame_is_read_as_the_package_reads_it(data: bytes) -> None:
    assert whole_text(frame(data), LIMIT) == data


@given(st.binary(max_size=300))
def test_whatever_bytes_come_nothing_is_raised(data: bytes) -> None:
    assert whole_text(data, LIMIT) is None or data[:1] == b"\x81"


LONG_WAY = {
    "not whole": frame(b"x")[:-1],
    "more behind it": frame(b"x") + b"\x81",
    "a part": frame(b"x", fin=False),
    "binary": frame(b"x", Opcode.BINARY),
    "a continuation": frame(b"x", Opcode.CONT),
    "a ping": frame(b"", Opcode.PING),
    "a close": frame(b"", Opcode.CLOSE),
    "a reserved bit": b"\xc1" + frame(b"x")[1:],
    "not masked": Frame(Opcode.TEXT, b"not masked").serialize(mask=False),
    "long": frame(b"x" * 65_536),
    "nothing": b"",
    "one byte": b"\x81",
    "half a length": b"\x81\xfe\x00\x00\x00",
}


@pytest.mark.parametrize("data", LONG_WAY.values(), ids=LONG_WAY)  # the masks are random: they are no names
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
