"""The services that the benchmarks use: their requests made once, their answers checked (OPC 10000-4 §5)."""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.opcua.wire import NO_OBJECT, NULL, Channel, ProtocolError, Reader, array, node, numeric, octets, text

CREATE_SESSION, ACTIVATE_SESSION, CLOSE_SESSION = 461, 467, 473
BROWSE, BROWSE_NEXT, READ, WRITE, CALL = 527, 533, 631, 673, 712
CREATE_SUBSCRIPTION, DELETE_SUBSCRIPTIONS, CREATE_ITEMS, PUBLISH = 787, 847, 751, 826
ANONYMOUS = 321  # AnonymousIdentityToken
OBJECTS, HIERARCHICAL = 85, 33
VALUE, BOTH_TIMES, REPORTING = 13, 2, 2
STRING, DOUBLE = 12, 11

_NO_RANGE = NULL + b"\x00\x00" + NULL  # IndexRange, DataEncoding


def log_in(channel: Channel, endpoint: str) -> None:
    """An anonymous session on the channel (§5.7.2, §5.7.3)."""
    name = text("urn:ocpp-bridge:benchmark")
    client = name + name + b"\x02" + text("benchmark") + struct.pack("<I", 1) + NULL + NULL + NULL
    limits = struct.pack("<dI", 3_600_000.0, 0)
    nonce = octets(os.urandom(32))
    answer = channel.ask(CREATE_SESSION, client + NULL + text(endpoint) + text("benchmark") + nonce + NULL + limits)
    answer.node_id()
    channel.session = answer.node_id()
    answer.f64()
    answer.octets(), answer.octets()
    policies = [policy for _ in range(answer.count()) for policy in _anonymous(answer)]
    token = text(policies[0])
    identity = numeric(ANONYMOUS) + b"\x01" + octets(token)
    channel.ask(ACTIVATE_SESSION, NULL + NULL + NULL + NULL + identity + NULL + NULL)


def log_out(channel: Channel) -> None:
    channel.ask(CLOSE_SESSION, b"\x01")
    channel.close()


def _anonymous(reader: Reader) -> Iterator[str | None]:
    """The names under which an endpoint takes anybody, if it is one without security (§7.14)."""
    reader.octets(), reader.octets(), reader.octets()
    reader.localized()
    reader.u32(), reader.octets(), reader.octets()
    for _ in range(reader.count()):
        reader.octets()
    reader.octets()
    mode = reader.u32()
    reader.octets()
    for _ in range(reader.count()):
        policy, kind = reader.text(), reader.u32()
        reader.octets(), reader.octets(), reader.octets()
        if mode == 1 and kind == 0:
            yield policy
    reader.octets(), reader.u8()


def read_request(paths: Iterable[str]) -> bytes:
    """Read: the values, as they are now, with both times (§5.11.2)."""
    values = (node(path) + struct.pack("<I", VALUE) + _NO_RANGE for path in paths)
    return struct.pack("<dI", 0.0, BOTH_TIMES) + array(values)


def read_values(answer: Reader) -> list[tuple[int, float | None]]:
    """StatusCodes and values of an answer to a Read of Doubles."""
    return [_data_value(answer) for _ in range(answer.count())]


def _data_value(reader: Reader) -> tuple[int, float | None]:
    """A DataValue (OPC 10000-6 §5.2.2.17) that holds a Double or nothing."""
    mask, value, status = reader.u8(), None, 0
    if mask & 1:
        kind = reader.u8()
        if kind == DOUBLE:
            value = reader.f64()
        elif kind:
            raise ProtocolError(f"a value of type {kind}")
    if mask & 2:
        status = reader.u32()
    for bit, size in ((4, 8), (16, 2), (8, 8), (32, 2)):
        if mask & bit:
            reader.at += size
    return status, value


def browse_request(nodes: Iterable[bytes], limit: int = 0) -> bytes:
    """Browse: hierarchical references forward, with all that is known of their targets (§5.9.2)."""
    wanted = (
        found + struct.pack("<I", 0) + numeric(HIERARCHICAL) + b"\x01" + struct.pack("<II", 0, 63) for found in nodes
    )
    view = b"\x00\x00" + struct.pack("<qI", 0, 0)
    return view + struct.pack("<I", limit) + array(wanted)


