"""The frames between the bridge and the scripts' process: four bytes of length, then MessagePack of plain values.

Nothing that either side sends can make the other run code or hold an object of it.
"""

import dataclasses
import struct
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from bridge.api import (
    AuthorizeRequest,
    BootNotificationRequest,
    DataTransferRequest,
    Request,
    StartTransactionRequest,
    Station,
    StopTransactionRequest,
)
from bridge.scripting.outcome import Failure
from bridge.scripting.sources import Bundle

T = TypeVar("T")

#: bytes. The largest frame that the bridge takes from a script's process, and that process from the bridge
FROM_SCRIPTS = 8 * 1024 * 1024
FROM_BRIDGE = 64 * 1024 * 1024
#: bytes of what a script asks the bridge for at once
WANTED_SIZE = 1024 * 1024
_DEPTH = 200
_INT64 = 2**63

#: method → the class of its request
REQUESTS: Mapping[str, type[Request]] = {
    "boot_notification": BootNotificationRequest,
    "authorize": AuthorizeRequest,
    "start_transaction": StartTransactionRequest,
    "stop_transaction": StopTransactionRequest,
    "data_transfer": DataTransferRequest,
}
_TUPLES = {
    kind: frozenset(field.name for field in dataclasses.fields(kind) if isinstance(field.default, tuple))
    for kind in REQUESTS.values()
}


class Frame(msgspec.Struct, array_like=True):
    """Base of the frames."""


# To the scripts' process


class Load(Frame, tag="load"):
    """The first frame: what to load. `memory`: MB that the scripts may use, 0 for no limit."""

    bundle: Bundle
    memory: int
    settings: dict[str, Any]


class Run(Frame, tag="run"):
    """Call a method. `slot` is its place among the claims; `request` holds the fields, empty for a hook."""

    number: int
    slot: int
    script: str
    method: str
    station: str
    area: str
    request: msgspec.Raw


class Cancel(Frame, tag="cancel"):
    """Nobody waits for this call any more."""

    number: int


class Reply(Frame, tag="reply"):
    """What a script wanted; or the name of an exception and its arguments."""

    number: int
    value: Any
    error: str
    arguments: list[Any]


class Leave(Frame, tag="leave"):
    """End."""


ToScripts = Load | Run | Cancel | Reply | Leave

# To the bridge


class Loaded(Frame, tag="loaded"):
    """The answer to Load. `methods`: script → those that it has; `problems`: file, place, what."""

    methods: dict[str, list[str]]
    problems: list[tuple[str, str, str]]


class Ended(Frame, tag="ended"):
    """A call is through. `worn`: why the process should be replaced, "" if it should not."""

    number: int
    answer: msgspec.Raw
    failure: Failure | None
    worn: str


class Refused(Frame, tag="refused"):
    """A call was not begun, because the bridge had taken it back."""

    number: int


class Cancelled(Frame, tag="cancelled"):
    """The answer to Cancel, by which the bridge sees that the loop turns."""

    number: int
    worn: str


class Wanted(Frame, tag="wanted"):
    """A script wants something of the bridge; `station` is the one that it is wanted of, "" for none."""

    number: int
    station: str
    operation: str
    arguments: list[Any]


class Dropped(Frame, tag="dropped"):
    """A script does not wait for what it wanted any more."""

    number: int


ToBridge = Loaded | Ended | Refused | Cancelled | Wanted | Dropped

_encoder = msgspec.msgpack.Encoder()
#: no answer, no request
NOTHING = msgspec.Raw(_encoder.encode(None))


def frame(message: Frame) -> bytes:
    """The bytes of a frame. Raises what msgspec raises of a value that is not plain."""
    body = _encoder.encode(message)
    return struct.pack(">I", len(body)) + body


def encode(value: Any) -> bytes:
    """Any value as MessagePack; what that cannot carry (lone surrogates, huge numbers) is made fit."""
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError, RecursionError, ValueError):
        return _encoder.encode(plain(value))


def plain(value: Any, depth: int = 0) -> Any:
    """The value with what MessagePack cannot carry replaced: JSON from a station may hold it."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        return str(value) if value.bit_length() > 1000 else float(value)
    if depth < _DEPTH and isinstance(value, Mapping):
        return {plain(str(key)): plain(inner, depth + 1) for key, inner in value.items()}
    if depth < _DEPTH and isinstance(value, list | tuple):
        return [plain(inner, depth + 1) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else str(type(value))


def request_fields(request: Request) -> bytes:
    """A request without its station."""
    fields = dataclasses.fields(request)
    return encode({field.name: getattr(request, field.name) for field in fields if field.name != "station"})


def make_request(kind: type[Request], station: Station, fields: bytes) -> Request:
    """The request again, around another station: a copy, which a script may change as it likes."""
    found = msgspec.msgpack.decode(fields)
    for name in _TUPLES[kind]:
        found[name] = tuple(found[name])
    return kind(station=station, **found)


class Frames:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self, kind: Any, limit: int) -> None:
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(kind)
        self._limit = limit
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The frames that are complete. Raises ValueError (msgspec's errors are such) for what is none."""
        self._data += data
        while len(self._data) >= 4:
            size = int.from_bytes(self._data[:4], "big")
            if size > self._limit:
                raise ValueError(f"a frame of {size} bytes")
            if len(self._data) < 4 + size:
                return
            body = bytes(self._data[4 : 4 + size])
            del self._data[: 4 + size]
            yield self._decoder.decode(body)
