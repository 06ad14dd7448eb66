"""The OPC UA binary protocol as one client needs it, without security (OPC 10000-6 §5.2, §6.7, §7.1)."""

import socket
import struct
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlparse

BUFFER = 65_536  # of one chunk, as most clients have it
TIMEOUT = 30.0  # s
NONE_POLICY = "http://opcfoundation.org/UA/SecurityPolicy#None"
NULL = b"\xff\xff\xff\xff"  # a string, byte string or array that is not there
NO_OBJECT = b"\x00\x00\x00"  # an ExtensionObject without a body
EPOCH = 11_644_473_600  # s from 1601 to 1970

OPEN, SERVICE_FAULT = 446, 397


class ProtocolError(Exception):
    """The server answered with an error, or with something else than was asked for."""


class Reader:
    """Takes one value after the other out of a message."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, layout: struct.Struct) -> tuple[int, ...]:
        found = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return found

    def u8(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def u32(self) -> int:
        return self.take(_U32)[0]

    def i32(self) -> int:
        return self.take(_I32)[0]

    def f64(self) -> float:
        return self.take(_F64)[0]

    def text(self) -> str | None:
        found = self.octets()
        return None if found is None else found.decode()

    def octets(self) -> bytes | None:
        length = self.i32()
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length : self.at]

    def count(self) -> int:
        """The length of an array; one that is not there has none."""
        return max(self.i32(), 0)

    def node_id(self) -> bytes:
        """A NodeId or ExpandedNodeId as it stands in the message (OPC 10000-6 §5.2.2.9)."""
        began = self.at
        kind = self.u8()
        if kind & 0x3F in _NODE_ID_SIZES:
            self.at += _NODE_ID_SIZES[kind & 0x3F]
        else:
            self.at += 2
            self.octets()
        if kind & 0x80:
            self.octets()
        if kind & 0x40:
            self.at += 4
        return self.data[began : self.at]

    def localized(self) -> None:
        mask = self.u8()
        for bit in (1, 2):
            if mask & bit:
                self.octets()

    def extension(self) -> None:
        self.node_id()
        if self.u8():
            self.octets()

    def diagnostics(self) -> None:
        """An array of DiagnosticInfo, which is empty as long as nobody asks for more."""
        for _ in range(self.count()):
            if self.u8():
                raise ProtocolError("diagnostics that nobody asked for")


_U32, _I32, _F64 = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<d")
_NODE_ID_SIZES = {0: 1, 1: 3, 2: 6, 4: 18}
_CHUNK = struct.Struct("<3scI")
_SEQUENCE = struct.Struct("<IIII")  # channel, token, sequence number, request id
_TYPE_AND_HEADER = struct.Struct("<HHqIIBi")  # type id, time, request handle, result, diagnostics, string table


def text(value: str | None) -> bytes:
    return NULL if value is None else octets(value.encode())


def octets(value: bytes) -> bytes:
    return _I32.pack(len(value)) + value


def node(path: str, namespace: int = 2) -> bytes:
    """The NodeId `ns=<namespace>;s=<path>`."""
    return struct.pack("<BH", 3, namespace) + text(path)


def numeric(identifier: int) -> bytes:
    """A NodeId of OPC UA's own."""
    return struct.pack("<BBH", 1, 0, identifier)


def array(items: Iterable[bytes]) -> bytes:
    found = list(items)
    return _I32.pack(len(found)) + b"".join(found)