def browse_next_request(points: Iterable[bytes]) -> bytes:
    return b"\x00" + array(map(octets, points))


@dataclass(slots=True)
class Browsed:
    """The NodeIds that one node refers to, and where to go on (b"": nowhere)."""

    targets: list[bytes]
    rest: bytes


def browsed(answer: Reader) -> list[Browsed]:
    """The results of Browse or BrowseNext. Raises ProtocolError where one is bad."""
    results: list[Browsed] = []
    for _ in range(answer.count()):
        status, rest = answer.u32(), answer.octets() or b""
        if status & 0x80000000:
            raise ProtocolError(f"Browse: 0x{status:08X}")
        results.append(Browsed([_reference(answer) for _ in range(answer.count())], rest))
    return results


def _reference(reader: Reader) -> bytes:
    """The target of a ReferenceDescription (§7.30)."""
    reader.node_id(), reader.u8()
    target = reader.node_id()
    reader.at += 2
    reader.octets()
    reader.localized()
    reader.u32(), reader.node_id()
    return target


def write_request(path: str, value: str) -> bytes:
    """Write: one String (§5.11.4)."""
    item = node(path) + struct.pack("<I", VALUE) + NULL + b"\x01" + bytes([STRING]) + text(value)
    return array([item])


def written(answer: Reader) -> list[int]:
    return [answer.u32() for _ in range(answer.count())]


def call_request(owner: str, method: str, *arguments: str) -> bytes:
    """Call: one method with Strings for arguments (§5.12.2)."""
    inputs = array(bytes([STRING]) + text(argument) for argument in arguments)
    return array([node(owner) + node(method) + inputs])


def called(answer: Reader) -> list[tuple[int, list[str | None]]]:
    """StatusCode and output arguments, which are Strings, of every call."""
    return [_call_result(answer) for _ in range(answer.count())]


def _call_result(reader: Reader) -> tuple[int, list[str | None]]:
    status = reader.u32()
    for _ in range(reader.count()):
        reader.u32()
    reader.diagnostics()
    outputs: list[str | None] = []
    for _ in range(reader.count()):
        if reader.u8() != STRING:
            raise ProtocolError("an output argument that is no String")
        outputs.append(reader.text())
    return status, outputs


@dataclass(frozen=True, slots=True)
class Made:
    """A subscription as the server revised it; times in ms."""

    id: int
    interval: float


def create_subscription(channel: Channel, interval: float, per_publish: int) -> Made:
    """A subscription (§5.14.2) with keep-alives that are out of the way."""
    answer = channel.ask(CREATE_SUBSCRIPTION, struct.pack("<dIII??", interval, 10_000, 1000, per_publish, True, False))
    return Made(answer.u32(), answer.f64())


def delete_subscription(channel: Channel, number: int) -> None:
    channel.ask(DELETE_SUBSCRIPTIONS, array([struct.pack("<I", number)]))


def items_requests(subscription: int, paths: Sequence[str], sampling: float, queue: int, size: int) -> list[bytes]:
    """CreateMonitoredItems (§5.13.2) in calls of `size`; an item's client handle is its place in `paths`."""
    items = [
        node(path)
        + struct.pack("<I", VALUE)
        + _NO_RANGE
        + struct.pack("<IId", REPORTING, handle, sampling)
        + NO_OBJECT
        + struct.pack("<I?", queue, True)
        for handle, path in enumerate(paths)
    ]
    head = struct.pack("<II", subscription, BOTH_TIMES)
    return [head + array(items[at : at + size]) for at in range(0, len(items), size)]


def items_made(answer: Reader) -> list[tuple[int, float, int]]:
    """Of every item its id, its sampling interval in ms and its queue. Raises ProtocolError where one is refused."""
    found: list[tuple[int, float, int]] = []
    for _ in range(answer.count()):
        status = answer.u32()
        if status:
            raise ProtocolError(f"an item was refused: 0x{status:08X}")
        found.append((answer.u32(), answer.f64(), answer.u32()))
        answer.extension()
    return found


def publish_request(acknowledged: Sequence[tuple[int, int]] = ()) -> bytes:
    """Publish (§5.14.5) with (subscription, sequence number) of what has arrived."""
    return array(struct.pack("<II", *pair) for pair in acknowledged)
