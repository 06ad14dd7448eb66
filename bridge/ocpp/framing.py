"""Shortcuts past the websockets package's general parser and writer, for what comes nearly always.

They know how the package is made inside; tests fail when an upgrade changes that.
"""

from types import GeneratorType
from typing import cast

from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.streams import StreamReader

#: where the protocol's parser waits between two frames
_BETWEEN_FRAMES = StreamReader.at_eof.__code__


def whole_text(data: bytes, max_size: int) -> bytes | None:
    """The payload of the one text frame that `data` is, nearly always; None for anything else (RFC 6455 §5.2).

    A third of what a frame costs is the general parser, which takes everything else: fragments, pieces, pings, what
    is not masked or too large.
    """
    if len(data) < 6 or data[0] != 0x81 or data[1] < 0x80:  # final, text, no extension; masked
        return None
    size, start = data[1] & 0x7F, 2
    if size == 126:
        size, start = data[2] << 8 | data[3], 4
    if (size == 127 and start == 2) or size > max_size or len(data) != start + 4 + size:
        return None
    return apply_mask(data[start + 4 :], data[start : start + 4])


def is_between_messages(protocol: ServerProtocol) -> bool:
    """Whether an open connection waits for the first frame of a message: then one may pass the protocol by.

    It looks at what the parser, which `forget_request` has started, waits in.
    """
    parser = cast("GeneratorType[None, None, None]", protocol.parser)
    waiting = cast("GeneratorType[None, None, None] | None", parser.gi_yieldfrom)
    return (
        waiting is not None
        and waiting.gi_code is _BETWEEN_FRAMES
        and protocol.current_size is None
        and protocol.state is State.OPEN
    )


def forget_request(protocol: ServerProtocol) -> None:
    """Lets go of the handshake's request, 2 KB that the parser holds on to: one for frames alone takes its place."""
    protocol.parser = Protocol.parse(protocol)
    next(protocol.parser)