class Channel:
    """A connection with a secure channel that secures nothing, and the messages on it.

    `published(body)` gets the body of every PublishResponse; any other answer goes to who asked.
    """

    def __init__(self, endpoint: str) -> None:
        url = urlparse(endpoint)
        self._socket = socket.create_connection((url.hostname, url.port), TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 21)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._sequence = 0
        self._channel = self._token = 0
        self.session = b"\x00\x00"  # the authentication token
        self.published: Callable[[bytes], None] = lambda body: None
        try:
            self._limit = self._hello(endpoint)
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def ask(self, request: int, body: bytes) -> Reader:
        """Sends a request and waits for its answer: a reader behind the answer's header."""
        number = self.send(request, body)
        deadline = time.monotonic() + TIMEOUT
        while True:
            found = self._next(deadline)
            if found is None:
                raise ProtocolError(f"no answer to request {request} within {TIMEOUT} s")
            answered, message = found
            if answered == number:
                return _answer(message)
            self.published(message)

    def listen(self, until: float) -> bool:
        """Waits for one PublishResponse until a time of time.monotonic(); False: there came none."""
        found = self._next(until)
        if found is None:
            return False
        self.published(found[1])
        return True

    def send(self, request: int, body: bytes) -> int:
        """Sends a request, in chunks that the server takes; returns its id."""
        now = (int(time.time()) + EPOCH) * 10_000_000
        number = self._sequence + 1
        header = self.session + struct.pack("<qII", now, number, 0) + NULL + struct.pack("<I", 0) + NO_OBJECT
        message = numeric(request) + header + body
        room = self._limit - 24
        parts = [message[at : at + room] for at in range(0, len(message), room)]
        out = bytearray()
        for place, part in enumerate(parts, 1):
            self._sequence += 1
            out += _CHUNK.pack(b"MSG", b"F" if place == len(parts) else b"C", 24 + len(part))
            out += _SEQUENCE.pack(self._channel, self._token, self._sequence, number) + part
        self._socket.settimeout(TIMEOUT)
        self._socket.sendall(out)
        return number

    def _hello(self, endpoint: str) -> int:
        """Hello and Acknowledge (OPC 10000-6 §7.1.2.3): how large a chunk the server takes."""
        body = struct.pack("<IIIII", 0, BUFFER, BUFFER, 0, 0) + text(endpoint)
        self._socket.sendall(_CHUNK.pack(b"HEL", b"F", 8 + len(body)) + body)
        kind, _, message = self._chunk(time.monotonic() + TIMEOUT) or (b"", b"", b"")
        if kind != b"ACK":
            raise ProtocolError(f"no Acknowledge: {message!r}")
        takes: int = _U32.unpack_from(message, 4)[0]
        return min(takes, BUFFER)

    def _open(self) -> None:
        """OpenSecureChannel (OPC 10000-4 §5.5.2)."""
        self._sequence += 1
        header = self.session + struct.pack("<qII", 0, 1, 0) + NULL + struct.pack("<I", 0) + NO_OBJECT
        request = numeric(OPEN) + header + struct.pack("<III", 0, 0, 1) + NULL + struct.pack("<I", 3_600_000)
        security = text(NONE_POLICY) + NULL + NULL + struct.pack("<II", self._sequence, self._sequence)
        body = struct.pack("<I", 0) + security + request
        self._socket.sendall(_CHUNK.pack(b"OPN", b"F", 8 + len(body)) + body)
        kind, _, message = self._chunk(time.monotonic() + TIMEOUT) or (b"", b"", b"")
        if kind != b"OPN":
            raise ProtocolError(f"no channel: {message!r}")
        reader = Reader(message, 4)
        for _ in range(3):
            reader.octets()
        answer = _answer(message[reader.at + 8 :])
        answer.u32()
        self._channel, self._token = answer.u32(), answer.u32()

    def _next(self, until: float) -> tuple[int, bytes] | None:
        """The next message: the id of its request, and its body. None: there is none until then."""
        parts: list[bytes] = []
        while True:
            # a message that has begun comes to its end
            found = self._chunk(time.monotonic() + TIMEOUT if parts else until)
            if found is None:
                return None
            kind, final, chunk = found
            if kind != b"MSG" or final == b"A":
                raise ProtocolError(f"{kind!r}: {chunk[:200]!r}")
            parts.append(chunk[16:])
            if final == b"F":
                return _U32.unpack_from(chunk, 12)[0], parts[0] if len(parts) == 1 else b"".join(parts)

    def _chunk(self, until: float) -> tuple[bytes, bytes, bytes] | None:
        """The next chunk: its kind, whether it is the last one, and what stands behind its size."""
        while True:
            start, has = self._start, self._end - self._start
            if has >= 8:
                kind, final, size = _CHUNK.unpack_from(self._buffer, start)
                if has >= size:
                    self._start += size
                    return kind, final, bytes(self._view[start + 8 : start + size])
            if not self._receive(until):
                return None

    def _receive(self, until: float) -> bool:
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._buffer) - self._end < BUFFER:
            rest = bytes(self._view[self._start : self._end])
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        wait = until - time.monotonic()
        if wait <= 0:
            return False
        self._socket.settimeout(wait)
        try:
            got = self._socket.recv_into(self._view[self._end :])
        except TimeoutError:
            return False
        if not got:
            raise ProtocolError("the server closed the connection")
        self._end += got
        return True


def _answer(message: bytes) -> Reader:
    """A reader behind the header of an answer (OPC 10000-4 §7.33). Raises ProtocolError for a bad result."""
    encoding, type_id, _, _, result, diagnostics, strings = _TYPE_AND_HEADER.unpack_from(message)
    if encoding != 1 or type_id == SERVICE_FAULT or result & 0x80000000 or diagnostics or strings > 0:
        raise ProtocolError(f"answer {type_id}: 0x{result:08X}")
    reader = Reader(message, _TYPE_AND_HEADER.size)
    reader.extension()
    return reader


#: where the body of an answer begins that has nothing special in its header
BODY = _TYPE_AND_HEADER.size + 3
